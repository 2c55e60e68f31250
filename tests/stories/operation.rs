//! What whoever runs the server relies on: how it starts, ends, and shows what it does.

use crate::device::Device;
use crate::people::{enrol, sync, visit};
use crate::program::{self, Said};
use crate::rest::Session;
use crate::server::Server;
use crate::town::{LI, PASSWORD, Town, ZHAO, ZHOU, database};
use crate::waiting::until;
use crate::wire::{Sent, connect, read_reply};
use gridwork_phone::Failure;
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};

#[test]
fn a_server_that_is_asked_to_end_answers_the_request_under_way_and_ends_well() {
    let town = Town::on_a_file();
    let server = town.serve();
    let form = json!({ "sign_in": ZHOU.sign_in, "password": PASSWORD }).to_string();
    let sent = Sent::new("POST", "/v1/sign-in").with("content-type", "application/json").with_body(form);
    let bytes = sent.to_bytes();
    let (begin, rest) = bytes.split_at(bytes.len() - 10);

    let mut stream = connect(server.address());
    let begun = Instant::now();
    stream.write_all(begin).expect("it listens");
    until("the request is under way", Duration::from_secs(10), || {
        server.metrics().contains("gridwork_http_requests_under_way 1").then_some(())
    });
    server.ask_to_end();
    until("nobody else is let in", Duration::from_secs(10), || (!server.listens()).then_some(()));
    stream.write_all(rest).expect("it still reads");
    let reply = read_reply(stream, begun);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(server.wait_for_end().success());
    // The database was closed in order: nothing is left to be recovered.
    let log = database(&town.data_folder()).with_extension("sqlite-wal");
    assert_eq!(std::fs::metadata(log).map_or(0, |left| left.len()), 0);
}

#[test]
fn wrong_settings_are_refused_at_the_start_all_at_once_by_name_and_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = program::command(&["serve"])
        .current_dir(folder.path())
        .env("GRIDWORK_ADDRESS", "localhost")
        .env("GRIDWORK_WORKERS", "0")
        .env("GRIDWORK_TOKEN_SECRET", "short")
        .env("DATABASE_URL", "mysql://somewhere")
        .output();
    let said = Said::of(output.expect("the binary runs"));
    assert!(!said.success);
    for named in
        ["GRIDWORK_ADDRESS: \"localhost\" is not an address and port", "GRIDWORK_WORKERS: \"0\" is not a number"]
    {
        assert!(said.error.contains(named), "{}", said.error);
    }
    for named in ["GRIDWORK_TOKEN_SECRET: ", "DATABASE_URL: "] {
        assert!(said.error.contains(named), "{}", said.error);
    }
    assert!(!said.error.contains("short\""), "a secret is not shown: {}", said.error);
    assert!(std::fs::read_dir(folder.path()).expect("a folder").next().is_none(), "nothing was made");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let town = Town::new();
    let server = town.serve();
    let folder = tempfile::tempdir().expect("a folder");
    let output = program::command(&["serve"])
        .env("GRIDWORK_DATA_DIR", folder.path())
        .env("GRIDWORK_ADDRESS", server.address().to_string())
        .env("GRIDWORK_METRICS_ADDRESS", "off")
        .output();
    let said = Said::of(output.expect("the binary runs"));
    assert!(!said.success && said.error.contains(&server.address().to_string()), "{said:?}");
    assert!(said.error.contains("GRIDWORK_ADDRESS"), "{said:?}");
}

#[test]
fn the_committed_api_document_is_what_the_binary_prints_and_the_server_serves() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json"));
    let committed = committed.expect("openapi/openapi.json");
    let printed = program::run(&["openapi"]).well();
    assert!(
        printed == committed,
        "run `cargo run --release -- openapi > openapi/openapi.json` and look at what changed"
    );
    let town = Town::new();
    let server = town.serve();
    let served = Sent::new("GET", "/openapi.json").send(server.address());
    assert!(served.body == committed.as_bytes());
    assert_eq!(served.json()["openapi"], "3.1.0");
    let page = Sent::new("GET", "/docs/").send(server.address());
    assert!(page.status == 200 && String::from_utf8_lossy(&page.body).contains("swagger-ui"), "{page:?}");
}

#[test]
fn metrics_count_requests_by_route_and_name_nobody() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    zhou.household(household).well();
    assert_eq!(zhou.get("/v1/households/AAAAAAAAAAAAAAAAAAAAAA").status, 404);
    assert_eq!(zhou.get("/no/such/place").status, 404);
    let metrics = server.metrics();
    for line in [
        r#"gridwork_http_requests_total{method="GET",route="/v1/households/{id}",status="200"} 1"#,
        r#"gridwork_http_requests_total{method="GET",route="/v1/households/{id}",status="404"} 1"#,
        r#"gridwork_http_requests_total{method="POST",route="/v1/households",status="201"} 1"#,
        r#"gridwork_http_requests_total{method="GET",route="none",status="404"} 1"#,
        "gridwork_edits_total 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    for secret in [&household.to_string(), "/no/such/place", ZHOU.sign_in, ZHOU.name] {
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
}

#[test]
fn a_server_that_has_too_much_under_way_says_when_to_come_again_and_a_phone_loses_nothing() {
    let town = Town::new();
    let server = Server::start_with(&town.data_folder(), &[("GRIDWORK_MAX_SYNC_MEMORY_BYTES", "4194304")]);
    let household = Session::of(&ZHOU, &server).register("和平路1号", "110");
    let mut li = enrol(&town, &server, &LI, "li");
    visit(&mut li, household, "例行走访");
    let device = Device::enrol(&server, &LI);

    // Bodies that are announced and do not come, until all the room for them is taken.
    let others = [&LI, &ZHAO].map(|colleague| Device::enrol(&server, colleague));
    let waiting = [(0, 1_064_960), (0, 1_064_960), (1, 1_064_960), (1, 999_424)].map(|(other, length)| {
        let mut stream = connect(server.address());
        let sent = Sent { claimed_length: Some(length), ..others[other].signed("") };
        stream.write_all(&sent.to_bytes()).expect("it listens");
        stream
    });
    until("they are under way", Duration::from_secs(10), || {
        server.metrics().contains("gridwork_http_requests_under_way 4").then_some(())
    });
    let quiet = || device.signed(device.message().to_bytes()).send(server.address());
    let busy = until("there is no room", Duration::from_secs(10), || Some(quiet()).filter(|reply| reply.status == 503));
    assert!(busy.json()["retry_after_s"].as_u64() >= Some(1), "{busy:?}");
    let report = li.sync().expect("the phone's store works");
    assert!(matches!(report.failure, Some(Failure::Busy { retry_after_s: 1.. })), "{report:?}");
    assert_eq!(li.status().waiting, 1);

    drop(waiting);
    until("there is room again", Duration::from_secs(10), || Some(quiet()).filter(|reply| reply.status == 200));
    assert_eq!(sync(&mut li).merged, 1);
}

#[test]
fn every_answer_carries_the_id_under_which_the_log_has_it() {
    let town = Town::new();
    let server = town.serve();
    let problem = Sent::new("GET", "/v1/households").send(server.address());
    let instance = problem.json()["instance"].as_str().expect("an id").to_owned();
    let log = until("the request is in the log", Duration::from_secs(10), || {
        let log = std::fs::read_to_string(town.data_folder().join("server.log")).expect("a log");
        log.contains(&instance).then_some(log)
    });
    assert!(!log.contains(PASSWORD), "no password is in the log");
}
