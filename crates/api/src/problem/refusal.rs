//! What the registry refuses, as problems: one exhaustive match per family.
//!
//! **Invariant:** an error whose text may hold something of the inside becomes a cause; only sentences that were written
//! for callers become details.

use super::chinese::Told;
use super::{Kind, Problem, Sentence, field_problems};
use crate::limits::RETRY_AFTER_S;
use gridwork_domain::edit as domain;
use gridwork_domain::language::Bilingual;
use gridwork_registry::{
    AdministerError, ApiKeyError, BreakGlassError, DecisionError, EditError, EnrolError, ExchangeError, ReadError,
    RevealError, SecondFactorError, StoreError,
};
use gridwork_sync::change::BuildError;
use gridwork_sync::message::MessageError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded { retry_after_s } => {
                Self::overloaded(Kind::Unavailable, Sentence::Busy, retry_after_s)
            }
            StoreError::Unavailable { retry_after_s } => {
                Self::overloaded(Kind::Unavailable, Sentence::DatabaseAway, retry_after_s)
            }
            StoreError::Contended => Self::overloaded(Kind::Unavailable, Sentence::Contended, RETRY_AFTER_S),
            StoreError::Uncertain => Self::overloaded(Kind::Unavailable, Sentence::Uncertain, RETRY_AFTER_S),
            StoreError::Closed => Self::overloaded(Kind::Unavailable, Sentence::Stopping, RETRY_AFTER_S),
            StoreError::KeyMissing(_) => Self::overloaded(Kind::Unavailable, Sentence::KeyMissing, RETRY_AFTER_S),
            StoreError::Database(_)
            | StoreError::Unreadable(_)
            | StoreError::Panicked
            | StoreError::Entropy
            | StoreError::NoKeys => Self::internal(error),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Cursor(_) => Self::field("after", Sentence::Cursor),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Replayed => Self::new(Kind::Unauthenticated, Sentence::ProofReplayed),
            ExchangeError::Revoked => Self::new(Kind::Unauthenticated, Sentence::DeviceRevoked),
            ExchangeError::OtherDevice => Self::new(Kind::Forbidden, Sentence::OtherDevice),
            ExchangeError::Store(error) => error.into(),
        }
    }
}

impl From<MessageError> for Problem {
    fn from(error: MessageError) -> Self {
        let kind = match error {
            MessageError::Undecodable(_) => Kind::Malformed,
            MessageError::Version(..) | MessageError::TooMany(..) | MessageError::Document | MessageError::Receipt => {
                Kind::Invalid
            }
        };
        Self::new(kind, error.told())
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Invalid(error) => error.into(),
            EditError::NoSuchHousehold => Self::not_found(),
            EditError::NotEntitled => Self::new(Kind::Forbidden, Sentence::NoOfficeHere),
            EditError::NoHome => Self::field("grid", Sentence::NoGrid),
            EditError::Exists => Self::new(Kind::Conflict, Sentence::HouseholdExists),
            EditError::Build(error) => error.into(),
            EditError::Refused(refusal) => {
                Self::new(Kind::Invalid, Sentence::Refused(refusal.detail, refusal.code.word()))
            }
            EditError::Store(error) => error.into(),
        }
    }
}

impl From<domain::EditError> for Problem {
    fn from(error: domain::EditError) -> Self {
        let told = || Bilingual::of(|language| error.message(language));
        match &error {
            domain::EditError::Fields(errors) => Self::fields(field_problems(errors)),
            domain::EditError::TooManyResidents => Self::field("residents", told()),
            domain::EditError::Clock => Self::internal(error),
            domain::EditError::NoSuchRecord(_)
            | domain::EditError::Nothing
            | domain::EditError::Need(_)
            | domain::EditError::Fact(_) => Self::new(Kind::Invalid, told()),
        }
    }
}

impl From<BuildError> for Problem {
    fn from(error: BuildError) -> Self {
        let kind = match error {
            BuildError::NoSuchRecord(_) => return Self::not_found(),
            BuildError::UnknownHeads => Kind::UnknownVersion,
            BuildError::Exists(_) => Kind::Conflict,
            BuildError::NoSuchContainer(_) | BuildError::Nothing | BuildError::Twice(_) | BuildError::TooLarge(_) => {
                Kind::Invalid
            }
        };
        Self::new(kind, error.told())
    }
}

impl From<DecisionError> for Problem {
    fn from(error: DecisionError) -> Self {
        match error {
            DecisionError::NothingKept => Self::not_found(),
            DecisionError::Damaged => Self::new(Kind::Conflict, Sentence::KeptDamaged),
            DecisionError::Store(error) => error.into(),
        }
    }
}

impl From<AdministerError> for Problem {
    fn from(error: AdministerError) -> Self {
        match error {
            AdministerError::NoSuchStaff => Self::field("staff", Sentence::NoSuchStaff),
            AdministerError::WrongPassword => Self::field("old_password", error.told()),
            AdministerError::Oneself => Self::new(Kind::Forbidden, error.told()),
            AdministerError::NoSuchDevice => Self::not_found(),
            AdministerError::MachineClient
            | AdministerError::CodeTaken
            | AdministerError::AreasWithin
            | AdministerError::AreaClosed
            | AdministerError::LedAlready => Self::new(Kind::Conflict, error.told()),
            AdministerError::Store(error) => error.into(),
            AdministerError::Area(_)
            | AdministerError::NotNew
            | AdministerError::NoSuchArea(_)
            | AdministerError::StaffName
            | AdministerError::Term
            | AdministerError::Past
            | AdministerError::SignInName
            | AdministerError::SignInTaken
            | AdministerError::Password
            | AdministerError::NoSuchAssignment => Self::new(Kind::Invalid, error.told()),
        }
    }
}

impl Problem {
    /// As the plain conversion, where the member of staff is named by the path: whom the caller does not administer is as
    /// if not there.
    pub(crate) fn of_administered(error: AdministerError) -> Self {
        match error {
            AdministerError::NoSuchStaff => Self::not_found(),
            error => error.into(),
        }
    }
}

impl From<SecondFactorError> for Problem {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::Exists | SecondFactorError::NotBegun => Self::new(Kind::Conflict, error.told()),
            SecondFactorError::Code => Self::field("code", error.told()),
            SecondFactorError::Store(error) => error.into(),
        }
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Name => Self::field("name", error.told()),
            ApiKeyError::Scopes => Self::field("scopes", error.told()),
            ApiKeyError::Expiry => Self::field("expires_at_ms", error.told()),
            ApiKeyError::TooMany | ApiKeyError::Person | ApiKeyError::Phone => Self::new(Kind::Conflict, error.told()),
            ApiKeyError::NoSuchKey => Self::not_found(),
            ApiKeyError::Administer(error) => Self::of_administered(error),
        }
    }
}

impl From<EnrolError> for Problem {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Code => Self::field("code", error.told()),
            EnrolError::NoScope | EnrolError::TooManyScopes => Self::new(Kind::Conflict, error.told()),
            EnrolError::Replayed => Self::new(Kind::Unauthenticated, error.told()),
            EnrolError::Store(error) => error.into(),
        }
    }
}

impl From<BreakGlassError> for Problem {
    fn from(error: BreakGlassError) -> Self {
        match error {
            BreakGlassError::NoSuchHousehold => Self::field("household", error.told()),
            BreakGlassError::NoSuchArea => Self::field("area", error.told()),
            BreakGlassError::NoSuchEntry => Self::not_found(),
            BreakGlassError::Oneself => Self::new(Kind::Forbidden, error.told()),
            BreakGlassError::TooMany | BreakGlassError::Reviewed => Self::new(Kind::Conflict, error.told()),
            BreakGlassError::Store(error) => error.into(),
        }
    }
}

impl From<RevealError> for Problem {
    fn from(error: RevealError) -> Self {
        match error {
            RevealError::TooMany { retry_after_s } => {
                Self::overloaded(Kind::TooMany, Sentence::RevealedMuch, retry_after_s)
            }
            RevealError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;

    #[test]
    fn a_busy_registry_says_when_to_come_again() {
        let problem = Problem::from(StoreError::Overloaded { retry_after_s: 7 });
        let answer = actix_web::ResponseError::error_response(&problem);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers().get("retry-after").expect("a header"), "7");
    }

    #[test]
    fn a_broken_store_is_not_described_to_the_caller() {
        let problem = Problem::from(StoreError::Unreadable("row 7 of resident".to_owned()));
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.to_string().contains("row 7") && problem.cause().expect("a cause").contains("row 7"));
    }

    #[test]
    fn a_kept_change_that_is_damaged_is_no_fault_of_the_server() {
        assert_eq!(Problem::from(DecisionError::Damaged).status(), StatusCode::CONFLICT);
    }

    #[test]
    fn a_replayed_proof_is_no_proof() {
        assert_eq!(Problem::from(ExchangeError::Replayed).status(), StatusCode::UNAUTHORIZED);
        assert_eq!(Problem::from(ExchangeError::OtherDevice).status(), StatusCode::FORBIDDEN);
    }
}
