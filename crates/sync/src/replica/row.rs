//! The rows of the phone's store: all that a replica knows is in them.
//!
//! It does not know how they are stored.
//!
//! **Invariant:** a replica made from the rows that it asked to save, each replacing the one before of the same key, is
//! the same replica.

use super::{Person, Replica};
use crate::change::RawChange;
use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::receipt::Receipt;
use gridwork_domain::edit::Edit;
use gridwork_domain::id::{EditId, ScopeId};
use gridwork_domain::instant::Instant;
use std::sync::Arc;

/// A row; it replaces the row of the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A document, by its key.
    Document(DocumentKey, Document),
    /// The document is not there any more.
    DocumentRemoved(DocumentKey),
    /// An edit on which there is no verdict yet, by the edit's id.
    Pending(Box<Pending>),
    /// The edit is merged.
    Settled(EditId),
    /// A scope that the device holds, by its id.
    Scope(ScopeId, Scope),
    /// One of the phone's own actors.
    Actor(ActorId),
    /// Who is behind an actor.
    Author(ActorId, Person),
    /// Where the phone stands; there is one such row.
    Standing(Standing),
    /// Of a document whose scope is being compared, the heads of what came; none when it is done.
    Came(DocumentKey, Option<Vec<ChangeHash>>),
    /// A change that the registry lost, by its number.
    Lost(Box<Lost>),
    /// The registry has the change of this number again.
    Found(u64),
    /// What the registry attested, by its number.
    Receipt(Box<KeptReceipt>),
    /// The receipt of this number is too old.
    ReceiptDropped(u64),
}

/// A document as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The scope in which it lives.
    pub home: ScopeId,
    /// Its heads, ascending.
    pub heads: Vec<ChangeHash>,
    /// One uncompressed document chunk with everything in it, own unsent changes included.
    pub bytes: Arc<[u8]>,
    /// What is wrong with it, if anything is.
    pub damage: Option<Damage>,
}

/// A document that does not hold all that the registry sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub reason: String,
    /// Whether it came so even when whole documents were fetched again.
    pub again: bool,
}

/// An edit on which there is no verdict yet, with the change that was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its place in the order in which changes are handed in.
    pub number: u64,
    /// What the person did.
    pub edit: Edit,
    /// The scope in which its document begins if it is new.
    pub home: ScopeId,
    /// The document that it writes.
    pub document: DocumentKey,
    /// The change.
    pub change: RawChange,
    /// Where it stands.
    pub state: PendingState,
    /// How often it has been made again.
    pub replays: u8,
}

/// Where an edit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingState {
    /// To be handed in; its change is in the document.
    Waiting,
    /// The registry has it, and waits for something else; its change is in the document.
    Held {
        /// The registry's word for what it waits for.
        code: String,
        /// When it was last handed in, by the device's clock.
        asked_at: Instant,
    },
    /// Its change was taken out of the document. It is made again as soon as the phone has all news.
    Aside,
    /// The registry refused it; its change is not in the document.
    Refused {
        /// The guard's word.
        code: String,
        /// A sentence for people.
        detail: String,
        /// When the registry last said so, by the device's clock; none if that is final: nobody decides otherwise any more.
        asked_at: Option<Instant>,
    },
}

/// A change that a document of the phone holds and that the registry, restored from a backup, does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its place in the order in which such changes are handed in again.
    pub number: u64,
    /// The document that holds it.
    pub document: DocumentKey,
    /// The change.
    pub change: RawChange,
    /// Where it stands; it is never set aside.
    pub state: PendingState,
}

/// A receipt as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReceipt {
    /// Its place in the order in which they came.
    pub number: u64,
    /// When it came, by the registry's clock.
    pub at: Instant,
    /// The receipt.
    pub receipt: Receipt,
}

impl Pending {
    /// Whether its change is in the document.
    pub(crate) fn is_in_document(&self) -> bool {
        matches!(self.state, PendingState::Waiting | PendingState::Held { .. })
    }
}

/// A scope that the device holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Where its news go on: opaque bytes; `None` before the first.
    pub cursor: Option<Vec<u8>>,
    /// Whether whole documents are being fetched again because one was damaged.
    pub refetching: bool,
    /// When that was last begun, by the device's clock.
    pub refetched_at: Option<Instant>,
    /// Whether all of it is coming from another instance of the registry, and is compared with what the phone has.
    pub comparing: bool,
}

/// Where the phone stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The actor of its next changes; drawn when there is none.
    pub actor: Option<ActorId>,
    /// The registry's clock minus the device's, in milliseconds, as it was last seen.
    pub skew_ms: Option<i64>,
    /// The registry's clock at its last answer.
    pub last_contact: Option<Instant>,
}

impl Replica {
    /// Takes in a row and remembers to save it.
    pub(super) fn put(&mut self, row: Row) {
        self.unsaved.push(row.clone());
        self.keep(row);
    }

    /// Takes in a row that is saved.
    pub(super) fn keep(&mut self, row: Row) {
        match row {
            Row::Document(key, document) => {
                self.documents.insert(key, document);
            }
            Row::DocumentRemoved(key) => {
                self.documents.remove(&key);
            }
            Row::Pending(pending) => {
                if let Some(number) = self.numbers.insert(pending.edit.id, pending.number) {
                    self.outbox.remove(&number);
                }
                self.outbox.insert(pending.number, *pending);
            }
            Row::Settled(edit) => {
                if let Some(number) = self.numbers.remove(&edit) {
                    self.outbox.remove(&number);
                }
            }
            Row::Scope(id, scope) => {
                self.scopes.insert(id, scope);
            }
            Row::Actor(actor) => {
                self.actors.insert(actor);
            }
            Row::Author(actor, person) => {
                self.authors.insert(actor, person);
            }
            Row::Standing(standing) => self.standing = standing,
            Row::Came(key, Some(heads)) => {
                self.came.insert(key, heads);
            }
            Row::Came(key, None) => {
                self.came.remove(&key);
            }
            Row::Lost(lost) => {
                self.lost.insert(lost.number, *lost);
            }
            Row::Found(number) => {
                self.lost.remove(&number);
            }
            Row::Receipt(kept) => {
                self.receipts.insert(kept.number, *kept);
            }
            Row::ReceiptDropped(number) => {
                self.receipts.remove(&number);
            }
        }
    }
}
