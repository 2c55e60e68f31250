//! Records of a household in JSON: one object for each, its members the fields of the schema.
//!
//! The OpenAPI schemas are made from the schema of the household document, so that there is one list of fields.
//!
//! **Invariant:** a field is named at most once in what a caller gives, and is text, a whole number or null; whether its
//! value fits is judged by `domain`.

use gridwork_domain::fields::{Fields, Kind, Record, Value};
use gridwork_domain::mask::Mask;
use gridwork_domain::schema::{self, Container, Field, SCHEMA_1};
use gridwork_domain::sealed_number::{LONGEST_SPELLING, SEALED_LENGTH};
use gridwork_domain::sight;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use utoipa::openapi::schema::{AdditionalProperties, SchemaType, Type};
use utoipa::openapi::{Array, ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

macro_rules! records {
    ($($container:path, $without:expr, $given:ident, $shown:ident;)+) => {$(
        /// What a caller gives of such a record: null clears a field, and what is left out stays.
        #[derive(Debug, Default)]
        pub(crate) struct $given(pub(crate) Fields);

        /// Such a record as it is shown: fields without a value are left out, and what is masked is named.
        #[derive(Debug)]
        pub(crate) struct $shown(pub(crate) Record);

        impl<'de> Deserialize<'de> for $given {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(FieldsVisitor { container: $container, without: $without }).map(Self)
            }
        }

        impl Serialize for $shown {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize($container, &self.0, serializer)
            }
        }

        impl ToSchema for $given {
            fn name() -> Cow<'static, str> {
                stringify!($given).into()
            }
        }

        impl PartialSchema for $given {
            fn schema() -> RefOr<Schema> {
                object($container, $without, true)
            }
        }

        impl ToSchema for $shown {
            fn name() -> Cow<'static, str> {
                stringify!($shown).into()
            }
        }

        impl PartialSchema for $shown {
            fn schema() -> RefOr<Schema> {
                object($container, &[], false)
            }
        }
    )+};
}

/// Whose stay a membership is never changes, so nobody gives it.
const OWNER_OF_A_STAY: &[&str] = &["resident"];

records! {
    schema::HOUSEHOLD, &[], HouseholdFields, HouseholdRecord;
    schema::DWELLING, &[], DwellingFields, DwellingRecord;
    schema::RESIDENTS, &[], ResidentFields, ResidentRecord;
    schema::MEMBERSHIPS, OWNER_OF_A_STAY, MembershipFields, MembershipRecord;
}

/// The value of a field: text, or a whole number.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct FieldValue(pub(crate) Value);

impl ToSchema for FieldValue {
    fn name() -> Cow<'static, str> {
        "FieldValue".into()
    }
}

impl PartialSchema for FieldValue {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Integer]))
            .description(Some(
                "The value of a field: text (also for codes, dates and telephone numbers) or a whole number.",
            ))
            .into()
    }
}

/// What is said of a number that does not come sealed. Nothing of it is repeated.
const GIVEN_SEALED: &str =
    "is given as {\"sealed\": …}, sealed with the key of GET /v1/sealing-key, never in the clear";

fn is_sealed(container: &str, field: &str) -> bool {
    let field = SCHEMA_1.container(container).and_then(|container| container.field(field));
    field.is_some_and(|field| field.kind == Kind::SealedNumber)
}

/// The text of `{"sealed": text}`.
fn sealed(given: serde_json::Value) -> Option<Value> {
    let serde_json::Value::Object(object) = given else { return None };
    let only = (object.len() == 1).then(|| object.get("sealed")).flatten();
    only.and_then(serde_json::Value::as_str).map(Value::from)
}

struct FieldsVisitor {
    container: &'static str,
    without: &'static [&'static str],
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of fields of {}", self.container)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::new();
        while let Some(name) = map.next_key::<String>()? {
            let refused = |reason: &str| A::Error::custom(format!("{}.{name} {reason}", self.container));
            let value = match map.next_value()? {
                serde_json::Value::Null => None,
                given if is_sealed(self.container, &name) => Some(sealed(given).ok_or_else(|| refused(GIVEN_SEALED))?),
                serde_json::Value::String(text) => Some(Value::Text(text)),
                serde_json::Value::Number(number) => {
                    Some(Value::Integer(number.as_i64().ok_or_else(|| refused("is not a whole number"))?))
                }
                _ => return Err(refused("is neither text nor a whole number nor null")),
            };
            if self.without.contains(&name.as_str()) {
                return Err(refused("is not given here"));
            }
            if fields.0.contains_key(&name) {
                return Err(refused("is given twice"));
            }
            fields.0.insert(name, value);
        }
        Ok(fields)
    }
}

fn serialize<S: Serializer>(container: &str, record: &Record, serializer: S) -> Result<S::Ok, S::Error> {
    let fields = SCHEMA_1.container(container).map(|container| container.fields).unwrap_or_default();
    let masked: Vec<_> = sight::masked(fields, record).collect();
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in &record.0 {
        map.serialize_entry(name, value)?;
    }
    if !masked.is_empty() {
        map.serialize_entry(MASKED, &masked)?;
    }
    map.end()
}

/// What a record names its masked fields under.
const MASKED: &str = "masked";

fn object(container: &'static str, without: &[&str], given: bool) -> RefOr<Schema> {
    let container = SCHEMA_1.container(container).expect("the first schema has the container");
    let fields = container.fields.iter().filter(|field| !without.contains(&field.name));
    let object = fields.fold(ObjectBuilder::new(), |object, field| object.property(field.name, property(field, given)));
    let has_number = !given && container.fields.iter().any(|field| field.kind == Kind::SealedNumber);
    let object = if has_number { object.property(schema::CITIZEN_NUMBER_UNREADABLE, unreadable()) } else { object };
    let object = if given { object } else { object.property(MASKED, masked_names()) };
    let object = object.additional_properties(given.then_some(AdditionalProperties::FreeForm(false)));
    object.description(Some(description(container, given))).into()
}

fn masked_names() -> Array {
    let name = ObjectBuilder::new().schema_type(Type::String);
    let description = "Names of the fields above of which you see what a mask leaves; left out if there is none. Reveal \
                       them to see them in full, and leave them out of an edit.";
    ArrayBuilder::new().items(name).description(Some(description)).build()
}

fn description(container: &Container, given: bool) -> String {
    let form = if given {
        "Null clears a field; what is left out stays."
    } else {
        "Fields without a value are left out; a later release may add fields."
    };
    format!("Fields of the container `{}`. {form}", container.name)
}

/// Why a number that was recorded is not shown.
fn unreadable() -> Schema {
    let words = "unknown_key, does_not_open, not_a_number";
    let description = format!("Why the recorded citizen number cannot be shown; to be recorded anew: one of {words}");
    let schema = ObjectBuilder::new().schema_type(Type::String).examples(["unknown_key"]);
    schema.description(Some(description)).into()
}

/// A sealed number, or null.
fn given_sealed(field: &Field) -> Schema {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(SEALED_LENGTH))
        .max_length(Some(LONGEST_SPELLING))
        .description(Some("The number, sealed with the key of `GET /v1/sealing-key`: base64 or base64url."));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property("sealed", text)
        .required("sealed")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some(format!("{}: sealed before it is sent, never in the clear", field.term)))
        .into()
}

fn property(field: &Field, given: bool) -> Schema {
    if given && field.kind == Kind::SealedNumber {
        return given_sealed(field);
    }
    let (kind, form) = match field.kind {
        Kind::Integer(from, to) => (Type::Integer, format!("whole number from {from} to {to}")),
        Kind::Line(longest) => (Type::String, format!("one line of at most {longest} characters")),
        Kind::Note(longest) => (Type::String, format!("at most {longest} characters")),
        Kind::Code(list) => (Type::String, format!("code of {}", list.standard())),
        Kind::Choice(words) => (Type::String, format!("one of {}", words.join(", "))),
        Kind::Date => (Type::String, "date YYYY-MM-DD".to_owned()),
        Kind::Phone => (Type::String, "telephone number".to_owned()),
        Kind::Resident => (Type::String, "id of a resident".to_owned()),
        Kind::SealedNumber => (Type::String, "its first and last character".to_owned()),
    };
    let types = if given { SchemaType::from_iter([kind, Type::Null]) } else { SchemaType::from(kind) };
    let masked = match field.mask {
        _ if given => "",
        Mask::Open => "",
        Mask::Phone => "; masked as 138****5678",
        Mask::Year => "; masked as its year",
        Mask::Ends => "; masked but for its first and last character",
        Mask::Closed => "; masked as ***",
    };
    // A year is no date.
    let is_date = matches!(field.kind, Kind::Date) && (given || field.mask == Mask::Open);
    let format = is_date.then_some(SchemaFormat::KnownFormat(KnownFormat::Date));
    let description = format!("{}: {form}{masked}", field.term);
    let schema = ObjectBuilder::new().schema_type(types).format(format).description(Some(description));
    // What is shown may come from a later release, so only what is given has bounds.
    if given { bounded(schema, field.kind).into() } else { schema.into() }
}

fn bounded(schema: ObjectBuilder, kind: Kind) -> ObjectBuilder {
    // A pattern and no enumeration: generators make a type of its own for each word that may be null.
    let one_of = |words: &[&str]| Some(format!("^({})$", words.join("|")));
    match kind {
        Kind::Integer(from, to) => schema.minimum(Some(from as isize)).maximum(Some(to as isize)),
        Kind::Line(longest) | Kind::Note(longest) => schema.min_length(Some(1)).max_length(Some(longest)),
        Kind::Choice(words) => schema.pattern(one_of(words)),
        Kind::Code(list) => {
            let codes: Vec<_> = list.rows().iter().map(|row| row.code).collect();
            schema.pattern(one_of(&codes))
        }
        Kind::Date | Kind::Phone | Kind::Resident | Kind::SealedNumber => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_text_or_a_whole_number_or_cleared() {
        let given: DwellingFields =
            serde_json::from_str(r#"{"address":"建设路3号","floor":-1,"door":null}"#).expect("fields");
        assert_eq!(given.0, Fields::new().with("address", "建设路3号").with("floor", -1).cleared("door"));
    }

    #[test]
    fn a_record_that_is_shown_names_what_is_masked_and_refuses_it_back() {
        let fields = [("phone", "138****5678"), ("birth_date", "1949"), ("name", "张三")];
        let record = Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect());
        let shown = serde_json::to_value(ResidentRecord(record.clone())).expect("JSON");
        assert_eq!(shown["masked"], serde_json::json!(["birth_date", "phone"]));
        let fields = Fields(record.0.into_iter().map(|(name, value)| (name, Some(value))).collect());
        let refused = SCHEMA_1.container(schema::RESIDENTS).expect("residents").check(&fields).expect_err("refused");
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(refused.iter().all(|one| one.to_string().contains("is masked: leave the field out")), "{refused:?}");
    }

    #[test]
    fn what_is_none_of_these_is_refused_by_name() {
        for (json, reason) in [
            (r#"{"floor":true}"#, "dwelling.floor is neither text nor a whole number nor null"),
            (r#"{"floor":[1]}"#, "dwelling.floor is neither text nor a whole number nor null"),
            (r#"{"floor":1.5}"#, "dwelling.floor is not a whole number"),
            (r#"{"floor":18446744073709551615}"#, "dwelling.floor is not a whole number"),
            (r#"{"floor":1,"floor":2}"#, "dwelling.floor is given twice"),
        ] {
            let error = serde_json::from_str::<DwellingFields>(json).expect_err("refused").to_string();
            assert!(error.starts_with(reason), "{error}");
        }
        for number in
            [r#""11010519491231002X""#, "110105194912310021", r#"{"sealed":1}"#, r#"{"plain":"11010519491231002X"}"#]
        {
            let error = serde_json::from_str::<ResidentFields>(&format!(r#"{{"citizen_number":{number}}}"#));
            let error = error.expect_err("refused").to_string();
            assert!(error.contains("/v1/sealing-key") && !error.contains("1949"), "{error}");
        }
        let whose = serde_json::from_str::<MembershipFields>(r#"{"resident":"AAAAAAAAAAAAAAAAAAAAAA"}"#);
        assert!(whose.is_err());
    }
}
