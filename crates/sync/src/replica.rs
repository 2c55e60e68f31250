//! The phone's replica: what a phone knows, what it has yet to hand in, and what it does next. Pure:
//! `handle(now, entropy, event) -> effects`.
//!
//! It knows no file, no network and no clock: whoever drives it saves its rows, sends its requests, and tells it what
//! came of them. Documents are kept as saved bytes with all of the phone's own unsent changes in them, and loaded when
//! they are needed.
//!
//! **Invariant:** an edit that was saved stays until the registry has said that it is merged, or refused, which is
//! shown; if the registry then loses it, it is handed in again. All rows of an event are saved in one transaction, and nothing else of that event takes effect before; after
//! a save that failed the replica is made again from the rows that are there.

mod exchange;
mod lookup;
mod lost;
mod pull;
mod record;
mod relay;
mod row;
#[cfg(test)]
mod tests;
mod verdict;

pub use lookup::{KnownFact, KnownHousehold, Person, Status, Summary};
pub use record::NotSaved;
pub use row::{Damage, Document, KeptReceipt, Lost, Pending, PendingState, Row, Scope, Standing};

use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::message::{Answer, Request};
use automerge::{Automerge, Change};
use gridwork_domain::edit::Edit;
use gridwork_domain::id::{DeviceId, EditId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Where random bytes come from.
pub trait Entropy {
    /// Fills `bytes` with random bytes that nobody can guess.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Whose phone it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The device.
    pub device: DeviceId,
    /// The member of staff.
    pub staff: StaffId,
    /// Their name.
    pub name: String,
}

/// What happens to a phone.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A person did something that is to be saved.
    Record {
        /// What was done.
        edit: Box<Edit>,
        /// The heads of the household that the person saw; `None` if it was as it stands. Facts need none.
        seen: Option<Vec<ChangeHash>>,
        /// The scope in which a household that is not known begins.
        home: ScopeId,
    },
    /// There is a network, or somebody wants to sync now.
    Sync {
        /// Whether there is room to save news; without, only what was recorded is handed in.
        pull: bool,
    },
    /// The registry answered the request.
    Answer {
        /// What it said.
        answer: Box<Answer>,
        /// Bytes of the answer as transferred.
        bytes: usize,
    },
    /// The request came to nothing.
    Failed(Failure),
    /// The instant of the last [`Effect::WakeAt`] has come.
    Timer,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody was reached, the link was cut, or what came was not an answer.
    #[error("the registry was not reached: {0}")]
    Network(String),
    /// The registry has too much to do.
    #[error("the registry is busy: it is asked again later")]
    Busy {
        /// How long it wants to be left alone, in seconds.
        retry_after_s: u64,
    },
    /// The device's clock is too far off for its proof to be taken.
    #[error("this device's clock is wrong")]
    StaleClock {
        /// The registry's clock.
        server_time: Instant,
    },
    /// The device is not, or no longer, enrolled.
    #[error("the registry does not know this device any more: enrol it again ({0})")]
    Unauthorized(String),
    /// The registry does not take the request.
    #[error("the registry refused the request: {0}")]
    Refused(String),
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Save these rows in one transaction. If that fails, drop the other effects and the replica.
    Save(Vec<Row>),
    /// Tell the person that the edit is saved.
    Saved(EditId),
    /// Tell the person that the edit is not saved, and why.
    NotSaved(EditId, NotSaved),
    /// Post this and come back with [`Event::Answer`] or [`Event::Failed`].
    Send(Request),
    /// What an answer brought.
    Exchanged(Exchanged),
    /// Come back at this instant with [`Event::Timer`].
    WakeAt(Instant),
}

/// What an answer brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Changes that were handed in.
    pub pushed: u64,
    /// Own changes that are now merged.
    pub merged: u64,
    /// Own changes that were merged before.
    pub known: u64,
    /// Own changes that wait for something that the registry does not have.
    pub held: u64,
    /// Edits that the registry refused for good.
    pub refused: u64,
    /// Edits that were made again as new changes.
    pub replayed: u64,
    /// Changes and documents that came.
    pub received: u64,
    /// Documents that came damaged.
    pub damaged: u64,
    /// Bytes of the answer as transferred.
    pub bytes: u64,
}

/// The phone's replica.
#[derive(Debug)]
pub struct Replica {
    schema: &'static Schema,
    owner: Owner,
    standing: Standing,
    scopes: BTreeMap<ScopeId, Scope>,
    /// The phone's own actors.
    actors: BTreeSet<ActorId>,
    authors: BTreeMap<ActorId, Person>,
    documents: BTreeMap<DocumentKey, Document>,
    outbox: BTreeMap<u64, Pending>,
    numbers: BTreeMap<EditId, u64>,
    /// Of documents of scopes that are being compared, the heads of what came.
    came: BTreeMap<DocumentKey, Vec<ChangeHash>>,
    /// Changes that the registry had and has no more, by number.
    lost: BTreeMap<u64, Lost>,
    /// What the registry attested, by number.
    receipts: BTreeMap<u64, KeptReceipt>,
    unsaved: Vec<Row>,
    run: Option<exchange::Run>,
    rest: exchange::Rest,
}

impl Replica {
    /// The replica that these rows describe, in any order; for a new phone these are its scopes.
    pub fn new(schema: &'static Schema, owner: Owner, rows: impl IntoIterator<Item = Row>) -> Self {
        let mut replica = Self {
            schema,
            owner,
            standing: Standing::default(),
            scopes: BTreeMap::new(),
            actors: BTreeSet::new(),
            authors: BTreeMap::new(),
            documents: BTreeMap::new(),
            outbox: BTreeMap::new(),
            numbers: BTreeMap::new(),
            came: BTreeMap::new(),
            lost: BTreeMap::new(),
            receipts: BTreeMap::new(),
            unsaved: Vec::new(),
            run: None,
            rest: exchange::Rest::default(),
        };
        for row in rows {
            replica.keep(row);
        }
        replica
    }

    /// Takes in what happened and says what is to be done. `now` is this device's clock, right or wrong.
    pub fn handle(&mut self, now: Instant, entropy: &mut dyn Entropy, event: Event) -> Vec<Effect> {
        match event {
            Event::Record { edit, seen, home } => self.recorded(now, entropy, *edit, seen.as_deref(), home),
            Event::Sync { pull } => self.begin(now, pull),
            Event::Timer if self.rest.is_over(now) => self.begin(now, true),
            Event::Timer => Vec::new(),
            Event::Answer { answer, bytes } => self.answered(now, entropy, *answer, bytes),
            Event::Failed(failure) => self.failed(now, entropy, failure),
        }
    }

    /// Whose phone it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The device's clock put right by what the registry last said.
    pub fn corrected(&self, now: Instant) -> Instant {
        now.plus_ms(self.standing.skew_ms.unwrap_or(0))
    }

    fn is_own(&self, actor: ActorId) -> bool {
        self.actors.contains(&actor)
    }

    /// The rows of the event in hand as the one save that they are.
    fn save(&mut self) -> Option<Effect> {
        let rows = std::mem::take(&mut self.unsaved);
        (!rows.is_empty()).then_some(Effect::Save(rows))
    }
}

fn draw_actor(entropy: &mut dyn Entropy) -> ActorId {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    ActorId(bytes)
}

/// Loads a saved document; `None` if the library refuses it or gives up.
fn load(bytes: &[u8]) -> Option<Automerge> {
    let loaded = catch_unwind(AssertUnwindSafe(|| Automerge::load(bytes)));
    loaded.ok()?.ok().map(|document| document.with_actor(crate::genesis::GENESIS_ACTOR.into()))
}

/// Whether a document, saved, can be loaded again: the library applies changes with which it cannot.
fn loads_again(document: &Automerge) -> bool {
    let saved = catch_unwind(AssertUnwindSafe(|| document.save_nocompress()));
    saved.is_ok_and(|bytes| load(&bytes).is_some())
}

/// Applies one change whose dependencies are there. After an error the document is not to be used.
fn apply(document: &mut Automerge, change: Change) -> Result<(), String> {
    let applied = catch_unwind(AssertUnwindSafe(|| document.apply_changes([change])));
    match applied {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the library gave up on a change".to_owned()),
    }
}

fn holds(document: &Automerge, hash: ChangeHash) -> bool {
    document.get_change_meta_by_hash(&hash.into()).is_some()
}

fn heads(document: &Automerge) -> Vec<ChangeHash> {
    let mut heads: Vec<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
    heads.sort_unstable();
    heads
}
