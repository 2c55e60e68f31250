//! What is added to the document as a whole: forms of texts, examples, links; and what nobody refers to is taken out.
//!
//! It works on the document as JSON and knows no operation.
//!
//! **Invariant:** what it adds follows from what stands there, so that no route has to say it and none can forget it.

use super::{example, form, link};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Where schemas stand.
const SCHEMAS: &str = "/components/schemas";

/// Completes the document.
pub(super) fn complete(mut document: Value) -> Value {
    refer_to_items(&mut document);
    for (_, schema) in members_mut(&mut document, SCHEMAS) {
        form::fill("", schema);
    }
    for_each_operation(&mut document, |_, operation| {
        let parameters = operation.pointer_mut("/parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            form::fill(&name, &mut parameter["schema"]);
        }
        for (_, response) in members_mut(operation, "/responses") {
            for (name, header) in members_mut(response, "/headers") {
                form::fill(name, &mut header["schema"]);
            }
        }
    });
    let schemas = document.pointer(SCHEMAS).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut targets = Vec::new();
    for_each_operation(&mut document, |path, operation| targets.extend(link::Target::of(path, operation)));
    for_each_operation(&mut document, |_, operation| {
        add_examples(operation.pointer_mut("/requestBody"), &schemas);
        for (_, response) in members_mut(operation, "/responses") {
            add_examples(Some(response), &schemas);
            let schema = response.pointer("/content/application~1json/schema");
            let links = schema.map(|schema| link::links(schema, &schemas, &targets)).unwrap_or_default();
            if !links.is_empty() {
                response["links"] = Value::Object(links);
            }
        }
    });
    prune(&mut document);
    document
}

/// The items of a page by reference: what is a schema of its own is not said again.
fn refer_to_items(document: &mut Value) {
    let names: BTreeSet<String> = members_mut(document, SCHEMAS).map(|(name, _)| name.clone()).collect();
    for (name, schema) in members_mut(document, SCHEMAS) {
        if let Some(item) = name.strip_prefix("Page_").filter(|item| names.contains(*item)) {
            schema["properties"]["items"]["items"] = json!({"$ref": format!("#{SCHEMAS}/{item}")});
        }
    }
}

fn add_examples(body: Option<&mut Value>, schemas: &Map<String, Value>) {
    for (_, content) in body.into_iter().flat_map(|body| members_mut(body, "/content")) {
        if content.get("example").is_none()
            && let Some(example) = content.get("schema").and_then(|schema| example::of(schema, schemas))
        {
            content["example"] = example;
        }
    }
}

/// Takes out the schemas and answers to which nothing refers, until there are none.
fn prune(document: &mut Value) {
    loop {
        let mut used = BTreeSet::new();
        references(document, &mut used);
        let mut pruned = false;
        for place in [SCHEMAS, "/components/responses"] {
            if let Some(components) = document.pointer_mut(place).and_then(Value::as_object_mut) {
                let before = components.len();
                components.retain(|name, _| used.contains(&format!("#{place}/{name}")));
                pruned |= components.len() < before;
            }
        }
        if !pruned {
            return;
        }
    }
}

fn references(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            used.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| references(value, used));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, used)),
        _ => {}
    }
}

/// Calls with the path and each of its operations.
pub(super) fn for_each_operation(document: &mut Value, mut call: impl FnMut(&str, &mut Value)) {
    for (path, item) in members_mut(document, "/paths") {
        for method in ["get", "put", "post", "delete", "patch"] {
            if let Some(operation) = item.get_mut(method) {
                call(path, operation);
            }
        }
    }
}

/// The members of the object at a place; none if there is no such object.
fn members_mut<'a>(value: &'a mut Value, place: &str) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    value.pointer_mut(place).and_then(Value::as_object_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_refers_to_its_items_and_what_nobody_refers_to_goes() {
        let person = json!({"type": "object", "properties": {"name": {"type": "string"}}});
        let page = json!({"type": "object", "properties": {"items": {"type": "array", "items": person}}});
        let document = complete(json!({
            "paths": {"/people": {"get": {"responses": {"200": {"content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Page_Person"}}}}}}}},
            "components": {"schemas": {"Page_Person": page, "Person": person, "Nobody": person}}
        }));
        let schemas = document.pointer(SCHEMAS).expect("schemas");
        assert_eq!(schemas["Page_Person"]["properties"]["items"]["items"]["$ref"], "#/components/schemas/Person");
        assert!(schemas.get("Person").is_some() && schemas.get("Nobody").is_none());
        let answer = &document["paths"]["/people"]["get"]["responses"]["200"]["content"]["application/json"];
        assert_eq!(answer["example"], json!({"items": [{"name": "张三"}]}));
    }
}
