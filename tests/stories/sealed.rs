//! Citizen numbers: sealed where they are typed in, found by whoever has the number, read in full by nobody here.

use crate::at_rest::{assert_in_no_row, assert_nowhere_in, inside};
use crate::people::{enrol, enrolment_code, record, sync};
use crate::program::{self, Said, phone};
use crate::rest::{Answer, Session, text};
use crate::town::{GRID, LI, QIAN, Town, ZHAO, ZHOU};
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::edit::Action;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{HouseholdId, ResidentId};
use gridwork_domain::sealed_number::SealedNumber;
use gridwork_phone::Phone;
use gridwork_sealing::{Keyring, PublicKey};
use serde_json::{Value, json};
use ureq::http::Method;

/// The example of GB 11643, and another number.
pub(crate) const NUMBER: &str = "11010519491231002X";
pub(crate) const SHOWN: &str = "1****************X";
pub(crate) const OTHER: &str = "440524188001010014";
const FIND: &str = "/v1/residents/find-by-citizen-number";

fn number(text: &str) -> CitizenNumber {
    CitizenNumber::parse(text).expect("a citizen number")
}

/// The key that the server tells its staff.
pub(crate) fn key(session: &Session) -> PublicKey {
    text(&session.get("/v1/sealing-key").well()["public_key"]).parse().expect("a key")
}

/// As a browser seals it.
pub(crate) fn sealed(plain: &str, key: PublicKey) -> Value {
    json!({ "sealed": key.seal(&number(plain), crate::device::random()).to_string() })
}

pub(crate) fn find(session: &Session, plain: &str) -> Vec<Value> {
    let form = json!({ "citizen_number": sealed(plain, key(session)) });
    session.send(Method::POST, FIND, None, &form).well()["items"].as_array().expect("residents").clone()
}

/// A household with one resident.
fn household(session: &Session) -> (HouseholdId, ResidentId) {
    let household = session.register("和平路1号", "110");
    let resident = text(&session.household(household).body["residents"][0]["id"]);
    (household, resident.parse().expect("an id"))
}

fn correct(session: &Session, (household, resident): (HouseholdId, ResidentId), given: &Value) -> Answer {
    let path = format!("/v1/households/{household}/residents/{resident}");
    session.send(Method::PATCH, &path, Some("*"), &json!({ "citizen_number": given }))
}

fn resident(session: &Session, household: HouseholdId) -> Value {
    session.household(household).well()["residents"][0]["resident"].clone()
}

fn record_number(phone: &mut Phone, (household, resident): (HouseholdId, ResidentId), plain: &str) {
    let value = phone.seal(&number(plain)).expect("the phone has the key");
    let fields = Fields([("citizen_number".to_owned(), Some(value))].into());
    record(phone, household, Action::Correct { record: RecordPath::resident(resident), fields });
}

/// To which key the number on a phone is sealed.
fn sealed_to(phone: &Phone, (household, resident): (HouseholdId, ResidentId)) -> String {
    let known = phone.household(household).expect("the phone holds it");
    let value = known.household.value(&RecordPath::resident(resident).field("citizen_number")).expect("a number");
    value.to_string().parse::<SealedNumber>().expect("a sealed one").key().to_string()
}

fn verified(town: &Town) -> String {
    let said = program::about(&town.data_folder(), &["verify"]).output().expect("the binary runs");
    Said::of(said).well()
}

#[test]
fn a_number_recorded_offline_is_sealed_on_the_phone_and_found_by_the_call_centre() {
    let town = Town::new();
    let mut server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (household, resident_id) = household(&zhou);
    let (li, code) = (town.path("li"), enrolment_code(&server, &LI));
    phone(&li, &["enrol", &server.url(), &code]).well();
    phone(&li, &["sync"]).well();

    server.kill();
    let (household_text, resident_text) = (household.to_string(), resident_id.to_string());
    let correction = |number: &str| phone(&li, &["correct", &household_text, "--resident", &resident_text, number]);
    let wrong = correction("citizen_number=110105194912310021");
    assert!(!wrong.success && wrong.error.contains("last character"), "{wrong:?}");
    assert!(!wrong.error.contains("1949"), "{wrong:?}");
    correction(&format!("citizen_number={NUMBER}")).well();
    assert!(phone(&li, &["show", &household_text]).well().contains("citizen_number=(sealed)"));
    assert_nowhere_in(&li, inside(NUMBER));

    server.restart();
    phone(&li, &["sync"]).well();
    assert_eq!(resident(&zhou, household)["citizen_number"], SHOWN);
    let found = find(&zhou, NUMBER);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["id"], &found[0]["resident"]["citizen_number"]), (&json!(resident_text), &json!(SHOWN)));
    assert_eq!(find(&zhou, OTHER), [json!(null); 0]);
    assert_eq!(find(&Session::of(&QIAN, &server), NUMBER), [json!(null); 0], "it lies outside her area");
    assert_eq!(zhou.get("/v1/search?q=19491231").well()["items"], json!([]), "no digit of it is a word");

    server.end();
    assert!(verified(&town).contains(" 0 differences"));
    assert_nowhere_in(&town.data_folder(), inside(NUMBER));
    assert_nowhere_in(&li, inside(NUMBER));
    assert_in_no_row(&town.data_folder(), inside(NUMBER));
}

#[test]
fn after_a_rotation_old_numbers_open_and_new_ones_are_sealed_to_the_new_key() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let this = household(&zhou);
    let mut li = enrol(&town, &server, &LI, "li");
    record_number(&mut li, this, NUMBER);
    sync(&mut li);
    let old = key(&zhou).id().to_string();
    assert_eq!(sealed_to(&li, this), old);
    server.end();
    let keys = |step: &str| program::about(&town.data_folder(), &["keys", step]).output().expect("the binary runs");
    let said = Said::of(keys("rotate")).well();
    assert_eq!(said, Said::of(keys("list")).well());
    assert!(said.contains(&format!("{old} opens\n")) && said.contains(" seals and opens\n"), "{said}");

    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let new = key(&zhou).id().to_string();
    assert!(new != old && said.contains(&new), "{said}");
    assert_eq!(find(&zhou, NUMBER).len(), 1, "the hash stays what it was");
    li.set_server(&server.url()).expect("saved");
    sync(&mut li);
    record_number(&mut li, this, OTHER);
    assert_eq!(sealed_to(&li, this), new, "the phone heard of the new key when it synced");
    sync(&mut li);
    assert_eq!(find(&zhou, OTHER).len(), 1);
    assert_eq!(find(&zhou, NUMBER), [json!(null); 0]);
    let known = zhou.get("/v1/sealing-key");
    assert_eq!(known.version, Some(format!("\"{new}\"")));
    server.end();
    assert!(verified(&town).contains(" 0 differences"));
}

#[test]
fn what_cannot_be_read_is_kept_and_says_so_until_its_key_is_there() {
    let town = Town::new();
    let stranger = Keyring::new([[1; 32], [2; 32]]);
    let keys = Keyring::new([crate::device::random(), crate::device::random()]);
    let server = town.serve_with(&[("GRIDWORK_SEALING_KEYS", &keys.to_text())]);
    let zhou = Session::of(&ZHOU, &server);
    let this = household(&zhou);
    let strange = sealed(NUMBER, stranger.current().expect("a key"));
    correct(&zhou, this, &strange).well();
    let unreadable = json!("unknown_key");
    let shown = resident(&zhou, this.0);
    assert_eq!((&shown["citizen_number"], &shown["citizen_number_unreadable"]), (&Value::Null, &unreadable));
    let refused = zhou.send(Method::POST, FIND, None, &json!({ "citizen_number": strange }));
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("citizen_number.sealed")));

    // In the clear it is not taken, nor told, nor kept.
    for plain in [json!(NUMBER), json!({ "sealed": NUMBER })] {
        let refused = correct(&zhou, this, &plain);
        assert!((400..=422).contains(&refused.status), "{refused:?}");
        assert!(refused.body.to_string().contains("/v1/sealing-key"), "{refused:?}");
        assert!(!refused.body.to_string().contains("1949"), "{refused:?}");
    }
    server.end();
    assert_nowhere_in(&town.data_folder(), inside(NUMBER));

    // A node without the registry's keys does not begin.
    let said = program::about(&town.data_folder(), &["serve"])
        .env("GRIDWORK_ADDRESS", "127.0.0.1:0")
        .env("GRIDWORK_METRICS_ADDRESS", "off")
        .env("GRIDWORK_SEALING_KEYS", stranger.to_text())
        .output();
    let said = Said::of(said.expect("the binary runs"));
    assert!(!said.success && said.error.contains("this node"), "{said:?}");

    let strange_pair = stranger.to_text().lines().last().expect("a key").to_owned();
    let both = format!("{strange_pair} {}", keys.to_text());
    let server = town.serve_with(&[("GRIDWORK_SEALING_KEYS", &both)]);
    let zhou = Session::of(&ZHOU, &server);
    let shown = resident(&zhou, this.0);
    assert_eq!((&shown["citizen_number"], &shown["citizen_number_unreadable"]), (&json!(SHOWN), &Value::Null));
    assert_eq!(find(&zhou, NUMBER).len(), 1);
    correct(&zhou, this, &Value::Null).well();
    assert_eq!(find(&zhou, NUMBER), [json!(null); 0]);
}

#[test]
fn one_number_that_two_people_recorded_is_no_conflict_and_two_numbers_are_one() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let this = household(&zhou);
    let mut li = enrol(&town, &server, &LI, "li");
    let mut zhao = enrol(&town, &server, &ZHAO, "zhao");
    let both_record = |li: &mut Phone, zhao: &mut Phone, of_li: &str, of_zhao: &str| {
        record_number(li, this, of_li);
        record_number(zhao, this, of_zhao);
        sync(li);
        sync(zhao);
        sync(li);
    };
    both_record(&mut li, &mut zhao, NUMBER, NUMBER);
    let read = zhou.household(this.0).well();
    assert_eq!((&read["conflicts"], &read["residents"][0]["resident"]["citizen_number"]), (&json!([]), &json!(SHOWN)));
    let listed = zhou.get("/v1/households").well();
    assert_eq!(listed["items"][0]["open_conflicts"], 0);
    assert!([&li, &zhao].iter().all(|phone| phone.household(this.0).expect("it is there").conflicts.is_empty()));

    both_record(&mut li, &mut zhao, NUMBER, OTHER);
    let conflicts = zhou.household(this.0).well()["conflicts"].clone();
    let mut values: Vec<String> =
        conflicts[0]["alternatives"].as_array().expect("values").iter().map(|one| text(&one["value"])).collect();
    values.sort_unstable();
    assert_eq!(values, [SHOWN, "4****************4"], "{conflicts}");
    let decision = json!({ "path": conflicts[0]["path"], "value": sealed(OTHER, key(&zhou))["sealed"] });
    let path = format!("/v1/households/{}/decisions", this.0);
    let decided = zhou.send(Method::POST, &path, Some("*"), &decision).well();
    assert_eq!(decided["conflicts"], json!([]));
    assert_eq!(resident(&zhou, this.0)["citizen_number"], "4****************4");
    server.end();
    assert!(verified(&town).contains(" 0 differences"));
}

#[test]
fn whoever_registers_a_household_sends_its_numbers_sealed_and_the_same_number_twice_is_found() {
    let town = Town::new();
    let keys = Keyring::new([crate::device::random(), crate::device::random()]);
    let server = town.serve_with(&[("GRIDWORK_SEALING_KEYS", &keys.to_text())]);
    let zhou = Session::of(&ZHOU, &server);
    let register = |address: &str, plain: &str| {
        let resident = json!({ "name": "张三", "citizen_number": sealed(plain, key(&zhou)) });
        let form = json!({
            "grid": GRID.id(),
            "dwelling": { "address": address },
            "residents": [{ "resident": resident, "membership": { "relation": "02" } }],
        });
        zhou.send(Method::POST, "/v1/households", None, &form).well();
    };
    register("和平路1号", NUMBER);
    register("和平路2号", NUMBER);
    register("和平路3号", OTHER);
    assert_eq!(find(&zhou, NUMBER).len(), 2);
    let other = find(&zhou, OTHER);
    let id = |name: &str| text(&other[0][name]);
    let pairs = zhou.get("/v1/duplicates?alike=citizen_number").well();
    let pairs = pairs["items"].as_array().expect("pairs");
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    for one in pairs[0]["both"].as_array().expect("both") {
        assert_eq!(one["resident"]["record"]["citizen_number"], "1****************X", "{one}");
    }
    let elsewhere = Session::of(&QIAN, &server);
    assert_eq!(elsewhere.get("/v1/duplicates?alike=citizen_number").well()["items"], json!([]));

    // In full for a reason alone, and to nobody from elsewhere.
    let form = json!({ "fields": ["citizen_number"], "reason": "核对户口簿" });
    let path = format!("/v1/residents/{}/reveal", id("id"));
    assert_eq!(zhou.send(Method::POST, &path, None, &form).well()["values"], json!({ "citizen_number": OTHER }));
    assert_eq!(elsewhere.send(Method::POST, &path, None, &form).status, 404);

    // Two homes that are one: who has the same number is the same person, and the number goes along.
    let [into, from] = [0, 1].map(|one| text(&pairs[0]["both"][one]["household"]["id"]));
    let form = json!({ "into": into, "reason": "同一户登记了两次" });
    let merged = zhou.send(Method::POST, &format!("/v1/households/{from}/merge"), Some("*"), &form).well();
    assert_eq!((merged["same"].as_array().map(Vec::len), &merged["moved"]), (Some(1), &json!([])), "{merged}");
    assert_eq!(zhou.get("/v1/duplicates?alike=citizen_number").well()["items"], json!([]));
}
