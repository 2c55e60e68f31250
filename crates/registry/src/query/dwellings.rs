//! Dwellings with who lives there: what a roster is compared with, and what lists say beside a resident or a visit.

use super::households::summary;
use super::{HouseholdSummary, ReadError};
use crate::Reach;
use crate::database::{Connection, Id};
use crate::projection::{self, HouseholdRow};
use crate::registry::Registry;
use crate::tables::{household, resident};
use diesel::prelude::*;
use gridwork_domain::fields::Record;
use gridwork_domain::id::{HouseholdId, ScopeId};
use std::collections::BTreeMap;

/// A household with its dwelling and the names of its residents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DwellingView {
    /// The household.
    pub household: HouseholdId,
    /// The record of its dwelling.
    pub dwelling: Record,
    /// The names of its residents, also of those who moved out; ascending.
    pub names: Vec<String>,
}

impl Registry {
    /// All dwellings of a grid within reach, some hundred; none outside it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn dwellings(&self, reach: &Reach, grid: ScopeId) -> Result<Vec<DwellingView>, ReadError> {
        if !reach.contains(grid) {
            return Ok(Vec::new());
        }
        let grid = Id::from(grid);
        self.database.read(move |connection| all_of(connection, grid)).await
    }

    /// Those of these households that lie within reach, at most as many as a page has, each once.
    ///
    /// # Errors
    /// As the store says.
    pub async fn households_among(
        &self,
        reach: &Reach,
        households: Vec<HouseholdId>,
    ) -> Result<BTreeMap<HouseholdId, HouseholdSummary>, ReadError> {
        let reach = reach.clone();
        self.database
            .read(move |connection| {
                let mut ids: Vec<Id> = households.into_iter().map(Id::from).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.truncate(super::MOST_ROWS as usize);
                let rows: Vec<HouseholdRow> = household::table
                    .filter(household::id.eq_any(ids))
                    .select(HouseholdRow::as_select())
                    .load(connection)?;
                let within = rows.iter().filter(|row| reach.contains(row.scope.into()));
                Ok(within.map(|row| (HouseholdId::from(row.id), summary(row))).collect())
            })
            .await
    }
}

fn all_of(connection: &mut Connection, grid: Id) -> Result<Vec<DwellingView>, ReadError> {
    let rows: Vec<HouseholdRow> =
        household::table.filter(household::scope.eq(grid)).select(HouseholdRow::as_select()).load(connection)?;
    let named: Vec<(Id, Option<String>)> = resident::table
        .filter(resident::scope.eq(grid))
        .order((resident::household, resident::name))
        .select((resident::household, resident::name))
        .load(connection)?;
    let mut names: BTreeMap<Id, Vec<String>> = BTreeMap::new();
    for (household, name) in named {
        names.entry(household).or_default().extend(name);
    }
    let view = |row: &HouseholdRow| {
        let (_, dwelling) = projection::summary(row);
        DwellingView { household: row.id.into(), dwelling, names: names.remove(&row.id).unwrap_or_default() }
    };
    Ok(rows.iter().map(view).collect())
}
