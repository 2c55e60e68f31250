//! Merging a change that the guard let in: the log, the feed, the heads and the projection, in one transaction.
//!
//! **Invariant:** a change row, its feed row and what it does to the records are written together or not at all.

use crate::database::{Id, StoreError};
use crate::ledger::{Known, Ledger, Newcomer};
use crate::log::{ChangeRow, DocumentRow, FEED_CHANGE, FeedRow, Sender, advance, column, columns, join_heads};
use crate::projection;
use crate::snapshot;
use crate::tables::{change, document, feed};
use diesel::prelude::*;
use gridwork_domain::id::ScopeId;
use gridwork_sync::change::RawChange;
use gridwork_sync::document::{ChangeHash, DocumentKey};
use gridwork_sync::genesis::GENESIS_ACTOR;
use gridwork_sync::guard::{Effect, Merge};

impl Ledger<'_> {
    /// Merges a change.
    ///
    /// # Errors
    /// As the store says; the transaction must then be rolled back.
    pub(crate) fn merge(&self, key: &DocumentKey, merge: &Merge, sender: &Sender) -> Result<(), StoreError> {
        let author = &self.author(key, merge.change.hash, sender);
        let mut changes = Vec::new();
        for new in merge.genesis.iter().chain([&merge.change]) {
            changes.push(self.rows_of(key, merge.home, new, author)?);
        }
        let position = changes.last().map_or(0, |(change, _)| change.position);
        match &merge.effect {
            Effect::Facts(facts) => {
                self.append(&changes)?;
                let known = self.document(key)?.map_or_else(Vec::new, |known| known.heads);
                let heads = advance(&known, &merge.change.dependencies, merge.change.hash);
                self.set_heads(key, merge, heads)?;
                for new in facts {
                    let row = projection::fact_row(key, merge.home, new, &merge.change, author);
                    self.query(|connection| projection::insert_fact(connection, &row))?;
                }
                self.remember_facts(key, facts.len());
            }
            Effect::Household { snapshot: saved, heads, reading } => {
                let saved = snapshot::row(key, position, saved)?;
                let rows = projection::household_rows(reading, merge.home, &self.keys, |actor| {
                    let owner = self.owner(actor)?;
                    let unknown = || StoreError::Unreadable(format!("{}: nobody is behind the actor {actor}", key.id));
                    owner.map(|owner| owner.staff).ok_or_else(unknown)
                })?;
                if merge.new_document {
                    let document = document_row(key, merge.home, heads);
                    self.register(*key, Newcomer { changes, document, snapshot: saved, rows })?;
                    self.remember(*key, Known { home: merge.home, frozen: false, heads: heads.clone() });
                } else {
                    self.append(&changes)?;
                    self.set_heads(key, merge, heads.clone())?;
                    self.query(|connection| snapshot::store(connection, &saved))?;
                    self.query(|connection| projection::write_household(connection, &rows))?;
                }
            }
        }
        for new in merge.genesis.iter().chain([&merge.change]) {
            self.remember_merged(key, new);
        }
        if author.device.is_some() {
            self.note_lag(sender.at.ms().saturating_sub(merge.change.at.ms()));
        }
        Ok(())
    }

    /// The rows of a change in the log and in the feed of its document's home, at the next position.
    fn rows_of(
        &self,
        key: &DocumentKey,
        home: ScopeId,
        new: &RawChange,
        sender: &Sender,
    ) -> Result<(ChangeRow, FeedRow), StoreError> {
        debug_assert!(new.actor != GENESIS_ACTOR || new.sequence > 1, "the first genesis is never in the log");
        let position = self.next_position(home)?;
        let (document, epoch) = columns(key);
        let row = ChangeRow {
            document,
            epoch,
            hash: new.hash.into(),
            actor: new.actor.into(),
            sequence: column(new.sequence)?,
            largest_op: column(new.largest_op)?,
            scope: home.into(),
            position,
            staff: sender.staff.into(),
            device: sender.device.map(Id::from),
            made_at: new.at.ms(),
            received_at: sender.at.ms(),
            bytes: new.bytes.clone(),
        };
        let feed_row = FeedRow { scope: row.scope, position, document, epoch, change: row.hash, kind: FEED_CHANGE };
        Ok((row, feed_row))
    }

    fn append(&self, changes: &[(ChangeRow, FeedRow)]) -> Result<(), StoreError> {
        self.query(|connection| {
            for (row, feed_row) in changes {
                diesel::insert_into(change::table).values(row).execute(connection)?;
                diesel::insert_into(feed::table).values(feed_row).execute(connection)?;
            }
            Ok::<_, StoreError>(())
        })
    }

    fn set_heads(&self, key: &DocumentKey, merge: &Merge, heads: Vec<ChangeHash>) -> Result<(), StoreError> {
        let row = document_row(key, merge.home, &heads);
        // In place of an update, which Diesel compiles anew each time: that took a fifth of an import. The row is known
        // in full: what is merged into was loaded or needs not be, so it is not frozen any more.
        self.query(|connection| {
            if !merge.new_document {
                diesel::delete(document::table.find(columns(key))).execute(connection)?;
            }
            diesel::insert_into(document::table).values(&row).execute(connection)
        })?;
        self.remember(*key, Known { home: merge.home, frozen: false, heads });
        Ok(())
    }
}

fn document_row(key: &DocumentKey, home: ScopeId, heads: &[ChangeHash]) -> DocumentRow {
    let (id, epoch) = columns(key);
    DocumentRow {
        id,
        epoch,
        kind: i32::from(key.id.kind().byte()),
        home: home.into(),
        household: key.id.subject().into(),
        year: i32::from(key.id.year()),
        heads: join_heads(heads),
        frozen: false,
    }
}
