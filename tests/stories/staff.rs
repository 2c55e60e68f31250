//! Administrators and the staff of their areas.

use crate::device::Device;
use crate::people::{enrolment_code, sync};
use crate::rest::{Answer, Session, text};
use crate::server::Server;
use crate::town::{FAR_GRID, GRID, LI, NEIGHBOURS, PASSWORD, QIAN, SUN, Town, WU, ZHOU, now};
use serde_json::json;
use ureq::http::Method;

const NEW_PASSWORD: &str = "大门口 石狮子 一共有 两只";

#[test]
fn somebody_new_is_appointed_works_and_is_relieved() {
    let town = Town::new();
    let server = town.serve();
    let sun = Session::of(&SUN, &server);
    let form = |area| {
        let office = json!({ "role": "community_worker", "area": area });
        json!({ "name": "何平", "sign_in": "he.ping", "password": PASSWORD, "office": office })
    };
    let elsewhere = sun.send(Method::POST, "/v1/staff", None, &form(GRID.id()));
    assert_eq!(elsewhere.status, 422, "{elsewhere:?}");
    let appointed = sun.send(Method::POST, "/v1/staff", None, &form(FAR_GRID.id())).well();
    assert_eq!(appointed["offices"][0]["area"]["id"], json!(FAR_GRID.id()));
    let twice = sun.send(Method::POST, "/v1/staff", None, &form(FAR_GRID.id()));
    assert_eq!(twice.status, 422, "{twice:?}");

    let he = Session::sign_in(&server, "he.ping", PASSWORD);
    he.get("/v1/households").well();
    let path = format!("/v1/staff/{}", text(&appointed["id"]));
    assert_eq!(sun.get(&path).well(), appointed);
    let ended = sun.remove(&format!("{path}/offices/community_worker/{}", FAR_GRID.id()));
    assert_eq!(ended.status, 204, "{ended:?}");
    assert_eq!(he.get("/v1/households").status, 403, "at the next request");
    he.get("/v1/sessions").well();
    let office = json!({ "role": "community_worker", "area": NEIGHBOURS.id() });
    sun.send(Method::POST, &format!("{path}/offices"), None, &office).well();
    he.get("/v1/households").well();
}

#[test]
fn who_runs_one_community_has_no_say_over_who_works_elsewhere_and_nobody_over_themselves() {
    let town = Town::new();
    let server = town.serve();
    let (sun, wu) = (Session::of(&SUN, &server), Session::of(&WU, &server));
    let names = |session: &Session| {
        let listed = session.get("/v1/staff").well();
        listed["items"].as_array().expect("a list").iter().map(|one| text(&one["sign_in"])).collect::<Vec<_>>()
    };
    assert_eq!(names(&sun), ["qian.fang", "sun.li"]);
    assert_eq!(names(&wu).len(), 8);
    let office = json!({ "role": "call_agent", "area": NEIGHBOURS.id() });
    for id in [ZHOU.id(), LI.id()] {
        let refused = |answer: Answer| assert_eq!(answer.status, 404, "{answer:?}");
        refused(sun.get(&format!("/v1/staff/{id}")));
        refused(sun.send(Method::POST, &format!("/v1/staff/{id}/offices"), None, &office));
        let form = json!({ "password": NEW_PASSWORD });
        refused(sun.send(Method::PUT, &format!("/v1/staff/{id}/password"), None, &form));
        refused(sun.get(&format!("/v1/staff/{id}/devices")));
    }
    // Whoever administers gives themselves no sight of homes.
    let own = sun.send(Method::POST, &format!("/v1/staff/{}/offices", SUN.id()), None, &office);
    assert_eq!(own.status, 403, "{own:?}");
    assert_eq!(sun.get("/v1/households").status, 403);
    let district = json!({ "role": "call_agent", "area": GRID.id() });
    let beyond = sun.send(Method::POST, &format!("/v1/staff/{}/offices", QIAN.id()), None, &district);
    assert_eq!(beyond.status, 422, "{beyond:?}");
}

#[test]
fn a_password_is_changed_with_the_old_one_or_by_an_administrator_and_ends_sessions() {
    let town = Town::new();
    let server = town.serve();
    let (desk, home) = (Session::of(&QIAN, &server), Session::of(&QIAN, &server));
    let form = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
    let change = |old, new| desk.send(Method::PUT, "/v1/password", None, &form(old, new));
    let wrong = change("not the password", NEW_PASSWORD);
    assert_eq!((wrong.status, &wrong.body["errors"][0]["field"]), (422, &json!("old_password")));
    assert_eq!(change(PASSWORD, "short").status, 422);
    home.get("/v1/households").well();
    assert_eq!(change(PASSWORD, NEW_PASSWORD).status, 204);
    assert_eq!(home.get("/v1/households").status, 401, "another session of the same person");
    desk.get("/v1/households").well();
    Session::sign_in(&server, QIAN.sign_in, NEW_PASSWORD);

    let sun = Session::of(&SUN, &server);
    let path = format!("/v1/staff/{}/password", QIAN.id());
    assert_eq!(sun.send(Method::PUT, &path, None, &json!({ "password": PASSWORD })).status, 204);
    assert_eq!(desk.get("/v1/households").status, 401);
    Session::of(&QIAN, &server);
}

#[test]
fn a_revoked_phone_is_not_let_in_again_and_its_owner_enrols_another() {
    let town = Town::new();
    let server = town.serve();
    let other = town.serve();
    let device = Device::enrol(&server, &LI);
    let push_to = |node: &Server| device.signed(device.message().to_bytes()).send(node.address()).status;
    let push = || push_to(&server);
    assert_eq!((push(), push_to(&other)), (200, 200));
    let (wu, sun) = (Session::of(&WU, &server), Session::of(&SUN, &server));
    let path = format!("/v1/staff/{}/devices", LI.id());
    let listed = wu.get(&path).well();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["revoked_at_ms"]), (&json!(device.id), &json!(null)));
    assert!(listed["items"][0]["last_contact_ms"].is_i64(), "{listed}");
    let one = format!("{path}/{}", device.id);
    assert_eq!(sun.remove(&one).status, 404);
    assert_eq!(push(), 200);
    assert_eq!(wu.remove(&one).status, 204);
    assert_eq!((push(), push_to(&other)), (401, 401), "on every node, also on one that let it in before");
    assert_eq!(wu.remove(&one).status, 404, "once");
    assert!(wu.get(&path).well()["items"][0]["revoked_at_ms"].is_i64());

    let code = enrolment_code(&server, &LI);
    let mut phone = gridwork_phone::Phone::enrol(&town.path("li"), &server.url(), &code).expect("it is enrolled");
    sync(&mut phone);
}

#[test]
fn a_machine_client_does_what_its_key_and_its_office_permit_until_the_key_is_revoked() {
    let town = Town::new();
    let server = town.serve();
    let (wu, sun) = (Session::of(&WU, &server), Session::of(&SUN, &server));
    let household = Session::of(&ZHOU, &server).register("和平路1号", "110");
    let office = json!({ "role": "call_agent", "area": GRID.id() });
    let form = json!({ "name": "热线报表", "sign_in": "hotline-report", "office": office });
    let client = text(&wu.send(Method::POST, "/v1/staff", None, &form).well()["id"]);
    let path = format!("/v1/staff/{client}/api-keys");
    let make = |session: &Session, scopes: &[&str], expires_in_ms: i64| {
        let expires_at = now().plus_ms(expires_in_ms).ms();
        session.send(Method::POST, &path, None, &json!({ "name": "x", "scopes": scopes, "expires_at_ms": expires_at }))
    };
    for (scopes, expires_in_ms) in
        [(&[][..], 60_000), (&["administer"], 60_000), (&["own_account"], 60_000), (&["all"], 60_000), (&["read"], -1)]
    {
        assert_eq!(make(&wu, scopes, expires_in_ms).status, 422, "{scopes:?}");
    }
    assert_eq!(make(&sun, &["read"], 60_000).status, 404);
    let of_a_person = format!("/v1/staff/{}/api-keys", ZHOU.id());
    let form = json!({ "name": "x", "scopes": ["read"], "expires_at_ms": now().plus_ms(60_000).ms() });
    assert_eq!(wu.send(Method::POST, &of_a_person, None, &form).status, 409);

    let made = make(&wu, &["read"], 60_000).well();
    let key = text(&made["key"]);
    assert!(key.starts_with("gwk_"), "{made}");
    let machine = Session::with_token(&server, &key);
    let other = town.serve();
    let elsewhere = Session::with_token(&other, &key);
    elsewhere.household(household).well();
    let read = machine.household(household);
    let version = read.version.clone().expect("a version");
    read.well();
    // Its office would permit this, its key does not; nor is it somebody with an account.
    assert_eq!(machine.correct(household, &version, "remark", "x").status, 403);
    assert_eq!(machine.get("/v1/sessions").status, 403);
    assert_eq!(machine.get("/v1/staff").status, 403);
    assert_eq!(Session::with_token(&server, &format!("{key}x")).household(household).status, 401);
    assert_eq!(Session::with_token(&server, "gwk_").household(household).status, 401);

    let listed = wu.get(&path).well();
    assert_eq!((&listed["items"][0], listed["items"].as_array().map(Vec::len)), (&made["api_key"], Some(1)));
    assert!(!listed.to_string().contains(&key), "shown once");
    let one = format!("{path}/{}", text(&made["api_key"]["id"]));
    assert_eq!((sun.remove(&one).status, wu.remove(&one).status, wu.remove(&one).status), (404, 204, 404));
    assert_eq!((machine.household(household).status, elsewhere.household(household).status), (401, 401));
}
