//! Residents: of a household, or by name.

use super::{Cursor, Page, ReadError, end_of_prefix, page, rows_for, scope_within};
use crate::Reach;
use crate::area_tree::AreaCache;
use crate::database::{Blob, Connection, Id};
use crate::projection::{MembershipRow, ResidentRow};
use crate::registry::Registry;
use crate::tables::{membership, resident};
use diesel::prelude::*;
use gridwork_domain::fields::Record;
use gridwork_domain::id::{AreaId, HouseholdId, MembershipId, ResidentId, ScopeId};
use std::collections::BTreeMap;

/// Which residents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResidentFilter {
    /// Those in this area.
    pub area: Option<AreaId>,
    /// Those of this household.
    pub household: Option<HouseholdId>,
    /// Those whose name begins so.
    pub name: Option<String>,
}

/// A resident of a household, also one who has moved out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentView {
    /// The household.
    pub household: HouseholdId,
    /// Its grid.
    pub scope: ScopeId,
    /// The resident's id.
    pub id: ResidentId,
    /// What is known of the person.
    pub resident: Record,
    /// The person's stays in this household.
    pub stays: Vec<(MembershipId, Record)>,
}

impl Registry {
    /// A page of residents within reach, by grid, household and id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn residents(
        &self,
        reach: &Reach,
        filter: ResidentFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<ResidentView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let rows = rows(connection, &areas, &reach, &filter, after.as_ref(), rows_for(limit))?;
                let mut stays = stays(connection, rows.iter().map(|row| row.household))?;
                let cursor = |row: &ResidentRow| Cursor::new(&[row.scope.0, row.household.0, row.id.0], "");
                page(rows, limit, cursor, |row| Ok(view(&row, &mut stays)))
            })
            .await
    }
}

/// Residents with their stays.
///
/// # Errors
/// As the store says.
pub(super) fn views(connection: &mut Connection, rows: Vec<ResidentRow>) -> Result<Vec<ResidentView>, ReadError> {
    let mut stays = stays(connection, rows.iter().map(|row| row.household))?;
    Ok(rows.iter().map(|row| view(row, &mut stays)).collect())
}

fn view(row: &ResidentRow, stays: &mut Stays) -> ResidentView {
    let id = ResidentId::from(row.id);
    let stays = stays.remove(&(row.household, id.to_string())).unwrap_or_default();
    let (household, scope) = (row.household.into(), row.scope.into());
    ResidentView { household, scope, id, resident: row.record(), stays }
}

fn rows(
    connection: &mut Connection,
    areas: &AreaCache,
    reach: &Reach,
    filter: &ResidentFilter,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<ResidentRow>, ReadError> {
    let mut scopes = areas.columns(connection, reach, filter.area)?;
    if let Some(household) = filter.household
        && let Some(scope) = scope_within(connection, reach, household)?
    {
        // It may lie beyond the grids.
        scopes = vec![scope.into()];
    }
    let mut query = resident::table.select(ResidentRow::as_select()).into_boxed();
    if let Some(after) = after {
        let ([scope, household, id], _) = after.ids::<3>()?;
        let (scope, household, id) = (Blob(scope), Blob(household), Blob(id));
        scopes.retain(|one| *one >= scope);
        let later = resident::household.gt(household).or(resident::household.eq(household).and(resident::id.gt(id)));
        query = query.filter(resident::scope.gt(scope).or(later));
    }
    query = query.filter(resident::scope.eq_any(scopes));
    if let Some(household) = filter.household {
        query = query.filter(resident::household.eq(Id::from(household)));
    }
    if let Some(prefix) = &filter.name {
        query = query.filter(resident::name.ge(prefix.clone()).and(resident::name.lt(end_of_prefix(prefix))));
    }
    Ok(query.order((resident::scope, resident::household, resident::id)).limit(limit).load(connection)?)
}

type Stays = BTreeMap<(Id, String), Vec<(MembershipId, Record)>>;

fn stays(connection: &mut Connection, households: impl Iterator<Item = Id>) -> QueryResult<Stays> {
    let mut households: Vec<Id> = households.collect();
    households.dedup();
    let rows: Vec<MembershipRow> = membership::table
        .filter(membership::household.eq_any(households))
        .select(MembershipRow::as_select())
        .load(connection)?;
    let mut stays = Stays::new();
    for row in rows {
        if let Some(resident) = row.resident.clone() {
            stays.entry((row.household, resident)).or_default().push((row.id.into(), row.record()));
        }
    }
    Ok(stays)
}
