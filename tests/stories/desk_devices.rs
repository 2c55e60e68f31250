//! Which phones need help: whose they are, when they were last heard of, and what they have not sent.

use crate::device::{Device, read_answer};
use crate::people::{enrol, register_household, sync, visit};
use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{FAR_GRID, GRID, HE, LI, QIAN, Town, WANG, WU, ZHOU, now};
use crate::wire::Sent;
use gridwork_sync::message::Request;
use serde_json::{Value, json};

fn phones(desk: &Session, query: &str) -> Vec<Value> {
    desk.get(&format!("/v1/devices{query}")).well()["items"].as_array().expect("a list").clone()
}

fn phone_of(desk: &Session, name: &str) -> Value {
    let found = phones(desk, "").into_iter().find(|one| one["owner"]["name"] == name);
    found.unwrap_or_else(|| panic!("no phone of {name}"))["device"].clone()
}

fn exchange(server: &Server, device: &Device, headers: &[(&str, &str)]) {
    let sent = device.signed(device.message().to_bytes());
    let sent = headers.iter().fold(sent, |sent: Sent, (name, value)| sent.with(name, value));
    read_answer(&sent.send(server.address()));
}

#[test]
fn the_desk_sees_that_a_phone_has_twelve_visits_since_tuesday_that_it_did_not_send() {
    let town = Town::new();
    let server = town.serve();
    let he = Session::of(&HE, &server);
    let mut wang = enrol(&town, &server, &WANG, "wang");
    let household = register_household(&mut wang, "建设街1号");
    sync(&mut wang);
    let well = phone_of(&he, "王强");
    assert_eq!((&well["unsent_edits"], &well["unsent_since_ms"]), (&json!(0), &Value::Null));
    assert!(well["app"].as_str().is_some_and(|app| app.starts_with("gridwork-phone/")), "{well}");
    assert!(well["last_contact_ms"].is_i64() && well["skew_ms"].is_i64(), "{well}");

    // What a sync hands in is not unsent.
    visit(&mut wang, household, "例行走访");
    let before = now().ms();
    sync(&mut wang);
    let seen = phone_of(&he, "王强");
    assert_eq!(seen["unsent_edits"], 0);
    assert!(seen["last_contact_ms"].as_i64() >= Some(before), "it was heard of just now: {seen}");

    // Li's comes into signal for a moment, with more on it than it hands in.
    let tuesday = now().plus_ms(-3 * 86_400_000).ms();
    let li = Device::enrol(&server, &LI);
    exchange(&server, &li, &[("gridwork-unsent", &format!("12; since={tuesday}"))]);
    let seen = phone_of(&he, "李娜");
    assert_eq!((&seen["unsent_edits"], &seen["unsent_since_ms"]), (&json!(12), &json!(tuesday)), "{seen}");

    // Its clock is ahead, less what the message took.
    li.exchange(&server, &Request { sent_at_ms: now().ms() + 90_000, ..li.message() });
    let skew = phone_of(&he, "李娜")["skew_ms"].as_i64().expect("a number");
    assert!((60_000..=90_000).contains(&skew), "{skew}");
}

#[test]
fn a_phone_of_another_community_or_of_a_whole_district_is_not_shown() {
    let town = Town::new();
    let server = town.serve();
    let (he, qian, wu) = (Session::of(&HE, &server), Session::of(&QIAN, &server), Session::of(&WU, &server));
    Device::enrol(&server, &LI);
    Device::enrol(&server, &QIAN);
    let names = |desk: &Session, query: &str| -> Vec<String> {
        phones(desk, query).iter().map(|one| text(&one["owner"]["name"])).collect()
    };
    assert_eq!((names(&he, ""), names(&qian, "")), (vec!["李娜".to_owned()], vec!["钱芳".to_owned()]));
    assert_eq!(names(&wu, "").len(), 2);
    assert_eq!(names(&wu, &format!("?area={}", GRID.id())), ["李娜"]);
    assert!(names(&he, &format!("?area={}", FAR_GRID.id())).is_empty());
    let first = wu.get("/v1/devices?limit=1").well();
    let next = text(&first["next"]);
    let second = wu.get(&format!("/v1/devices?limit=1&after={next}")).well();
    assert_ne!(first["items"], second["items"]);
    assert_eq!(second["next"], Value::Null);
    assert_eq!(Session::of(&ZHOU, &server).get("/v1/devices").status, 403);
}

#[test]
fn what_a_phone_says_of_itself_that_cannot_be_read_is_passed_over_and_counted() {
    let town = Town::new();
    let server = town.serve();
    let he = Session::of(&HE, &server);
    let device = Device::enrol(&server, &LI);
    exchange(&server, &device, &[("gridwork-app", "other-app/7"), ("gridwork-unsent", "3; since=1790000000000")]);
    let said = || {
        let seen = phone_of(&he, "李娜");
        (seen["app"].clone(), seen["unsent_edits"].clone(), seen["unsent_since_ms"].clone())
    };
    let good = (json!("other-app/7"), json!(3), json!(1_790_000_000_000_i64));
    assert_eq!(said(), good);
    for (name, value) in [
        ("gridwork-unsent", "-1"),
        ("gridwork-unsent", "3; since=tuesday"),
        ("gridwork-unsent", "9999999; since=1"),
        ("gridwork-app", "<script>"),
    ] {
        exchange(&server, &device, &[(name, value)]);
        assert_eq!(said(), good, "{name}: {value}");
    }
    exchange(&server, &device, &[]);
    assert_eq!(said(), good, "an app that says nothing changes nothing");
    assert!(server.metrics().contains("gridwork_device_reports_malformed_total 4"), "{}", server.metrics());
}
