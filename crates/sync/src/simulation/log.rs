//! The one log on which all servers work: what is committed, and transactions under way.
//!
//! A transaction works on a copy. It locks the households of its documents, then the scopes in whose feeds it writes; a
//! server that dies takes its transactions with it.

use crate::answer::Position;
use crate::broken::{Broken, is_broken};
use crate::document::DocumentId;
use crate::testing::Registry;
use gridwork_domain::id::{HouseholdId, ScopeId};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction under way, and what is to be done when it is committed.
#[derive(Debug)]
struct Transaction<Then> {
    number: u64,
    server: usize,
    households: BTreeSet<HouseholdId>,
    scopes: BTreeSet<ScopeId>,
    after: Registry,
    then: Then,
}

/// The log.
#[derive(Debug)]
pub(super) struct Log<Then> {
    pub(super) committed: Registry,
    under_way: Vec<Transaction<Then>>,
    begun: u64,
    /// What a sequence would give next: the mistake of [`Broken::PositionFromSequence`].
    sequences: BTreeMap<ScopeId, Position>,
}

impl<Then> Log<Then> {
    pub(super) fn new(committed: Registry) -> Self {
        Self { committed, under_way: Vec::new(), begun: 0, sequences: BTreeMap::new() }
    }

    /// Whether a transaction that writes there would have to wait.
    pub(super) fn is_locked(&self, households: &BTreeSet<HouseholdId>, scopes: &BTreeSet<ScopeId>) -> bool {
        let meet = |other: &Transaction<Then>| {
            !other.households.is_disjoint(households)
                || (!is_broken(Broken::PositionFromSequence) && !other.scopes.is_disjoint(scopes))
        };
        self.under_way.iter().any(meet)
    }

    /// Does the work of a transaction; nobody sees anything of it before it is committed.
    pub(super) fn begin(
        &mut self,
        server: usize,
        households: BTreeSet<HouseholdId>,
        scopes: BTreeSet<ScopeId>,
        work: impl FnOnce(&mut Registry) -> Then,
    ) {
        let mut after = self.committed.clone();
        let then = work(&mut after);
        if is_broken(Broken::PositionFromSequence) {
            for (scope, feed) in &mut after.feeds {
                let known = self.committed.feeds.get(scope).map_or(0, Vec::len);
                for row in feed.iter_mut().skip(known) {
                    let next = self.sequences.entry(*scope).or_default();
                    *next += 1;
                    row.position = *next;
                }
            }
        }
        if is_broken(Broken::SnapshotBeforeLog) {
            for (key, kept) in &after.documents {
                if let Some(before) = self.committed.documents.get_mut(key) {
                    before.snapshot.clone_from(&kept.snapshot);
                }
            }
        }
        self.begun += 1;
        self.under_way.push(Transaction { number: self.begun, server, households, scopes, after, then });
    }

    /// Whether a household is in the log, or a transaction under way is about it.
    pub(super) fn knows(&self, household: HouseholdId) -> bool {
        let key = DocumentId::household(household).into();
        self.committed.documents.contains_key(&key)
            || self.under_way.iter().any(|one| one.households.contains(&household))
    }

    /// The transactions of a server, oldest first.
    pub(super) fn of_server(&self, server: usize) -> Vec<u64> {
        self.under_way.iter().filter(|one| one.server == server).map(|one| one.number).collect()
    }

    /// What a reader sees who does not wait for commits: the mistake of [`Broken::CursorBeforeCommit`].
    pub(super) fn uncommitted(&self) -> Registry {
        let newest = self.under_way.last().map_or(&self.committed, |one| &one.after);
        Registry { assignments: self.committed.assignments.clone(), ..newest.clone() }
    }

    pub(super) fn commit(&mut self, number: u64) -> Option<Then> {
        let place = self.under_way.iter().position(|one| one.number == number)?;
        let Transaction { households, after, then, .. } = self.under_way.remove(place);
        let is_theirs = |household: HouseholdId| households.contains(&household);
        for (scope, feed) in &after.feeds {
            let known: BTreeSet<_> =
                self.committed.feeds.get(scope).into_iter().flatten().map(|row| (row.key, row.hash)).collect();
            let new = feed.iter().filter(|row| !known.contains(&(row.key, row.hash)));
            let new: Vec<_> = new.filter(|row| is_theirs(row.key.id.subject())).cloned().collect();
            let feed = self.committed.feeds.entry(*scope).or_default();
            feed.extend(new);
            feed.sort_by_key(|row| row.position);
        }
        let Registry { documents, owners, quarantine, held, .. } = after;
        let committed = &mut self.committed;
        committed.documents.extend(documents.into_iter().filter(|(key, _)| is_theirs(key.id.subject())));
        committed.held.retain(|(key, _), _| !is_theirs(key.id.subject()));
        committed.held.extend(held.into_iter().filter(|((key, _), _)| is_theirs(key.id.subject())));
        committed.quarantine.extend(quarantine);
        for (actor, staff) in owners {
            committed.owners.entry(actor).or_insert(staff);
        }
        Some(then)
    }

    /// A server dies: what it had not committed never was.
    pub(super) fn forget(&mut self, server: usize) {
        self.under_way.retain(|one| one.server != server);
    }
}
