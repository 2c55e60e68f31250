//! A device that is enrolled and hostile: what it makes up is kept aside with a code, what is honest is merged, and
//! everything in the registry loads afterwards.

use crate::device::{Device, new_actor, push_of, random};
use crate::people::{enrol, visit_at};
use crate::program;
use crate::rest::Session;
use crate::town::{GRID, LI, NEXT_GRID, Town, WANG, ZHAO, ZHOU, now};
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId as LibraryActor, Automerge, Change, ExpandedChange, ObjType, ScalarValue};
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_sync::change::{Base, Head, RawChange, record_fact};
use gridwork_sync::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use gridwork_sync::genesis::{self, GENESIS_ACTOR};
use gridwork_sync::message::{Outcome, Push, Request};
use std::num::NonZeroU64;

pub(crate) fn visits_of(household: HouseholdId, at: Instant) -> DocumentKey {
    DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into()
}

pub(crate) fn fact_of(household: HouseholdId, id: FactId, note: &str, at: Instant) -> Fact {
    Fact { id, household, body: FactBody::Visit(visit_at(at, note)) }
}

fn base_of(actor: ActorId) -> Base {
    Base { actor, heads: Vec::new(), previous: None }
}

/// A first change of an actor with these operations, right in everything else.
pub(crate) fn change_of(actor: ActorId, document: Option<&Automerge>, operations: Vec<Op>) -> Change {
    let heads = document.map(Automerge::get_heads).unwrap_or_default();
    let base = document.map_or_else(|| base_of(actor), |document| Base::current(document, actor));
    let largest_op = base.heads.iter().map(|head| head.largest_op).max().unwrap_or(0);
    Change::from(ExpandedChange {
        operations,
        actor_id: LibraryActor::from(actor.0.as_slice()),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::new(largest_op + 1).expect("from 1"),
        time: now().ms(),
        message: None,
        deps: heads,
        extra_bytes: Vec::new(),
        author: None,
    })
}

fn at_root(key: &str, action: OpType) -> Op {
    Op { action, obj: ObjectId::Root, key: Key::Map(key.into()), pred: SortedVec::new(), insert: false }
}

/// A change that a hostile device makes, and the word with which it is kept aside.
struct Made {
    code: &'static str,
    actor: Option<ActorId>,
    push: Push,
}

/// Hostile changes of documents of facts.
fn of_visits(household: HouseholdId, own: &RawChange, known: FactId, victim: ActorId) -> Vec<Made> {
    let at = now();
    let key = visits_of(household, at);
    let fact = || fact_of(household, FactId::new(at, random()), "伪造", at);
    let good = |actor: ActorId| record_fact(&base_of(actor), &key, &fact(), at).bytes;
    let made = |code, actor, key, bytes: Vec<u8>| Made { code, actor, push: push_of(GRID.scope(), key, &[&bytes]) };
    let mut all = Vec::new();
    let mut flipped = good(new_actor());
    *flipped.last_mut().expect("bytes") ^= 1;
    all.push(made("checksum", None, key, flipped));
    all.push(made("not-a-chunk", None, key, vec![7; 100]));
    all.push(made("truncated", None, key, Vec::new()));
    all.push(made("too-large", None, key, vec![0; 9_000]));
    let whole = genesis::begin(&SCHEMA_1, &DocumentId::household(household).into()).save_nocompress();
    all.push(made("chunk-type", None, key, whole));
    all.push(made("genesis-actor", None, key, good(GENESIS_ACTOR)));
    all.push(made("actor-not-owned", None, key, good(new_actor())));
    all.push(made("actor-not-owned", Some(victim), key, good(victim)));

    let mut with_new_actor = |code, make: &dyn Fn(ActorId) -> (DocumentKey, Vec<u8>)| {
        let actor = new_actor();
        let (key, bytes) = make(actor);
        all.push(made(code, Some(actor), key, bytes));
    };
    let other = DocumentId::visits(HouseholdId::from_bytes([9; 16]), key.id.year()).into();
    with_new_actor("fact", &|actor| (key, record_fact(&base_of(actor), &other, &fact(), at).bytes));
    let long_ago = Instant::from_ms(631_152_000_000); // 1990
    with_new_actor("year", &|actor| {
        let (key, old) =
            (visits_of(household, long_ago), fact_of(household, FactId::new(at, random()), "旧", long_ago));
        (key, record_fact(&base_of(actor), &key, &old, long_ago).bytes)
    });
    with_new_actor("fact-forged", &|actor| {
        (key, record_fact(&base_of(actor), &key, &fact_of(household, known, "改写", at), at).bytes)
    });
    with_new_actor("start-op", &|actor| {
        let head = Head { hash: own.hash, largest_op: own.largest_op + 7 };
        (key, record_fact(&Base { actor, heads: vec![head], previous: None }, &key, &fact(), at).bytes)
    });
    let id = || FactId::new(at, random()).to_string();
    with_new_actor("operation", &|actor| {
        let text = at_root(&id(), OpType::Put(ScalarValue::Str("text".into())));
        (key, change_of(actor, None, vec![text]).raw_bytes().to_vec())
    });
    with_new_actor("operation", &|actor| {
        (key, change_of(actor, None, vec![at_root(&id(), OpType::Make(ObjType::Map))]).raw_bytes().to_vec())
    });
    with_new_actor("key", &|actor| {
        let bytes = at_root("no-id", OpType::Put(ScalarValue::Bytes(vec![1, 2, 3])));
        (key, change_of(actor, None, vec![bytes]).raw_bytes().to_vec())
    });
    with_new_actor("fact", &|actor| {
        let nested = [vec![0x81; 3_000], vec![0]].concat();
        (
            key,
            change_of(actor, None, vec![at_root(&id(), OpType::Put(ScalarValue::Bytes(nested)))]).raw_bytes().to_vec(),
        )
    });
    with_new_actor("epoch", &|actor| (DocumentKey { epoch: 3, ..key }, good(actor)));
    all.push(made("sequence-used", None, key, record_fact(&base_of(own.actor), &key, &fact(), at).bytes));
    all
}

/// Sets a field of the household itself.
pub(crate) fn field_of_household(name: &str, value: ScalarValue) -> Op {
    Op {
        action: OpType::Put(value),
        obj: ObjectId::Id(OpId(3, GENESIS_ACTOR.into())),
        key: Key::Map(name.into()),
        pred: SortedVec::new(),
        insert: false,
    }
}

/// Hostile changes of the document of a household.
fn of_household(household: HouseholdId) -> Vec<Made> {
    let key: DocumentKey = DocumentId::household(household).into();
    let document = genesis::begin(&SCHEMA_1, &key);
    let field = field_of_household;
    let text = |text: &str| ScalarValue::Str(text.into());
    let nowhere = ObjectId::Id(OpId(99, GENESIS_ACTOR.into()));
    let cases = [
        ("object", vec![at_root("household", OpType::Make(ObjType::Map))]),
        ("object", vec![Op { obj: nowhere, ..field("remark", text("x")) }]),
        ("key", vec![field("score", text("99"))]),
        ("value", vec![field("contact_phone", text("not a number"))]),
        ("value", vec![field("contact_phone", ScalarValue::Int(110))]),
        ("value", vec![field("remark", ScalarValue::counter(1))]),
        ("operation", vec![Op { action: OpType::Delete, ..field("remark", ScalarValue::Null) }]),
        ("operation", vec![Op { action: OpType::Make(ObjType::Text), ..field("remark", ScalarValue::Null) }]),
    ];
    let made = cases.into_iter().map(|(code, operations)| {
        let actor = new_actor();
        let bytes = change_of(actor, Some(&document), operations).raw_bytes().to_vec();
        Made { code, actor: Some(actor), push: push_of(GRID.scope(), key, &[&bytes]) }
    });
    let mut all: Vec<_> = made.collect();
    let actor = new_actor();
    let bytes = change_of(actor, None, vec![field("remark", text("x"))]).raw_bytes().to_vec();
    all.push(Made { code: "no-dependency", actor: Some(actor), push: push_of(GRID.scope(), key, &[&bytes]) });
    all
}

#[test]
fn hostile_changes_are_kept_aside_with_a_code_while_an_honest_one_beside_them_is_merged() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let far = {
        let mut wang = enrol(&town, &server, &WANG, "wang");
        let far = crate::people::register_household(&mut wang, "建设街1号");
        crate::people::sync(&mut wang);
        far
    };
    let device = Device::enrol(&server, &LI);
    let authors = device.pull(&server, GRID.scope()).authors;
    let victim = ActorId(*authors.first().expect("somebody registered the household").actor);

    let (actor, at) = (new_actor(), now());
    let (visits, known) = (visits_of(household, at), FactId::new(at, random()));
    let honest = record_fact(&base_of(actor), &visits, &fact_of(household, known, "例行走访", at), at);
    let mut made = of_visits(household, &honest, known, victim);
    made.extend(of_household(household));
    let far_visits = visits_of(far, at);
    for (scope, code) in [(GRID.scope(), "wrong-home"), (NEXT_GRID.scope(), "not-entitled")] {
        let (intruder, fact) = (new_actor(), fact_of(far, FactId::new(at, random()), "不速之客", at));
        let intrusion = record_fact(&base_of(intruder), &far_visits, &fact, at);
        made.push(Made { code, actor: Some(intruder), push: push_of(scope, far_visits, &[&intrusion.bytes]) });
    }
    // One that waits for what never comes, which is no crime.
    let waiting = new_actor();
    let head = Head { hash: ChangeHash(random()), largest_op: 1 };
    let base = Base { actor: waiting, heads: vec![head], previous: None };
    let patient = record_fact(&base, &visits, &fact_of(household, FactId::new(at, random()), "x", at), at);

    let push = |bytes: &[u8]| push_of(GRID.scope(), visits, &[bytes]);
    let mut pushes = vec![push(&honest.bytes), push(&patient.bytes)];
    pushes.extend(made.iter().map(|one| one.push.clone()));
    let actors: Vec<_> = [actor, waiting].into_iter().chain(made.iter().filter_map(|one| one.actor)).collect();
    let new_actors = actors.iter().map(|actor| actor.0.into()).collect();
    let message = Request { new_actors, pushes, ..device.message() };
    let verdicts = device.exchange(&server, &message).verdicts;
    assert_eq!(verdicts.len(), 2 + made.len());
    assert_eq!((verdicts[0].outcome, verdicts[1].outcome), (Outcome::Merged, Outcome::Held));
    let told = |verdicts: &[gridwork_sync::message::ChangeVerdict]| -> Vec<(Outcome, String)> {
        verdicts[2..].iter().map(|one| (one.outcome, one.code.clone().unwrap_or_default())).collect()
    };
    let expected: Vec<_> = made.iter().map(|one| (Outcome::Quarantined, one.code.to_owned())).collect();
    assert_eq!(told(&verdicts), expected);

    // Whoever did not hear the answer asks again and hears the same.
    let again = device.exchange(&server, &message).verdicts;
    assert_eq!((again[0].outcome, again[1].outcome), (Outcome::Known, Outcome::Held));
    assert_eq!(told(&again), expected);

    assert_eq!(zhou.notes(household), ["例行走访"]);
    let third = enrol(&town, &server, &ZHAO, "third");
    assert_eq!(third.visits(household).len(), 1);
    assert!(third.status().damaged.is_empty());
    server.end();
    let folder = town.data_folder();
    let verified = program::about(&folder, &["verify", "--json"]).output();
    program::Said::of(verified.expect("the binary runs")).well();
}
