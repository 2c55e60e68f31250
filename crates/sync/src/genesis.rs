//! Genesis: the changes with which a document begins. Pure functions of the schema and of (document, epoch), so that
//! every side makes the same bytes and nobody ever sends the first of them.
//!
//! Genesis change 0 writes the document's id and epoch and makes the containers of the first schema. A container that a
//! later schema adds is made by genesis change k, which depends on genesis change k-1 alone.
//!
//! **Invariant:** these bytes never change. `fixtures/` pins them.

use crate::broken::{Broken, is_broken};
use crate::document::{ActorId, ChangeHash, DocumentKey};
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{Automerge, Change, ExpandedChange, ObjType, ReadDoc, ScalarValue};
use gridwork_domain::schema::{Container, Schema};
use std::num::NonZeroU64;

/// The actor of all genesis changes. A push by it is refused.
pub const GENESIS_ACTOR: ActorId = ActorId([0; 16]);

/// Key at the root of a document that holds its id.
pub const DOCUMENT_KEY: &str = "document";
/// Key at the root of a document that holds its epoch.
pub const EPOCH_KEY: &str = "epoch";

/// The genesis changes of a document in order, as a schema has them; none for pure fact documents.
pub fn genesis(schema: &Schema, key: &DocumentKey) -> Vec<Change> {
    if !key.id.kind().has_genesis() {
        return Vec::new();
    }
    let last = schema.containers.iter().map(|container| container.genesis).max().unwrap_or(0);
    let mut changes: Vec<Change> = Vec::new();
    let mut next_op = 1;
    for step in 0..=last {
        let change = genesis_change(schema, key, step, next_op, changes.last().map(Change::hash));
        next_op = change.max_op() + 1;
        changes.push(change);
    }
    changes
}

/// A new document: only its genesis.
pub fn begin(schema: &Schema, key: &DocumentKey) -> Automerge {
    let mut document = empty();
    add_missing(schema, key, &mut document);
    document
}

/// Adds the genesis changes that a document lacks because it was begun under an earlier schema; returns them.
pub fn add_missing(schema: &Schema, key: &DocumentKey, document: &mut Automerge) -> Vec<Change> {
    let missing: Vec<Change> = genesis(schema, key)
        .into_iter()
        .filter(|change| !document.get_missing_deps(&[change.hash()]).is_empty())
        .collect();
    for change in &missing {
        document.apply_changes([change.clone()]).expect("a genesis change depends on genesis changes alone");
    }
    missing
}

/// An empty document whose own actor is fixed: no id of the library's making takes part in anything.
pub(crate) fn empty() -> Automerge {
    Automerge::new().with_actor(GENESIS_ACTOR.into())
}

/// The genesis change of that hash, if it is one of this document.
pub fn find(schema: &Schema, key: &DocumentKey, hash: &ChangeHash) -> Option<Change> {
    genesis(schema, key).into_iter().find(|change| change.hash().0 == hash.0)
}

/// The operation that made a container: its object id in every document. `None` if the schema has no such container.
pub(crate) fn container_op(schema: &Schema, name: &str) -> Option<OpId> {
    let position = in_genesis_order(schema).position(|container| container.name == name)?;
    let before_containers = 2; // id and epoch
    Some(OpId(before_containers + position as u64 + 1, GENESIS_ACTOR.into()))
}

fn in_genesis_order(schema: &Schema) -> impl Iterator<Item = &'static Container> {
    let last = schema.containers.iter().map(|container| container.genesis).max().unwrap_or(0);
    let containers = schema.containers;
    (0..=last).flat_map(move |step| containers.iter().filter(move |container| container.genesis == step))
}

fn genesis_change(
    schema: &Schema,
    key: &DocumentKey,
    step: u8,
    start_op: u64,
    previous: Option<automerge::ChangeHash>,
) -> Change {
    let mut operations = Vec::new();
    if step == 0 {
        let own = if is_broken(Broken::SharedGenesis) { &[1; 19] } else { key.id.as_bytes() };
        let id = ScalarValue::Bytes(own.to_vec());
        operations.push(at_root(DOCUMENT_KEY, OpType::Put(id)));
        operations.push(at_root(EPOCH_KEY, OpType::Put(ScalarValue::Uint(key.epoch.into()))));
    }
    let made = schema.containers.iter().filter(|container| container.genesis == step);
    operations.extend(made.map(|container| at_root(container.name, OpType::Make(ObjType::Map))));
    Change::from(ExpandedChange {
        operations,
        actor_id: GENESIS_ACTOR.into(),
        hash: None,
        seq: u64::from(step) + 1,
        start_op: NonZeroU64::new(start_op).expect("operations are counted from 1"),
        time: 0,
        message: None,
        deps: previous.into_iter().collect(),
        extra_bytes: Vec::new(),
        author: None,
    })
}

fn at_root(key: &str, action: OpType) -> Op {
    Op { action, obj: ObjectId::Root, key: Key::Map(key.into()), pred: SortedVec::new(), insert: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentId;
    use automerge::ROOT;
    use gridwork_domain::id::HouseholdId;
    use gridwork_domain::schema::SCHEMA_1;

    fn key(byte: u8) -> DocumentKey {
        DocumentId::household(HouseholdId::from_bytes([byte; 16])).into()
    }

    #[test]
    fn every_side_makes_the_same_genesis_and_every_household_its_own() {
        assert_eq!(genesis(&SCHEMA_1, &key(1))[0].raw_bytes(), genesis(&SCHEMA_1, &key(1))[0].raw_bytes());
        assert_ne!(genesis(&SCHEMA_1, &key(1))[0].hash(), genesis(&SCHEMA_1, &key(2))[0].hash());
        let later = DocumentKey { epoch: 1, ..key(1) };
        assert_ne!(genesis(&SCHEMA_1, &key(1))[0].hash(), genesis(&SCHEMA_1, &later)[0].hash());
    }

    #[test]
    fn a_new_household_has_all_containers_and_they_are_found_by_their_operation() {
        let document = begin(&SCHEMA_1, &key(1));
        for container in SCHEMA_1.containers {
            let (_, object) = document.get(ROOT, container.name).expect("readable").expect("a container");
            let automerge::ObjId::Id(counter, actor, _) = object else { panic!("not the root") };
            assert_eq!(container_op(&SCHEMA_1, container.name), Some(OpId(counter, actor)));
        }
    }

    #[test]
    fn documents_of_facts_have_no_genesis() {
        let visits = DocumentId::visits(HouseholdId::from_bytes([1; 16]), 2026).into();
        assert!(genesis(&SCHEMA_1, &visits).is_empty());
    }
}
