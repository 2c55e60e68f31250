//! Somebody calls, and whoever answers finds them before they have spelled their name.

use crate::audit::{rows, with_an_auditor};
use crate::rest::{Session, text};
use crate::town::{FAR_GRID, GRID, PASSWORD, QIAN, Town, ZHOU};
use crate::waiting::until;
use gridwork_domain::id::HouseholdId;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use ureq::http::Method;

/// Registers a household with one resident in a grid.
fn register(by: &Session, grid: String, address: &str, name: &str, phone: &str) -> HouseholdId {
    let form = json!({
        "grid": grid,
        "dwelling": { "address": address },
        "residents": [{ "resident": { "name": name, "phone": phone }, "membership": { "relation": "01" } }],
    });
    let body = by.send(Method::POST, "/v1/households", None, &form).well();
    body["household"].as_str().and_then(|id| id.parse().ok()).expect("the id of a household")
}

/// All that a search finds, page by page.
fn find(by: &Session, query: &str, limit: usize) -> Vec<Value> {
    let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (mut hits, mut after) = (Vec::new(), String::new());
    loop {
        let page = by.get(&format!("/v1/search?q={escaped}&limit={limit}{after}")).well();
        let items = page["items"].as_array().expect("hits");
        assert!(items.len() <= limit);
        hits.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return hits,
        }
    }
}

fn households(hits: &[Value]) -> Vec<String> {
    hits.iter().map(|hit| text(&hit["household"])).collect()
}

#[test]
fn zhang_san_is_found_by_whatever_of_him_was_understood_and_after_a_rename_no_more() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let zhang = register(&zhou, GRID.id().to_string(), "和平路12号3单元501", "张三", "13812345678").to_string();
    let shan = register(&zhou, FAR_GRID.id().to_string(), "建设街7号", "单雄信", "13900001111").to_string();
    for query in ["zs", "zhangsan", "张", "张三", "5678", "8123", "和平路12号", "zs 和平路"] {
        let hits = find(&zhou, query, 50);
        assert_eq!(households(&hits), [zhang.as_str()], "{query}: {hits:?}");
    }
    for query in ["shan", "dan", "sxx", "danxiongxin"] {
        assert_eq!(households(&find(&zhou, query, 50)), [shan.as_str()], "{query}");
    }
    let hits = find(&zhou, "zs", 50);
    assert_eq!((&hits[0]["name"], &hits[0]["matched"]), (&json!("张三"), &json!(["initials"])));
    assert_eq!(hits[0]["grid"], json!(GRID.id()));

    // Nobody learns of anybody outside the own areas.
    let qian = Session::of(&QIAN, &server);
    assert_eq!(find(&qian, "zs", 50), [json!(null); 0]);
    assert_eq!(households(&find(&qian, "shan", 50)), [shan.as_str()]);

    let read = zhou.get(&format!("/v1/households/{zhang}"));
    let (version, body) = (read.version.clone().expect("a version"), read.body);
    let resident = text(&body["residents"][0]["id"]);
    let path = format!("/v1/households/{zhang}/residents/{resident}");
    zhou.send(Method::PATCH, &path, Some(&version), &json!({ "name": "李四", "phone": "13700002222" })).well();
    for query in ["zs", "张三", "zhang", "5678"] {
        assert_eq!(find(&zhou, query, 50), [json!(null); 0], "{query}");
    }
    for query in ["ls", "李四", "2222"] {
        assert_eq!(households(&find(&zhou, query, 50)), [zhang.as_str()], "{query}");
    }
    let refused = zhou.get("/v1/search?q=5");
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("q")));
}

#[test]
fn pages_of_a_search_have_no_gap_and_no_double_while_others_register() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let one = |number: usize| {
        let name = ["王明", "王明明", "王小明"][number % 3];
        let grid = [&GRID, &FAR_GRID][number % 2].id().to_string();
        register(&zhou, grid, &format!("和平路{number}号"), name, &format!("1380000{number:04}")).to_string()
    };
    let before: BTreeSet<String> = (0..20).map(one).collect();
    let (mut found, mut after, mut registered) = (Vec::new(), String::new(), 20);
    loop {
        let page = zhou.get(&format!("/v1/search?q=wang&limit=3{after}")).well();
        found.extend(households(page["items"].as_array().expect("hits")));
        one(registered);
        registered += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let once: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(once.len(), found.len(), "nobody is shown twice");
    assert!(once.is_superset(&before), "nobody who was there is left out");
    // Whole names come first, whatever the grid.
    let names: Vec<String> = find(&zhou, "王明", 3).iter().map(|hit| text(&hit["name"])).collect();
    assert!(names.iter().filter(|name| *name == "王明").count() >= 7);
    assert!(names.is_sorted_by_key(|name| name != "王明"), "{names:?}");
}

#[test]
fn whoever_tries_the_digits_that_a_mask_covers_is_held_up_and_seen_and_goes_on_by_name() {
    let town = with_an_auditor(Town::new());
    let server = town.serve_with(&[("GRIDWORK_PHONE_SEARCHES_PER_HOUR", "6")]);
    let (zhou, zheng) = (Session::of(&ZHOU, &server), Session::sign_in(&server, "zheng.ming", PASSWORD));
    let zhang = register(&zhou, GRID.id().to_string(), "和平路12号", "张三", "13812345678").to_string();
    // The hour may end amid it.
    let tried: Vec<u16> = (0..14).map(|turn| zhou.get(&format!("/v1/search?q=zs%20138{turn:02}")).status).collect();
    let let_in = tried.iter().filter(|status| **status == 200).count();
    assert!((6..=12).contains(&let_in) && tried.contains(&429), "{tried:?}");
    assert_eq!(households(&find(&zhou, "zs", 50)), [zhang.as_str()]);

    let about = format!("staff={}", ZHOU.id());
    let sought = until("what was tried is sealed", Duration::from_secs(10), || {
        let rows = rows(&zheng, &about).into_iter().filter(|row| row["detail"]["sought"] == "phone");
        let rows: Vec<Value> = rows.collect();
        (rows.len() == let_in).then_some(rows)
    });
    assert!(sought.iter().any(|row| row["persons"] == json!([])), "also what found nobody: {sought:?}");
    assert!(!format!("{sought:?}").contains("13800"), "{sought:?}");
}
