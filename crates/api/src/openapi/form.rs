//! What the texts and instants of the document look like: a pattern where there is one, and an example, by their names.
//!
//! One name means one thing everywhere in the API, so its form stands here once; what a route says of its own comes first.
//!
//! **Invariant:** every example fits its pattern.

use serde_json::{Map, Value, json};

/// An id: 16 bytes in base64url, the last character of which carries two bits.
const ID: Form = Form { pattern: Some("^[A-Za-z0-9_-]{21}[AQgw]$"), example: "AZk2b0cRcAC7rJ0l7m9m1g" };

/// Where a page begins.
const CURSOR: Form = Form { pattern: Some("^[A-Za-z0-9._-]{1,256}$"), example: "AZk2b0cRcAC7rJ0l7m9m1g" };

/// The entity tag of a version.
const VERSION: Form = Form {
    pattern: Some("^\"[0-9a-f]{64}([.][0-9a-f]{64}){0,63}\"$"),
    example: "\"3f0a9c1e5b7d42860fe1d2c3b4a5968778695a4b3c2d1e0f9081726354453627\"",
};

/// The entity tag of a version, or of something else that is read again and again.
const TAG: Form = Form { pattern: Some("^\"[0-9A-Za-z._-]+\"$"), example: VERSION.example };

/// What `If-Match` holds.
const SEEN: Form = Form { pattern: Some("^([*]|\"[0-9a-f]{64}([.][0-9a-f]{64}){0,63}\")$"), example: VERSION.example };

/// A change of a document.
const CHANGE: Form = Form {
    pattern: Some("^[0-9a-f]{64}$"),
    example: "3f0a9c1e5b7d42860fe1d2c3b4a5968778695a4b3c2d1e0f9081726354453627",
};

/// A text that is not blank.
const NOT_BLANK: Option<&str> = Some("[^\\s]");

/// An instant: 2026-03-02 09:30 in China.
const INSTANT_MS: u64 = 1_772_415_000_000;

struct Form {
    pattern: Option<&'static str>,
    example: &'static str,
}

const fn like(example: &'static str) -> Form {
    Form { pattern: None, example }
}

/// The form of the texts of a name, if the name has one.
fn form(name: &str) -> Option<Form> {
    Some(match name {
        "id" | "household" | "grid" | "staff" | "resident" | "membership" | "device" | "area" | "parent"
        | "subject" | "spoken_to" | "api_key" | "session" | "break_glass" => ID,
        "after" | "next" => CURSOR,
        "version" => VERSION,
        "ETag" => TAG,
        "Location" => like("/v1/households/AZk2b0cRcAC7rJ0l7m9m1g"),
        "If-Match" => SEEN,
        "change" => CHANGE,
        "role" => Form { pattern: Some("^[a-z_]{1,32}$"), example: "grid_leader" },
        "kind" => Form { pattern: Some("^[a-z0-9_]{1,64}$"), example: "meal_service" },
        "resident_name" => Form { pattern: NOT_BLANK, example: "张" },
        "name" => like("张三"),
        "address" => like("建设路3号"),
        "building" => like("3号楼"),
        "unit" => like("2"),
        "door" => like("501"),
        "contact_phone" | "phone" | "second_phone" => like("13812345678"),
        "value" => like("13812345678"),
        "occupation" => like("教师"),
        "employment" => like("11"),
        "sex" | "relation" => like("1"),
        "citizen_number" => like("1****************X"),
        "sealed" => {
            like("2U12mkdCIJEBKf_7DOfGm7t5odk6icfo7wj-LNBjtJH8jKVsEqLxlEscthSVc5on95XinIkuji_KweYYZd6lQPcKpsw2UL3PvCsp")
        }
        "ethnicity" => like("01"),
        "guardian" => like("李四"),
        "status" => like("living"),
        "residence_kind" => like("registered"),
        "remark" | "note" | "text" => like("上午在家"),
        "reason" => like("记错了门牌"),
        "purpose" => like("送餐"),
        "purposes" => like("routine"),
        "basis" => like("consent"),
        "mode" => like("door"),
        "outcome" => like("met"),
        "code" => like("210404001005003"),
        "detail" => like("household.contact_phone: is not a telephone number: too short"),
        "password" | "new_password" => like("correct horse battery staple"),
        "old_password" => like("a password from before"),
        "secret" => like("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
        "scopes" => like("read"),
        "masked" | "fields" => like("contact_phone"),
        "verdict" => like("justified"),
        "birth_date" => like("1949-10-01"),
        "hash" => like(CHANGE.example),
        "request" => like("tq3uX0mKQ2y7yVx1m8s5Zg"),
        "refresh_token" => like("uY1xk1N0Qm8mVd0cX2yW3a4b5c6d7e8f9g0h1i2j3k4"),
        "access_token" => like("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJBWmsyYjBjUmNBQzdySjBsN205bTFnIn0.c2lnbmF0dXJl"),
        "token" => like("uY1xk1N0Qm8mVd0cX2yW3a4b5c6d7e8f9g0h1i2j3k4"),
        "Content-Digest" => CONTENT_DIGEST,
        "Content-Encoding" => Form { pattern: Some("^(zstd|gzip|identity)$"), example: "gzip" },
        "Accept-Encoding" => like("gzip"),
        "Signature-Input" => SIGNATURE_INPUT,
        "Signature" => SIGNATURE,
        _ => return None,
    })
}

/// The three headers of a proof, as `gridwork_sync::proof` reads them.
const CONTENT_DIGEST: Form = Form {
    pattern: Some("^sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:$"),
    example: "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
};

const SIGNATURE_INPUT: Form = Form {
    pattern: Some(concat!(
        "^sig1=[(]\"@method\" \"@path\" \"content-digest\"[)];created=(0|[1-9][0-9]{0,14});",
        "nonce=\"[A-Za-z0-9+/]{21}[AQgw]==\";keyid=\"[A-Za-z0-9_-]{1,64}\";alg=\"ed25519\"$"
    )),
    example: concat!(
        "sig1=(\"@method\" \"@path\" \"content-digest\");created=1772415000;",
        "nonce=\"Szwtngkggddk/2cr0ZbzRw==\";keyid=\"AZk2b0cRcAC7rJ0l7m9m1g\";alg=\"ed25519\""
    ),
};

const SIGNATURE: Form = Form {
    pattern: Some("^sig1=:[A-Za-z0-9+/]{85}[AQgw]==:$"),
    example: "sig1=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
};

/// Gives every text and instant in a schema, and in the schemas within it, its form.
pub(super) fn fill(name: &str, schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if is(object, "string") {
        fill_text(name, object);
    } else if is(object, "integer") && name.ends_with("_ms") && !object.contains_key("example") {
        object.insert("example".to_owned(), json!(INSTANT_MS));
    }
    for (property, schema) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        fill(property, schema);
    }
    if let Some(items) = object.get_mut("items") {
        fill(name, items);
    }
    for group in ["oneOf", "allOf", "anyOf"] {
        for schema in object.get_mut(group).and_then(Value::as_array_mut).into_iter().flatten() {
            fill(name, schema);
        }
    }
}

/// A text of which nothing is said yet.
fn fill_text(name: &str, object: &mut Map<String, Value>) {
    if ["enum", "example", "contentMediaType"].iter().any(|key| object.contains_key(*key)) {
        return;
    }
    let Some(form) = form(name) else { return };
    if object.contains_key("pattern") {
        let example = object["pattern"].as_str().and_then(first_word).unwrap_or_else(|| form.example.to_owned());
        object.insert("example".to_owned(), json!(example));
    } else {
        object.insert("example".to_owned(), json!(form.example));
        object.extend(form.pattern.map(|pattern| ("pattern".to_owned(), json!(pattern))));
    }
}

/// The first of the words that a pattern of words permits.
fn first_word(pattern: &str) -> Option<String> {
    pattern.strip_prefix("^(")?.strip_suffix(")$")?.split('|').next().map(str::to_owned)
}

/// Whether a schema is of this type, or of several with this one.
pub(super) fn is(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_a_text_its_form_unless_the_route_says_one() {
        let mut schema = json!({"properties": {
            "household": {"type": ["string", "null"]},
            "code": {"type": "string", "example": "7KQF-2M9T-XW4C"},
            "at_ms": {"type": "integer"},
            "spoken_to": {"type": "array", "items": {"type": "string"}}
        }});
        fill("", &mut schema);
        let properties = &schema["properties"];
        assert_eq!(properties["household"]["pattern"], json!(ID.pattern));
        assert_eq!(properties["code"]["example"], "7KQF-2M9T-XW4C");
        assert_eq!(properties["at_ms"]["example"], INSTANT_MS);
        assert_eq!(properties["spoken_to"]["items"]["example"], ID.example);
    }

    #[test]
    fn the_example_of_a_proof_is_one() {
        let proof = gridwork_sync::proof::parse(SIGNATURE_INPUT.example, SIGNATURE.example, CONTENT_DIGEST.example);
        assert_eq!(proof.expect("a proof").device, ID.example);
    }
}
