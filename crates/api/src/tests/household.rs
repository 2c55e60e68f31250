//! Staff who sign in, read and edit.

use super::office::{ADMINISTRATOR, GRIDS, LEADERS, Office, PASSWORD, Reply};
use actix_web::http::{Method, StatusCode, header};
use actix_web::test::TestRequest;
use gridwork_domain::id::AreaId;
use serde_json::{Value, json};

#[actix_web::test]
async fn a_household_of_another_grid_answers_as_if_it_were_not_there() {
    let office = Office::open().await;
    let (household, version) = office.register(1).await;
    let nothing =
        office.get(LEADERS[0], &format!("/v1/households/{}", GRIDS[0])).await.assert_problem(StatusCode::NOT_FOUND);
    let paths = ["", "/residents", "/visits"].map(|part| format!("/v1/households/{household}{part}"));
    for path in &paths {
        let other = office.get(LEADERS[0], path).await.assert_problem(StatusCode::NOT_FOUND);
        assert_eq!(other["detail"], nothing["detail"]);
        assert_eq!(office.get(LEADERS[1], path).await.status, StatusCode::OK, "{path}");
    }
    let patch = |who| {
        let request =
            office.signed_in(who, Method::PATCH, &paths[0]).insert_header((header::IF_MATCH, version.clone()));
        office.send(request.set_json(json!({"remark": "夜里有人"})))
    };
    patch(LEADERS[0]).await.assert_problem(StatusCode::NOT_FOUND);
    patch(ADMINISTRATOR).await.assert_problem(StatusCode::FORBIDDEN);
    assert_eq!(patch(LEADERS[1]).await.status, StatusCode::OK);
    let register = office.signed_in(LEADERS[0], Method::POST, "/v1/households").set_json(json!({"grid": GRIDS[1]}));
    office.send(register).await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(office.get(LEADERS[0], "/v1/households").await.json()["items"], json!([]));
    let codes = office.signed_in(LEADERS[0], Method::POST, "/v1/devices/enrolment-codes");
    office.send(codes.set_json(json!({"staff": LEADERS[0]}))).await.assert_problem(StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_key_that_is_not_for_reading_is_shown_nothing_by_an_edit() {
    let office = Office::open().await;
    let (household, version) = office.register(0).await;
    let form = json!({
        "name": "热线",
        "sign_in": "hotline",
        "office": {"role": "call_agent", "area": GRIDS[0]},
    });
    let client = office.send(office.signed_in(ADMINISTRATOR, Method::POST, "/v1/staff").set_json(form)).await.json();
    let keys = format!("/v1/staff/{}/api-keys", client["id"].as_str().expect("an id"));
    let patch = async |scopes: &[&str]| {
        let expires_at_ms = crate::clock::now().plus_ms(60_000).ms();
        let form = json!({"name": "x", "scopes": scopes, "expires_at_ms": expires_at_ms});
        let made = office.send(office.signed_in(ADMINISTRATOR, Method::POST, &keys).set_json(form)).await.json();
        let key = made["key"].as_str().unwrap_or_else(|| panic!("no key: {made}"));
        let request = TestRequest::patch()
            .uri(&format!("/v1/households/{household}"))
            .insert_header((header::AUTHORIZATION, format!("Bearer {key}")))
            .insert_header((header::IF_MATCH, version.clone()));
        office.send(request.set_json(json!({"remark": "夜里有人"}))).await
    };
    patch(&["edit_household"]).await.assert_problem(StatusCode::FORBIDDEN);
    assert_eq!(patch(&["edit_household", "read"]).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_form_opened_before_somebody_elses_edit_overwrites_nothing() {
    let office = Office::open().await;
    let (household, opened) = office.register(0).await;
    let path = format!("/v1/households/{household}");
    let patch = |version: &str, phone: &str| {
        let request = office.signed_in(LEADERS[0], Method::PATCH, &path);
        let request = request.insert_header((header::IF_MATCH, version.to_owned()));
        office.send(request.set_json(json!({"contact_phone": phone})))
    };
    let first = patch(&opened, "024-8888 6666").await;
    assert_eq!((first.status, &first.json()["concurrent"]), (StatusCode::OK, &json!(false)), "{first:?}");
    let second = patch(&opened, "13912345678").await.json();
    assert_eq!(
        (&second["concurrent"], &second["conflicts"][0]["path"]),
        (&json!(true), &json!("household.contact_phone"))
    );
    let read = office.get(LEADERS[0], &path).await;
    let alternatives = read.json()["conflicts"][0]["alternatives"].as_array().expect("values").clone();
    let mut values: Vec<_> =
        alternatives.iter().map(|one| one["value"].as_str().expect("a value").to_owned()).collect();
    values.sort();
    assert_eq!(values, ["02488886666", "13912345678"]);
    assert_eq!(alternatives[0]["by"]["id"], json!(LEADERS[0]));
    assert_eq!(read.json()["version"], read.header("etag"));

    let decide = office.signed_in(LEADERS[0], Method::POST, &format!("{path}/decisions"));
    let decide = decide.insert_header((header::IF_MATCH, read.header("etag").to_owned()));
    let body = json!({"path": "household.contact_phone", "value": "13912345678"});
    let decided = office.send(decide.set_json(body)).await;
    assert_eq!((decided.status, &decided.json()["conflicts"]), (StatusCode::OK, &json!([])), "{decided:?}");
    let again = patch(decided.header("etag"), "13912345678").await;
    assert_eq!((again.status, &again.json()["change"]), (StatusCode::OK, &json!(null)));

    let none = office.signed_in(LEADERS[0], Method::PATCH, &path).set_json(json!({"remark": "x"}));
    office.send(none).await.assert_problem(StatusCode::PRECONDITION_REQUIRED);
    patch(&format!("\"{}\"", "ab".repeat(32)), "13912345670").await.assert_problem(StatusCode::PRECONDITION_FAILED);
    let wrong = patch("*", "12").await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong["errors"][0]["field"], "household.contact_phone");
}

#[actix_web::test]
async fn residents_needs_and_dwellings_are_edited_and_read() {
    let office = Office::open().await;
    let (household, _) = office.register(0).await;
    let path = format!("/v1/households/{household}");
    let edit = |method: Method, part: String, body: Value| {
        let request = office.signed_in(LEADERS[0], method, &format!("{path}{part}"));
        office.send(request.insert_header((header::IF_MATCH, "*")).set_json(body))
    };
    let body = json!({"resident": {"name": "张伟"}, "membership": {"since": "2024-05-01"}});
    let added = edit(Method::POST, "/residents".into(), body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let [resident, membership] =
        ["resident", "membership"].map(|name| added.json()[name].as_str().expect("an id").to_owned());
    let ok = |reply: Reply| assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    ok(edit(Method::PATCH, format!("/residents/{resident}"), json!({"phone": "13812340000"})).await);
    ok(edit(Method::PATCH, format!("/memberships/{membership}"), json!({"until": "2026-01-31"})).await);
    ok(edit(Method::PATCH, "/dwelling".into(), json!({"floor": 3, "address": null})).await);
    let need = json!({"purpose": "送餐", "basis": "consent", "sensitivity": 1});
    ok(edit(Method::PUT, format!("/needs/{resident}/meal_service"), need.clone()).await);
    ok(edit(Method::PUT, format!("/needs/{household}/meal_service"), need).await);
    ok(edit(Method::DELETE, format!("/needs/{household}/meal_service"), json!(null)).await);
    let stranger = AreaId::from_bytes([99; 16]);
    edit(Method::PATCH, format!("/residents/{stranger}"), json!({"phone": "13812340000"}))
        .await
        .assert_problem(StatusCode::NOT_FOUND);

    let read = office.get(LEADERS[0], &path).await.json();
    assert_eq!(read["dwelling"], json!({"floor": 3}));
    assert_eq!(read["needs"].as_array().expect("needs").len(), 1);
    assert_eq!(read["needs"][0]["subject"], json!(resident));
    let one = read["residents"].as_array().expect("residents").iter().find(|one| one["id"] == json!(resident));
    let one = one.expect("the resident").clone();
    assert_eq!(one["resident"], json!({"name": "张伟", "phone": "13812340000"}));
    assert_eq!(one["memberships"][0]["membership"]["until"], "2026-01-31");
    let found = office.get(LEADERS[0], "/v1/residents?name=%E5%BC%A0").await.json();
    assert_eq!(found["items"][0], one);
    let listed = office.get(LEADERS[0], &format!("{path}/residents?limit=1")).await.json();
    assert!(listed["next"].is_string());
    let rest = format!("{path}/residents?after={}", listed["next"].as_str().expect("a cursor"));
    assert_eq!(office.get(LEADERS[0], &rest).await.json()["items"].as_array().expect("items").len(), 1);
    assert_eq!(office.get(LEADERS[0], &format!("{path}/visits")).await.json()["items"], json!([]));
    assert_eq!(office.get(LEADERS[0], "/v1/conflicts").await.json(), json!({"items": [], "next": null}));
    let grids = office.get(LEADERS[0], "/v1/areas?parent=AwMDAwMDAwMDAwMDAwMDAw").await.json();
    assert_eq!(grids["items"][0]["id"], json!(GRIDS[0]));
}

#[actix_web::test]
async fn who_signs_in_gets_a_token_for_what_they_are() {
    let office = Office::open().await;
    let sign_in = |password: &str| {
        let body = json!({"sign_in": "leader.one", "password": password});
        office.send(TestRequest::post().uri("/v1/sign-in").set_json(body))
    };
    sign_in("wrong password").await.assert_problem(StatusCode::UNAUTHORIZED);
    let reply = sign_in(PASSWORD).await;
    assert_eq!(reply.header("cache-control"), "no-store");
    let signed_in = reply.json();
    assert_eq!(signed_in["roles"][0]["role"], "grid_leader");
    let bearer = format!("Bearer {}", signed_in["access_token"].as_str().expect("a token"));
    let request = TestRequest::get().uri("/v1/households").insert_header((header::AUTHORIZATION, bearer));
    assert_eq!(office.send(request).await.status, StatusCode::OK);
}
