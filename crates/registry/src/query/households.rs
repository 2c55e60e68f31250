//! Households: a page of them, or one with everything that is known of it.

use super::{
    Cursor, Names, Page, Person, ReadError, conflicts_of, containing, end_of_prefix, page, rows_for, scope_within,
};
use crate::Reach;
use crate::area_tree::AreaCache;
use crate::database::{Blob, Connection, Id};
use crate::household_merge::CLOSED;
use crate::projection::{self, HouseholdRow, HouseholdRows, MembershipRow, NeedRow, ResidentRow};
use crate::registry::Registry;
use crate::snapshot;
use crate::tables::{change, household, household_merge, membership, need, resident};
use diesel::prelude::*;
use gridwork_domain::fields::Record;
use gridwork_domain::household::{Conflict, Household};
use gridwork_domain::id::{AreaId, HouseholdId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_sync::document::{ChangeHash, DocumentId};

/// Which households.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HouseholdFilter {
    /// Those in this area.
    pub area: Option<AreaId>,
    /// Those with a resident whose name begins so.
    pub resident_name: Option<String>,
    /// Those whose address contains this.
    pub address: Option<String>,
}

/// A household in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdSummary {
    /// Its id.
    pub id: HouseholdId,
    /// Its grid.
    pub scope: ScopeId,
    /// Its own record.
    pub household: Record,
    /// The record of its dwelling.
    pub dwelling: Record,
    /// Fields about which people disagree.
    pub open_conflicts: u32,
}

/// A household with everything that is known of it, apart from visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdView {
    /// Its grid.
    pub scope: ScopeId,
    /// Its records and needs.
    pub household: Household,
    /// What an edit must name to be made on what is read here.
    pub heads: Vec<ChangeHash>,
    /// Where people disagree: all values, by whom and when.
    pub conflicts: Vec<Conflict<Person>>,
    /// Into which it was merged, if it was and is closed still.
    pub merged_into: Option<Merging>,
    /// Which were merged into it, and are closed still.
    pub merged_from: Vec<Merging>,
}

/// A household that was merged into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merging {
    /// The other of the two.
    pub household: HouseholdId,
    /// Who merged them.
    pub by: Person,
    /// When.
    pub at: Instant,
    /// Why.
    pub why: String,
    /// Changes of the duplicate that came afterwards: work to bring over.
    pub late_changes: u64,
}

impl Registry {
    /// A page of households within reach, by grid and id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn households(
        &self,
        reach: &Reach,
        filter: HouseholdFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<HouseholdSummary>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let rows = rows(connection, &areas, &reach, &filter, after.as_ref(), rows_for(limit))?;
                page(rows, limit, |row| Cursor::new(&[row.scope.0, row.id.0], ""), |row| Ok(summary(&row)))
            })
            .await
    }

    /// A household within reach; `None` if there is none.
    ///
    /// # Errors
    /// As the store says.
    pub async fn household(&self, reach: &Reach, id: HouseholdId) -> Result<Option<HouseholdView>, ReadError> {
        let reach = reach.clone();
        self.database
            .read(move |connection| {
                let Some(scope) = scope_within(connection, &reach, id)? else { return Ok(None) };
                let rows = one(connection, Id::from(id))?;
                let heads = snapshot::heads(connection, &DocumentId::household(id).into())?.unwrap_or_default();
                let conflicts = conflicts_of(connection, id)?;
                let closed = rows.household.status.as_deref() == Some(CLOSED);
                let merged_into = if closed { merged(connection, id.into(), true)?.pop() } else { None };
                let merged_from = merged(connection, id.into(), false)?;
                let household = projection::household(&rows);
                Ok(Some(HouseholdView { scope, household, heads, conflicts, merged_into, merged_from }))
            })
            .await
    }
}

/// The household into which one was merged, or those that were merged into it and are closed still.
fn merged(connection: &mut Connection, id: Id, into: bool) -> QueryResult<Vec<Merging>> {
    type Row = (Id, Id, i64, Id, String);
    let rows: Vec<Row> = if into {
        household_merge::table.find(id).load(connection)?
    } else {
        let closed = household::table.filter(household::status.eq(CLOSED)).select(household::id);
        household_merge::table
            .filter(household_merge::survivor.eq(id).and(household_merge::duplicate.eq_any(closed)))
            .order(household_merge::merged_at)
            .load(connection)?
    };
    let names = Names::read(connection, rows.iter().map(|row| row.3))?;
    rows.into_iter()
        .map(|(duplicate, survivor, at, staff, why)| {
            let document = Blob(*DocumentId::household(duplicate.into()).as_bytes());
            let late = change::table.filter(change::document.eq(document).and(change::received_at.gt(at)));
            let late: i64 = late.count().get_result(connection)?;
            Ok(Merging {
                household: if into { survivor } else { duplicate }.into(),
                by: names.person(staff),
                at: Instant::from_ms(at),
                why,
                late_changes: u64::try_from(late).unwrap_or(0),
            })
        })
        .collect()
}

fn rows(
    connection: &mut Connection,
    areas: &AreaCache,
    reach: &Reach,
    filter: &HouseholdFilter,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<HouseholdRow>, ReadError> {
    let mut scopes = areas.columns(connection, reach, filter.area)?;
    let mut query = household::table.select(HouseholdRow::as_select()).into_boxed();
    if let Some(after) = after {
        let ([scope, id], _) = after.ids::<2>()?;
        let (scope, id) = (crate::database::Blob(scope), crate::database::Blob(id));
        scopes.retain(|one| *one >= scope);
        query = query.filter(household::scope.gt(scope).or(household::id.gt(id)));
    }
    query = query.filter(household::scope.eq_any(scopes.clone()));
    if let Some(part) = &filter.address {
        query = query.filter(household::address.like(containing(part)).escape('\\'));
    }
    if let Some(prefix) = &filter.resident_name {
        let named = resident::table
            .filter(resident::name.ge(prefix.clone()).and(resident::name.lt(end_of_prefix(prefix))))
            .filter(resident::scope.eq_any(scopes))
            .select(resident::household);
        query = query.filter(household::id.eq_any(named));
    }
    Ok(query.order((household::scope, household::id)).limit(limit).load(connection)?)
}

pub(crate) fn one(connection: &mut Connection, id: Id) -> QueryResult<HouseholdRows> {
    Ok(HouseholdRows {
        household: household::table.find(id).select(HouseholdRow::as_select()).get_result(connection)?,
        residents: resident::table
            .filter(resident::household.eq(id))
            .select(ResidentRow::as_select())
            .load(connection)?,
        memberships: membership::table
            .filter(membership::household.eq(id))
            .select(MembershipRow::as_select())
            .load(connection)?,
        needs: need::table.filter(need::household.eq(id)).select(NeedRow::as_select()).load(connection)?,
        conflicts: Vec::new(), // read with the names of their authors
    })
}

pub(super) fn summary(row: &HouseholdRow) -> HouseholdSummary {
    let (household, dwelling) = projection::summary(row);
    HouseholdSummary {
        id: row.id.into(),
        scope: row.scope.into(),
        household,
        dwelling,
        open_conflicts: u32::try_from(row.open_conflicts).unwrap_or(0),
    }
}
