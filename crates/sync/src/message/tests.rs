//! Messages that are read, and those that are refused.

use super::*;

fn quiet() -> Request {
    Request {
        protocol: PROTOCOL,
        encoder: ENCODER,
        device: [1; 16].into(),
        sent_at_ms: 1_790_000_000_000,
        scopes: vec![ScopeRequest { scope: [2; 16].into(), cursor: Some(vec![3; 13].into()) }],
        budget: None,
        new_actors: vec![],
        pushes: vec![],
        receipts: vec![],
    }
}

#[test]
fn asking_for_news_takes_less_than_100_bytes_each_way() {
    assert!(quiet().to_bytes().len() < 100, "{}", quiet().to_bytes().len());
    let nothing = Answer {
        protocol: PROTOCOL,
        server_time_ms: 1_790_000_000_000,
        verdicts: vec![],
        scopes: vec![],
        authors: vec![],
        receipt: None,
    };
    assert!(nothing.to_bytes().len() < 100);
    assert_eq!(Answer::from_bytes(&nothing.to_bytes()), Ok(nothing));
}

#[test]
fn a_request_of_another_protocol_is_told_to_update() {
    let other = Request { protocol: 2, ..quiet() };
    assert_eq!(Request::from_bytes(&other.to_bytes()), Err(MessageError::Version(2, ENCODER)));
}

#[test]
fn a_key_of_a_later_release_is_passed_over() {
    let mut bytes = quiet().to_bytes();
    assert_eq!(bytes[0], 0xa5);
    bytes[0] = 0xa6;
    bytes.extend([0x18, 0x40, 0x82, 0x01, 0xf6]); // 64: [1, null]
    assert_eq!(Request::from_bytes(&bytes), Ok(quiet()));
}

#[test]
fn what_is_too_much_or_no_document_is_refused() {
    let push = Push { scope: [0; 16].into(), document: [0; 19].into(), epoch: 0, changes: vec![] };
    let request = Request { pushes: vec![push], ..quiet() };
    assert_eq!(Request::from_bytes(&request.to_bytes()), Err(MessageError::Document));
    let push = Push {
        scope: [0; 16].into(),
        document: (*DocumentId::household(gridwork_domain::id::HouseholdId::from_bytes([1; 16])).as_bytes()).into(),
        epoch: 0,
        changes: vec![vec![].into(); MOST_CHANGES + 1],
    };
    let request = Request { pushes: vec![push], ..quiet() };
    assert_eq!(Request::from_bytes(&request.to_bytes()), Err(MessageError::TooMany("changes", MOST_CHANGES)));
    let new_actors = vec![[0; 16].into(); MOST_NEW_ACTORS + 1];
    let request = Request { new_actors, ..quiet() };
    assert_eq!(Request::from_bytes(&request.to_bytes()), Err(MessageError::TooMany("new actors", MOST_NEW_ACTORS)));
}

#[test]
fn truncated_and_flipped_requests_never_panic() {
    let bytes = quiet().to_bytes();
    for length in 0..bytes.len() {
        assert!(Request::from_bytes(&bytes[..length]).is_err());
    }
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << bit;
            let _ = Request::from_bytes(&flipped);
        }
    }
    // An array that claims 2^60 elements is refused where its bytes end.
    assert!(Request::from_bytes(&[0xa1, 0x04, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]).is_err());
}
