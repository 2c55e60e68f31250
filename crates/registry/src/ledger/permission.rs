//! What who hands something in may do, asked before anything is locked for them.
//!
//! **Invariant:** no feed is locked for a sender who may write nothing there.

use super::Ledger;
use crate::area_tree::AreaTree;
use crate::database::{Connection, StoreError};
use crate::entitlement::{areas_around, assignments_of, counts, gives, gives_now};
use crate::log::Sender;
use gridwork_domain::id::{AreaId, ScopeId, StaffId};
use gridwork_domain::staff::{Assignment, Operation};
use gridwork_sealing::Keyring;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// What is done to documents.
const WRITING: [Operation; 2] = [Operation::EditHousehold, Operation::RecordFacts];

impl<'c> Ledger<'c> {
    /// As [`Ledger::new`], for what one sender hands in: of the scopes, those in which they may write nothing are not
    /// locked, so that nobody keeps others waiting in grids that are not theirs.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn of_sender(
        connection: &'c mut Connection,
        sender: &Sender,
        keys: Arc<Keyring>,
        scopes: BTreeSet<ScopeId>,
    ) -> Result<Self, StoreError> {
        let held = assignments_of(connection, sender.staff)?;
        let (mut theirs, mut surroundings) = (BTreeSet::new(), BTreeMap::new());
        for scope in scopes {
            let around: Rc<[AreaId]> = areas_around(connection, scope)?.into();
            if WRITING.into_iter().any(|operation| entitles(&held, &around, operation, sender)) {
                theirs.insert(scope);
            }
            surroundings.insert(scope, around);
        }
        let ledger = Self::new(connection, sender.at, keys, theirs)?;
        ledger.assignments.borrow_mut().insert(sender.staff, held.into());
        ledger.around.replace(surroundings);
        Ok(ledger)
    }

    /// Whether who hands something in may do this in a scope, by their assignments.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn may(&self, sender: &Sender, scope: ScopeId, operation: Operation) -> Result<bool, StoreError> {
        let around = self.around(scope)?;
        let held = self.assignments(sender.staff)?;
        Ok(entitles(&held, &around, operation, sender))
    }

    /// Whether who hands something in may write anything in a scope.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn may_write(&self, sender: &Sender, scope: ScopeId) -> Result<bool, StoreError> {
        for operation in WRITING {
            if self.may(sender, scope, operation)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The grid whose staff answer for who hands something in about what nobody knows: the one that they name, if an office
    /// of theirs counts there; else the first one of such an office, or of the one that ended last. One who never had an office
    /// in a grid is taken by their word.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn desk_of_sender(&self, sender: &Sender, named: ScopeId) -> Result<ScopeId, StoreError> {
        let around = self.around(named)?;
        let assigned = self.assignments(sender.staff)?;
        if assigned.iter().any(|one| counts(one, sender) && around.contains(&one.area)) {
            return Ok(named);
        }
        let mut offices: Vec<&Assignment> = assigned.iter().filter(|one| one.role.may(Operation::Exchange)).collect();
        offices.sort_by_key(|one| (!counts(one, sender), one.until.map(|until| Reverse(until.ms())), one.area));
        for office in offices {
            if let Some(grid) = self.query(|connection| first_grid(connection, office.area))? {
                return Ok(grid);
            }
        }
        Ok(named)
    }

    fn assignments(&self, of: StaffId) -> Result<Rc<[Assignment]>, StoreError> {
        if let Some(found) = self.assignments.borrow().get(&of) {
            return Ok(found.clone());
        }
        let found: Rc<[Assignment]> = self.query(|connection| assignments_of(connection, of))?.into();
        self.assignments.borrow_mut().insert(of, found.clone());
        Ok(found)
    }

    fn around(&self, scope: ScopeId) -> Result<Rc<[AreaId]>, StoreError> {
        if let Some(found) = self.around.borrow().get(&scope) {
            return Ok(found.clone());
        }
        let found: Rc<[AreaId]> = self.query(|connection| areas_around(connection, scope))?.into();
        self.around.borrow_mut().insert(scope, found.clone());
        Ok(found)
    }
}

/// The first grid in an area, or the area itself if it is one.
fn first_grid(connection: &mut Connection, area: AreaId) -> Result<Option<ScopeId>, StoreError> {
    if !areas_around(connection, area.into())?.is_empty() {
        return Ok(Some(area.into()));
    }
    Ok(AreaTree::read(connection)?.grids(area).first().copied())
}

fn entitles(held: &[Assignment], around: &[AreaId], operation: Operation, sender: &Sender) -> bool {
    match sender.device {
        Some(_) => gives(held, around, operation, sender),
        None => gives_now(held, around, operation, sender.at),
    }
}
