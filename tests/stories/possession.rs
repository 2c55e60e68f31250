//! A request of a device is good once, from that device, as that device made it.

use crate::device::{Device, ENROLMENTS, SYNC, new_actor, push_of, random, read_answer, sign};
use crate::people::{enrolment_code, visit_at};
use crate::rest::Session;
use crate::town::{GRID, LI, Town, ZHAO, ZHOU, now};
use crate::wire::{Reply, Sent};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_sync::change::{Base, record_fact};
use gridwork_sync::document::DocumentId;
use gridwork_sync::message::{MEDIA_TYPE, Outcome, Request};
use gridwork_sync::proof::{self, Covered};
use serde_json::json;

fn visit_message(device: &Device, household: HouseholdId) -> Request {
    let (actor, at) = (new_actor(), now());
    let key = DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into();
    let fact = Fact { id: FactId::new(at, random()), household, body: FactBody::Visit(visit_at(at, "走访")) };
    let change = record_fact(&Base { actor, heads: Vec::new(), previous: None }, &key, &fact, at);
    let pushes = vec![push_of(GRID.scope(), key, &[&change.bytes])];
    Request { new_actors: vec![actor.0.into()], pushes, ..device.message() }
}

fn refused(reply: &Reply, what: &str) {
    assert_eq!(reply.status, 401, "{what}: {reply:?}");
    reply.must_be_a_problem(what);
}

#[test]
fn a_captured_request_is_refused_when_it_comes_again_even_after_the_server_was_killed() {
    let town = Town::new();
    let mut server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let device = Device::enrol(&server, &LI);
    let captured = device.signed(visit_message(&device, household).to_bytes());
    let answer = read_answer(&captured.send(server.address()));
    assert_eq!(answer.verdicts[0].outcome, Outcome::Merged);

    refused(&captured.send(server.address()), "at once");
    server.kill();
    server.restart();
    refused(&captured.send(server.address()), "after a kill");
    assert_eq!(zhou.notes(household).len(), 1);
    // The device itself goes on.
    read_answer(&device.signed(device.message().to_bytes()).send(server.address()));
}

#[test]
fn a_stolen_token_without_the_devices_key_is_refused() {
    let town = Town::new();
    let server = town.serve();
    let household = Session::of(&ZHOU, &server).register("和平路1号", "110");
    let (device, other) = (Device::enrol(&server, &LI), Device::enrol(&server, &ZHAO));
    let body = visit_message(&device, household).to_bytes();
    let send = |sent: Sent| sent.send(server.address());

    let bare = Sent::new("POST", SYNC).with("content-type", MEDIA_TYPE);
    let bare = bare.with("authorization", &format!("Bearer {}", device.token)).with_body(body.clone());
    refused(&send(bare), "the token alone");
    refused(&send(device.signed_with(&SigningKey::from_bytes(&random()), &device.id, body.clone())), "a new key");
    refused(&send(device.signed_with(&other.key, &device.id, body.clone())), "another device's key");
    refused(&send(device.signed_with(&other.key, &other.id, body.clone())), "another device's key under its own id");
    refused(&send(device.signed_with(&device.key, &other.id, body.clone())), "another device's id");
    let without_token = Sent { headers: Vec::new(), ..device.signed(body.clone()) };
    refused(&send(sign(&device.key, &device.id, without_token.with("content-type", MEDIA_TYPE))), "the key alone");
    // A device that names another in its message is no better.
    let disguised = Request { device: other.message().device, ..visit_message(&device, household) };
    assert_eq!(send(device.signed(disguised.to_bytes())).status, 403);

    assert!(Session::of(&ZHOU, &server).notes(household).is_empty());
    read_answer(&send(device.signed(body)));
}

#[test]
fn a_request_that_was_changed_on_its_way_is_refused() {
    let town = Town::new();
    let server = town.serve();
    let household = Session::of(&ZHOU, &server).register("和平路1号", "110");
    let device = Device::enrol(&server, &LI);
    let message = visit_message(&device, household);
    let signed = device.signed(message.to_bytes());
    let later = Request { sent_at_ms: message.sent_at_ms + 1, ..message.clone() };
    refused(&signed.clone().with_body(later.to_bytes()).send(server.address()), "another body");
    let with_digest_of = |body: &[u8]| {
        let covered = Covered { method: "POST", path: SYNC, body };
        proof::sign(&device.key, &covered, 0, [0; 16], &device.id).content_digest
    };
    let mut dressed = signed.clone().with_body(later.to_bytes());
    for (name, value) in &mut dressed.headers {
        if name == proof::CONTENT_DIGEST {
            *value = with_digest_of(&later.to_bytes());
        }
    }
    refused(&dressed.send(server.address()), "another body with its digest");
    for (name, from, to) in [
        (proof::SIGNATURE_INPUT, "created=", "created=1"),
        (proof::SIGNATURE_INPUT, "nonce=\"", "nonce=\"A"),
        (proof::SIGNATURE_INPUT, "\"@path\" ", ""),
        (proof::SIGNATURE, "sig1=:", "sig1=:A"),
    ] {
        let mut altered = signed.clone();
        let header = altered.headers.iter_mut().find(|(known, _)| known == name).expect("the header is there");
        header.1 = header.1.replacen(from, to, 1);
        refused(&altered.send(server.address()), &format!("{name} with {to}"));
    }
    let elsewhere = Sent { path: format!("{SYNC}?again=1"), ..signed.clone() };
    assert_eq!(elsewhere.send(server.address()).status, 400);
    assert_eq!(read_answer(&signed.send(server.address())).verdicts[0].outcome, Outcome::Merged);
}

#[test]
fn a_proof_of_another_time_is_answered_with_the_servers_time() {
    let town = Town::new();
    let server = town.serve();
    let device = Device::enrol(&server, &LI);
    let body = device.message().to_bytes();
    for off_s in [-400, 400, -3_000_000, 3_000_000] {
        let covered = Covered { method: "POST", path: SYNC, body: &body };
        let proof = proof::sign(&device.key, &covered, now().ms() / 1_000 + off_s, random(), &device.id);
        let sent = Sent::new("POST", SYNC)
            .with("content-type", MEDIA_TYPE)
            .with("authorization", &format!("Bearer {}", device.token))
            .with(proof::CONTENT_DIGEST, &proof.content_digest)
            .with(proof::SIGNATURE_INPUT, &proof.signature_input)
            .with(proof::SIGNATURE, &proof.signature);
        let reply = sent.with_body(body.clone()).send(server.address());
        refused(&reply, "a stale proof");
        let told = reply.json()["server_time_ms"].as_i64().expect("the server's time");
        assert!((told - now().ms()).abs() < 60_000, "{told}");
    }
}

#[test]
fn a_code_enrols_one_device_that_holds_the_key_which_it_brings() {
    let town = Town::new();
    let server = town.serve();
    let code = enrolment_code(&server, &LI);
    let enrol = |code: &str, key: &SigningKey, signer: &SigningKey| {
        let public_key = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let form = json!({ "code": code, "public_key": public_key });
        let sent = Sent::new("POST", ENROLMENTS).with("content-type", "application/json").with_body(form.to_string());
        sign(signer, &public_key, sent).send(server.address())
    };
    let (key, other) = (SigningKey::from_bytes(&random()), SigningKey::from_bytes(&random()));
    refused(&enrol(&code, &key, &other), "somebody else's key");
    assert_eq!(enrol("2222-2222-2222", &key, &key).status, 422);
    assert_eq!(enrol(&code, &key, &key).status, 201);
    assert_eq!(enrol(&code, &key, &key).status, 201, "the answer may have been lost");
    enrol(&code, &other, &other).must_be_a_problem("the code is used");
}
