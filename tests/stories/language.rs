//! Whoever asks is told what is wrong in the language that they read.

use crate::rest::Session;
use crate::server::Server;
use crate::town::{GRID, Town, ZHOU};
use crate::wire::{Reply, Sent};
use serde_json::json;

/// Sends the form of a household with a telephone number that is short of a digit.
fn wrong_number(server: &Server, token: &str, languages: &[&str]) -> Reply {
    let household = json!({ "contact_phone": "1381234567" });
    let form = json!({ "grid": GRID.id(), "dwelling": { "address": "和平路1号" }, "household": household });
    let mut sent = Sent::new("POST", "/v1/households")
        .with("authorization", &format!("Bearer {token}"))
        .with("content-type", "application/json");
    for language in languages {
        sent = sent.with("accept-language", language);
    }
    sent.with_body(form.to_string()).send(server.address())
}

#[test]
fn a_call_agent_is_told_of_a_wrong_number_in_the_language_they_read() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let chinese = "不是电话号码：手机号码有 11 位数字，不是 10 位";
    let english = "is not a telephone number: a mobile number has 11 digits, not 10";
    for (languages, tag, title, detail) in [
        (&["zh-CN"][..], "zh-CN", "请求里有不正确的内容", chinese),
        (&["en;q=0.5, zh;q=0.6"], "zh-CN", "请求里有不正确的内容", chinese),
        (&["en"], "en", "Something in the request is not right", english),
        (&["fr, en-GB;q=0.1"], "en", "Something in the request is not right", english),
        (&[], "en", "Something in the request is not right", english),
    ] {
        let reply = wrong_number(&server, &zhou.token, languages);
        assert_eq!(reply.status, 422, "{languages:?}: {reply:?}");
        assert_eq!(reply.header("content-language"), tag, "{languages:?}");
        assert_eq!(reply.header("vary"), "accept-language", "{languages:?}");
        let problem = reply.json();
        assert_eq!(problem["type"], "urn:problem-type:gridwork:invalid", "{languages:?}");
        assert_eq!(problem["title"], title, "{languages:?}");
        assert_eq!(problem["errors"], json!([{ "field": "household.contact_phone", "detail": detail }]));
    }
    // What is refused before any handler is reached, too.
    let reply = Sent::new("GET", "/v1/areas").with("accept-language", "zh").send(server.address());
    assert_eq!((reply.status, reply.header("content-language").as_str()), (401, "zh-CN"), "{reply:?}");
}
