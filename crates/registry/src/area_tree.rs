//! Areas as a tree, and what somebody's assignments give within it.
//!
//! **Invariant:** a [`Reach`] is a set of grids; there is no "everything".

use crate::database::{Connection, Id, StoreError};
use crate::entitlement::{MOST_LEVELS, assignments_of};
use crate::figures::{Counters, add};
use crate::registry::Registry;
use crate::tables::{area, instance};
use diesel::prelude::*;
use gridwork_domain::area::Area;
use gridwork_domain::division_code::{DivisionCode, DivisionLevel};
use gridwork_domain::id::{AreaId, HouseholdId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Operation, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// An assignment that holds, with the grids in its area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// As what.
    pub role: Role,
    /// Where: that area and all within it.
    pub area: Area,
    /// The grids of that area, ascending.
    pub grids: Arc<[ScopeId]>,
}

impl Grant {
    /// Whether it gives an operation in a grid.
    pub fn gives(&self, operation: Operation, grid: ScopeId) -> bool {
        self.role.may(operation) && self.grids.binary_search(&grid).is_ok()
    }
}

/// The grids in which somebody may do something, and single households beyond them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Ascending, each once.
    grids: Arc<[ScopeId]>,
    households: BTreeSet<HouseholdId>,
}

impl Reach {
    /// The grids in which these grants give an operation.
    pub fn of(grants: &[Grant], operation: Operation) -> Self {
        let mut giving = grants.iter().filter(|grant| grant.role.may(operation));
        match (giving.next(), giving.next()) {
            // A district's grids are many, and most people hold one office: they are shared with the tree.
            (Some(only), None) => Self { grids: only.grids.clone(), households: BTreeSet::new() },
            (first, second) => {
                let giving = first.into_iter().chain(second).chain(giving);
                giving.flat_map(|grant| grant.grids.iter().copied()).collect()
            }
        }
    }

    /// The same, with single households beyond the grids: these are read one by one, and are on no list.
    #[must_use]
    pub fn with_households(mut self, households: impl IntoIterator<Item = HouseholdId>) -> Self {
        self.households.extend(households);
        self
    }

    /// Whether a grid is among them.
    pub fn contains(&self, scope: ScopeId) -> bool {
        self.grids.binary_search(&scope).is_ok()
    }

    /// Whether a household in that grid is within them.
    pub fn covers(&self, scope: ScopeId, household: HouseholdId) -> bool {
        self.contains(scope) || self.households.contains(&household)
    }

    /// Whether there is no grid among them.
    pub fn is_empty(&self) -> bool {
        self.grids.is_empty()
    }

    /// The grids, ascending.
    pub fn scopes(&self) -> impl Iterator<Item = ScopeId> + '_ {
        self.grids.iter().copied()
    }

    /// Those of the grids that lie in an area.
    pub(crate) fn within(&self, tree: &AreaTree, area: AreaId) -> Self {
        tree.grids(area).iter().copied().filter(|grid| self.contains(*grid)).collect()
    }

    /// The grids as columns, ascending.
    pub(crate) fn columns(&self) -> Vec<Id> {
        self.scopes().map(Id::from).collect()
    }
}

impl FromIterator<ScopeId> for Reach {
    fn from_iter<I: IntoIterator<Item = ScopeId>>(scopes: I) -> Self {
        let mut grids: Vec<ScopeId> = scopes.into_iter().collect();
        grids.sort_unstable();
        grids.dedup();
        Self { grids: grids.into(), households: BTreeSet::new() }
    }
}

/// All areas.
#[derive(Debug, Default)]
pub(crate) struct AreaTree {
    areas: BTreeMap<AreaId, Area>,
    children: BTreeMap<AreaId, Vec<AreaId>>,
    /// Area to the grids in it, ascending.
    grids: BTreeMap<AreaId, Arc<[ScopeId]>>,
}

/// All areas as they were last read, for those who ask with each request.
///
/// It is filled by readers alone, so that what it holds was committed.
pub(crate) struct AreaCache {
    kept: Mutex<Option<(i64, Arc<AreaTree>)>>,
    counters: Arc<Counters>,
}

impl AreaCache {
    /// Nothing was read yet.
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self { kept: Mutex::default(), counters }
    }

    /// The grids within reach that lie in an area, ascending, as columns; all of them without one.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn columns(
        &self,
        connection: &mut Connection,
        reach: &Reach,
        area: Option<AreaId>,
    ) -> Result<Vec<Id>, StoreError> {
        match area {
            Some(area) => Ok(reach.within(&*self.tree(connection)?, area).columns()),
            None => Ok(reach.columns()),
        }
    }

    /// All areas, read again if any has changed.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn tree(&self, connection: &mut Connection) -> Result<Arc<AreaTree>, StoreError> {
        let version = areas_version(connection)?;
        self.tree_of(connection, version)
    }

    /// The same, by the version that the caller read before: if areas changed in between, the next one reads them again.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn tree_of(&self, connection: &mut Connection, version: i64) -> Result<Arc<AreaTree>, StoreError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, tree)) = kept.filter(|(kept, _)| *kept == version) {
            add(&self.counters.area_cache_hits, 1);
            return Ok(tree);
        }
        add(&self.counters.area_cache_misses, 1);
        let tree = Arc::new(AreaTree::read(connection)?);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, tree.clone()));
        Ok(tree)
    }
}

/// The version of the areas, which every change of any raises.
///
/// # Errors
/// As the store says.
pub(crate) fn areas_version(connection: &mut Connection) -> QueryResult<i64> {
    instance::table.select(instance::areas_version).get_result(connection)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = area)]
struct AreaRow {
    id: Id,
    parent: Option<Id>,
    code: String,
    name: String,
    aliases: String,
    valid_from: String,
    valid_until: Option<String>,
    successor: Option<Id>,
}

impl AreaTree {
    /// Reads all areas.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, StoreError> {
        let mut tree = Self::default();
        for row in area::table.select(AreaRow::as_select()).load(connection)? {
            let area = row.area()?;
            if let Some(parent) = area.parent {
                tree.children.entry(parent).or_default().push(area.id);
            }
            tree.areas.insert(area.id, area);
        }
        let grids = tree.areas.values().filter(|area| area.code.level() == DivisionLevel::Grid);
        let mut within: BTreeMap<AreaId, Vec<ScopeId>> = BTreeMap::new();
        for grid in grids {
            let parent = |area: &&Area| area.parent.and_then(|parent| tree.areas.get(&parent));
            for around in std::iter::successors(Some(grid), parent).take(MOST_LEVELS) {
                within.entry(around.id).or_default().push(ScopeId::from(grid.id));
            }
        }
        tree.grids = within.into_iter().map(|(area, grids)| (area, grids.into())).collect();
        Ok(tree)
    }

    /// An area.
    pub(crate) fn get(&self, id: AreaId) -> Option<&Area> {
        self.areas.get(&id)
    }

    /// The areas just within another.
    pub(crate) fn children(&self, of: AreaId) -> impl Iterator<Item = &Area> {
        self.children.get(&of).into_iter().flatten().filter_map(|id| self.areas.get(id))
    }

    /// All areas, in the order of their codes.
    pub(crate) fn all(&self) -> Vec<&Area> {
        let mut all: Vec<_> = self.areas.values().collect();
        all.sort_by(|one, other| one.code.as_str().cmp(other.code.as_str()));
        all
    }

    /// The grids in an area, or the area itself if it is one; ascending.
    pub(crate) fn grids(&self, within: AreaId) -> Arc<[ScopeId]> {
        self.grids.get(&within).cloned().unwrap_or_default()
    }
}

impl AreaRow {
    fn area(self) -> Result<Area, StoreError> {
        let unreadable = |reason: String| StoreError::Unreadable(format!("the area {}: {reason}", self.name));
        Ok(Area {
            id: self.id.into(),
            parent: self.parent.map(Into::into),
            code: DivisionCode::parse(&self.code).map_err(|error| unreadable(error.to_string()))?,
            aliases: serde_json::from_str(&self.aliases).map_err(|error| unreadable(error.to_string()))?,
            name: self.name,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            successor: self.successor.map(Into::into),
        })
    }
}

/// What a member of staff's assignments give now.
///
/// # Errors
/// As the store says.
pub(crate) fn grants_of(
    connection: &mut Connection,
    tree: &AreaTree,
    staff: StaffId,
    now: Instant,
) -> Result<Vec<Grant>, StoreError> {
    Ok(grants(tree, assignments_of(connection, staff)?, now))
}

/// What assignments give now.
pub(crate) fn grants(tree: &AreaTree, all: Vec<Assignment>, now: Instant) -> Vec<Grant> {
    let grant = |one: Assignment| {
        let area = tree.get(one.area)?.clone();
        Some(Grant { role: one.role, grids: tree.grids(area.id), area })
    };
    all.into_iter().filter(|one| one.holds_at(now)).filter_map(grant).collect()
}

impl Registry {
    /// What a member of staff's assignments give now; nothing for somebody unknown.
    ///
    /// # Errors
    /// As the store says.
    pub async fn grants(&self, staff: StaffId, now: Instant) -> Result<Vec<Grant>, StoreError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                grants_of(connection, &tree, staff, now)
            })
            .await
    }
}
