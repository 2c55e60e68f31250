//! What a change says, for a person who decides about it: lines of names and values, never bytes.
//!
//! It reads foreign bytes by the guard's first two steps alone, and does not know whether the change is right.
//!
//! **Invariant:** what the guard cannot decode safely is not read at all.

use crate::document::{DocumentKey, DocumentKind};
use crate::fact;
use crate::guard::decode;
use crate::guard::scan::Limits;
use crate::member;
use automerge::legacy::{Key, Op, OpType};
use automerge::{Change, ScalarValue};
use gridwork_domain::visit::{FactBody, Visit};

/// Characters of a value at most: a note.
const LONGEST_VALUE: usize = 2_000;

/// One thing that a change says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What: the name of a field, or of a part of a visit.
    pub name: String,
    /// The value, as text.
    pub value: String,
}

/// What a change of a document says, in its order; none if it is none that can be read.
pub fn lines(key: &DocumentKey, bytes: &[u8]) -> Option<Vec<Line>> {
    let change: Change = decode(bytes, &Limits::DEFAULT).ok()?;
    let mut lines = Vec::new();
    for operation in change.decode().operations {
        say(key, &operation, &mut lines);
    }
    Some(lines)
}

fn say(key: &DocumentKey, operation: &Op, lines: &mut Vec<Line>) {
    let Key::Map(name) = &operation.key else { return };
    let mut line = |name: &str, value: String| {
        let value = value.chars().take(LONGEST_VALUE).collect();
        lines.push(Line { name: name.to_owned(), value });
    };
    match (key.id.kind(), &operation.action) {
        (DocumentKind::Visits, OpType::Put(ScalarValue::Bytes(bytes))) => {
            let known = name.parse().ok().and_then(|id| fact::decode_foreign(id, bytes, key).ok());
            match known.map(|fact| fact.body) {
                Some(FactBody::Visit(visit)) => say_visit(&visit, &mut line),
                Some(FactBody::Note { text, .. }) => line("note", text),
                Some(FactBody::Correction { reason, visit, .. }) => {
                    line("reason", reason);
                    say_visit(&visit, &mut line);
                }
                None => line("fact", "(it cannot be read)".to_owned()),
            }
        }
        (_, OpType::Put(ScalarValue::Bytes(bytes))) => match member::decode(bytes) {
            Ok(member) => {
                line("need", name.to_string());
                for (name, value) in &member.attributes.0 {
                    line(name, value.to_string());
                }
            }
            Err(_) => line(name, format!("({} bytes)", bytes.len())),
        },
        (_, OpType::Put(value)) => line(name, text(value)),
        (_, OpType::Make(_)) => line("record", name.to_string()),
        (_, OpType::Delete) => line(name, "(removed)".to_owned()),
        _ => {}
    }
}

fn say_visit(visit: &Visit, line: &mut impl FnMut(&str, String)) {
    line("mode", visit.mode.word().to_owned());
    line("outcome", visit.outcome.word().to_owned());
    line("started_at", visit.started_at.ms().to_string());
    if let Some(note) = &visit.note {
        line("note", note.clone());
    }
}

fn text(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Str(text) => text.to_string(),
        ScalarValue::Null => "(cleared)".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Base, record_fact};
    use crate::document::{ActorId, DocumentId};
    use gridwork_domain::id::{FactId, HouseholdId};
    use gridwork_domain::instant::Instant;
    use gridwork_domain::visit::Fact;

    #[test]
    fn a_note_is_read_and_what_is_no_change_is_not() {
        let household = HouseholdId::from_bytes([7; 16]);
        let key = DocumentId::visits(household, 2026).into();
        let at = Instant::from_ms(1_790_000_000_000);
        let body = FactBody::Note { text: "上午在家".into(), written_at: at };
        let fact = Fact { id: FactId::from_bytes([1; 16]), household, body };
        let base = Base { actor: ActorId([2; 16]), heads: Vec::new(), previous: None };
        let change = record_fact(&base, &key, &fact, at);
        let said = lines(&key, &change.bytes).expect("a change");
        assert_eq!(said, [Line { name: "note".into(), value: "上午在家".into() }]);
        let mut broken = change.bytes;
        *broken.last_mut().expect("bytes") ^= 1;
        assert_eq!(lines(&key, &broken), None);
        assert_eq!(lines(&key, b"not a chunk"), None);
    }
}
