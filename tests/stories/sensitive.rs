//! What concerns a person's health or safety has no place in the registry yet, and is refused with the reason.

use crate::people::{enrol, visit_at};
use crate::rest::Session;
use crate::town::{LI, Town, ZHOU};
use gridwork_domain::edit::Action;
use gridwork_domain::id::FactId;
use gridwork_domain::need::{Basis, Need};
use gridwork_domain::visit::{Observation, Visit};
use serde_json::json;
use ureq::http::Method;

#[test]
fn needs_and_observations_of_health_are_refused_at_the_desk_and_on_the_phone_with_the_reason() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let need = json!({ "purpose": "护理", "basis": "consent", "sensitivity": 2 });
    let path = format!("/v1/households/{household}/needs/{household}/disabled");
    let refused = zhou.send(Method::PUT, &path, Some("*"), &need);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains("cannot be recorded")), "{refused:?}");
    // Nor by calling it ordinary.
    let need = json!({ "purpose": "护理", "basis": "consent", "sensitivity": 1 });
    assert_eq!(zhou.send(Method::PUT, &path, Some("*"), &need).status, 422);

    let mut li = enrol(&town, &server, &LI, "li");
    let kind = "serious_illness".to_owned();
    let need = Need { purpose: "护理".into(), basis: Basis::Consent, sensitivity: 2, expires: None, note: None };
    let fact = FactId::new(li.now(), li.random());
    let observations = vec![Observation { kind: "health".into(), value: "unwell".into() }];
    let visit = Visit { observations, ..visit_at(li.now(), "例行走访") };
    for action in [Action::AffirmNeed { resident: None, kind, need }, Action::RecordVisit { fact, visit }] {
        let edit = li.edit(household, action);
        let reason = li.record(edit, None, None).expect_err("it is refused").to_string();
        assert!(reason.starts_with("not saved") && reason.contains("cannot be recorded"), "{reason}");
    }
    assert_eq!(li.status().waiting, 0);
}
