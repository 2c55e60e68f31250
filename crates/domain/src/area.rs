//! Areas 区划: district 区县, subdistrict 街道/乡镇, community 社区 or village 村, grid 网格.
//!
//! An area keeps its id while its code and name change; codes carry validity dates, since districts merge and split.
//!
//! **Invariant:** an area's code lies within its parent's code at the time when it was given.

use crate::division_code::{DivisionCode, DivisionLevel};
use crate::id::AreaId;
use serde::{Deserialize, Serialize};

/// Households below which a community gets a warning, never a refusal (the rule of size for merged communities).
pub const FEW_HOUSEHOLDS: u64 = 1_500;

/// An area, as it is in force in some period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Its id, which never changes.
    pub id: AreaId,
    /// The area that contains it; none for the district.
    pub parent: Option<AreaId>,
    /// Its division code: 6, 9, 12 or 15 digits.
    pub code: DivisionCode,
    /// Its name.
    pub name: String,
    /// Other names under which it is known, ascending.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// First day on which this code and name hold, `YYYY-MM-DD`.
    pub valid_from: String,
    /// Last day on which they hold; none while they do.
    #[serde(default)]
    pub valid_until: Option<String>,
    /// The area that took its place, if it was merged into another.
    #[serde(default)]
    pub successor: Option<AreaId>,
}

/// Why an area is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AreaError {
    /// A code above the district.
    #[error("an area has a division code of 6, 9, 12 or 15 digits, not {0}")]
    Level(String),
    /// A code that is not within the parent's.
    #[error("the code {code} does not lie directly within the parent's code {parent}")]
    Outside {
        /// The area's code.
        code: String,
        /// The parent's.
        parent: String,
    },
    /// Validity dates that are none, or reversed.
    #[error("the validity of an area is a date YYYY-MM-DD, until a date that is not before it")]
    Validity,
    /// No name.
    #[error("an area has a name of 1 to 64 characters")]
    Name,
}

impl Area {
    /// Checks the area against its parent.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn check(&self, parent: Option<&Area>) -> Result<(), AreaError> {
        let outside = |parent: &str| AreaError::Outside { code: self.code.to_string(), parent: parent.to_owned() };
        match (self.code.level(), parent) {
            (DivisionLevel::Province | DivisionLevel::Prefecture, _) => {
                return Err(AreaError::Level(self.code.to_string()));
            }
            (DivisionLevel::County, None) => {}
            (_, Some(parent)) if self.code.parent().as_ref() == Some(&parent.code) => {}
            (_, parent) => return Err(outside(&parent.map_or("(none)".to_owned(), |parent| parent.code.to_string()))),
        }
        let names = std::iter::once(&self.name).chain(&self.aliases);
        for name in names {
            crate::fields::Kind::Line(64).check(&name.as_str().into()).map_err(|_| AreaError::Name)?;
        }
        let from = crate::fields::parse_date(&self.valid_from).ok_or(AreaError::Validity)?;
        if let Some(until) = &self.valid_until {
            let until = crate::fields::parse_date(until).ok_or(AreaError::Validity)?;
            if until < from {
                return Err(AreaError::Validity);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(code: &str) -> Area {
        Area {
            id: AreaId::from_bytes([1; 16]),
            parent: None,
            code: DivisionCode::parse(code).expect("a code"),
            name: "三公里社区".into(),
            aliases: vec!["三公社区".into()],
            valid_from: "2020-01-01".into(),
            valid_until: None,
            successor: None,
        }
    }

    #[test]
    fn a_grid_lies_within_its_community() {
        assert_eq!(area("210404001005003").check(Some(&area("210404001005"))), Ok(()));
        assert!(matches!(area("210404001006003").check(Some(&area("210404001005"))), Err(AreaError::Outside { .. })));
        assert!(matches!(area("210404001005").check(None), Err(AreaError::Outside { .. })));
        assert_eq!(area("210404").check(None), Ok(()));
        assert!(matches!(area("21").check(None), Err(AreaError::Level(_))));
    }

    #[test]
    fn an_area_does_not_end_before_it_begins() {
        let reversed = Area { valid_until: Some("2019-12-31".into()), ..area("210404") };
        assert_eq!(reversed.check(None), Err(AreaError::Validity));
    }
}
