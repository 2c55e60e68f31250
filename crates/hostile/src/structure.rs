//! What is wrong with a change that encodes well: who, in which order, on what, what it writes where.

use crate::{Chance, Seen};
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Keys that stand in documents, and some that do not.
const KEYS: [&str; 10] =
    ["household", "residents", "needs", "document", "epoch", "remark", "contact_phone", "name", "", "\u{0}"];

/// Alters a change once to three times; nothing if it cannot be read or the library does not encode the result.
pub(crate) fn alter(chance: &mut impl Chance, honest: &[u8], seen: &Seen) -> Option<Vec<u8>> {
    let mut change = Change::from_bytes(honest.to_vec()).ok()?.decode();
    for _ in 0..1 + chance.below(3) {
        alter_once(chance, &mut change, seen);
    }
    catch_unwind(AssertUnwindSafe(|| Change::from(change).raw_bytes().to_vec())).ok()
}

fn alter_once(chance: &mut impl Chance, change: &mut ExpandedChange, seen: &Seen) {
    match chance.below(14) {
        0 => change.seq = number(chance, change.seq),
        1 => change.start_op = NonZeroU64::new(number(chance, change.start_op.get())).unwrap_or(NonZeroU64::MIN),
        2 | 3 => alter_dependencies(chance, &mut change.deps, seen),
        4 => change.actor_id = actor(chance, seen),
        5 => {
            change.time =
                [i64::MIN, -1, 0, i64::MAX, 253_402_300_800_000, change.time.saturating_add(1)][chance.below(6)]
        }
        6 => change.message = Some("a".repeat(chance.below(9_000))),
        7 => change.extra_bytes = vec![7; chance.below(9_000)],
        8 => alter_list(chance, &mut change.operations),
        _ => {
            let count = change.operations.len();
            if count > 0 {
                let at = chance.below(count);
                alter_operation(chance, &mut change.operations[at], seen);
            }
        }
    }
}

fn number(chance: &mut impl Chance, honest: u64) -> u64 {
    [
        0,
        1,
        honest.saturating_sub(1),
        honest.saturating_add(1),
        honest.saturating_add(2),
        u64::from(u32::MAX),
        i64::MAX as u64,
        u64::MAX,
    ][chance.below(8)]
}

fn alter_dependencies(chance: &mut impl Chance, dependencies: &mut Vec<ChangeHash>, seen: &Seen) {
    match chance.below(6) {
        0 => dependencies.clear(),
        1 if !dependencies.is_empty() => drop(dependencies.swap_remove(chance.below(dependencies.len()))),
        2 => dependencies.reverse(),
        3 => dependencies.push(ChangeHash([0xee; 32])),
        4 => (0..100).for_each(|number| dependencies.push(ChangeHash([number; 32]))),
        _ if !seen.hashes.is_empty() => {
            dependencies.push(ChangeHash(seen.hashes[chance.below(seen.hashes.len())]));
            dependencies.sort_unstable();
        }
        _ => {}
    }
}

fn actor(chance: &mut impl Chance, seen: &Seen) -> ActorId {
    match chance.below(5) {
        0 => ActorId::from([0; 16].as_slice()),
        1 => ActorId::from([0x77; 16].as_slice()),
        2 => ActorId::from(vec![1; [0, 1, 15, 17, 64][chance.below(5)]].as_slice()),
        _ if !seen.actors.is_empty() => ActorId::from(seen.actors[chance.below(seen.actors.len())].as_slice()),
        _ => ActorId::from([1; 16].as_slice()),
    }
}

fn alter_list(chance: &mut impl Chance, operations: &mut Vec<Op>) {
    let count = operations.len();
    match chance.below(5) {
        0 => operations.clear(),
        1 if count > 0 => operations.push(operations[chance.below(count)].clone()),
        2 if count > 0 => {
            let one = operations[chance.below(count)].clone();
            operations.extend(std::iter::repeat_n(one, 300));
        }
        3 => operations.reverse(),
        _ if count > 0 => drop(operations.swap_remove(chance.below(count))),
        _ => {}
    }
}

fn alter_operation(chance: &mut impl Chance, operation: &mut Op, seen: &Seen) {
    match chance.below(6) {
        0 => {
            operation.obj =
                if chance.below(3) == 0 { ObjectId::Root } else { ObjectId::Id(id(chance, operation, seen)) }
        }
        1 => {
            operation.key = match chance.below(5) {
                0 => Key::Seq(ElementId::Head),
                1 => Key::Seq(ElementId::Id(id(chance, operation, seen))),
                2 => Key::Map("k".repeat(chance.below(9_000)).as_str().into()),
                _ => Key::Map(KEYS[chance.below(KEYS.len())].into()),
            }
        }
        2 | 3 => alter_action(chance, operation),
        4 => operation.insert = !operation.insert,
        _ => {
            let mut predecessors: Vec<OpId> = operation.pred.iter().cloned().collect();
            match chance.below(3) {
                0 => predecessors.clear(),
                1 => drop(predecessors.pop()),
                _ => (0..1 + chance.below(40)).for_each(|_| predecessors.push(id(chance, operation, seen))),
            }
            operation.pred = predecessors.into_iter().collect::<Vec<_>>().into();
        }
    }
}

fn alter_action(chance: &mut impl Chance, operation: &mut Op) {
    if let (OpType::Put(ScalarValue::Bytes(bytes)), true) = (&mut operation.action, chance.below(2) == 0) {
        return alter_record(chance, bytes);
    }
    let scalar = match chance.below(11) {
        0 => ScalarValue::Null,
        1 => ScalarValue::Boolean(true),
        2 => ScalarValue::F64(f64::NAN),
        3 => ScalarValue::Timestamp(i64::MIN),
        4 => ScalarValue::counter(i64::MAX),
        5 => ScalarValue::Uint(u64::MAX),
        6 => ScalarValue::Int(i64::MIN),
        7 => ScalarValue::Bytes(vec![0xff; chance.below(9_000)]),
        8 => ScalarValue::Str("字".repeat(chance.below(3_000)).into()),
        9 => ScalarValue::Unknown { type_code: 12, bytes: vec![1, 2, 3] },
        _ => ScalarValue::Str("一".into()),
    };
    operation.action = match chance.below(8) {
        0 => OpType::Delete,
        1 => OpType::Increment(i64::MAX),
        2 => OpType::Make([ObjType::Map, ObjType::List, ObjType::Text, ObjType::Table][chance.below(4)]),
        _ => OpType::Put(scalar),
    };
}

/// A record in CBOR: bytes altered, nested a thousand deep, of a length that is not there, or that of another.
fn alter_record(chance: &mut impl Chance, bytes: &mut Vec<u8>) {
    match chance.below(6) {
        0 => *bytes = std::iter::repeat_n(0x81, 1_000 + chance.below(6_000)).chain([0]).collect(),
        1 => *bytes = vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        2 => bytes.extend([0xf6; 3]),
        3 => bytes.truncate(chance.below(bytes.len().max(1))),
        _ if !bytes.is_empty() => {
            let at = chance.below(bytes.len());
            bytes[at] = chance.below(256) as u8;
        }
        _ => {}
    }
}

fn id(chance: &mut impl Chance, operation: &Op, seen: &Seen) -> OpId {
    let counter = match &operation.obj {
        ObjectId::Id(OpId(counter, _)) => number(chance, *counter),
        ObjectId::Root => chance.below(40) as u64,
    };
    OpId(counter, actor(chance, seen))
}
