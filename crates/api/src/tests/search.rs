//! Staff who search.

use super::office::{ADMINISTRATOR, DUTY_OFFICER, GRIDS, LEADERS, Office};
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

#[actix_web::test]
async fn whoever_sees_phones_masked_tries_so_many_digits_an_hour_and_whoever_sees_them_any_number() {
    let office = Office::open_with(|settings| settings.phone_searches_per_hour = 4).await;
    office.register(0).await;
    let search = async |who, query: &str| office.get(who, &format!("/v1/search?q={query}")).await;
    for query in ["5678", "+86%20138-1234-5678", "%EF%BC%91%EF%BC%93%EF%BC%98%EF%BC%91", "lxh%200000"] {
        assert_eq!(search(DUTY_OFFICER, query).await.status, StatusCode::OK, "{query}");
    }
    for query in ["lxh", "%E5%BB%BA%E8%AE%BE%E8%B7%AF3%E5%8F%B7", "567"] {
        let status = search(DUTY_OFFICER, query).await.status;
        assert!([StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&status), "{query}");
    }
    let refused = search(DUTY_OFFICER, "1234").await;
    let body = refused.assert_problem(StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=3_600).contains(&refused.header("retry-after").parse::<u32>().expect("seconds")), "{refused:?}");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("by name or address")), "{body}");
    search(DUTY_OFFICER, "lxh%201234").await.assert_problem(StatusCode::TOO_MANY_REQUESTS);
    for _ in 0..6 {
        assert_eq!(search(LEADERS[0], "5678").await.status, StatusCode::OK);
    }
}
