//! What the answer asks of the registry, read in one read transaction.
//!
//! **Invariant:** a document that cannot be loaded is left out, with an alarm; it never stops the others.

use crate::database::{Connection, HashBlob, Id, StoreError};
use crate::figures::{Counters, add};
use crate::ledger::Ledger;
use crate::log::{columns, count, key};
use crate::registry::Registry;
use crate::snapshot::{self, FOLD_AFTER, Saved};
use crate::tables::{actor, change, document, feed, scope, staff};
use diesel::prelude::*;
use gridwork_domain::id::{ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_sync::answer::{FeedRow, InstanceId, Position, View, Whole};
use gridwork_sync::document::{ActorId, DocumentKey};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What reading has shown to be worth doing, once the answer is given.
#[derive(Default)]
pub(crate) struct LeftToDo {
    /// Documents whose snapshots lag, saved anew.
    folded: Vec<(DocumentKey, Saved)>,
    /// Documents that could not be loaded.
    pub(crate) unreadable: Vec<DocumentKey>,
}

/// The registry as the answer sees it.
pub(crate) struct AnswerView<'c> {
    connection: RefCell<&'c mut Connection>,
    instance: InstanceId,
    counters: &'c Counters,
    left_to_do: RefCell<LeftToDo>,
}

impl<'c> AnswerView<'c> {
    /// The view of a read transaction.
    pub(crate) fn new(connection: &'c mut Connection, instance: InstanceId, counters: &'c Counters) -> Self {
        Self { connection: RefCell::new(connection), instance, counters, left_to_do: RefCell::default() }
    }

    /// What is left to do.
    pub(crate) fn left_to_do(self) -> LeftToDo {
        self.left_to_do.into_inner()
    }

    fn query<T>(&self, query: impl FnOnce(&mut Connection) -> QueryResult<T>) -> Result<T, StoreError> {
        Ok(query(&mut self.connection.borrow_mut())?)
    }
}

impl View for AnswerView<'_> {
    type Error = StoreError;

    fn instance(&self) -> Result<InstanceId, StoreError> {
        Ok(self.instance)
    }

    fn end(&self, of: ScopeId) -> Result<Position, StoreError> {
        let position: Option<i64> = self.query(|connection| {
            scope::table.find(Id::from(of)).select(scope::position).get_result(connection).optional()
        })?;
        count(position.unwrap_or(0))
    }

    fn floor(&self, _: ScopeId) -> Result<Position, StoreError> {
        Ok(0) // this release removes nothing from a feed
    }

    fn rows(&self, of: ScopeId, after: Position, most: usize) -> Result<Vec<FeedRow>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let its_change =
            feed::document.eq(change::document).and(feed::epoch.eq(change::epoch)).and(feed::change.eq(change::hash));
        type Row = (i64, crate::database::DocumentBlob, i64, HashBlob, Id, Vec<u8>);
        let rows: Vec<Row> = self.query(|connection| {
            feed::table
                .inner_join(change::table.on(its_change))
                .filter(feed::scope.eq(Id::from(of)).and(feed::position.gt(after)))
                .order(feed::position)
                .limit(most)
                .select((feed::position, feed::document, feed::epoch, feed::change, change::actor, change::bytes))
                .load(connection)
        })?;
        rows.into_iter()
            .map(|(position, document, epoch, hash, actor, bytes)| {
                let (key, position) = (key(document, epoch)?, count(position)?);
                Ok(FeedRow { position, key, hash: hash.into(), actor: actor.into(), bytes })
            })
            .collect()
    }

    fn documents(
        &self,
        home: ScopeId,
        after: Option<DocumentKey>,
        most: usize,
    ) -> Result<Vec<DocumentKey>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut query = document::table
            .filter(document::home.eq(Id::from(home)))
            .order((document::id, document::epoch))
            .limit(most)
            .select((document::id, document::epoch))
            .into_boxed();
        if let Some(after) = after {
            let (id, epoch) = columns(&after);
            query = query.filter(document::id.gt(id).or(document::id.eq(id).and(document::epoch.gt(epoch))));
        }
        let rows: Vec<(crate::database::DocumentBlob, i64)> = self.query(|connection| query.load(connection))?;
        rows.into_iter().map(|(id, epoch)| key(id, epoch)).collect()
    }

    fn whole(&self, key: &DocumentKey) -> Result<Option<Whole>, StoreError> {
        let saved = match snapshot::save(&mut self.connection.borrow_mut(), key) {
            Ok(saved) => saved,
            Err(StoreError::Unreadable(_)) => {
                add(&self.counters.unreadable, 1);
                self.left_to_do.borrow_mut().unreadable.push(*key);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let Some(saved) = saved else { return Ok(None) };
        let (id, epoch) = columns(key);
        let actors: Vec<Id> = self.query(|connection| {
            change::table
                .filter(change::document.eq(id).and(change::epoch.eq(epoch)))
                .select(change::actor)
                .distinct()
                .load(connection)
        })?;
        let whole = Whole { bytes: saved.bytes.clone(), actors: actors.into_iter().map(Into::into).collect() };
        if saved.tail >= FOLD_AFTER {
            self.left_to_do.borrow_mut().folded.push((*key, saved));
        }
        Ok(Some(whole))
    }

    fn author(&self, of: ActorId) -> Result<Option<(StaffId, String)>, StoreError> {
        let found: Option<(Id, String)> = self.query(|connection| {
            actor::table
                .inner_join(staff::table.on(staff::id.eq(actor::staff)))
                .filter(actor::id.eq(Id::from(of)))
                .select((staff::id, staff::name))
                .get_result(connection)
                .optional()
        })?;
        Ok(found.map(|(staff, name)| (staff.into(), name)))
    }
}

impl Registry {
    /// Does what reading has left to do, behind everybody's back; if the writer is busy, the next reader leaves it again.
    pub(crate) fn maintain(&self, left_to_do: LeftToDo, now: Instant) {
        let LeftToDo { folded, unreadable } = left_to_do;
        if !folded.is_empty() {
            self.database.write_later(move |connection| {
                let mut store = |(key, saved): &(_, Saved)| {
                    snapshot::store(connection, &snapshot::row(key, saved.position, &saved.bytes)?)
                };
                folded.iter().try_for_each(&mut store)
            });
        }
        if !unreadable.is_empty() {
            let keys = self.sealing.clone();
            self.database.write_later_locking(move |connection| {
                let ledger = Ledger::new(connection, now, keys.clone(), BTreeSet::new())?;
                unreadable.iter().try_for_each(|key| ledger.freeze_if_unreadable(key))
            });
        }
    }
}
