//! The lists that everybody works with: one bundle with a version, for desks and phones.

use crate::device::{Device, random, sign};
use crate::people::{enrol, sync};
use crate::program;
use crate::rest::{Session, text};
use crate::town::{FAR_GRID, GRID, LI, QIAN, Town, WU, ZHOU};
use crate::wire::Sent;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use ureq::http::Method;

fn named<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let found = list.as_array().expect("a list").iter().find(|one| one[key] == value);
    found.unwrap_or_else(|| panic!("no {value} in {list}"))
}

#[test]
fn a_desk_reads_the_lists_in_both_languages_and_again_only_when_they_are_others() {
    let town = Town::new();
    let server = town.serve();
    let qian = Session::of(&QIAN, &server);
    let read = qian.get("/v1/reference");
    let tag = read.version.clone().expect("a version");
    let lists = read.well();
    assert_eq!(lists["version"], json!(tag));
    let mode = named(&lists["visit_modes"], "word", "door");
    assert_eq!((&mode["chinese"], &mode["english"]), (&json!("入户看"), &json!("at the door")));
    let sex = named(&lists["code_lists"], "list", "sex");
    assert_eq!(named(&sex["rows"], "code", "2")["name"], "女性");
    assert_eq!(named(&lists["need_kinds"], "kind", "elder_alone")["chinese"], "独居老人");
    let field = named(&lists["fields"], "field", "residence_kind");
    assert_eq!(named(&field["words"], "word", "floating")["chinese"], "流动人口");
    let areas = lists["areas"].to_string();
    assert!(areas.contains(&text(&json!(FAR_GRID.id()))) && !areas.contains(&text(&json!(GRID.id()))), "{areas}");

    let again = |tag: &str| {
        let sent = Sent::new("GET", "/v1/reference").with("authorization", &format!("Bearer {}", qian.token));
        sent.with("if-none-match", tag).send(server.address())
    };
    let same = again(&tag);
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(again("\"another\"").status, 200);
    assert_eq!(Session::of(&QIAN, &server).get("/v1/reference").version, Some(tag.clone()));
    let form = json!({ "name": "田屯新网格", "valid_from": "2026-01-01" });
    let path = format!("/v1/areas/{}", FAR_GRID.id());
    Session::of(&WU, &server).send(Method::PATCH, &path, None, &form).well();
    assert_eq!(again(&tag).status, 200, "an area has another name");
    assert_ne!(Session::of(&ZHOU, &server).get("/v1/reference").version, Some(tag), "others work elsewhere");
}

#[test]
fn a_phone_gets_the_lists_with_its_sync_and_shows_their_version() {
    let town = Town::new();
    let server = town.serve();
    let mut li = enrol(&town, &server, &LI, "li");
    sync(&mut li);
    let lists = li.reference().expect("the store works").expect("they came with the sync");
    let read: Value = serde_json::from_str(&lists.lists).expect("JSON");
    assert_eq!(named(&read["areas"], "name", "三公里社区第一网格")["id"], json!(GRID.id()));
    sync(&mut li);
    assert_eq!(li.reference().expect("the store works"), Some(lists.clone()), "it is not a day since");
    drop(li);
    let said = program::phone(&town.path("li"), &["status"]).well();
    assert!(said.contains(&lists.version), "{said}");
    let metrics = server.metrics();
    let asked = r#"gridwork_http_requests_total{method="GET",route="/v1/reference",status="200"} 1"#;
    assert!(metrics.contains(asked), "{metrics}");
}

#[test]
fn a_stolen_token_or_a_foreign_key_reads_no_lists() {
    let town = Town::new();
    let server = town.serve();
    let device = Device::enrol(&server, &LI);
    let ask = |key: &SigningKey, token: &str| {
        let sent = Sent::new("GET", "/v1/reference").with("authorization", &format!("Bearer {token}"));
        sign(key, &device.id, sent).send(server.address()).status
    };
    assert_eq!(ask(&device.key, &device.token), 200);
    assert_eq!(ask(&SigningKey::from_bytes(&random()), &device.token), 401);
    assert_eq!(ask(&device.key, &Session::of(&ZHOU, &server).token), 401);
    let unsigned = Sent::new("GET", "/v1/reference").with("authorization", &format!("Bearer {}", device.token));
    assert_eq!(unsigned.send(server.address()).status, 401);
    assert_eq!(Sent::new("GET", "/v1/reference").send(server.address()).status, 401);
}
