//! From what a person did to one minimal change, built by hand on the heads that the author saw.
//!
//! Built as [`ExpandedChange`] and not with the library's transactions: those narrow predecessors when a conflict is
//! decided for the value that already wins, and draw actors of their own.
//!
//! **Invariant:** what is built here passes every step of the guard.

use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use crate::genesis::{DOCUMENT_KEY, container_op};
use crate::guard::scan::{Limits, ScanError, scan};
use crate::{fact, member};
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{Automerge, Change, ExpandedChange, ObjType, ReadDoc, ScalarValue, Value as Stored};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::{Fields, Kind, Value};
use gridwork_domain::household::{MemberPath, RecordPath};
use gridwork_domain::id::EditId;
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::{RESIDENTS, Schema};
use gridwork_domain::visit::Fact;
use std::num::NonZeroU64;

/// A change as the log and the wire hold it, with what the guard needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: ActorId,
    /// Its number among the actor's changes of this document, from 1.
    pub sequence: u64,
    /// The largest operation number in it.
    pub largest_op: u64,
    /// When the edit was made, by the author's clock.
    pub at: Instant,
    /// The changes on which it was built, ascending.
    pub dependencies: Vec<ChangeHash>,
    /// The uncompressed chunk.
    pub bytes: Vec<u8>,
}

/// A change on which another can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Its hash.
    pub hash: ChangeHash,
    /// The largest operation number in it.
    pub largest_op: u64,
}

/// Where the author stands: what was seen, and the author's own last change of this document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Who makes the change.
    pub actor: ActorId,
    /// The heads that the author saw.
    pub heads: Vec<Head>,
    /// The actor's last change of this document with its sequence number; none if this is the first.
    pub previous: Option<(Head, u64)>,
}

impl Base {
    /// Where `actor` stands in a document of which it saw everything.
    pub fn current(document: &Automerge, actor: ActorId) -> Self {
        let heads = document.get_heads();
        Self::seen(document, actor, &heads).expect("a document has its own heads")
    }

    /// Where `actor` stands that saw `heads` of the document; `None` if one of them is not in it.
    pub fn seen(document: &Automerge, actor: ActorId, heads: &[automerge::ChangeHash]) -> Option<Self> {
        let heads = heads
            .iter()
            .map(|hash| {
                let meta = document.get_change_meta_by_hash(hash)?;
                Some(Head { hash: (*hash).into(), largest_op: meta.max_op })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { actor, heads, previous: last_change_of(document, actor) })
    }

    /// The same author who saw `most` of the heads at most: those with the largest operations. A change on more of them
    /// than [`Limits`] allows would be refused, and the document could never be written again. What is left out is
    /// concurrent to the change, and the next one takes it in.
    fn narrowed(&self, most: usize) -> Self {
        let mut heads = self.heads.clone();
        if heads.len() > most {
            heads.sort_unstable_by_key(|head| std::cmp::Reverse((head.largest_op, head.hash)));
            heads.truncate(most);
        }
        Self { heads, ..self.clone() }
    }

    fn dependencies(&self) -> Vec<ChangeHash> {
        let previous = self.previous.iter().map(|(head, _)| head.hash);
        let mut hashes: Vec<_> = self.heads.iter().map(|head| head.hash).chain(previous).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    fn start_op(&self) -> u64 {
        let previous = self.previous.iter().map(|(head, _)| head.largest_op);
        self.heads.iter().map(|head| head.largest_op).chain(previous).max().unwrap_or(0) + 1
    }

    fn sequence(&self) -> u64 {
        self.previous.map_or(0, |(_, sequence)| sequence) + 1
    }

    fn build(&self, at: Instant, operations: Vec<Op>) -> RawChange {
        let change = Change::from(ExpandedChange {
            operations,
            actor_id: self.actor.into(),
            hash: None,
            seq: self.sequence(),
            start_op: NonZeroU64::new(self.start_op()).expect("operations are counted from 1"),
            time: at.ms(),
            message: None,
            deps: self.dependencies().into_iter().map(Into::into).collect(),
            extra_bytes: Vec::new(),
            author: None,
        });
        RawChange::of(&change).expect("an actor has 16 bytes")
    }
}

impl RawChange {
    /// What the log keeps of a library change; `None` if its actor is not one of ours.
    pub fn of(change: &Change) -> Option<Self> {
        Some(Self {
            hash: change.hash().into(),
            actor: ActorId::from_library(change.actor_id())?,
            sequence: change.seq(),
            largest_op: change.max_op(),
            at: Instant::from_ms(change.timestamp()),
            dependencies: change.deps().iter().map(|hash| (*hash).into()).collect(),
            bytes: change.raw_bytes().to_vec(),
        })
    }
}

/// Why an edit makes no change of this document as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A record that is not there, or that its author did not see.
    #[error("there is no record {0} in this household")]
    NoSuchRecord(RecordPath),
    /// No such container in this schema.
    #[error("this release knows no container {0}")]
    NoSuchContainer(String),
    /// A new record under an id that somebody else used since: write its fields instead.
    #[error("the record {0} exists already: correct its fields")]
    Exists(RecordPath),
    /// Everything is as the edit would have it.
    #[error("nothing to do: the household already reads so")]
    Nothing,
    /// Heads that the document does not have.
    #[error("the document has no such version: read it again")]
    UnknownHeads,
    /// One edit that writes one thing twice.
    #[error("the edit writes {0} twice")]
    Twice(String),
    /// More than one change can hold.
    #[error("the edit does not fit into one change ({0}): make it in several steps")]
    TooLarge(ScanError),
}

/// Heads on which the change of a fact is built at most: with them the longest fact still fits into one change.
const MOST_HEADS_OF_FACT: usize = 16;
/// Heads on which the change of a household is built at most: what it replaces names their authors.
const MOST_HEADS_OF_HOUSEHOLD: usize = 32;

/// One change that records a fact. Needs no document, only where the author stands.
pub fn record_fact(base: &Base, key: &DocumentKey, one: &Fact, at: Instant) -> RawChange {
    let base = base.narrowed(MOST_HEADS_OF_FACT);
    let bytes = ScalarValue::Bytes(fact::encode(one, key));
    base.build(at, vec![put(ObjectId::Root, &one.id.to_string(), bytes, Vec::new())])
}

/// One change that writes into a household document only what differs from what the author saw.
///
/// # Errors
/// [`BuildError`]; nothing was changed.
pub fn write_household(
    schema: &Schema,
    document: &Automerge,
    base: &Base,
    edit: (EditId, Instant),
    writes: &[Write],
) -> Result<RawChange, BuildError> {
    let base = &base.narrowed(MOST_HEADS_OF_HOUSEHOLD);
    let seen = base.dependencies().into_iter().map(Into::into).collect();
    let mut draft = Draft { schema, document, base, seen, operations: Vec::new(), made: Vec::new() };
    for write in writes {
        draft.write(edit.0, write)?;
    }
    if draft.operations.is_empty() {
        return Err(BuildError::Nothing);
    }
    let change = base.build(edit.1, draft.operations);
    scan(&change.bytes, &Limits::DEFAULT).map_err(BuildError::TooLarge)?;
    Ok(change)
}

/// The last change of an actor in a document, and its sequence number.
fn last_change_of(document: &Automerge, actor: ActorId) -> Option<(Head, u64)> {
    let actor: automerge::ActorId = actor.into();
    let last =
        document.get_changes_meta(&[]).into_iter().filter(|meta| *meta.actor == actor).max_by_key(|meta| meta.seq)?;
    Some((Head { hash: last.hash.into(), largest_op: last.max_op }, last.seq))
}

struct Draft<'a> {
    schema: &'a Schema,
    document: &'a Automerge,
    base: &'a Base,
    seen: Vec<automerge::ChangeHash>,
    operations: Vec<Op>,
    made: Vec<(RecordPath, OpId)>,
}

impl Draft<'_> {
    fn write(&mut self, edit: EditId, write: &Write) -> Result<(), BuildError> {
        match write {
            Write::Make(path, fields) => self.make(path, fields),
            Write::Put(path, fields) => {
                let object = self.object(path)?;
                self.put_fields(object, path, fields)
            }
            Write::Decide(path, value) => {
                let object = self.object(&path.record)?;
                let visible = self.visible(&object, &path.field);
                let scalar = scalar(value.as_ref());
                let decided = match visible.as_slice() {
                    [] => value.is_none(),
                    [(only, _)] => *only == Some(scalar.clone()),
                    _ => false,
                };
                if decided { Ok(()) } else { self.push(object, &path.field, OpType::Put(scalar), &visible) }
            }
            Write::Affirm(path, attributes) => {
                let (object, key) = self.set(path)?;
                if !self.is_household(&path.subject) {
                    self.resident(&path.subject)?;
                }
                let visible = self.visible(&object, &key);
                let value = ScalarValue::Bytes(member::encode(edit, attributes));
                self.push(object, &key, OpType::Put(value), &visible)
            }
            Write::Withdraw(path) => {
                let (object, key) = self.set(path)?;
                let visible = self.visible(&object, &key);
                if visible.is_empty() { Ok(()) } else { self.push(object, &key, OpType::Delete, &visible) }
            }
        }
    }

    /// Makes a record where nothing is, at the author's heads and now; two makes under one id would hide one of them.
    fn make(&mut self, path: &RecordPath, fields: &Fields) -> Result<(), BuildError> {
        let container = self.container(&path.container)?;
        let id = path.id.clone().ok_or_else(|| BuildError::NoSuchRecord(path.clone()))?;
        if let Some(object) = self.existing(&container, &id) {
            return self.put_fields(object, path, fields);
        }
        let taken = self.document.get_all(exid(&container), id.as_str()).is_ok_and(|values| !values.is_empty());
        if taken {
            return Err(BuildError::Exists(path.clone()));
        }
        let op = OpId(self.base.start_op() + self.operations.len() as u64, self.base.actor.into());
        self.push(ObjectId::Id(container), &id, OpType::Make(ObjType::Map), &[])?;
        self.made.push((path.clone(), op.clone()));
        self.put_fields(ObjectId::Id(op), path, fields)
    }

    fn put_fields(&mut self, object: ObjectId, path: &RecordPath, fields: &Fields) -> Result<(), BuildError> {
        let new = self.made.iter().any(|(made, _)| made == path);
        for (name, value) in fields.iter() {
            let visible = if new { Vec::new() } else { self.visible(&object, name) };
            let scalar = scalar(value);
            let shown = visible.last().and_then(|(shown, _)| shown.clone()).unwrap_or(ScalarValue::Null);
            if shown != scalar {
                if let Some(Value::Text(id)) = value
                    && self.names_resident(path, name)
                {
                    self.resident(id)?;
                }
                self.push(object.clone(), name, OpType::Put(scalar), &visible)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, obj: ObjectId, key: &str, action: OpType, visible: &[Visible]) -> Result<(), BuildError> {
        let key_of = Key::Map(key.into());
        if self.operations.iter().any(|op| op.obj == obj && op.key == key_of) {
            return Err(BuildError::Twice(key.to_owned()));
        }
        let pred: SortedVec<OpId> = visible.iter().map(|(_, id)| id.clone()).collect();
        self.operations.push(Op { action, obj, key: key_of, pred, insert: false });
        Ok(())
    }

    fn object(&self, path: &RecordPath) -> Result<ObjectId, BuildError> {
        if let Some((_, op)) = self.made.iter().find(|(made, _)| made == path) {
            return Ok(ObjectId::Id(op.clone()));
        }
        let container = self.container(&path.container)?;
        match &path.id {
            None => Ok(ObjectId::Id(container)),
            Some(id) => self.existing(&container, id).ok_or_else(|| BuildError::NoSuchRecord(path.clone())),
        }
    }

    /// That a resident is one whom the author saw, or made in this edit.
    fn resident(&self, id: &str) -> Result<(), BuildError> {
        self.object(&RecordPath { container: RESIDENTS.to_owned(), id: Some(id.to_owned()) }).map(drop)
    }

    fn is_household(&self, id: &str) -> bool {
        let Ok(Some((Stored::Scalar(own), _))) = self.document.get(automerge::ROOT, DOCUMENT_KEY) else { return false };
        let own = own.as_bytes().and_then(|bytes| bytes.try_into().ok()).map(DocumentId::from_bytes);
        matches!(own, Some(Ok(own)) if own.subject().to_string() == id)
    }

    fn names_resident(&self, path: &RecordPath, field: &str) -> bool {
        let container = self.schema.container(&path.container);
        container.and_then(|container| container.field(field)).is_some_and(|field| field.kind == Kind::Resident)
    }

    fn existing(&self, container: &OpId, id: &str) -> Option<ObjectId> {
        let found = self.document.get_all_at(exid(container), id, &self.seen).ok()?;
        found.last().and_then(|(_, id)| op_id(id)).map(ObjectId::Id)
    }

    fn container(&self, name: &str) -> Result<OpId, BuildError> {
        container_op(self.schema, name).ok_or_else(|| BuildError::NoSuchContainer(name.to_owned()))
    }

    fn set(&self, path: &MemberPath) -> Result<(ObjectId, String), BuildError> {
        Ok((ObjectId::Id(self.container(&path.container)?), member_key(path)))
    }

    fn visible(&self, object: &ObjectId, key: &str) -> Vec<Visible> {
        visible_at(self.document, object, key, &self.seen)
    }
}

/// A visible value (none if it is an object) with the operation that wrote it.
pub(crate) type Visible = (Option<ScalarValue>, OpId);

/// The values visible under a key at some heads; the last is the one that a reader is shown.
pub(crate) fn visible_at(
    document: &Automerge,
    object: &ObjectId,
    key: &str,
    heads: &[automerge::ChangeHash],
) -> Vec<Visible> {
    let object = match object {
        ObjectId::Root => automerge::ROOT,
        ObjectId::Id(op) => exid(op),
    };
    let values = document.get_all_at(object, key, heads).unwrap_or_default();
    values
        .into_iter()
        .filter_map(|(value, id)| {
            let scalar = match value {
                Stored::Scalar(scalar) => Some(scalar.into_owned()),
                Stored::Object(_) => None,
            };
            Some((scalar, op_id(&id)?))
        })
        .collect()
}

/// The spelling of a set member's key: subject, a full stop, kind.
pub(crate) fn member_key(path: &MemberPath) -> String {
    format!("{}.{}", path.subject, path.kind)
}

/// The scalar that a field's value is stored as: text as string, numbers as signed integers, cleared as null.
pub(crate) fn scalar(value: Option<&Value>) -> ScalarValue {
    match value {
        None => ScalarValue::Null,
        Some(Value::Text(text)) => ScalarValue::Str(text.as_str().into()),
        Some(Value::Integer(number)) => ScalarValue::Int(*number),
    }
}

/// The object of an operation, as the library addresses it.
pub(crate) fn exid(op: &OpId) -> automerge::ObjId {
    automerge::ObjId::Id(op.0, op.1.clone(), 0)
}

/// The operation that an id of the library names; `None` for the root.
pub(crate) fn op_id(id: &automerge::ObjId) -> Option<OpId> {
    match id {
        automerge::ObjId::Root => None,
        automerge::ObjId::Id(counter, actor, _) => Some(OpId(*counter, actor.clone())),
    }
}

fn put(obj: ObjectId, key: &str, value: ScalarValue, pred: Vec<OpId>) -> Op {
    Op { action: OpType::Put(value), obj, key: Key::Map(key.into()), pred: pred.into(), insert: false }
}

#[cfg(test)]
mod tests;
