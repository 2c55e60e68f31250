//! The OpenAPI 3.1 document: made from the routes themselves, committed as `openapi/openapi.json`.
//!
//! What every operation of a kind can answer (no token, no such household, a body that is too large) is added here by
//! rule, so that no operation can forget it; examples, the forms of texts and links are added by [`completion`].
//!
//! **Invariant:** the document names every status that an operation answers, and every error is a problem.

mod completion;
mod example;
mod form;
mod link;

use crate::idempotency;
use crate::language;
use crate::origin;
use crate::problem::{Kind, MEDIA_TYPE, ProblemBody};
use crate::routes;
use actix_web::App;
use actix_web::http::Method;
use gridwork_domain::language::Language;
use gridwork_domain::permission::Operation as Permission;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_actix_web::AppExt;

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| {
    complete(App::new().into_utoipa_app().openapi(frame()).configure(routes::register).split_for_parts().1)
});

static JSON: LazyLock<String> = LazyLock::new(|| {
    let document = serde_json::to_value(&*DOCUMENT).map(completion::complete);
    let json = document.and_then(|document| serde_json::to_string_pretty(&document));
    json.expect("the document has no maps with keys other than texts") + "\n"
});

static METHODS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let allow = |item: &PathItem| {
        let names = methods(item).into_iter().map(|(name, _)| if name == "GET" { "GET, HEAD" } else { name });
        names.collect::<Vec<_>>().join(", ")
    };
    DOCUMENT.paths.paths.iter().map(|(path, item)| (path.clone(), allow(item))).collect()
});

/// The extension by which an operation says which permission of the table it needs. The guard reads it, too.
const PERMISSION: &str = "x-gridwork-permission";

static PERMISSIONS: LazyLock<BTreeMap<String, Vec<(&'static str, Permission)>>> = LazyLock::new(|| {
    let needed = |item: &PathItem| {
        let operations = methods(item).into_iter();
        operations.filter_map(|(method, operation)| Some((method, needed(operation)?))).collect()
    };
    DOCUMENT.paths.paths.iter().map(|(path, item)| (path.clone(), needed(item))).collect()
});

/// The document as it is committed, with a newline at its end. `gridwork openapi` writes it.
pub fn openapi_json() -> &'static str {
    &JSON
}

/// The methods that a path pattern has, as in the header `Allow`; none for a pattern outside the API.
pub(crate) fn allowed_methods(pattern: &str) -> Option<&'static str> {
    METHODS.get(pattern).map(String::as_str)
}

/// The permission that an operation needs; none for one that needs none, and for what is no operation.
pub(crate) fn permission(method: &Method, pattern: &str) -> Option<Permission> {
    let operations = PERMISSIONS.get(pattern)?;
    operations.iter().find(|(name, _)| *name == method.as_str()).map(|(_, permission)| *permission)
}

/// Whether an operation takes the header `Idempotency-Key`.
pub(crate) fn takes_idempotency_key(method: &Method, pattern: &str) -> bool {
    let operation = DOCUMENT.paths.paths.get(pattern).filter(|_| method == Method::POST);
    let operation = operation.and_then(|item| item.post.as_ref());
    operation.is_some_and(|operation| idempotency::is_taken_by(method.as_str(), operation))
}

/// Every operation: its id, method, path and the permission that it needs, in the order of the paths.
pub(crate) fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static str, Option<Permission>)> {
    let paths = DOCUMENT.paths.paths.iter();
    paths.flat_map(|(path, item)| {
        let operation = |(method, operation): (&'static str, &'static Operation)| {
            (operation.operation_id.as_deref().unwrap_or_default(), method, path.as_str(), needed(operation))
        };
        methods(item).into_iter().map(operation)
    })
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Gridwork",
        description = "The central registry of urban community grid work 社区网格化管理: households, residents, visits, \
                       and what people disagree on.\n\nIds are 22 characters of base64url, instants milliseconds since \
                       1970-01-01 UTC. Every error is a problem (RFC 9457). What lies outside your areas answers as if \
                       it were not there; what your role sees masked, records name beside the values. An edit carries the version that its author saw as `If-Match`; if somebody \
                       changed the household since, nothing is overwritten: both values stay, and the answer lists them. \
                       A POST with an `Idempotency-Key` is done once, however often it is sent within 24 hours, also if \
                       the server ended in the middle: the change and its answer are stored together or not at all. A \
                       refusal changes nothing and is judged anew each time.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "sign-in", description = "Sessions of staff, and their tokens."),
        (name = "staff", description = "Members of staff, for those who administer them."),
        (name = "areas", description = "District, subdistricts, communities and grids."),
        (name = "search", description = "Finding residents and households by names, pinyin, phones and addresses."),
        (name = "households", description = "Households 户 and their dwellings."),
        (name = "residents", description = "Residents 居民 and their stays in households."),
        (name = "needs", description = "What help residents and households need 需求标签."),
        (name = "visits", description = "Visits 走访 and notes."),
        (name = "conflicts", description = "Fields on which people disagree, until somebody decides."),
        (name = "break-glass", description = "Reading beyond the own areas in an emergency 紧急查阅, and its review."),
        (name = "duplicates", description = "Households and residents that may be the same, until somebody looked at both."),
        (name = "quarantine", description = "What phones sent and the registry refused or holds, until somebody decides."),
        (name = "events", description = "What changes, as it changes."),
        (name = "audit", description = "Who read or wrote about whom, why and from where."),
        (name = "tables", description = "Rosters in and lists out 花名册与台账, as CSV and XLSX."),
        (name = "devices", description = "Enrolment of phones, and their exchange with the registry."),
        (name = "health", description = "Whether the server lives and can serve.")
    ),
    components(schemas(ProblemBody))
)]
struct Frame;

fn frame() -> OpenApi {
    let mut document = Frame::openapi();
    let bearer = |form: &str, description: &str| {
        let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(form).description(Some(description));
        RefOr::T(SecurityScheme::Http(http.build()))
    };
    let components = document.components.get_or_insert_default();
    let staff = bearer(
        "JWT",
        "The access token that signing in gives, for a quarter of an hour; or the key of a machine client.",
    );
    let device = bearer("opaque", "The token that enrolling gives. It is of no use without the proof in the headers.");
    components.security_schemes.extend([("staff".to_owned(), staff), ("device".to_owned(), device)]);
    document
}

fn complete(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        for (method, operation) in methods_mut(item) {
            origin::document(operation);
            idempotency::document(method, operation);
            language::document(operation);
            add_problems(operation);
            // Said outright: who reads the document need not guess whether a token was forgotten.
            operation.security.get_or_insert_default();
        }
    }
    let answers = Kind::ALL
        .iter()
        .map(|kind| (kind.name().to_owned(), RefOr::T(problem(*kind, format!("{}.", kind.title(Language::English))))));
    document.components.get_or_insert_default().responses.extend(answers);
    document
}

/// An answer that is a problem, with an example of one of this kind.
fn problem(kind: Kind, description: impl Into<String>) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(kind.example())).build();
    let header =
        |form: ObjectBuilder, what: &str| HeaderBuilder::new().schema(Some(form)).description(Some(what)).build();
    let languages = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Language::ALL.map(Language::tag)));
    let response = ResponseBuilder::new()
        .description(description)
        .content(MEDIA_TYPE, content)
        .header("Content-Language", header(languages, "The language of title, detail and field errors."));
    match kind.status().as_u16() {
        401 => {
            let scheme = ObjectBuilder::new().schema_type(Type::String).examples(["Bearer"]);
            response.header("WWW-Authenticate", header(scheme, "How to sign in.")).build()
        }
        409 if kind != Kind::UnderWay => response.build(),
        409 | 429 | 503 => response.header("Retry-After", retry_after()).build(),
        _ => response.build(),
    }
}

fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).examples([2]);
    HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds after which to try again.")).build()
}

/// What a 409 beside a handler says besides where requests bear an idempotency key.
const OR_UNDER_WAY: &str =
    "Or the same request is under way already (`under-way`): then `Retry-After` says when to try again.";

/// Those of the rules by reference; those beside the handler keep their description and get the form of a problem.
fn add_problems(operation: &mut Operation) {
    let kinds = problems(operation);
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        if let RefOr::T(described) = response
            && status.as_str() >= "400"
        {
            let kind = Kind::ALL.iter().find(|kind| kind.status().as_str() == status);
            *described = problem(kind.copied().unwrap_or(Kind::Internal), described.description.clone());
            if status == "409" && kinds.contains(&Kind::UnderWay) {
                described.description = format!("{} {OR_UNDER_WAY}", described.description);
                described.headers.insert("Retry-After".to_owned(), RefOr::T(retry_after()));
            }
        }
    }
    for kind in kinds {
        let reference = Ref::new(format!("#/components/responses/{}", kind.name()));
        responses.entry(kind.status().as_str().to_owned()).or_insert(RefOr::Ref(reference));
    }
}

/// What an operation can answer besides what stands beside its handler.
fn problems(operation: &Operation) -> Vec<Kind> {
    let mut kinds = vec![Kind::TargetTooLong, Kind::HeadersTooLarge, Kind::Internal, Kind::Unavailable];
    let has = |place: ParameterIn, name: Option<&str>| {
        let parameters = operation.parameters.iter().flatten();
        let mut plain = parameters.filter_map(|one| if let RefOr::T(one) = one { Some(one) } else { None });
        plain.any(|one| one.parameter_in == place && name.is_none_or(|name| one.name == name))
    };
    if takes_token(operation) {
        kinds.extend([Kind::Unauthenticated, Kind::Forbidden, Kind::Malformed]);
    }
    if operation.request_body.is_some() {
        kinds.extend([Kind::Malformed, Kind::Timeout, Kind::TooLarge, Kind::UnsupportedMediaType, Kind::Invalid]);
    }
    if takes_token(operation) || operation.request_body.is_some() {
        kinds.push(Kind::TooMany);
    }
    if has(ParameterIn::Query, None) {
        kinds.extend([Kind::Malformed, Kind::Invalid]);
    }
    if has(ParameterIn::Path, None) {
        kinds.push(Kind::NotFound);
    }
    if has(ParameterIn::Header, Some(idempotency::NAME)) {
        kinds.extend([Kind::Malformed, Kind::UnderWay, Kind::Invalid, Kind::KeyReused]);
    }
    if has(ParameterIn::Header, Some("If-Match")) {
        let edit = [Kind::Malformed, Kind::Conflict, Kind::UnknownVersion, Kind::Invalid, Kind::VersionRequired];
        kinds.extend(edit);
    }
    kinds
}

fn takes_token(operation: &Operation) -> bool {
    operation.security.as_ref().is_some_and(|ways| !ways.is_empty())
}

/// What stands beside a handler as the permission that it needs.
fn needed(operation: &Operation) -> Option<Permission> {
    operation.extensions.as_ref()?.get(PERMISSION)?.as_str().and_then(Permission::from_word)
}

fn methods(item: &PathItem) -> Vec<(&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter_map(|(name, operation)| Some((name, operation.as_ref()?))).collect()
}

fn methods_mut(item: &mut PathItem) -> Vec<(&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter().filter_map(|(name, operation)| Some((name, operation.as_mut()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/openapi.json");
        let committed = std::fs::read_to_string(&path).expect("the committed document");
        let alike = committed.lines().zip(openapi_json().lines()).take_while(|(one, other)| one == other).count();
        assert!(
            committed == openapi_json(),
            "line {} differs: run `cargo run --release -- openapi > openapi/openapi.json` and look at what changed",
            alike + 1
        );
    }

    #[test]
    fn every_operation_is_described_and_only_five_take_no_token() {
        let mut open = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for (path, item) in &DOCUMENT.paths.paths {
            for (method, operation) in methods(item) {
                let id = operation.operation_id.clone().expect("an id");
                assert!(operation.summary.is_some() && operation.description.is_some(), "{method} {path}");
                assert!(operation.tags.as_ref().is_some_and(|tags| tags.len() == 1), "{method} {path}");
                assert!(ids.insert(id.clone()), "{id} is used twice");
                if !takes_token(operation) {
                    open.insert(id);
                    assert!(operation.extensions.is_none(), "{method} {path} needs a permission and takes no token");
                } else {
                    let word = operation.extensions.as_ref().and_then(|extensions| extensions.get(PERMISSION));
                    assert!(needed(operation).is_some(), "{method} {path} needs {word:?}, which is not in the table");
                }
            }
        }
        assert_eq!(Vec::from_iter(open), ["enrolDevice", "isLive", "isReady", "refreshSession", "signIn"]);
    }

    #[test]
    fn every_post_of_staff_takes_an_idempotency_key_unless_it_hands_out_secrets() {
        let mut takes = BTreeSet::new();
        each_operation(|id, operation| {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            if parameters.iter().any(|one| one["name"] == idempotency::NAME) {
                assert!(operation["responses"].get("409").is_some() && operation["responses"].get("422").is_some());
                takes.insert(id.to_owned());
            }
        });
        let ids = DOCUMENT.paths.paths.values().filter_map(|item| item.post.as_ref()?.operation_id.clone());
        let without: BTreeSet<_> = ids.filter(|id| !takes.contains(id)).collect();
        let secret = ["beginSecondFactor", "confirmSecondFactor", "enrolDevice", "exchange"];
        let reading = ["findResidentsByCitizenNumber"];
        let session = ["issueEnrolmentCode", "makeApiKey", "refreshSession", "revealHousehold", "revealResident"];
        let ending = ["signIn", "signOut"];
        assert_eq!(Vec::from_iter(without), [&secret[..], &reading, &session, &ending].concat());
    }

    #[test]
    fn every_error_of_every_operation_is_a_problem() {
        let named = &DOCUMENT.components.as_ref().expect("components").responses;
        for (path, item) in &DOCUMENT.paths.paths {
            for (method, operation) in methods(item) {
                for (status, response) in &operation.responses.responses {
                    let response = match response {
                        RefOr::T(response) => response,
                        RefOr::Ref(reference) => {
                            let name = reference.ref_location.rsplit('/').next().expect("a name");
                            let Some(RefOr::T(response)) = named.get(name) else { panic!("{name}") };
                            response
                        }
                    };
                    let is_problem = response.content.contains_key(MEDIA_TYPE);
                    assert_eq!(is_problem, status.as_str() >= "400", "{method} {path} {status}");
                    let is_for_now = ["429", "503"].contains(&status.as_str());
                    assert!(!is_for_now || response.headers.contains_key("Retry-After"), "{method} {path} {status}");
                }
                let has = |status: &str| operation.responses.responses.contains_key(status);
                let is_counted = takes_token(operation) || operation.request_body.is_some();
                assert!(has("503") && has("429") == is_counted, "{method} {path}");
            }
        }
    }

    fn each_operation(mut look: impl FnMut(&str, &serde_json::Value)) {
        let mut document: serde_json::Value = serde_json::from_str(openapi_json()).expect("JSON");
        completion::for_each_operation(&mut document, |_, operation| {
            look(operation["operationId"].as_str().expect("an id"), operation);
        });
    }

    #[test]
    fn every_body_that_is_sent_or_answered_has_an_example() {
        let mut without = BTreeSet::new();
        each_operation(|id, operation| {
            let answers = operation["responses"].as_object().expect("answers").values();
            let bodies = answers.chain(operation.get("requestBody")).flat_map(|body| body["content"].as_object());
            for (media_type, content) in bodies.flatten() {
                if media_type.ends_with("json") && content.get("example").is_none() {
                    without.insert(format!("{id}: {}", content["schema"]));
                }
            }
        });
        let detail = "give the texts in these an example, or their names a form in openapi/form.rs";
        assert!(without.is_empty(), "{detail}: {without:#?}");
    }

    #[test]
    fn every_parameter_is_described_and_a_text_of_a_path_or_query_says_what_it_looks_like() {
        each_operation(|id, operation| {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let schema = &parameter["schema"];
                assert!(parameter["description"].is_string(), "{id}: {parameter}");
                let text = schema["type"] == "string" || schema["type"][0] == "string";
                let bounds = ["pattern", "enum", "maxLength", "format"];
                let bounded = bounds.iter().any(|bound| schema.get(bound).is_some());
                assert!(!text || parameter["in"] == "header" || bounded, "{id}: {parameter}");
            }
        });
    }

    #[test]
    fn what_registers_a_household_leads_to_reading_and_correcting_it() {
        let mut led = BTreeSet::new();
        each_operation(|id, operation| {
            if id == "registerHousehold" {
                led.extend(operation["responses"]["201"]["links"].as_object().expect("links").keys().cloned());
            }
        });
        assert!(led.contains("readHousehold") && led.contains("correctHousehold"), "{led:?}");
    }

    #[test]
    fn every_edit_of_a_household_says_which_version_its_author_saw() {
        for (path, item) in &DOCUMENT.paths.paths {
            for (method, operation) in methods(item) {
                let reveals = path.ends_with("/reveal");
                let edits = path.starts_with("/v1/households/{id}") && method != "GET" && !reveals;
                let asks = operation.responses.responses.contains_key("428");
                assert_eq!(edits, asks, "{method} {path}");
            }
        }
    }
}
