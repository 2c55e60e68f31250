//! The national code lists for persons: sex, marital status, health, employment, ethnicity, family relation.
//!
//! The rows are data files beside this module, read once. This module knows codes and their Chinese names, not what
//! they mean for anybody. A row whose wording could not be checked against the standard is carried all the same, marked
//! as not verified and with a note that says why.
//!
//! Invariant: within a list the codes are of one length, unique, and in ascending order.

use std::sync::LazyLock;

use jiff::civil::Date;

/// One national code list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeList {
    /// 人的性别, GB/T 2261.1.
    Sex,
    /// 婚姻状况, GB/T 2261.2.
    MaritalStatus,
    /// 健康状况, GB/T 2261.3.
    HealthStatus,
    /// 从业状况（个人身份）, GB/T 2261.4.
    Employment,
    /// 民族, GB/T 3304.
    Ethnicity,
    /// 家庭关系, GB/T 4761, the code of two digits.
    FamilyRelation,
}

/// One row of a code list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRow {
    /// The code, one or two digits as text.
    pub code: &'static str,
    /// The Chinese name, as the standard words it.
    pub name: &'static str,
    /// What must be known about the row; always there when it is not verified.
    pub note: Option<&'static str>,
    /// Whether the row stands so in the standard.
    pub verified: bool,
    /// The first day on which the row may be used; none if it always could.
    pub valid_from: Option<Date>,
    /// The last day on which the row may be used; none while it is in force.
    pub valid_until: Option<Date>,
}

impl CodeList {
    /// Every list.
    pub const ALL: [Self; 6] =
        [Self::Sex, Self::MaritalStatus, Self::HealthStatus, Self::Employment, Self::Ethnicity, Self::FamilyRelation];

    /// The standard with its year, for example `GB/T 2261.1-2003`.
    pub fn standard(self) -> &'static str {
        match self {
            Self::Sex => "GB/T 2261.1-2003",
            Self::MaritalStatus => "GB/T 2261.2-2003",
            Self::HealthStatus => "GB/T 2261.3-2003",
            Self::Employment => "GB/T 2261.4-2003",
            Self::Ethnicity => "GB/T 3304-1991",
            Self::FamilyRelation => "GB/T 4761-2008",
        }
    }

    /// The rows in ascending order of their codes.
    pub fn rows(self) -> &'static [CodeRow] {
        static SEX: LazyLock<Vec<CodeRow>> = LazyLock::new(|| read(SEX_CSV));
        static MARITAL_STATUS: LazyLock<Vec<CodeRow>> = LazyLock::new(|| read(MARITAL_STATUS_CSV));
        static HEALTH_STATUS: LazyLock<Vec<CodeRow>> = LazyLock::new(|| read(HEALTH_STATUS_CSV));
        static EMPLOYMENT: LazyLock<Vec<CodeRow>> = LazyLock::new(|| read(EMPLOYMENT_CSV));
        static ETHNICITY: LazyLock<Vec<CodeRow>> = LazyLock::new(|| read(ETHNICITY_CSV));
        static FAMILY_RELATION: LazyLock<Vec<CodeRow>> = LazyLock::new(|| read(FAMILY_RELATION_CSV));
        match self {
            Self::Sex => &SEX,
            Self::MaritalStatus => &MARITAL_STATUS,
            Self::HealthStatus => &HEALTH_STATUS,
            Self::Employment => &EMPLOYMENT,
            Self::Ethnicity => &ETHNICITY,
            Self::FamilyRelation => &FAMILY_RELATION,
        }
    }

    /// The row of a code, written exactly as in the standard (`01`, not `1`).
    pub fn find(self, code: &str) -> Option<&'static CodeRow> {
        let rows = self.rows();
        rows.binary_search_by(|row| row.code.cmp(code)).ok().map(|index| &rows[index])
    }
}

const SEX_CSV: &str = include_str!("code_list/sex.csv");
const MARITAL_STATUS_CSV: &str = include_str!("code_list/marital_status.csv");
const HEALTH_STATUS_CSV: &str = include_str!("code_list/health_status.csv");
const EMPLOYMENT_CSV: &str = include_str!("code_list/employment.csv");
const ETHNICITY_CSV: &str = include_str!("code_list/ethnicity.csv");
const FAMILY_RELATION_CSV: &str = include_str!("code_list/family_relation.csv");

/// The first line of every data file. No field holds a comma or a quote, so none needs quoting.
const HEADER: &str = "code,name,verified,valid_from,valid_until,note";

/// Reads a data file of this crate. Only a slip in the file itself can make it panic, and the tests read every file.
fn read(csv: &'static str) -> Vec<CodeRow> {
    let rows = csv.strip_prefix(HEADER).expect("every data file begins with the header");
    rows.lines().skip(1).map(|line| read_row(line).expect("every line of a data file is a row")).collect()
}

/// Reads one line of a data file; none if it is no row.
fn read_row(line: &'static str) -> Option<CodeRow> {
    let fields: Vec<&'static str> = line.split(',').collect();
    let [code, name, verified, valid_from, valid_until, note] = fields[..] else {
        return None;
    };
    Some(CodeRow {
        code,
        name,
        note: Some(note).filter(|note| !note.is_empty()),
        verified: match verified {
            "yes" => true,
            "no" => false,
            _ => return None,
        },
        valid_from: read_day(valid_from)?,
        valid_until: read_day(valid_until)?,
    })
}

/// Reads a day that may be left empty; none if it is neither.
fn read_day(text: &str) -> Option<Option<Date>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn every_list_is_whole_in_order_and_without_doubles() {
        let counts = CodeList::ALL.map(|list| list.rows().len());
        assert_eq!(counts, [4, 8, 22, 13, 58, 84]);
        for list in CodeList::ALL {
            let rows = list.rows();
            assert!(rows.is_sorted_by(|left, right| left.code < right.code), "{list:?}");
            let width = rows[0].code.len();
            for row in rows {
                assert_eq!(row.code.len(), width, "{list:?} {row:?}");
                assert!(row.code.bytes().all(|byte| byte.is_ascii_digit()), "{list:?} {row:?}");
            }
        }
    }

    #[test]
    fn every_name_is_chinese_and_names_one_row() {
        for list in CodeList::ALL {
            let mut names: Vec<_> = list.rows().iter().map(|row| row.name).collect();
            for name in &names {
                let is_chinese =
                    |character: char| ('\u{4e00}'..='\u{9fff}').contains(&character) || "、（）".contains(character);
                assert!(!name.is_empty() && name.chars().all(is_chinese), "{list:?} {name}");
            }
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{list:?}");
        }
    }

    #[test]
    fn codes_are_found_by_their_exact_spelling() {
        for (list, code, name) in [
            (CodeList::Sex, "1", "男性"),
            (CodeList::Sex, "2", "女性"),
            (CodeList::Sex, "9", "未说明的性别"),
            (CodeList::MaritalStatus, "21", "初婚"),
            (CodeList::MaritalStatus, "30", "丧偶"),
            (CodeList::HealthStatus, "10", "健康或良好"),
            (CodeList::HealthStatus, "66", "精神残疾"),
            (CodeList::Employment, "54", "个体经营者"),
            (CodeList::Employment, "80", "退（离）休人员"),
            (CodeList::Ethnicity, "01", "汉族"),
            (CodeList::Ethnicity, "05", "维吾尔族"),
            (CodeList::Ethnicity, "56", "基诺族"),
            (CodeList::FamilyRelation, "02", "户主"),
            (CodeList::FamilyRelation, "40", "孙子、孙女、外孙子、外孙女"),
            (CodeList::FamilyRelation, "99", "非亲属"),
        ] {
            assert_eq!(list.find(code).expect("a row").name, name, "{list:?} {code}");
        }
        for (list, code) in [
            (CodeList::Sex, "3"),
            (CodeList::Sex, "01"),
            (CodeList::Sex, ""),
            (CodeList::Ethnicity, "1"),
            (CodeList::Ethnicity, "57"),
            (CodeList::FamilyRelation, "98"),
            (CodeList::FamilyRelation, "02 "),
        ] {
            assert_eq!(list.find(code), None, "{list:?} {code}");
        }
    }

    #[test]
    fn every_row_of_a_list_is_found() {
        for list in CodeList::ALL {
            for row in list.rows() {
                assert_eq!(list.find(row.code), Some(row));
            }
        }
    }

    #[test]
    fn the_56_ethnicities_of_the_standard_are_numbered_without_a_gap() {
        let rows = &CodeList::Ethnicity.rows()[..56];
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(row.code, format!("{:02}", index + 1));
            assert!(row.verified && row.name.ends_with('族'), "{row:?}");
        }
    }

    #[test]
    fn what_could_not_be_verified_is_carried_and_says_so() {
        let unverified: Vec<_> = CodeList::ALL
            .into_iter()
            .flat_map(|list| list.rows().iter().filter(|row| !row.verified).map(move |row| (list, row.code)))
            .collect();
        assert_eq!(
            unverified,
            [
                (CodeList::Employment, "80"),
                (CodeList::Ethnicity, "97"),
                (CodeList::Ethnicity, "98"),
                (CodeList::FamilyRelation, "52"),
                (CodeList::FamilyRelation, "78"),
            ]
        );
        for row in CodeList::ALL.into_iter().flat_map(|list| list.rows()) {
            assert_eq!(row.note.is_some(), !row.verified, "{row:?}");
        }
    }

    #[test]
    fn a_row_may_be_bounded_in_time() {
        let row = read_row("7,旧,yes,1991-01-01,2003-11-30,").expect("a row");
        assert_eq!(row.valid_from, Some(date(1991, 1, 1)));
        assert_eq!(row.valid_until, Some(date(2003, 11, 30)));
        assert_eq!(row.note, None);
    }

    #[test]
    fn a_slip_in_a_data_file_is_no_row() {
        for line in ["7,旧,yes,,", "7,旧,maybe,,,", "7,旧,yes,1991-13-01,,", "7,旧,yes,,,a,b", ""] {
            assert_eq!(read_row(line), None, "{line}");
        }
    }

    #[test]
    fn no_data_file_holds_a_quote_or_a_carriage_return() {
        for csv in [SEX_CSV, MARITAL_STATUS_CSV, HEALTH_STATUS_CSV, EMPLOYMENT_CSV, ETHNICITY_CSV, FAMILY_RELATION_CSV]
        {
            assert!(!csv.contains(['"', '\r']) && csv.ends_with('\n'));
        }
    }
}
