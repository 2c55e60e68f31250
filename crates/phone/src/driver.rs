//! Drives the replica through exchanges until nothing is left to do, the link fails, or time is up.
//!
//! **Invariant:** nothing of an answer counts before it is saved. A full disk stops what would need more room, never
//! what frees it: recorded work is still handed in.

use crate::envelope::Link;
use crate::identity::Identity;
use crate::phone::Phone;
use crate::self_report;
use crate::store::StoreError;
use gridwork_sealing::PublicKey;
use gridwork_sync::replica::{Effect, Event, Exchanged, Failure};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::{self, Duration};

/// What a sync came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// Requests that were sent.
    pub requests: u64,
    /// Bytes of their bodies as transferred.
    pub request_body_bytes: u64,
    /// Bytes of the answers' bodies as transferred.
    pub response_body_bytes: u64,
    /// Changes that were handed in and answered.
    pub pushed: u64,
    /// Own changes that are now merged.
    pub merged: u64,
    /// Own changes that were merged before.
    pub known: u64,
    /// Own changes that the registry holds until something else arrives.
    pub held: u64,
    /// Edits that the registry refused for good.
    pub refused: u64,
    /// Edits that were made again as new changes.
    pub replayed: u64,
    /// Changes and documents that came.
    pub received: u64,
    /// Documents that came damaged.
    pub damaged: u64,
    /// Exchanges that came to nothing.
    pub failures: u64,
    /// Why the sync ended before all was done; none if it did not.
    #[serde(skip)]
    pub failure: Option<Failure>,
}

impl SyncReport {
    fn add(&mut self, one: &Exchanged) {
        self.pushed += one.pushed;
        self.merged += one.merged;
        self.known += one.known;
        self.held += one.held;
        self.refused += one.refused;
        self.replayed += one.replayed;
        self.received += one.received;
        self.damaged += one.damaged;
    }
}

impl Phone {
    /// Exchanges until nothing is left to hand in or to fetch, or the first failure, which the report names.
    ///
    /// # Errors
    /// [`StoreError`]. What the server was told and said meanwhile is told and said again next time.
    pub fn sync(&mut self) -> Result<SyncReport, StoreError> {
        let mut report = SyncReport::default();
        self.sync_into(&mut report)?;
        Ok(report)
    }

    /// Syncs again and again after failures, with the waits that the replica chooses, until all is done, nothing can be
    /// done by waiting, or the deadline is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sync_until(&mut self, deadline: time::Instant) -> Result<SyncReport, StoreError> {
        let mut report = SyncReport::default();
        loop {
            self.sync_into(&mut report)?;
            let Some(wake_at) = self.wake_at.filter(|_| report.failure.is_some()) else { return Ok(report) };
            let wait_ms = wake_at.ms().saturating_sub(self.now().ms()).max(0);
            let wait = Duration::from_millis(wait_ms.unsigned_abs());
            let left = deadline.saturating_duration_since(time::Instant::now());
            if left.is_zero() {
                return Ok(report);
            }
            std::thread::sleep(wait.min(left));
        }
    }

    /// From now on numbers are sealed to this key. On a full disk it is forgotten, and comes again with the next answer.
    fn keep_sealing_key(&mut self, key: PublicKey) -> Result<(), StoreError> {
        let changed = Identity { sealing_key: Some(key), ..self.identity.clone() };
        match self.store.save_identity(&changed, &[]) {
            Ok(()) => self.identity = changed,
            Err(StoreError::Full) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn sync_into(&mut self, report: &mut SyncReport) -> Result<(), StoreError> {
        self.refresh()?;
        let has_room = self.store.hold_reserve();
        match self.run(has_room, report) {
            Ok(()) if has_room && report.failure.is_none() => {
                self.refresh_reference();
                Ok(())
            }
            Err(StoreError::Full) => {
                tracing::warn!("the disk is full: only what was recorded is handed in");
                self.store.make_room();
                self.refresh()?;
                self.run(false, report)
            }
            other => other,
        }
    }

    fn run(&mut self, pull: bool, report: &mut SyncReport) -> Result<(), StoreError> {
        (report.failure, self.wake_at) = (None, None);
        let mut effects = VecDeque::from(self.handle(Event::Sync { pull }));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Save(rows) => self.save(&rows)?,
                Effect::Exchanged(one) => report.add(&one),
                Effect::WakeAt(at) => self.wake_at = Some(at),
                Effect::Send(request) => {
                    let now = self.replica.corrected(self.now());
                    let said = self_report::with(&request, self.replica.outbox());
                    let mut link = Link {
                        transport: self.surroundings.transport.as_mut(),
                        entropy: self.surroundings.entropy.as_mut(),
                        identity: &self.identity,
                        now,
                    };
                    let (carried, answer) = link.exchange(&request, &said);
                    report.requests += 1;
                    report.request_body_bytes += carried.sent_bytes;
                    report.response_body_bytes += carried.received_bytes;
                    if let Some(key) = carried.sealing_key {
                        self.keep_sealing_key(key)?;
                    }
                    let event = match answer {
                        Ok(answer) => {
                            let bytes = usize::try_from(carried.received_bytes).unwrap_or(usize::MAX);
                            report.failure = None;
                            Event::Answer { answer: Box::new(answer), bytes }
                        }
                        Err(failure) => {
                            report.failures += 1;
                            report.failure = Some(failure.clone());
                            Event::Failed(failure)
                        }
                    };
                    effects.extend(self.handle(event));
                }
                // Only recording brings these.
                Effect::Saved(_) | Effect::NotSaved(..) => {}
            }
        }
        Ok(())
    }
}
