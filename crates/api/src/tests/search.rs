//! Staff who search.

use super::office::{ADMINISTRATOR, GRIDS, LEADERS, Office};
use actix_web::http::StatusCode;
use serde_json::json;

#[actix_web::test]
async fn a_search_answers_with_what_was_found_and_by_what() {
    let office = Office::open().await;
    let (household, _) = office.register(0).await;
    office.register(1).await;
    let page = office.get(LEADERS[0], "/v1/search?q=lxh%205678").await.json();
    let [hit] = page["items"].as_array().expect("hits").as_slice() else { panic!("{page}") };
    assert!(hit["resident"].is_string());
    let mut hit = hit.clone();
    hit["resident"] = json!(null);
    let expected = json!({
        "kind": "resident", "household": household, "resident": null, "grid": GRIDS[0],
        "name": "李小红", "address": "建设路3号", "matched": ["initials", "phone"],
    });
    assert_eq!((&hit, &page["next"]), (&expected, &json!(null)));
    let page = office.get(LEADERS[0], "/v1/search?q=%E5%BB%BA%E8%AE%BE%E8%B7%AF3%E5%8F%B7&limit=1").await.json();
    assert_eq!((&page["items"][0]["kind"], &page["items"][0]["matched"]), (&json!("household"), &json!(["address"])));
    assert_eq!(page["next"], json!(null));
    let elsewhere = office.get(LEADERS[0], &format!("/v1/search?q=lxh&area={}", GRIDS[1])).await.json();
    assert_eq!(elsewhere["items"], json!([]));
    let unneeded = office.get(LEADERS[0], "/v1/search?q=lxh&need=meal_service").await.json();
    assert_eq!(unneeded["items"], json!([]));
}

#[actix_web::test]
async fn a_search_for_nothing_is_refused_with_what_to_type_instead() {
    let office = Office::open().await;
    let long = "a".repeat(65);
    for query in
        ["q=", "q=5", "q=a%201%202%203%204", &format!("q={long}"), "q=zs&limit=201", "q=zs&need=", "q=zs&after=1"]
    {
        let uri = format!("/v1/search?{query}");
        let body = office.get(LEADERS[0], &uri).await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{body}");
    }
    for query in ["", "q=zs&q=zs", "q=zs&page=2", "q=zs&area=1"] {
        let uri = format!("/v1/search?{query}");
        office.get(LEADERS[0], &uri).await.assert_problem(StatusCode::BAD_REQUEST);
    }
    office.get(ADMINISTRATOR, "/v1/search?q=zs").await.assert_problem(StatusCode::FORBIDDEN);
}
