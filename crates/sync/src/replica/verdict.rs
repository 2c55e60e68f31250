//! What the registry decided on the phone's changes, and what the phone makes of it.
//!
//! A change that was refused is never repaired as bytes: it is taken out of the document together with all own changes
//! that depend on it, and their edits are made again.
//!
//! **Invariant:** what an author had not seen when the edit was made stays concurrent when it is made again; but for the fields
//! of a record that somebody else made under the same id meanwhile: those are written over what stands.

use super::exchange::Run;
use super::record::NotSaved;
use super::row::{Document, Pending, PendingState, Row, Standing};
use super::{Entropy, Exchanged, Replica, apply, heads, holds, load, loads_again};
use crate::broken::{Broken, is_broken};
use crate::change::BuildError;
use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::genesis::{self, GENESIS_ACTOR};
use crate::message::{ChangeVerdict, Outcome};
use automerge::Automerge;
use gridwork_domain::instant::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// How often one edit is made again. More would not help: each time it was refused for the same reason.
const MOST_REPLAYS: u8 = 3;

/// Why a change that was refused is made again: its place was wrong, not what it says.
const REPLAYED: [&str; 5] =
    ["exists", "sequence-used", "actor-not-owned", "previous-left-out", "depends-on-quarantined"];

/// Why a change that was refused is handed in again later: it waited too long, or too many others wait. What it says
/// was not judged.
pub(super) const WAITS: [&str; 2] = ["expired", "too-many-held"];

/// Of a change that staff left out: they have decided, and the registry is not asked again.
const DISCARDED: &str = "discarded";

impl Replica {
    /// Takes in what the registry decided. Whether a change that it had refused is merged after all, and is to be fetched.
    pub(super) fn take_verdicts(
        &mut self,
        now: Instant,
        verdicts: &[ChangeVerdict],
        run: &mut Run,
        report: &mut Exchanged,
    ) -> bool {
        let mut released = false;
        let mut refused: BTreeMap<DocumentKey, BTreeMap<u64, String>> = BTreeMap::new();
        for verdict in verdicts {
            let Ok(key) = verdict.key() else { continue };
            let pending =
                self.outbox.values().find(|pending| pending.document == key && pending.change.hash == verdict.hash());
            let code = verdict.code.clone().unwrap_or_default();
            let Some(pending) = pending.cloned() else {
                self.take_verdict_on_lost(now, (key, verdict.hash()), (verdict.outcome, code), run, report);
                continue;
            };
            if matches!(pending.state, PendingState::Refused { .. }) {
                released |= self.take_decision(now, pending, verdict.outcome, code, report);
                continue;
            }
            if !pending.is_in_document() {
                continue;
            }
            match verdict.outcome {
                Outcome::Merged | Outcome::Known => {
                    let count = if verdict.outcome == Outcome::Merged { &mut report.merged } else { &mut report.known };
                    *count += 1;
                    self.put(Row::Settled(pending.edit.id));
                    self.ask_again(run, |held| held.id.subject() == key.id.subject());
                }
                Outcome::Held => {
                    report.held += 1;
                    let state = PendingState::Held { code, asked_at: now };
                    self.put(Row::Pending(Box::new(Pending { state, ..pending })));
                }
                Outcome::Quarantined if WAITS.contains(&code.as_str()) => {
                    report.held += 1;
                    let state = PendingState::Held { code, asked_at: now };
                    self.put(Row::Pending(Box::new(Pending { state, ..pending })));
                }
                Outcome::Quarantined => {
                    refused.entry(key).or_default().insert(pending.number, code);
                }
            }
        }
        for (key, refused) in refused {
            self.take_out(now, &key, &refused, report);
        }
        if is_broken(Broken::MarkAllSent) {
            let all: Vec<_> = self.outbox.values().map(|pending| pending.edit.id).collect();
            all.into_iter().for_each(|edit| self.put(Row::Settled(edit)));
        }
        released
    }

    /// Takes in what staff have decided about a change that was refused, if they have. Whether it is merged.
    fn take_decision(
        &mut self,
        now: Instant,
        pending: Pending,
        outcome: Outcome,
        code: String,
        report: &mut Exchanged,
    ) -> bool {
        if matches!(outcome, Outcome::Merged | Outcome::Known) {
            report.merged += 1;
            self.put(Row::Settled(pending.edit.id));
            return true;
        }
        let state = refused(code, Some(now));
        self.put(Row::Pending(Box::new(Pending { state, ..pending })));
        false
    }

    /// An own actor's change came that this phone does not have: the phone was set back to an earlier state. What it
    /// has done since under the same numbers gives way, and is made again under a new actor.
    pub(super) fn give_way(&mut self, key: &DocumentKey, actor: ActorId, sequence: u64, document: &mut Automerge) {
        if !self.is_own(actor) {
            return;
        }
        self.retire(actor);
        let in_the_way = |pending: &&Pending| {
            pending.document == *key && pending.change.actor == actor && pending.change.sequence >= sequence
        };
        let in_the_way: BTreeMap<u64, String> = self
            .outbox
            .values()
            .filter(in_the_way)
            .filter(|pending| pending.is_in_document())
            .map(|pending| (pending.number, "sequence-used".to_owned()))
            .collect();
        if !in_the_way.is_empty() {
            let dropped = self.set_aside(None, key, &in_the_way, &mut Exchanged::default());
            *document = self.without(key, document, &dropped);
        }
    }

    /// Makes the edits again that were set aside, on all that the phone now knows.
    pub(super) fn replay(&mut self, now: Instant, entropy: &mut dyn Entropy, report: &mut Exchanged) {
        let aside = |pending: &&Pending| pending.state == PendingState::Aside && !is_broken(Broken::NeverMadeAgain);
        let aside: Vec<Pending> = self.outbox.values().filter(aside).cloned().collect();
        // What stands for a change that was taken out: what its edit was made into, or what it was built on if it came
        // to nothing.
        let mut stands_for: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
        for pending in aside {
            let seen = self.seen_again(&pending, &stands_for);
            let hands = self.hands(entropy);
            let Pending { edit, home, .. } = &pending;
            let draft = match self.draft(now, edit, hands, seen.as_deref(), *home) {
                // Somebody else made the record meanwhile: the edit writes its fields.
                Err(NotSaved::Build(BuildError::Exists(_))) => self.draft(now, edit, hands, None, *home),
                other => other,
            };
            match draft {
                Ok(draft) => {
                    report.replayed += 1;
                    stands_for.insert(pending.change.hash, vec![draft.hash()]);
                    self.commit(draft, pending.edit, pending.home, pending.replays);
                }
                Err(NotSaved::Recorded | NotSaved::Build(BuildError::Nothing)) => {
                    stands_for.insert(pending.change.hash, pending.change.dependencies.clone());
                    self.put(Row::Settled(pending.edit.id));
                }
                Err(NotSaved::Damaged(_)) => {}
                Err(reason) => {
                    report.refused += 1;
                    let (code, detail) = (reason.word().to_owned(), reason.to_string());
                    let state = PendingState::Refused { code, detail, asked_at: None };
                    self.put(Row::Pending(Box::new(Pending { state, ..pending })));
                }
            }
        }
    }

    fn take_out(&mut self, now: Instant, key: &DocumentKey, refused: &BTreeMap<u64, String>, report: &mut Exchanged) {
        let dropped = self.set_aside(Some(now), key, refused, report);
        let document = self.documents.get(key).and_then(|stored| load(&stored.bytes));
        if let Some(document) = document {
            self.without(key, &document, &dropped);
        }
    }

    /// Sets aside, or refuses for good, these edits and all that depend on them; returns the hashes of their changes.
    /// `told_at` is when the registry refused them, if it did.
    fn set_aside(
        &mut self,
        told_at: Option<Instant>,
        key: &DocumentKey,
        because: &BTreeMap<u64, String>,
        report: &mut Exchanged,
    ) -> BTreeSet<ChangeHash> {
        let mut dropped = BTreeSet::new();
        let of_document = |pending: &&Pending| pending.document == *key && pending.is_in_document();
        let pendings: Vec<Pending> = self.outbox.values().filter(of_document).cloned().collect();
        for mut pending in pendings {
            let depends = pending.change.dependencies.iter().any(|hash| dropped.contains(hash));
            let code = because.get(&pending.number);
            if code.is_none() && !depends {
                continue;
            }
            dropped.insert(pending.change.hash);
            self.retire(pending.change.actor);
            pending.state = match code {
                Some(code) if !REPLAYED.contains(&code.as_str()) || pending.replays >= MOST_REPLAYS => {
                    report.refused += 1;
                    refused(code.clone(), told_at)
                }
                _ => PendingState::Aside,
            };
            pending.replays += u8::from(code.is_some());
            if is_broken(Broken::AsideForgotten) && pending.state == PendingState::Aside {
                self.put(Row::Settled(pending.edit.id));
                continue;
            }
            self.put(Row::Pending(Box::new(pending)));
        }
        dropped
    }

    /// The phone's next changes are made by another actor than this one.
    fn retire(&mut self, actor: ActorId) {
        if self.standing.actor == Some(actor) {
            self.put(Row::Standing(Standing { actor: None, ..self.standing.clone() }));
        }
    }

    /// Rebuilds a document without some changes, and keeps it; a document of which nothing is left is removed.
    fn without(&mut self, key: &DocumentKey, document: &Automerge, dropped: &BTreeSet<ChangeHash>) -> Automerge {
        let mut rest = genesis::empty();
        let mut is_empty = true;
        for change in document.get_changes(&[]) {
            if !dropped.contains(&change.hash().into()) {
                is_empty &= ActorId::from_library(change.actor_id()) == Some(GENESIS_ACTOR);
                // It was in a document before, and nothing that it depends on was left out.
                let _ = apply(&mut rest, change);
            }
        }
        let stored = self.documents.get(key).cloned();
        match stored {
            Some(_) if is_empty => self.put(Row::DocumentRemoved(*key)),
            // What came just now may spoil it, and is left out when that is seen.
            Some(stored) if loads_again(&rest) => {
                let bytes = rest.save_nocompress().into();
                self.put(Row::Document(*key, Document { heads: heads(&rest), bytes, ..stored }));
            }
            Some(_) | None => {}
        }
        if is_empty { genesis::begin(self.schema, key) } else { rest }
    }

    /// What the author of an edit saw, in terms of the document as it is now; `None` if that is all of it.
    fn seen_again(
        &self,
        pending: &Pending,
        stands_for: &BTreeMap<ChangeHash, Vec<ChangeHash>>,
    ) -> Option<Vec<ChangeHash>> {
        let stored = self.documents.get(&pending.document)?;
        let document = load(&stored.bytes)?;
        let (mut seen, mut visited) = (BTreeSet::new(), BTreeSet::new());
        let mut ahead = pending.change.dependencies.clone();
        while let Some(hash) = ahead.pop() {
            if !visited.insert(hash) {
                continue;
            }
            if holds(&document, hash) {
                seen.insert(hash);
            } else if let Some(instead) = stands_for.get(&hash) {
                ahead.extend(instead);
            } else {
                let dropped = self.outbox.values().find(|other| other.change.hash == hash);
                ahead.extend(dropped.into_iter().flat_map(|dropped| dropped.change.dependencies.iter().copied()));
            }
        }
        let saw_all = stored.heads.iter().all(|head| seen.contains(head));
        (!saw_all).then(|| seen.into_iter().collect())
    }
}

pub(super) fn refused(code: String, told_at: Option<Instant>) -> PendingState {
    let asked_at = told_at.filter(|_| code != DISCARDED);
    PendingState::Refused { detail: sentence(&code).to_owned(), code, asked_at }
}

/// What a person is told of a change that the registry refused.
fn sentence(code: &str) -> &'static str {
    match code {
        "not-entitled" => "you are not assigned to this grid any more: ask the community office to enter it",
        "wrong-home" => "the household belongs to another grid now: ask the community office to enter it",
        "year" => "the date lies outside the years that are kept: check the device's clock and record it again",
        "nothing-to-correct" => "the visit that it corrects is not in the registry",
        "fact-forged" => "the registry has another record under the same id: record it again",
        "discarded" => "staff looked at it and left it out: ask the community office why",
        "missing-change" | "missing-previous" | "missing-household" | "frozen" => {
            "the registry has it, and waits for what it builds on"
        }
        "document-full" => "the household's document is full: ask the community office",
        "exists" | "sequence-used" | "actor-not-owned" | "previous-left-out" | "depends-on-quarantined" => {
            "it was made again several times and refused each time: record it again"
        }
        _ => "the registry keeps it for staff to decide",
    }
}
