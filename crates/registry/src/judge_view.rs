//! What the guard asks of the registry, answered from the open transaction.
//!
//! Rows are got without a LIMIT: with a bound one SQLite compiles the statement anew at each use, which took a fifth of
//! an import.

use crate::database::{HashBlob, Id, StoreError};
use crate::ledger::Ledger;
use crate::log::{Sender, columns, count};
use crate::snapshot;
use crate::tables::{change, fact, held, quarantine};
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
}

impl View for JudgeView<'_, '_> {
    type Error = StoreError;

    fn home(&self, key: &DocumentKey) -> Result<Option<ScopeId>, StoreError> {
        Ok(self.ledger.home(key)?.map(|(home, _)| home))
    }

    fn may_write(&self, scope: ScopeId, kind: DocumentKind) -> Result<bool, StoreError> {
        self.ledger.may(self.sender, scope, operation(kind))
    }

    fn owns(&self, actor: ActorId) -> Result<bool, StoreError> {
        let owner = self.ledger.owner(actor)?;
        Ok(owner.is_some_and(|owner| owner.staff == self.sender.staff && owner.device == self.sender.device))
    }

    fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, StoreError> {
        let (document, epoch) = columns(key);
        let largest_op: Option<i64> = self.ledger.query(|connection| {
            change::table
                .find((document, epoch, HashBlob::from(hash)))
                .select(change::largest_op)
                .get_result(connection)
                .optional()
        })?;
        largest_op.map(|largest_op| Ok(Head { hash, largest_op: count(largest_op)? })).transpose()
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
            if self.ledger.query(|connection| select(exists(refused)).get_result(connection))? {
                return Ok(Some(Elsewhere::Quarantined));
            }
        }
        if self.ledger.any_held.get() {
            let waiting = held::table.find((document, epoch, hash));
            if self.ledger.query(|connection| select(exists(waiting)).get_result(connection))? {
                return Ok(Some(Elsewhere::Held));
            }
        }
        Ok(None)
    }

    fn last(&self, key: &DocumentKey, actor: ActorId) -> Result<Option<LastChange>, StoreError> {
        let last = last_of(self.ledger, key, actor)?;
        Ok(last.map(|(head, sequence)| LastChange { hash: head.hash, sequence }))
    }

    fn fact(&self, key: &DocumentKey, id: FactId) -> Result<Option<Vec<u8>>, StoreError> {
        self.refuse_frozen(key)?;
        let (document, epoch) = columns(key);
        self.ledger.query(|connection| {
            fact::table.find((document, epoch, Id::from(id))).select(fact::bytes).get_result(connection).optional()
        })
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Automerge>, StoreError> {
        self.refuse_frozen(key)?;
        self.ledger.query(|connection| snapshot::load(connection, key))
    }
}

impl JudgeView<'_, '_> {
    /// Every change is asked after its facts or its document, once it is known to be in order: the place to stop it.
    fn refuse_frozen(&self, key: &DocumentKey) -> Result<(), StoreError> {
        match self.ledger.home(key)? {
            Some((_, true)) => Err(StoreError::Unreadable(format!("{} is frozen", key.id))),
            _ => Ok(()),
        }
    }
}

/// What somebody must be allowed to do to write documents of a kind.
pub(crate) fn operation(kind: DocumentKind) -> Operation {
    match kind {
        DocumentKind::Household => Operation::EditHousehold,
        DocumentKind::Visits => Operation::RecordFacts,
    }
}

/// An actor's last merged change of a document, and its sequence number: the first that the index has from behind.
///
/// # Errors
/// As the store says.
pub(crate) fn last_of(
    ledger: &Ledger<'_>,
    key: &DocumentKey,
    actor: ActorId,
) -> Result<Option<(Head, u64)>, StoreError> {
    let (document, epoch) = columns(key);
    let last: Option<(HashBlob, i64, i64)> = ledger.query(|connection| {
        change::table
            .filter(change::document.eq(document).and(change::epoch.eq(epoch)).and(change::actor.eq(Id::from(actor))))
            .order(change::sequence.desc())
            .select((change::hash, change::sequence, change::largest_op))
            .get_result(connection)
            .optional()
    })?;
    let head =
        |hash: HashBlob, largest_op| Ok::<_, StoreError>(Head { hash: hash.into(), largest_op: count(largest_op)? });
    last.map(|(hash, sequence, largest_op)| Ok((head(hash, largest_op)?, count(sequence)?))).transpose()
}
