//! The columns that a roster can have: what each holds, and the headers under which offices write it.
//!
//! **Invariant:** a header names one column at most; names and headers are in their plain form (see [`plain`]).

use gridwork_domain::fields::Kind;
use gridwork_domain::language::Language;
use gridwork_domain::schema::{DWELLING, HOUSEHOLD, MEMBERSHIPS, RESIDENTS, SCHEMA_1};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// What rows of one household have in common: a number or a name that is not kept.
    HouseholdKey,
    /// The division code of the household's grid, 15 digits.
    Grid,
    /// The name of the head of the household.
    Head,
    /// A field of this container.
    Field(&'static str, &'static str),
    /// The citizen number of a resident, which is kept sealed and in no list.
    CitizenNumber,
    /// What is there for people's eyes: ordinals, and what an export says besides.
    Nothing,
}

/// A column.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in mappings.
    pub name: &'static str,
    /// Its header in Chinese.
    pub chinese: &'static str,
    /// Its header in English.
    pub english: &'static str,
    /// Other headers for the same, in plain form.
    others: &'static [&'static str],
    /// What it holds.
    pub holds: Holds,
}

const fn column(
    name: &'static str,
    chinese: &'static str,
    english: &'static str,
    others: &'static [&'static str],
    holds: Holds,
) -> Column {
    Column { name, chinese, english, others, holds }
}

/// All columns.
pub const COLUMNS: &[Column] = &[
    column(
        "household",
        "户编号",
        "household",
        &["户号", "家庭编号", "家庭户编号", "户籍号", "户口簿号", "householdkey"],
        Holds::HouseholdKey,
    ),
    column("grid", "网格编码", "grid code", &["网格编号", "网格代码", "网格", "所属网格编码", "grid"], Holds::Grid),
    column("head", "户主姓名", "head of household", &["户主", "户主名", "head"], Holds::Head),
    column("household_status", "户状态", "household status", &[], Holds::Field(HOUSEHOLD, "status")),
    column(
        "contact_phone",
        "联系电话",
        "contact phone",
        &["家庭电话", "家庭联系电话", "户联系电话", "住宅电话"],
        Holds::Field(HOUSEHOLD, "contact_phone"),
    ),
    column("remark", "备注", "remark", &["户备注", "remarks", "说明"], Holds::Field(HOUSEHOLD, "remark")),
    column(
        "address",
        "地址",
        "address",
        &["家庭住址", "住址", "现住址", "居住地址", "家庭地址", "现居住地址", "详细地址", "常住地址"],
        Holds::Field(DWELLING, "address"),
    ),
    column(
        "building",
        "楼栋",
        "building",
        &["楼号", "栋", "楼栋号", "幢号", "栋号", "楼"],
        Holds::Field(DWELLING, "building"),
    ),
    column("unit", "单元", "unit", &["单元号"], Holds::Field(DWELLING, "unit")),
    column("floor", "楼层", "floor", &["层", "所在层"], Holds::Field(DWELLING, "floor")),
    column(
        "door",
        "门牌",
        "door",
        &["门牌号", "房号", "室号", "房间号", "房门号", "户室"],
        Holds::Field(DWELLING, "door"),
    ),
    column(
        "dwelling_status",
        "房屋状态",
        "dwelling status",
        &["房屋用途", "住房情况"],
        Holds::Field(DWELLING, "status"),
    ),
    column(
        "name",
        "姓名",
        "name",
        &["居民姓名", "成员姓名", "家庭成员", "家庭成员姓名", "人员姓名", "fullname"],
        Holds::Field(RESIDENTS, "name"),
    ),
    column(
        "relation",
        "与户主关系",
        "relation to head",
        &["户主关系", "关系", "与户主的关系", "家庭关系", "relation"],
        Holds::Field(MEMBERSHIPS, "relation"),
    ),
    column("sex", "性别", "sex", &["gender"], Holds::Field(RESIDENTS, "sex")),
    column(
        "birth_date",
        "出生日期",
        "birth date",
        &["出生年月日", "生日", "出生年月", "birthdate", "dateofbirth", "birthday"],
        Holds::Field(RESIDENTS, "birth_date"),
    ),
    column(
        "phone",
        "电话",
        "phone",
        &["手机", "手机号", "手机号码", "电话号码", "本人电话", "联系方式", "mobile"],
        Holds::Field(RESIDENTS, "phone"),
    ),
    column(
        "second_phone",
        "备用电话",
        "second phone",
        &["其他电话", "电话2", "phone2"],
        Holds::Field(RESIDENTS, "second_phone"),
    ),
    column("occupation", "职业", "occupation", &["工作"], Holds::Field(RESIDENTS, "occupation")),
    column(
        "employment",
        "从业状况",
        "employment",
        &["就业状况", "从业情况", "就业情况"],
        Holds::Field(RESIDENTS, "employment"),
    ),
    column(
        "residence_kind",
        "居住类别",
        "residence kind",
        &["人户类型", "人口类型", "人员类型", "人员类别", "居民类型"],
        Holds::Field(RESIDENTS, "residence_kind"),
    ),
    column("ethnicity", "民族", "ethnicity", &[], Holds::Field(RESIDENTS, "ethnicity")),
    column("guardian", "监护人", "guardian", &["监护人姓名"], Holds::Field(RESIDENTS, "guardian")),
    column("died_on", "死亡日期", "died on", &["去世日期"], Holds::Field(RESIDENTS, "died_on")),
    column("since", "迁入日期", "since", &["入住日期", "入住时间", "迁入时间"], Holds::Field(MEMBERSHIPS, "since")),
    column("until", "迁出日期", "until", &["迁出时间", "搬走日期"], Holds::Field(MEMBERSHIPS, "until")),
    column(
        "citizen_number",
        "身份证号",
        "citizen number",
        &["身份证", "身份证号码", "公民身份号码", "公民身份证号", "证件号码", "证件号"],
        Holds::CitizenNumber,
    ),
    column("ordinal", "序号", "no.", &["编号", "no"], Holds::Nothing),
    column("grid_name", "网格名称", "grid name", &["所属网格"], Holds::Nothing),
    column("household_id", "户标识", "household id", &[], Holds::Nothing),
    column("resident_id", "居民标识", "resident id", &[], Holds::Nothing),
    column("open_conflicts", "待定冲突", "open conflicts", &[], Holds::Nothing),
];

impl Column {
    /// The column of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.name == name)
    }

    /// The column of that header, however it is spaced, cased and annotated.
    pub(crate) fn headed(header: &str) -> Option<&'static Self> {
        let header = plain(header);
        COLUMNS.iter().find(|column| {
            plain(column.chinese) == header
                || plain(column.english) == header
                || column.name == header
                || column.others.contains(&header.as_str())
        })
    }

    /// Its header.
    pub const fn header(&self, language: Language) -> &'static str {
        language.pick(self.chinese, self.english)
    }

    /// What its field may hold, if it holds one.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let Holds::Field(container, field) = self.holds else { return None };
        Some(SCHEMA_1.container(container)?.field(field)?.kind)
    }

    /// Whether it says something about a whole household.
    pub(crate) fn is_of_household(&self) -> bool {
        matches!(self.holds, Holds::Grid | Holds::Field(HOUSEHOLD | DWELLING, _))
    }
}

/// A header without spaces, marks and what stands in brackets, in lower case: `出生日期 （年-月-日）*` is `出生日期`.
pub(crate) fn plain(header: &str) -> String {
    let bracket = header.find(['(', '（', '[', '【']).filter(|at| *at > 0).unwrap_or(header.len());
    let kept =
        header[..bracket].chars().filter(|c| !c.is_whitespace() && !matches!(c, '*' | '＊' | ':' | '：' | '\u{feff}'));
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_header_names_one_column_at_most() {
        let mut seen = BTreeSet::new();
        for column in COLUMNS {
            let headers = [plain(column.chinese), plain(column.english), column.name.to_owned()].into_iter();
            let all: BTreeSet<_> = headers.chain(column.others.iter().map(ToString::to_string)).collect();
            for header in all {
                assert_eq!(plain(&header), header, "in plain form");
                assert!(seen.insert(header.clone()), "{header} names two columns");
            }
        }
    }

    #[test]
    fn every_field_column_is_a_field_of_the_schema() {
        for column in COLUMNS {
            assert_eq!(matches!(column.holds, Holds::Field(..)), column.kind().is_some(), "{}", column.name);
        }
    }

    #[test]
    fn headers_are_found_however_an_office_writes_them() {
        for (header, name) in [
            ("姓 名", "name"),
            ("*姓名", "name"),
            ("出生日期（年-月-日）", "birth_date"),
            ("\u{feff}户主", "head"),
            ("与户主关系：", "relation"),
            ("Birth Date", "birth_date"),
            ("人户类型", "residence_kind"),
            ("网格编码", "grid"),
            ("身份证号", "citizen_number"),
            ("公民身份号码（18位）", "citizen_number"),
        ] {
            assert_eq!(Column::headed(header).map(|column| column.name), Some(name), "{header}");
        }
        assert_eq!(Column::headed("政治面貌"), None);
        assert_eq!(Column::headed(""), None);
    }
}
