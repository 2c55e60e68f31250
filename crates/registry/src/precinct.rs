//! The areas that somebody administers, and whom they administer by that.
//!
//! **Invariant:** a member of staff is administered only from around *all* of their offices: who runs a community cannot
//! become somebody of the whole district by way of that person's password.

use crate::administration::AdministerError;
use crate::area_tree::AreaTree;
use crate::database::{Connection, StoreError};
use crate::entitlement::{MOST_LEVELS, assignments_of};
use gridwork_domain::id::{AreaId, StaffId};
use gridwork_domain::instant::Instant;
use std::collections::BTreeSet;

/// Areas, each with everything within it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precinct(BTreeSet<AreaId>);

impl FromIterator<AreaId> for Precinct {
    fn from_iter<I: IntoIterator<Item = AreaId>>(areas: I) -> Self {
        Self(areas.into_iter().collect())
    }
}

impl Precinct {
    /// Whether an area is one of these or lies within one.
    pub(crate) fn contains(&self, tree: &AreaTree, area: AreaId) -> bool {
        let parent = |area: &AreaId| tree.get(*area).and_then(|area| area.parent);
        std::iter::successors(Some(area), parent).take(MOST_LEVELS).any(|around| self.0.contains(&around))
    }

    /// Refuses a member of staff who is not administered from here.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`]; as the store says.
    pub(crate) fn must_administer(
        &self,
        connection: &mut Connection,
        staff: StaffId,
        now: Instant,
    ) -> Result<(), AdministerError> {
        let tree = AreaTree::read(connection)?;
        if self.administers(connection, &tree, staff, now)? { Ok(()) } else { Err(AdministerError::NoSuchStaff) }
    }

    /// Whether an area is one of these, lies within one, or lies around one.
    pub(crate) fn touches(&self, tree: &AreaTree, area: AreaId) -> bool {
        let parent = |area: &AreaId| tree.get(*area).and_then(|area| area.parent);
        let around = |one: &AreaId| std::iter::successors(Some(*one), parent).take(MOST_LEVELS).any(|up| up == area);
        self.contains(tree, area) || self.0.iter().any(around)
    }

    /// Whether a member of staff is administered from here: every office that they hold or will hold lies within it, or,
    /// if there is none any more, every one that they held. Nobody who never held one is.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn administers(
        &self,
        connection: &mut Connection,
        tree: &AreaTree,
        staff: StaffId,
        now: Instant,
    ) -> Result<bool, StoreError> {
        let all = assignments_of(connection, staff)?;
        let lasting: Vec<_> = all.iter().filter(|one| one.until.is_none_or(|until| now < until)).collect();
        let counted = if lasting.is_empty() { all.iter().collect() } else { lasting };
        Ok(!counted.is_empty() && counted.iter().all(|one| self.contains(tree, one.area)))
    }
}
