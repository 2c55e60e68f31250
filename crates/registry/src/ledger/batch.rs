//! Rows of households that are new, which wait to be written many at a time.
//!
//! A roster registers thousands of households, each of which has some seventy rows: written one after the other, each is a way
//! to PostgreSQL and back, and the words of the search index fall all over it. Written together they are one stream per
//! table, and the words are in the index's own order. What else asks about a household that waits is not known here: the
//! ledger writes the batch before. While households are made the database is asked for nothing else, and PostgreSQL ends a
//! transaction in which it hears nothing for long: so it hears of every few of them.
//!
//! **Invariant:** the same rows come into the tables as if each had been written at once.

use super::Ledger;
use crate::database::{Connection, DocumentBlob, StoreError};
use crate::log::{ChangeRow, DocumentRow, FeedRow, columns};
use crate::projection::search_rows;
use crate::projection::{ConflictRow, HouseholdRow, HouseholdRows, MembershipRow, NeedRow, ResidentRow, SearchRow};
use crate::snapshot::SnapshotRow;
use crate::tables::{change, conflict, document, feed, household, membership, need, resident, search, snapshot};
use diesel::prelude::*;
use diesel::sql_types::Integer;
use gridwork_sync::document::DocumentKey;
use std::collections::BTreeSet;

/// Households that wait at most: 50,000 words and some ten megabytes.
const MOST_HOUSEHOLDS: usize = 1_000;

/// Households that are made without a word to the database at most: tens of milliseconds, or seconds on a machine that is
/// a hundred times slower.
const MOST_IN_SILENCE: usize = 50;

/// Documents that one statement looks for.
const LOOKED_FOR_AT_ONCE: usize = 1_000;

/// Rows that wait.
#[derive(Debug, Default)]
pub(super) struct Batch {
    keys: BTreeSet<DocumentKey>,
    changes: Vec<ChangeRow>,
    feed: Vec<FeedRow>,
    documents: Vec<DocumentRow>,
    snapshots: Vec<SnapshotRow>,
    words: Vec<SearchRow>,
    households: Vec<HouseholdRow>,
    residents: Vec<ResidentRow>,
    memberships: Vec<MembershipRow>,
    needs: Vec<NeedRow>,
    conflicts: Vec<ConflictRow>,
}

/// All rows of a household that is new.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) changes: Vec<(ChangeRow, FeedRow)>,
    pub(crate) document: DocumentRow,
    pub(crate) snapshot: SnapshotRow,
    pub(crate) rows: HouseholdRows,
}

impl Batch {
    /// Whether rows of a document wait.
    pub(super) fn has(&self, key: &DocumentKey) -> bool {
        self.keys.contains(key)
    }

    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the database has heard nothing while the last of them were made.
    fn is_silent(&self) -> bool {
        self.keys.len().is_multiple_of(MOST_IN_SILENCE)
    }

    /// Whether so much waits that it is to be written.
    fn is_full(&self) -> bool {
        self.keys.len() >= MOST_HOUSEHOLDS
    }

    /// Adds a household.
    fn add(&mut self, key: DocumentKey, new: Newcomer) {
        self.keys.insert(key);
        for (change, feed) in new.changes {
            self.changes.push(change);
            self.feed.push(feed);
        }
        self.documents.push(new.document);
        self.snapshots.push(new.snapshot);
        self.words.extend(search_rows(&new.rows));
        self.households.push(new.rows.household);
        self.residents.extend(new.rows.residents);
        self.memberships.extend(new.rows.memberships);
        self.needs.extend(new.rows.needs);
        self.conflicts.extend(new.rows.conflicts);
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// As the store says; the transaction must then be rolled back.
    fn write(mut self, connection: &mut Connection) -> Result<(), StoreError> {
        self.words.sort_unstable();
        macro_rules! write {
            ($($table:ident: $rows:ident,)+) => {$(
                match connection {
                    _ if self.$rows.is_empty() => {}
                    Connection::Postgres(one) => {
                        diesel::copy_from($table::table).from_insertable(self.$rows).execute(one)?;
                    }
                    // One statement per row: it is prepared once, where one of several is compiled anew for each number of rows.
                    Connection::Sqlite(one) => {
                        for row in &self.$rows {
                            diesel::insert_into($table::table).values(row).execute(one)?;
                        }
                    }
                }
            )+};
        }
        write! {
            change: changes,
            feed: feed,
            document: documents,
            snapshot: snapshots,
            search: words,
            household: households,
            resident: residents,
            membership: memberships,
            need: needs,
            conflict: conflicts,
        }
        Ok(())
    }
}

impl Ledger<'_> {
    /// Runs a query about nothing that may wait in the batch: held and refused changes. It must not call the ledger again.
    ///
    /// # Errors
    /// As the query says.
    pub(crate) fn query_beside<T, E>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        Ok(query(&mut self.connection.borrow_mut())?)
    }

    /// Runs a query about one document only. It must not call the ledger again.
    pub(super) fn query_about<T, E>(
        &self,
        key: &DocumentKey,
        query: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        if self.batch.borrow().has(key) {
            self.write_batch()?;
        }
        Ok(query(&mut self.connection.borrow_mut())?)
    }

    /// Registers a household that is new. Its rows are written with those of others, before anything else is asked.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn register(&self, key: DocumentKey, new: Newcomer) -> Result<(), StoreError> {
        self.batch.borrow_mut().add(key, new);
        if self.batch.borrow().is_full() {
            self.write_batch()
        } else if self.batch.borrow().is_silent() {
            let a_word = diesel::select(1.into_sql::<Integer>());
            self.query_beside(|connection| a_word.execute(connection).map(drop))
        } else {
            Ok(())
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// As the store says.
    pub(super) fn write_batch(&self) -> Result<(), StoreError> {
        if self.batch.borrow().is_empty() {
            return Ok(());
        }
        self.batch.take().write(&mut self.connection.borrow_mut())
    }

    /// Asks at once which of these documents are not there, where each would be asked for by itself.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn look_for(&self, keys: &[DocumentKey]) -> Result<(), StoreError> {
        for some in keys.chunks(LOOKED_FOR_AT_ONCE) {
            let ids: Vec<DocumentBlob> = some.iter().map(|key| columns(key).0).collect();
            let found: BTreeSet<(DocumentBlob, i64)> = self.query(|connection| {
                let there = document::table.filter(document::id.eq_any(ids)).select((document::id, document::epoch));
                there.load(connection).map(|rows| rows.into_iter().collect())
            })?;
            self.absent.borrow_mut().extend(some.iter().filter(|key| !found.contains(&columns(key))));
        }
        Ok(())
    }
}
