//! Things arrive in any order, late, and from devices whose clocks are wrong.

use crate::device::{Device, new_actor, push_of, random};
use crate::people::{add_resident, correction, enrol, enrol_in, record, register_household, sync, visit, visit_at};
use crate::rest::Session;
use crate::town::{GRID, LI, Town, ZHAO, ZHOU, now};
use gridwork_domain::edit::{Action, Edit, Outcome};
use gridwork_domain::fields::Fields;
use gridwork_domain::id::{EditId, FactId, HouseholdId};
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_phone::{Surroundings, system_clock};
use gridwork_sync::change::{Base, RawChange, record_fact, write_household};
use gridwork_sync::document::{ActorId, DocumentId, DocumentKey};
use gridwork_sync::genesis;
use gridwork_sync::message;

const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1_000;

/// The first visit of a household, by an actor that has done nothing else there.
fn first_visit(household: HouseholdId, actor: ActorId, note: &str) -> (DocumentKey, RawChange) {
    let at = now();
    let key = DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into();
    let fact = Fact { id: FactId::new(at, random()), household, body: FactBody::Visit(visit_at(at, note)) };
    (key, record_fact(&Base { actor, heads: Vec::new(), previous: None }, &key, &fact, at))
}

/// The change with which a household begins.
fn registration(household: HouseholdId, actor: ActorId, address: &str) -> (DocumentKey, RawChange) {
    let at = now();
    let fields = Fields::new().with("status", "living");
    let dwelling = Fields::new().with("address", address);
    let action = Action::RegisterHousehold { fields, dwelling, residents: Vec::new() };
    let edit = Edit { id: EditId::new(at, random()), at, household, action };
    let Ok(Outcome::Household(writes)) = edit.check(&SCHEMA_1) else { panic!("a registration writes a household") };
    let key = DocumentId::household(household).into();
    let document = genesis::begin(&SCHEMA_1, &key);
    let base = Base::current(&document, actor);
    (key, write_household(&SCHEMA_1, &document, &base, (edit.id, at), &writes).expect("a change"))
}

#[test]
fn a_visit_that_arrives_before_its_household_waits_for_it_and_a_third_phone_holds_what_the_others_hold() {
    let town = Town::new();
    let mut server = town.serve();
    let device = Device::enrol(&server, &LI);
    let mut zhao = enrol(&town, &server, &ZHAO, "zhao");
    let (household, actor) = (HouseholdId::new(now(), random()), new_actor());

    let (visits, visit_change) = first_visit(household, actor, "先到的走访");
    let early = push_of(GRID.scope(), visits, &[&visit_change.bytes]);
    let held = device.push(&server, &[actor], vec![early.clone()]);
    assert_eq!(held, [(message::Outcome::Held, "missing-household".to_owned())]);
    sync(&mut zhao);
    assert!(zhao.households().is_empty());

    // What is held is durable, and asking again changes nothing.
    server.kill();
    server.restart();
    assert_eq!(device.push(&server, &[], vec![early.clone()]), held);

    let (key, registered) = registration(household, actor, "和平路3号");
    let merged = device.push(&server, &[], vec![push_of(GRID.scope(), key, &[&registered.bytes])]);
    assert_eq!(merged, [(message::Outcome::Merged, String::new())]);
    let known = device.push(&server, &[], vec![early]);
    assert!(matches!(known[0].0, message::Outcome::Known | message::Outcome::Merged), "{known:?}");
    let zhou = Session::of(&ZHOU, &server);
    assert_eq!(zhou.notes(household), ["先到的走访"]);

    // Everything else that a grid sees in a day, and then a phone that begins with all of it.
    let mut li = enrol(&town, &server, &LI, "li");
    sync(&mut zhao);
    for phone in [&mut li, &mut zhao] {
        add_resident(phone, household, "陈小明");
        record(phone, household, correction("contact_phone", if phone.owner().name == "李娜" { "110" } else { "120" }));
        visit(phone, household, "例行走访");
        register_household(phone, "和平路4号");
        sync(phone);
    }
    sync(&mut li);
    let third = enrol(&town, &server, &ZHAO, "third");
    assert_eq!(third.dump().households.len(), 3);
    assert_eq!(third.dump().facts.len(), 3);
    assert_eq!(li.dump(), zhao.dump());
    assert_eq!(third.dump(), li.dump());
}

#[test]
fn changes_that_arrive_in_reverse_wait_for_each_other_and_all_are_merged() {
    let town = Town::new();
    let server = town.serve();
    let device = Device::enrol(&server, &LI);
    let (household, actor) = (HouseholdId::new(now(), random()), new_actor());
    let (key, registered) = registration(household, actor, "和平路5号");
    let (visits, first) = first_visit(household, actor, "一");
    let at = now();
    let head = gridwork_sync::change::Head { hash: first.hash, largest_op: first.largest_op };
    let base = Base { actor, heads: vec![head], previous: Some((head, first.sequence)) };
    let fact = Fact { id: FactId::new(at, random()), household, body: FactBody::Visit(visit_at(at, "二")) };
    let second = record_fact(&base, &visits, &fact, at);

    for (document, change) in [(visits, &second), (visits, &first)] {
        let push = push_of(GRID.scope(), document, &[&change.bytes]);
        assert_eq!(device.push(&server, &[actor], vec![push])[0].0, message::Outcome::Held);
    }
    let push = push_of(GRID.scope(), key, &[&registered.bytes]);
    assert_eq!(device.push(&server, &[], vec![push])[0].0, message::Outcome::Merged);
    assert_eq!(Session::of(&ZHOU, &server).notes(household), ["一", "二"]);
}

#[test]
fn phones_whose_clocks_are_a_year_ahead_or_behind_lose_nothing_and_are_reported() {
    let town = Town::new();
    let server = town.serve();
    let clock = |off_ms: i64| Surroundings {
        clock: Box::new(move || system_clock().plus_ms(off_ms)),
        ..Surroundings::default()
    };
    let mut ahead = enrol_in(&town, &server, &LI, "ahead", clock(YEAR_MS));
    let mut behind = enrol_in(&town, &server, &ZHAO, "behind", clock(-YEAR_MS));

    let household = register_household(&mut ahead, "和平路6号");
    visit(&mut ahead, household, "快一年的钟");
    record(&mut ahead, household, correction("contact_phone", "13800000001"));
    sync(&mut ahead);
    sync(&mut behind);
    visit(&mut behind, household, "慢一年的钟");
    record(&mut behind, household, correction("remark", "狗"));
    sync(&mut behind);
    sync(&mut ahead);

    for phone in [&ahead, &behind] {
        assert_eq!(phone.status().refused + phone.status().held + phone.status().waiting, 0, "{:?}", phone.status());
        assert_eq!(phone.visits(household).len(), 2);
    }
    assert_eq!(ahead.dump(), behind.dump());
    let zhou = Session::of(&ZHOU, &server);
    assert_eq!(zhou.notes(household), ["快一年的钟", "慢一年的钟"]);
    let shown = zhou.household(household).body;
    assert_eq!(
        (&shown["household"]["contact_phone"], &shown["household"]["remark"]),
        (&"138****0001".into(), &"狗".into())
    );

    // The phones know, and so does the registry.
    let near = |skew_ms: Option<i64>, off_ms: i64| skew_ms.is_some_and(|skew_ms| (skew_ms - off_ms).abs() < 60_000);
    assert!(near(ahead.status().skew_ms, -YEAR_MS) && near(behind.status().skew_ms, YEAR_MS));
    server.end();
    let devices = town.with_registry(async |registry| registry.devices(None).await.expect("devices"));
    for (colleague, off_ms) in [(LI, YEAR_MS), (ZHAO, -YEAR_MS)] {
        let device = devices.iter().find(|one| one.device.staff == colleague.id()).expect("a device");
        assert!(near(device.skew_ms, off_ms), "{device:?}");
        assert!(device.last_contact.is_some_and(|at| (at.ms() - now().ms()).abs() < 120_000), "by the server's clock");
    }
}

#[test]
fn a_need_that_one_phone_recorded_reaches_the_other() {
    // The only kind of record that the other stories of arrival do not touch.
    let town = Town::new();
    let server = town.serve();
    let (mut li, mut zhao) = (enrol(&town, &server, &LI, "li"), enrol(&town, &server, &ZHAO, "zhao"));
    let household = register_household(&mut li, "和平路7号");
    let need = gridwork_domain::need::Need {
        purpose: "探访".to_owned(),
        basis: gridwork_domain::need::Basis::StatutoryDuty,
        sensitivity: 1,
        expires: Some("2030-01-01".to_owned()),
        note: None,
    };
    record(&mut li, household, Action::AffirmNeed { resident: None, kind: "elder_alone".to_owned(), need });
    sync(&mut li);
    sync(&mut zhao);
    assert_eq!(zhao.dump().households[&household].needs.len(), 1);
    assert_eq!(li.dump(), zhao.dump());
}
