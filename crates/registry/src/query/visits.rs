//! Visits to households and notes about them, the latest first, each with its corrections.

use super::{Cursor, Names, NotACursor, Page, Person, ReadError, page, rows_for, scope_within};
use crate::Reach;
use crate::database::{Blob, Connection, Id, StoreError};
use crate::household_merge::CLOSED;
use crate::log::key;
use crate::projection::FactRow;
use crate::registry::Registry;
use crate::tables::{fact, household, household_merge};
use diesel::prelude::*;
use gridwork_domain::id::{AreaId, FactId, HouseholdId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::Fact;
use gridwork_sync::fact::decode;
use std::collections::{BTreeMap, BTreeSet};

/// Households whose visits are read together at most.
const MOST_MERGED: usize = 32;

/// A fact, with who recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactView {
    /// What was recorded.
    pub fact: Fact,
    /// Who recorded it.
    pub by: Person,
    /// When it arrived, by the server's clock.
    pub received_at: Instant,
}

/// A visit or a note, with its corrections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitView {
    /// The grid in which the household was when it was recorded.
    pub scope: ScopeId,
    /// The visit or note.
    pub fact: FactView,
    /// Its corrections, in the order of their arrival.
    pub corrections: Vec<FactView>,
}

impl Registry {
    /// A page of the visits to a household, and to those that were merged into it, with the notes, the latest first; `None` if there is no such household
    /// within reach.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn visits(
        &self,
        reach: &Reach,
        household: HouseholdId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Option<Page<VisitView>>, ReadError> {
        let reach = reach.clone();
        self.database
            .read(move |connection| {
                let Some(scope) = scope_within(connection, &reach, household)? else { return Ok(None) };
                let homes = with_merged(connection, &reach, (scope, household))?;
                let rows = of_households(connection, homes, after.as_ref(), rows_for(limit))?;
                let at = |row: &FactRow| Cursor::new(&[row.id.0], &row.started_at.to_string());
                with_corrections(connection, rows, limit, at).map(Some)
            })
            .await
    }

    /// A page of the visits to households within reach and notes about them, household by household, the latest first of
    /// each; those in one area, if one is named.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn visits_within(
        &self,
        reach: &Reach,
        area: Option<AreaId>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<VisitView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let scopes = areas.columns(connection, &reach, area)?;
                let rows = of_scopes(connection, scopes, after.as_ref(), rows_for(limit))?;
                let at =
                    |row: &FactRow| Cursor::new(&[row.scope.0, row.household.0, row.id.0], &row.started_at.to_string());
                with_corrections(connection, rows, limit, at)
            })
            .await
    }
}

/// Facts that correct nothing.
macro_rules! own {
    () => {
        fact::table.filter(fact::corrects.is_null()).select(FactRow::as_select()).into_boxed()
    };
}

/// Grids and ids of a household and of those that were merged into it and are closed still, within reach.
fn with_merged(
    connection: &mut Connection,
    reach: &Reach,
    (scope, id): (ScopeId, HouseholdId),
) -> QueryResult<(Vec<Id>, Vec<Id>)> {
    let (mut scopes, mut ids) = (vec![Id::from(scope)], vec![Id::from(id)]);
    let mut ahead = ids.clone();
    while !ahead.is_empty() && ids.len() < MOST_MERGED {
        let merged = household_merge::table.filter(household_merge::survivor.eq_any(ahead));
        let closed = household::table
            .filter(household::id.eq_any(merged.select(household_merge::duplicate)))
            .filter(household::status.eq(CLOSED));
        let found: Vec<(Id, Id)> = closed.select((household::scope, household::id)).load(connection)?;
        let found = found.into_iter().filter(|(scope, id)| reach.contains((*scope).into()) && !ids.contains(id));
        let (more_scopes, more): (Vec<Id>, Vec<Id>) = found.unzip();
        scopes.extend(more_scopes);
        ids.extend(&more);
        ahead = more;
    }
    Ok((scopes, ids))
}

fn of_households(
    connection: &mut Connection,
    (scopes, households): (Vec<Id>, Vec<Id>),
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<FactRow>, ReadError> {
    let this = fact::scope.eq_any(scopes).and(fact::household.eq_any(households));
    let mut query = own!().filter(this);
    if let Some(after) = after {
        let ([id], started_at) = after.ids::<1>()?;
        let started_at: i64 = started_at.parse().map_err(|_| NotACursor)?;
        let id: Id = Blob(id);
        query = query.filter(fact::started_at.lt(started_at).or(fact::started_at.eq(started_at).and(fact::id.lt(id))));
    }
    Ok(query.order((fact::started_at.desc(), fact::id.desc())).limit(limit).load(connection)?)
}

fn of_scopes(
    connection: &mut Connection,
    mut scopes: Vec<Id>,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<FactRow>, ReadError> {
    let mut query = own!();
    if let Some(after) = after {
        let ([scope, household, id], started_at) = after.ids::<3>()?;
        let started_at: i64 = started_at.parse().map_err(|_| NotACursor)?;
        let (scope, household, id): (Id, Id, Id) = (Blob(scope), Blob(household), Blob(id));
        scopes.retain(|one| *one >= scope);
        let earlier = fact::started_at.lt(started_at).or(fact::started_at.eq(started_at).and(fact::id.lt(id)));
        let later = fact::household.gt(household).or(fact::household.eq(household).and(earlier));
        query = query.filter(fact::scope.gt(scope).or(later));
    }
    query = query.filter(fact::scope.eq_any(scopes));
    let order = (fact::scope, fact::household, fact::started_at.desc(), fact::id.desc());
    Ok(query.order(order).limit(limit).load(connection)?)
}

/// A page of these rows, each with its corrections.
fn with_corrections(
    connection: &mut Connection,
    rows: Vec<FactRow>,
    limit: u32,
    at: impl Fn(&FactRow) -> Cursor,
) -> Result<Page<VisitView>, ReadError> {
    let (scopes, households): (BTreeSet<Id>, BTreeSet<Id>) = rows.iter().map(|row| (row.scope, row.household)).unzip();
    let ids: Vec<Id> = rows.iter().map(|row| row.id).collect();
    let corrections: Vec<FactRow> = fact::table
        .filter(fact::scope.eq_any(scopes).and(fact::household.eq_any(households)).and(fact::corrects.eq_any(ids)))
        .order((fact::received_at, fact::id))
        .select(FactRow::as_select())
        .load(connection)?;
    let names = Names::read(connection, rows.iter().chain(&corrections).map(|row| row.staff))?;
    let mut by_fact: BTreeMap<Option<(Id, Id)>, Vec<FactView>> = BTreeMap::new();
    for row in &corrections {
        by_fact.entry(row.corrects.map(|id| (row.household, id))).or_default().push(view(row, &names)?);
    }
    page(rows, limit, at, |row| {
        let corrections = by_fact.remove(&Some((row.household, row.id))).unwrap_or_default();
        Ok(VisitView { scope: row.scope.into(), fact: view(&row, &names)?, corrections })
    })
}

fn view(row: &FactRow, names: &Names) -> Result<FactView, ReadError> {
    let id = FactId::from(row.id);
    let fact = decode(id, &row.bytes, &key(row.document, row.epoch)?)
        .map_err(|error| StoreError::Unreadable(format!("the fact {id}: {error}")))?;
    Ok(FactView { fact, by: names.person(row.staff), received_at: Instant::from_ms(row.received_at) })
}
