//! Examples of bodies, put together from the examples of their fields.
//!
//! **Invariant:** an example fits its schema, and shows every field of which there is an example.

use super::form;
use serde_json::{Map, Value, json};

/// The day that stands for all days.
const DAY: &str = "2026-03-02";

/// An example of what a schema describes; none if a field that must be there has no example.
pub(super) fn of(schema: &Value, schemas: &Map<String, Value>) -> Option<Value> {
    let object = schema.as_object()?;
    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
        return of(schemas.get(reference.rsplit('/').next()?)?, schemas);
    }
    if let Some(example) = object.get("example") {
        return Some(example.clone());
    }
    if let Some(parts) = object.get("allOf").and_then(Value::as_array) {
        let parts = parts.iter().map(|part| of(part, schemas));
        let parts = parts.map(|part| part.and_then(|part| part.as_object().cloned()));
        return Some(Value::Object(parts.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()));
    }
    for group in ["oneOf", "anyOf"] {
        if let Some(ways) = object.get(group).and_then(Value::as_array) {
            return ways.iter().filter_map(|way| of(way, schemas)).find(|way| !way.is_null());
        }
    }
    if let Some(first) = object.get("enum").and_then(Value::as_array).and_then(|words| words.first()) {
        return Some(first.clone());
    }
    of_type(object, schemas)
}

fn of_type(object: &Map<String, Value>, schemas: &Map<String, Value>) -> Option<Value> {
    if form::is(object, "object") {
        let required = object.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut example = Map::new();
        for (name, schema) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            match of(schema, schemas) {
                Some(value) => drop(example.insert(name.clone(), value)),
                None if required.iter().any(|one| one == name) => return None,
                None => {}
            }
        }
        Some(Value::Object(example))
    } else if form::is(object, "array") {
        Some(Value::Array(vec![of(object.get("items")?, schemas)?]))
    } else if form::is(object, "boolean") {
        Some(json!(true))
    } else if form::is(object, "integer") || form::is(object, "number") {
        let least = object.get("minimum").filter(|least| least.as_i64().is_some_and(|least| least > 1));
        Some(least.cloned().unwrap_or(json!(1)))
    } else if object.get("format").is_some_and(|format| format == "date") {
        Some(json!(DAY))
    } else {
        form::is(object, "null").then_some(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_put_together_from_its_fields() {
        let schemas = json!({"Person": {"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string", "example": "张三"}, "nickname": {"type": "string"}}}});
        let schemas = schemas.as_object().expect("an object");
        let schema = json!({"type": "object", "required": ["by"], "properties": {
            "by": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Person"}]},
            "since": {"type": ["string", "null"], "format": "date"},
            "rows": {"type": "array", "items": {"type": "integer", "minimum": 7}}
        }});
        let example = of(&schema, schemas).expect("an example");
        assert_eq!(example, json!({"by": {"name": "张三"}, "since": DAY, "rows": [7]}));
    }

    #[test]
    fn there_is_no_example_without_a_field_that_must_be_there() {
        let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
        assert_eq!(of(&schema, &Map::new()), None);
    }
}
