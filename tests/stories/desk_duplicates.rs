//! Two leaders registered the same home: they are shown as a pair, dismissed or merged, and nothing is lost.

use crate::people::{correction, enrol, record, register_household, residents, sync, visit};
use crate::program;
use crate::rest::{Answer, Session, text};
use crate::town::{FAR_GRID, GRID, LI, NEXT_GRID, Place, QIAN, Town, WANG, ZHOU};
use gridwork_domain::edit::{Action, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::id::{HouseholdId, MembershipId, ResidentId};
use gridwork_phone::Phone;
use serde_json::{Value, json};
use ureq::http::Method;

fn pairs(desk: &Session, query: &str) -> Vec<Value> {
    desk.get(&format!("/v1/duplicates{query}")).well()["items"].as_array().expect("a list").clone()
}

fn add(phone: &mut Phone, household: HouseholdId, name: &str, born: &str, mobile: Option<&str>) -> ResidentId {
    let resident = ResidentId::new(phone.now(), phone.random());
    let known = Fields::new().with("name", name).with("birth_date", born);
    let fields = mobile.into_iter().fold(known, |known, number| known.with("phone", number));
    let membership = MembershipId::new(phone.now(), phone.random());
    let stay = Fields::new().with("relation", "30");
    record(phone, household, Action::AddResident(NewResident { resident, membership, fields, stay }));
    resident
}

fn merge(desk: &Session, duplicate: HouseholdId, into: HouseholdId, seen: &str) -> Answer {
    let form = json!({ "into": into, "reason": "同一户登记了两次" });
    desk.send(Method::POST, &format!("/v1/households/{duplicate}/merge"), Some(seen), &form)
}

#[test]
fn two_leaders_registered_the_same_home_and_after_the_merge_nothing_is_lost() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (mut li, mut wang) = (enrol(&town, &server, &LI, "li"), enrol(&town, &server, &WANG, "wang"));
    let keep = register_household(&mut li, "和平路12号3单元501");
    add(&mut li, keep, "陈建国", "1950-03-04", None);
    visit(&mut li, keep, "李：在家");
    let twin = register_household(&mut wang, "和平路12号 3单元 501");
    add(&mut wang, twin, "陈建国", "1950-03-04", Some("13800000009"));
    let daughter = add(&mut wang, twin, "陈小红", "1980-05-06", None);
    visit(&mut wang, twin, "王：女儿在家");
    sync(&mut li);
    sync(&mut wang);
    let need = json!({ "purpose": "送餐", "basis": "consent", "sensitivity": 1 });
    let path = format!("/v1/households/{twin}/needs/{daughter}/meal_service");
    zhou.send(Method::PUT, &path, Some("*"), &need).well();

    let [pair] = pairs(&zhou, "").try_into().expect("one pair of homes");
    let both: Vec<_> = pair["both"].as_array().expect("two").iter().map(|one| text(&one["household"]["id"])).collect();
    assert!(both.contains(&keep.to_string()) && both.contains(&twin.to_string()), "{pair}");
    let [people] = pairs(&zhou, "?alike=person").try_into().expect("one pair of people");
    assert_eq!(people["both"][0]["resident"]["record"]["name"], "陈建国");
    let shown = people.to_string();
    assert!(shown.contains("138****0009") && !shown.contains("13800000009"), "the hotline sees masks: {shown}");

    // Wang's phone is offline and does not know yet.
    record(&mut wang, twin, correction("contact_phone", "024-88880000"));
    visit(&mut wang, twin, "王：又去了一次");
    let seen = zhou.household(twin).version.expect("a version");
    let merged = merge(&zhou, twin, keep, &seen).well();
    assert_eq!((&merged["household"], &merged["moved"]), (&json!(keep), &json!([daughter])));
    assert_eq!(merged["same"].as_array().map(Vec::len), Some(1));
    assert_eq!(merge(&zhou, twin, keep, "*").status, 409, "it is closed");
    assert!(pairs(&zhou, "").is_empty() && pairs(&zhou, "?alike=person").is_empty());

    sync(&mut wang);
    sync(&mut li);
    let kept = zhou.household(keep).body;
    let names: Vec<_> = kept["residents"].as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 2, "{kept}");
    let father = names.iter().find(|one| one["resident"]["name"] == "陈建国").expect("the father");
    assert_eq!(father["resident"]["phone"], "138****0009", "what the other leader knew of him");
    assert!(names.iter().any(|one| one["id"] == json!(daughter)), "she keeps her id: {kept}");
    assert_eq!(kept["needs"][0]["subject"], json!(daughter));
    assert_eq!(zhou.notes(keep), ["李：在家", "王：又去了一次", "王：女儿在家"]);
    let from = &kept["merged_from"][0];
    assert_eq!((&from["household"], &from["late_changes"]), (&json!(twin), &json!(1)), "a number to bring over");
    let closed = zhou.household(twin).body;
    assert_eq!(closed["merged_into"]["household"], json!(keep));
    assert_eq!(
        (&closed["household"]["status"], &closed["merged_into"]["by"]["name"]),
        (&json!("dissolved"), &json!("周婷"))
    );
    assert_eq!(closed["household"]["contact_phone"], "024****0000", "it stays where it was recorded");

    // Both phones see it.
    assert_eq!(residents(&li, keep), ["陈小红", "陈建国"]);
    let on_wangs = wang.household(twin).expect("the phone holds it").household;
    let own = on_wangs.record(&gridwork_domain::household::RecordPath::household()).expect("its record").clone();
    assert_eq!(own.text("status"), Some("dissolved"));
    assert!(own.text("remark").is_some_and(|remark| remark.contains(&keep.to_string())), "{own:?}");
    server.end();
    let verified = program::about(&town.data_folder(), &["verify", "--json"]).output();
    program::Said::of(verified.expect("the binary runs")).well();
}

#[test]
fn a_pair_that_is_not_the_same_is_dismissed_and_nobody_elsewhere_sees_any() {
    let town = Town::new();
    let server = town.serve();
    let (zhou, qian) = (Session::of(&ZHOU, &server), Session::of(&QIAN, &server));
    for _ in 0..3 {
        zhou.register("和平路1号", "110");
    }
    assert_eq!(pairs(&zhou, "").len(), 3);
    assert!(pairs(&qian, "").is_empty());
    assert_eq!(pairs(&zhou, &format!("?area={}", GRID.id())).len(), 3);
    assert!(pairs(&zhou, &format!("?area={}", NEXT_GRID.id())).is_empty());
    let first = zhou.get("/v1/duplicates?limit=2").well();
    let rest = pairs(&zhou, &format!("?limit=2&after={}", text(&first["next"])));
    assert_eq!((first["items"].as_array().map(Vec::len), rest.len()), (Some(2), 1));

    let path = format!("/v1/duplicates/{}/dismiss", text(&rest[0]["pair"]));
    let form = json!({ "reason": "合租，各是一户" });
    assert_eq!(qian.send(Method::POST, &path, None, &form).status, 404);
    assert_eq!(zhou.send(Method::POST, &path, None, &json!({ "reason": " " })).status, 422);
    assert_eq!(zhou.send(Method::POST, &path, None, &form).status, 204);
    let left = pairs(&zhou, "");
    assert!(left.len() == 2 && !left.contains(&rest[0]), "{left:?}");
    let nobody = format!("/v1/duplicates/{}/dismiss", "A".repeat(44));
    assert_eq!(zhou.send(Method::POST, &nobody, None, &form).status, 404);
}

#[test]
fn who_saw_another_version_or_has_no_business_in_both_grids_merges_nothing() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (one, other) = (zhou.register("和平路1号", "110"), zhou.register("和平路1号", "110"));
    let seen = zhou.household(one).version.expect("a version");
    zhou.correct(one, &seen, "remark", "下午在家").well();
    assert_eq!(merge(&zhou, one, other, &seen).status, 409);
    assert_eq!(merge(&zhou, one, one, "*").status, 409);
    assert_eq!(merge(&Session::of(&QIAN, &server), one, other, "*").status, 404);
    assert_eq!(zhou.household(one).body["household"]["status"], "living");
    merge(&zhou, one, other, "*").well();

    // Taken back by hand: it is open again, and nobody is sent on.
    let path = format!("/v1/households/{one}");
    zhou.send(Method::PATCH, &path, Some("*"), &json!({ "status": "living", "remark": null })).well();
    assert_eq!(zhou.household(one).body["merged_into"], Value::Null);
    assert_eq!(zhou.household(other).body["merged_from"], json!([]));
}

#[test]
fn namesakes_of_two_homes_that_are_merged_stay_two_people_and_the_home_knows_what_either_knew() {
    let town = Town::new();
    let server = town.serve();
    let (zhou, qian) = (Session::of(&ZHOU, &server), Session::of(&QIAN, &server));
    let register = |place: &Place, dwelling: Value, born: &str| -> HouseholdId {
        let resident =
            json!({ "resident": { "name": "王伟", "birth_date": born }, "membership": { "relation": "01" } });
        let form = json!({ "grid": place.id(), "dwelling": dwelling, "residents": [resident] });
        let body = zhou.send(Method::POST, "/v1/households", None, &form).well();
        text(&body["household"]).parse().expect("an id")
    };
    let keep = register(&GRID, json!({ "address": "和平路12号" }), "1950-03-04");
    let twin = register(&GRID, json!({ "address": "和平路12号", "floor": 5 }), "1980-05-06");
    register(&FAR_GRID, json!({ "address": "和平路12号" }), "1950-03-04");
    // Of a pair that lies in two communities, who works in one of them is told nothing.
    assert_eq!((pairs(&zhou, "").len(), pairs(&zhou, "?alike=person").len()), (3, 1));
    assert!(pairs(&qian, "").is_empty() && pairs(&qian, "?alike=person").is_empty());

    let merged = merge(&zhou, twin, keep, "*").well();
    assert_eq!((merged["moved"].as_array().map(Vec::len), &merged["same"]), (Some(1), &json!([])));
    let kept = zhou.household(keep).body;
    assert_eq!(kept["residents"].as_array().map(Vec::len), Some(2), "{kept}");
    assert_eq!(kept["dwelling"]["floor"], 5, "{kept}");
}
