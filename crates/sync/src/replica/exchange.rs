//! When the phone asks, what it sends, and in what order it takes in an answer.
//!
//! A *run* is a row of exchanges, one at a time, until nothing is left to hand in or to fetch, or one fails.
//!
//! **Invariant:** a run ends: each request of it hands in what this run has not handed in yet, or follows a cursor that
//! moved, and there are not too many.

use super::relay::Batch;
use super::row::{PendingState, Row, Standing};
use super::{Effect, Entropy, Exchanged, Failure, Replica};
use crate::change::RawChange;
use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::message::{
    Answer, ENCODER, LONGEST_CURSOR, MOST_NEW_ACTORS, MOST_SCOPES, PROTOCOL, Push, Request, ScopeRequest,
};
use crate::receipt::Receipt;
use gridwork_domain::id::ScopeId;
use gridwork_domain::instant::Instant;
use minicbor::bytes::ByteVec;
use std::collections::{BTreeMap, BTreeSet};

/// Changes in one request: a cut link loses little, and a day's work still goes in one.
const MOST_PUSHED: usize = 200;
/// Bytes of changes in one request.
const MOST_PUSHED_BYTES: usize = 200_000;
/// The first wait after a failure is at most this long; it doubles with each.
const FIRST_WAIT_MS: u64 = 1_000;
/// The longest wait after a failure.
const LONGEST_WAIT_MS: u64 = 300_000;
/// The longest wait that a registry may ask for, in seconds.
const LONGEST_RETRY_AFTER_S: u64 = 3_600;
/// Requests of one run at most: a grid's ten years in answers of the smallest budget. It is gone on with later.
const MOST_REQUESTS: u32 = 10_000;
/// How often a phone with nothing to do asks for news.
const QUIET_MS: i64 = 900_000;
/// How often a change that is held is handed in again.
const HELD_MS: i64 = 3_600_000;
/// How often the registry is asked whether staff have decided about a change that it refused.
const REFUSED_MS: i64 = 86_400_000;

/// A row of exchanges, and the request that is on its way.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Whether news are fetched.
    pull: bool,
    /// Whether all of them have come.
    caught_up: bool,
    /// Requests so far.
    requests: u32,
    /// Whether the clock was put right and the request sent again.
    clock_corrected: bool,
    /// What the request on its way hands in, with its actor if that is declared.
    batch: BTreeMap<(DocumentKey, ChangeHash), Option<ActorId>>,
    /// What this run has handed in.
    offered: BTreeSet<(DocumentKey, ChangeHash)>,
}

impl Run {
    /// The actor of a change that the request on its way hands in, if it declares it.
    pub(super) fn declared(&self, key: &DocumentKey, hash: ChangeHash) -> Option<ActorId> {
        self.batch.get(&(*key, hash)).copied().flatten()
    }

    /// Lets a change be handed in again.
    pub(super) fn offer_again(&mut self, key: DocumentKey, hash: ChangeHash) {
        self.offered.remove(&(key, hash));
    }
}

/// A change that is handed in.
pub(super) struct HandedIn<'a> {
    pub(super) document: DocumentKey,
    pub(super) change: &'a RawChange,
    /// Where the document begins if it is new.
    pub(super) home: ScopeId,
    pub(super) is_in_document: bool,
    /// Whether it goes with what comes before it, however much that is.
    pub(super) goes_along: bool,
}

impl<'a> HandedIn<'a> {
    fn of(pending: &'a super::Pending) -> Self {
        let super::Pending { document, change, home, .. } = pending;
        Self { document: *document, change, home: *home, is_in_document: pending.is_in_document(), goes_along: false }
    }
}

/// The time between runs.
#[derive(Debug, Default)]
pub(super) struct Rest {
    failures: u32,
    /// Requests in a row that failed for what was in them, or for a defect of the server.
    refused: u32,
    unknown: bool,
    from: Option<Instant>,
    until: Option<Instant>,
}

impl Rest {
    /// Whether the time has come; also if the clock was set back.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until || self.from.is_some_and(|from| now < from))
    }

    fn wait(&mut self, now: Instant, wait_ms: i64) -> Effect {
        let until = now.plus_ms(wait_ms);
        (self.from, self.until) = (Some(now), Some(until));
        Effect::WakeAt(until)
    }
}

impl Replica {
    pub(super) fn begin(&mut self, now: Instant, pull: bool) -> Vec<Effect> {
        if self.run.is_some() {
            return Vec::new();
        }
        self.rest.until = None;
        self.send(now, Run { pull, ..Run::default() })
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        entropy: &mut dyn Entropy,
        answer: Answer,
        bytes: usize,
    ) -> Vec<Effect> {
        let Some(mut run) = self.run.take() else { return Vec::new() };
        let mut report = Exchanged { pushed: run.batch.len() as u64, bytes: bytes as u64, ..Exchanged::default() };
        self.keep_receipt(&answer, &run);
        run.offered.extend(std::mem::take(&mut run.batch).into_keys());
        let skew_ms = answer.server_time().ms().saturating_sub(now.ms());
        let last_contact = Some(answer.server_time());
        self.put(Row::Standing(Standing { actor: self.standing.actor, skew_ms: Some(skew_ms), last_contact }));

        self.learn_authors(&answer.authors);
        let released = self.take_verdicts(now, &answer.verdicts, &mut run, &mut report);
        let more = run.pull && (self.take_news(now, answer.scopes, &mut run, &mut report) || released);
        run.caught_up = run.pull && !more;
        if run.pull && !more {
            self.replay(now, entropy, &mut report);
        }

        (self.rest.failures, self.rest.unknown) = (0, false);
        let mut effects: Vec<Effect> = self.save().into_iter().collect();
        effects.push(Effect::Exchanged(report));
        let more_to_push = self.has_more_to_push(now, &run);
        if !more_to_push {
            self.rest.refused = 0;
        }
        if run.requests < MOST_REQUESTS && (more || more_to_push) {
            effects.extend(self.send(now, run));
        } else {
            effects.push(self.rest.wait(now, QUIET_MS));
        }
        effects
    }

    pub(super) fn failed(&mut self, now: Instant, entropy: &mut dyn Entropy, failure: Failure) -> Vec<Effect> {
        let Some(mut run) = self.run.take() else { return Vec::new() };
        let mut effects = Vec::new();
        if let Failure::StaleClock { server_time } = failure {
            let skew_ms = Some(server_time.ms().saturating_sub(now.ms()));
            self.put(Row::Standing(Standing { skew_ms, ..self.standing.clone() }));
            effects.extend(self.save());
            if !run.clock_corrected {
                run.clock_corrected = true;
                effects.extend(self.send(now, run));
                return effects;
            }
        }
        self.rest.failures = self.rest.failures.saturating_add(1);
        let doublings = (self.rest.failures - 1).min(16);
        let ceiling_ms = (FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS);
        let wait_ms = match failure {
            Failure::Network(_) | Failure::StaleClock { .. } => draw_below(entropy, ceiling_ms),
            Failure::Busy { retry_after_s } => {
                retry_after_s.min(LONGEST_RETRY_AFTER_S) * 1_000 + draw_below(entropy, ceiling_ms)
            }
            Failure::Refused(_) => {
                self.rest.refused = self.rest.refused.saturating_add(1);
                LONGEST_WAIT_MS / 2 + draw_below(entropy, LONGEST_WAIT_MS / 2)
            }
            // A link that repeats requests makes the copy look so; if it happens again, a person has to enrol the device.
            Failure::Unauthorized(_) if !std::mem::replace(&mut self.rest.unknown, true) => {
                draw_below(entropy, ceiling_ms)
            }
            Failure::Unauthorized(_) => return effects,
        };
        effects.push(self.rest.wait(now, i64::try_from(wait_ms).unwrap_or(i64::MAX)));
        effects
    }

    /// Held edits that the test names are handed in again.
    pub(super) fn ask_again(&mut self, run: &mut Run, test: impl Fn(&DocumentKey) -> bool) {
        let held = |pending: &&super::Pending| matches!(pending.state, PendingState::Held { .. });
        let again: Vec<_> =
            self.outbox.values().filter(held).filter(|pending| test(&pending.document)).cloned().collect();
        for mut pending in again {
            run.offer_again(pending.document, pending.change.hash);
            pending.state = PendingState::Waiting;
            self.put(Row::Pending(Box::new(pending)));
        }
        self.hand_in_again(run, test);
    }

    fn send(&mut self, now: Instant, mut run: Run) -> Vec<Effect> {
        let request = self.request(now, &mut run);
        self.run = Some(run);
        vec![Effect::Send(request)]
    }

    fn request(&self, now: Instant, run: &mut Run) -> Request {
        let (mut bytes, mut new_actors) = (0, BTreeSet::new());
        let mut pushes: BTreeMap<DocumentKey, (ScopeId, Vec<ByteVec>)> = BTreeMap::new();
        run.requests += 1;
        run.batch.clear();
        // If a request as a whole is refused again and again, one change may be why: fewer go together each time, and
        // then the first ones are passed over in turn, so that one cannot keep the others back.
        let most = (MOST_PUSHED >> self.rest.refused.min(16)).max(1);
        let tries_with_one = self.rest.refused.saturating_sub(MOST_PUSHED.ilog2() + 1) as usize;
        let (to_push, receipts) = self.to_push(now, run, most);
        // What is pushed is not sent back, and these are not in the document: what was released must not come meanwhile.
        let asks = to_push.iter().any(|one| !one.is_in_document);
        let passed_over = if to_push.is_empty() { 0 } else { tries_with_one % to_push.len() };
        for HandedIn { document, change, home, goes_along, .. } in to_push.into_iter().skip(passed_over) {
            bytes += change.bytes.len();
            let full = !goes_along && (run.batch.len() >= most || bytes > MOST_PUSHED_BYTES);
            let own = self.is_own(change.actor).then_some(change.actor);
            let one_actor_too_many =
                new_actors.len() == MOST_NEW_ACTORS && own.is_some_and(|own| !new_actors.contains(&own));
            if !run.batch.is_empty() && (full || one_actor_too_many) {
                break;
            }
            // Each time: a registry that was restored from a backup may have forgotten whose it is.
            new_actors.extend(own);
            run.batch.insert((document, change.hash), own);
            let home = self.documents.get(&document).map_or(home, |document| document.home);
            let (_, changes) = pushes.entry(document).or_insert((home, Vec::new()));
            changes.push(change.bytes.clone().into());
        }
        let scopes = self.scopes.iter().take(if run.pull && !asks { MOST_SCOPES } else { 0 });
        Request {
            protocol: PROTOCOL,
            encoder: ENCODER,
            device: (*self.owner.device.as_bytes()).into(),
            sent_at_ms: now.ms(),
            scopes: scopes
                .map(|(id, scope)| ScopeRequest {
                    scope: (*id.as_bytes()).into(),
                    cursor: scope.cursor.clone().map(Into::into),
                })
                .collect(),
            budget: None,
            new_actors: new_actors.into_iter().map(|actor| actor.0.into()).collect(),
            // In the order of keys: households come before the visits to them.
            pushes: pushes
                .into_iter()
                .map(|(key, (home, changes))| Push {
                    scope: (*home.as_bytes()).into(),
                    document: (*key.id.as_bytes()).into(),
                    epoch: key.epoch,
                    changes,
                })
                .collect(),
            receipts,
        }
    }

    /// What is to be handed in, what the registry lost before what may build on it, with receipts for it; when nothing is and
    /// all news have come, what the registry refused and may have been decided about.
    fn to_push<'a>(&'a self, now: Instant, run: &Run, most: usize) -> (Vec<HandedIn<'a>>, Vec<Receipt>) {
        let is_over = |since: Instant, wait_ms: i64| now.ms().abs_diff(since.ms()) >= wait_ms.unsigned_abs();
        let is_due = |state: &PendingState| match state {
            PendingState::Waiting => true,
            PendingState::Held { asked_at, .. } => is_over(*asked_at, HELD_MS),
            PendingState::Aside | PendingState::Refused { .. } => false,
        };
        let is_to_be_asked = |state: &PendingState| match state {
            PendingState::Refused { asked_at: Some(asked_at), .. } => is_over(*asked_at, REFUSED_MS),
            _ => false,
        };
        let is_new = |one: &HandedIn<'_>| !run.offered.contains(&(one.document, one.change.hash));
        let lost = self.lost.values().filter(|lost| is_due(&lost.state) || is_to_be_asked(&lost.state));
        let lost = lost.filter(|lost| !run.offered.contains(&(lost.document, lost.change.hash))).collect::<Vec<_>>();
        let Batch { lost, receipts } = self.batch_of_lost(&lost, most);
        let lost = lost.into_iter().filter_map(|(lost, goes_along)| self.handed_in_again(lost, goes_along));
        let pending = self.outbox.values().filter(|pending| is_due(&pending.state)).map(HandedIn::of);
        let due: Vec<_> = lost.chain(pending.filter(is_new)).collect();
        if due.is_empty() && run.caught_up {
            let refused = self.outbox.values().filter(|pending| is_to_be_asked(&pending.state));
            return (refused.map(HandedIn::of).filter(is_new).collect(), receipts);
        }
        (due, receipts)
    }

    fn has_more_to_push(&self, now: Instant, run: &Run) -> bool {
        !self.to_push(now, run, 1).0.is_empty()
    }
}

/// Whether these bytes can be sent back as a cursor.
pub(super) fn is_cursor(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_CURSOR
}

fn draw_below(entropy: &mut dyn Entropy, ceiling: u64) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_be_bytes(bytes) % (ceiling + 1)
}
