//! The desk for what phones sent and the registry refused or holds: released, it arrives once; discarded, it is kept and
//! the phone is told.

use crate::device::{Device, new_actor, push_of, random};
use crate::people::{enrol, register_household, sync, visit, visit_at};
use crate::rest::{Answer, Session, text};
use crate::server::Server;
use crate::town::{Colleague, GRID, HE, LI, QIAN, Town, WANG, WU, ZHOU, now};
use gridwork_domain::edit::{Action, Edit, Outcome as Written};
use gridwork_domain::fields::Fields;
use gridwork_domain::id::{EditId, FactId, HouseholdId};
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_sync::change::{Base, Head, record_fact, write_household};
use gridwork_sync::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use gridwork_sync::genesis;
use gridwork_sync::message::Outcome;
use serde_json::{Value, json};
use ureq::http::Method;

fn listed(desk: &Session, state: &str) -> Vec<Value> {
    let page = desk.get(&format!("/v1/quarantine?state={state}")).well();
    page["items"].as_array().expect("a list").clone()
}

fn decide(desk: &Session, id: &Value, what: &str) -> Answer {
    let path = format!("/v1/quarantine/{}/{what}", text(id));
    desk.send(Method::POST, &path, None, &json!({ "reason": "代班的任命晚录入了" }))
}

/// The administrator gives somebody an office in [`GRID`].
fn give_office(server: &Server, to: &Colleague, role: &str) {
    let office = json!({ "role": role, "area": GRID.id() });
    Session::of(&WU, server).send(Method::POST, &format!("/v1/staff/{}/offices", to.id()), None, &office).well();
}

fn visits(household: HouseholdId) -> DocumentKey {
    DocumentId::visits(household, now().year_in_shanghai().expect("a year")).into()
}

fn note(household: HouseholdId, text: &str) -> Fact {
    let id = FactId::new(now(), random());
    Fact { id, household, body: FactBody::Visit(visit_at(now(), text)) }
}

#[test]
fn what_a_phone_sent_before_its_owner_was_entered_is_released_by_the_duty_officer_and_arrives_once() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    // Wang stands in for a day in a grid that is not Wang's, before anybody entered it.
    let (wang, key, actor) = (Device::enrol(&server, &WANG), visits(household), new_actor());
    let base = Base { actor, heads: Vec::new(), previous: None };
    let change = record_fact(&base, &key, &note(household, "代班走访"), now());
    let push = || wang.push(&server, &[actor], vec![push_of(GRID.scope(), key, &[&change.bytes])]);
    assert_eq!(push(), [(Outcome::Quarantined, "not-entitled".to_owned())]);
    assert!(zhou.notes(household).is_empty());

    let he = Session::of(&HE, &server);
    let [kept] = listed(&he, "quarantined").try_into().expect("one change");
    assert_eq!((&kept["code"], &kept["about"]), (&json!("not-entitled"), &json!("visits")));
    assert_eq!((&kept["by"]["name"], &kept["household"]), (&json!("王强"), &json!(household)));
    assert_eq!(kept["grid"], json!(GRID.id()));
    assert!(kept["size"].as_u64().is_some_and(|size| size > 100) && kept["device"].is_string(), "{kept}");
    let read = he.get(&format!("/v1/quarantine/{}", text(&kept["id"]))).well();
    assert!(read["says"].to_string().contains("代班走访"), "{read}");

    // Nothing has changed: it is refused again, and stays.
    let refused = decide(&he, &kept["id"], "release").well();
    assert_eq!((&refused["outcome"], &refused["code"]), (&json!("quarantined"), &json!("not-entitled")));
    assert_eq!(listed(&he, "quarantined").len(), 1);

    give_office(&server, &WANG, "liaison");
    let released = decide(&he, &kept["id"], "release").well();
    assert_eq!(released["outcome"], "merged", "{released}");
    assert_eq!(decide(&he, &kept["id"], "release").status, 404, "it is decided");
    assert!(listed(&he, "quarantined").is_empty());
    assert_eq!(zhou.notes(household), ["代班走访"]);
    assert_eq!(push(), [(Outcome::Known, String::new())], "the phone hears that it is there");
    let mut li = enrol(&town, &server, &LI, "li");
    sync(&mut li);
    assert_eq!(li.visits(household).len(), 1);
    assert_eq!(zhou.notes(household), ["代班走访"]);
}

#[test]
fn what_was_recorded_anew_meanwhile_is_not_doubled_by_a_release() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let device = Device::enrol(&server, &WANG);
    let (key, fact, at) = (visits(household), note(household, "代班走访"), now());
    let made = |actor: ActorId| record_fact(&Base { actor, heads: Vec::new(), previous: None }, &key, &fact, at).bytes;
    let actors = [new_actor(), new_actor()];
    let [first, again] = actors.map(made);
    let push = |bytes: &[u8], actor| device.push(&server, &[actor], vec![push_of(GRID.scope(), key, &[bytes])]);
    assert_eq!(push(&first, actors[0]), [(Outcome::Quarantined, "not-entitled".to_owned())]);
    give_office(&server, &WANG, "liaison");
    assert_eq!(push(&again, actors[1]), [(Outcome::Merged, String::new())]);

    let he = Session::of(&HE, &server);
    let [kept] = listed(&he, "quarantined").try_into().expect("one change");
    let released = decide(&he, &kept["id"], "release").well();
    assert_eq!(released["outcome"], "merged", "{released}");
    assert_eq!(zhou.notes(household), ["代班走访"]);
    server.end();
    let verified = crate::program::about(&town.data_folder(), &["verify", "--json"]).output();
    crate::program::Said::of(verified.expect("the binary runs")).well();
}

#[test]
fn what_is_discarded_goes_with_all_that_build_on_it_and_the_phone_is_told_when_it_asks() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let device = Device::enrol(&server, &WANG);
    let (key, actor, at) = (visits(household), new_actor(), now());
    let base = Base { actor, heads: Vec::new(), previous: None };
    let first = record_fact(&base, &key, &note(household, "串门"), at);
    let head = Head { hash: first.hash, largest_op: first.largest_op };
    let next = Base { actor, heads: vec![head], previous: Some((head, 1)) };
    let second = record_fact(&next, &key, &note(household, "又串门"), at);
    let push = || {
        let both = push_of(GRID.scope(), key, &[&first.bytes, &second.bytes]);
        device.push(&server, &[actor], vec![both])
    };
    let refused = push();
    assert!(refused.iter().all(|(outcome, _)| *outcome == Outcome::Quarantined), "{refused:?}");

    let he = Session::of(&HE, &server);
    let kept = listed(&he, "quarantined");
    let of_first = kept.iter().find(|one| one["dependants"] == 1).expect("one on which the other builds");
    for what in ["release", "discard"] {
        let path = format!("/v1/quarantine/{}/{what}", text(&of_first["id"]));
        let without = he.send(Method::POST, &path, None, &json!({ "reason": " " }));
        assert_eq!((without.status, &without.body["errors"][0]["field"]), (422, &json!("reason")), "{what}");
    }
    assert_eq!(listed(&he, "quarantined").len(), 2, "nobody said why");
    let discarded = decide(&he, &of_first["id"], "discard").well();
    assert_eq!((&discarded["outcome"], &discarded["with_it"]), (&json!("discarded"), &json!(1)));
    assert!(listed(&he, "quarantined").is_empty());
    assert_eq!(decide(&he, &of_first["id"], "release").status, 404);
    give_office(&server, &WANG, "liaison");
    let told = push();
    assert!(told.iter().all(|one| *one == (Outcome::Quarantined, "discarded".to_owned())), "{told:?}");
    assert!(zhou.notes(household).is_empty());
}

#[test]
fn what_waits_is_listed_and_discarded_too_and_nobody_outside_the_area_sees_any_of_it() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let device = Device::enrol(&server, &LI);
    let (key, actor, at) = (visits(household), new_actor(), now());
    let missing = Head { hash: ChangeHash(random()), largest_op: 1 };
    let waits = record_fact(&Base { actor, heads: vec![missing], previous: None }, &key, &note(household, "等"), at);
    let push = || device.push(&server, &[actor], vec![push_of(GRID.scope(), key, &[&waits.bytes])]);
    assert_eq!(push(), [(Outcome::Held, "missing-change".to_owned())]);

    let (he, qian) = (Session::of(&HE, &server), Session::of(&QIAN, &server));
    let [held] = listed(&he, "held").try_into().expect("one change");
    assert!(held["expires_at_ms"].as_i64() > held["received_at_ms"].as_i64(), "{held}");
    assert!(listed(&qian, "held").is_empty());
    assert_eq!(qian.get(&format!("/v1/quarantine/{}", text(&held["id"]))).status, 404);
    assert_eq!(decide(&qian, &held["id"], "discard").status, 404);
    assert_eq!(zhou.get("/v1/quarantine").status, 403, "the hotline decides nothing");

    let still = decide(&he, &held["id"], "release").well();
    assert_eq!((&still["outcome"], &still["code"]), (&json!("held"), &json!("missing-change")));
    decide(&he, &held["id"], "discard").well();
    assert!(listed(&he, "held").is_empty() && listed(&he, "quarantined").is_empty());
    assert_eq!(push(), [(Outcome::Quarantined, "discarded".to_owned())]);
}

#[test]
fn who_decides_about_a_change_of_a_home_sees_its_numbers_through_a_mask() {
    let town = Town::new();
    let server = town.serve();
    let (wang, actor, at) = (Device::enrol(&server, &WANG), new_actor(), now());
    let household = HouseholdId::new(at, random());
    let fields = Fields::new().with("status", "living").with("contact_phone", "13812345678");
    let dwelling = Fields::new().with("address", "和平路1号");
    let action = Action::RegisterHousehold { fields, dwelling, residents: Vec::new() };
    let edit = Edit { id: EditId::new(at, random()), at, household, action };
    let Ok(Written::Household(writes)) = edit.check(&SCHEMA_1) else { panic!("a registration writes a household") };
    let key = DocumentId::household(household).into();
    let document = genesis::begin(&SCHEMA_1, &key);
    let base = Base::current(&document, actor);
    let change = write_household(&SCHEMA_1, &document, &base, (edit.id, at), &writes).expect("a change");
    let refused = wang.push(&server, &[actor], vec![push_of(GRID.scope(), key, &[&change.bytes])]);
    assert_eq!(refused, [(Outcome::Quarantined, "not-entitled".to_owned())]);

    let he = Session::of(&HE, &server);
    let [kept] = listed(&he, "quarantined").try_into().expect("one change");
    let says = he.get(&format!("/v1/quarantine/{}", text(&kept["id"]))).well()["says"].to_string();
    assert!(says.contains("138****5678") && says.contains("和平路1号") && !says.contains("13812345678"), "{says}");
}

#[test]
fn a_list_of_refused_changes_goes_on_page_after_page_with_none_left_out() {
    let town = Town::new();
    let server = town.serve();
    let mut li = enrol(&town, &server, &LI, "li");
    let household = register_household(&mut li, "和平路1号");
    visit(&mut li, household, "例行走访");
    sync(&mut li);
    let device = Device::enrol(&server, &WANG);
    for number in 0..5 {
        let actor = new_actor();
        let fact = note(household, &format!("第{number}次"));
        let base = Base { actor, heads: Vec::new(), previous: None };
        let bytes = record_fact(&base, &visits(household), &fact, now()).bytes;
        device.push(&server, &[actor], vec![push_of(GRID.scope(), visits(household), &[&bytes])]);
    }
    let he = Session::of(&HE, &server);
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = he.get(&format!("/v1/quarantine?limit=2{after}")).well();
        ids.extend(page["items"].as_array().expect("a list").iter().map(|one| text(&one["id"])));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let mut known: Vec<_> = listed(&he, "quarantined").iter().map(|one| text(&one["id"])).collect();
    assert_eq!((ids.len(), &ids), (5, &known));
    known.dedup();
    assert_eq!(known.len(), 5);
}
