//! From a document to records: a household with its open conflicts, or the facts of a year.
//!
//! Containers and fields that the schema does not know stay in the document and are not read.
//!
//! **Invariant:** documents with the same changes read the same, whatever the order in which they were merged.

use crate::change::op_id;
use crate::document::{ActorId, DocumentKey};
use crate::member;
use automerge::{Automerge, ObjId, ROOT, ReadDoc, ScalarValue, Value as Stored, ValueRef};
use gridwork_domain::fields::{Record, Value};
use gridwork_domain::household::{Alternative, Conflict, FieldPath, Household, MemberPath, RecordPath};
use gridwork_domain::id::FactId;
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::{Container, Schema, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// A document that is not what its key says, or whose structure is not that of its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the document cannot be read: {0}")]
pub struct Unreadable(pub String);

/// What a household document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The household as it is shown.
    pub household: Household,
    /// Fields with two or more different values, by path.
    pub conflicts: Vec<Conflict<ActorId>>,
}

/// Reads a household document.
///
/// # Errors
/// [`Unreadable`] if it is another document, or a container is missing or of another shape.
pub fn read_household(schema: &Schema, key: &DocumentKey, document: &Automerge) -> Result<Reading, Unreadable> {
    check_identity(key, document)?;
    let mut reader = Reader { document, records: BTreeMap::new(), members: BTreeMap::new(), conflicts: Vec::new() };
    for container in schema.containers {
        reader.read_container(container)?;
    }
    let household = Household { id: key.id.subject(), records: reader.records, members: reader.members };
    reader.conflicts.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Reading { household, conflicts: reader.conflicts })
}

/// The facts of a document: id and bytes, in the order of their ids, with the actor of the change that brought each.
///
/// # Errors
/// [`Unreadable`] if something else than facts lies in it.
pub fn read_facts(document: &Automerge) -> Result<Vec<(FactId, Vec<u8>, ActorId)>, Unreadable> {
    let mut facts = Vec::new();
    for item in document.map_range(ROOT, ..) {
        let id: FactId = item.key.parse().map_err(|_| Unreadable(format!("{} is not the id of a fact", item.key)))?;
        let ValueRef::Scalar(value) = &item.value else {
            return Err(Unreadable(format!("the fact {id} is an object")));
        };
        let ScalarValue::Bytes(bytes) = ScalarValue::from(value) else {
            return Err(Unreadable(format!("the fact {id} is not bytes")));
        };
        facts.push((id, bytes, author(&item.id())?));
    }
    Ok(facts)
}

fn check_identity(key: &DocumentKey, document: &Automerge) -> Result<(), Unreadable> {
    let scalar = |name: &str| match document.get(ROOT, name) {
        Ok(Some((Stored::Scalar(value), _))) => Some(value.into_owned()),
        _ => None,
    };
    let id = ScalarValue::Bytes(key.id.as_bytes().to_vec());
    let epoch = ScalarValue::Uint(key.epoch.into());
    if scalar(crate::genesis::DOCUMENT_KEY) == Some(id) && scalar(crate::genesis::EPOCH_KEY) == Some(epoch) {
        Ok(())
    } else {
        Err(Unreadable(format!("it is not {} of epoch {}", key.id, key.epoch)))
    }
}

fn author(id: &ObjId) -> Result<ActorId, Unreadable> {
    op_id(id)
        .and_then(|op| ActorId::from_library(&op.1))
        .ok_or_else(|| Unreadable("an operation has no actor of 16 bytes".to_owned()))
}

struct Reader<'a> {
    document: &'a Automerge,
    records: BTreeMap<RecordPath, Record>,
    members: BTreeMap<MemberPath, gridwork_domain::household::Member>,
    conflicts: Vec<Conflict<ActorId>>,
}

impl Reader<'_> {
    fn read_container(&mut self, container: &Container) -> Result<(), Unreadable> {
        let object = match self.document.get(ROOT, container.name) {
            Ok(Some((Stored::Object(automerge::ObjType::Map), object))) => object,
            // Begun under an earlier schema, and nobody has written there yet.
            Ok(None) if container.genesis > 0 => return Ok(()),
            _ => return Err(Unreadable(format!("the container {} is missing", container.name))),
        };
        match container.shape {
            Shape::Record => {
                let path = RecordPath { container: container.name.to_owned(), id: None };
                self.read_record(container, path, &object)
            }
            Shape::RecordsById => {
                for item in self.document.map_range(&object, ..) {
                    if !matches!(item.value, ValueRef::Object(automerge::ObjType::Map)) {
                        return Err(Unreadable(format!("{}.{} is not a record", container.name, item.key)));
                    }
                    let path = RecordPath { container: container.name.to_owned(), id: Some(item.key.to_string()) };
                    self.read_record(container, path, &item.id())?;
                }
                Ok(())
            }
            Shape::Set => self.read_set(container, &object),
        }
    }

    fn read_record(&mut self, container: &Container, path: RecordPath, object: &ObjId) -> Result<(), Unreadable> {
        let mut record = Record::default();
        for item in self.document.map_range(object, ..) {
            if container.field(&item.key).is_none() {
                continue;
            }
            let ValueRef::Scalar(scalar) = &item.value else {
                return Err(Unreadable(format!("{path}.{} is not a value", item.key)));
            };
            let field = path.field(&item.key);
            if let Some(value) = value(ScalarValue::from(scalar), &field)? {
                record.0.insert(item.key.to_string(), value);
            }
            if item.conflict {
                self.read_conflict(object, &item.key, field)?;
            }
        }
        self.records.insert(path, record);
        Ok(())
    }

    fn read_conflict(&mut self, object: &ObjId, key: &str, path: FieldPath) -> Result<(), Unreadable> {
        let unreadable = |error: automerge::AutomergeError| Unreadable(error.to_string());
        let mut alternatives = Vec::new();
        for (stored, id) in self.document.get_all(object, key).map_err(unreadable)?.into_iter().rev() {
            let Stored::Scalar(scalar) = stored else {
                return Err(Unreadable(format!("{path} is not a value")));
            };
            let change = self.document.hash_for_opid(&id).and_then(|hash| self.document.get_change_meta_by_hash(&hash));
            let change = change.ok_or_else(|| Unreadable(format!("{path} was written by no change")))?;
            alternatives.push(Alternative {
                value: value(scalar.into_owned(), &path)?,
                by: author(&id)?,
                at: Instant::from_ms(change.timestamp),
            });
        }
        let different: BTreeSet<_> = alternatives.iter().map(|one| &one.value).collect();
        if different.len() > 1 {
            self.conflicts.push(Conflict { path, alternatives });
        }
        Ok(())
    }

    fn read_set(&mut self, container: &Container, object: &ObjId) -> Result<(), Unreadable> {
        for item in self.document.map_range(object, ..) {
            let bad = || Unreadable(format!("{}.{} is not a member of a set", container.name, item.key));
            let (subject, kind) = item.key.split_once('.').ok_or_else(bad)?;
            let ValueRef::Scalar(scalar) = &item.value else { return Err(bad()) };
            let ScalarValue::Bytes(bytes) = ScalarValue::from(scalar) else { return Err(bad()) };
            let path =
                MemberPath { container: container.name.to_owned(), subject: subject.to_owned(), kind: kind.to_owned() };
            let mut member = member::decode(&bytes).map_err(|_| bad())?;
            member.attributes.0.retain(|name, _| container.field(name).is_some());
            self.members.insert(path, member);
        }
        Ok(())
    }
}

fn value(scalar: ScalarValue, path: &FieldPath) -> Result<Option<Value>, Unreadable> {
    match scalar {
        ScalarValue::Null => Ok(None),
        ScalarValue::Str(text) => Ok(Some(Value::Text(text.to_string()))),
        ScalarValue::Int(number) => Ok(Some(Value::Integer(number))),
        _ => Err(Unreadable(format!("{path} is neither text nor a number"))),
    }
}

#[cfg(test)]
mod tests;
