//! A device driven by hand: it holds a key and a token, and sends what its owner makes up.

use crate::people::enrolment_code;
use crate::rest::text;
use crate::server::Server;
use crate::town::{Colleague, now};
use crate::wire::{Reply, Sent};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use gridwork_domain::id::ScopeId;
use gridwork_phone::{Entropy, SystemEntropy};
use gridwork_sync::document::{ActorId, DocumentKey};
use gridwork_sync::message::{Answer, ENCODER, MEDIA_TYPE, Outcome, PROTOCOL, Push, Request, ScopeRequest};
use gridwork_sync::proof::{self, Covered};
use serde_json::json;

/// The path of the exchange.
pub(crate) const SYNC: &str = "/v1/sync";
/// The path of enrolment.
pub(crate) const ENROLMENTS: &str = "/v1/enrolments";

/// A device with its key and token.
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) key: SigningKey,
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemEntropy.fill(&mut bytes);
    bytes
}

impl Device {
    /// Enrols a device of a colleague.
    pub(crate) fn enrol(server: &Server, colleague: &Colleague) -> Self {
        let key = SigningKey::from_bytes(&random());
        let public_key = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let form = json!({ "code": enrolment_code(server, colleague), "public_key": public_key });
        let sent = Sent::new("POST", ENROLMENTS).with("content-type", "application/json");
        let sent = sign(&key, &public_key, sent.with_body(form.to_string()));
        let reply = sent.send(server.address());
        assert_eq!(reply.status, 201, "{reply:?}");
        let enrolled = reply.json();
        Self { id: text(&enrolled["device"]), token: text(&enrolled["token"]), key }
    }

    /// A message with nothing in it yet.
    pub(crate) fn message(&self) -> Request {
        let device: gridwork_domain::id::DeviceId = self.id.parse().expect("an id");
        Request {
            protocol: PROTOCOL,
            encoder: ENCODER,
            device: (*device.as_bytes()).into(),
            sent_at_ms: now().ms(),
            scopes: Vec::new(),
            budget: None,
            new_actors: Vec::new(),
            pushes: Vec::new(),
            receipts: Vec::new(),
        }
    }

    /// An exchange that this device signed.
    pub(crate) fn signed(&self, body: impl Into<Vec<u8>>) -> Sent {
        self.signed_with(&self.key, &self.id, body)
    }

    /// An exchange under this device's token, signed by some key under some id.
    pub(crate) fn signed_with(&self, key: &SigningKey, key_id: &str, body: impl Into<Vec<u8>>) -> Sent {
        let sent = Sent::new("POST", SYNC)
            .with("content-type", MEDIA_TYPE)
            .with("authorization", &format!("Bearer {}", self.token));
        sign(key, key_id, sent.with_body(body))
    }

    /// Exchanges a message.
    pub(crate) fn exchange(&self, server: &Server, message: &Request) -> Answer {
        read_answer(&self.signed(message.to_bytes()).send(server.address()))
    }

    /// Pushes changes; declares those actors.
    pub(crate) fn push(&self, server: &Server, actors: &[ActorId], pushes: Vec<Push>) -> Vec<(Outcome, String)> {
        let new_actors = actors.iter().map(|actor| actor.0.into()).collect();
        let answer = self.exchange(server, &Request { new_actors, pushes, ..self.message() });
        answer.verdicts.into_iter().map(|one| (one.outcome, one.code.unwrap_or_default())).collect()
    }

    /// Pulls a scope from its beginning, as far as one answer goes.
    pub(crate) fn pull(&self, server: &Server, scope: ScopeId) -> Answer {
        let scopes = vec![ScopeRequest { scope: (*scope.as_bytes()).into(), cursor: None }];
        self.exchange(server, &Request { scopes, ..self.message() })
    }
}

/// Adds the proof of a key.
pub(crate) fn sign(key: &SigningKey, key_id: &str, sent: Sent) -> Sent {
    let covered = Covered { method: &sent.method, path: &sent.path, body: &sent.body };
    let proof = proof::sign(key, &covered, now().ms() / 1_000, random(), key_id);
    sent.with(proof::CONTENT_DIGEST, &proof.content_digest)
        .with(proof::SIGNATURE_INPUT, &proof.signature_input)
        .with(proof::SIGNATURE, &proof.signature)
}

/// The message of an answer that is good.
pub(crate) fn read_answer(reply: &Reply) -> Answer {
    assert_eq!(reply.status, 200, "{:?}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.content_encoding, "", "nobody asked for an encoding");
    Answer::from_bytes(&reply.body).expect("a message")
}

/// Changes of one document.
pub(crate) fn push_of(scope: ScopeId, key: DocumentKey, changes: &[&[u8]]) -> Push {
    Push {
        scope: (*scope.as_bytes()).into(),
        document: (*key.id.as_bytes()).into(),
        epoch: key.epoch,
        changes: changes.iter().map(|change| change.to_vec().into()).collect(),
    }
}

/// An actor that nobody has used.
pub(crate) fn new_actor() -> ActorId {
    ActorId(random())
}
