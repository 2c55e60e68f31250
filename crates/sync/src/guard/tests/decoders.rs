//! The decoders of CBOR beside the guard: facts, members of sets, and whole messages of a hostile device.

use crate::message::{Answer, ENCODER, LARGEST_REQUEST, MOST_CHANGES, MessageError, PROTOCOL, Push, Request};
use crate::testing::{NOW, Random, fact_id, visit, visits};
use crate::{fact, member};
use gridwork_domain::fields::Fields;
use gridwork_domain::id::EditId;
use gridwork_domain::visit::FactBody;

/// A map with one unknown key, under which these bytes stand.
fn under_an_unknown_key(value: &[u8]) -> Vec<u8> {
    [&[0xa1, 0x18, 0x63], value].concat()
}

/// Runs everything that reads foreign CBOR on some bytes; none of it may panic, overflow the stack or hang.
fn read_all(bytes: &[u8]) -> bool {
    let key = visits();
    let read = [
        Request::from_bytes(bytes).is_ok(),
        Answer::from_bytes(bytes).is_ok(),
        fact::decode_foreign(fact_id(1), bytes, &key).is_ok(),
        fact::decode(fact_id(1), bytes, &key).is_ok(),
        member::decode(bytes).is_ok(),
    ];
    read.into_iter().any(|read| read)
}

#[test]
fn a_megabyte_of_nesting_under_an_unknown_key_is_refused_without_a_stack_overflow() {
    let most = LARGEST_REQUEST - 16;
    let patterns: [&[u8]; 9] = [
        &[0x81],             // arrays of one
        &[0x9f],             // arrays without a length
        &[0xa1],             // maps of one, as keys
        &[0xbf],             // maps without a length
        &[0xa1, 0x00],       // maps of one, as values
        &[0xc1],             // tags
        &[0x82, 0x9f],       // both kinds in turn
        &[0x82, 0x00, 0xbf], // both kinds in turn, with something between
        &[0x5f],             // strings in strings
    ];
    for pattern in patterns {
        let nested: Vec<u8> = pattern.iter().copied().cycle().take(most).collect();
        assert!(!read_all(&under_an_unknown_key(&nested)), "{pattern:02x?}");
        let mut closed = nested;
        closed.push(0);
        closed.resize(most * 2, 0xff);
        assert!(!read_all(&under_an_unknown_key(&closed)), "{pattern:02x?} closed");
    }
}

#[test]
fn claimed_lengths_take_no_memory() {
    let quiet = Request {
        protocol: PROTOCOL,
        encoder: ENCODER,
        device: [1; 16].into(),
        sent_at_ms: NOW.ms(),
        scopes: vec![],
        budget: None,
        new_actors: vec![],
        pushes: vec![],
        receipts: vec![],
    };
    let bytes = quiet.to_bytes();
    assert_eq!(bytes[0], 0xa4);
    for kind in [0x5b, 0x7b, 0x9b, 0xbb] {
        for length in [u64::MAX, 1 << 62, 1 << 40, 1 << 32] {
            let claim = [&[kind][..], &length.to_be_bytes()].concat();
            assert!(!read_all(&claim));
            assert!(!read_all(&under_an_unknown_key(&claim)));
            for key in [4, 5, 6, 7, 9] {
                let mut request = bytes.clone();
                request[0] += 1;
                request.push(key);
                request.extend(&claim);
                assert!(Request::from_bytes(&request).is_err());
            }
        }
    }
}

#[test]
fn a_request_of_a_million_empty_changes_is_refused() {
    let changes = vec![Vec::new().into(); MOST_CHANGES + 1];
    let document = (*visits().id.as_bytes()).into();
    let push = Push { scope: [0; 16].into(), document, epoch: 0, changes };
    let mut request = Request {
        protocol: PROTOCOL,
        encoder: ENCODER,
        device: [1; 16].into(),
        sent_at_ms: NOW.ms(),
        scopes: vec![],
        budget: None,
        new_actors: vec![],
        pushes: vec![push],
        receipts: vec![],
    };
    let refused = Request::from_bytes(&request.to_bytes());
    assert_eq!(refused, Err(MessageError::TooMany("changes", MOST_CHANGES)));
    request.pushes[0].changes.resize(1_000_000, Vec::new().into());
    assert!(Request::from_bytes(&request.to_bytes()).is_err());
    request.pushes[0].changes.truncate(MOST_CHANGES);
    assert!(Request::from_bytes(&request.to_bytes()).is_ok());
}

#[test]
fn what_is_accepted_of_altered_facts_and_members_has_one_encoding() {
    let seed = 0x5deece66d;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let one = visit(1, NOW);
    let attributes = Fields::new().with("purpose", "送餐").with("basis", "consent").with("sensitivity", 1);
    let seeds = [fact::encode(&one, &visits()), member::encode(EditId::from_bytes([4; 16]), &attributes)];
    let mut accepted = 0;
    for _ in 0..100_000 {
        let mut bytes = random.pick(&seeds).clone();
        for _ in 0..1 + random.below(2) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes.insert(at, random.below(256) as u8),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(read) = fact::decode_foreign(one.id, &bytes, &visits()) {
            accepted += 1;
            assert_eq!(fact::encode(&read, &visits()), bytes);
        }
        if let Ok(read) = member::decode(&bytes) {
            accepted += 1;
            let fields = read.attributes.0.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
            assert_eq!(member::encode(read.affirmed_by, &Fields(fields)), bytes);
        }
    }
    println!("{accepted} were accepted");
    assert!(accepted > 1_000);
}

#[test]
fn a_visit_at_the_end_of_time_reads_as_it_is_written_or_not_at_all() {
    // Minus one is 0x20 in CBOR.
    for (started_at, lasted_ms) in [(i64::MAX, 1), (i64::MIN, 0x20), (i64::MAX - 5, 6)] {
        let mut fact = visit(1, NOW);
        if let FactBody::Visit(visit) = &mut fact.body {
            visit.started_at = gridwork_domain::instant::Instant::from_ms(started_at);
            visit.ended_at = visit.started_at;
        }
        let mut bytes = fact::encode(&fact, &visits());
        let lasted = bytes.windows(3).position(|bytes| bytes == [3, 0, 4]).expect("it lasted 0 ms");
        bytes[lasted + 1] = lasted_ms;
        assert!(fact::decode_foreign(fact.id, &bytes, &visits()).is_err(), "{started_at} and {lasted_ms}");
        assert!(fact::decode(fact.id, &bytes, &visits()).is_err());
    }
}
