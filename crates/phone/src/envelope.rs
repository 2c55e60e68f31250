//! Messages in and out of HTTP: compression, the proof of the device's key, and what a status means.
//!
//! **Invariant:** whatever comes back is an answer or a [`Failure`]; nothing of it is trusted before it can be read.

use crate::identity::Identity;
use crate::transport::{Get, Post, Posted, Transport};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridwork_domain::instant::Instant;
use gridwork_sealing::PublicKey;
use gridwork_sync::message::{Answer, LARGEST_ANSWER, MEDIA_TYPE, Request};
use gridwork_sync::proof::{self, Covered};
use gridwork_sync::replica::{Entropy, Failure};
use gridwork_sync::self_report::{self, SelfReport, Unsent};
use serde::Deserialize;
use std::io::Read;

const SYNC_PATH: &str = "/v1/sync";
const REFERENCE_PATH: &str = "/v1/reference";
const ENROLMENTS_PATH: &str = "/v1/enrolments";
/// Bodies below are sent as they are: compressed they would be longer.
const SMALLEST_COMPRESSED_BYTES: usize = 256;
/// The level of zstd: twice the work of the next one would spare 1% of a day's push.
const LEVEL: i32 = 3;
/// The largest window that an answer may ask for: 8 MiB (RFC 9659).
const LARGEST_WINDOW_LOG: u32 = 23;
/// How long a busy server is left alone if it does not say.
const BUSY_S: u64 = 5;

/// What went over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    /// The server's sealing key, if it is another than the phone has.
    pub(crate) sealing_key: Option<PublicKey>,
}

/// What a server says that refuses (RFC 9457).
#[derive(Debug, Default, Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    server_time_ms: Option<i64>,
    retry_after_s: Option<u64>,
}

/// The lists that everybody works with, as a server answers.
pub(crate) enum Lists {
    /// Those that the phone has are the newest.
    Same,
    /// Others: in JSON.
    New(String),
}

/// A way to the server for one request.
pub(crate) struct Link<'a> {
    pub(crate) transport: &'a mut dyn Transport,
    pub(crate) entropy: &'a mut dyn Entropy,
    pub(crate) identity: &'a Identity,
    /// The corrected clock.
    pub(crate) now: Instant,
}

impl Link<'_> {
    /// Posts a sync request, with what the phone says of itself.
    pub(crate) fn exchange(&mut self, request: &Request, said: &SelfReport) -> (Carried, Result<Answer, Failure>) {
        let Some((owner, token)) = &self.identity.enrolled else {
            return (Carried::default(), Err(Failure::Unauthorized("the phone is not enrolled".to_owned())));
        };
        let sealing_key = self.identity.sealing_key.map(|key| key.id().to_string());
        let (device, bearer) = (owner.device.to_string(), format!("Bearer {token}"));
        let mut headers =
            vec![("content-type", MEDIA_TYPE), ("authorization", bearer.as_str()), ("accept-encoding", "zstd")];
        headers.extend(sealing_key.as_deref().map(|id| ("gridwork-sealing-key-id", id)));
        let unsent = said.unsent.as_ref().map(Unsent::spell);
        headers.extend(said.app.as_deref().map(|app| (self_report::APP, app)));
        headers.extend(unsent.as_deref().map(|unsent| (self_report::UNSENT, unsent)));
        let message = request.to_bytes();
        let compressed = (message.len() >= SMALLEST_COMPRESSED_BYTES).then(|| zstd::bulk::compress(&message, LEVEL));
        let body = match compressed {
            Some(Ok(compressed)) => {
                headers.push(("content-encoding", "zstd"));
                compressed
            }
            _ => message,
        };
        let posted = self.post(SYNC_PATH, &device, headers, &body);
        let received_bytes = posted.as_ref().map_or(0, |posted| posted.body.len() as u64);
        let sealing_key = posted.as_ref().ok().and_then(|posted| posted.sealing_key.as_deref()?.parse().ok());
        let answer = posted.and_then(|posted| {
            Answer::from_bytes(&unpack(&posted)?).map_err(|error| Failure::Network(error.to_string()))
        });
        (Carried { sent_bytes: body.len() as u64, received_bytes, sealing_key }, answer)
    }

    /// Posts an enrolment and returns the JSON of the answer.
    pub(crate) fn enrol(&mut self, code: &str) -> Result<Vec<u8>, Failure> {
        let public_key = URL_SAFE_NO_PAD.encode(self.identity.key().verifying_key().as_bytes());
        let body = serde_json::json!({ "code": code, "public_key": public_key }).to_string();
        let headers = vec![("content-type", "application/json"), ("accept-encoding", "identity")];
        unpack(&self.post(ENROLMENTS_PATH, &public_key, headers, body.as_bytes())?)
    }

    /// Asks for the lists that everybody works with; `known` is the version that the phone has.
    pub(crate) fn lists(&mut self, known: Option<&str>) -> Result<Lists, Failure> {
        let Some((owner, token)) = &self.identity.enrolled else {
            return Err(Failure::Unauthorized("the phone is not enrolled".to_owned()));
        };
        let (device, bearer) = (owner.device.to_string(), format!("Bearer {token}"));
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        let created_s = self.now.ms().div_euclid(1_000).max(0);
        let covered = Covered { method: "GET", path: REFERENCE_PATH, body: &[] };
        let proof = proof::sign(&self.identity.key(), &covered, created_s, nonce, &device);
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            (proof::CONTENT_DIGEST, proof.content_digest.as_str()),
            (proof::SIGNATURE_INPUT, proof.signature_input.as_str()),
            (proof::SIGNATURE, proof.signature.as_str()),
        ];
        headers.extend(known.map(|version| ("if-none-match", version)));
        let url = format!("{}{REFERENCE_PATH}", self.identity.server);
        let answer = self.transport.get(&Get { url: &url, headers: &headers });
        let answer = answer.map_err(|error| Failure::Network(error.to_string()))?;
        match answer.status {
            304 => Ok(Lists::Same),
            200 => match String::from_utf8(unpack(&answer)?) {
                Ok(lists) => Ok(Lists::New(lists)),
                Err(error) => Err(Failure::Network(error.to_string())),
            },
            _ => Err(failure(&answer)),
        }
    }

    fn post(&mut self, path: &str, key_id: &str, headers: Vec<(&str, &str)>, body: &[u8]) -> Result<Posted, Failure> {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        let created_s = self.now.ms().div_euclid(1_000).max(0);
        let covered = Covered { method: "POST", path, body };
        let proof = proof::sign(&self.identity.key(), &covered, created_s, nonce, key_id);
        let mut headers = headers;
        headers.extend([
            (proof::CONTENT_DIGEST, proof.content_digest.as_str()),
            (proof::SIGNATURE_INPUT, proof.signature_input.as_str()),
            (proof::SIGNATURE, proof.signature.as_str()),
        ]);
        let url = format!("{}{path}", self.identity.server);
        let posted = self.transport.post(&Post { url: &url, headers: &headers, body });
        let posted = posted.map_err(|error| Failure::Network(error.to_string()))?;
        if (200..300).contains(&posted.status) { Ok(posted) } else { Err(failure(&posted)) }
    }
}

/// What a status that is no success means.
pub(crate) fn failure(posted: &Posted) -> Failure {
    let problem: Problem = unpack(posted).ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
    let what = problem.detail.or(problem.title).unwrap_or_default();
    let what = if what.is_empty() { format!("status {}", posted.status) } else { what };
    let retry_after_s = posted.retry_after_s.or(problem.retry_after_s);
    match (posted.status, problem.server_time_ms) {
        (401, Some(server_time_ms)) => Failure::StaleClock { server_time: Instant::from_ms(server_time_ms) },
        (401 | 403, _) => Failure::Unauthorized(what),
        (429 | 503, _) => Failure::Busy { retry_after_s: retry_after_s.unwrap_or(BUSY_S) },
        (408 | 500.., _) => Failure::Network(what),
        _ => Failure::Refused(what),
    }
}

fn unpack(posted: &Posted) -> Result<Vec<u8>, Failure> {
    let broken = |reason: &dyn std::fmt::Display| Failure::Network(format!("the answer cannot be read: {reason}"));
    match posted.encoding.as_deref() {
        None | Some("identity") => Ok(posted.body.clone()),
        Some("zstd") => {
            let mut decoder = zstd::Decoder::new(posted.body.as_slice()).map_err(|error| broken(&error))?;
            decoder.window_log_max(LARGEST_WINDOW_LOG).map_err(|error| broken(&error))?;
            let mut body = Vec::new();
            let read = decoder.take(LARGEST_ANSWER as u64 + 1).read_to_end(&mut body);
            read.map_err(|error| broken(&error))?;
            if body.len() > LARGEST_ANSWER { Err(broken(&"it is too large")) } else { Ok(body) }
        }
        Some(other) => Err(broken(&format!("its encoding {other} is unknown"))),
    }
}
