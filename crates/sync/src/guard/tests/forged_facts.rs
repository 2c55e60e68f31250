//! Steps 4 and 5 for facts: what is no fact of this document, and what pretends to be a known one.

use super::world::{Expected, World, first_fact, forge, make, op, put, shown};
use crate::document::{DocumentId, DocumentKey};
use crate::fact;
use crate::guard::Verdict;
use crate::testing::{HOME, NOW, fact_id, visit, visit_at, visits};
use automerge::legacy::{ObjectId, Op, OpType};
use automerge::{ObjType, ScalarValue};
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Fact, FactBody, Observation, Visit};

fn at_root(id: FactId, bytes: Vec<u8>) -> Op {
    put(ObjectId::Root, &id.to_string(), bytes)
}

fn encoded(body: FactBody) -> Vec<u8> {
    fact::encode(&Fact { id: fact_id(9), household: HOME, body }, &visits())
}

fn correction(corrects: FactId) -> FactBody {
    FactBody::Correction { corrects, reason: "记错了".into(), visit: visit_at(NOW) }
}

#[test]
fn bytes_that_are_no_fact_of_this_document_are_refused() {
    let mut world = World::new();
    let elsewhere = |key: DocumentKey| fact::encode(&visit(9, NOW), &key);
    let health = Observation { kind: "health".into(), value: "grave".into() };
    let sensitive = Visit { observations: vec![health], ..visit_at(NOW) };
    let backwards = Visit { ended_at: NOW.plus_ms(-1), ..visit_at(NOW) };
    let long = Visit { note: Some("长".repeat(2_001)), ..visit_at(NOW) };
    let end_of_time = Instant::from_ms(i64::MAX);
    let mut beyond =
        encoded(FactBody::Visit(Visit { note: None, started_at: end_of_time, ended_at: end_of_time, ..visit_at(NOW) }));
    let lasted = beyond.windows(2).rposition(|bytes| bytes == [3, 0]).expect("it lasted 0 ms");
    beyond[lasted + 1] = 5;
    let mut version_2 = encoded(FactBody::Visit(visit_at(NOW)));
    version_2[2] = 2;
    let mut two = encoded(FactBody::Note { text: "一".into(), written_at: NOW });
    two[0] += 1;
    two.extend([5, 0xf6]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("garbage", vec![0xff; 60]),
        ("nothing", vec![]),
        ("deep nesting", [vec![0xa1, 0x18, 0x40], vec![0x81; 6_000], vec![0]].concat()),
        ("a fact of another household", elsewhere(DocumentId::visits(HouseholdId::from_bytes([1; 16]), 2026).into())),
        ("a fact of another year's document", elsewhere(DocumentId::visits(HOME, 2025).into())),
        ("a fact of another epoch", elsewhere(DocumentKey { epoch: 1, ..visits() })),
        ("what the leader saw of somebody's health", encoded(FactBody::Visit(sensitive))),
        ("a visit that ends before it begins", encoded(FactBody::Visit(backwards))),
        ("a note that is too long", encoded(FactBody::Visit(long))),
        ("a visit beyond the end of time", beyond),
        ("a layout to come", version_2),
        ("another encoding", two),
    ];
    for (name, bytes) in cases {
        let bytes = forge(&world.visit(), |change| change.operations = vec![at_root(fact_id(9), bytes)]);
        world.assert_verdict(name, visits(), &bytes, Expected::Refused(4, "fact"));
    }
}

#[test]
fn what_is_not_put_as_bytes_at_the_root_under_an_id_is_refused() {
    let mut world = World::new();
    let document = world.registry.load(&visits());
    let known = shown(&document, &ObjectId::Root, &first_fact());
    let bytes = encoded(FactBody::Visit(visit_at(NOW)));
    let second = at_root(fact_id(9), bytes.clone());
    let id = fact_id(9).to_string();
    let cases: Vec<(&str, Vec<Op>, &str)> = vec![
        ("a fact deleted", vec![op(ObjectId::Root, &first_fact(), OpType::Delete, vec![known.clone()])], "operation"),
        ("text", vec![put(ObjectId::Root, &id, "visit")], "operation"),
        ("nothing", vec![put(ObjectId::Root, &id, ScalarValue::Null)], "operation"),
        ("a map", vec![make(ObjectId::Root, &id, ObjType::Map)], "operation"),
        ("a list", vec![make(ObjectId::Root, &id, ObjType::List)], "operation"),
        (
            "an increment",
            vec![op(ObjectId::Root, &first_fact(), OpType::Increment(1), vec![known.clone()])],
            "operation",
        ),
        ("a fact in a fact", vec![put(ObjectId::Id(known.clone()), &id, bytes.clone())], "object"),
        ("a key that is no id", vec![put(ObjectId::Root, "visit", bytes.clone())], "key"),
        (
            "a fact over a fact",
            vec![op(ObjectId::Root, &first_fact(), OpType::Put(bytes.into()), vec![known])],
            "predecessors",
        ),
        ("a fact twice", vec![second.clone(), second], "twice"),
    ];
    for (name, operations, word) in cases {
        let bytes = forge(&world.visit(), |change| change.operations = operations);
        world.assert_verdict(name, visits(), &bytes, Expected::Refused(4, word));
    }
}

#[test]
fn facts_of_another_year_are_refused() {
    let mut world = World::new();
    let new_year = Instant::from_ms(1_798_732_800_000); // 2027-01-01 00:00 in Shanghai
    let bytes = encoded(FactBody::Visit(visit_at(new_year)));
    let bytes = forge(&world.visit(), |change| change.operations = vec![at_root(fact_id(9), bytes)]);
    world.assert_verdict(
        "a visit of next year in this year's document",
        visits(),
        &bytes,
        Expected::Refused(4, "year"),
    );
    let note = FactBody::Note { text: "一".into(), written_at: Instant::from_ms(i64::MIN) };
    let bytes = forge(&world.visit(), |change| change.operations = vec![at_root(fact_id(9), encoded(note))]);
    world.assert_verdict("a note from before all calendars", visits(), &bytes, Expected::Refused(4, "year"));
    // A year's milliseconds; the district keeps ten years, and no phone is more than one ahead.
    let year_ms = 31_557_600_000;
    for (year, merged) in [(1, false), (2015, false), (2016, true), (2027, true), (2028, false), (9999, false)] {
        let key: DocumentKey = DocumentId::visits(HOME, year).into();
        let happened = NOW.plus_ms((i64::from(year) - 2026) * year_ms);
        assert_eq!(happened.year_in_shanghai(), Some(year));
        let base = world.stranger.base(key);
        let change = crate::change::record_fact(&base, &key, &visit(u64::from(year) + 5_000, happened), NOW);
        if merged {
            let verdict = world.offer(key, &change.bytes);
            assert!(matches!(verdict, Verdict::Merge(_)), "{year}: {verdict:?}");
        } else {
            world.assert_verdict(&format!("the year {year}"), key, &change.bytes, Expected::Refused(4, "year"));
        }
    }
}

#[test]
fn a_correction_names_a_visit_of_its_document() {
    let mut world = World::new();
    let note = Fact { id: fact_id(20), household: HOME, body: FactBody::Note { text: "一".into(), written_at: NOW } };
    let earlier = Fact { id: fact_id(21), household: HOME, body: correction(fact_id(1)) };
    world.leader.record(visits(), &note);
    world.leader.record(visits(), &earlier);
    world.leader.push(&mut world.registry);
    world.stranger.pull(&world.registry);
    for (name, corrects) in [
        ("a correction of nothing", fact_id(999)),
        ("a correction of itself", fact_id(9)),
        ("a correction of a note", fact_id(20)),
        ("a correction of a correction", fact_id(21)),
    ] {
        let bytes = encoded(correction(corrects));
        let bytes = forge(&world.visit(), |change| change.operations = vec![at_root(fact_id(9), bytes)]);
        world.assert_verdict(name, visits(), &bytes, Expected::Refused(4, "nothing-to-correct"));
    }
}

#[test]
fn a_known_fact_is_neither_replaced_nor_doubled() {
    let mut world = World::new();
    let known = world.registry.documents[&visits()].facts[&fact_id(1)].clone();
    let forged = encoded(FactBody::Visit(Visit { note: Some("没有人在家".into()), ..visit_at(NOW) }));
    let bytes = forge(&world.visit(), |change| change.operations = vec![at_root(fact_id(1), forged)]);
    world.assert_verdict("other bytes under a known id", visits(), &bytes, Expected::Refused(5, "fact-forged"));

    let bytes = forge(&world.visit(), |change| change.operations = vec![at_root(fact_id(1), known.clone())]);
    world.assert_verdict("the same bytes by another change", visits(), &bytes, Expected::NoNewRow);
    assert_eq!(world.registry.documents[&visits()].facts[&fact_id(1)], known);
    // Its author is not stranded: the next one follows it.
    let own = automerge::Change::from_bytes(bytes).expect("a change");
    let replica = world.stranger.replica(visits());
    replica.apply_changes([own]).expect("it applies");
    let next = world.visit();
    assert_eq!(next.sequence, 2);
    assert!(matches!(world.offer(visits(), &next.bytes), Verdict::Merge(_)));
    world.assert_sound("two facts");
}

#[test]
fn clocks_far_ahead_or_behind_lose_nothing() {
    let mut world = World::new();
    for (number, ms) in
        [0, 1, NOW.ms() - 31_557_600_000, NOW.ms() + 31_557_600_000, 253_402_300_799_999].iter().enumerate()
    {
        let base = world.stranger.base(visits());
        let at = Instant::from_ms(*ms);
        let change = crate::change::record_fact(&base, &visits(), &visit(40 + number as u64, NOW), at);
        world.stranger.keep(visits(), change.clone());
        let verdict = world.offer(visits(), &change.bytes);
        let Verdict::Merge(merge) = verdict else { panic!("{ms}: {verdict:?}") };
        assert_eq!(merge.change.at, at);
        world.assert_sound("a clock");
    }
}

#[test]
fn a_year_of_more_facts_than_anybody_records_is_refused() {
    let mut world = World::new();
    let draft = world.visit();
    let (one, two) = (fact_id(0x51), fact_id(0x52));
    let recorded = |ids: &[FactId]| {
        let of = |id: &FactId| at_root(*id, fact::encode(&Fact { id: *id, ..visit(9, NOW) }, &visits()));
        forge(&draft, |change| change.operations = ids.iter().map(of).collect())
    };
    let (both, last) = (recorded(&[one, two]), recorded(&[one]));
    let room_for_one = |world: &World| world.registry.documents[&visits()].facts.len() + 1;
    world.registry.facts = room_for_one(&world);
    world.assert_verdict("one too many", visits(), &both, Expected::Refused(5, "document-full"));
    world.registry.facts = room_for_one(&world);
    let verdict = world.offer(visits(), &last);
    assert!(matches!(verdict, Verdict::Merge(_)), "the last that there is room for: {verdict:?}");
}
