//! What a phone gets when it asks again and again: everything once, page by page, and never half of something.

use super::{Asked, InstanceId, answer};
use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use crate::genesis::begin;
use crate::message::{Answer, PROTOCOL, ScopeRequest};
use crate::reading::{read_facts, read_household};
use crate::testing::{Device, GRID, NOW, Random, Registry, SCHEMA_2, apply_bytes, visit};
use automerge::Automerge;
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{HouseholdId, ResidentId, ScopeId};
use gridwork_domain::schema::{SCHEMA_1, Schema};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const SMALL: usize = 16 * 1024;
/// Header of the answer: versions, time, and the brackets of its lists.
const HEADER_BYTES: usize = 32;

/// Phone that only reads.
struct Phone {
    schema: &'static Schema,
    cursors: BTreeMap<ScopeId, Vec<u8>>,
    documents: BTreeMap<DocumentKey, Automerge>,
    changes: Vec<(DocumentKey, ChangeHash)>,
    snapshots: Vec<DocumentKey>,
    authors: BTreeSet<[u8; 16]>,
}

impl Phone {
    fn new() -> Self {
        let (cursors, documents) = (BTreeMap::new(), BTreeMap::new());
        let (changes, snapshots, authors) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { schema: &SCHEMA_1, cursors, documents, changes, snapshots, authors }
    }

    /// One exchange; returns whether there is more. Everything in it must apply by itself.
    fn ask(
        &mut self,
        registry: &Registry,
        budget: usize,
        scopes: &[ScopeId],
        pushed: &BTreeSet<(DocumentKey, ChangeHash)>,
    ) -> bool {
        let requests: Vec<ScopeRequest> = scopes
            .iter()
            .map(|scope| ScopeRequest {
                scope: (*scope.as_bytes()).into(),
                cursor: self.cursors.get(scope).map(|cursor| cursor.clone().into()),
            })
            .collect();
        let Ok((news, authors)) = answer(registry, &Asked { scopes: &requests, budget, pushed });
        let message = Answer {
            protocol: PROTOCOL,
            server_time_ms: NOW.ms(),
            verdicts: vec![],
            scopes: news.clone(),
            authors: authors.clone(),
            receipt: None,
        };
        let length = message.to_bytes().len();
        let entries: usize = news.iter().map(|scope| scope.entries.len()).sum();
        assert!(length <= budget + HEADER_BYTES, "{length} bytes in {entries} entries for {budget}");
        self.authors.extend(authors.iter().map(|author| *author.actor));
        let mut more = false;
        for scope in news {
            more |= scope.more;
            self.cursors.insert(ScopeId::from_bytes(*scope.scope), scope.cursor.to_vec());
            for entry in scope.entries {
                let key = entry.key().expect("a document");
                match (entry.change, entry.snapshot) {
                    (Some(bytes), None) => {
                        let hash = automerge::Change::from_bytes(bytes.to_vec()).expect("a change").hash();
                        self.changes.push((key, hash.into()));
                        let schema = self.schema;
                        let document = self.documents.entry(key).or_insert_with(|| begin(schema, &key));
                        apply_bytes(document, &bytes);
                    }
                    (None, Some(snapshot)) => {
                        assert_eq!(*snapshot.hash, <[u8; 32]>::from(Sha256::digest(&snapshot.bytes[..])));
                        self.snapshots.push(key);
                        self.documents.insert(key, Automerge::load(&snapshot.bytes).expect("it loads"));
                    }
                    both => panic!("exactly one of both: {both:?}"),
                }
            }
        }
        more
    }

    /// Asks until there is no more; returns how many answers it took.
    fn drain(&mut self, registry: &Registry, budget: usize) -> usize {
        let mut answers = 1;
        while self.ask(registry, budget, &[GRID], &BTreeSet::new()) {
            answers += 1;
            assert!(answers < 10_000, "it never ends");
        }
        answers
    }

    fn assert_holds_all_of(&self, registry: &Registry) {
        assert!(self.documents.keys().eq(registry.documents.keys()));
        for (key, document) in &self.documents {
            let heads: BTreeSet<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
            assert_eq!(heads, registry.documents[key].heads, "{}", key.id);
            for change in &registry.documents[key].log {
                let known = self.authors.contains(&change.actor.0) || change.actor == crate::genesis::GENESIS_ACTOR;
                assert!(known, "nobody is named for {}", change.actor);
            }
        }
    }

    fn assert_nothing_came_twice(&self) {
        let (changes, snapshots): (BTreeSet<_>, BTreeSet<_>) =
            (self.changes.iter().collect(), self.snapshots.iter().collect());
        assert_eq!(changes.len(), self.changes.len());
        assert_eq!(snapshots.len(), self.snapshots.len());
        assert!(self.changes.iter().all(|(key, _)| !snapshots.contains(key)), "a snapshot holds its changes");
    }
}

fn home(number: u8) -> HouseholdId {
    HouseholdId::from_bytes([number; 16])
}

fn household(number: u8) -> DocumentKey {
    DocumentId::household(home(number)).into()
}

fn register(device: &mut Device, number: u8) {
    let name = Fields::new().with("name", "王小明").with("phone", "13812345678");
    let resident = RecordPath::resident(ResidentId::from_bytes([number; 16]));
    let status = Write::Put(RecordPath::household(), Fields::new().with("status", "living"));
    device.write(household(number), &[status, Write::Make(resident, name)]).expect("a change");
}

fn remark(device: &mut Device, number: u8, text: &str) {
    let put = Write::Put(RecordPath::household(), Fields::new().with("remark", text));
    device.write(household(number), &[put]).expect("a change");
}

fn visit_of(device: &mut Device, number: u8, fact: u64) {
    let mut fact = visit(u64::from(number) * 1_000 + fact, NOW);
    fact.household = home(number);
    device.record(DocumentId::visits(home(number), 2026).into(), &fact);
}

/// A grid of some households with three visits each.
fn grid(households: u8) -> (Registry, Device) {
    let mut registry = Registry::new(&SCHEMA_1);
    let mut device = Device::enrol(&mut registry, 250, GRID, &SCHEMA_1);
    for number in 1..=households {
        register(&mut device, number);
        (0..3).for_each(|fact| visit_of(&mut device, number, fact));
    }
    device.push(&mut registry);
    (registry, device)
}

#[test]
fn a_cold_start_comes_in_pages_within_the_budget_and_then_there_is_nothing_more() {
    let (registry, _) = grid(60);
    let mut phone = Phone::new();
    let answers = phone.drain(&registry, SMALL);
    println!("{answers} answers");
    assert!(answers > 3);
    phone.assert_holds_all_of(&registry);
    phone.assert_nothing_came_twice();
    assert_eq!((phone.snapshots.len(), phone.changes.len()), (120, 0));
    // Nothing new: no scope, no author.
    let scopes = [ScopeRequest { scope: (*GRID.as_bytes()).into(), cursor: Some(phone.cursors[&GRID].clone().into()) }];
    let Ok(quiet) = answer(&registry, &Asked { scopes: &scopes, budget: SMALL, pushed: &BTreeSet::new() });
    assert_eq!(quiet, (vec![], vec![]));
}

#[test]
fn what_comes_in_during_and_after_a_cold_start_follows() {
    let (mut registry, mut device) = grid(60);
    let mut phone = Phone::new();
    assert!(phone.ask(&registry, SMALL, &[GRID], &BTreeSet::new()));
    // Into a document that was sent, one that was not, and a new one on either side of where it stands.
    for number in [1, 60] {
        remark(&mut device, number, "门朝南");
    }
    for number in [0, 200] {
        register(&mut device, number);
    }
    device.push(&mut registry);
    phone.drain(&registry, SMALL);
    phone.assert_holds_all_of(&registry);
    phone.snapshots.clear();
    phone.changes.clear();
    remark(&mut device, 60, "门朝北");
    visit_of(&mut device, 7, 90);
    device.push(&mut registry);
    assert_eq!(phone.drain(&registry, SMALL), 1);
    assert_eq!((phone.snapshots.len(), phone.changes.len()), (0, 2), "the tail and nothing else");
    phone.assert_holds_all_of(&registry);
}

#[test]
fn a_long_tail_comes_in_pages_too_and_everything_exactly_once() {
    let (mut registry, mut device) = grid(3);
    let mut phone = Phone::new();
    phone.drain(&registry, SMALL);
    for fact in 10..400 {
        visit_of(&mut device, 1 + (fact % 3) as u8, fact);
    }
    device.push(&mut registry);
    phone.snapshots.clear();
    let answers = phone.drain(&registry, SMALL);
    assert!(answers > 5, "{answers}");
    assert_eq!(phone.changes.len(), 390);
    phone.assert_holds_all_of(&registry);
    phone.assert_nothing_came_twice();
}

#[test]
fn what_a_phone_has_just_pushed_is_not_sent_back() {
    let (mut registry, mut device) = grid(2);
    let mut phone = Phone::new();
    phone.drain(&registry, SMALL);
    phone.snapshots.clear();
    visit_of(&mut device, 1, 50);
    visit_of(&mut device, 2, 51);
    let own: BTreeSet<_> = device.outbox.iter().take(1).map(|(key, change)| (*key, change.hash)).collect();
    let other = (device.outbox[1].0, device.outbox[1].1.hash);
    device.push(&mut registry);
    assert!(!phone.ask(&registry, SMALL, &[GRID], &own));
    assert_eq!(phone.changes, [other]);
    // Passed over for good.
    assert!(!phone.ask(&registry, SMALL, &[GRID], &BTreeSet::new()));
    assert_eq!(phone.changes.len(), 1);
}

#[test]
fn a_cursor_that_means_nothing_here_begins_again() {
    let (mut registry, mut device) = grid(4);
    let mut phone = Phone::new();
    phone.drain(&registry, SMALL);
    let good = phone.cursors[&GRID].clone();
    let mut of_another_instance = good.clone();
    of_another_instance[0] ^= 1;
    let mut from_the_future = good.clone();
    from_the_future[15] += 1;
    let mut of_no_document = good.clone();
    of_no_document.extend([0; 4 + 19 + 4]);
    let cases = [
        ("another instance", of_another_instance),
        ("the future", from_the_future),
        ("the end of time", [&good[..8], &[0xff; 8]].concat()),
        ("nothing", vec![]),
        ("half", good[..9].to_vec()),
        ("more than there is", [&good[..], &[1]].concat()),
        ("no document", of_no_document),
        ("too much of everything", [&good[..], &[7; 48]].concat()),
    ];
    for (name, cursor) in cases {
        let mut phone = Phone::new();
        phone.cursors.insert(GRID, cursor);
        phone.drain(&registry, SMALL);
        phone.assert_holds_all_of(&registry);
        assert_eq!(phone.snapshots.len(), 8, "{name}");
        assert_eq!(phone.cursors[&GRID], good, "{name}");
    }
    // Before the floor of the log.
    let mut behind = Phone::new();
    behind.cursors.insert(GRID, [&good[..8], &[0; 7], &[3]].concat());
    registry.floors.insert(GRID, 4);
    behind.drain(&registry, SMALL);
    behind.assert_holds_all_of(&registry);
    assert_eq!(behind.snapshots.len(), 8);
    // A restored backup is another instance: the same cursor no longer counts.
    registry.instance = InstanceId([8; 8]);
    visit_of(&mut device, 1, 77);
    device.push(&mut registry);
    let mut after = Phone::new();
    after.cursors.insert(GRID, good);
    after.drain(&registry, SMALL);
    after.assert_holds_all_of(&registry);
}

/// Remarks that no compression and no snapshot makes small.
fn long_remark(random: &mut Random) -> String {
    (0..300).map(|_| char::from_u32(0x4e00 + random.below(20_000) as u32).expect("a character")).collect()
}

#[test]
fn a_document_over_the_budget_travels_as_its_changes() {
    let (mut registry, mut device) = grid(3);
    let mut random = Random(0x51ed_270b);
    for _ in 0..60 {
        remark(&mut device, 2, &long_remark(&mut random));
    }
    device.push(&mut registry);
    let mut phone = Phone::new();
    let answers = phone.drain(&registry, SMALL);
    assert!(answers > 3, "{answers}");
    phone.assert_holds_all_of(&registry);
    phone.assert_nothing_came_twice();
    assert_eq!((phone.snapshots.len(), phone.changes.len()), (5, 61));
    assert!(phone.changes.iter().all(|(key, _)| *key == household(2)));
    // With room enough it is one snapshot.
    let mut roomy = Phone::new();
    assert_eq!(roomy.drain(&registry, 256 * 1024), 1);
    assert_eq!((roomy.snapshots.len(), roomy.changes.len()), (6, 0));
}

#[test]
fn a_document_that_grows_while_it_travels_as_its_changes_arrives_whole() {
    let (mut registry, mut device) = grid(3);
    let mut random = Random(0x2545_f491);
    let opened = device.replica(household(2)).get_heads();
    for _ in 0..60 {
        remark(&mut device, 2, &long_remark(&mut random));
    }
    device.push(&mut registry);
    let mut phone = Phone::new();
    let mut number = 0;
    while phone.ask(&registry, SMALL, &[GRID], &BTreeSet::new()) {
        // Somebody with an old form writes beside all that was sent, and somebody else on top of that.
        number += 1;
        let actor = ActorId([number; 16]);
        registry.owners.insert(actor, device.staff);
        let stale = crate::change::Base::seen(device.replica(household(2)), actor, &opened).expect("it was read");
        let put = Write::Put(RecordPath::dwelling(), Fields::new().with("door", format!("{number}").as_str()));
        let change = device.draft(household(2), &stale, &[put]).expect("a change");
        device.keep(household(2), change);
        remark(&mut device, 2, &format!("第{number}次"));
        device.push(&mut registry);
        assert!(number < 100, "it never ends");
    }
    assert!(number > 3, "{number}");
    phone.assert_holds_all_of(&registry);
    let expected = read_household(&SCHEMA_1, &household(2), &registry.load(&household(2)));
    assert_eq!(read_household(&SCHEMA_1, &household(2), &phone.documents[&household(2)]), expected);
}

#[test]
fn many_authors_are_named_within_the_budget() {
    let (mut registry, mut device) = grid(1);
    let opened = device.replica(household(1)).get_heads();
    for number in 1..240 {
        let actor = ActorId([number; 16]);
        registry.owners.insert(actor, device.staff);
        let stale = crate::change::Base::seen(device.replica(household(1)), actor, &opened).expect("it was read");
        let put = Write::Put(RecordPath::dwelling(), Fields::new().with("door", format!("{number}").as_str()));
        let change = device.draft(household(1), &stale, &[put]);
        if let Ok(change) = change {
            device.keep(household(1), change);
        }
    }
    let mut tail = Phone::new();
    tail.drain(&registry, SMALL);
    device.push(&mut registry);
    for phone in [&mut tail, &mut Phone::new()] {
        phone.drain(&registry, SMALL);
        phone.assert_holds_all_of(&registry);
        let changes: BTreeSet<_> = phone.changes.iter().collect();
        assert_eq!(changes.len(), phone.changes.len());
    }
}

#[test]
fn two_scopes_share_one_budget_and_both_arrive() {
    let (mut registry, _) = grid(40);
    let second = ScopeId::from_bytes([0x33; 16]);
    let mut other = Device::enrol(&mut registry, 251, second, &SCHEMA_1);
    for number in 100..140 {
        register(&mut other, number);
    }
    other.push(&mut registry);
    let mut phone = Phone::new();
    let mut answers = 1;
    while phone.ask(&registry, SMALL, &[GRID, second], &BTreeSet::new()) {
        answers += 1;
        assert!(answers < 100, "it never ends");
    }
    phone.assert_holds_all_of(&registry);
    phone.assert_nothing_came_twice();
    assert_eq!(phone.cursors.len(), 2);
}

#[test]
fn an_old_phone_gets_the_genesis_of_a_later_schema_as_a_change() {
    let (mut registry, mut device) = grid(2);
    let mut phone = Phone::new();
    phone.drain(&registry, SMALL);
    registry.schema = &SCHEMA_2;
    remark(&mut device, 1, "门朝南");
    device.push(&mut registry);
    phone.drain(&registry, SMALL);
    assert_eq!(phone.changes.len(), 2, "the genesis change and the remark");
    phone.assert_holds_all_of(&registry);
    let reading = read_household(&SCHEMA_1, &household(1), &phone.documents[&household(1)]).expect("it reads");
    assert_eq!(reading.household.residents().count(), 1);
    let facts = DocumentId::visits(home(1), 2026).into();
    assert_eq!(read_facts(&phone.documents[&facts]).expect("it reads").len(), 3);
}
