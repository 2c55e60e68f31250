//! What the design found out about automerge 0.12, again, against the library itself: why each step is there.
//!
//! A test that fails here after an upgrade says that the library has changed, and which rule to think about anew.

use super::world::{make, op, put};
use crate::document::{ActorId, DocumentKey};
use crate::genesis::{begin, genesis};
use crate::testing::{SCHEMA_2, household};
use automerge::legacy::{ObjectId, Op, OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{
    Automerge, AutomergeError, Change, ChangeHash, ExpandedChange, ObjType, PatchLog, ROOT, ReadDoc, ScalarValue,
};
use gridwork_domain::schema::SCHEMA_1;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

const GENESIS: u8 = 0;
const ANNA: u8 = 1;
const BAO: u8 = 2;

fn actor(number: u8) -> automerge::ActorId {
    ActorId([number; 16]).into()
}

fn change(number: u8, sequence: u64, start_op: u64, deps: &[ChangeHash], operations: Vec<Op>) -> Change {
    let mut deps = deps.to_vec();
    deps.sort_unstable();
    Change::from(ExpandedChange {
        operations,
        actor_id: actor(number),
        hash: None,
        seq: sequence,
        start_op: NonZeroU64::new(start_op).expect("not 0"),
        time: 0,
        message: None,
        deps,
        extra_bytes: Vec::new(),
        author: None,
    })
}

fn empty() -> Automerge {
    Automerge::new().with_actor(actor(99))
}

fn with(changes: &[&Change]) -> Automerge {
    let mut document = empty();
    for change in changes {
        document.apply_changes([(*change).clone()]).expect("it applies");
    }
    document
}

/// Makes the map `residents` at the root.
fn first(number: u8) -> Change {
    change(number, 1, 1, &[], vec![make(ObjectId::Root, "residents", ObjType::Map)])
}

fn id(counter: u64, number: u8) -> OpId {
    OpId(counter, actor(number))
}

fn within(counter: u64, number: u8) -> ObjectId {
    ObjectId::Id(id(counter, number))
}

fn panics(action: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

#[test]
fn with_one_genesis_for_all_the_same_edit_in_two_households_has_the_same_hash() {
    let edit =
        |genesis: &Change| change(ANNA, 1, 8, &[genesis.hash()], vec![put(within(3, GENESIS), "status", "living")]);
    let shared = first(GENESIS);
    assert_eq!(edit(&shared).hash(), edit(&shared).hash());
    let other = DocumentKey { epoch: 1, ..household() };
    let (ours, theirs) = (&genesis(&SCHEMA_1, &household())[0], &genesis(&SCHEMA_1, &other)[0]);
    assert_ne!(edit(ours).hash(), edit(theirs).hash(), "with a genesis of its own each has another");
}

#[test]
fn with_two_independent_geneses_one_phones_whole_map_disappears() {
    let (anna, bao) = (first(ANNA), first(BAO));
    let annas = change(ANNA, 2, 2, &[anna.hash()], vec![put(within(1, ANNA), "wang", "王")]);
    let baos = change(BAO, 2, 2, &[bao.hash()], vec![put(within(1, BAO), "li", "李")]);
    let merged = with(&[&anna, &bao, &annas, &baos]);
    let (_, residents) = merged.get(ROOT, "residents").expect("readable").expect("a map");
    let left: Vec<String> = merged.keys(&residents).collect();
    assert_eq!(left, ["li"], "王 is in the document and not in sight");
}

#[test]
fn creations_by_two_versions_of_the_schema_cannot_merge() {
    let old = first(GENESIS);
    let operations = vec![make(ObjectId::Root, "residents", ObjType::Map), make(ObjectId::Root, "pets", ObjType::Map)];
    let new = change(GENESIS, 1, 1, &[], operations);
    let mut document = with(&[&old]);
    let refused = document.apply_changes([new]);
    assert!(matches!(refused, Err(AutomergeError::DuplicateSeqNumber(1, _))), "{refused:?}");
    // Ours can: what the later schema adds is a change of its own.
    let both = begin(&SCHEMA_2, &household());
    let changes = both.get_changes(&[]);
    assert_eq!(changes[0].hash(), genesis(&SCHEMA_1, &household())[0].hash());
    assert_eq!(changes.len(), 2);
}

#[test]
fn an_old_epochs_change_fits_a_redacted_epoch_and_brings_the_erased_back() {
    let genesis_of_all = first(GENESIS);
    let erased = change(ANNA, 1, 2, &[genesis_of_all.hash()], vec![put(within(1, GENESIS), "phone", "13812345678")]);
    let mut redacted = with(&[&genesis_of_all]);
    redacted.apply_changes([erased]).expect("it applies");
    let (_, residents) = redacted.get(ROOT, "residents").expect("readable").expect("a map");
    assert!(redacted.get(&residents, "phone").expect("readable").is_some(), "it is back");
    // Ours waits for ever, since the genesis contains the epoch.
    let first_epoch = &genesis(&SCHEMA_1, &household())[0];
    let erased = change(ANNA, 1, 8, &[first_epoch.hash()], vec![put(within(3, GENESIS), "contact_phone", "1")]);
    let mut redacted = begin(&SCHEMA_1, &DocumentKey { epoch: 1, ..household() });
    redacted.apply_changes([erased.clone()]).expect("it is queued");
    assert!(redacted.get_change_by_hash(&erased.hash()).is_none());
}

/// One key with two concurrent values; the shown one is 二.
fn disputed() -> (Automerge, [Change; 3]) {
    let start = change(GENESIS, 1, 1, &[], vec![put(ObjectId::Root, "phone", "零")]);
    let write = |number, text: &str| {
        let operation = op(ObjectId::Root, "phone", OpType::Put(text.into()), vec![id(1, GENESIS)]);
        change(number, 1, 2, &[start.hash()], vec![operation])
    };
    let (anna, bao) = (write(ANNA, "一"), write(BAO, "二"));
    (with(&[&start, &anna, &bao]), [start, anna, bao])
}

#[test]
fn deciding_for_the_current_winner_with_a_transaction_narrows_the_predecessors_and_then_vanishes() {
    let (mut document, changes) = disputed();
    document.set_actor(actor(3));
    let mut transaction = document.transaction();
    transaction.put(ROOT, "phone", "二").expect("a value");
    let (hash, _) = transaction.commit();
    let decided = document.get_change_by_hash(&hash.expect("a change")).expect("it is there").decode();
    assert_eq!(decided.operations.len(), 1);
    assert_eq!(decided.operations[0].action, OpType::Delete, "no value is put: the loser is deleted");
    assert_eq!(decided.operations[0].pred.iter().collect::<Vec<_>>(), [&id(2, ANNA)], "the winner is not named");
    // Meanwhile Bao, who wrote the winner, corrects it: the decision for 二 leaves no trace.
    let correction = op(ObjectId::Root, "phone", OpType::Put("三".into()), vec![id(2, BAO)]);
    let correction = change(BAO, 2, 3, &[changes[2].hash()], vec![correction]);
    document.apply_changes([correction]).expect("it applies");
    let left = document.get_all(ROOT, "phone").expect("readable");
    assert_eq!(left.len(), 1, "instead of a conflict between the decision and the correction");
}

#[test]
fn writing_what_stands_there_already_makes_a_phantom_conflict() {
    let start = change(GENESIS, 1, 1, &[], vec![put(ObjectId::Root, "phone", "零")]);
    let same = |number| {
        let operation = op(ObjectId::Root, "phone", OpType::Put("零".into()), vec![id(1, GENESIS)]);
        change(number, 1, 2, &[start.hash()], vec![operation])
    };
    let document = with(&[&start, &same(ANNA), &same(BAO)]);
    assert_eq!(document.get_all(ROOT, "phone").expect("readable").len(), 2);
}

#[test]
fn two_facts_of_one_actor_that_do_not_depend_on_each_other_apply_and_save_and_never_load_again() {
    let one = change(ANNA, 1, 1, &[], vec![put(ObjectId::Root, "a", "一")]);
    let two = change(ANNA, 2, 1, &[], vec![put(ObjectId::Root, "b", "二")]);
    let document = with(&[&one, &two]);
    let saved = document.save();
    let loaded = catch_unwind(|| Automerge::load(&saved).map(|document| document.get_heads()));
    println!("{loaded:?}");
    assert!(!matches!(&loaded, Ok(Ok(heads)) if *heads == document.get_heads()), "the document is lost");
}

#[test]
fn a_left_out_dependency_applies_to_the_current_document_and_panics_in_the_fork() {
    let start = first(GENESIS);
    let wang = change(ANNA, 1, 2, &[start.hash()], vec![make(within(1, GENESIS), "wang", ObjType::Map)]);
    // It names Anna's object and does not depend on her change.
    let poison = change(BAO, 1, 3, &[start.hash()], vec![put(within(2, ANNA), "name", "王")]);
    let current = with(&[&start, &wang, &poison]);
    assert_eq!(current.get_heads().len(), 2, "the current document takes it");
    let fork = || drop(current.fork_at(&[start.hash()]).expect("a fork").apply_changes([poison.clone()]));
    assert!(panics(fork), "the fork at its dependencies does not");
}

#[test]
fn two_makes_under_one_id_hide_one_with_its_fields() {
    let start = first(GENESIS);
    let make_wang = |number, name: &str| {
        let operations = vec![make(within(1, GENESIS), "wang", ObjType::Map), put(within(2, number), name, "王")];
        change(number, 1, 2, &[start.hash()], operations)
    };
    let document = with(&[&start, &make_wang(ANNA, "phone"), &make_wang(BAO, "name")]);
    let (_, residents) = document.get(ROOT, "residents").expect("readable").expect("a map");
    let (_, shown) = document.get(&residents, "wang").expect("readable").expect("a map");
    assert_eq!(document.keys(&shown).collect::<Vec<_>>(), ["name"], "Anna's fields are out of sight");
}

#[test]
fn transaction_at_takes_another_actor_and_other_op_numbers_than_the_guard_allows() {
    let (mut document, changes) = disputed();
    document.set_actor(actor(ANNA));
    let seen = [changes[0].hash()];
    let mut transaction = document.transaction_at(PatchLog::inactive(), &seen).expect("a log of its own");
    transaction.put(ROOT, "remark", "x").expect("a value");
    let (hash, _) = transaction.commit();
    let made = document.get_change_by_hash(&hash.expect("a change")).expect("it is there");
    println!("{:?} {:?} seq {} start {}", made.actor_id(), made.deps(), made.seq(), made.start_op());
    let by_the_rules = *made.actor_id() == actor(ANNA)
        && made.seq() == 2
        && made.deps().contains(&changes[1].hash())
        && made.start_op().get() == 3;
    assert!(!by_the_rules);
    assert_ne!(*made.actor_id(), actor(ANNA), "an actor that nobody declared");
}

#[test]
fn one_duplicate_sequence_number_fails_the_whole_call_innocent_changes_included() {
    let one = change(ANNA, 1, 1, &[], vec![put(ObjectId::Root, "a", "一")]);
    let spoofed = change(ANNA, 1, 1, &[], vec![put(ObjectId::Root, "a", "二")]);
    let innocent = change(BAO, 1, 1, &[], vec![put(ObjectId::Root, "b", "三")]);
    let mut document = with(&[&one]);
    assert!(document.apply_changes([innocent.clone(), spoofed]).is_err());
    assert!(document.get_change_by_hash(&innocent.hash()).is_none(), "the innocent change is not there");
}

#[test]
fn a_spoofed_actor_is_accepted_and_the_victims_own_next_change_is_refused_for_good() {
    let one = change(ANNA, 1, 1, &[], vec![put(ObjectId::Root, "a", "一")]);
    let spoofed = change(ANNA, 2, 2, &[one.hash()], vec![put(ObjectId::Root, "b", "二")]);
    let own = change(ANNA, 2, 2, &[one.hash()], vec![put(ObjectId::Root, "c", "三")]);
    let mut document = with(&[&one, &spoofed]);
    for _ in 0..2 {
        assert!(matches!(document.apply_changes([own.clone()]), Err(AutomergeError::DuplicateSeqNumber(2, _))));
    }
}

#[test]
fn missing_dependencies_are_queued_without_a_word() {
    let lost = change(BAO, 1, 1, &[], vec![put(ObjectId::Root, "a", "一")]);
    let mut document = empty();
    for number in 0..200 {
        let late = change(3 + number, 1, 2, &[lost.hash()], vec![put(ObjectId::Root, "b", i64::from(number))]);
        document.apply_changes([late]).expect("Ok, although nothing happened");
    }
    assert!(document.get_changes(&[]).is_empty());
}

#[test]
fn garbage_in_load_incremental_is_answered_ok() {
    let mut document = with(&[&first(GENESIS)]);
    let answered = document.load_incremental(&[0xde, 0xad, 0xbe, 0xef, 1, 2, 3]);
    assert!(answered.is_ok(), "{answered:?}");
}

#[test]
fn a_change_with_a_wrong_checksum_is_read_without_a_word() {
    let mut bytes = first(GENESIS).raw_bytes().to_vec();
    bytes[5] ^= 0xff;
    let read = Change::from_bytes(bytes);
    assert!(read.is_ok(), "{read:?}");
}

#[test]
fn bytes_compresses_a_long_change_and_raw_bytes_does_not() {
    let mut long = change(ANNA, 1, 1, &[], vec![put(ObjectId::Root, "a", "长".repeat(300))]);
    assert_eq!((long.bytes()[8], long.raw_bytes()[8]), (2, 1));
}

#[test]
fn other_bytes_under_a_known_fact_shadow_the_true_fact() {
    let fact = change(ANNA, 1, 1, &[], vec![put(ObjectId::Root, "fact", "真")]);
    let forged = change(BAO, 1, 1, &[], vec![put(ObjectId::Root, "fact", "假")]);
    let document = with(&[&fact, &forged]);
    let (shown, _) = document.get(ROOT, "fact").expect("readable").expect("a value");
    assert_eq!(shown.into_scalar().ok(), Some(ScalarValue::from("假")));
}

#[test]
fn a_change_that_adds_facts_moves_the_heads_by_the_rule() {
    let one = change(ANNA, 1, 1, &[], vec![put(ObjectId::Root, "a", "一")]);
    let two = change(BAO, 1, 1, &[], vec![put(ObjectId::Root, "b", "二")]);
    let three = change(BAO, 2, 2, &[one.hash(), two.hash()], vec![put(ObjectId::Root, "c", "三")]);
    // A dependency that another one includes is lawful: one's own previous change among the heads seen.
    let four = change(BAO, 3, 3, &[one.hash(), three.hash()], vec![put(ObjectId::Root, "d", "四")]);
    let mut document = empty();
    let mut heads: Vec<ChangeHash> = Vec::new();
    for change in [one, two, three, four] {
        document.apply_changes([change.clone()]).expect("it applies");
        heads.retain(|head| !change.deps().contains(head));
        heads.push(change.hash());
        heads.sort_unstable();
        assert_eq!(document.get_heads(), heads);
    }
    assert_eq!(Automerge::load(&document.save()).expect("it loads").get_heads(), heads);
}
