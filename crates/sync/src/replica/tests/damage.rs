//! What comes broken, and how the phone gets over it.

use super::*;
use crate::answer::FeedRow;
use crate::message::{Entry, LARGEST_ANSWER};

/// A server with two households, and a phone that has neither.
fn server() -> (Server, Phone, Phone) {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    for number in [1, 2] {
        one.act(home(number), register("长江路三十六号"));
        let action = visit(&mut one);
        one.act(home(number), action);
    }
    one.sync(&mut server);
    let two = Phone::enrol(&mut server, 2, &SCHEMA_1);
    (server, one, two)
}

/// Syncs while every answer passes through `spoil`; returns the requests that it took.
fn sync_spoilt(phone: &mut Phone, server: &mut Server, mut spoil: impl FnMut(&mut Vec<Entry>)) -> usize {
    let before = server.requests;
    let mut effects = phone.handle(Event::Sync { pull: true });
    while let Some(Effect::Send(request)) = effects.pop() {
        let mut answer = server.exchange(&request);
        answer.scopes.iter_mut().for_each(|scope| spoil(&mut scope.entries));
        effects = phone.handle(answered(answer));
        assert!(server.requests - before < 20, "it does not loop");
    }
    server.requests - before
}

fn of_household(entry: &Entry, number: u8) -> bool {
    entry.key().expect("a document") == key(home(number))
}

#[test]
fn a_document_that_is_not_the_one_announced_is_fetched_again_and_others_go_on() {
    let (mut server, one, mut two) = server();
    let mut first = true;
    let requests = sync_spoilt(&mut two, &mut server, |entries| {
        for entry in entries.iter_mut().filter(|entry| first && of_household(entry, 1)) {
            let snapshot = entry.snapshot.as_mut().expect("a snapshot");
            snapshot.bytes[40] ^= 1;
        }
        first = false;
    });
    assert_eq!(requests, 2);
    assert!(two.replica.status().damaged.is_empty());
    assert_eq!(one.all(&[home(1), home(2)]), two.all(&[home(1), home(2)]));
}

#[test]
fn a_document_that_always_comes_broken_is_marked_and_does_not_loop() {
    let (mut server, one, mut two) = server();
    let spoil = |entries: &mut Vec<Entry>| {
        for entry in entries.iter_mut().filter(|entry| of_household(entry, 1)) {
            let snapshot = entry.snapshot.as_mut().expect("a snapshot");
            snapshot.bytes[40] ^= 1;
        }
    };
    assert_eq!(sync_spoilt(&mut two, &mut server, spoil), 2, "once more, then never again today");
    assert_eq!(two.replica.status().damaged, [key(home(1)).id]);
    assert_eq!(two.replica.household(home(1)), None);
    assert_eq!(one.all(&[home(2)]), two.all(&[home(2)]));
    assert_eq!(two.replica.visits(home(1)).len(), 1, "its visits are a document of their own");
    assert_eq!(sync_spoilt(&mut two, &mut server, spoil), 1);
}

#[test]
fn a_change_that_comes_without_what_it_depends_on_makes_the_phone_fetch_whole_documents() {
    let (mut server, mut one, mut two) = server();
    two.sync(&mut server);
    one.act(home(1), correct("remark", "一"));
    one.act(home(1), correct("remark", "二"));
    one.sync(&mut server);
    two.act(home(1), correct("contact_phone", "13822222222"));
    let mut first = true;
    sync_spoilt(&mut two, &mut server, |entries| {
        if std::mem::take(&mut first) {
            entries.remove(0);
        }
    });
    assert!(two.replica.status().damaged.is_empty());
    assert!(two.outbox().is_empty());
    one.sync(&mut server);
    assert_eq!(one.all(&[home(1), home(2)]), two.all(&[home(1), home(2)]));
    assert_eq!(two.text(home(1), &RecordPath::household(), "remark").as_deref(), Some("二"));
    assert_eq!(two.text(home(1), &RecordPath::household(), "contact_phone").as_deref(), Some("13822222222"));
}

#[test]
fn a_saved_document_that_rotted_is_replaced_and_own_unsent_work_is_kept() {
    let (mut server, _, mut two) = server();
    two.sync(&mut server);
    let action = visit(&mut two);
    two.act(home(1), action);
    two.act(home(1), correct("contact_phone", "13822222222"));
    for row in &mut two.disk {
        if let Row::Document(document, kept) = row
            && document.id.subject() == home(1)
        {
            kept.bytes = kept.bytes.iter().map(|byte| byte ^ 0x55).collect();
        }
    }
    two.restart();
    assert_eq!(two.replica.household(home(1)), None);
    let edit = two.edit(home(1), correct("remark", "一"));
    assert!(matches!(two.record(&edit, None), Err(NotSaved::Damaged(_))));
    // Nothing new is pushed by others, so only an answer that touches the documents reveals it.
    let mut one = Phone::enrol(&mut server, 3, &SCHEMA_1);
    one.sync(&mut server);
    one.act(home(1), correct("remark", "别人"));
    let action = visit(&mut one);
    one.act(home(1), action);
    one.sync(&mut server);
    two.sync(&mut server);
    one.sync(&mut server);
    assert!(two.replica.status().damaged.is_empty());
    assert_eq!(one.all(&[home(1), home(2)]), two.all(&[home(1), home(2)]));
    assert_eq!(one.replica.visits(home(1)).len(), 3);
}

#[test]
fn no_spoilt_answer_panics_or_stops_the_phone() {
    let (mut server, one, _) = server();
    let template = Phone::enrol(&mut server, 2, &SCHEMA_1);
    let mut random = Random(0xdada);
    for case in 0..300 {
        let mut two =
            Phone { random: Random(case + 1), disk: template.disk.clone(), ..Phone::enrol(&mut server, 2, &SCHEMA_1) };
        two.restart();
        sync_spoilt(&mut two, &mut server, |entries| {
            for entry in entries {
                let bytes = match (&mut entry.snapshot, &mut entry.change) {
                    (Some(snapshot), _) => &mut snapshot.bytes,
                    (_, Some(change)) => change,
                    _ => unreachable!("an entry has one"),
                };
                if random.one_in(3) {
                    let position = random.below(bytes.len());
                    bytes[position] ^= 1 << random.below(8);
                }
                if let (Some(snapshot), true) = (&mut entry.snapshot, random.one_in(2)) {
                    use sha2::{Digest, Sha256};
                    let hash: [u8; 32] = Sha256::digest(&**snapshot.bytes).into();
                    snapshot.hash = hash.into();
                }
            }
        });
        two.clock = two.clock.plus_ms(2 * 86_400_000);
        two.sync(&mut server);
        let action = visit(&mut two);
        let edit = two.edit(home(3), action);
        two.record(&edit, None).expect("others go on");
    }
    assert!(one.outbox().is_empty());
    const { assert!(LARGEST_ANSWER > crate::guard::LARGEST_DOCUMENT) };
}

#[test]
fn a_change_that_would_make_the_document_unreadable_is_left_out_and_the_document_stays() {
    let (mut server, _, mut two) = server();
    two.sync(&mut server);
    let before = two.all(&[home(1)]);
    let document = server.registry.load(&key(home(1)));
    let base = crate::change::Base::current(&document, ActorId([9; 16]));
    let mut forged = automerge::ExpandedChange {
        operations: vec![automerge::legacy::Op {
            action: automerge::legacy::OpType::Delete,
            obj: automerge::legacy::ObjectId::Root,
            key: automerge::legacy::Key::Map("nothing.there".into()),
            pred: Vec::new().into(),
            insert: false,
        }],
        actor_id: ActorId([9; 16]).into(),
        hash: None,
        seq: 1,
        start_op: std::num::NonZeroU64::MIN,
        time: 0,
        message: None,
        deps: document.get_heads(),
        extra_bytes: Vec::new(),
        author: None,
    };
    let largest = base.heads.iter().map(|head| head.largest_op).max().unwrap_or(0);
    forged.start_op = forged.start_op.saturating_add(largest);
    let forged = automerge::Change::from(forged).raw_bytes().to_vec();
    let row = server.registry.feeds.values_mut().next().expect("a feed");
    let last = row.last().cloned().expect("a row");
    let hash = ChangeHash(automerge::Change::from_bytes(forged.clone()).expect("a change").hash().0);
    row.push(FeedRow { position: last.position + 1, key: key(home(1)), hash, actor: ActorId([9; 16]), bytes: forged });
    assert_eq!(two.sync(&mut server).damaged, 1);
    two.restart();
    assert_eq!(two.all(&[home(1)]), before, "it is shown as it was");
}
