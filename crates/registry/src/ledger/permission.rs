//! What who hands something in may do, asked before anything is locked for them.
//!
//! **Invariant:** no feed is locked for a sender who may write nothing there.

use super::Ledger;
use crate::database::{Connection, StoreError};
use crate::entitlement::{areas_around, assignments_of, gives, gives_now};
use crate::log::Sender;
use gridwork_domain::id::{AreaId, ScopeId, StaffId};
use gridwork_domain::staff::{Assignment, Operation};
use gridwork_sealing::Keyring;
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

fn entitles(held: &[Assignment], around: &[AreaId], operation: Operation, sender: &Sender) -> bool {
    match sender.device {
        Some(_) => gives(held, around, operation, sender),
        None => gives_now(held, around, operation, sender.at),
    }
}
