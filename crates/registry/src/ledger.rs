//! One write transaction's view of the log: what was read of it so far, and where the feeds have come.
//!
//! It lives as long as one job of the writer. Assignments, owners of actors, rows of documents and what the judge asks of
//! changes are read once per job; positions are counted here and written last.
//!
//! **Invariant:** nothing of a document but where it is at home is read before the feed of its home is locked, and no feed
//! is locked for a sender who may write nothing there; see [`feed_lock`].
//! **Invariant:** [`Ledger::finish`] is called before the transaction ends, or the transaction is rolled back.
//! **Invariant:** whatever writes what is remembered here tells the ledger.

mod batch;
mod permission;
mod relay;

pub(crate) use batch::Newcomer;

use crate::database::{Connection, HashBlob, Id, StoreError, on_each};
use crate::entropy::random;
use crate::feed_lock;
use crate::log::{columns, count, split_heads};
use crate::progress::Progress;
use crate::snapshot;
use crate::tables::{actor, change, document, fact, held, quarantine, scope, staff};
use automerge::Automerge;
use batch::Batch;
use diesel::prelude::*;
use gridwork_domain::id::{AreaId, DeviceId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Assignment;
use gridwork_sealing::Keyring;
use gridwork_sync::change::{Head, RawChange};
use gridwork_sync::document::{ActorId, ChangeHash, DocumentKey};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// Who is behind an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The member of staff.
    pub(crate) staff: StaffId,
    /// The device; none for an actor of the server, and for one that others brought and whose device has not come back.
    pub(crate) device: Option<DeviceId>,
    /// Whether others brought changes of it first, for a device that the registry had forgotten.
    pub(crate) relayed: bool,
}

/// What the log knows of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// The scope in which it is at home.
    pub(crate) home: ScopeId,
    /// Whether it could not be loaded; then nothing is merged into it.
    pub(crate) frozen: bool,
    /// Its heads, ascending.
    pub(crate) heads: Vec<ChangeHash>,
}

/// An actor's last merged change of a document with its sequence number, if there is one.
type Last = Option<(Head, u64)>;

/// The log, within one write transaction.
pub(crate) struct Ledger<'c> {
    connection: RefCell<&'c mut Connection>,
    /// The server's clock when the job came in.
    pub(crate) now: Instant,
    /// What opens citizen numbers.
    pub(crate) keys: Arc<Keyring>,
    /// The last position of each feed that is locked.
    positions: RefCell<BTreeMap<ScopeId, i64>>,
    /// What was written to them.
    progress: RefCell<Progress>,
    assignments: RefCell<BTreeMap<StaffId, Rc<[Assignment]>>>,
    around: RefCell<BTreeMap<ScopeId, Rc<[AreaId]>>>,
    owners: RefCell<BTreeMap<ActorId, Owner>>,
    documents: RefCell<BTreeMap<DocumentKey, Known>>,
    /// Documents of which nothing is in the log.
    absent: RefCell<BTreeSet<DocumentKey>>,
    /// Households that are new and not written yet.
    batch: RefCell<Batch>,
    fact_counts: RefCell<BTreeMap<DocumentKey, usize>>,
    loaded: RefCell<Option<(DocumentKey, Automerge)>>,
    merged: RefCell<BTreeMap<(DocumentKey, ChangeHash), Head>>,
    last: RefCell<BTreeMap<(DocumentKey, ActorId), Last>>,
    server_actors: RefCell<BTreeMap<StaffId, ActorId>>,
    /// Changes for which a receipt of the registry vouches, by their actors' owners.
    vouched: RefCell<BTreeMap<(DocumentKey, ChangeHash), Owner>>,
    /// Whether anything may be held; while nothing is, nobody asks.
    pub(crate) any_held: Cell<bool>,
    /// Whether anything may be quarantined; while nothing is, nobody asks.
    pub(crate) any_quarantined: Cell<bool>,
}

impl<'c> Ledger<'c> {
    /// The ledger of a transaction that has begun and read nothing yet, which is about these scopes as far as is known.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn new(
        connection: &'c mut Connection,
        now: Instant,
        keys: Arc<Keyring>,
        scopes: BTreeSet<ScopeId>,
    ) -> Result<Self, StoreError> {
        let mut positions = BTreeMap::new();
        for scope in scopes {
            positions.insert(scope, feed_lock::wait(connection, scope)?);
        }
        let any_held = diesel::select(diesel::dsl::exists(held::table.select(held::epoch))).get_result(connection)?;
        let any_quarantined =
            diesel::select(diesel::dsl::exists(quarantine::table.select(quarantine::epoch))).get_result(connection)?;
        Ok(Self {
            connection: RefCell::new(connection),
            now,
            keys,
            positions: RefCell::new(positions),
            progress: RefCell::default(),
            assignments: RefCell::default(),
            around: RefCell::default(),
            owners: RefCell::default(),
            documents: RefCell::default(),
            absent: RefCell::default(),
            batch: RefCell::default(),
            fact_counts: RefCell::default(),
            loaded: RefCell::default(),
            merged: RefCell::default(),
            last: RefCell::default(),
            server_actors: RefCell::default(),
            vouched: RefCell::default(),
            any_held: Cell::new(any_held),
            any_quarantined: Cell::new(any_quarantined),
        })
    }

    /// Runs a query. It must not call the ledger again.
    ///
    /// # Errors
    /// As the query says.
    pub(crate) fn query<T, E>(&self, query: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.write_batch()?;
        Ok(query(&mut self.connection.borrow_mut())?)
    }

    /// The next position of a scope's feed.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn next_position(&self, of: ScopeId) -> Result<i64, StoreError> {
        self.lock(of)?;
        let mut progress = self.progress.borrow_mut();
        progress.scopes.insert(of);
        progress.rows += 1;
        let mut positions = self.positions.borrow_mut();
        let position = positions.entry(of).or_default();
        *position += 1;
        Ok(*position)
    }

    /// Locks a feed that was not known to be needed. Returns whether it was not locked before.
    ///
    /// # Errors
    /// As the store says, [`StoreError::Contended`] if somebody else has it and it is out of order.
    pub(crate) fn lock(&self, of: ScopeId) -> Result<bool, StoreError> {
        let mut positions = self.positions.borrow_mut();
        if positions.contains_key(&of) {
            return Ok(false);
        }
        let in_order = positions.last_key_value().is_none_or(|(last, _)| *last < of);
        let position =
            self.query(
                |connection| {
                    if in_order { feed_lock::wait(connection, of) } else { feed_lock::seize(connection, of) }
                },
            )?;
        positions.insert(of, position);
        Ok(true)
    }

    /// Writes how far the feeds have come: the last write of the transaction, in the order of the scopes. Returns what
    /// is to be told and counted once it is committed.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn finish(self) -> Result<Progress, StoreError> {
        self.write_batch()?;
        let connection = self.connection.into_inner();
        let positions = self.positions.into_inner();
        let progress = self.progress.into_inner();
        for id in &progress.scopes {
            let Some(position) = positions.get(id).copied() else { continue };
            let this = scope::table.find(Id::from(*id));
            diesel::update(this).set(scope::position.eq(position)).execute(connection)?;
        }
        Ok(progress)
    }

    /// Notes how long a device's change took to come, in milliseconds.
    pub(crate) fn note_lag(&self, lag_ms: i64) {
        self.progress.borrow_mut().lags.add(lag_ms);
    }

    /// Who is behind an actor.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn owner(&self, of: ActorId) -> Result<Option<Owner>, StoreError> {
        if let Some(owner) = self.owners.borrow().get(&of) {
            return Ok(Some(*owner));
        }
        let columns = (actor::staff, actor::device, actor::relayed);
        let found: Option<(Id, Option<Id>, bool)> =
            self.query(|connection| actor::table.find(Id::from(of)).select(columns).get_result(connection).optional())?;
        let owner = found.map(|(staff, device, relayed)| Owner {
            staff: staff.into(),
            device: device.map(Into::into),
            relayed,
        });
        if let Some(owner) = owner {
            self.owners.borrow_mut().insert(of, owner);
        }
        Ok(owner)
    }

    /// Binds an actor that nobody has. Returns whether nobody had it.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn bind(&self, new: ActorId, owner: Owner) -> Result<bool, StoreError> {
        let row = (
            actor::id.eq(Id::from(new)),
            actor::staff.eq(Id::from(owner.staff)),
            actor::device.eq(owner.device.map(Id::from)),
            actor::registered_at.eq(self.now.ms()),
            actor::relayed.eq(owner.relayed),
        );
        let bound = self.query(|connection| {
            let insert = diesel::insert_into(actor::table).values(row).on_conflict_do_nothing();
            on_each!(connection, |one| insert.execute(one))
        })?;
        Ok(bound == 1)
    }

    /// The actor with which the server signs what a member of staff does on current heads.
    ///
    /// # Errors
    /// As the store says; the member of staff must be there.
    pub(crate) fn server_actor(&self, of: StaffId) -> Result<ActorId, StoreError> {
        if let Some(actor) = self.server_actors.borrow().get(&of) {
            return Ok(*actor);
        }
        let id = Id::from(of);
        let found: Option<Id> =
            self.query(|connection| staff::table.find(id).select(staff::server_actor).get_result(connection))?;
        let actor = match found {
            Some(actor) => actor.into(),
            None => {
                let new = self.single_use_actor(of)?;
                self.query(|connection| {
                    diesel::update(staff::table.find(id))
                        .set(staff::server_actor.eq(Some(Id::from(new))))
                        .execute(connection)
                })?;
                new
            }
        };
        self.server_actors.borrow_mut().insert(of, actor);
        Ok(actor)
    }

    /// A new actor of the server for one change of a member of staff.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn single_use_actor(&self, of: StaffId) -> Result<ActorId, StoreError> {
        let new = ActorId(random()?);
        self.bind(new, Owner { staff: of, device: None, relayed: false })?;
        Ok(new)
    }

    /// Where a document is at home, without a lock: good for asking who may do something there. `None` if there is no such
    /// document.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn home(&self, key: &DocumentKey) -> Result<Option<ScopeId>, StoreError> {
        if let Some(known) = self.documents.borrow().get(key) {
            return Ok(Some(known.home));
        }
        if self.absent.borrow().contains(key) {
            return Ok(None);
        }
        let home: Option<Id> = self.query_about(key, |connection| {
            document::table.find(columns(key)).select(document::home).get_result(connection).optional()
        })?;
        Ok(home.map(ScopeId::from))
    }

    /// What the log knows of a document; `None` if there is no such document.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn document(&self, key: &DocumentKey) -> Result<Option<Known>, StoreError> {
        if let Some(known) = self.documents.borrow().get(key) {
            return Ok(Some(known.clone()));
        }
        if self.absent.borrow().contains(key) {
            return Ok(None);
        }
        let read = || {
            self.query_about(key, |connection| {
                let this = document::table.find(columns(key));
                let row = this.select((document::home, document::frozen, document::heads));
                row.get_result::<(Id, bool, Vec<u8>)>(connection).optional()
            })
        };
        let mut row = read()?;
        if let Some((home, ..)) = &row
            && self.lock(ScopeId::from(*home))?
        {
            row = read()?; // another may have written it before the lock
        }
        let Some((home, frozen, heads)) = row else {
            self.absent.borrow_mut().insert(*key);
            return Ok(None);
        };
        let known = Known { home: home.into(), frozen, heads: split_heads(&heads)? };
        self.remember(*key, known.clone());
        Ok(Some(known))
    }

    /// Forgets what was read of a document.
    pub(crate) fn forget(&self, key: &DocumentKey) {
        self.documents.borrow_mut().remove(key);
        self.loaded.take();
    }

    /// Remembers what the log now knows of a document.
    pub(crate) fn remember(&self, key: DocumentKey, known: Known) {
        self.absent.borrow_mut().remove(&key);
        self.documents.borrow_mut().insert(key, known);
        self.loaded.take();
    }

    /// The document as it stands; `None` if there is no such document.
    ///
    /// # Errors
    /// As the store says, and [`StoreError::Unreadable`] if it cannot be loaded.
    pub(crate) fn load(&self, key: &DocumentKey) -> Result<Option<Automerge>, StoreError> {
        match self.loaded.take() {
            Some((loaded, document)) if loaded == *key => Ok(Some(document)),
            _ if self.absent.borrow().contains(key) => Ok(None),
            _ => self.query_about(key, |connection| snapshot::load(connection, key)),
        }
    }

    /// Keeps a document as it stands for who loads it next, as long as nothing is written.
    pub(crate) fn keep_loaded(&self, key: DocumentKey, document: Automerge) {
        self.loaded.replace(Some((key, document)));
    }

    /// A merged change, with its largest operation.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, StoreError> {
        if let Some(head) = self.merged.borrow().get(&(*key, hash)) {
            return Ok(Some(*head));
        }
        if self.absent.borrow().contains(key) {
            return Ok(None);
        }
        let (document, epoch) = columns(key);
        let largest_op: Option<i64> = self.query_about(key, |connection| {
            let this = change::table.find((document, epoch, HashBlob::from(hash)));
            this.select(change::largest_op).get_result(connection).optional()
        })?;
        let Some(largest_op) = largest_op else { return Ok(None) };
        let head = Head { hash, largest_op: count(largest_op)? };
        self.merged.borrow_mut().insert((*key, hash), head);
        Ok(Some(head))
    }

    /// An actor's last merged change of a document, and its sequence number.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn last(&self, key: &DocumentKey, actor: ActorId) -> Result<Last, StoreError> {
        if let Some(last) = self.last.borrow().get(&(*key, actor)) {
            return Ok(*last);
        }
        if self.absent.borrow().contains(key) {
            return Ok(None);
        }
        let (document, epoch) = columns(key);
        let of_actor =
            change::document.eq(document).and(change::epoch.eq(epoch)).and(change::actor.eq(Id::from(actor)));
        // The first that the index has from behind.
        let found: Option<(HashBlob, i64, i64)> = self.query_about(key, |connection| {
            let last = change::table.filter(of_actor).order(change::sequence.desc());
            last.select((change::hash, change::sequence, change::largest_op)).get_result(connection).optional()
        })?;
        let last = found.map(|(hash, sequence, largest_op)| {
            Ok::<_, StoreError>((Head { hash: hash.into(), largest_op: count(largest_op)? }, count(sequence)?))
        });
        let last = last.transpose()?;
        self.last.borrow_mut().insert((*key, actor), last);
        Ok(last)
    }

    /// How many facts a document holds.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn fact_count(&self, key: &DocumentKey) -> Result<usize, StoreError> {
        if let Some(count) = self.fact_counts.borrow().get(key) {
            return Ok(*count);
        }
        let (document, epoch) = columns(key);
        let of_document = fact::table.filter(fact::document.eq(document).and(fact::epoch.eq(epoch)));
        let found: i64 = self.query(|connection| of_document.count().get_result(connection))?;
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        self.fact_counts.borrow_mut().insert(*key, found);
        Ok(found)
    }

    /// Remembers how many facts were added to a document.
    pub(crate) fn remember_facts(&self, key: &DocumentKey, added: usize) {
        if let Some(count) = self.fact_counts.borrow_mut().get_mut(key) {
            *count += added;
        }
    }

    /// Remembers a change that was merged.
    pub(crate) fn remember_merged(&self, key: &DocumentKey, new: &RawChange) {
        let head = Head { hash: new.hash, largest_op: new.largest_op };
        self.merged.borrow_mut().insert((*key, new.hash), head);
        self.last.borrow_mut().insert((*key, new.actor), Some((head, new.sequence)));
    }
}
