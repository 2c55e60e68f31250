//! Changes for which a receipt of the registry vouches: it had them, and a restored backup has not.
//!
//! They pass the guard as any other, but for whose they are and what that person may do now: that was found good before. The
//! sender must hold the scope.
//!
//! **Invariant:** an actor is bound to the member of staff whom the receipt names, never to who brings its changes.

use super::{Ledger, Owner};
use crate::database::{Id, StoreError};
use crate::log::Sender;
use crate::tables::actor;
use diesel::prelude::*;
use gridwork_domain::id::StaffId;
use gridwork_sync::document::{ActorId, ChangeHash, DocumentKey};
use gridwork_sync::receipt::hash_of;
use std::collections::BTreeMap;

impl Ledger<'_> {
    /// These changes are vouched for, by their actors and authors; where an actor is another's by now, that one is not.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn vouch_for(
        &self,
        changes: &BTreeMap<(DocumentKey, ChangeHash), (ActorId, StaffId)>,
    ) -> Result<(), StoreError> {
        for (change, (actor, staff)) in changes {
            if self.owner(*actor)?.is_none() {
                self.bind(*actor, Owner { staff: *staff, device: None, relayed: true })?;
            }
            if let Some(owner) = self.owner(*actor)?.filter(|owner| owner.staff == *staff) {
                self.vouched.borrow_mut().insert(*change, owner);
            }
        }
        Ok(())
    }

    /// Who made a change, if it is vouched for.
    pub(crate) fn vouched(&self, key: &DocumentKey, bytes: &[u8]) -> Option<Owner> {
        let vouched = self.vouched.borrow();
        // Most times nothing is, and nothing needs to be hashed.
        if vouched.is_empty() { None } else { vouched.get(&(*key, hash_of(bytes))).copied() }
    }

    /// Who a merged change is of: who made it if it is vouched for, else who hands it in.
    pub(crate) fn author(&self, key: &DocumentKey, hash: ChangeHash, sender: &Sender) -> Sender {
        match self.vouched.borrow().get(&(*key, hash)) {
            Some(Owner { staff, device, .. }) => Sender { staff: *staff, device: *device, ..*sender },
            None => *sender,
        }
    }

    /// Binds an actor that others brought to the device that declares it, if that is the same person's.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn claim(&self, of: ActorId, known: Owner, owner: Owner) -> Result<(), StoreError> {
        if !known.relayed || known.device.is_some() || known.staff != owner.staff {
            return Ok(());
        }
        let this = actor::table.find(Id::from(of)).filter(actor::device.is_null());
        let to = actor::device.eq(owner.device.map(Id::from));
        if self.query(|connection| diesel::update(this).set(to).execute(connection))? == 1 {
            self.owners.borrow_mut().insert(of, Owner { device: owner.device, ..known });
        }
        Ok(())
    }
}
