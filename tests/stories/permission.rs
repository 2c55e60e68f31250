//! Nobody sees or writes what they have no business with.

use crate::device::{Device, new_actor, push_of, random};
use crate::people::{enrol, register_household, sync, visit, visit_at};
use crate::rest::Session;
use crate::town::{FAR_GRID, GRID, LI, NEXT_GRID, QIAN, SUN, Town, WANG, WU, ZHOU, now};
use crate::wire::Sent;
use gridwork_domain::id::FactId;
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_sync::change::{Base, record_fact};
use gridwork_sync::document::DocumentId;
use gridwork_sync::message::{Outcome, Request, ScopeRequest};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use ureq::http::Method;

#[test]
fn a_leaders_phone_gets_nothing_of_another_grid_even_if_it_asks() {
    let town = Town::new();
    let server = town.serve();
    let mut li = enrol(&town, &server, &LI, "li");
    let household = register_household(&mut li, "和平路1号");
    visit(&mut li, household, "例行走访");
    sync(&mut li);

    let wang = enrol(&town, &server, &WANG, "wang");
    assert!(wang.households().is_empty() && wang.dump().facts.is_empty());
    assert_eq!(wang.grids().iter().map(|grid| grid.scope).collect::<Vec<_>>(), [NEXT_GRID.scope()]);

    let device = Device::enrol(&server, &WANG);
    let ask = |scope: gridwork_domain::id::ScopeId, cursor: Option<Vec<u8>>| ScopeRequest {
        scope: (*scope.as_bytes()).into(),
        cursor: cursor.map(Into::into),
    };
    for scopes in [
        vec![ask(GRID.scope(), None)],
        vec![ask(GRID.scope(), Some(vec![0; 16])), ask(NEXT_GRID.scope(), None)],
        vec![ask(LI.id().into(), None)],
    ] {
        let answer = device.exchange(&server, &Request { scopes, ..device.message() });
        assert!(answer.scopes.iter().all(|scope| scope.entries.is_empty()), "{answer:?}");
        assert!(answer.scopes.iter().all(|scope| *scope.scope != *GRID.scope().as_bytes()), "{answer:?}");
        assert!(answer.authors.is_empty(), "{answer:?}");
    }
    let own = Device::enrol(&server, &LI).pull(&server, GRID.scope());
    assert!(own.scopes.iter().any(|scope| !scope.entries.is_empty()), "whoever leads the grid gets it");
}

#[test]
fn a_leaders_phone_writes_nothing_into_another_grid() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let device = Device::enrol(&server, &WANG);
    let at = now();
    let key = DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into();
    for (scope, code) in [(GRID.scope(), "not-entitled"), (NEXT_GRID.scope(), "wrong-home")] {
        let actor = new_actor();
        let fact =
            Fact { id: FactId::new(at, random()), household, body: FactBody::Visit(visit_at(at, "不速之客")) };
        let change = record_fact(&Base { actor, heads: Vec::new(), previous: None }, &key, &fact, at);
        let verdicts = device.push(&server, &[actor], vec![push_of(scope, key, &[&change.bytes])]);
        assert_eq!(verdicts, [(Outcome::Quarantined, code.to_owned())], "with {scope} as its home");
    }
    assert!(zhou.notes(household).is_empty());
}

#[test]
fn staff_of_another_area_do_not_learn_that_a_household_exists() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let qian = Session::of(&QIAN, &server);
    let resident = zhou.household(household).body["residents"][0]["id"].as_str().expect("an id").to_owned();
    let version = zhou.household(household).version.expect("a version");

    let nobody = "AAAAAAAAAAAAAAAAAAAAAA";
    let edit = json!({ "remark": "x" });
    let refused = |path: &dyn Fn(&str) -> String, method: Option<Method>, body: &Value| {
        let answer = |id: &str| match &method {
            None => qian.get(&path(id)),
            Some(method) => qian.send(method.clone(), &path(id), Some(&version), body),
        };
        let (there, not_there) = (answer(&household.to_string()), answer(nobody));
        assert_eq!((there.status, not_there.status), (404, 404), "{there:?}");
        assert_eq!(there.body["detail"], not_there.body["detail"], "one cannot be told from the other");
    };
    refused(&|id| format!("/v1/households/{id}"), None, &Value::Null);
    refused(&|id| format!("/v1/households/{id}/residents"), None, &Value::Null);
    refused(&|id| format!("/v1/households/{id}/visits"), None, &Value::Null);
    refused(&|id| format!("/v1/households/{id}"), Some(Method::PATCH), &edit);
    refused(&|id| format!("/v1/households/{id}/residents/{resident}"), Some(Method::PATCH), &json!({ "name": "x" }));
    let decision = json!({ "path": "household.contact_phone", "value": "110" });
    refused(&|id| format!("/v1/households/{id}/decisions"), Some(Method::POST), &decision);

    for list in ["/v1/households", "/v1/residents", "/v1/conflicts"] {
        assert_eq!(qian.get(list).well()["items"], json!([]), "{list}");
    }
    for list in ["households", "visits"] {
        let within = qian.get(&format!("/v1/{list}?area={}", GRID.id())).well();
        assert_eq!(within["items"], json!([]));
    }
    let areas = qian.get("/v1/areas").well();
    let shown = |id: gridwork_domain::id::AreaId| {
        areas["items"].as_array().expect("a list").iter().any(|area| area["id"] == json!(id))
    };
    assert!(shown(FAR_GRID.id()) && !shown(GRID.id()), "{areas}");
    let form = json!({ "grid": GRID.id(), "dwelling": { "address": "和平路2号" } });
    assert_eq!(qian.send(Method::POST, "/v1/households", None, &form).status, 422);

    // Whoever runs the installation has no business with homes.
    let wu = Session::of(&WU, &server);
    assert_eq!(wu.household(household).status, 403);
    // Who answers the hotline runs nothing, and who runs one community enrols no phone of another.
    let form = json!({ "staff": LI.id() });
    let code = |session: &Session| session.send(Method::POST, "/v1/devices/enrolment-codes", None, &form).status;
    assert_eq!((code(&wu), code(&Session::of(&SUN, &server))), (201, 422));
    assert_eq!(zhou.send(Method::POST, "/v1/devices/enrolment-codes", None, &form).status, 403);
}

#[test]
fn without_a_token_nothing_answers_but_health_sign_in_enrolment_and_the_api_page() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let document = Sent::new("GET", "/openapi.json").send(server.address()).json();
    let mut open = BTreeSet::new();
    let mut walked = 0;
    for (pattern, item) in document["paths"].as_object().expect("paths") {
        let path = pattern.replace("{id}", &household.to_string());
        let path = [
            "{resident}",
            "{membership}",
            "{subject}",
            "{staff}",
            "{session}",
            "{role}",
            "{area}",
            "{device}",
            "{api_key}",
            "{pair}",
        ]
        .iter()
        .fold(path, |path, name| path.replace(name, &household.to_string()));
        let path = path.replace("{kind}", "meal_service");
        assert!(!path.contains('{'), "{path} has a part that this story does not know");
        for (method, operation) in item.as_object().expect("operations") {
            let sent = Sent::new(&method.to_uppercase(), &path).with("content-type", "application/json");
            let reply = sent.with("if-match", "*").with_body("{}").send(server.address());
            let what = format!("{method} {path}: {}", reply.status);
            if operation["security"].as_array().is_none_or(Vec::is_empty) {
                open.insert(operation["operationId"].as_str().expect("an id").to_owned());
            } else {
                assert_eq!(reply.status, 401, "{what}");
                reply.must_be_a_problem(&what);
            }
            walked += 1;
        }
    }
    assert!(walked >= 20, "only {walked} operations");
    assert_eq!(Vec::from_iter(open), ["enrolDevice", "isLive", "isReady", "refreshSession", "signIn"]);

    let get = |path: &str| Sent::new("GET", path).send(server.address()).status;
    assert_eq!(["/health/live", "/health/ready", "/openapi.json", "/docs/"].map(get), [200; 4]);
    assert_eq!(["/metrics", "/", "/v1", "/registry.sqlite", "/docs/../registry.sqlite"].map(get), [404; 5]);
    for form in
        [json!({ "sign_in": "zhou.ting", "password": "wrong password" }), json!({ "sign_in": "x", "password": "" })]
    {
        let sent = Sent::new("POST", "/v1/sign-in").with("content-type", "application/json");
        assert_eq!(sent.with_body(form.to_string()).send(server.address()).status, 401);
    }
    let form = json!({ "code": "7KQF-2M9T-XW4C", "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let sent = Sent::new("POST", "/v1/enrolments").with("content-type", "application/json");
    assert_eq!(sent.with_body(form.to_string()).send(server.address()).status, 401);
}

#[test]
fn a_token_of_one_kind_is_none_of_the_other() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let device = Device::enrol(&server, &LI);
    let as_staff = Sent::new("GET", "/v1/households").with("authorization", &format!("Bearer {}", device.token));
    assert_eq!(as_staff.send(server.address()).status, 401);
    let as_device = Device { id: device.id.clone(), token: zhou.token.clone(), key: device.key.clone() };
    assert_eq!(as_device.signed(device.message().to_bytes()).send(server.address()).status, 401);
    let mut forged = zhou.clone();
    forged.token.truncate(forged.token.len() - 3);
    forged.token.push_str("AAA");
    assert_eq!(forged.get("/v1/households").status, 401);
}

#[test]
fn when_an_office_ends_what_was_recorded_before_still_counts_and_nothing_new_comes_to_the_phone() {
    let town = Town::new();
    let server = town.serve();
    let household = Session::of(&ZHOU, &server).register("和平路1号", "110");
    let mut li = enrol(&town, &server, &LI, "li");
    visit(&mut li, household, "离任前的走访");
    server.end();
    town.end_office(&LI);

    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    zhou.register("和平路2号", "120");
    li.set_server(&server.url()).expect("the phone's store works");
    li.sync().expect("the phone's store works");
    assert_eq!(zhou.notes(household), ["离任前的走访"]);
    assert_eq!(li.households().len(), 1);
    let form = json!({ "staff": LI.id() });
    let code = Session::of(&WU, &server).send(Method::POST, "/v1/devices/enrolment-codes", None, &form);
    assert_eq!(code.status, 422, "there is no grid for which a phone could be enrolled");
}
