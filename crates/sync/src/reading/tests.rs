//! What a reader is shown of values that people gave without knowing of each other.

use super::{Reading, read_facts, read_household};
use crate::change::{Base, RawChange, write_household};
use crate::document::{ActorId, DocumentId, DocumentKey};
use crate::genesis::begin;
use crate::testing::{HOME, apply_bytes, household};
use automerge::Automerge;
use gridwork_domain::edit::Write;
use gridwork_domain::fields::{Fields, Value};
use gridwork_domain::household::{Alternative, MemberPath, RecordPath};
use gridwork_domain::id::{EditId, HouseholdId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::SCHEMA_1;

const ANNA: ActorId = ActorId([1; 16]);
const BAO: ActorId = ActorId([2; 16]);
const CHEN: ActorId = ActorId([3; 16]);

fn phone(number: &str) -> Write {
    Write::Put(RecordPath::household(), Fields::new().with("contact_phone", number))
}

fn no_phone() -> Write {
    Write::Put(RecordPath::household(), Fields::new().cleared("contact_phone"))
}

fn change(document: &Automerge, actor: ActorId, at_ms: i64, write: Write) -> RawChange {
    let base = Base::current(document, actor);
    let mut edit = actor.0;
    edit[0] = at_ms as u8;
    let edit = (EditId::from_bytes(edit), Instant::from_ms(at_ms));
    write_household(&SCHEMA_1, document, &base, edit, &[write]).expect("a change")
}

fn add(document: &mut Automerge, actor: ActorId, at_ms: i64, write: Write) {
    let change = change(document, actor, at_ms, write);
    apply_bytes(document, &change.bytes);
}

/// A household that all have, and then what each does without the others.
fn apart(before: Vec<Write>, writes: Vec<(ActorId, i64, Write)>) -> Automerge {
    let mut document = begin(&SCHEMA_1, &household());
    for (number, write) in before.into_iter().enumerate() {
        add(&mut document, ANNA, number as i64 + 1, write);
    }
    let changes: Vec<RawChange> =
        writes.into_iter().map(|(actor, at_ms, write)| change(&document, actor, at_ms, write)).collect();
    let mut one_way = document.clone();
    changes.iter().for_each(|change| apply_bytes(&mut one_way, &change.bytes));
    changes.iter().rev().for_each(|change| apply_bytes(&mut document, &change.bytes));
    assert_eq!(read(&document), read(&one_way), "in whatever order they arrive");
    document
}

fn read(document: &Automerge) -> Reading {
    read_household(&SCHEMA_1, &household(), document).expect("it reads")
}

#[test]
fn a_conflict_lists_every_value_with_who_and_when_and_first_the_one_that_is_shown() {
    let document = apart(
        vec![phone("13812345678")],
        vec![(ANNA, 50, phone("13912345678")), (BAO, 40, phone("13712345678")), (CHEN, 60, no_phone())],
    );
    let reading = read(&document);
    let [conflict] = &reading.conflicts[..] else { panic!("one conflict: {:?}", reading.conflicts) };
    assert_eq!(conflict.path, RecordPath::household().field("contact_phone"));
    let shown = reading.household.value(&conflict.path).cloned();
    assert_eq!(conflict.alternatives[0].value, shown);
    let mut listed = conflict.alternatives.clone();
    listed.sort_by_key(|one| one.by);
    let one = |value: Option<&str>, by, at| Alternative { value: value.map(Value::from), by, at: Instant::from_ms(at) };
    assert_eq!(listed, [one(Some("13912345678"), ANNA, 50), one(Some("13712345678"), BAO, 40), one(None, CHEN, 60)]);
}

#[test]
fn equal_values_given_at_once_are_no_conflict_and_a_third_one_lists_them_both() {
    let same = || phone("13912345678");
    let document = apart(vec![phone("13812345678")], vec![(ANNA, 5, same()), (BAO, 6, same())]);
    let path = RecordPath::household().field("contact_phone");
    assert_eq!(read(&document).conflicts, []);
    assert_eq!(read(&document).household.value(&path), Some(&Value::from("13912345678")));
    let other = (CHEN, 7, phone("13712345678"));
    let document = apart(vec![phone("13812345678")], vec![(ANNA, 5, same()), (BAO, 6, same()), other]);
    assert_eq!(read(&document).conflicts[0].alternatives.len(), 3);
}

#[test]
fn a_field_that_one_clears_while_another_corrects_it_is_a_conflict() {
    let document = apart(vec![phone("13812345678")], vec![(ANNA, 5, no_phone()), (BAO, 6, phone("13912345678"))]);
    let conflicts = read(&document).conflicts;
    let values: Vec<_> = conflicts[0].alternatives.iter().map(|one| one.value.clone()).collect();
    assert!(values.contains(&None) && values.contains(&Some(Value::from("13912345678"))), "{values:?}");
}

#[test]
fn deciding_a_conflict_ends_it_also_for_the_value_that_is_shown_already() {
    let path = RecordPath::household().field("contact_phone");
    for choice in [0, 1] {
        let mut document = apart(vec![], vec![(ANNA, 5, phone("13812345678")), (BAO, 6, phone("13912345678"))]);
        let value = read(&document).conflicts[0].alternatives[choice].value.clone();
        add(&mut document, CHEN, 9, Write::Decide(path.clone(), value.clone()));
        let reading = read(&document);
        assert_eq!(reading.conflicts, []);
        assert_eq!(reading.household.value(&path), value.as_ref());
    }
}

#[test]
fn a_decision_beside_a_concurrent_correction_is_a_conflict_again() {
    let path = RecordPath::household().field("contact_phone");
    let document = apart(vec![], vec![(ANNA, 5, phone("13812345678")), (BAO, 6, phone("13912345678"))]);
    let shown = read(&document).conflicts[0].alternatives[0].value.clone();
    let decision = change(&document, CHEN, 9, Write::Decide(path, shown));
    let correction = change(&document, BAO, 10, phone("13712345678"));
    let mut document = document;
    apply_bytes(&mut document, &decision.bytes);
    apply_bytes(&mut document, &correction.bytes);
    assert_eq!(read(&document).conflicts[0].alternatives.len(), 2);
}

fn meals() -> MemberPath {
    MemberPath::need_of_household(HOME, "meal_service")
}

fn affirm() -> Write {
    let attributes = Fields::new().with("purpose", "送餐").with("basis", "consent").with("sensitivity", 1);
    Write::Affirm(meals(), attributes)
}

#[test]
fn a_need_affirmed_again_survives_its_removal_by_somebody_who_did_not_know() {
    let survives = apart(vec![affirm()], vec![(ANNA, 5, affirm()), (BAO, 6, Write::Withdraw(meals()))]);
    assert!(read(&survives).household.members.contains_key(&meals()));
    let removed = apart(vec![affirm()], vec![(ANNA, 5, Write::Withdraw(meals())), (BAO, 6, Write::Withdraw(meals()))]);
    assert!(read(&removed).household.members.is_empty());
}

#[test]
fn a_need_withdrawn_by_somebody_who_saw_all_affirmations_is_gone_and_can_come_back() {
    let mut document = apart(vec![], vec![(ANNA, 5, affirm()), (BAO, 6, affirm())]);
    assert_eq!(read(&document).household.members.len(), 1);
    assert_eq!(read(&document).conflicts, [], "a set has none");
    add(&mut document, CHEN, 7, Write::Withdraw(meals()));
    assert!(read(&document).household.members.is_empty());
    add(&mut document, ANNA, 8, affirm());
    assert_eq!(read(&document).household.members.len(), 1);
}

#[test]
fn two_residents_added_at_once_both_live_there() {
    let new = |number: u8| {
        let path = RecordPath::resident(ResidentId::from_bytes([number; 16]));
        Write::Make(path, Fields::new().with("name", "王"))
    };
    let document = apart(vec![], vec![(ANNA, 5, new(1)), (BAO, 6, new(2))]);
    assert_eq!(read(&document).household.residents().count(), 2);
}

#[test]
fn another_document_is_not_taken_for_this_one() {
    let other: DocumentKey = DocumentId::household(HouseholdId::from_bytes([9; 16])).into();
    let document = begin(&SCHEMA_1, &other);
    assert!(read_household(&SCHEMA_1, &household(), &document).is_err());
    assert!(read_household(&SCHEMA_1, &DocumentKey { epoch: 1, ..other }, &document).is_err());
    assert!(read_household(&SCHEMA_1, &household(), &Automerge::new()).is_err());
    assert!(read_facts(&document).is_err());
}
