//! What offices write for the codes of national lists and for the words of the schema, and the word that a list shows.
//!
//! **Invariant:** what is shown for a value is read back as that value.

use gridwork_domain::code_list::CodeList;
use gridwork_domain::language::Language;

/// What offices write besides the names of a list, and the code that they mean.
const SEX: &[(&str, &str)] =
    &[("男", "1"), ("女", "2"), ("m", "1"), ("f", "2"), ("male", "1"), ("female", "2"), ("未知", "0"), ("未说明", "9")];

const RELATION: &[(&str, &str)] = &[
    ("丈夫", "11"),
    ("妻子", "12"),
    ("儿子", "20"),
    ("女儿", "30"),
    ("媳妇", "38"),
    ("儿媳妇", "38"),
    ("父", "51"),
    ("母", "52"),
    ("爷爷", "61"),
    ("奶奶", "62"),
    ("外公", "63"),
    ("姥爷", "63"),
    ("外婆", "64"),
    ("姥姥", "64"),
    ("哥", "71"),
    ("哥哥", "71"),
    ("嫂子", "72"),
    ("弟弟", "73"),
    ("姐", "75"),
    ("妹", "77"),
    ("外孙", "43"),
    ("亲属", "97"),
    ("其它", "80"),
    ("租客", "99"),
    ("租户", "99"),
    ("保姆", "99"),
    ("head", "02"),
    ("self", "01"),
    ("spouse", "10"),
    ("husband", "11"),
    ("wife", "12"),
    ("son", "20"),
    ("daughter", "30"),
    ("father", "51"),
    ("mother", "52"),
    ("grandson", "41"),
    ("granddaughter", "42"),
    ("brother", "73"),
    ("sister", "77"),
    ("other", "80"),
];

const EMPLOYMENT: &[(&str, &str)] = &[
    ("公务员", "11"),
    ("学生", "31"),
    ("个体", "54"),
    ("个体户", "54"),
    ("无业", "70"),
    ("失业", "70"),
    ("待业", "70"),
    ("退休", "80"),
    ("离休", "80"),
    ("离退休", "80"),
    ("退休人员", "80"),
];

/// What is written for a word of the schema, the one that a list shows first.
const CHOICES: &[(&str, &[&str])] = &[
    ("living", &["在住", "常住", "居住"]),
    ("moved_away", &["已迁出", "迁出", "搬走", "已搬走"]),
    ("dissolved", &["已销户", "销户", "注销"]),
    ("occupied", &["自住", "居住", "自用"]),
    ("let", &["出租", "租住", "出租房"]),
    ("vacant", &["空置", "空房", "闲置"]),
    ("registered", &["户籍人口", "户籍", "常住", "常住人口", "本地", "人户一致"]),
    ("floating", &["流动人口", "流动", "外来", "外来人口", "暂住", "人在户不在", "人户分离"]),
    ("foreign", &["境外人员", "境外", "外籍", "外国人"]),
];

/// The code that a text means.
pub(crate) fn code(list: CodeList, text: &str) -> Option<&'static str> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let width = list.rows().first()?.code.len();
    if (1..=width).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return list.find(&format!("{text:0>width$}")).map(|row| row.code);
    }
    let written = match list {
        CodeList::Sex => SEX,
        CodeList::FamilyRelation => RELATION,
        CodeList::Employment => EMPLOYMENT,
        _ => &[],
    };
    let by_word = || written.iter().find(|(word, _)| *word == text).map(|(_, code)| *code);
    let exact = list.rows().iter().find(|row| row.name == text).map(|row| row.code);
    let ethnicity = || {
        let named = format!("{text}族");
        let rows = (list == CodeList::Ethnicity).then(|| list.rows().iter());
        rows.into_iter().flatten().find(|row| row.name == named).map(|row| row.code)
    };
    exact.or_else(by_word).or_else(ethnicity)
}

/// The word of the schema that a text means.
pub(crate) fn choice(words: &'static [&'static str], text: &str) -> Option<&'static str> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    words.iter().copied().find(|word| {
        let written = CHOICES.iter().find(|(known, _)| known == word).map_or(&[][..], |(_, written)| written);
        *word == text || written.contains(&text.as_str())
    })
}

/// What a list shows for a word of the schema.
pub(crate) fn shown_choice(word: &str, language: Language) -> &str {
    let written = CHOICES.iter().find(|(known, _)| *known == word).and_then(|(_, written)| written.first());
    written.map_or(word, |written| language.pick(written, word))
}

/// What a list shows for a code. The national lists have Chinese names alone.
pub(crate) fn shown_code(list: CodeList, code: &str) -> Option<&'static str> {
    if list == CodeList::Sex
        && let Some((word, _)) = SEX.iter().find(|(_, known)| *known == code)
    {
        return Some(word);
    }
    list.find(code).map(|row| row.name)
}

/// Some of what can be written, for who wrote something else.
pub(crate) fn examples(list: CodeList) -> String {
    match list {
        CodeList::Sex => "男 女".to_owned(),
        CodeList::FamilyRelation => {
            "户主 配偶 子 女 儿媳 女婿 父亲 母亲 孙子 孙女 兄 弟 姐姐 妹妹 其他亲属 非亲属".to_owned()
        }
        CodeList::Ethnicity => "汉族 满族 回族 蒙古族 朝鲜族 …".to_owned(),
        _ => list.rows().iter().map(|row| row.name).collect::<Vec<_>>().join(" "),
    }
}

/// What can be written for these words.
pub(crate) fn choices(words: &'static [&'static str]) -> String {
    words.iter().map(|word| shown_choice(word, Language::Chinese)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_shows_for_a_code_is_read_back_as_that_code() {
        for list in CodeList::ALL {
            for row in list.rows() {
                let shown = shown_code(list, row.code).expect("a name");
                assert_eq!(code(list, shown), Some(row.code), "{shown}");
                assert_eq!(code(list, row.code), Some(row.code));
            }
        }
        assert_eq!(code(CodeList::FamilyRelation, "2"), Some("02"), "a number lost its nought");
        assert_eq!(code(CodeList::Ethnicity, "满"), Some("11"));
        assert_eq!(code(CodeList::Sex, "3"), None);
        assert_eq!(code(CodeList::Sex, "男女"), None);
    }

    #[test]
    fn what_is_written_for_a_code_or_a_word_is_one_that_is() {
        for (list, written) in
            [(CodeList::Sex, SEX), (CodeList::FamilyRelation, RELATION), (CodeList::Employment, EMPLOYMENT)]
        {
            assert!(written.iter().all(|(_, code)| list.find(code).is_some()), "{list:?}");
        }
        let kinds: &[&str] = &["registered", "floating", "foreign"];
        assert_eq!(choice(&["registered", "floating", "foreign"], "人户一致"), Some("registered"));
        for word in kinds {
            assert_eq!(
                choice(&["registered", "floating", "foreign"], shown_choice(word, Language::Chinese)),
                Some(*word)
            );
        }
    }
}
