//! A need 需求标签: what help a resident or household needs, for a stated purpose and time.
//!
//! Needs are members of a set: recording one again while somebody else removes it keeps it. Nothing here ranks or
//! scores anybody.
//!
//! **Invariant:** a need has a purpose and a legal basis, and is never less sensitive than its kind.

use crate::fields::{Fields, Kind, parse_date};
use crate::schema::{SENSITIVE, Sensitivity};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// A kind of need, from the district's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedKind {
    /// The code that documents hold.
    pub code: &'static str,
    /// The users' term.
    pub term: &'static str,
    /// The lowest sensitivity that a need of this kind has.
    pub least_sensitivity: Sensitivity,
}

static KINDS: LazyLock<Vec<NeedKind>> = LazyLock::new(|| {
    include_str!("need/kinds.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split(',');
            Some(NeedKind { code: cells.next()?, term: cells.next()?, least_sensitivity: cells.next()?.parse().ok()? })
        })
        .collect()
});

/// Characters of a need kind's code at most.
pub const KIND_LENGTH: usize = 32;

/// All kinds of need.
pub fn kinds() -> &'static [NeedKind] {
    &KINDS
}

/// The legal basis of a need (PIPL, article 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A statutory duty of the district.
    StatutoryDuty,
    /// The person's consent.
    Consent,
    /// An emergency.
    Emergency,
}

impl Basis {
    /// The word that documents hold.
    pub fn word(self) -> &'static str {
        match self {
            Self::StatutoryDuty => "statutory_duty",
            Self::Consent => "consent",
            Self::Emergency => "emergency",
        }
    }
}

/// What is recorded of a need, apart from whose it is and of which kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// What the tag is used for, at most 64 characters.
    pub purpose: String,
    /// On what basis it is kept.
    pub basis: Basis,
    /// 0 to 3, at least that of the kind.
    pub sensitivity: Sensitivity,
    /// The last day on which it holds, `YYYY-MM-DD`; none if it holds until withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What helps to help, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why a need is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NeedError {
    /// Not in the list of kinds.
    #[error("{0} is not a kind of need: take one of the district's list")]
    UnknownKind(String),
    /// A need without a purpose.
    #[error("a need has a purpose of 1 to 64 characters: say what the tag is used for")]
    NoPurpose,
    /// Less sensitive than its kind.
    #[error("a need of kind {kind} has sensitivity {least} or more")]
    TooOpen {
        /// The kind.
        kind: String,
        /// Its lowest sensitivity.
        least: Sensitivity,
    },
    /// Sensitivity 2 or above: it belongs into the care document.
    #[error("needs of sensitivity 2 and above cannot be recorded yet: they need the protected care record")]
    Sensitive,
    /// A date that is none.
    #[error("the expiry of a need is a real date YYYY-MM-DD")]
    Expires,
    /// A note that is too long or unprintable.
    #[error("the note of a need is one line of at most 200 characters")]
    Note,
}

impl Need {
    /// Checks a need of kind `kind`.
    ///
    /// # Errors
    /// [`NeedError`]; also for every need of sensitivity 2 and above, which has no place in the household document.
    pub fn check(&self, kind: &str) -> Result<(), NeedError> {
        let rule =
            kinds().iter().find(|known| known.code == kind).ok_or_else(|| NeedError::UnknownKind(kind.to_owned()))?;
        if self.sensitivity < rule.least_sensitivity {
            return Err(NeedError::TooOpen { kind: kind.to_owned(), least: rule.least_sensitivity });
        }
        if self.sensitivity >= SENSITIVE {
            return Err(NeedError::Sensitive);
        }
        let line = |text: &str, longest| Kind::Line(longest).check(&text.into()).is_ok();
        if !line(&self.purpose, 64) {
            return Err(NeedError::NoPurpose);
        }
        if self.expires.as_deref().is_some_and(|date| parse_date(date).is_none()) {
            return Err(NeedError::Expires);
        }
        if self.note.as_deref().is_some_and(|note| !line(note, 200)) {
            return Err(NeedError::Note);
        }
        Ok(())
    }

    /// The attributes as fields of the container `needs`.
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new()
            .with("purpose", self.purpose.as_str())
            .with("basis", self.basis.word())
            .with("sensitivity", i64::from(self.sensitivity));
        if let Some(expires) = &self.expires {
            fields = fields.with("expires", expires.as_str());
        }
        if let Some(note) = &self.note {
            fields = fields.with("note", note.as_str());
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meals() -> Need {
        Need {
            purpose: "送餐".into(),
            basis: Basis::Consent,
            sensitivity: 1,
            expires: Some("2027-06-30".into()),
            note: None,
        }
    }

    #[test]
    fn a_need_with_purpose_basis_and_expiry_is_kept() {
        assert_eq!(meals().check("meal_service"), Ok(()));
    }

    #[test]
    fn a_need_without_a_purpose_is_refused() {
        assert_eq!(Need { purpose: String::new(), ..meals() }.check("meal_service"), Err(NeedError::NoPurpose));
    }

    #[test]
    fn an_illness_cannot_be_declared_ordinary_nor_be_kept_among_ordinary_needs() {
        let least = NeedError::TooOpen { kind: "serious_illness".into(), least: 2 };
        assert_eq!(meals().check("serious_illness"), Err(least));
        assert_eq!(Need { sensitivity: 2, ..meals() }.check("serious_illness"), Err(NeedError::Sensitive));
    }

    #[test]
    fn every_kind_in_the_list_is_read_and_has_a_term() {
        assert_eq!(kinds().len(), include_str!("need/kinds.csv").lines().count() - 1);
        assert!(kinds().iter().all(|kind| !kind.term.is_empty() && kind.code.len() <= KIND_LENGTH));
    }
}
