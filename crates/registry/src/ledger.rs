//! One write transaction's view of the log: what was read of it so far, and where the feeds have come.
//!
//! It lives as long as one job of the writer. Assignments, owners of actors and homes of documents are read once per
//! job; positions are counted here and written last.
//!
//! **Invariant:** [`Ledger::finish`] is called before the transaction ends, or the transaction is rolled back.

use crate::database::{Connection, Id, StoreError};
use crate::entitlement::{areas_around, assignments_of, gives, gives_now};
use crate::entropy::random;
use crate::log::Sender;
use crate::snapshot;
use crate::tables::{actor, held, quarantine, scope, staff};
use diesel::prelude::*;
use gridwork_domain::id::{AreaId, DeviceId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Operation};
use gridwork_sync::document::{ActorId, DocumentKey};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Who is behind an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The member of staff.
    pub(crate) staff: StaffId,
    /// The device; none for an actor of the server.
    pub(crate) device: Option<DeviceId>,
}

/// The log, within one write transaction.
pub(crate) struct Ledger<'c> {
    connection: RefCell<&'c mut Connection>,
    /// The server's clock when the job came in.
    pub(crate) now: Instant,
    positions: RefCell<BTreeMap<ScopeId, i64>>,
    assignments: RefCell<BTreeMap<StaffId, Rc<[Assignment]>>>,
    around: RefCell<BTreeMap<ScopeId, Rc<[AreaId]>>>,
    owners: RefCell<BTreeMap<ActorId, Owner>>,
    homes: RefCell<BTreeMap<DocumentKey, (ScopeId, bool)>>,
    server_actors: RefCell<BTreeMap<StaffId, ActorId>>,
    /// Whether anything may be held; while nothing is, nobody asks.
    pub(crate) any_held: Cell<bool>,
    /// Whether anything may be quarantined; while nothing is, nobody asks.
    pub(crate) any_quarantined: Cell<bool>,
}

impl<'c> Ledger<'c> {
    /// The ledger of a transaction that has begun.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn new(connection: &'c mut Connection, now: Instant) -> Result<Self, StoreError> {
        let any_held = diesel::select(diesel::dsl::exists(held::table.select(held::epoch))).get_result(connection)?;
        let any_quarantined =
            diesel::select(diesel::dsl::exists(quarantine::table.select(quarantine::epoch))).get_result(connection)?;
        Ok(Self {
            connection: RefCell::new(connection),
            now,
            positions: RefCell::default(),
            assignments: RefCell::default(),
            around: RefCell::default(),
            owners: RefCell::default(),
            homes: RefCell::default(),
            server_actors: RefCell::default(),
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
        Ok(query(&mut self.connection.borrow_mut())?)
    }

    /// The next position of a scope's feed.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn next_position(&self, of: ScopeId) -> Result<i64, StoreError> {
        let mut positions = self.positions.borrow_mut();
        let last = match positions.get(&of) {
            Some(last) => *last,
            None => self
                .query(|connection| {
                    scope::table.find(Id::from(of)).select(scope::position).get_result(connection).optional()
                })?
                .unwrap_or(0),
        };
        positions.insert(of, last + 1);
        Ok(last + 1)
    }

    /// Writes how far the feeds have come: the last write of the transaction, in the order of the scopes.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        let connection = self.connection.into_inner();
        for (id, position) in self.positions.into_inner() {
            let id = Id::from(id);
            let updated =
                diesel::update(scope::table.find(id)).set(scope::position.eq(position)).execute(connection)?;
            if updated == 0 {
                let new = (scope::id.eq(id), scope::position.eq(position));
                diesel::insert_into(scope::table).values(new).execute(connection)?;
            }
        }
        Ok(())
    }

    /// Whether who hands something in may do this in a scope, by their assignments.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn may(&self, sender: &Sender, scope: ScopeId, operation: Operation) -> Result<bool, StoreError> {
        let around = self.around(scope)?;
        let held = self.assignments(sender.staff)?;
        Ok(match sender.device {
            Some(_) => gives(&held, &around, operation, sender),
            None => gives_now(&held, &around, operation, sender.at),
        })
    }

    /// Who is behind an actor.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn owner(&self, of: ActorId) -> Result<Option<Owner>, StoreError> {
        if let Some(owner) = self.owners.borrow().get(&of) {
            return Ok(Some(*owner));
        }
        let found: Option<(Id, Option<Id>)> = self.query(|connection| {
            actor::table.find(Id::from(of)).select((actor::staff, actor::device)).get_result(connection).optional()
        })?;
        let owner = found.map(|(staff, device)| Owner { staff: staff.into(), device: device.map(Into::into) });
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
        );
        let bound = self.query(|connection| {
            diesel::insert_into(actor::table).values(row).on_conflict_do_nothing().execute(connection)
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
        self.bind(new, Owner { staff: of, device: None })?;
        Ok(new)
    }

    /// The scope in which a document is at home, and whether it is frozen; `None` if there is no such document.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn home(&self, key: &DocumentKey) -> Result<Option<(ScopeId, bool)>, StoreError> {
        if let Some(home) = self.homes.borrow().get(key) {
            return Ok(Some(*home));
        }
        let home = self.query(|connection| snapshot::home(connection, key))?;
        if let Some(home) = home {
            self.set_home(*key, home);
        }
        Ok(home)
    }

    /// Remembers where a document is at home, and whether it is frozen.
    pub(crate) fn set_home(&self, key: DocumentKey, home: (ScopeId, bool)) {
        self.homes.borrow_mut().insert(key, home);
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
