//! Step 4 for household documents: what a change may write where.
//!
//! The grammar is: put a scalar, make a map of the schema, delete a set member; into containers of the schema, under
//! keys of the schema, at most once per key, with the predecessors that are visible at the change's own dependencies.

use super::{Code, Refusal, Rules};
use crate::broken::{Broken, is_broken};
use crate::change::{Visible, exid, visible_at};
use crate::document::DocumentKey;
use crate::genesis::container_op;
use crate::member::{self, NotAMember};
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{Automerge, Change, ObjType, ReadDoc, ScalarValue};
use gridwork_domain::fields::{Fields, Kind, Value};
use gridwork_domain::id::{ID_TEXT_LENGTH, read as read_id};
use gridwork_domain::need::{Basis, KIND_LENGTH, Need};
use gridwork_domain::schema::{Container, NEEDS, RESIDENTS, Shape};
use std::collections::BTreeSet;

/// Checks every operation of a change. `seen` is the document at the change's dependencies, `current` as it stands.
pub(super) fn check(
    rules: &Rules<'_>,
    key: &DocumentKey,
    seen: &Automerge,
    current: &Automerge,
    change: &Change,
) -> Result<(), Refusal> {
    let expanded = change.decode();
    let author = expanded.actor_id.clone();
    let start_op = expanded.start_op.get();
    let mut grammar = Grammar::new(rules, key, seen, current);
    let mut written = BTreeSet::new();
    for (offset, op) in expanded.operations.iter().enumerate() {
        let Key::Map(name) = &op.key else {
            return Err(Refusal::new(Code::Operation, "there are no lists in a household"));
        };
        if op.insert {
            return Err(Refusal::new(Code::Operation, "nothing is inserted in a household"));
        }
        let object = match &op.obj {
            ObjectId::Root => return Err(Refusal::new(Code::Object, "the root belongs to genesis")),
            ObjectId::Id(id) => id,
        };
        if !written.insert((object.0, object.1.to_bytes().to_vec(), name.to_string())) {
            return Err(Refusal::new(Code::Twice, format!("{name} is written twice in one change")));
        }
        grammar.check_op(op, object, name, OpId(start_op + offset as u64, author.clone()))?;
    }
    Ok(())
}

enum Place {
    /// A record: the container's own map, or one of its records.
    Record(&'static Container),
    /// A map of records.
    Records(&'static Container),
    /// A set.
    Set(&'static Container),
}

struct Grammar<'a> {
    key: &'a DocumentKey,
    seen: &'a Automerge,
    current: &'a Automerge,
    seen_heads: Vec<automerge::ChangeHash>,
    containers: Vec<(&'static Container, OpId)>,
    made: Vec<(&'static Container, OpId, String)>,
}

impl<'a> Grammar<'a> {
    fn new(rules: &Rules<'_>, key: &'a DocumentKey, seen: &'a Automerge, current: &'a Automerge) -> Self {
        let containers = rules.schema.containers.iter();
        let containers = containers.filter_map(|one| Some((one, container_op(rules.schema, one.name)?))).collect();
        Self { key, seen, current, seen_heads: seen.get_heads(), containers, made: Vec::new() }
    }

    fn check_op(&mut self, op: &Op, object: &OpId, name: &str, id: OpId) -> Result<(), Refusal> {
        let visible = if self.made.iter().any(|(_, made, _)| made == object) {
            Vec::new()
        } else if is_broken(Broken::CurrentPredecessors) {
            visible_at(self.current, &op.obj, name, &self.current.get_heads())
        } else {
            visible_at(self.seen, &op.obj, name, &self.seen_heads)
        };
        match self.place(object)? {
            Place::Record(container) => self.check_field(container, op, name)?,
            Place::Set(container) => self.check_member(container, op, name, &visible)?,
            Place::Records(container) => {
                if op.action != OpType::Make(ObjType::Map) {
                    return Err(Refusal::new(Code::Operation, "records are made, never replaced or removed"));
                }
                read_id(name).map_err(|_| Refusal::new(Code::Key, format!("{name} is not the id of a record")))?;
                let taken = self.current.get_all(exid(object), name).is_ok_and(|values| !values.is_empty());
                if !visible.is_empty() || taken {
                    let detail = format!("{}.{name} exists: write its fields", container.name);
                    return Err(Refusal::new(Code::Exists, detail));
                }
                self.made.push((container, id, name.to_owned()));
            }
        }
        let expected: SortedVec<OpId> = visible.into_iter().map(|(_, id)| id).collect();
        if op.pred == expected {
            Ok(())
        } else {
            let detail = format!("the predecessors of {name} are not the values that its author saw");
            Err(Refusal::new(Code::Predecessors, detail))
        }
    }

    fn place(&self, object: &OpId) -> Result<Place, Refusal> {
        if let Some((container, _)) = self.containers.iter().find(|(_, id)| id == object) {
            return Ok(match container.shape {
                Shape::Record => Place::Record(container),
                Shape::RecordsById => Place::Records(container),
                Shape::Set => Place::Set(container),
            });
        }
        if let Some((container, ..)) = self.made.iter().find(|(_, made, _)| made == object) {
            return Ok(Place::Record(container));
        }
        let by_id = self.containers.iter().filter(|(container, _)| container.shape == Shape::RecordsById);
        for (container, id) in by_id {
            let there =
                self.seen.map_range(exid(id), ..).any(|item| crate::change::op_id(&item.id()).as_ref() == Some(object));
            if there {
                return Ok(Place::Record(container));
            }
        }
        Err(Refusal::new(Code::Object, "the object is not a record that its author saw"))
    }

    fn check_field(&self, container: &Container, op: &Op, name: &str) -> Result<(), Refusal> {
        let OpType::Put(scalar) = &op.action else {
            return Err(Refusal::new(Code::Operation, format!("{}.{name} is put, nothing else", container.name)));
        };
        let unknown = || Refusal::new(Code::Key, format!("{} has no field {name}", container.name));
        let field = container.field(name).ok_or_else(unknown)?;
        let wrong = |reason: String| Refusal::new(Code::Value, format!("{}.{name} {reason}", container.name));
        let value = match scalar {
            ScalarValue::Null => return Ok(()),
            ScalarValue::Str(text) => Value::Text(text.to_string()),
            ScalarValue::Int(number) => Value::Integer(*number),
            _ => return Err(wrong("is neither text nor a whole number".to_owned())),
        };
        let checked = field.kind.check(&value).map_err(|error| wrong(error.to_string()))?;
        if checked != value {
            return Err(wrong(format!("is not in its canonical form {checked}")));
        }
        if field.kind == Kind::Resident && !value.as_text().is_some_and(|id| self.is_resident(id)) {
            return Err(wrong("names nobody of this household".to_owned()));
        }
        Ok(())
    }

    fn check_member(&self, container: &Container, op: &Op, name: &str, visible: &[Visible]) -> Result<(), Refusal> {
        let bad_key = || Refusal::new(Code::Key, format!("{name} is not subject.kind of this household"));
        let (subject, kind) = name.split_once('.').ok_or_else(bad_key)?;
        let known_subject = subject == self.key.id.subject().to_string() || self.is_resident(subject);
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let kind_is_word = (1..=KIND_LENGTH).contains(&kind.len()) && kind.bytes().all(word);
        if subject.len() != ID_TEXT_LENGTH || !known_subject || !kind_is_word {
            return Err(bad_key());
        }
        match &op.action {
            OpType::Delete if !visible.is_empty() => Ok(()),
            OpType::Put(ScalarValue::Bytes(bytes)) => check_attributes(container, kind, bytes)
                .map_err(|reason| Refusal::new(Code::Value, format!("{}.{name}: {reason}", container.name))),
            _ => Err(Refusal::new(Code::Operation, "a member is put as bytes, or deleted where it is seen")),
        }
    }

    fn is_resident(&self, id: &str) -> bool {
        let Some((container, object)) = self.containers.iter().find(|(one, _)| one.name == RESIDENTS) else {
            return false;
        };
        let made = self.made.iter().any(|(one, _, made)| one.name == container.name && made == id);
        made || self.seen.get(exid(object), id).is_ok_and(|found| found.is_some())
    }
}

fn check_attributes(container: &Container, kind: &str, bytes: &[u8]) -> Result<(), String> {
    let member = member::decode(bytes).map_err(|error: NotAMember| error.to_string())?;
    let attributes =
        Fields(member.attributes.0.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect());
    let checked = container
        .check(&attributes)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    if checked != attributes {
        return Err("an attribute is not in its canonical form".to_owned());
    }
    if container.name != NEEDS {
        return Ok(());
    }
    let text = |name: &str| member.attributes.text(name).map(str::to_owned);
    let basis = [Basis::StatutoryDuty, Basis::Consent, Basis::Emergency];
    let need = Need {
        purpose: text("purpose").unwrap_or_default(),
        basis: basis
            .into_iter()
            .find(|one| Some(one.word()) == member.attributes.text("basis"))
            .ok_or("a need has a legal basis")?,
        sensitivity: member
            .attributes
            .integer("sensitivity")
            .and_then(|class| class.try_into().ok())
            .ok_or("a need has a sensitivity")?,
        expires: text("expires"),
        note: text("note"),
    };
    need.check(kind).map_err(|error| error.to_string())
}
