//! The messages on the wire are those of the published schema (RFC 8610), and nothing else is.

use crate::people::{add_resident, correction, enrol, enrol_in, record, register_household, sync, visit};
use crate::rest::Session;
use crate::town::{LI, Town, ZHAO, ZHOU};
use cddl_cat::validate_cbor_bytes;
use gridwork_phone::{HttpTransport, NetworkError, Post, Posted, Surroundings, Transport};
use gridwork_sync::message::{Answer, Request};
use std::sync::{Arc, Mutex};

const SCHEMA: &str = include_str!("../../openapi/sync.cddl");

/// Messages of the exchange as they are before compression: rule of the schema, bytes.
type Messages = Arc<Mutex<Vec<(&'static str, Vec<u8>)>>>;

/// A network on which somebody reads along.
struct TappedNetwork {
    http: HttpTransport,
    messages: Messages,
}

impl Transport for TappedNetwork {
    fn post(&mut self, post: &Post<'_>) -> Result<Posted, NetworkError> {
        let posted = self.http.post(post)?;
        if post.url.ends_with("/v1/sync") {
            let encoding = post.headers.iter().find(|(name, _)| *name == "content-encoding").map(|(_, value)| *value);
            let mut messages = self.messages.lock().expect("nobody panicked");
            messages.push(("request", unpacked(encoding, post.body)));
            messages.push(("answer", unpacked(posted.encoding.as_deref(), &posted.body)));
        }
        Ok(posted)
    }
}

fn unpacked(encoding: Option<&str>, body: &[u8]) -> Vec<u8> {
    match encoding {
        None => body.to_vec(),
        Some("zstd") => zstd::stream::decode_all(body).expect("zstd"),
        Some(other) => panic!("{other} was not asked for"),
    }
}

/// All that two phones and a desk say on a lively day.
fn a_days_messages() -> Vec<(&'static str, Vec<u8>)> {
    let town = Town::new();
    let server = town.serve();
    let messages = Messages::default();
    let network = TappedNetwork { http: HttpTransport::new(), messages: messages.clone() };
    let surroundings = Surroundings { transport: Box::new(network), ..Surroundings::default() };
    let zhou = Session::of(&ZHOU, &server);
    zhou.register("和平路1号", "110");
    let mut li = enrol_in(&town, &server, &LI, "li", surroundings);
    let mut zhao = enrol(&town, &server, &ZHAO, "zhao");
    let household = register_household(&mut li, "和平路2号");
    let form = li.household(household).expect("the phone holds the household").heads;
    add_resident(&mut li, household, "陈小明");
    visit(&mut li, household, "例行走访");
    sync(&mut li);
    sync(&mut zhao);
    record(&mut zhao, household, correction("contact_phone", "120"));
    visit(&mut zhao, household, "再次走访");
    sync(&mut zhao);
    crate::people::record_seen(&mut li, household, correction("contact_phone", "110"), Some(&form));
    sync(&mut li);
    sync(&mut li);
    messages.lock().expect("nobody panicked").clone()
}

#[test]
fn what_a_phone_and_the_server_say_is_what_the_schema_says() {
    let messages = a_days_messages();
    for (rule, bytes) in &messages {
        validate_cbor_bytes(rule, SCHEMA, bytes).unwrap_or_else(|error| panic!("{rule} {bytes:02x?}: {error}"));
        validate_cbor_bytes("sync-message", SCHEMA, bytes).expect("either is a message of the exchange");
    }
    // The day must have had something of everything.
    let (requests, answers): (Vec<_>, Vec<_>) = messages.iter().partition(|(rule, _)| *rule == "request");
    let requests = requests.iter().map(|(_, bytes)| Request::from_bytes(bytes).expect("a request"));
    let answers = answers.iter().map(|(_, bytes)| Answer::from_bytes(bytes).expect("an answer"));
    let (requests, answers): (Vec<_>, Vec<_>) = (requests.collect(), answers.collect());
    assert!(requests.iter().any(|one| one.scopes.iter().any(|scope| scope.cursor.is_none())), "a cold start");
    assert!(requests.iter().any(|one| one.scopes.iter().any(|scope| scope.cursor.is_some())), "a cursor");
    assert!(requests.iter().any(|one| !one.new_actors.is_empty() && !one.pushes.is_empty()), "a push");
    assert!(answers.iter().any(|one| !one.verdicts.is_empty()), "a verdict");
    let entries: Vec<_> = answers.iter().flat_map(|one| &one.scopes).flat_map(|scope| &scope.entries).collect();
    assert!(entries.iter().any(|one| one.snapshot.is_some()) && entries.iter().any(|one| one.change.is_some()));
    assert!(answers.iter().any(|one| !one.authors.is_empty()), "an author");
}

#[test]
fn a_message_that_was_altered_is_not_what_the_schema_says() {
    let messages = a_days_messages();
    let refused = |rule: &str, bytes: &[u8], what: &str| {
        assert!(validate_cbor_bytes(rule, SCHEMA, bytes).is_err(), "{what}: {bytes:02x?}");
    };
    for (rule, bytes) in &messages {
        let other = if *rule == "request" { "answer" } else { "request" };
        refused(other, bytes, "one for the other");
        refused(rule, &bytes[..bytes.len() - 1], "cut");
        // The head of a map with few entries: one entry fewer is one key fewer; the first key is the protocol, 0 => 1.
        assert_eq!((bytes[0] & 0xe0, &bytes[1..3]), (0xa0, &[0, 1][..]));
        refused(rule, &[&[bytes[0] - 1], &bytes[3..]].concat(), "no protocol");
        refused(rule, &[&bytes[..2], &[2], &bytes[3..]].concat(), "another protocol");
        refused(rule, &[&[bytes[0] + 1], &bytes[1..], &[0x0f, 0x00]].concat(), "a key that nobody reserved");
        refused(rule, &[&[bytes[0] + 1], &bytes[1..], &[0x61, b'a', 0x00]].concat(), "a key that is text");
        let further = [&[bytes[0] + 1], &bytes[1..], &[0x18, 0x40, 0x00]].concat();
        validate_cbor_bytes(rule, SCHEMA, &further).expect("a key of a later release is passed over");
    }
    let pushing =
        messages.iter().find_map(|(_, bytes)| Request::from_bytes(bytes).ok().filter(|one| !one.pushes.is_empty()));
    let pushing = pushing.expect("a push");
    for (what, altered) in [
        ("no changes in a change", {
            let mut altered = pushing.clone();
            altered.pushes[0].changes = vec![Vec::new().into()];
            altered
        }),
        ("a change that is too long", {
            let mut altered = pushing.clone();
            altered.pushes[0].changes = vec![vec![0; 8_193].into()];
            altered
        }),
        ("another encoder", Request { encoder: 11, ..pushing.clone() }),
        ("a long cursor", {
            let mut altered = pushing.clone();
            altered.scopes[0].cursor = Some(vec![0; 65].into());
            altered
        }),
    ] {
        refused("request", &altered.to_bytes(), what);
    }
}

/// Pinned bytes of the messages.
fn pinned(name: &str) -> Vec<u8> {
    let path = format!("{}/../crates/sync/fixtures/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let hex: String = std::fs::read_to_string(path).expect("a fixture").split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn what_is_said_after_a_restore_is_what_the_schema_says() {
    for (rule, name) in [("request", "request_relay"), ("answer", "answer_anew")] {
        validate_cbor_bytes(rule, SCHEMA, &pinned(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let request = Request::from_bytes(&pinned("request_relay")).expect("a request");
    assert_eq!(request.receipts.len(), 1);
    // A code of 32 bytes in the message becomes one of 31.
    let code = [&[0x58, 32][..], &request.receipts[0].code[..]].concat();
    let mut bytes = pinned("request_relay");
    let at = bytes.windows(code.len()).position(|part| part == code).expect("the code");
    bytes.splice(at..at + 3, [0x58, 31]);
    assert!(validate_cbor_bytes("request", SCHEMA, &bytes).is_err());
    let answer = Answer::from_bytes(&pinned("answer_anew")).expect("an answer");
    assert!(answer.scopes[0].anew && answer.receipt.is_some());
}
