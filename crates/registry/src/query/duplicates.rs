//! Households and residents that may be the same, for somebody who looks at both: never a score, only what is equal.
//!
//! **Invariant:** both of a pair lie within reach, and nobody has said that they are not the same.

#[cfg(test)]
mod tests;
mod walk;

use super::households::summary;
use super::{Cursor, HouseholdSummary, MOST_ROWS, Page, ReadError};
use crate::Reach;
use crate::audit::{Step, Subject, note};
use crate::database::{Blob, Connection, Id, StoreError, fails_as_the_store_does};
use crate::household_merge::CLOSED;
use crate::idempotency::Keep;
use crate::projection::{HouseholdRow, ResidentRow};
use crate::registry::Registry;
use crate::tables::{household, not_duplicate, resident};
use diesel::prelude::*;
use gridwork_domain::fields::Record;
use gridwork_domain::id::{AreaId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use std::collections::BTreeSet;

/// By what two are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateKind {
    /// Two open households at one dwelling.
    Dwelling,
    /// Two residents of one name and birth date.
    Person,
    /// Two residents of one citizen number.
    CitizenNumber,
}

/// One of two that may be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookalike {
    /// The household.
    pub household: HouseholdSummary,
    /// The resident, if the two are residents.
    pub resident: Option<(ResidentId, Record)>,
}

/// Two that may be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateView {
    /// By what they are alike.
    pub kind: DuplicateKind,
    /// By which the pair is dismissed: the ids of both, the smaller first.
    pub pair: Pair,
    /// Both of them.
    pub both: [Lookalike; 2],
}

/// Two households or two residents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair(pub(crate) Id, pub(crate) Id);

impl Pair {
    /// The pair of two ids; none of one with itself.
    pub fn of(one: [u8; 16], other: [u8; 16]) -> Option<Self> {
        (one != other).then(|| Self(Blob(one.min(other)), Blob(one.max(other))))
    }

    /// Both ids, the smaller first.
    pub fn ids(&self) -> [[u8; 16]; 2] {
        [self.0.0, self.1.0]
    }
}

/// Why a pair is not dismissed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DismissError {
    /// Not two households, nor two residents, within reach.
    #[error("there is no such pair")]
    NoSuchPair,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(DismissError);

impl From<diesel::result::Error> for DismissError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Registry {
    /// A page of pairs within reach that may be the same, by what is equal and then by the ids of both.
    ///
    /// A page may hold fewer than `limit`, even none, and still have a next one: what a page reads is bounded.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn duplicates(
        &self,
        reach: &Reach,
        kind: DuplicateKind,
        area: Option<AreaId>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<DuplicateView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let scopes = areas.columns(connection, &reach, area)?;
                duplicates(connection, scopes, kind, after, limit)
            })
            .await
    }

    /// Notes that two are not the same, so that nobody compares them again.
    ///
    /// # Errors
    /// [`DismissError`].
    pub async fn dismiss_duplicate(
        &self,
        by: StaffId,
        reach: &Reach,
        pair: Pair,
        why: String,
        now: Instant,
        answer: Option<Keep<Pair>>,
    ) -> Result<(), DismissError> {
        let reach = reach.clone();
        self.database
            .write(move |connection| {
                let mut persons = subjects(connection, &reach, pair)?;
                if persons.is_empty() {
                    return Err(DismissError::NoSuchPair);
                }
                let this = not_duplicate::table.find((pair.0, pair.1));
                diesel::delete(this).execute(connection)?;
                let row = (
                    not_duplicate::one.eq(pair.0),
                    not_duplicate::other.eq(pair.1),
                    not_duplicate::said_at.eq(now.ms()),
                    not_duplicate::staff.eq(Id::from(by)),
                    not_duplicate::why.eq(&why),
                );
                diesel::insert_into(not_duplicate::table).values(row).execute(connection)?;
                if let Some(answer) = &answer {
                    answer.keep(connection, &pair, &BTreeSet::new())?;
                }
                let persons = std::mem::take(&mut persons);
                let step = Step::new(now, Some(by), "not-duplicate");
                Ok(note(connection, &Step { persons, reason: Some(&why), ..step })?)
            })
            .await
    }
}

fn duplicates(
    connection: &mut Connection,
    scopes: Vec<Id>,
    kind: DuplicateKind,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Page<DuplicateView>, ReadError> {
    let after = after.map(|after| after.ids::<2>().map(|(ids, _)| ids.map(Blob))).transpose()?;
    let limit = limit.clamp(1, MOST_ROWS) as usize;
    let (pairs, next) = walk::pairs(connection, kind, &scopes, after, limit)?;
    let items = match kind {
        DuplicateKind::Dwelling => at_one_dwelling(connection, &pairs)?,
        DuplicateKind::Person | DuplicateKind::CitizenNumber => residents_alike(connection, kind, scopes, &pairs)?,
    };
    Ok(Page { items, next: next.map(|next| Cursor::new(&next.map(|id| id.0), "")) })
}

/// Whom a pair is about; nobody if it is no pair within reach.
fn subjects(connection: &mut Connection, reach: &Reach, pair: Pair) -> QueryResult<BTreeSet<Subject>> {
    let ids = [pair.0, pair.1];
    let households: Vec<(Id, Id)> = household::table
        .filter(household::id.eq_any(ids))
        .select((household::scope, household::id))
        .load(connection)?;
    let within = |scope: Id| reach.contains(ScopeId::from(scope));
    if households.len() == 2 && households.iter().all(|(scope, _)| within(*scope)) {
        let subject = |(scope, id): (Id, Id)| Subject { scope: scope.into(), household: id.into(), resident: None };
        return Ok(households.into_iter().map(subject).collect());
    }
    let columns = (resident::scope, resident::household, resident::id);
    let residents: Vec<(Id, Id, Id)> =
        resident::table.filter(resident::id.eq_any(ids)).select(columns).load(connection)?;
    let residents: Vec<_> = residents.into_iter().filter(|(scope, ..)| within(*scope)).collect();
    if !ids.iter().all(|id| residents.iter().any(|(.., one)| one == id)) {
        return Ok(BTreeSet::new());
    }
    let subject = |(scope, household, id): (Id, Id, Id)| Subject {
        scope: scope.into(),
        household: household.into(),
        resident: Some(id.into()),
    };
    Ok(residents.into_iter().map(subject).collect())
}

fn at_one_dwelling(connection: &mut Connection, pairs: &[[Id; 2]]) -> Result<Vec<DuplicateView>, ReadError> {
    let rows = households(connection, pairs.iter().flatten().copied())?;
    let lookalike = |id: Id| {
        let row = rows.iter().find(|row| row.id == id);
        row.map(|row| Lookalike { household: summary(row), resident: None }).ok_or_else(gone)
    };
    let view = |[one, other]: &[Id; 2]| {
        let both = [lookalike(*one)?, lookalike(*other)?];
        Ok(DuplicateView { kind: DuplicateKind::Dwelling, pair: Pair(*one, *other), both })
    };
    pairs.iter().map(view).collect()
}

fn residents_alike(
    connection: &mut Connection,
    kind: DuplicateKind,
    scopes: Vec<Id>,
    pairs: &[[Id; 2]],
) -> Result<Vec<DuplicateView>, ReadError> {
    let ids: BTreeSet<Id> = pairs.iter().flatten().copied().collect();
    let within = resident::id.eq_any(ids).and(resident::scope.eq_any(scopes));
    let people: Vec<ResidentRow> = resident::table
        .filter(within)
        .order((resident::id, resident::household))
        .select(ResidentRow::as_select())
        .load(connection)?;
    let rows = households(connection, people.iter().map(|person| person.household))?;
    let lookalike = |id: Id| {
        let homes = people.iter().filter(|person| person.id == id).filter_map(|person| {
            let home = rows.iter().find(|row| row.id == person.household)?;
            (home.status.as_deref() != Some(CLOSED)).then_some((home, person))
        });
        let (home, person) = homes.into_iter().next().ok_or_else(gone)?;
        let resident = Some((ResidentId::from(id), person.record()));
        Ok::<_, ReadError>(Lookalike { household: summary(home), resident })
    };
    let view = |[one, other]: &[Id; 2]| {
        Ok(DuplicateView { kind, pair: Pair(*one, *other), both: [lookalike(*one)?, lookalike(*other)?] })
    };
    pairs.iter().map(view).collect()
}

fn households(connection: &mut Connection, ids: impl Iterator<Item = Id>) -> QueryResult<Vec<HouseholdRow>> {
    let ids: BTreeSet<Id> = ids.collect();
    household::table.filter(household::id.eq_any(ids)).select(HouseholdRow::as_select()).load(connection)
}

fn gone() -> ReadError {
    StoreError::Unreadable("a household or resident of a pair is not there".to_owned()).into()
}
