//! What is refused, and that it is refused with a problem.

use super::office::{ADMINISTRATOR, DUTY_OFFICER, LEADERS, Office, SUPERVISOR};
use crate::limits::LARGEST_JSON_BODY_BYTES;
use crate::{openapi, openapi_json};
use actix_web::http::{Method, StatusCode, header};
use actix_web::test::TestRequest;
use gridwork_domain::id::AreaId;
use gridwork_domain::permission::Operation;
use serde_json::Value;

/// Every operation of the document: method, a path with ids in place, and whether it takes a body.
fn operations() -> Vec<(Method, String, bool, String)> {
    let document: Value = serde_json::from_str(openapi_json()).expect("JSON");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let id = AreaId::from_bytes([42; 16]).to_string();
            let path = path.split('/').map(|part| if part.starts_with('{') { id.as_str() } else { part });
            let has_body = operation.get("requestBody").is_some();
            let operation_id = operation["operationId"].as_str().expect("an id").to_owned();
            operations.push((method, path.collect::<Vec<_>>().join("/"), has_body, operation_id));
        }
    }
    assert!(operations.len() > 20);
    operations
}

/// Whether an operation is one of those who run the installation.
fn administers(id: &str) -> bool {
    needs(id, Operation::Administer)
}

fn needs(id: &str, operation: Operation) -> bool {
    openapi::operations().any(|(known, .., needed)| known == id && needed == Some(operation))
}

#[actix_web::test]
async fn without_a_token_nothing_answers_but_health_and_the_page_of_the_api() {
    let office = Office::open().await;
    for (method, path, _, id) in operations() {
        let reply = office.send(TestRequest::default().method(method).uri(&path)).await;
        match id.as_str() {
            "isLive" | "isReady" => assert_eq!(reply.status, StatusCode::OK, "{id}"),
            // A name and password are no token; a request without them is no sign-in.
            "signIn" | "refreshSession" => drop(reply.assert_problem(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
            _ => {
                reply.assert_problem(StatusCode::UNAUTHORIZED);
                assert!(reply.header("www-authenticate").starts_with("Bearer"));
            }
        }
    }
    for path in ["/docs/", "/docs/swagger-ui.css", "/docs/swagger-initializer.js", "/openapi.json"] {
        let reply = office.send(TestRequest::get().uri(path)).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        if path.ends_with("initializer.js") {
            let script = String::from_utf8_lossy(&reply.body).into_owned();
            assert!(
                script.contains("\"/openapi.json\"") && !script.contains("http"),
                "the page needs no network: {script}"
            );
        }
    }
    office.send(TestRequest::get().uri("/metrics")).await.assert_problem(StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn head_is_answered_as_get_and_begins_no_stream() {
    let office = Office::open().await;
    for uri in ["/v1/areas", "/v1/events", "/v1/exports/households"] {
        // A stream of events would go on for an hour.
        let reply = office.send(office.signed_in(LEADERS[0], Method::HEAD, uri)).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0), "{uri}");
        assert!(!reply.header("content-type").is_empty(), "{uri}");
    }
    let reply = office.send(TestRequest::default().method(Method::HEAD).uri("/v1/areas")).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::UNAUTHORIZED, 0));
}

#[actix_web::test]
async fn whatever_goes_wrong_is_answered_with_a_problem() {
    let office = Office::open().await;
    let uri = |uri: &str| TestRequest::get().uri(uri);
    office.send(uri("/v1/nothing")).await.assert_problem(StatusCode::NOT_FOUND);
    office.send(uri("/docs/nothing.js")).await.assert_problem(StatusCode::NOT_FOUND);
    let reply = office.send(TestRequest::delete().uri("/v1/households/x")).await;
    reply.assert_problem(StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.header("allow"), "GET, HEAD, PATCH");
    let long = format!("/v1/areas?parent={}", "a".repeat(4_096));
    office.send(uri(&long)).await.assert_problem(StatusCode::URI_TOO_LONG);
    let fat = uri("/v1/areas").insert_header(("x-fat", "a".repeat(20_000)));
    office.send(fat).await.assert_problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let problem = office.send(uri("/panics").insert_header(("x-request-id", "call-0815"))).await;
    let body = problem.assert_problem(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["instance"], "call-0815");
    assert!(!body.to_string().contains("mat"), "{body}");
    assert_eq!(problem.header("cache-control"), "no-store");

    let leader = LEADERS[0];
    office.get(leader, "/v1/households/not-an-id").await.assert_problem(StatusCode::NOT_FOUND);
    office.get(leader, "/v1/households?colour=red").await.assert_problem(StatusCode::BAD_REQUEST);
    office.get(leader, "/v1/households?limit=201").await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    office.get(leader, "/v1/households?limit=-1").await.assert_problem(StatusCode::BAD_REQUEST);
    office.get(leader, "/v1/households?after=%21%21").await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    office.get(leader, "/v1/areas?code=null").await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    office.get(leader, "/v1/residents?name=").await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn no_body_whatever_is_answered_with_a_server_error() {
    let office = Office::open().await;
    let (household, _) = office.register(0).await;
    let noise: Vec<u8> = (0u32..4_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let deep = "[".repeat(100_000);
    let bodies: Vec<&[u8]> = vec![b"", b"{", b"{}", b"null", b"\"\\ud800\"", &noise, deep.as_bytes()];
    for (method, path, has_body, id) in operations().into_iter().filter(|(_, _, has_body, _)| *has_body) {
        assert!(has_body);
        let unknown = AreaId::from_bytes([42; 16]).to_string();
        let path = path.replacen(&unknown, &household, 1);
        let may = |operation| needs(&id, operation);
        let who = match () {
            () if may(Operation::DecideKept) || may(Operation::BreakGlass) => DUTY_OFFICER,
            () if may(Operation::ReviewBreakGlass) => SUPERVISOR,
            () if administers(&id) => ADMINISTRATOR,
            () => LEADERS[0],
        };
        let request = || office.signed_in(who, method.clone(), &path).insert_header((header::IF_MATCH, "*"));
        for body in &bodies {
            let reply =
                office.send(request().insert_header(header::ContentType::json()).set_payload(body.to_vec())).await;
            assert!(reply.status.is_client_error(), "{id} {:?} {:?}", reply.status, &body[..body.len().min(20)]);
            reply.assert_problem(reply.status);
        }
        if !["exchange", "importRoster"].contains(&id.as_str()) {
            let large = vec![b' '; LARGEST_JSON_BODY_BYTES + 1];
            let reply = office.send(request().insert_header(header::ContentType::json()).set_payload(large)).await;
            let expected = if id == "enrolDevice" { StatusCode::UNAUTHORIZED } else { StatusCode::PAYLOAD_TOO_LARGE };
            reply.assert_problem(expected);
        }
    }
}

#[actix_web::test]
async fn whoever_tries_tokens_is_counted_by_address_as_whoever_tries_passwords() {
    let office = Office::open_with(|settings| settings.sign_ins_per_minute = 4).await;
    let with = |token: &str| {
        TestRequest::get().uri("/v1/areas").insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
    };
    let mut statuses = Vec::new();
    for turn in 0..12 {
        let token = if turn % 2 == 0 { format!("gwk_{turn:043}") } else { "a.b.c".to_owned() };
        statuses.push(office.send(with(&token)).await.status.as_u16());
    }
    // The minute may end amid it.
    let let_in = statuses.iter().filter(|status| **status == 401).count();
    assert!((4..=8).contains(&let_in) && statuses.ends_with(&[429]), "{statuses:?}");
    assert_eq!(office.get(LEADERS[0], "/v1/areas").await.status, StatusCode::OK, "whoever signed in goes on");
}
