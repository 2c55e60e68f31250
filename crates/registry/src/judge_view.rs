//! What the guard asks of the registry, answered from the open transaction.
//!
//! Rows are got without a LIMIT: with a bound one SQLite compiles the statement anew at each use, which took a fifth of
//! an import.

use crate::database::{HashBlob, Id, StoreError};
use crate::ledger::{Known, Ledger, Owner};
use crate::log::{Sender, columns};
use crate::tables::{fact, held, quarantine};
use automerge::Automerge;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::select;
use gridwork_domain::id::{FactId, ScopeId};
use gridwork_domain::staff::Operation;
use gridwork_sync::change::Head;
use gridwork_sync::document::{ActorId, ChangeHash, DocumentKey, DocumentKind};
use gridwork_sync::guard::{Elsewhere, LastChange, View};

/// The registry as the guard sees it, for what one sender hands in.
pub(crate) struct JudgeView<'l, 'c> {
    /// The open transaction.
    pub(crate) ledger: &'l Ledger<'c>,
    /// Who hands in the change.
    pub(crate) sender: &'l Sender,
    /// Who made the change, if a receipt of the registry vouches for it.
    pub(crate) vouched: Option<Owner>,
}

impl View for JudgeView<'_, '_> {
    type Error = StoreError;

    fn home(&self, key: &DocumentKey) -> Result<Option<ScopeId>, StoreError> {
        // Nobody who may write nothing there locks its feed.
        match self.ledger.home(key)? {
            Some(home) if self.may_write_anything(home)? => Ok(self.ledger.document(key)?.map(|known| known.home)),
            home => Ok(home),
        }
    }

    fn may_write(&self, scope: ScopeId, kind: DocumentKind) -> Result<bool, StoreError> {
        let operation = if self.vouched.is_some() { Operation::Exchange } else { operation(kind) };
        self.ledger.may(self.sender, scope, operation)
    }

    fn owns(&self, actor: ActorId) -> Result<bool, StoreError> {
        let owner = self.ledger.owner(actor)?;
        if self.vouched.is_some() {
            return Ok(owner == self.vouched);
        }
        Ok(owner.is_some_and(|owner| owner.staff == self.sender.staff && owner.device == self.sender.device))
    }

    fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, StoreError> {
        self.ledger.merged(key, hash)
    }

    fn elsewhere(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Elsewhere>, StoreError> {
        let (document, epoch) = columns(key);
        let hash = HashBlob::from(hash);
        if self.ledger.any_quarantined.get() {
            let refused = quarantine::table.filter(
                quarantine::document
                    .eq(document)
                    .and(quarantine::epoch.eq(epoch))
                    .and(quarantine::change.eq(Some(hash))),
            );
            if self.ledger.query_beside(|connection| select(exists(refused)).get_result(connection))? {
                return Ok(Some(Elsewhere::Quarantined));
            }
        }
        if self.ledger.any_held.get() {
            let waiting = held::table.find((document, epoch, hash));
            if self.ledger.query_beside(|connection| select(exists(waiting)).get_result(connection))? {
                return Ok(Some(Elsewhere::Held));
            }
        }
        Ok(None)
    }

    fn last(&self, key: &DocumentKey, actor: ActorId) -> Result<Option<LastChange>, StoreError> {
        let last = self.ledger.last(key, actor)?;
        Ok(last.map(|(head, sequence)| LastChange { hash: head.hash, sequence }))
    }

    fn fact(&self, key: &DocumentKey, id: FactId) -> Result<Option<Vec<u8>>, StoreError> {
        self.refuse_frozen(key)?;
        let (document, epoch) = columns(key);
        self.ledger.query(|connection| {
            fact::table.find((document, epoch, Id::from(id))).select(fact::bytes).get_result(connection).optional()
        })
    }

    fn fact_count(&self, key: &DocumentKey) -> Result<usize, StoreError> {
        self.ledger.fact_count(key)
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Automerge>, StoreError> {
        self.refuse_frozen(key)?;
        self.ledger.load(key)
    }
}

impl JudgeView<'_, '_> {
    fn may_write_anything(&self, home: ScopeId) -> Result<bool, StoreError> {
        match self.vouched {
            Some(_) => self.ledger.may(self.sender, home, Operation::Exchange),
            None => self.ledger.may_write(self.sender, home),
        }
    }

    /// Every change is asked after its facts or its document, once it is known to be in order: the place to stop it. A
    /// document that can be loaded again has been repaired; merging into it marks it so.
    fn refuse_frozen(&self, key: &DocumentKey) -> Result<(), StoreError> {
        if let Some(Known { frozen: true, .. }) = self.ledger.document(key)? {
            self.ledger.load(key)?;
        }
        Ok(())
    }
}

/// What somebody must be allowed to do to write documents of a kind.
pub(crate) fn operation(kind: DocumentKind) -> Operation {
    match kind {
        DocumentKind::Household => Operation::EditHousehold,
        DocumentKind::Visits => Operation::RecordFacts,
    }
}
