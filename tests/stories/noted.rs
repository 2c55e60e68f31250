//! There is no way to read about somebody that leaves no row in the audit log.

use crate::audit::{ask, row_of, row_of_action, with_an_auditor};
use crate::device::{Device, new_actor, push_of, random};
use crate::people::{enrol, sync, visit, visit_at};
use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{GRID, HE, LI, PASSWORD, Town, WANG, ZHOU, now};
use crate::wire::Sent;
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_sync::change::{Base, record_fact};
use gridwork_sync::document::DocumentId;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use ureq::http::Method;

/// What reads about nobody: which documents change, and with which key numbers are sealed.
const ABOUT_NOBODY: [&str; 2] = ["/v1/events", "/v1/sealing-key"];

/// A home at an address where there is another, of somebody who lives there, too; with a number in dispute and a visit.
fn register(zhou: &Session) -> HouseholdId {
    let form = json!({
        "grid": GRID.id(),
        "household": { "contact_phone": "024-88886666" },
        "dwelling": { "address": "和平路12号" },
        "residents": [{
            "resident": { "name": "张三", "birth_date": "1950-03-04" },
            "membership": { "relation": "01" },
        }],
    });
    let made = zhou.send(Method::POST, "/v1/households", None, &form).well();
    let household = text(&made["household"]).parse().expect("an id");
    for number in ["13800000001", "13800000002"] {
        zhou.correct(household, &text(&made["version"]), "contact_phone", number).well();
    }
    household
}

/// What somebody sent about it who has no business there.
fn send_without_office(server: &Server, household: HouseholdId) {
    let (wang, actor, at) = (Device::enrol(server, &WANG), new_actor(), now());
    let key = DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into();
    let fact = Fact { id: FactId::new(at, random()), household, body: FactBody::Visit(visit_at(at, "代班走访")) };
    let change = record_fact(&Base { actor, heads: Vec::new(), previous: None }, &key, &fact, at);
    wang.push(server, &[actor], vec![push_of(GRID.scope(), key, &[&change.bytes])]);
}

/// The paths by which anything is read that is in households or was sent about them, as the API's document has them.
fn documented() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(include_str!("../../openapi/openapi.json")).expect("JSON");
    let reads = |item: &Value| {
        let permission = item["get"]["x-gridwork-permission"].as_str();
        permission.is_some_and(|word| ["read", "reveal", "break_glass", "decide_kept"].contains(&word))
    };
    let paths = document["paths"].as_object().expect("paths").iter().filter(|(_, item)| reads(item));
    paths.map(|(path, _)| path.clone()).collect()
}

#[test]
fn every_way_to_read_about_somebody_is_noted_and_there_is_no_other() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let (zhou, he) = (Session::of(&ZHOU, &server), Session::of(&HE, &server));
    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    let (household, _) = (register(&zhou), register(&zhou));
    let mut li = enrol(&town, &server, &LI, "li");
    visit(&mut li, household, "例行走访");
    sync(&mut li);
    send_without_office(&server, household);
    let kept = text(&he.get("/v1/quarantine").well()["items"][0]["id"]);

    let mut left: BTreeSet<String> = documented();
    ABOUT_NOBODY.iter().for_each(|path| assert!(left.remove(*path), "{path}"));
    let about = format!("household={household}");
    for (number, (reader, path, query)) in [
        (&zhou, "/v1/households", ""),
        (&zhou, "/v1/households/{id}", ""),
        (&zhou, "/v1/households/{id}/residents", ""),
        (&zhou, "/v1/households/{id}/visits", ""),
        (&zhou, "/v1/residents", ""),
        (&zhou, "/v1/visits", ""),
        (&zhou, "/v1/search", "?q=zs"),
        (&zhou, "/v1/conflicts", ""),
        (&zhou, "/v1/duplicates", ""),
        (&zhou, "/v1/duplicates", "?alike=person"),
        (&zhou, "/v1/exports/households", ""),
        (&zhou, "/v1/exports/residents", "?format=xlsx"),
        (&zhou, "/v1/exports/visits", ""),
        (&he, "/v1/quarantine", ""),
        (&he, "/v1/quarantine/{id}", ""),
    ]
    .into_iter()
    .enumerate()
    {
        left.remove(path);
        let id = if path.starts_with("/v1/quarantine") { kept.clone() } else { household.to_string() };
        let (path, request) = (path.replace("{id}", &id) + query, format!("way-{number:04}"));
        let read = ask(reader, &server, &path, &request, "x");
        assert_eq!(read.status, 200, "{path}: {read:?}");
        let row = row_of(&zheng, &about, &request);
        assert_eq!(row["action"], "read", "{path}: {row}");
    }
    assert_eq!(left, BTreeSet::new(), "nobody looked whether these are noted");
    for what in ["release", "discard"] {
        let form = json!({ "reason": format!("{what}: 代班的任命晚录入了") });
        he.send(Method::POST, &format!("/v1/quarantine/{kept}/{what}"), None, &form).well();
        assert_eq!(row_of_action(&zheng, what)["reason"], form["reason"], "why, in the words of who decided");
    }
}

#[test]
fn a_roster_that_is_tried_tells_who_is_registered_and_is_noted_as_the_one_that_is_imported() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    let household = register(&zhou);
    let import = |request: &str, apply: bool| {
        let roster = "姓名,地址\n张三,和平路12号\n李四,和平路13号\n";
        let sent = Sent::new("POST", &format!("/v1/imports?apply={apply}&grid={}", GRID.id()));
        let sent = sent.with("authorization", &format!("Bearer {}", zhou.token)).with("content-type", "text/csv");
        let reply = sent.with("x-request-id", request).with_body(roster).send(server.address());
        assert_eq!((reply.status, reply.json()["already_registered"].as_u64()), (200, Some(1)), "{reply:?}");
    };
    import("try-0001", false);
    let told = row_of(&zheng, &format!("household={household}"), "try-0001");
    assert_eq!(told["action"], "read", "whoever tries a roster learns who is registered: {told}");
    import("import-0001", true);
    let imported = row_of_action(&zheng, "import");
    assert_eq!((&imported["by"]["id"], &imported["request"]), (&json!(ZHOU.id()), &json!("import-0001")));
    assert_eq!(imported["detail"]["edits"], 1, "{imported}");
}

#[test]
fn who_signs_in_is_locked_out_or_comes_with_a_token_for_the_second_time_is_noted() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    let begun = row_of_action(&zheng, "sign-in");
    assert!(begun["by"]["id"].is_string() && begun["source"] == "127.0.0.1", "{begun}");
    let sign_in = |password: &str| {
        let form = json!({ "sign_in": ZHOU.sign_in, "password": password });
        Session::with_token(&server, "").send(Method::POST, "/v1/sign-in", None, &form)
    };
    let first = sign_in(PASSWORD).well();
    let refresh = |token: &Value| {
        let form = json!({ "refresh_token": token });
        Session::with_token(&server, "").send(Method::POST, "/v1/sign-in/refresh", None, &form)
    };
    let next = refresh(&first["refresh_token"]).well();
    refresh(&next["refresh_token"]).well();
    assert_eq!(refresh(&first["refresh_token"]).status, 401, "it is in two hands");
    assert_eq!(row_of_action(&zheng, "reuse-refresh-token")["source"], "127.0.0.1");
    for _ in 0..5 {
        assert_eq!(sign_in("falsch").status, 401);
    }
    assert_eq!(sign_in(PASSWORD).status, 401, "the name is locked");
    assert_eq!(row_of_action(&zheng, "lock-sign-in")["source"], "127.0.0.1");
}

#[test]
fn an_answer_that_is_given_again_is_noted_as_one() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    let form = json!({ "grid": GRID.id(), "dwelling": { "address": "和平路1号" } }).to_string();
    let register = |request: &str| {
        let sent = Sent::new("POST", "/v1/households").with("authorization", &format!("Bearer {}", zhou.token));
        let sent = sent.with("content-type", "application/json").with("idempotency-key", "one-form");
        let reply = sent.with("x-request-id", request).with_body(form.clone()).send(server.address());
        assert_eq!(reply.status, 201, "{reply:?}");
        text(&reply.json()["household"])
    };
    let household = register("form-0001");
    assert_eq!(register("form-0002"), household);
    let again = row_of(&zheng, &format!("household={household}"), "form-0002");
    assert_eq!((&again["action"], &again["by"]["id"]), (&json!("replay"), &json!(ZHOU.id())));
}
