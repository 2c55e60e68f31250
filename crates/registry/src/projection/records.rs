//! From rows back to the records of `domain`: what a query returns.
//!
//! **Invariant:** a household that is projected and read back is the household that its document reads; but for citizen
//! numbers, of which the first and last character are read back, or why there are none.

use super::rows::{ConflictRow, HouseholdRow, HouseholdRows, MembershipRow, NeedRow, ResidentRow};
use crate::database::StoreError;
use gridwork_domain::fields::{Record, Value};
use gridwork_domain::household::{Alternative, Household, Member, MemberPath, RecordPath};
use gridwork_domain::id::{HouseholdId, MembershipId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::{CITIZEN_NUMBER, CITIZEN_NUMBER_UNREADABLE, NEEDS};

/// The household of these rows.
pub(crate) fn household(rows: &HouseholdRows) -> Household {
    let (own, dwelling) = summary(&rows.household);
    let singles = [(RecordPath::household(), own), (RecordPath::dwelling(), dwelling)];
    let residents = rows.residents.iter().map(|row| (RecordPath::resident(ResidentId::from(row.id)), row.record()));
    let memberships =
        rows.memberships.iter().map(|row| (RecordPath::membership(MembershipId::from(row.id)), row.record()));
    Household {
        id: HouseholdId::from(rows.household.id),
        records: singles.into_iter().chain(residents).chain(memberships).collect(),
        members: rows.needs.iter().map(need).collect(),
    }
}

/// The household's own record and that of its dwelling.
pub(crate) fn summary(row: &HouseholdRow) -> (Record, Record) {
    let own = record([("status", &row.status), ("contact_phone", &row.contact_phone), ("remark", &row.remark)]);
    let mut dwelling = record([
        ("address", &row.address),
        ("building", &row.building),
        ("unit", &row.unit),
        ("door", &row.door),
        ("status", &row.dwelling_status),
    ]);
    dwelling.0.extend(row.floor.map(|floor| ("floor".to_owned(), Value::Integer(floor))));
    (own, dwelling)
}

impl ResidentRow {
    /// The resident's record.
    pub(crate) fn record(&self) -> Record {
        record([
            ("name", &self.name),
            ("sex", &self.sex),
            ("birth_date", &self.birth_date),
            ("phone", &self.phone),
            ("second_phone", &self.second_phone),
            ("occupation", &self.occupation),
            ("employment", &self.employment),
            ("residence_kind", &self.residence_kind),
            ("ethnicity", &self.ethnicity),
            ("guardian", &self.guardian),
            ("died_on", &self.died_on),
            (CITIZEN_NUMBER, &self.citizen_number_shown),
            (CITIZEN_NUMBER_UNREADABLE, &self.citizen_number_unreadable),
        ])
    }

    /// The record as it can be recorded again: with the citizen number as it was sealed.
    pub(crate) fn recorded(&self) -> Record {
        let mut record = self.record();
        record.0.remove(CITIZEN_NUMBER_UNREADABLE);
        record.0.remove(CITIZEN_NUMBER);
        let sealed = self.citizen_number.clone();
        record.0.extend(sealed.map(|sealed| (CITIZEN_NUMBER.to_owned(), Value::Text(sealed))));
        record
    }
}

impl MembershipRow {
    /// The record of the stay.
    pub(crate) fn record(&self) -> Record {
        record([
            ("resident", &self.resident),
            ("relation", &self.relation),
            ("since", &self.since),
            ("until", &self.until),
        ])
    }
}

/// One value of a conflict, by whoever `by` says.
///
/// # Errors
/// [`StoreError::Unreadable`] if the value is not JSON of a value.
pub(crate) fn alternative<Author>(row: &ConflictRow, by: Author) -> Result<Alternative<Author>, StoreError> {
    let value = row.value.as_deref().map(serde_json::from_str).transpose();
    let value = value.map_err(|error| StoreError::Unreadable(format!("a conflict about {}: {error}", row.path)))?;
    Ok(Alternative { value, by, at: Instant::from_ms(row.made_at) })
}

fn need(row: &NeedRow) -> (MemberPath, Member) {
    let mut attributes =
        record([("purpose", &row.purpose), ("basis", &row.basis), ("expires", &row.expires), ("note", &row.note)]);
    attributes.0.extend(row.sensitivity.map(|class| ("sensitivity".to_owned(), Value::Integer(class))));
    let path = MemberPath { container: NEEDS.to_owned(), subject: row.subject.clone(), kind: row.kind.clone() };
    (path, Member { affirmed_by: row.affirmed_by.into(), attributes })
}

fn record<const N: usize>(fields: [(&str, &Option<String>); N]) -> Record {
    let present = fields.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::Text(text.clone()?))));
    Record(present.collect())
}
