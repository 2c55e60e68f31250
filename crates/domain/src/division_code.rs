//! Division codes (区划代码): where a place stands in the ladder from province down to grid.
//!
//! The first six digits follow GB/T 2260, digits 7-9 GB/T 10114, digits 10-12 the statistical division codes, and digits
//! 13-15 the unit grids of DB11. This module judges the form of a code alone; it does not know which codes were ever
//! issued, what a place is called, nor when its code was valid.
//!
//! Invariant: a place has one spelling. Zeroes that only fill a code up (`110000` for a province, `110101001000` for a
//! township) are cut off, so equal places compare equal and a place's code is a prefix of all that lies within.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The code of one place, 2, 4, 6, 9, 12 or 15 digits, in its one spelling without filling zeroes.
///
/// Ordered as text: a place sorts just before what lies within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DivisionCode(String);

/// The rung of the ladder on which a place stands, from the widest to the narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DivisionLevel {
    /// 省级, 2 digits (GB/T 2260).
    Province,
    /// 地级, 4 digits (GB/T 2260).
    Prefecture,
    /// 县级: county 县 or district 区, 6 digits (GB/T 2260).
    County,
    /// 乡级: subdistrict 街道, town 镇 or township 乡, 9 digits (GB/T 10114).
    Township,
    /// 村级: community 社区 or village 村, 12 digits (statistical division codes).
    Community,
    /// 网格, 15 digits (DB11, unit grids).
    Grid,
}

/// What a place of the township level is, told by digits 7-9 (GB/T 10114).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TownshipKind {
    /// 街道, 001-099.
    Subdistrict,
    /// 镇, 100-199.
    Town,
    /// 乡, 200-399.
    Township,
    /// 政企合一 or 功能区: a place under an enterprise or a special zone, 400-599.
    SpecialZone,
}

/// What a place of the community level is, told by digits 10-12 (statistical division codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommunityKind {
    /// 居委会, residents' committee, 001-199.
    ResidentsCommittee,
    /// 村委会, villagers' committee, 200-399.
    VillagersCommittee,
    /// 类似居委会 or 类似村委会: what is like either, 400-599.
    Similar,
}

/// Why a text is no division code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DivisionCodeError {
    /// Some character is not one of 0-9.
    #[error("a division code has digits only")]
    NotDigits,
    /// The length belongs to no level.
    #[error(
        "a division code has 2, 4, 6, 9, 12 or 15 digits (province, prefecture, county, township, community, grid), not {found}"
    )]
    Length {
        /// Characters found.
        found: usize,
    },
    /// The first two digits name no province.
    #[error("no province has the code {province} (GB/T 2260)")]
    UnknownProvince {
        /// Digits 1-2 as written.
        province: String,
    },
    /// Digits 7-9 are outside 001-599.
    #[error(
        "digits 7-9 are {digits}: a subdistrict is numbered 001-099, a town 100-199, a township 200-399, a special zone 400-599"
    )]
    TownshipNumber {
        /// Digits 7-9 as written.
        digits: String,
    },
    /// Digits 10-12 are outside 001-599.
    #[error(
        "digits 10-12 are {digits}: a residents' committee is numbered 001-199, a villagers' committee 200-399, what is like them 400-599"
    )]
    CommunityNumber {
        /// Digits 10-12 as written.
        digits: String,
    },
    /// Digits 13-15 are 000.
    #[error("grids are numbered from 001: for the community itself write its 12 digits")]
    GridNumber,
}

impl DivisionCode {
    /// Reads a code of 2, 4, 6, 9, 12 or 15 digits; space around it is ignored and filling zeroes are cut off.
    ///
    /// # Errors
    /// [`DivisionCodeError`], the first fault found.
    pub fn parse(text: &str) -> Result<Self, DivisionCodeError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DivisionCodeError::NotDigits);
        }
        if !LEVEL_ENDS.contains(&text.len()) {
            return Err(DivisionCodeError::Length { found: text.len() });
        }
        let province = &text[..2];
        if !PROVINCES.contains(&province) {
            return Err(DivisionCodeError::UnknownProvince { province: province.to_owned() });
        }
        if text.len() == 15 && text.ends_with("000") {
            return Err(DivisionCodeError::GridNumber);
        }
        let code = without_filling_zeroes(text);
        if let Some(digits) = code.get(6..9)
            && TownshipKind::of(number(digits)).is_none()
        {
            return Err(DivisionCodeError::TownshipNumber { digits: digits.to_owned() });
        }
        if let Some(digits) = code.get(9..12)
            && CommunityKind::of(number(digits)).is_none()
        {
            return Err(DivisionCodeError::CommunityNumber { digits: digits.to_owned() });
        }
        Ok(Self(code.to_owned()))
    }

    /// The digits, without filling zeroes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The level, told by the length.
    pub fn level(&self) -> DivisionLevel {
        match self.0.len() {
            2 => DivisionLevel::Province,
            4 => DivisionLevel::Prefecture,
            6 => DivisionLevel::County,
            9 => DivisionLevel::Township,
            12 => DivisionLevel::Community,
            _ => DivisionLevel::Grid,
        }
    }

    /// The place just around this one; none around a province.
    ///
    /// Levels that do not exist there are skipped: a town of Dongguan (`441900003`) lies in the prefecture `4419`, which
    /// has no counties.
    pub fn parent(&self) -> Option<Self> {
        let end = end_above(self.0.len())?;
        Some(Self(without_filling_zeroes(&self.0[..end]).to_owned()))
    }

    /// Whether this place is `other` or lies anywhere inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// What the township is in which this place lies or which it is; none above that level.
    pub fn township_kind(&self) -> Option<TownshipKind> {
        self.0.get(6..9).and_then(|digits| TownshipKind::of(number(digits)))
    }

    /// What the community is in which this place lies or which it is; none above that level.
    pub fn community_kind(&self) -> Option<CommunityKind> {
        self.0.get(9..12).and_then(|digits| CommunityKind::of(number(digits)))
    }

    /// The grid's number within its community, 1-999, counted from west to east and north to south (DB11); none above
    /// that level.
    pub fn grid_ordinal(&self) -> Option<u16> {
        self.0.get(12..15).map(number)
    }
}

impl fmt::Display for DivisionCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for DivisionCode {
    type Error = DivisionCodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<DivisionCode> for String {
    fn from(code: DivisionCode) -> Self {
        code.0
    }
}

impl TownshipKind {
    fn of(number: u16) -> Option<Self> {
        match number {
            1..=99 => Some(Self::Subdistrict),
            100..=199 => Some(Self::Town),
            200..=399 => Some(Self::Township),
            400..=599 => Some(Self::SpecialZone),
            _ => None,
        }
    }
}

impl CommunityKind {
    fn of(number: u16) -> Option<Self> {
        match number {
            1..=199 => Some(Self::ResidentsCommittee),
            200..=399 => Some(Self::VillagersCommittee),
            400..=599 => Some(Self::Similar),
            _ => None,
        }
    }
}

/// Where the digits of each level end.
const LEVEL_ENDS: [usize; 6] = [2, 4, 6, 9, 12, 15];

/// The province level of GB/T 2260, unchanged since 1999; 71 is Taiwan, 81 Hong Kong, 82 Macao.
const PROVINCES: [&str; 34] = [
    "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43", "44",
    "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82",
];

/// Where the next wider level ends.
fn end_above(end: usize) -> Option<usize> {
    LEVEL_ENDS.into_iter().rev().find(|&above| above < end)
}

/// Cuts levels of zeroes off the end. Zeroes in the middle stay: some prefectures have no counties, and those of
/// Hainan stood directly under the province until 2001 (`460025`).
fn without_filling_zeroes(mut code: &str) -> &str {
    while let Some(above) = end_above(code.len()) {
        if code[above..].bytes().any(|byte| byte != b'0') {
            break;
        }
        code = &code[..above];
    }
    code
}

/// The value of three digits.
fn number(digits: &str) -> u16 {
    digits.bytes().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StringDeserializer};

    use super::*;

    fn code(text: &str) -> DivisionCode {
        DivisionCode::parse(text).expect("a code")
    }

    #[test]
    fn the_length_tells_the_level() {
        for (text, level) in [
            ("22", DivisionLevel::Province),
            ("2205", DivisionLevel::Prefecture),
            ("220502", DivisionLevel::County),
            ("220502001", DivisionLevel::Township),
            ("220502001004", DivisionLevel::Community),
            ("220502001004017", DivisionLevel::Grid),
        ] {
            assert_eq!(code(text).level(), level, "{text}");
            assert_eq!(code(text).to_string(), text);
        }
        assert!(DivisionLevel::Province < DivisionLevel::Grid);
    }

    #[test]
    fn a_grid_climbs_to_its_province_step_by_step() {
        let mut place = code("220502001004017");
        let mut climbed = Vec::new();
        while let Some(parent) = place.parent() {
            climbed.push(parent.to_string());
            place = parent;
        }
        assert_eq!(climbed, ["220502001004", "220502001", "220502", "2205", "22"]);
    }

    #[test]
    fn filling_zeroes_are_the_same_place() {
        assert_eq!(code("110000"), code("11"));
        assert_eq!(code("110100"), code("1101"));
        assert_eq!(code("110101001000"), code("110101001"));
        assert_eq!(code("110000000000"), code("11"));
        assert_eq!(code("810000").level(), DivisionLevel::Province);
        assert_eq!(code(" 110101 ").as_str(), "110101");
    }

    #[test]
    fn levels_that_do_not_exist_are_skipped_on_the_way_up() {
        let town_of_dongguan = code("441900003000");
        assert_eq!(town_of_dongguan.as_str(), "441900003");
        assert_eq!(town_of_dongguan.level(), DivisionLevel::Township);
        assert_eq!(town_of_dongguan.parent(), Some(code("4419")));
        assert!(town_of_dongguan.is_within(&code("441900")));
        assert_eq!(code("460025").parent(), Some(code("46")));
    }

    #[test]
    fn a_place_lies_within_itself_and_all_above_and_within_nothing_beside() {
        let grid = code("220502001004017");
        for around in ["22", "2205", "220502", "220502001", "220502001004", "220502001004017"] {
            assert!(grid.is_within(&code(around)), "{around}");
        }
        for beside in ["21", "2206", "220503", "220502002", "220502001005", "220502001004018"] {
            assert!(!grid.is_within(&code(beside)), "{beside}");
        }
        assert!(!code("220502").is_within(&grid));
    }

    #[test]
    fn digit_seven_tells_subdistricts_towns_townships_and_zones() {
        for (text, kind) in [
            ("220502001", TownshipKind::Subdistrict),
            ("220502099", TownshipKind::Subdistrict),
            ("220502100", TownshipKind::Town),
            ("220502200", TownshipKind::Township),
            ("220502399", TownshipKind::Township),
            ("220502400", TownshipKind::SpecialZone),
            ("220502599", TownshipKind::SpecialZone),
        ] {
            assert_eq!(code(text).township_kind(), Some(kind), "{text}");
        }
        assert_eq!(code("220502").township_kind(), None);
        assert_eq!(code("220502100201003").township_kind(), Some(TownshipKind::Town));
    }

    #[test]
    fn digits_ten_to_twelve_tell_residents_from_villagers_committees() {
        for (text, kind) in [
            ("220502001001", CommunityKind::ResidentsCommittee),
            ("220502001199", CommunityKind::ResidentsCommittee),
            ("220502100200", CommunityKind::VillagersCommittee),
            ("220502100399", CommunityKind::VillagersCommittee),
            ("220502400400", CommunityKind::Similar),
            ("220502400599", CommunityKind::Similar),
        ] {
            assert_eq!(code(text).community_kind(), Some(kind), "{text}");
        }
        assert_eq!(code("220502001").community_kind(), None);
    }

    #[test]
    fn a_grid_has_a_number_from_one() {
        assert_eq!(code("220502001004017").grid_ordinal(), Some(17));
        assert_eq!(code("220502001004").grid_ordinal(), None);
        assert_eq!(DivisionCode::parse("220502001004000"), Err(DivisionCodeError::GridNumber));
    }

    #[test]
    fn what_is_no_division_code_is_refused_with_the_reason() {
        assert_eq!(DivisionCode::parse("22050a"), Err(DivisionCodeError::NotDigits));
        assert_eq!(DivisionCode::parse("２２０５"), Err(DivisionCodeError::NotDigits));
        assert_eq!(DivisionCode::parse(""), Err(DivisionCodeError::Length { found: 0 }));
        assert_eq!(DivisionCode::parse("2205020"), Err(DivisionCodeError::Length { found: 7 }));
        assert_eq!(DivisionCode::parse("2205020010040170"), Err(DivisionCodeError::Length { found: 16 }));
        assert_eq!(
            DivisionCode::parse("990502"),
            Err(DivisionCodeError::UnknownProvince { province: "99".to_owned() })
        );
        assert_eq!(
            DivisionCode::parse("220502600"),
            Err(DivisionCodeError::TownshipNumber { digits: "600".to_owned() })
        );
        assert_eq!(
            DivisionCode::parse("220502000001"),
            Err(DivisionCodeError::TownshipNumber { digits: "000".to_owned() })
        );
        assert_eq!(
            DivisionCode::parse("220502001601"),
            Err(DivisionCodeError::CommunityNumber { digits: "601".to_owned() })
        );
        assert_eq!(
            DivisionCode::parse("220502001000001"),
            Err(DivisionCodeError::CommunityNumber { digits: "000".to_owned() })
        );
    }

    #[test]
    fn every_accepted_spelling_reads_back_as_itself() {
        for text in ["11", "110000", "441900003000", "220502001004017", "460025"] {
            let once = code(text);
            assert_eq!(code(once.as_str()), once, "{text}");
        }
    }

    #[test]
    fn a_stored_code_is_judged_when_it_is_read() {
        let read = |text: &str| {
            let stored: StringDeserializer<ValueError> = text.to_owned().into_deserializer();
            DivisionCode::deserialize(stored)
        };
        assert_eq!(read("220502").expect("accepted"), code("220502"));
        assert!(read("22050").is_err());
        assert_eq!(String::from(code("220502")), "220502");
    }
}
