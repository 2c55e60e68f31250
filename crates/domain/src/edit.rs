//! Edits: what a person did in one step. The only way in which anything about a household changes.
//!
//! An edit says what is meant; `sync` makes the change of it that merges. A phone keeps the edit until the registry has
//! a verdict on the change, so that it can be made again.
//!
//! **Invariant:** an edit that passed [`Edit::check`] can be made on every household of which it names existing records.

use crate::fields::{Fields, Value};
use crate::household::{FieldPath, MemberPath, RecordPath};
use crate::id::{EditId, FactId, HouseholdId, MembershipId, ResidentId};
use crate::instant::Instant;
use crate::need::{Need, NeedError};
use crate::schema::{FieldError, Schema, Shape};
use crate::visit::{Fact, FactBody, FactError, Visit};
use serde::{Deserialize, Serialize};

/// Residents that one edit registers at most. More are added by further edits.
pub const MOST_NEW_RESIDENTS: usize = 16;

/// What a person did in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Its id.
    pub id: EditId,
    /// When, by the device's clock.
    pub at: Instant,
    /// The household that it is about.
    pub household: HouseholdId,
    /// What was done.
    pub action: Action,
}

/// A person who is entered together with the stay in this household.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewResident {
    /// The resident's new id.
    pub resident: ResidentId,
    /// The membership's new id.
    pub membership: MembershipId,
    /// What is known of the person.
    pub fields: Fields,
    /// Relation to the head, and since when; the resident's id is filled in.
    pub stay: Fields,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// A new household with its dwelling and residents.
    RegisterHousehold {
        /// Its own fields.
        fields: Fields,
        /// Its dwelling's fields.
        dwelling: Fields,
        /// Who lives there, at most [`MOST_NEW_RESIDENTS`].
        residents: Vec<NewResident>,
    },
    /// A further resident.
    AddResident(NewResident),
    /// New values for fields of an existing record.
    Correct {
        /// Which record.
        record: RecordPath,
        /// The fields that change.
        fields: Fields,
    },
    /// A need is recorded, or affirmed again.
    AffirmNeed {
        /// The resident; none if it is the household's.
        resident: Option<ResidentId>,
        /// The kind, of the district's list.
        kind: String,
        /// What is recorded.
        need: Need,
    },
    /// A need no longer holds.
    WithdrawNeed {
        /// The resident; none if it is the household's.
        resident: Option<ResidentId>,
        /// The kind.
        kind: String,
    },
    /// Somebody decides a conflict: this is the value.
    DecideConflict {
        /// Which field.
        path: FieldPath,
        /// The value; none clears the field.
        value: Option<Value>,
    },
    /// A visit or an attempt.
    RecordVisit {
        /// The fact's new id.
        fact: FactId,
        /// What is recorded.
        visit: Visit,
    },
    /// A note about the household.
    WriteNote {
        /// The fact's new id.
        fact: FactId,
        /// At most 2,000 characters.
        text: String,
    },
    /// An earlier visit read wrongly.
    CorrectVisit {
        /// The new fact's id.
        fact: FactId,
        /// The visit that it corrects.
        corrects: FactId,
        /// The year under which that visit is kept.
        year: u16,
        /// Why.
        reason: String,
        /// The visit as it should read.
        visit: Visit,
    },
}

/// One thing that an edit writes into the household document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new record with these fields.
    Make(RecordPath, Fields),
    /// Fields of an existing record.
    Put(RecordPath, Fields),
    /// A field that gets this value even if it shows it already, so that concurrent values end.
    Decide(FieldPath, Option<Value>),
    /// A member of a set, added or affirmed.
    Affirm(MemberPath, Fields),
    /// A member of a set, removed.
    Withdraw(MemberPath),
}

/// What an edit comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Writes into the household document, in this order.
    Household(Vec<Write>),
    /// A fact for the document of visits of this calendar year.
    Fact(u16, Fact),
}

/// Why an edit is refused before anything is saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Fields that do not fit.
    #[error("{}", list(.0))]
    Fields(Vec<FieldError>),
    /// No such container, or a path with or without an id where it must be otherwise.
    #[error("there is no record {0} in a household")]
    NoSuchRecord(RecordPath),
    /// An edit that changes nothing.
    #[error("there is nothing to change: name at least one field")]
    Nothing,
    /// Too many residents at once.
    #[error("at most {MOST_NEW_RESIDENTS} residents are registered at once: add the others afterwards")]
    TooManyResidents,
    /// A need that cannot be recorded.
    #[error(transparent)]
    Need(#[from] NeedError),
    /// A fact that cannot be recorded.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The device's clock is beyond every calendar.
    #[error("the device's clock shows no year between 1970 and 9999: set the clock")]
    Clock,
}

fn list(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Edit {
    /// Checks the edit against a schema and returns what it comes to, with every value in canonical form.
    ///
    /// # Errors
    /// [`EditError`], which says what to do. Whether the records that it names exist is not known here.
    pub fn check(&self, schema: &Schema) -> Result<Outcome, EditError> {
        if self.at.ms() < 0 || self.at.year_in_shanghai().is_none() {
            return Err(EditError::Clock);
        }
        match &self.action {
            Action::RegisterHousehold { fields, dwelling, residents } => {
                if residents.len() > MOST_NEW_RESIDENTS {
                    return Err(EditError::TooManyResidents);
                }
                let mut writes =
                    vec![put(schema, RecordPath::household(), fields)?, put(schema, RecordPath::dwelling(), dwelling)?];
                for resident in residents {
                    writes.extend(resident.writes(schema)?);
                }
                some(writes)
            }
            Action::AddResident(resident) => Ok(Outcome::Household(resident.writes(schema)?)),
            Action::Correct { record, fields } => some(vec![put(schema, record.clone(), fields)?]),
            Action::AffirmNeed { resident, kind, need } => {
                need.check(kind)?;
                Ok(Outcome::Household(vec![Write::Affirm(self.need(*resident, kind), need.fields())]))
            }
            Action::WithdrawNeed { resident, kind } => {
                Ok(Outcome::Household(vec![Write::Withdraw(self.need(*resident, kind))]))
            }
            Action::DecideConflict { path, value } => {
                let one = Fields([(path.field.clone(), value.clone())].into());
                let Write::Put(record, checked) = put(schema, path.record.clone(), &one)? else {
                    return Err(EditError::Nothing);
                };
                let value = checked.0.into_values().next().flatten();
                Ok(Outcome::Household(vec![Write::Decide(record.field(&path.field), value)]))
            }
            Action::RecordVisit { fact, visit } => self.fact(*fact, None, FactBody::Visit(visit.clone())),
            Action::WriteNote { fact, text } => {
                self.fact(*fact, None, FactBody::Note { text: text.clone(), written_at: self.at })
            }
            Action::CorrectVisit { fact, corrects, year, reason, visit } => {
                let body = FactBody::Correction { corrects: *corrects, reason: reason.clone(), visit: visit.clone() };
                self.fact(*fact, Some(*year), body)
            }
        }
    }

    fn need(&self, resident: Option<ResidentId>, kind: &str) -> MemberPath {
        match resident {
            Some(resident) => MemberPath::need_of_resident(resident, kind),
            None => MemberPath::need_of_household(self.household, kind),
        }
    }

    fn fact(&self, id: FactId, year: Option<u16>, body: FactBody) -> Result<Outcome, EditError> {
        let fact = Fact { id, household: self.household, body };
        fact.check()?;
        let year = year.or_else(|| fact.happened_at().year_in_shanghai()).ok_or(EditError::Clock)?;
        Ok(Outcome::Fact(year, fact))
    }
}

impl NewResident {
    fn writes(&self, schema: &Schema) -> Result<Vec<Write>, EditError> {
        let stay = self.stay.clone().with("resident", self.resident.to_string().as_str());
        let make = |path: RecordPath, fields: &Fields| -> Result<Write, EditError> {
            let fields = checked(schema, &path, fields)?;
            Ok(Write::Make(path, fields))
        };
        Ok(vec![
            make(RecordPath::resident(self.resident), &self.fields)?,
            make(RecordPath::membership(self.membership), &stay)?,
        ])
    }
}

fn put(schema: &Schema, record: RecordPath, fields: &Fields) -> Result<Write, EditError> {
    let fields = checked(schema, &record, fields)?;
    Ok(Write::Put(record, fields))
}

fn checked(schema: &Schema, path: &RecordPath, fields: &Fields) -> Result<Fields, EditError> {
    let container = schema
        .container(&path.container)
        .filter(|container| match container.shape {
            Shape::Record => path.id.is_none(),
            Shape::RecordsById => path.id.is_some(),
            Shape::Set => false,
        })
        .ok_or_else(|| EditError::NoSuchRecord(path.clone()))?;
    container.check(fields).map_err(EditError::Fields)
}

fn some(writes: Vec<Write>) -> Result<Outcome, EditError> {
    let nothing = writes.iter().all(|write| matches!(write, Write::Put(_, fields) if fields.is_empty()));
    if nothing { Err(EditError::Nothing) } else { Ok(Outcome::Household(writes)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need::Basis;
    use crate::schema::SCHEMA_1;

    fn edit(action: Action) -> Edit {
        Edit {
            id: EditId::from_bytes([1; 16]),
            at: Instant::from_ms(1_790_000_000_000),
            household: HouseholdId::from_bytes([2; 16]),
            action,
        }
    }

    #[test]
    fn a_correction_reaches_the_record_in_canonical_form() {
        let fields = Fields::new().with("contact_phone", "024-8888 6666");
        let record = RecordPath::household();
        let outcome = edit(Action::Correct { record: record.clone(), fields }).check(&SCHEMA_1);
        let canonical = Fields::new().with("contact_phone", "02488886666");
        assert_eq!(outcome, Ok(Outcome::Household(vec![Write::Put(record, canonical)])));
    }

    #[test]
    fn a_new_resident_comes_with_a_stay_that_names_the_person() {
        let resident = ResidentId::from_bytes([5; 16]);
        let new = NewResident {
            resident,
            membership: MembershipId::from_bytes([6; 16]),
            fields: Fields::new().with("name", "李小红"),
            stay: Fields::new().with("relation", "30"),
        };
        let Ok(Outcome::Household(writes)) = edit(Action::AddResident(new)).check(&SCHEMA_1) else {
            panic!("a resident is added");
        };
        let [Write::Make(_, _), Write::Make(_, stay)] = writes.as_slice() else { panic!("two records") };
        assert_eq!(stay.0["resident"], Some(Value::from(resident.to_string().as_str())));
    }

    #[test]
    fn a_visit_in_the_new_year_belongs_to_the_new_year() {
        let at = Instant::from_ms(1_798_732_800_000); // 2027-01-01 00:00 in Shanghai
        let visit = Visit {
            mode: crate::visit::Mode::Phone,
            outcome: crate::visit::Outcome::Met,
            purposes: vec![],
            spoken_to: vec![],
            observations: vec![],
            note: None,
            place: None,
            started_at: at,
            ended_at: at,
        };
        let outcome = edit(Action::RecordVisit { fact: FactId::from_bytes([1; 16]), visit }).check(&SCHEMA_1);
        assert!(matches!(outcome, Ok(Outcome::Fact(2027, _))), "{outcome:?}");
    }

    #[test]
    fn an_edit_that_cannot_be_kept_is_refused_with_the_reason() {
        let clock =
            Edit { at: Instant::from_ms(-1), ..edit(Action::WithdrawNeed { resident: None, kind: "x".into() }) };
        assert_eq!(clock.check(&SCHEMA_1), Err(EditError::Clock));
        let nothing = Action::Correct { record: RecordPath::dwelling(), fields: Fields::new() };
        assert_eq!(edit(nothing).check(&SCHEMA_1), Err(EditError::Nothing));
        let record: RecordPath = "residents".parse().expect("a path");
        let no_id = Action::Correct { record: record.clone(), fields: Fields::new().with("name", "王") };
        assert_eq!(edit(no_id).check(&SCHEMA_1), Err(EditError::NoSuchRecord(record)));
        let need = Need { purpose: "护理".into(), basis: Basis::Consent, sensitivity: 2, expires: None, note: None };
        let sensitive = Action::AffirmNeed { resident: None, kind: "disabled".into(), need };
        assert_eq!(edit(sensitive).check(&SCHEMA_1), Err(EditError::Need(NeedError::Sensitive)));
    }

    #[test]
    fn an_edit_survives_being_saved_as_json() {
        let fields = Fields::new().with("floor", 3).cleared("door");
        let one = edit(Action::Correct { record: RecordPath::dwelling(), fields });
        let text = serde_json::to_string(&one).expect("json");
        assert_eq!(serde_json::from_str::<Edit>(&text).expect("an edit"), one);
    }
}
