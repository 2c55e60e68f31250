//! Households and residents that may be the same, for somebody who looks at both: never a score, only what is equal.
//!
//! **Invariant:** both of a pair lie within reach, and nobody has said that they are not the same.

use super::households::summary;
use super::{Cursor, HouseholdSummary, Page, ReadError, page, rows_for};
use crate::Reach;
use crate::audit::{Step, Subject, note};
use crate::database::{Blob, Connection, Id, StoreError, fails_as_the_store_does};
use crate::household_merge::CLOSED;
use crate::idempotency::Keep;
use crate::projection::{HouseholdRow, ResidentRow};
use crate::registry::Registry;
use crate::tables::{household, not_duplicate, resident};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use gridwork_domain::fields::Record;
use gridwork_domain::id::{AreaId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use std::collections::BTreeSet;

diesel::alias!(household as other_household: OtherHousehold, resident as other_resident: OtherResident);

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
    /// A page of pairs within reach that may be the same, by the ids of both.
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
                let after = after.map(|after| after.ids::<2>().map(|(ids, _)| ids)).transpose()?;
                let after = after.unwrap_or_default().map(Blob);
                let cursor = |view: &DuplicateView| Cursor::new(&view.pair.ids(), "");
                let views = match kind {
                    DuplicateKind::Dwelling => at_one_dwelling(connection, scopes, after, rows_for(limit))?,
                    DuplicateKind::Person | DuplicateKind::CitizenNumber => {
                        residents_alike(connection, kind, scopes, after, rows_for(limit))?
                    }
                };
                page(views, limit, cursor, Ok)
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

/// Of two tables under these names: that nobody has said that the two are not the same, and that they come after these.
macro_rules! to_compare {
    ($one:expr, $other:expr, $after:expr) => {
        not(exists(not_duplicate::table.filter(not_duplicate::one.eq($one).and(not_duplicate::other.eq($other)))))
            .and($one.ge($after[0])) // by which an index begins there
            .and($one.gt($after[0]).or($one.eq($after[0]).and($other.gt($after[1]))))
    };
}

/// That a household is open.
macro_rules! open {
    ($status:expr) => {
        $status.is_null().or($status.ne(CLOSED))
    };
}

/// A household of this id that is closed.
macro_rules! closed {
    ($id:expr) => {
        household::table.filter(household::id.eq($id).and(household::status.eq(CLOSED)))
    };
}

fn at_one_dwelling(
    connection: &mut Connection,
    scopes: Vec<Id>,
    after: [Id; 2],
    limit: i64,
) -> Result<Vec<DuplicateView>, ReadError> {
    let other = other_household;
    let alike = other
        .field(household::dwelling_key)
        .eq(household::dwelling_key)
        .and(other.field(household::id).gt(household::id));
    let pairs: Vec<(Id, Id)> = household::table
        .inner_join(other.on(alike))
        .filter(household::scope.eq_any(scopes.clone()).and(other.field(household::scope).eq_any(scopes)))
        .filter(open!(household::status))
        .filter(open!(other.field(household::status)))
        .filter(to_compare!(household::id, other.field(household::id), after))
        .order((household::id, other.field(household::id)))
        .limit(limit)
        .select((household::id, other.field(household::id)))
        .load(connection)?;
    let rows = households(connection, pairs.iter().flat_map(|(one, other)| [*one, *other]))?;
    let lookalike = |id: Id| {
        let row = rows.iter().find(|row| row.id == id);
        row.map(|row| Lookalike { household: summary(row), resident: None }).ok_or_else(gone)
    };
    let view = |(one, other): (Id, Id)| {
        let both = [lookalike(one)?, lookalike(other)?];
        Ok(DuplicateView { kind: DuplicateKind::Dwelling, pair: Pair(one, other), both })
    };
    pairs.into_iter().map(view).collect()
}

/// A resident with the household.
type Found = (Id, Id);

fn residents_alike(
    connection: &mut Connection,
    kind: DuplicateKind,
    scopes: Vec<Id>,
    after: [Id; 2],
    limit: i64,
) -> Result<Vec<DuplicateView>, ReadError> {
    let other = other_resident;
    macro_rules! pairs {
        ($alike:expr) => {
            resident::table
                .inner_join(other.on($alike.and(other.field(resident::id).gt(resident::id))))
                .filter(resident::scope.eq_any(scopes.clone()).and(other.field(resident::scope).eq_any(scopes)))
                .filter(to_compare!(resident::id, other.field(resident::id), after))
                .filter(not(exists(closed!(resident::household))))
                .filter(not(exists(closed!(other.field(resident::household)))))
                .order((resident::id, other.field(resident::id)))
                .limit(limit)
                .select((
                    (resident::household, resident::id),
                    (other.field(resident::household), other.field(resident::id)),
                ))
                .load(connection)?
        };
    }
    let pairs: Vec<(Found, Found)> = if kind == DuplicateKind::CitizenNumber {
        pairs!(other.field(resident::citizen_number_hash).eq(resident::citizen_number_hash))
    } else {
        let name = other.field(resident::name).eq(resident::name);
        pairs!(other.field(resident::birth_date).eq(resident::birth_date).and(name))
    };
    let rows = households(connection, pairs.iter().flat_map(|(one, other)| [one.0, other.0]))?;
    let ids: Vec<Id> = pairs.iter().flat_map(|(one, other)| [one.1, other.1]).collect();
    let people: Vec<ResidentRow> =
        resident::table.filter(resident::id.eq_any(ids)).select(ResidentRow::as_select()).load(connection)?;
    let lookalike = |(home, id): (Id, Id)| {
        let home = rows.iter().find(|row| row.id == home).ok_or_else(gone)?;
        let person = people.iter().find(|row| row.household == home.id && row.id == id).ok_or_else(gone)?;
        let resident = Some((ResidentId::from(id), person.record()));
        Ok::<_, ReadError>(Lookalike { household: summary(home), resident })
    };
    let view = |(one, other): (Found, Found)| {
        let pair = Pair(one.1, other.1);
        Ok(DuplicateView { kind, pair, both: [lookalike(one)?, lookalike(other)?] })
    };
    pairs.into_iter().map(view).collect()
}

fn households(connection: &mut Connection, ids: impl Iterator<Item = Id>) -> QueryResult<Vec<HouseholdRow>> {
    let ids: BTreeSet<Id> = ids.collect();
    household::table.filter(household::id.eq_any(ids)).select(HouseholdRow::as_select()).load(connection)
}

fn gone() -> ReadError {
    StoreError::Unreadable("a household or resident of a pair is not there".to_owned()).into()
}
