//! Step 3: changes of other people, out of their order, or elsewhere than where they may be.

use super::world::{Expected, NEXT_GRID, NOBODY, World, forge, outcome, unknown_hash};
use crate::change::{Base, Head, RawChange, record_fact};
use crate::document::{ActorId, DocumentId, DocumentKey};
use crate::genesis::{GENESIS_ACTOR, genesis};
use crate::guard::Verdict;
use crate::testing::{Device, GRID, HOME, NOW, SCHEMA_2, household, visit, visits};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::HouseholdId;
use gridwork_domain::schema::SCHEMA_1;
use std::num::NonZeroU64;

#[test]
fn a_change_in_somebody_elses_name_is_refused() {
    let mut world = World::new();
    let leader = world.leader.actor;
    for (name, actor, word) in [
        ("the leader's actor", leader, "actor-not-owned"),
        ("an actor that nobody declared", NOBODY, "actor-not-owned"),
        ("the genesis actor", GENESIS_ACTOR, "genesis-actor"),
    ] {
        let bytes = forge(&world.remark(), |change| change.actor_id = actor.into());
        world.assert_verdict(name, household(), &bytes, Expected::Refused(3, word));
        let bytes = forge(&world.visit(), |change| change.actor_id = actor.into());
        world.assert_verdict(name, visits(), &bytes, Expected::Refused(3, word));
    }
    let other: DocumentKey = DocumentId::household(HouseholdId::from_bytes([0x55; 16])).into();
    for key in [household(), other] {
        for change in genesis(&SCHEMA_2, &key) {
            let expected = Expected::Refused(3, "genesis-actor");
            world.assert_verdict("a genesis change", key, change.raw_bytes(), expected);
        }
    }
}

#[test]
fn a_sequence_number_is_used_once_and_none_is_passed_over() {
    let mut world = World::new();
    let first = world.visit();
    let verdict = world.offer(visits(), &first.bytes);
    assert!(matches!(verdict, Verdict::Merge(_)), "{verdict:?}");
    assert!(matches!(world.offer(visits(), &first.bytes), Verdict::Known(hash) if hash == first.hash));

    let other = forge(&first, |change| change.time += 1);
    world.assert_verdict("the first change told twice", visits(), &other, Expected::Refused(3, "sequence-used"));
    let gap = forge(&world.visit(), |change| change.seq = 3);
    world.assert_verdict("a change after a missing one", visits(), &gap, Expected::Held("missing-previous"));
}

#[test]
fn a_change_held_for_its_predecessor_is_merged_when_that_arrives() {
    let mut world = World::new();
    for number in 10..14 {
        world.stranger.record(visits(), &visit(number, NOW));
    }
    let outbox = std::mem::take(&mut world.stranger.outbox);
    for (key, change) in outbox.iter().skip(1).rev() {
        assert_eq!(outcome(&world.offer(*key, &change.bytes)), Some(Expected::Held("missing-change")));
    }
    assert_eq!(world.registry.held_count(), 3);
    assert!(matches!(world.offer(visits(), &outbox[0].1.bytes), Verdict::Merge(_)));
    assert_eq!(world.registry.held_count(), 0);
    assert_eq!(world.registry.documents[&visits()].facts.len(), 5);
    world.assert_sound("held and merged");
}

#[test]
fn two_facts_of_one_actor_that_do_not_depend_on_each_other_are_refused() {
    let mut world = World::new();
    let base = world.stranger.base(visits());
    world.stranger.record(visits(), &visit(2, NOW));
    let (_, first) = world.stranger.outbox.pop().expect("a change");
    assert!(matches!(world.offer(visits(), &first.bytes), Verdict::Merge(_)));
    let second = record_fact(&base, &visits(), &visit(3, NOW), NOW);
    let second = forge(&second, |change| change.seq = 2);
    let expected = Expected::Refused(3, "previous-left-out");
    world.assert_verdict("facts side by side", visits(), &second, expected);
}

#[test]
fn dependencies_are_each_once_there_and_merged_here() {
    let mut world = World::new();
    let twice = forge(&world.remark(), |change| change.deps = [change.deps.clone(), change.deps.clone()].concat());
    let expected = Expected::Refused(3, "dependencies-order");
    world.assert_verdict("a dependency named twice", household(), &twice, expected);
    let none = forge(&world.remark(), |change| change.deps.clear());
    world.assert_verdict("no dependency", household(), &none, Expected::Refused(3, "no-dependency"));
    let unknown = forge(&world.remark(), |change| change.deps.push(unknown_hash()));
    world.assert_verdict("an unknown dependency", household(), &unknown, Expected::Held("missing-change"));
    // The same hash may be a change of another document: there it does not count.
    let elsewhere = world.visit().dependencies[0];
    let elsewhere = forge(&world.remark(), |change| change.deps.push(elsewhere.into()));
    world.assert_verdict("a dependency of another document", household(), &elsewhere, Expected::Held("missing-change"));
}

#[test]
fn what_depends_on_a_refused_change_is_refused_even_where_something_else_is_missing() {
    let mut world = World::new();
    let bad = after_start(&mut world);
    world.assert_verdict("refused", visits(), &bad, Expected::Refused(3, "start-op"));
    let refused = automerge::Change::from_bytes(bad).expect("a change").hash();
    let expected = Expected::Refused(3, "depends-on-quarantined");
    let after = forge(&world.visit(), |change| change.deps.push(refused));
    world.assert_verdict("what follows it", visits(), &after, expected);
    for missing in [automerge::ChangeHash([0; 32]), automerge::ChangeHash([0xff; 32])] {
        let after = forge(&world.visit(), |change| change.deps.extend([refused, missing]));
        world.assert_verdict("what follows it and more", visits(), &after, expected);
    }
    // Held first, refused as soon as what it waited for is.
    let waits = forge(&world.visit(), |change| change.deps.push(unknown_hash()));
    world.assert_verdict("what waits", visits(), &waits, Expected::Held("missing-change"));
    let hash = crate::document::ChangeHash::from(unknown_hash());
    world.registry.quarantine.insert((visits(), hash), "fact");
    let again = after_start(&mut world);
    world.assert_verdict("refused again", visits(), &again, Expected::Refused(3, "start-op"));
    assert_eq!(world.registry.held_count(), 0);
}

fn after_start(world: &mut World) -> Vec<u8> {
    forge(&world.visit(), |change| change.start_op = NonZeroU64::new(9_999).expect("not 0"))
}

#[test]
fn operations_are_numbered_after_all_that_the_change_depends_on() {
    let mut world = World::new();
    for start in [1, 2, 1_000_000, u64::from(u32::MAX) - 300] {
        let numbered = |change: &mut automerge::ExpandedChange| {
            change.start_op = NonZeroU64::new(start).expect("not 0");
        };
        let bytes = forge(&world.remark(), numbered);
        world.assert_verdict(&format!("start op {start}"), household(), &bytes, Expected::Refused(3, "start-op"));
        if start > 2 {
            let bytes = forge(&world.visit(), numbered);
            world.assert_verdict(&format!("start op {start}"), visits(), &bytes, Expected::Refused(3, "start-op"));
        }
    }
    let past_the_end = forge(&world.remark(), |change| {
        change.start_op = NonZeroU64::new(u64::from(u32::MAX)).expect("not 0");
    });
    world.assert_verdict("the last number", household(), &past_the_end, Expected::Refused(1, "start-operation"));
}

#[test]
fn nobody_writes_where_no_assignment_lets_them() {
    let mut world = World::new();
    let later = DocumentKey { epoch: 1, ..household() };
    let remark = world.remark();
    world.assert_verdict("an epoch to come", later, &remark.bytes, Expected::Refused(3, "epoch"));

    let mut outsider = Device::enrol(&mut world.registry, 3, NEXT_GRID, &SCHEMA_1);
    outsider.pull(&world.registry);
    let put = Write::Put(RecordPath::household(), Fields::new().with("remark", "借住"));
    let change = outsider.write(household(), &[put]).expect("a change");
    // Naming a scope of one's own does not help: the document has a home already.
    let verdict = world.registry.offer(outsider.staff, NEXT_GRID, household(), &change.bytes);
    assert_eq!(outcome(&verdict), Some(Expected::Refused(3, "not-entitled")));
    let fact = outsider.record(visits(), &visit(50, NOW));
    let verdict = world.registry.offer(outsider.staff, NEXT_GRID, visits(), &fact.bytes);
    assert_eq!(outcome(&verdict), Some(Expected::Refused(3, "not-entitled")));
    // Nor may a new document claim a home where its author is not entitled.
    let elsewhere: DocumentKey = DocumentId::household(HouseholdId::from_bytes([0x56; 16])).into();
    let put = Write::Put(RecordPath::household(), Fields::new().with("status", "living"));
    let change = outsider.write(elsewhere, &[put]).expect("a change");
    let verdict = world.registry.offer(outsider.staff, GRID, elsewhere, &change.bytes);
    assert_eq!(outcome(&verdict), Some(Expected::Refused(3, "not-entitled")));
    world.assert_sound("outsiders");
}

#[test]
fn the_facts_of_a_household_have_their_home_where_the_household_has() {
    let mut world = World::new();
    let next_year = DocumentId::visits(HOME, 2027).into();
    world.registry.assignments.insert((world.stranger.staff, NEXT_GRID));
    let base = Base { actor: world.stranger.actor, heads: vec![], previous: None };
    let new_year = gridwork_domain::instant::Instant::from_ms(1_798_732_800_000);
    let fact = record_fact(&base, &next_year, &visit(60, new_year), NOW);
    let verdict = world.registry.offer(world.stranger.staff, NEXT_GRID, next_year, &fact.bytes);
    assert_eq!(outcome(&verdict), Some(Expected::Refused(3, "wrong-home")));
    world.assert_sound("another home");
}

#[test]
fn a_visit_before_its_household_is_held_and_then_merged() {
    let mut world = World::new();
    let home = HouseholdId::from_bytes([0x57; 16]);
    let key: DocumentKey = DocumentId::household(home).into();
    let of_visits: DocumentKey = DocumentId::visits(home, 2026).into();
    let mut fact = visit(70, NOW);
    fact.household = home;
    let fact = world.leader.record(of_visits, &fact);
    world.leader.outbox.clear();
    let verdict = world.registry.offer(world.leader.staff, GRID, of_visits, &fact.bytes);
    assert_eq!(outcome(&verdict), Some(Expected::Held("missing-household")));
    let put = Write::Put(RecordPath::household(), Fields::new().with("status", "living"));
    world.leader.write(key, &[put]).expect("a change");
    world.leader.push(&mut world.registry);
    assert_eq!(world.registry.documents[&of_visits].facts.len(), 1);
    world.assert_sound("held and merged");
}

#[test]
fn an_actor_whose_number_was_taken_elsewhere_goes_on_undisturbed() {
    // The same actor writes two documents: each counts for itself.
    let mut world = World::new();
    let remark = world.remark();
    assert!(matches!(world.offer(household(), &remark.bytes), Verdict::Merge(_)));
    let seen = world.visit();
    assert_eq!((remark.sequence, seen.sequence), (1, 1));
    assert!(matches!(world.offer(visits(), &seen.bytes), Verdict::Merge(_)));
    world.assert_sound("two documents");
}

#[test]
fn a_document_with_very_many_heads_can_still_be_written() {
    let mut world = World::new();
    let (seen, household_heads) = (world.stranger.base(visits()), world.stranger.base(household()));
    for number in 0..90u8 {
        let actor = ActorId([0x80 + number; 16]);
        world.registry.owners.insert(actor, world.stranger.staff);
        let alone = |base: &Base| Base { actor, heads: base.heads.clone(), previous: None };
        let fact = record_fact(&alone(&seen), &visits(), &visit(500 + u64::from(number), NOW), NOW);
        assert!(matches!(world.offer(visits(), &fact.bytes), Verdict::Merge(_)));
        let put = Write::Put(RecordPath::dwelling(), Fields::new().with("door", format!("{number}").as_str()));
        let change = world.stranger.draft(household(), &alone(&household_heads), &[put]).expect("a change");
        assert!(matches!(world.offer(household(), &change.bytes), Verdict::Merge(_)));
    }
    world.leader.pull(&world.registry);
    let heads: Vec<Head> = world.leader.base(visits()).heads;
    assert!(heads.len() >= 90, "{}", heads.len());
    for round in 0..3 {
        world.assert_sound(&format!("round {round}"));
    }
    let heads: Vec<RawChange> = world.registry.documents[&visits()].log.clone();
    assert!(heads.iter().all(|change| change.dependencies.len() <= 64));
    assert!(world.registry.documents[&visits()].heads.len() < 90, "they grow together again");
}
