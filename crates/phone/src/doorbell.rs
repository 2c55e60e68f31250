//! The doorbell: a stream of events that says when there is something to sync, so that an online phone need not ask.
//!
//! It runs beside the phone, in a thread of its own, and says no more than that and of which household: what changed, the
//! sync brings.
//!
//! **Invariant:** after [`Ring::Live`], whatever is committed in the phone's grids is followed by a ring: at once, or,
//! where a stream was cut, by the next `Live`.

use crate::envelope::failure;
use crate::event_stream::{Event, EventStream};
use crate::identity::Identity;
use crate::phone::Phone;
use crate::surroundings::{SystemEntropy, system_clock};
use crate::transport::{NetworkError, Streaming};
use gridwork_domain::id::HouseholdId;
use gridwork_sync::proof::{self, Covered};
use gridwork_sync::replica::{Entropy, Failure};
use serde::Deserialize;
use std::ops::ControlFlow;
use std::time::Duration;

const PATH: &str = "/v1/events";
/// How long to wait before a stream that ended is opened again, unless the server says, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Bytes of an event's id: ours have a dozen.
const LONGEST_ID: usize = 64;

/// What the doorbell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ring {
    /// From here on nothing is missed: sync once, for what was before.
    Live,
    /// Something of this household changed: sync.
    Moved(HouseholdId),
    /// Something changed, and nobody can say what: sync.
    Something,
    /// The stream ended; it is opened again by itself after that long.
    Cut {
        /// Why.
        reason: Failure,
        /// How long.
        again_in: Duration,
    },
}

/// A listener to a phone's events.
pub struct Doorbell {
    streaming: Streaming,
    identity: Identity,
    /// The registry's clock minus the device's, in milliseconds.
    skew_ms: i64,
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct Moved {
    household: HouseholdId,
}

impl Phone {
    /// A doorbell for this phone as it is enrolled now. It is handed to a thread of its own.
    pub fn doorbell(&self) -> Doorbell {
        let skew_ms = self.status().skew_ms.unwrap_or_default();
        Doorbell { streaming: Streaming::new(), identity: self.identity.clone(), skew_ms, last_id: None }
    }
}

impl Doorbell {
    /// Listens, and opens a stream again that ended, for as long as `ring` says to go on. Blocks.
    pub fn listen(mut self, mut ring: impl FnMut(Ring) -> ControlFlow<()>) {
        let (mut failures, mut corrected) = (0, false);
        loop {
            let mut first_wait = WAIT.0;
            let reason = match self.open() {
                // The clock may have been set since the stream began.
                Err(Failure::StaleClock { server_time }) if !corrected => {
                    self.skew_ms = server_time.ms().saturating_sub(system_clock().ms());
                    corrected = true;
                    continue;
                }
                Err(reason) => reason,
                Ok(mut events) => {
                    let end = loop {
                        match events.next() {
                            Ok(Some(event)) => {
                                failures = 0;
                                if self.tell(event, &mut ring).is_break() {
                                    return;
                                }
                            }
                            Ok(None) => break "the server ended the stream".to_owned(),
                            Err(error) => break error.to_string(),
                        }
                    };
                    first_wait = events.retry_ms.map_or(WAIT.0, Duration::from_millis).clamp(WAIT.0 / 5, WAIT.0 * 4);
                    Failure::Network(end)
                }
            };
            let again_in = wait(&reason, first_wait, failures);
            failures += 1;
            if ring(Ring::Cut { reason, again_in }).is_break() {
                return;
            }
            std::thread::sleep(again_in);
            corrected = false;
        }
    }

    fn tell(&mut self, event: Event, ring: &mut impl FnMut(Ring) -> ControlFlow<()>) -> ControlFlow<()> {
        let is_id = |id: &String| id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(id) = event.id.filter(is_id) {
            self.last_id = Some(id);
        }
        ring(match event.word.as_str() {
            "live" => Ring::Live,
            "moved" => match serde_json::from_str(&event.data) {
                Ok(Moved { household }) => Ring::Moved(household),
                Err(_) => Ring::Something,
            },
            // `reset`, or what a later release says.
            _ => Ring::Something,
        })
    }

    /// Opens a stream that goes on after the last event that was told.
    fn open(&self) -> Result<EventStream<impl std::io::Read + use<>>, Failure> {
        let Some((owner, token)) = &self.identity.enrolled else {
            return Err(Failure::Unauthorized("the phone is not enrolled".to_owned()));
        };
        let mut nonce = [0; 16];
        SystemEntropy.fill(&mut nonce);
        let created_s = system_clock().plus_ms(self.skew_ms).ms().div_euclid(1_000).max(0);
        let covered = Covered { method: "GET", path: PATH, body: b"" };
        let proof = proof::sign(&self.identity.key(), &covered, created_s, nonce, &owner.device.to_string());
        let bearer = format!("Bearer {token}");
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            (proof::CONTENT_DIGEST, &proof.content_digest),
            (proof::SIGNATURE_INPUT, &proof.signature_input),
            (proof::SIGNATURE, &proof.signature),
        ];
        headers.extend(self.last_id.as_deref().map(|id| ("last-event-id", id)));
        let url = format!("{}{PATH}", self.identity.server);
        match self.streaming.get(&url, &headers) {
            Ok(Ok(body)) => Ok(EventStream::new(body)),
            Ok(Err(refused)) => Err(failure(&refused)),
            Err(NetworkError(reason)) => Err(Failure::Network(reason)),
        }
    }
}

/// How long to wait before another attempt: longer after each failure, different for each phone, and as long as a busy
/// server asks for.
fn wait(reason: &Failure, first: Duration, failures: u32) -> Duration {
    let grown = first.saturating_mul(1 << failures.min(10)).min(WAIT.1);
    let (least, share) = match reason {
        Failure::Busy { retry_after_s } => (Duration::from_secs(*retry_after_s).clamp(first, WAIT.1).max(grown), 1.0),
        _ => (grown, 0.5),
    };
    let mut chance = [0];
    SystemEntropy.fill(&mut chance);
    least.mul_f64(share + f64::from(chance[0]) / 510.0)
}
