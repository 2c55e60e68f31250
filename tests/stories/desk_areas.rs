//! Who leads which grid from when; and areas that are opened, renamed, merged and closed with nothing forgotten.

use crate::rest::{Answer, Session, text};
use crate::town::{COMMUNITY, FAR_GRID, GRID, LI, NEXT_GRID, QIAN, SUN, Town, WANG, WU, ZHAO, ZHOU, now};
use gridwork_domain::id::AreaId;
use serde_json::{Value, json};
use ureq::http::Method;

fn area(desk: &Session, id: AreaId) -> Value {
    desk.get(&format!("/v1/areas/{id}")).well()
}

fn give(desk: &Session, to: &crate::town::Colleague, office: &Value) -> Answer {
    desk.send(Method::POST, &format!("/v1/staff/{}/offices", to.id()), None, office)
}

#[test]
fn a_grid_has_one_accountable_leader_at_a_time_and_everybody_sees_who_it_is_from_when() {
    let town = Town::new();
    let server = town.serve();
    let (wu, zhou) = (Session::of(&WU, &server), Session::of(&ZHOU, &server));
    assert_eq!(area(&zhou, GRID.id())["leader"]["staff"]["name"], "李娜");
    let lead = json!({ "role": "grid_leader", "area": GRID.id() });
    let refused = give(&wu, &ZHAO, &lead);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(text(&refused.body["detail"]).contains("one accountable leader"), "{refused:?}");

    // Li hands over at an instant that both terms name.
    let at = now().plus_ms(60_000).ms();
    let from_zero = json!({ "role": "grid_leader", "area": GRID.id(), "from_ms": 0, "until_ms": at });
    give(&wu, &LI, &from_zero).well();
    give(&wu, &ZHAO, &json!({ "role": "grid_leader", "area": GRID.id(), "from_ms": at })).well();
    let seen = area(&zhou, GRID.id());
    assert_eq!(seen["leader"]["staff"]["name"], "李娜", "until then");
    let terms: Vec<_> = seen["offices"].as_array().expect("a list").iter().collect();
    let led: Vec<_> = terms.iter().filter(|one| one["role"] == "grid_leader").collect();
    assert_eq!((led.len(), &led[0]["staff"]["name"], &led[0]["from_ms"]), (2, &json!("赵敏"), &json!(at)));
    assert_eq!((&led[1]["staff"]["name"], &led[1]["until_ms"]), (&json!("李娜"), &json!(at)));
    // The next grid is led by somebody else all the while.
    assert_eq!(area(&zhou, NEXT_GRID.id())["leader"]["staff"]["name"], "王强");
    assert_eq!(give(&wu, &WANG, &lead).status, 409);
}

#[test]
fn the_tree_of_areas_is_walked_page_by_page_by_everybody_in_it() {
    let town = Town::new();
    let server = town.serve();
    let qian = Session::of(&QIAN, &server);
    let mut walked = Vec::new();
    let mut parent = String::new();
    loop {
        let page = qian.get(&format!("/v1/areas?limit=1{parent}")).well();
        let Some(first) = page["items"].as_array().expect("a list").first().cloned() else { break };
        walked.push(text(&first["name"]));
        parent = format!("&parent={}", text(&first["id"]));
    }
    assert_eq!(walked, ["望花区", "田屯街道", "田屯社区", "田屯社区第一网格"]);
    let (mut all, mut after) = (Vec::new(), String::new());
    let wu = Session::of(&WU, &server);
    loop {
        let page = wu.get(&format!("/v1/areas?limit=2{after}")).well();
        all.extend(page["items"].as_array().expect("a list").iter().map(|one| text(&one["code"])));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted(), "{all:?}");
    let found = wu.get("/v1/areas?code=210404001005002").well();
    assert_eq!(found["items"][0]["id"], json!(NEXT_GRID.id()));
    assert_eq!(qian.get(&format!("/v1/areas/{}", GRID.id())).status, 404, "another community's grid");
}

#[test]
fn a_grid_is_opened_renamed_and_closed_and_what_it_was_called_stays_known() {
    let town = Town::new();
    let server = town.serve();
    let (wu, sun) = (Session::of(&WU, &server), Session::of(&SUN, &server));
    let form =
        json!({ "parent": COMMUNITY.id(), "code": "210404001005003", "name": "第三网格", "valid_from": "2026-01-01" });
    assert_eq!(sun.send(Method::POST, "/v1/areas", None, &form).status, 422, "another community's administrator");
    let opened = wu.send(Method::POST, "/v1/areas", None, &form).well();
    let id = text(&opened["area"]["id"]);
    assert_eq!(wu.send(Method::POST, "/v1/areas", None, &form).status, 409, "the code is taken");
    let outside = json!({ "parent": COMMUNITY.id(), "code": "210404001006009", "name": "第九网格" });
    assert_eq!(wu.send(Method::POST, "/v1/areas", None, &outside).status, 422);

    let path = format!("/v1/areas/{id}");
    let change = |form: Value| wu.send(Method::PATCH, &path, None, &form);
    let renamed = change(json!({ "name": "铁西第三网格", "aliases": ["三网格"], "valid_from": "2026-03-01" })).well();
    let names: Vec<_> = renamed["namings"].as_array().expect("a list").iter().map(|one| text(&one["name"])).collect();
    assert_eq!(names, ["铁西第三网格", "第三网格"]);
    assert_eq!(renamed["namings"][1]["valid_until"], "2026-02-28");
    assert_eq!(renamed["area"]["aliases"], json!(["三网格"]));
    assert_eq!(change(json!({ "name": "旧名", "valid_from": "2025-01-01" })).status, 422, "before its present name");
    let closed = change(json!({ "valid_until": "2026-12-31", "successor": GRID.id() })).well();
    assert_eq!(
        (&closed["area"]["valid_until"], &closed["area"]["successor"]),
        (&json!("2026-12-31"), &json!(GRID.id()))
    );
    let community = format!("/v1/areas/{}", COMMUNITY.id());
    let close = json!({ "valid_until": "2026-12-31" });
    assert_eq!(wu.send(Method::PATCH, &community, None, &close).status, 409, "open grids lie within it");
    assert_eq!(sun.send(Method::PATCH, &path, None, &close).status, 404);
    let again = change(json!({ "valid_until": null, "successor": null })).well();
    assert_eq!((&again["area"]["valid_until"], &again["area"]["successor"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_changed_area_shows_its_households_names_no_foreign_successor_and_nothing_is_open_in_what_is_closed() {
    let town = Town::new();
    let server = town.serve();
    let (wu, sun, zhou) = (Session::of(&WU, &server), Session::of(&SUN, &server), Session::of(&ZHOU, &server));
    zhou.send(
        Method::POST,
        "/v1/households",
        None,
        &json!({ "grid": FAR_GRID.id(), "dwelling": { "address": "远路1号" } }),
    )
    .well();
    // Whoever administers and reads there is told how many homes it has.
    give(&wu, &SUN, &json!({ "role": "call_agent", "area": FAR_GRID.id() })).well();
    let change =
        |by: &Session, id: AreaId, form: Value| by.send(Method::PATCH, &format!("/v1/areas/{id}"), None, &form);
    let renamed = change(&sun, FAR_GRID.id(), json!({ "aliases": ["一网格"] })).well();
    assert_eq!(renamed["area"]["households"], 1, "{renamed}");

    let foreign = change(&sun, FAR_GRID.id(), json!({ "successor": GRID.id() }));
    assert_eq!(foreign.status, 422, "{foreign:?}");

    let form = json!({ "parent": COMMUNITY.id(), "code": "210404001005003", "name": "第三网格" });
    let third: AreaId =
        text(&wu.send(Method::POST, "/v1/areas", None, &form).well()["area"]["id"]).parse().expect("an id");
    for grid in [GRID.id(), NEXT_GRID.id(), third, COMMUNITY.id()] {
        change(&wu, grid, json!({ "valid_until": "2026-12-31" })).well();
    }
    let opened = change(&wu, third, json!({ "valid_until": null }));
    assert_eq!(opened.status, 409, "{opened:?}");
    let new = json!({ "parent": COMMUNITY.id(), "code": "210404001005004", "name": "第四网格" });
    assert_eq!(wu.send(Method::POST, "/v1/areas", None, &new).status, 409);
    change(&wu, COMMUNITY.id(), json!({ "valid_until": null })).well();
    change(&wu, third, json!({ "valid_until": null })).well();
}
