//! What the registry lost when a backup was put in its place, and how it gets it back.
//!
//! When a scope's answer says that the cursor was not one of this registry, everything of the scope follows. The phone then
//! compares: it keeps the heads of what came of each document until all has come. What its documents hold besides is lost, and
//! handed in again as it is.
//!
//! **Invariant:** when all has come, a change in a document that did not come is in the outbox or among the lost, and stays
//! there until the registry has it.

use super::exchange::{HandedIn, Run};
use super::row::{Lost, PendingState, Row};
use super::verdict::{WAITS, refused};
use super::{Exchanged, Replica, holds, load};
use crate::change::RawChange;
use crate::document::{ChangeHash, DocumentKey};
use crate::genesis::GENESIS_ACTOR;
use crate::message::Outcome;
use gridwork_domain::id::ScopeId;
use gridwork_domain::instant::Instant;
use std::collections::BTreeSet;

impl Replica {
    /// All of a scope is coming from another instance of the registry: what came before counts for nothing.
    pub(super) fn begin_comparing(&mut self, scope: ScopeId) {
        let of_scope = |key: &&DocumentKey| self.documents.get(*key).is_none_or(|document| document.home == scope);
        let came: Vec<_> = self.came.keys().filter(of_scope).copied().collect();
        for key in came {
            self.put(Row::Came(key, None));
        }
    }

    /// Of a document these came, besides what came before.
    pub(super) fn note_came(&mut self, key: DocumentKey, new: BTreeSet<ChangeHash>) {
        let mut came: BTreeSet<ChangeHash> = self.came.get(&key).into_iter().flatten().copied().collect();
        came.extend(new);
        // A change that came counts for those on which it depends, so that a long document does not make a long row.
        if let Some(document) = self.documents.get(&key).and_then(|stored| load(&stored.bytes)) {
            let metas = came.iter().filter_map(|hash| document.get_change_meta_by_hash(&(*hash).into()));
            let below: BTreeSet<ChangeHash> = metas.flat_map(|meta| meta.deps.to_vec()).map(Into::into).collect();
            came.retain(|hash| !below.contains(hash));
        }
        self.put(Row::Came(key, Some(came.into_iter().collect())));
    }

    /// All of a scope has come: finds what the phone has of it besides.
    pub(super) fn find_lost(&mut self, scope: ScopeId) {
        let of_scope = self.documents.iter().filter(|(_, document)| document.home == scope);
        let of_scope: Vec<_> = of_scope.map(|(key, document)| (*key, document.clone())).collect();
        for (key, stored) in of_scope {
            let came = self.came.get(&key).cloned();
            if came.is_some() {
                self.put(Row::Came(key, None));
            }
            let came = came.unwrap_or_default();
            let Some(document) = (came != stored.heads).then(|| load(&stored.bytes)).flatten() else { continue };
            let came: Vec<_> = came.into_iter().filter(|hash| holds(&document, *hash)).map(Into::into).collect();
            for change in document.get_changes(&came) {
                let change = RawChange::of(&change).filter(|change| change.actor != GENESIS_ACTOR);
                let Some(change) = change.filter(|change| !self.is_to_be_handed_in(&key, change.hash)) else {
                    continue;
                };
                let number = self.lost.last_key_value().map_or(1, |(last, _)| last + 1);
                self.put(Row::Lost(Box::new(Lost { number, document: key, change, state: PendingState::Waiting })));
            }
        }
    }

    /// The registry has these changes of a document.
    pub(super) fn find(&mut self, key: &DocumentKey, has: impl Fn(ChangeHash) -> bool) {
        let found = self.lost.values().filter(|lost| lost.document == *key && has(lost.change.hash));
        let found: Vec<_> = found.map(|lost| lost.number).collect();
        for number in found {
            self.put(Row::Found(number));
        }
    }

    /// Takes in what the registry decided on a change that it had lost.
    pub(super) fn take_verdict_on_lost(
        &mut self,
        now: Instant,
        (key, hash): (DocumentKey, ChangeHash),
        (outcome, code): (Outcome, String),
        run: &mut Run,
        report: &mut Exchanged,
    ) {
        let lost = self.lost.values().find(|lost| lost.document == key && lost.change.hash == hash);
        let Some(lost) = lost.cloned() else { return };
        let waits = outcome == Outcome::Held || WAITS.contains(&code.as_str());
        let state = match outcome {
            Outcome::Merged | Outcome::Known => {
                let count = if outcome == Outcome::Merged { &mut report.merged } else { &mut report.known };
                *count += 1;
                self.put(Row::Found(lost.number));
                return self.ask_again(run, |held| held.id.subject() == key.id.subject());
            }
            Outcome::Held | Outcome::Quarantined if waits => {
                report.held += 1;
                PendingState::Held { code, asked_at: now }
            }
            Outcome::Held | Outcome::Quarantined => {
                report.refused += u64::from(!matches!(lost.state, PendingState::Refused { .. }));
                refused(code, Some(now))
            }
        };
        self.put(Row::Lost(Box::new(Lost { state, ..lost })));
    }

    /// Held changes among the lost that the test names are handed in again.
    pub(super) fn hand_in_again(&mut self, run: &mut Run, test: impl Fn(&DocumentKey) -> bool) {
        let held = |lost: &&Lost| matches!(lost.state, PendingState::Held { .. }) && test(&lost.document);
        let held: Vec<_> = self.lost.values().filter(held).cloned().collect();
        for lost in held {
            run.offer_again(lost.document, lost.change.hash);
            self.put(Row::Lost(Box::new(Lost { state: PendingState::Waiting, ..lost })));
        }
    }

    /// A lost change as it is handed in; none if its document is gone.
    pub(super) fn handed_in_again<'a>(&self, lost: &'a Lost, goes_along: bool) -> Option<HandedIn<'a>> {
        let home = self.documents.get(&lost.document)?.home;
        Some(HandedIn { document: lost.document, change: &lost.change, home, is_in_document: true, goes_along })
    }

    fn is_to_be_handed_in(&self, key: &DocumentKey, hash: ChangeHash) -> bool {
        let in_outbox = |pending: &super::Pending| pending.is_in_document() && pending.change.hash == hash;
        self.outbox.values().any(|pending| pending.document == *key && in_outbox(pending))
            || self.lost.values().any(|lost| lost.document == *key && lost.change.hash == hash)
    }
}
