//! Several people change one household at the same time: whatever can stay stays, and what cannot both be true is shown
//! to somebody who decides.

use crate::people::{
    add_resident, correction, enrol, field, record, record_seen, register_household, residents, sync, visit,
};
use crate::rest::{Session, text};
use crate::town::{GRID, LI, NEXT_GRID, Town, ZHAO, ZHOU};
use gridwork_domain::household::RecordPath;
use gridwork_phone::Phone;
use serde_json::{Value, json};
use ureq::http::Method;

/// Values of the one conflict over the telephone number, each with who gave it, ascending.
fn values_on(phone: &Phone, household: gridwork_domain::id::HouseholdId) -> Vec<(String, String)> {
    let known = phone.household(household).expect("the phone holds the household");
    let [conflict] = known.conflicts.as_slice() else { panic!("one conflict: {:?}", known.conflicts) };
    assert_eq!(conflict.path, RecordPath::household().field("contact_phone"));
    let told = conflict.alternatives.iter().map(|one| {
        assert!(one.at.ms() > 0, "it is known when");
        let value = one.value.as_ref().expect("a number").to_string();
        (value, one.by.name.clone().expect("it is known who"))
    });
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    told
}

fn values_in(conflicts: &Value) -> Vec<(String, String)> {
    let [conflict] = conflicts.as_array().expect("a list").as_slice() else { panic!("one conflict: {conflicts}") };
    assert_eq!(conflict["path"], "household.contact_phone");
    let alternatives = conflict["alternatives"].as_array().expect("a list").iter();
    let mut told: Vec<_> = alternatives
        .map(|one| {
            assert!(one["at_ms"].as_i64().is_some_and(|ms| ms > 0), "it is known when: {one}");
            (text(&one["value"]), text(&one["by"]["name"]))
        })
        .collect();
    told.sort_unstable();
    told
}

fn pairs(told: &[(&str, &str)]) -> Vec<(String, String)> {
    told.iter().map(|(value, name)| ((*value).to_owned(), (*name).to_owned())).collect()
}

/// The same, as whoever answers the hotline sees them.
fn masked(told: &[(String, String)]) -> Vec<(String, String)> {
    told.iter().map(|(number, name)| (format!("{}****{}", &number[..3], &number[7..]), name.clone())).collect()
}

#[test]
fn two_phones_and_the_hotline_edit_one_household_offline_and_nothing_is_lost() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路12号3单元501", "024-88886666");
    let (mut li, mut zhao) = (enrol(&town, &server, &LI, "li"), enrol(&town, &server, &ZHAO, "zhao"));
    let seen = zhou.household(household).version.expect("a version");

    // Without a network; the hotline works on what was there before.
    add_resident(&mut li, household, "陈小明");
    record(&mut li, household, correction("contact_phone", "13800000001"));
    visit(&mut li, household, "李：老人独自在家");
    add_resident(&mut zhao, household, "陈小红");
    record(&mut zhao, household, correction("contact_phone", "13800000002"));
    visit(&mut zhao, household, "赵：门锁已修好");
    sync(&mut li);
    sync(&mut zhao);
    let edited = zhou.correct(household, &seen, "contact_phone", "13800000003").well();

    let three = pairs(&[("13800000001", "李娜"), ("13800000002", "赵敏"), ("13800000003", "周婷")]);
    assert_eq!(edited["concurrent"], true);
    assert_eq!(values_in(&edited["conflicts"]), masked(&three), "the hotline sees masks");
    for phone in [&mut li, &mut zhao] {
        sync(phone);
        assert_eq!(residents(phone, household), ["陈小明", "陈小红", "陈建国"]);
        assert_eq!(phone.visits(household).len(), 2);
        assert_eq!(values_on(phone, household), three);
    }
    assert_eq!(zhou.notes(household), ["李：老人独自在家", "赵：门锁已修好"]);
    let listed = zhou.get("/v1/conflicts").well();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    for (place, open) in [(&GRID, 1), (&NEXT_GRID, 0)] {
        let there = zhou.get(&format!("/v1/conflicts?area={}", place.id())).well();
        assert_eq!(there["items"].as_array().map(Vec::len), Some(open), "{there}");
    }

    // Somebody decides.
    let read = zhou.household(household);
    assert_eq!(read.body["residents"].as_array().map(Vec::len), Some(3));
    let decision = json!({ "path": "household.contact_phone", "value": "13800000002" });
    let path = format!("/v1/households/{household}/decisions");
    let decided = zhou.send(Method::POST, &path, read.version.as_deref(), &decision).well();
    assert_eq!(decided["conflicts"], json!([]));
    for phone in [&mut li, &mut zhao] {
        sync(phone);
        let known = phone.household(household).expect("the phone holds the household");
        assert!(known.conflicts.is_empty(), "{:?}", known.conflicts);
        assert_eq!(field(phone, household, "contact_phone").as_deref(), Some("13800000002"));
    }
    assert_eq!(li.dump(), zhao.dump());
    assert_eq!(zhou.get("/v1/conflicts").well()["items"], json!([]));
}

#[test]
fn the_same_status_entered_at_the_same_moment_in_two_households_stays_in_both() {
    let town = Town::new();
    let server = town.serve();
    let mut li = enrol(&town, &server, &LI, "li");
    let households = ["和平路1号", "和平路2号"].map(|address| register_household(&mut li, address));
    sync(&mut li);
    let at = li.now();
    for household in households {
        let mut edit = li.edit(household, correction("status", "moved_away"));
        edit.at = at;
        li.record(edit, None, None).expect("it is saved");
    }
    sync(&mut li);
    let zhou = Session::of(&ZHOU, &server);
    let zhao = enrol(&town, &server, &ZHAO, "zhao");
    for household in households {
        assert_eq!(zhou.household(household).body["household"]["status"], "moved_away");
        assert_eq!(field(&zhao, household, "status").as_deref(), Some("moved_away"));
    }
    assert_eq!(li.dump(), zhao.dump());
}

#[test]
fn a_form_that_was_opened_before_a_pull_does_not_overwrite_what_the_pull_brought() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路12号3单元501", "024-88886666");
    let (mut li, mut zhao) = (enrol(&town, &server, &LI, "li"), enrol(&town, &server, &ZHAO, "zhao"));

    let form = li.household(household).expect("the phone holds the household").heads;
    record(&mut zhao, household, correction("contact_phone", "13800000002"));
    record(&mut zhao, household, correction("remark", "门铃坏了"));
    sync(&mut zhao);
    sync(&mut li);
    assert_eq!(field(&li, household, "contact_phone").as_deref(), Some("13800000002"));
    record_seen(&mut li, household, correction("contact_phone", "13800000001"), Some(&form));

    let both = pairs(&[("13800000001", "李娜"), ("13800000002", "赵敏")]);
    assert_eq!(values_on(&li, household), both);
    sync(&mut li);
    sync(&mut zhao);
    for phone in [&li, &zhao] {
        assert_eq!(values_on(phone, household), both);
        assert_eq!(field(phone, household, "remark").as_deref(), Some("门铃坏了"), "what was not in question stays");
    }
    assert_eq!(values_in(&zhou.household(household).body["conflicts"]), masked(&both));
}

#[test]
fn a_form_at_the_hotline_that_is_out_of_date_is_told_what_it_met() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路12号3单元501", "024-88886666");
    let seen = zhou.household(household).version.expect("a version");
    let mut li = enrol(&town, &server, &LI, "li");
    record(&mut li, household, correction("contact_phone", "13800000001"));
    sync(&mut li);

    let unseen = zhou.correct(household, &seen, "contact_phone", "13800000003").well();
    assert_eq!(unseen["concurrent"], true, "{unseen}");
    assert_eq!(values_in(&unseen["conflicts"]), masked(&pairs(&[("13800000001", "李娜"), ("13800000003", "周婷")])));
    // What does not touch what others wrote is no conflict, though it is concurrent.
    let beside = zhou.correct(household, &seen, "remark", "来电：门铃坏了").well();
    assert_eq!(values_in(&beside["conflicts"]).len(), 2);
    // Whoever does not say what they saw is asked to.
    let path = format!("/v1/households/{household}");
    assert_eq!(zhou.send(Method::PATCH, &path, None, &json!({ "remark": "x" })).status, 428);
    let never = format!("\"{}\"", "0a".repeat(32));
    assert_eq!(zhou.correct(household, &never, "remark", "x").status, 412);
}

#[test]
fn a_need_that_is_affirmed_survives_being_withdrawn_by_somebody_who_did_not_know() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路12号3单元501", "024-88886666");
    let path = format!("/v1/households/{household}/needs/{household}/meal_service");
    let need = json!({ "purpose": "送餐", "basis": "consent", "sensitivity": 1 });
    let seen = zhou.household(household).version;
    zhou.send(Method::PUT, &path, seen.as_deref(), &need).well();
    let mut li = enrol(&town, &server, &LI, "li");
    let affirmed = gridwork_domain::edit::Action::AffirmNeed {
        resident: None,
        kind: "meal_service".to_owned(),
        need: gridwork_domain::need::Need {
            purpose: "送餐".to_owned(),
            basis: gridwork_domain::need::Basis::Consent,
            sensitivity: 1,
            expires: None,
            note: Some("每日午餐".to_owned()),
        },
    };
    record(&mut li, household, affirmed);
    let seen = zhou.household(household).version;
    let withdrawn = zhou.delete(&path, seen.as_deref().expect("a version"));
    assert_eq!(withdrawn.status, 200, "{withdrawn:?}");
    sync(&mut li);
    let needs = zhou.household(household).body["needs"].clone();
    assert_eq!(needs[0]["note"], "每日午餐", "{needs}");
}
