//! What the words of the schema are called in Chinese and English, for the lists that phones and desks show.
//!
//! Codes of national lists have their names in [`crate::code_list`], fields their terms in [`crate::schema`].
//!
//! **Invariant:** every word that a field may hold has a name in both languages.

use crate::fields::Kind;
use crate::schema::Field;

/// A word with its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wording {
    /// The word that documents and JSON hold.
    pub word: &'static str,
    /// In Chinese.
    pub chinese: &'static str,
    /// In English.
    pub english: &'static str,
}

const fn wording(word: &'static str, chinese: &'static str, english: &'static str) -> Wording {
    Wording { word, chinese, english }
}

const WORDINGS: &[Wording] = &[
    wording("living", "在住", "living there"),
    wording("moved_away", "已迁出", "moved away"),
    wording("dissolved", "已销户", "dissolved"),
    wording("occupied", "自住", "occupied by its owner"),
    wording("let", "出租", "let"),
    wording("vacant", "空置", "vacant"),
    wording("registered", "户籍人口", "registered here"),
    wording("floating", "流动人口", "registered elsewhere"),
    wording("foreign", "境外人员", "from abroad"),
    wording("statutory_duty", "法定职责", "statutory duty"),
    wording("consent", "本人同意", "consent"),
    wording("emergency", "紧急情况", "emergency"),
    wording("door", "入户看", "at the door"),
    wording("phone", "电话问", "by telephone"),
    wording("neighbour", "邻居访", "by asking a neighbour"),
    wording("met", "见到本人", "somebody was met"),
    wording("proxy", "他人代答", "somebody answered for them"),
    wording("no_answer", "无人应答", "nobody answered"),
    wording("refused", "谢绝走访", "the visit was not wanted"),
    wording("justified", "有正当理由", "there was good reason"),
    wording("unjustified", "没有正当理由", "there was no good reason"),
];

/// The names of a word; none for one that no field holds.
pub fn wording_of(word: &str) -> Option<&'static Wording> {
    WORDINGS.iter().find(|wording| wording.word == word)
}

/// The words that a field may hold, with their names; none if it holds something else.
pub fn choices(field: &Field) -> Option<Vec<&'static Wording>> {
    match field.kind {
        Kind::Choice(words) => Some(words.iter().filter_map(|word| wording_of(word)).collect()),
        _ => None,
    }
}

/// A name of a field or kind in English: its words.
pub fn in_english(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::catalogue;

    #[test]
    fn every_word_that_a_field_may_hold_has_names() {
        for (record, fields) in catalogue() {
            for field in fields {
                if let Kind::Choice(words) = field.kind {
                    let named = choices(field).expect("it is a choice");
                    assert_eq!(named.len(), words.len(), "{record}.{}", field.name);
                    assert!(named.iter().all(|one| !one.chinese.is_ascii() && one.english.is_ascii()));
                }
            }
        }
    }
}
