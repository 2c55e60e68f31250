//! Links: which operations a client can call with the ids and the version that an answer brought.
//!
//! They tell people how operations hang together, and let a test go from one to the next.
//!
//! **Invariant:** a link gives every parameter of a path, and the version to every operation that asks for one.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Objects within objects in which an id is looked for: an edit within what it made, a resident within a household.
const DEEPEST: usize = 3;

/// An operation that others lead to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    id: String,
    household: bool,
    path_parameters: Vec<String>,
    asks_version: bool,
}

impl Target {
    /// The operation, if it is about a household.
    pub(super) fn of(path: &str, operation: &Value) -> Option<Self> {
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |place: &'static str| {
            parameters.iter().filter(move |one| one["in"] == place).filter_map(|one| one["name"].as_str())
        };
        let target = Self {
            id: operation["operationId"].as_str()?.to_owned(),
            household: path.starts_with("/v1/households/{id}"),
            path_parameters: named("path").map(str::to_owned).collect(),
            asks_version: named("header").any(|name| name == "If-Match"),
        };
        target.household.then_some(target)
    }

    fn link(&self, found: &BTreeMap<String, String>) -> Option<Value> {
        let mut parameters = Map::new();
        for name in &self.path_parameters {
            let meant = match name.as_str() {
                "id" => found.get("household"),
                "subject" => found.get("resident").or_else(|| found.get("household")),
                other => found.get(other),
            };
            parameters.insert(name.clone(), json!(expression(meant?)));
        }
        if self.asks_version {
            parameters.insert("If-Match".to_owned(), json!(expression(found.get("version")?)));
        }
        Some(json!({"operationId": self.id, "parameters": parameters}))
    }
}

fn expression(pointer: &str) -> String {
    format!("$response.body#{pointer}")
}

/// The links of an answer of this schema, by the ids of the operations that they lead to.
pub(super) fn links(schema: &Value, schemas: &Map<String, Value>, targets: &[Target]) -> Map<String, Value> {
    let mut found = BTreeMap::new();
    find(schema, schemas, "", "", DEEPEST, &mut found);
    targets.iter().filter_map(|target| Some((target.id.clone(), target.link(&found)?))).collect()
}

/// Notes where each id stands, the outermost place first; `id` is that of what the schema is named after.
fn find(
    schema: &Value,
    schemas: &Map<String, Value>,
    named: &str,
    pointer: &str,
    depth: usize,
    found: &mut BTreeMap<String, String>,
) {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        if let Some(schema) = schemas.get(name) {
            let named = name.trim_end_matches("Summary").trim_end_matches("View");
            find(schema, schemas, named, pointer, depth, found);
        }
        return;
    }
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        if property["type"] != "string" {
            continue;
        }
        let name = if name == "id" { named.to_lowercase() } else { name.clone() };
        if ["household", "resident", "membership", "version"].contains(&name.as_str()) {
            let place = if properties.is_some_and(|all| all.contains_key(&name)) { name.as_str() } else { "id" };
            found.entry(name.clone()).or_insert_with(|| format!("{pointer}/{place}"));
        }
    }
    if depth == 0 {
        return;
    }
    for (name, property) in properties.into_iter().flatten() {
        if property["items"].is_object() {
            find(&property["items"], schemas, "", &format!("{pointer}/{name}/0"), depth - 1, found);
        } else {
            find(property, schemas, "", &format!("{pointer}/{name}"), depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leads_to_what_its_ids_and_its_version_are_good_for() {
        let schemas = json!({
            "HouseholdView": {"properties": {"id": {"type": "string"}, "version": {"type": "string"},
                "residents": {"type": "array", "items": {"$ref": "#/components/schemas/ResidentView"}}}},
            "ResidentView": {"properties": {"id": {"type": "string"}, "household": {"type": "string"}}}
        });
        let operation = json!({"operationId": "correctResident", "parameters": [
            {"in": "path", "name": "id"}, {"in": "path", "name": "resident"}, {"in": "header", "name": "If-Match"}]});
        let target = Target::of("/v1/households/{id}/residents/{resident}", &operation).expect("a target");
        let schemas = schemas.as_object().expect("an object");
        let read = json!({"$ref": "#/components/schemas/HouseholdView"});
        assert_eq!(
            links(&read, schemas, std::slice::from_ref(&target))["correctResident"]["parameters"],
            json!({"id": "$response.body#/id", "resident": "$response.body#/residents/0/id",
                   "If-Match": "$response.body#/version"})
        );
        let searched = json!({"$ref": "#/components/schemas/ResidentView"});
        assert!(links(&searched, schemas, &[target]).is_empty(), "nobody edits without a version");
    }
}
