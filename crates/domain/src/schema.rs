//! The schema of the household document: its containers, and for each field what it holds and how it merges.
//!
//! This is data: the guard's grammar, the merge, the projection and the catalogue all read it. It does not know how a
//! document is stored.
//!
//! **Invariant:** schemas only grow. A field or container, once in a released schema, keeps its name, kind and merge
//! class for ever, since phones hold documents that were written under it.

use crate::code_list::CodeList;
use crate::fields::{Fields, Kind, Value, ValueError};
use crate::mask::Mask;

/// How concurrent writes to a field merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeClass {
    /// One value wins, all stay readable; two different ones are an open conflict.
    Register,
    /// A member of an observed-remove set.
    Set,
    /// Part of an immutable fact: never merged.
    Fact,
    /// Computed from others, the same everywhere.
    Derived,
    /// Written by the registry alone.
    ServerOnly,
}

/// Why a field is kept (PIPL, articles 6 and 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To know which person or place a record is about.
    Identify,
    /// To reach people.
    Reach,
    /// To find the homes that need help, and to help.
    Help,
    /// To know what was done at a home, when and by whom.
    Account,
    /// To decide who may see and do what.
    Permit,
}

/// On what legal basis a field is kept (PIPL, article 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegalBasis {
    /// A state organ's statutory duty.
    StatutoryDuty,
    /// The person's consent, which can be withdrawn.
    Consent,
}

/// How sensitive a field is: 0 public, 1 personal, 2 sensitive personal (PIPL, article 28), 3 most sensitive.
pub type Sensitivity = u8;

/// From this class on, needs and observations live in a document of their own that few may read.
pub const SENSITIVE: Sensitivity = 2;

/// How long a value is kept. All periods are provisional until the owner of the data sets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// While the person or thing is in the district, then this many years.
    YearsAfterLeaving(u8),
    /// This many years after it was recorded.
    YearsAfterRecording(u8),
}

/// One field: its name in documents and in JSON, the users' term, and the rules that it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name, the same in documents, JSON and rows.
    pub name: &'static str,
    /// The users' term.
    pub term: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// How concurrent writes merge.
    pub class: MergeClass,
    /// Why it is kept.
    pub purpose: Purpose,
    /// On what basis it is kept.
    pub basis: LegalBasis,
    /// How sensitive it is, 0 to 3.
    pub sensitivity: Sensitivity,
    /// How long it is kept (provisional).
    pub retention: Retention,
    /// What of it is shown to whoever may know that it is there, and not what it is.
    pub mask: Mask,
}

/// How a container of the household document is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One record: a map of fields.
    Record,
    /// Records by id: a map of maps of fields.
    RecordsById,
    /// A set: a map from subject and kind to one value with all attributes.
    Set,
}

/// One container at the root of the household document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    /// Its key at the root.
    pub name: &'static str,
    /// How it is built.
    pub shape: Shape,
    /// The genesis change that makes it: 0 for those of the first schema.
    pub genesis: u8,
    /// The fields of its records, or the attributes of its members.
    pub fields: &'static [Field],
}

/// A version of the household document's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// 1, then one more for each release that adds to it.
    pub version: u16,
    /// The containers, in the order in which genesis makes them.
    pub containers: &'static [Container],
}

/// A field that was refused, by name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No such field.
    #[error("{container} has no field {field}")]
    Unknown {
        /// The container.
        container: &'static str,
        /// The name that was given.
        field: String,
    },
    /// A value that does not fit.
    #[error("{container}.{field} {reason}")]
    Value {
        /// The container.
        container: &'static str,
        /// The field.
        field: &'static str,
        /// What is wrong, and what would be right.
        reason: ValueError,
    },
}

impl Field {
    /// Checks a value and returns its canonical form.
    ///
    /// # Errors
    /// [`ValueError`], also for what a mask left of a value: it would be written over the value itself.
    pub fn check(&self, value: &Value) -> Result<Value, ValueError> {
        if self.mask.is_left_of(value) { Err(ValueError::Masked) } else { self.kind.check(value) }
    }
}

impl Schema {
    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&'static Container> {
        self.containers.iter().find(|container| container.name == name)
    }
}

impl Container {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Checks every field and returns them in canonical form.
    ///
    /// # Errors
    /// Every field that is unknown or whose value does not fit.
    pub fn check(&self, given: &Fields) -> Result<Fields, Vec<FieldError>> {
        let mut checked = Fields::new();
        let mut errors = Vec::new();
        for (name, value) in given.iter() {
            let Some(field) = self.field(name) else {
                errors.push(FieldError::Unknown { container: self.name, field: name.to_owned() });
                continue;
            };
            match value.map(|value| field.check(value)).transpose() {
                Ok(value) => {
                    checked.0.insert(name.to_owned(), value);
                }
                Err(reason) => errors.push(FieldError::Value { container: self.name, field: field.name, reason }),
            }
        }
        if errors.is_empty() { Ok(checked) } else { Err(errors) }
    }
}

/// Name of the container of the household's own fields.
pub const HOUSEHOLD: &str = "household";
/// Name of the container of the dwelling's fields.
pub const DWELLING: &str = "dwelling";
/// Name of the container of residents by id.
pub const RESIDENTS: &str = "residents";
/// Name of the container of memberships by id.
pub const MEMBERSHIPS: &str = "memberships";
/// Name of the set of needs.
pub const NEEDS: &str = "needs";
/// Name of the field of a resident that holds the sealed citizen number.
pub const CITIZEN_NUMBER: &str = "citizen_number";
/// Why a resident's citizen number cannot be shown, in a record that the registry read: no field that anybody records.
pub const CITIZEN_NUMBER_UNREADABLE: &str = "citizen_number_unreadable";

/// Characters that a note or remark holds at most: two pages; longer texts belong into attachments.
pub const NOTE_LENGTH: usize = 2_000;

const fn register(name: &'static str, term: &'static str, kind: Kind, purpose: Purpose) -> Field {
    Field {
        name,
        term,
        kind,
        class: MergeClass::Register,
        purpose,
        basis: LegalBasis::StatutoryDuty,
        sensitivity: 1,
        retention: Retention::YearsAfterLeaving(3),
        mask: Mask::of(kind),
    }
}

const fn public(field: Field) -> Field {
    Field { sensitivity: 0, ..field }
}

/// Sensitive (PIPL, article 28; GB/T 35273 counts identity numbers), and kept only as what the registry alone can open.
const fn sealed(field: Field) -> Field {
    Field { sensitivity: SENSITIVE, ..field }
}

const fn by_consent(field: Field) -> Field {
    Field { basis: LegalBasis::Consent, ..field }
}

const fn masked(mask: Mask, field: Field) -> Field {
    Field { mask, ..field }
}

const fn attribute(name: &'static str, term: &'static str, kind: Kind) -> Field {
    Field { class: MergeClass::Set, ..register(name, term, kind, Purpose::Help) }
}

/// The first schema.
pub const SCHEMA_1: Schema = Schema {
    version: 1,
    containers: &[
        Container {
            name: HOUSEHOLD,
            shape: Shape::Record,
            genesis: 0,
            fields: &[
                register("status", "户状态", Kind::Choice(&["living", "moved_away", "dissolved"]), Purpose::Identify),
                register("contact_phone", "联系电话", Kind::Phone, Purpose::Reach),
                register("remark", "备注", Kind::Note(NOTE_LENGTH), Purpose::Help),
            ],
        },
        Container {
            name: DWELLING,
            shape: Shape::Record,
            genesis: 0,
            fields: &[
                register("address", "地址", Kind::Line(200), Purpose::Identify),
                public(register("building", "楼栋", Kind::Line(64), Purpose::Identify)),
                register("unit", "单元", Kind::Line(16), Purpose::Identify),
                register("floor", "楼层", Kind::Integer(-9, 200), Purpose::Identify),
                register("door", "门牌", Kind::Line(16), Purpose::Identify),
                register("status", "房屋状态", Kind::Choice(&["occupied", "let", "vacant"]), Purpose::Identify),
            ],
        },
        Container {
            name: RESIDENTS,
            shape: Shape::RecordsById,
            genesis: 0,
            fields: &[
                register("name", "姓名", Kind::Line(64), Purpose::Identify),
                register("sex", "性别", Kind::Code(CodeList::Sex), Purpose::Identify),
                masked(Mask::Year, register("birth_date", "出生日期", Kind::Date, Purpose::Identify)),
                register("phone", "电话", Kind::Phone, Purpose::Reach),
                register("second_phone", "备用电话", Kind::Phone, Purpose::Reach),
                register("occupation", "职业", Kind::Line(64), Purpose::Help),
                register("employment", "从业状况", Kind::Code(CodeList::Employment), Purpose::Help),
                register(
                    "residence_kind",
                    "居住类别",
                    Kind::Choice(&["registered", "floating", "foreign"]),
                    Purpose::Identify,
                ),
                masked(
                    Mask::Closed,
                    by_consent(register("ethnicity", "民族", Kind::Code(CodeList::Ethnicity), Purpose::Help)),
                ),
                register("guardian", "监护人", Kind::Line(64), Purpose::Reach),
                register("died_on", "死亡日期", Kind::Date, Purpose::Identify),
                sealed(register(CITIZEN_NUMBER, "公民身份号码", Kind::SealedNumber, Purpose::Identify)),
            ],
        },
        Container {
            name: MEMBERSHIPS,
            shape: Shape::RecordsById,
            genesis: 0,
            fields: &[
                register("resident", "居民", Kind::Resident, Purpose::Identify),
                register("relation", "与户主关系", Kind::Code(CodeList::FamilyRelation), Purpose::Identify),
                register("since", "迁入日期", Kind::Date, Purpose::Identify),
                register("until", "迁出日期", Kind::Date, Purpose::Identify),
            ],
        },
        Container {
            name: NEEDS,
            shape: Shape::Set,
            genesis: 0,
            fields: &[
                attribute("purpose", "用途", Kind::Line(64)),
                attribute("basis", "依据", Kind::Choice(&["statutory_duty", "consent", "emergency"])),
                attribute("sensitivity", "敏感级别", Kind::Integer(0, 3)),
                attribute("expires", "有效期至", Kind::Date),
                attribute("note", "说明", Kind::Line(200)),
            ],
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrong_fields_of_a_form_are_named_at_once() {
        let form = Fields::new().with("sex", "7").with("religion", "x").with("phone", "138 1234 5678").cleared("name");
        let errors = SCHEMA_1.container(RESIDENTS).expect("residents").check(&form).expect_err("refused");
        let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert_eq!(messages[0], "residents has no field religion");
        assert!(messages[1].starts_with("residents.sex is not a code of "), "{messages:?}");
    }

    #[test]
    fn a_form_comes_back_in_canonical_form() {
        let form = Fields::new().with("phone", "138 1234 5678").cleared("name");
        let checked = SCHEMA_1.container(RESIDENTS).expect("residents").check(&form);
        assert_eq!(checked, Ok(Fields::new().with("phone", "13812345678").cleared("name")));
    }

    #[test]
    fn names_within_a_container_are_unique() {
        for container in SCHEMA_1.containers {
            let mut names: Vec<_> = container.fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), container.fields.len(), "{}", container.name);
        }
    }
}
