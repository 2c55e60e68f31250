//! Both sides make the same receipt; nothing that is not the registry's vouches for anything.

use super::*;
use crate::change::RawChange;
use crate::message::{ENCODER, Entry, PROTOCOL, Push, Snapshot};
use crate::testing::{Device, GRID, NOW, Random, Registry, household, visit, visits};
use gridwork_domain::schema::SCHEMA_1;

const STAFF: StaffId = StaffId::from_bytes([5; 16]);
const ACTOR: ActorId = ActorId([1; 16]);

/// Three changes of one document, each on the one before, and the document.
fn changes() -> (Vec<RawChange>, Vec<u8>) {
    let mut registry = Registry::new(&SCHEMA_1);
    let mut one = Device::enrol(&mut registry, 1, GRID, &SCHEMA_1);
    let changes = (1..4).map(|number| one.record(visits(), &visit(number, NOW))).collect();
    (changes, one.replica(visits()).save_nocompress())
}

fn news(entries: Vec<Entry>) -> Vec<ScopeAnswer> {
    vec![ScopeAnswer { scope: [2; 16].into(), cursor: vec![].into(), more: false, entries, anew: false }]
}

fn entry(change: Option<&RawChange>, snapshot: Option<&[u8]>) -> Entry {
    let snapshot = snapshot.map(|bytes| Snapshot { hash: [0; 32].into(), bytes: bytes.to_vec().into() });
    let change = change.map(|change| change.bytes.clone().into());
    Entry { document: (*visits().id.as_bytes()).into(), epoch: 0, change, snapshot }
}

fn receipt(entries: Vec<Entry>) -> Receipt {
    let receipt = Receipt::of(&news(entries), &[Author::new(ACTOR, STAFF, "李网格长")], [], STAFF);
    Receipt { code: [9; 32].into(), ..receipt.expect("it attests something") }
}

fn request(changes: &[RawChange], receipts: Vec<Receipt>) -> Request {
    let changes = changes.iter().map(|change| change.bytes.clone().into()).collect();
    let push = Push { scope: [2; 16].into(), document: (*visits().id.as_bytes()).into(), epoch: 0, changes };
    Request {
        protocol: PROTOCOL,
        encoder: ENCODER,
        device: [1; 16].into(),
        sent_at_ms: NOW.ms(),
        scopes: vec![],
        budget: None,
        new_actors: vec![],
        pushes: vec![push],
        receipts,
    }
}

#[test]
fn a_document_that_is_sent_whole_counts_by_its_heads_which_its_header_names() {
    let mut registry = Registry::new(&SCHEMA_1);
    let mut devices = [1, 2, 3].map(|number| Device::enrol(&mut registry, number, GRID, &SCHEMA_1));
    for (number, one) in devices.iter_mut().enumerate() {
        one.record(visits(), &visit(number as u64, NOW));
    }
    for number in [1, 2] {
        let (_, change) = devices[number].outbox[0].clone();
        crate::testing::apply_bytes(devices[0].replica(visits()), &change.bytes);
    }
    for key in [visits(), household()] {
        let document = devices[0].replica(key);
        let mut heads: Vec<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
        heads.sort_unstable();
        assert_eq!(heads.len(), if key == visits() { 3 } else { 1 });
        assert_eq!(heads_of_saved(&document.save_nocompress()), Some(heads));
    }
    let change = devices[0].record(visits(), &visit(9, NOW));
    assert_eq!(heads_of_saved(&change.bytes), None, "a change is no document");
    assert_eq!(hash_of(&change.bytes), change.hash);
}

#[test]
fn what_is_named_and_what_that_builds_on_in_the_same_request_is_vouched_for() {
    let (changes, saved) = changes();
    let place = |number: usize| (visits(), changes[number].hash);
    let all = |_: &[u8], _: &[u8; 32]| true;
    for whole in [false, true] {
        let named = if whole { entry(None, Some(&saved)) } else { entry(Some(&changes[2]), None) };
        let receipt = receipt(vec![named]);
        let vouched = attested(&request(&changes, vec![receipt.clone()]), all);
        assert_eq!(vouched, (0..3).map(|number| (place(number), (ACTOR, STAFF))).collect());
        // The one in between is not there: who knows on what the last one builds?
        let some = [changes[0].clone(), changes[2].clone()];
        let vouched = attested(&request(&some, vec![receipt.clone()]), all);
        assert_eq!(vouched.keys().collect::<Vec<_>>(), [&place(2)]);
        assert!(attested(&request(&changes[..2], vec![receipt.clone()]), all).is_empty());
        assert!(attested(&request(&changes, vec![receipt.clone()]), |_, _| false).is_empty(), "not this registry's");
        assert!(attested(&request(&changes, vec![]), all).is_empty());
        // What is vouched for in one document is not in another.
        let mut elsewhere = request(&changes, vec![receipt]);
        elsewhere.pushes[0].document = (*household().id.as_bytes()).into();
        assert!(attested(&elsewhere, all).is_empty());
    }
    let nobody = Receipt { authors: vec![].into(), ..receipt(vec![entry(Some(&changes[0]), None)]) };
    assert!(attested(&request(&changes, vec![nobody]), all).is_empty(), "nobody knows whose it is");
}

#[test]
fn no_two_receipts_have_the_same_attestation() {
    let (changes, _) = changes();
    let one = receipt(vec![entry(Some(&changes[0]), None)]);
    // The same bytes, cut elsewhere.
    let joined = [&one.changes[..], &one.authors[..]].concat();
    let cut = |at: usize| Receipt {
        changes: joined[..at].to_vec().into(),
        authors: joined[at..].to_vec().into(),
        ..one.clone()
    };
    let attestations: BTreeSet<_> = (0..=joined.len()).map(|at| cut(at).attestation()).collect();
    assert_eq!(attestations.len(), joined.len() + 1);
    let code = Receipt { code: [1; 32].into(), ..one.clone() };
    assert_eq!(code.attestation(), one.attestation(), "the code is not in what it is of");
}

#[test]
fn what_is_merged_and_what_is_sent_is_in_one_order_whichever_came_first() {
    let (changes, _) = changes();
    let pushed = |number: usize| (visits(), changes[number].hash, ACTOR);
    let of = |entries: Vec<Entry>, numbers: &[usize]| {
        let authors = [Author::new(ACTOR, STAFF, "李网格长")];
        Receipt::of(&news(entries), &authors, numbers.iter().map(|number| pushed(*number)), STAFF)
    };
    let entries = || vec![entry(Some(&changes[0]), None), entry(Some(&changes[1]), None)];
    assert_eq!(of(entries(), &[2, 1]), of(entries().into_iter().rev().collect(), &[1, 2]));
    assert_eq!(of(vec![], &[]), None, "nothing is attested by nothing");
    let receipt = of(entries(), &[2]).expect("a receipt");
    assert_eq!((receipt.changes().count(), receipt.authors().collect::<Vec<_>>()), (3, vec![(ACTOR, STAFF)]));
}

#[test]
fn receipts_beyond_the_limits_are_refused_and_none_is_made() {
    let (changes, _) = changes();
    let good = receipt(vec![entry(Some(&changes[0]), None)]);
    let with = |receipts: Vec<Receipt>| Request::from_bytes(&request(&changes, receipts).to_bytes());
    assert!(with(vec![good.clone(); MOST_RECEIPTS]).is_ok());
    let limit = crate::message::MessageError::TooMany("receipts", MOST_RECEIPTS);
    assert_eq!(with(vec![good.clone(); MOST_RECEIPTS + 1]), Err(limit));
    let bytes = |length: usize| vec![0; length].into();
    for (changes, authors) in [
        (bytes(CHANGE_BYTES + 1), bytes(0)),
        (bytes(0), bytes(AUTHOR_BYTES - 1)),
        (bytes(CHANGE_BYTES * (MOST_ATTESTED + 1)), bytes(0)),
        (bytes(0), bytes(AUTHOR_BYTES * (MOST_AUTHORS + 1))),
    ] {
        let bad = Receipt { changes, authors, ..good.clone() };
        assert_eq!(with(vec![bad]), Err(crate::message::MessageError::Receipt));
    }
    let hash = |number: usize| ChangeHash(Sha256::digest(number.to_be_bytes()).into());
    let of = |count| Receipt::of(&[], &[], (0..count).map(|number| (visits(), hash(number), ACTOR)), STAFF);
    assert!(of(MOST_ATTESTED).is_some_and(|receipt| receipt.is_well_formed()));
    assert_eq!(of(MOST_ATTESTED + 1), None);
}

#[test]
fn random_bytes_never_panic_and_vouch_for_nothing() {
    const SEED: u64 = 0x5eed_0015;
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let (changes, saved) = changes();
    let good = receipt(vec![entry(Some(&changes[2]), None)]);
    let honest = (good.attestation(), *good.code);
    let is_ours = |said: &[u8], code: &[u8; 32]| (said, code) == (honest.0.as_slice(), &honest.1);
    let message = request(&changes, vec![good.clone()]).to_bytes();
    let mut vouching = 0;
    for round in 0..20_000 {
        let mut bytes = message.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        if random.one_in(4) {
            bytes.truncate(random.below(bytes.len()));
        }
        if let Ok(request) = Request::from_bytes(&bytes) {
            let vouched = attested(&request, is_ours);
            let is_changed = request.receipts != [good.clone()];
            assert!(!is_changed || vouched.is_empty(), "round {round}");
            vouching += usize::from(!vouched.is_empty());
            // Whatever a receipt says, even one with a good code.
            attested(&request, |_, _| true);
        }
        let mut header = saved.clone();
        let at = random.below(64);
        header[at] = random.next() as u8;
        header.truncate(random.below(header.len()));
        heads_of_saved(&header);
    }
    assert!(vouching > 0, "some rounds leave the receipt alone");
}
