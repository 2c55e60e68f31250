//! A household 户 as it can be read: its records, its needs, and where people disagree.
//!
//! It does not know documents or rows; both are read into it. Fields that a newer schema added are kept elsewhere and
//! do not appear here.
//!
//! **Invariant:** for every open conflict the record shows one value, and the conflict lists them all.

use crate::fields::{Record, Value};
use crate::id::{EditId, HouseholdId, MembershipId, ResidentId};
use crate::instant::Instant;
use crate::schema::{DWELLING, HOUSEHOLD, MEMBERSHIPS, NEEDS, RESIDENTS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Which record of a household: a container, and an id if the container holds many. Written `residents.<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordPath {
    /// Name of the container.
    pub container: String,
    /// The record's id in its spelling of 22 characters, where the container holds many.
    pub id: Option<String>,
}

impl RecordPath {
    /// The household's own record.
    pub fn household() -> Self {
        Self { container: HOUSEHOLD.to_owned(), id: None }
    }

    /// The record of its dwelling.
    pub fn dwelling() -> Self {
        Self { container: DWELLING.to_owned(), id: None }
    }

    /// The record of a resident.
    pub fn resident(id: ResidentId) -> Self {
        Self { container: RESIDENTS.to_owned(), id: Some(id.to_string()) }
    }

    /// The record of a membership.
    pub fn membership(id: MembershipId) -> Self {
        Self { container: MEMBERSHIPS.to_owned(), id: Some(id.to_string()) }
    }

    /// The path of one of its fields.
    pub fn field(&self, name: &str) -> FieldPath {
        FieldPath { record: self.clone(), field: name.to_owned() }
    }
}

/// Which field of a household. Written `household.contact_phone` or `residents.<id>.phone`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldPath {
    /// The record.
    pub record: RecordPath,
    /// The field's name.
    pub field: String,
}

/// A text that names no record or field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a path is container.field or container.id.field")]
pub struct NotAPath;

impl fmt::Display for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{}.{id}", self.container),
            None => f.write_str(&self.container),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.record, self.field)
    }
}

impl FromStr for RecordPath {
    type Err = NotAPath;
    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let (container, id) = match text.split_once('.') {
            Some((container, id)) => (container, Some(id)),
            None => (text, None),
        };
        let id = id.map(|id| crate::id::read(id).map(|_| id.to_owned())).transpose().map_err(|_| NotAPath)?;
        if container.is_empty() { Err(NotAPath) } else { Ok(Self { container: container.to_owned(), id }) }
    }
}

impl FromStr for FieldPath {
    type Err = NotAPath;
    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let (record, field) = text.rsplit_once('.').ok_or(NotAPath)?;
        if field.is_empty() {
            return Err(NotAPath);
        }
        Ok(Self { record: record.parse()?, field: field.to_owned() })
    }
}

macro_rules! as_text {
    ($($name:ident)+) => {$(
        impl TryFrom<String> for $name {
            type Error = NotAPath;
            fn try_from(text: String) -> Result<Self, NotAPath> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.to_string()
            }
        }
    )+};
}
as_text!(RecordPath FieldPath);

/// A member of a set: its attributes, and the edit that affirmed it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The edit that added it or affirmed it last.
    pub affirmed_by: EditId,
    /// Its attributes.
    pub attributes: Record,
}

/// Which member of which set: a need's subject (a resident, or the household itself) and its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberPath {
    /// Name of the set.
    pub container: String,
    /// The subject's id in its spelling of 22 characters.
    pub subject: String,
    /// The kind.
    pub kind: String,
}

impl MemberPath {
    /// A need of a resident.
    pub fn need_of_resident(resident: ResidentId, kind: &str) -> Self {
        Self { container: NEEDS.to_owned(), subject: resident.to_string(), kind: kind.to_owned() }
    }

    /// A need of the whole household.
    pub fn need_of_household(household: HouseholdId, kind: &str) -> Self {
        Self { container: NEEDS.to_owned(), subject: household.to_string(), kind: kind.to_owned() }
    }
}

/// A household with all that its schema knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Household {
    /// Its id.
    pub id: HouseholdId,
    /// Its records.
    pub records: BTreeMap<RecordPath, Record>,
    /// The members of its sets.
    pub members: BTreeMap<MemberPath, Member>,
}

impl Household {
    /// A record, if it is there.
    pub fn record(&self, path: &RecordPath) -> Option<&Record> {
        self.records.get(path)
    }

    /// A value, if it is there.
    pub fn value(&self, path: &FieldPath) -> Option<&Value> {
        self.record(&path.record)?.get(&path.field)
    }

    /// Its residents by id, also those who have moved out.
    pub fn residents(&self) -> impl Iterator<Item = (ResidentId, &Record)> {
        self.collection(RESIDENTS).map(|(id, record)| (ResidentId::from_bytes(id), record))
    }

    /// Its memberships by id.
    pub fn memberships(&self) -> impl Iterator<Item = (MembershipId, &Record)> {
        self.collection(MEMBERSHIPS).map(|(id, record)| (MembershipId::from_bytes(id), record))
    }

    /// Its needs.
    pub fn needs(&self) -> impl Iterator<Item = (&MemberPath, &Member)> {
        self.members.iter().filter(|(path, _)| path.container == NEEDS)
    }

    fn collection(&self, container: &'static str) -> impl Iterator<Item = ([u8; 16], &Record)> {
        self.records
            .iter()
            .filter(move |(path, _)| path.container == container)
            .filter_map(|(path, record)| Some((crate::id::read(path.id.as_deref()?).ok()?, record)))
    }
}

/// One of several values that people gave a field without knowing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative<Author> {
    /// The value; none if the field was cleared.
    pub value: Option<Value>,
    /// Who gave it.
    pub by: Author,
    /// When, by that person's device.
    pub at: Instant,
}

/// A field that has two or more different values, until somebody decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict<Author> {
    /// Which field.
    pub path: FieldPath,
    /// All values; the first is the one that the record shows.
    pub alternatives: Vec<Alternative<Author>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_from_its_spelling() {
        let resident = ResidentId::from_bytes([9; 16]);
        for path in [RecordPath::household().field("remark"), RecordPath::resident(resident).field("phone")] {
            assert_eq!(path.to_string().parse(), Ok(path));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".", "phone", "a.", ".a", "residents.short.phone", "residents..phone"] {
            assert_eq!(text.parse::<FieldPath>(), Err(NotAPath), "{text}");
        }
    }
}
