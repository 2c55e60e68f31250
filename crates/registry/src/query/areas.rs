//! Areas that hold, or are, grids within reach.

use super::ReadError;
use crate::Reach;
use crate::database::Id;
use crate::registry::Registry;
use crate::tables::household;
use diesel::dsl::count_star;
use diesel::prelude::*;
use gridwork_domain::area::Area;
use gridwork_domain::id::{AreaId, ScopeId};
use std::collections::BTreeMap;

/// An area with the number of its households within reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaView {
    /// The area.
    pub area: Area,
    /// Households in it and within reach.
    pub households: u64,
}

impl Registry {
    /// The areas that hold or are grids within reach, in the order of their codes; with a parent only those just in it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn areas(&self, reach: &Reach, parent: Option<AreaId>) -> Result<Vec<AreaView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                let counts: Vec<(Id, i64)> = household::table
                    .filter(household::scope.eq_any(reach.columns()))
                    .group_by(household::scope)
                    .select((household::scope, count_star()))
                    .load(connection)?;
                let counts: BTreeMap<ScopeId, u64> = counts
                    .into_iter()
                    .map(|(scope, count)| (scope.into(), u64::try_from(count).unwrap_or(0)))
                    .collect();
                let listed = match parent {
                    Some(parent) => tree.children(parent).collect(),
                    None => tree.all(),
                };
                let view = |area: &Area| {
                    let within = reach.within(&tree, area.id);
                    let households = within.scopes().filter_map(|scope| counts.get(&scope)).sum();
                    (!within.is_empty()).then(|| AreaView { area: area.clone(), households })
                };
                Ok(listed.into_iter().filter_map(view).collect())
            })
            .await
    }
}
