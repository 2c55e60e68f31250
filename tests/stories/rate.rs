//! Whoever asks too often waits, on all nodes together; and whoever is shut out is shut out on all nodes, Redis or not.

use crate::redis_line::RedisLine;
use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{COMMUNITY, PASSWORD, QIAN, Town, WU, ZHOU};
use crate::waiting::until;
use crate::wire::{Reply, Sent};
use serde_json::json;
use std::time::{Duration, Instant};
use ureq::http::Method;

/// A story's limit in a minute.
const MOST: usize = 30;
/// Redis that is gone holds a request up for 50 ms at most, and one in each second.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

fn redis_line() -> RedisLine {
    RedisLine::to(&std::env::var("GRIDWORK_TEST_REDIS").expect("a Redis server: tests/run starts one"))
}

fn two_nodes(town: &Town, line: &RedisLine) -> [Server; 2] {
    let most = MOST.to_string();
    let settings = [
        ("REDIS_URL", line.url()),
        ("GRIDWORK_REQUESTS_PER_MINUTE", most),
        ("GRIDWORK_PHONE_SEARCHES_PER_HOUR", "4".to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    [(); 2].map(|()| town.serve_with(&settings))
}

/// Searches so many times by digits, at each node in turn; how often that was answered well.
fn digits(nodes: &[Server], token: &str, times: usize) -> usize {
    let search = |turn: usize| {
        let sent = Sent::new("GET", "/v1/search?q=5678").with("authorization", &format!("Bearer {token}"));
        sent.send(nodes[turn % nodes.len()].address()).status
    };
    (0..times).filter(|turn| search(*turn) == 200).count()
}

/// Asks so many times, at each node in turn; how often that was answered well.
fn ask(nodes: &[Server], token: &str, times: usize) -> usize {
    let mut well = 0;
    for turn in 0..times {
        let sent = Sent::new("GET", "/v1/areas").with("authorization", &format!("Bearer {token}"));
        let reply = sent.send(nodes[turn % nodes.len()].address());
        assert!(reply.took < ANSWERED_WITHIN, "{:?}", reply.took);
        match reply.status {
            200 => well += 1,
            429 => {
                let seconds: u32 = reply.header("retry-after").parse().expect("seconds");
                assert!((1..=60).contains(&seconds), "{reply:?}");
                assert_eq!(reply.json()["retry_after_s"], seconds);
            }
            _ => panic!("{reply:?}"),
        }
    }
    well
}

#[test]
fn all_nodes_count_a_callers_requests_together_and_each_by_itself_without_redis() {
    let town = Town::new();
    let line = redis_line();
    let nodes = two_nodes(&town, &line);
    let qian = Session::of(&QIAN, &nodes[0]);
    // Each for itself, two nodes let through twice as many, in every minute. A minute may end amid it.
    until("both nodes count together", Duration::from_secs(130), || {
        let zhou = Session::of(&ZHOU, &nodes[0]);
        (ask(&nodes, &zhou.token, 4 * MOST) == MOST).then_some(())
    });
    assert_eq!(ask(&nodes, &qian.token, 1), 1, "others go on");

    // Searches by digits of phones have an hour, and a limit that is as common.
    // Whoever was appointed just now was counted by no run before.
    let office = json!({ "role": "call_agent", "area": COMMUNITY.id() });
    let form = json!({ "name": "高翔", "sign_in": "gao.xiang", "password": PASSWORD, "office": office });
    Session::of(&WU, &nodes[0]).send(Method::POST, "/v1/staff", None, &form).well();
    let gao = Session::sign_in(&nodes[0], "gao.xiang", PASSWORD);
    let well = digits(&nodes, &gao.token, 16);
    assert!([4, 8].contains(&well), "the hour may end amid it: {well}");

    line.cut();
    let well = ask(&nodes, &qian.token, 8 * MOST);
    assert!((2 * MOST - 2..=4 * MOST).contains(&well), "{well}");
    for result in ["answered", "failed"] {
        let none = format!("gridwork_rate_redis_requests_total{{result=\"{result}\"}} 0\n");
        assert!(!nodes[0].metrics().contains(&none), "{}", nodes[0].metrics());
    }
    line.mend();
    assert!(ask(&nodes, &Session::of(&ZHOU, &nodes[1]).token, 4) == 4);
}

/// Sends what is no refresh token, as a proxy that asks for that address would.
fn refresh(server: &Server, address: &str) -> Reply {
    Sent::new("POST", "/v1/sign-in/refresh")
        .with("content-type", "application/json")
        .with("x-forwarded-for", address)
        .with_body(json!({ "refresh_token": "nothing" }).to_string())
        .send(server.address())
}

#[test]
fn who_guesses_is_slowed_down_by_address_and_only_a_trusted_proxy_names_another() {
    let town = Town::new();
    let few = ("GRIDWORK_SIGN_INS_PER_MINUTE", "5");
    let server = town.serve_with(&[few]);
    let statuses = |server: &Server, address: &dyn Fn(usize) -> String| -> Vec<u16> {
        (0..20).map(|turn| refresh(server, &address(turn)).status).collect()
    };
    let many = |turn: usize| format!("203.0.113.{turn}");
    let one = |_: usize| "203.0.113.99".to_owned();
    // The minute may end amid it.
    let let_in = |statuses: &[u16]| statuses.iter().filter(|status| **status == 401).count();
    let invented = statuses(&server, &many);
    assert!((5..=10).contains(&let_in(&invented)) && invented.contains(&429), "{invented:?}");
    let refused = format!("gridwork_rate_limited_total{{counted=\"address\"}} {}\n", 20 - let_in(&invented));
    assert!(server.metrics().contains(&refused), "{}", server.metrics());
    server.end();

    let server = town.serve_with(&[few, ("GRIDWORK_TRUSTED_PROXIES", "127.0.0.0/8")]);
    let offices = statuses(&server, &many);
    assert_eq!(let_in(&offices), 20, "{offices:?}");
    let guesser = statuses(&server, &one);
    assert!((5..=10).contains(&let_in(&guesser)) && guesser.contains(&429), "{guesser:?}");
}

#[test]
fn a_session_that_is_ended_is_over_on_every_node_at_once_with_redis_and_without() {
    let town = Town::new();
    let line = redis_line();
    let nodes = [(); 2].map(|()| town.serve_with(&[("REDIS_URL", &line.url())]));
    for cut in [false, true] {
        if cut {
            line.cut();
        }
        let (wu, zhou) = (Session::of(&WU, &nodes[0]), Session::of(&ZHOU, &nodes[0]));
        // The other node has served this session before.
        let elsewhere = Session::with_token(&nodes[1], &zhou.token);
        elsewhere.get("/v1/areas").well();
        let sessions = wu.get(&format!("/v1/staff/{}/sessions", ZHOU.id())).well();
        let session = text(&sessions["items"][0]["id"]);
        let begun = Instant::now();
        wu.remove(&format!("/v1/staff/{}/sessions/{session}", ZHOU.id())).well();
        assert_eq!(elsewhere.get("/v1/areas").status, 401, "cut: {cut}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}
