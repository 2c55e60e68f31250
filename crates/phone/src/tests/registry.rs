//! A registry that merges all it is handed, checks every proof, and fails when it is told to.

use super::NOW;
use crate::{NetworkError, Post, Posted, Transport};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use gridwork_domain::id::{DeviceId, StaffId};
use gridwork_sync::document::{ActorId, DocumentKey};
use gridwork_sync::guard::scan::{Limits, scan};
use gridwork_sync::message::{Answer, Author, ChangeVerdict, Entry, Outcome, PROTOCOL, Request, ScopeAnswer};
use gridwork_sync::proof::{self, Covered};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// What happens to the next exchange.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The request does not arrive.
    RequestLost,
    /// The answer does not arrive.
    AnswerLost,
    /// Something else is answered.
    Says(Posted),
}

#[derive(Default)]
pub(super) struct State {
    pub(super) faults: VecDeque<Fault>,
    /// Bytes of the entries of one answer at most.
    pub(super) budget: usize,
    pub(super) log: Vec<(DocumentKey, [u8; 32], Vec<u8>)>,
    pub(super) bodies: Vec<Vec<u8>>,
    owners: BTreeMap<[u8; 16], u8>,
    keys: BTreeMap<String, VerifyingKey>,
    nonces: BTreeSet<[u8; 16]>,
    /// Called before each answer is made, with the number of the request.
    pub(super) watch: Option<Box<dyn FnMut(usize) + Send>>,
}

/// The registry, shared by the phones of a test.
#[derive(Clone)]
pub(super) struct Registry(Arc<Mutex<State>>);

impl Registry {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { budget: 100_000, ..State::default() })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the registry")
    }

    pub(super) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    pub(super) fn requests(&self) -> usize {
        self.state().bodies.len()
    }
}

impl Transport for Registry {
    fn post(&mut self, post: &Post<'_>) -> Result<Posted, NetworkError> {
        let number = self.requests();
        let watch = self.state().watch.take();
        if let Some(mut watch) = watch {
            watch(number);
            self.state().watch = Some(watch);
        }
        let mut state = self.state();
        state.bodies.push(post.body.to_vec());
        let lost = || Err(NetworkError("cut".to_owned()));
        match state.faults.pop_front() {
            Some(Fault::RequestLost) => lost(),
            Some(Fault::AnswerLost) => {
                state.answer(post);
                lost()
            }
            Some(Fault::Says(posted)) => Ok(posted),
            None => Ok(state.answer(post)),
        }
    }
}

pub(super) fn says(status: u16, body: &str) -> Posted {
    Posted { status, retry_after_s: None, encoding: None, sealing_key: None, body: body.as_bytes().to_vec() }
}

impl State {
    fn answer(&mut self, post: &Post<'_>) -> Posted {
        let header = |name: &str| post.headers.iter().find(|(one, _)| *one == name).map_or("", |(_, value)| *value);
        let path = post.url.strip_prefix(super::SERVER).expect("the server's address");
        let claim = proof::parse(header("signature-input"), header("signature"), header("content-digest"));
        let claim = claim.expect("a proof");
        let covered = Covered { method: "POST", path, body: post.body };
        if !claim.is_fresh(NOW.ms() / 1_000) {
            return says(401, &format!(r#"{{"title":"stale","server_time_ms":{}}}"#, NOW.ms()));
        }
        assert!(self.nonces.insert(claim.nonce), "a nonce is used once");
        if path == "/v1/enrolments" {
            let body: serde_json::Value = serde_json::from_slice(post.body).expect("json");
            let spelled = body["public_key"].as_str().expect("a key");
            assert_eq!((spelled, body["code"].as_str()), (claim.device.as_str(), Some("CODE")));
            let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(spelled).expect("base64").try_into().expect("32 bytes");
            let key = VerifyingKey::from_bytes(&bytes).expect("a key");
            claim.verify(&key, &covered).expect("the key signed");
            let there = self.keys.values().position(|one| *one == key);
            let number = there.unwrap_or(self.keys.len()) as u8 + 1;
            let device = DeviceId::from_bytes([number; 16]).to_string();
            self.keys.insert(device.clone(), key);
            let staff = StaffId::from_bytes([number; 16]);
            let answer = serde_json::json!({
                "device": device, "token": "TOKEN", "staff": {"id": staff, "name": format!("网格员{number}")},
                "scopes": [{"id": super::home(9).to_string(), "name": "第九网格", "code": "210404001005009"}],
                "server_time_ms": NOW.ms(),
            });
            return says(201, &answer.to_string());
        }
        claim.verify(&self.keys[&claim.device], &covered).expect("the device signed");
        assert_eq!((path, header("authorization")), ("/v1/sync", "Bearer TOKEN"));
        let body = match header("content-encoding") {
            "zstd" => zstd::decode_all(post.body).expect("zstd"),
            "" => post.body.to_vec(),
            other => panic!("unknown encoding {other}"),
        };
        let answer = self.exchange(&Request::from_bytes(&body).expect("a request")).to_bytes();
        let (body, encoding) = if answer.len() < 256 {
            (answer, None)
        } else {
            (zstd::bulk::compress(&answer, 3).expect("zstd"), Some("zstd".to_owned()))
        };
        Posted { status: 200, retry_after_s: None, encoding, sealing_key: None, body }
    }

    fn exchange(&mut self, request: &Request) -> Answer {
        for actor in &request.new_actors {
            self.owners.insert(**actor, request.device().as_bytes()[0]);
        }
        let (mut verdicts, mut pushed) = (Vec::new(), BTreeSet::new());
        for push in &request.pushes {
            let key = push.key().expect("a document");
            for bytes in &push.changes {
                let change = scan(bytes, &Limits::DEFAULT).expect("a change");
                assert!(self.owners.contains_key(&change.actor), "its actor was declared");
                let known = self.log.iter().any(|(document, hash, _)| (*document, *hash) == (key, change.hash));
                if !known {
                    self.log.push((key, change.hash, bytes.to_vec()));
                }
                pushed.insert((key, change.hash));
                let outcome = if known { Outcome::Known } else { Outcome::Merged };
                let (document, hash) = (push.document, change.hash.into());
                verdicts.push(ChangeVerdict { document, epoch: 0, hash, outcome, code: None });
            }
        }
        let mut answer = Answer {
            protocol: PROTOCOL,
            server_time_ms: NOW.ms(),
            verdicts,
            scopes: vec![],
            authors: vec![],
            receipt: None,
        };
        for asked in &request.scopes {
            let before = asked
                .cursor
                .as_ref()
                .map_or(0, |cursor| usize::from_be_bytes(cursor.as_slice().try_into().expect("our cursor")));
            let (mut position, mut left, mut entries) = (before, self.budget, Vec::new());
            while let Some((key, hash, bytes)) = self.log.get(position).filter(|row| row.2.len() <= left) {
                position += 1;
                if pushed.contains(&(*key, *hash)) {
                    continue;
                }
                left -= bytes.len();
                let change = Some(bytes.clone().into());
                entries.push(Entry { document: (*key.id.as_bytes()).into(), epoch: 0, change, snapshot: None });
            }
            if asked.cursor.is_none() || position > before {
                let (cursor, more) = (position.to_be_bytes().to_vec().into(), position < self.log.len());
                answer.scopes.push(ScopeAnswer { scope: asked.scope, cursor, more, entries, anew: false });
                let authors = self.owners.iter();
                answer.authors = authors
                    .map(|(actor, number)| {
                        let staff = StaffId::from_bytes([*number; 16]);
                        Author::new(ActorId(*actor), staff, &format!("网格员{number}"))
                    })
                    .collect();
            }
        }
        answer
    }
}
