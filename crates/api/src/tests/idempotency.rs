//! Requests that come again with the same idempotency key.

use super::office::{ADMINISTRATOR, GRIDS, LEADERS, Office, Reply};
use actix_web::http::{Method, StatusCode, header};
use gridwork_domain::staff::Role;
use serde_json::{Value, json};

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

async fn send(office: &Office, who: usize, key: &str, path: &str, body: &Value) -> Reply {
    let request = office.signed_in(LEADERS[who], Method::POST, path).insert_header(("idempotency-key", key));
    office.send(request.insert_header((header::IF_MATCH, "*")).set_json(body)).await
}

fn household(grid: usize) -> Value {
    json!({"grid": GRIDS[grid], "dwelling": {"address": "建设路3号"}})
}

async fn how_many(office: &Office, path: &str) -> usize {
    office.get(LEADERS[0], path).await.json()["items"].as_array().expect("items").len()
}

#[actix_web::test]
async fn a_request_that_comes_again_is_answered_as_before_and_does_nothing() {
    let office = Office::open().await;
    let first = send(&office, 0, KEY, "/v1/households", &household(0)).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    assert!(first.headers.get("idempotency-replayed").is_none());
    let again = send(&office, 0, KEY, "/v1/households", &household(0)).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, "true"));
    assert_eq!(again.json(), first.json());
    for name in ["location", "etag", "content-type"] {
        assert_eq!(again.header(name), first.header(name));
    }
    assert_eq!(how_many(&office, "/v1/households").await, 1);

    let path = first.header("location").to_owned();
    let resident = json!({"resident": {"name": "张伟"}});
    let (one, two) = (
        send(&office, 0, "r", &format!("{path}/residents"), &resident).await,
        send(&office, 0, "r", &format!("{path}/residents"), &resident).await,
    );
    assert_eq!((one.status, one.json()), (StatusCode::CREATED, two.json()));
    assert_eq!(how_many(&office, &format!("{path}/residents")).await, 1);
}

#[actix_web::test]
async fn a_key_belongs_to_one_request_of_one_person() {
    let office = Office::open().await;
    assert_eq!(send(&office, 0, KEY, "/v1/households", &household(0)).await.status, StatusCode::CREATED);
    let other = json!({"grid": GRIDS[0], "dwelling": {"address": "建设路4号"}});
    let refused =
        send(&office, 0, KEY, "/v1/households", &other).await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["type"], "urn:problem-type:gridwork:key-reused");
    send(&office, 0, KEY, "/v1/households?x=1", &household(0)).await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(&office, 1, KEY, "/v1/households", &household(1)).await.status, StatusCode::CREATED);
    let malformed = send(&office, 0, "not a key", "/v1/households", &household(0)).await;
    malformed.assert_problem(StatusCode::BAD_REQUEST);
    assert_eq!(how_many(&office, "/v1/households").await, 1);
}

#[actix_web::test]
async fn a_refusal_is_not_kept_so_that_the_corrected_form_goes_through() {
    let office = Office::open().await;
    let wrong = json!({"grid": GRIDS[0], "household": {"contact_phone": "12"}});
    send(&office, 0, KEY, "/v1/households", &wrong).await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(&office, 0, KEY, "/v1/households", &household(0)).await.status, StatusCode::CREATED);
}

#[actix_web::test]
async fn a_request_whose_first_is_under_way_is_told_when_to_come_again() {
    let office = Office::open().await;
    let body = household(0);
    let requests = std::iter::repeat_with(|| send(&office, 0, KEY, "/v1/households", &body)).take(8);
    let mut made = 0;
    for reply in futures_util::future::join_all(Vec::from_iter(requests)).await {
        if reply.status == StatusCode::CONFLICT {
            assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
            assert_eq!(reply.assert_problem(StatusCode::CONFLICT)["type"], "urn:problem-type:gridwork:under-way");
        } else {
            assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
            made += usize::from(reply.headers.get("idempotency-replayed").is_none());
        }
    }
    assert_eq!((made, how_many(&office, "/v1/households").await), (1, 1));
}

#[actix_web::test]
async fn staff_are_appointed_and_assigned_once() {
    let office = Office::open().await;
    let send = |path: String, body: Value| {
        let request = office.signed_in(ADMINISTRATOR, Method::POST, &path).insert_header(("idempotency-key", KEY));
        office.send(request.set_json(body))
    };
    let term = json!({"role": "liaison", "area": GRIDS[0]});
    let form = json!({"name": "马超", "sign_in": "ma.chao", "password": "门前大桥下 游过一群鸭", "office": term});
    let appointed = send("/v1/staff".to_owned(), form.clone()).await;
    assert_eq!(appointed.status, StatusCode::CREATED, "{appointed:?}");
    let again = send("/v1/staff".to_owned(), form).await;
    assert_eq!((again.status, again.json()), (StatusCode::CREATED, appointed.json()));
    assert_eq!(again.header("location"), appointed.header("location"));

    let assign = |key: &'static str| {
        let path = format!("{}/offices", appointed.header("location"));
        let request = office.signed_in(ADMINISTRATOR, Method::POST, &path).insert_header(("idempotency-key", key));
        office.send(request.set_json(json!({"role": "liaison", "area": GRIDS[1]})))
    };
    let (one, two) = (assign("a").await, assign("a").await);
    assert_eq!((one.status, one.json()), (StatusCode::OK, two.json()));
    assert_eq!(two.header("idempotency-replayed"), "true");
}

#[actix_web::test]
async fn what_hands_out_secrets_takes_no_key() {
    let office = Office::open().await;
    let issue = || {
        let request = office.signed_in(ADMINISTRATOR, Method::POST, "/v1/devices/enrolment-codes");
        office.send(request.insert_header(("idempotency-key", KEY)).set_json(json!({"staff": LEADERS[0]})))
    };
    let (one, two) = (issue().await, issue().await);
    assert_eq!((one.status, two.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_ne!(one.json()["code"], two.json()["code"]);
}

#[actix_web::test]
async fn an_answer_is_not_given_again_to_who_has_other_offices_now() {
    let office = Office::open().await;
    let first = send(&office, 0, KEY, "/v1/households", &household(0)).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    office.give(LEADERS[0], Role::Liaison, GRIDS[1]).await;
    let again = send(&office, 0, KEY, "/v1/households", &household(0)).await;
    let body = again.assert_problem(StatusCode::CONFLICT);
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("offices have changed")), "{body}");
    assert_eq!(how_many(&office, "/v1/households").await, 1, "and nothing is done twice");
}
