//! The projection of the log into rows that can be queried.
//!
//! Rows are a pure function of what a document reads: [`household_rows`] and [`fact_row`] are used when a change is
//! merged and again when everything is verified.
//!
//! **Invariant:** projecting the same changes gives the same rows, in every column.

mod citizen_number;
mod records;
mod rows;
mod search;

pub(crate) use citizen_number::open;
pub(crate) use records::{alternative, household, summary};
pub(crate) use rows::{ConflictRow, FactRow, HouseholdRow, HouseholdRows, MembershipRow, NeedRow, ResidentRow, Row};
pub(crate) use search::{Findable, SearchRow, parts, place, search_rows};

use crate::database::{Connection, Id, StoreError};
use crate::log::{Sender, columns};
use crate::tables::{conflict, fact, household as household_table, membership, need, resident};
use diesel::prelude::*;
use gridwork_domain::fields::Record;
use gridwork_domain::household::{Conflict, RecordPath};
use gridwork_domain::id::{ScopeId, StaffId};
use gridwork_domain::schema::CITIZEN_NUMBER;
use gridwork_domain::search::dwelling_key;
use gridwork_domain::visit::{FactBody, Visit};
use gridwork_sealing::Keyring;
use gridwork_sync::change::RawChange;
use gridwork_sync::document::{ActorId, DocumentKey};
use gridwork_sync::guard::NewFact;
use gridwork_sync::reading::Reading;

/// The rows of a household as its document reads. `keys` open its citizen numbers; `staff_of` says who is behind an actor.
///
/// # Errors
/// As `staff_of` says, and [`StoreError::Unreadable`] for a value that cannot be spelled.
pub(crate) fn household_rows(
    reading: &Reading,
    scope: ScopeId,
    keys: &Keyring,
    staff_of: impl Fn(ActorId) -> Result<StaffId, StoreError>,
) -> Result<HouseholdRows, StoreError> {
    let read = &reading.household;
    let id = Id::from(read.id);
    let scope = Id::from(scope);
    let none = Record::default();
    let own = read.record(&RecordPath::household()).unwrap_or(&none);
    let dwelling = read.record(&RecordPath::dwelling()).unwrap_or(&none);
    let text = |record: &Record, field: &str| record.text(field).map(str::to_owned);
    let open: Vec<_> = reading.conflicts.iter().filter(|open| !citizen_number::agrees(keys, open)).collect();
    let household = HouseholdRow {
        id,
        scope,
        status: text(own, "status"),
        contact_phone: text(own, "contact_phone"),
        remark: text(own, "remark"),
        address: text(dwelling, "address"),
        building: text(dwelling, "building"),
        unit: text(dwelling, "unit"),
        floor: dwelling.integer("floor"),
        door: text(dwelling, "door"),
        dwelling_status: text(dwelling, "status"),
        open_conflicts: i32::try_from(open.len()).unwrap_or(i32::MAX),
        dwelling_key: dwelling
            .text("address")
            .map(|address| dwelling_key(address, &["building", "unit", "door"].map(|name| dwelling.text(name)))),
    };
    let residents = read.residents().map(|(resident, record)| {
        let number = citizen_number::known(keys, record.text(CITIZEN_NUMBER));
        ResidentRow {
            household: id,
            id: resident.into(),
            scope,
            name: text(record, "name"),
            sex: text(record, "sex"),
            birth_date: text(record, "birth_date"),
            phone: text(record, "phone"),
            second_phone: text(record, "second_phone"),
            occupation: text(record, "occupation"),
            employment: text(record, "employment"),
            residence_kind: text(record, "residence_kind"),
            ethnicity: text(record, "ethnicity"),
            guardian: text(record, "guardian"),
            died_on: text(record, "died_on"),
            citizen_number: text(record, CITIZEN_NUMBER),
            citizen_number_hash: number.hash,
            citizen_number_shown: number.shown,
            citizen_number_unreadable: number.unreadable,
        }
    });
    let memberships = read.memberships().map(|(membership, record)| MembershipRow {
        household: id,
        id: membership.into(),
        resident: text(record, "resident"),
        relation: text(record, "relation"),
        since: text(record, "since"),
        until: text(record, "until"),
    });
    let needs = read.needs().map(|(path, member)| NeedRow {
        household: id,
        subject: path.subject.clone(),
        kind: path.kind.clone(),
        affirmed_by: member.affirmed_by.into(),
        purpose: text(&member.attributes, "purpose"),
        basis: text(&member.attributes, "basis"),
        sensitivity: member.attributes.integer("sensitivity"),
        expires: text(&member.attributes, "expires"),
        note: text(&member.attributes, "note"),
    });
    let conflicts = open.into_iter().map(|open| conflict_rows(id, scope, open, keys, &staff_of));
    let conflicts = conflicts.collect::<Result<Vec<_>, _>>()?;
    Ok(HouseholdRows {
        household,
        residents: residents.collect(),
        memberships: memberships.collect(),
        needs: needs.collect(),
        conflicts: conflicts.into_iter().flatten().collect(),
    })
}

fn conflict_rows(
    household: Id,
    scope: Id,
    open: &Conflict<ActorId>,
    keys: &Keyring,
    staff_of: impl Fn(ActorId) -> Result<StaffId, StoreError>,
) -> Result<Vec<ConflictRow>, StoreError> {
    let spell = |value| {
        let shown = citizen_number::shown(keys, open, value);
        serde_json::to_string(&shown).map_err(|error| StoreError::Unreadable(error.to_string()))
    };
    let rows = open.alternatives.iter().zip(0..).map(|(one, ordinal)| {
        Ok(ConflictRow {
            household,
            path: open.path.to_string(),
            ordinal,
            scope,
            value: one.value.as_ref().map(spell).transpose()?,
            actor: one.by.into(),
            staff: staff_of(one.by)?.into(),
            made_at: one.at.ms(),
        })
    });
    rows.collect()
}

/// The row of a fact that a change brought.
pub(crate) fn fact_row(key: &DocumentKey, scope: ScopeId, new: &NewFact, by: &RawChange, sender: &Sender) -> FactRow {
    let (document, epoch) = columns(key);
    let at = new.fact.happened_at().ms();
    let (kind, corrects, visit): (_, _, Option<&Visit>) = match &new.fact.body {
        FactBody::Visit(visit) => ("visit", None, Some(visit)),
        FactBody::Note { .. } => ("note", None, None),
        FactBody::Correction { corrects, visit, .. } => ("correction", Some(Id::from(*corrects)), Some(visit)),
    };
    let note = match &new.fact.body {
        FactBody::Note { text, .. } => Some(text.clone()),
        _ => visit.and_then(|visit| visit.note.clone()),
    };
    FactRow {
        document,
        epoch,
        id: new.fact.id.into(),
        household: new.fact.household.into(),
        scope: scope.into(),
        kind: kind.to_owned(),
        corrects,
        mode: visit.map(|visit| visit.mode.word().to_owned()),
        outcome: visit.map(|visit| visit.outcome.word().to_owned()),
        started_at: at,
        ended_at: visit.map_or(at, |visit| visit.ended_at.ms()),
        note,
        change: by.hash.into(),
        staff: sender.staff.into(),
        received_at: sender.at.ms(),
        bytes: new.bytes.clone(),
    }
}

/// Writes the row of a new fact.
///
/// # Errors
/// As the store says.
pub(crate) fn insert_fact(connection: &mut Connection, row: &FactRow) -> QueryResult<()> {
    diesel::insert_into(fact::table).values(row).execute(connection).map(|_| ())
}

/// Writes all rows of a household in place of those that are there.
///
/// # Errors
/// As the store says.
pub(crate) fn write_household(connection: &mut Connection, rows: &HouseholdRows) -> QueryResult<()> {
    let id = rows.household.id;
    let before = Findable::read(connection, &[id])?.pop();
    search::write(connection, before.as_ref(), rows)?;
    diesel::delete(resident::table.filter(resident::household.eq(id))).execute(connection)?;
    diesel::delete(membership::table.filter(membership::household.eq(id))).execute(connection)?;
    diesel::delete(need::table.filter(need::household.eq(id))).execute(connection)?;
    diesel::delete(conflict::table.filter(conflict::household.eq(id))).execute(connection)?;
    diesel::delete(household_table::table.find(id)).execute(connection)?;
    diesel::insert_into(household_table::table).values(&rows.household).execute(connection)?;
    // One statement per row: it is prepared once, where one of several rows is compiled anew for each number of rows.
    for row in &rows.residents {
        diesel::insert_into(resident::table).values(row).execute(connection)?;
    }
    for row in &rows.memberships {
        diesel::insert_into(membership::table).values(row).execute(connection)?;
    }
    for row in &rows.needs {
        diesel::insert_into(need::table).values(row).execute(connection)?;
    }
    for row in &rows.conflicts {
        diesel::insert_into(conflict::table).values(row).execute(connection)?;
    }
    Ok(())
}
