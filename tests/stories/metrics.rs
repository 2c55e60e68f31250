//! What an operator watches: the metrics say what happened, and the dashboard asks for metrics that are there.

use crate::device::{Device, new_actor, push_of, random};
use crate::people::visit_at;
use crate::rest::Session;
use crate::town::{GRID, LI, Town, ZHOU, now};
use crate::waiting::until;
use crate::wire::connect;
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_sync::change::{Base, Head, RawChange, record_fact};
use gridwork_sync::document::{ActorId, ChangeHash, DocumentId};
use gridwork_sync::message::Outcome;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

const HOUR_MS: i64 = 60 * 60 * 1_000;

fn dashboard() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/dashboard.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("deploy/dashboard.json")).expect("JSON")
}

/// Everything that the panels ask for.
fn expressions(of: &Value, found: &mut Vec<String>) {
    match of {
        Value::Array(all) => all.iter().for_each(|one| expressions(one, found)),
        Value::Object(all) => {
            found.extend(all.get("expr").and_then(Value::as_str).map(str::to_owned));
            all.values().for_each(|one| expressions(one, found));
        }
        _ => {}
    }
}

/// The names of metrics in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'))
        .filter(|word| word.starts_with("gridwork_"))
}

/// The labels that an expression names with one value, as they stand in the metrics.
fn labels(expression: &str) -> impl Iterator<Item = &str> {
    let inside = expression.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    inside.flat_map(|(inside, _)| inside.split(',')).filter(|label| !label.contains('~') && !label.contains('$'))
}

/// The value of a metric with its labels.
fn value(metrics: &str, of: &str) -> f64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(of)?.strip_prefix(' '));
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{of} is not in\n{metrics}"))
}

/// A visit that a phone recorded at that time.
fn visit(actor: ActorId, household: HouseholdId, heads: Vec<Head>, at: Instant) -> RawChange {
    let key = DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into();
    let fact = Fact { id: FactId::new(at, random()), household, body: FactBody::Visit(visit_at(at, "例行走访")) };
    record_fact(&Base { actor, heads, previous: None }, &key, &fact, at)
}

#[test]
fn the_metrics_say_what_became_of_what_a_phone_sent_and_the_dashboard_asks_for_nothing_else() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    for _ in 0..3 {
        zhou.get("/v1/areas").well();
    }
    let device = Device::enrol(&server, &LI);
    let (at, [known, waits, strange]) = (now().plus_ms(-2 * HOUR_MS), [(); 3].map(|()| new_actor()));
    let key = DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into();
    let good = visit(known, household, Vec::new(), at);
    let held = visit(waits, household, vec![Head { hash: ChangeHash(random()), largest_op: 1 }], at);
    let refused = visit(strange, household, Vec::new(), at);
    let pushes = || [&good, &held, &refused].map(|one| push_of(GRID.scope(), key, &[&one.bytes])).to_vec();
    // The third one's actor is nobody's.
    let told: Vec<Outcome> = device.push(&server, &[known, waits], pushes()).into_iter().map(|one| one.0).collect();
    assert_eq!(told, [Outcome::Merged, Outcome::Held, Outcome::Quarantined]);
    // A clock that is ahead.
    let (ahead, soon) = (new_actor(), now().plus_ms(60_000));
    let early = visit(ahead, household, Vec::new(), soon);
    let key_of_soon = DocumentId::visits(household, soon.year_in_shanghai().expect("a year")).into();
    let early = push_of(GRID.scope(), key_of_soon, &[&early.bytes]);
    assert_eq!(device.push(&server, &[ahead], vec![early])[0].0, Outcome::Merged);

    let metrics = server.metrics();
    for (of, expected) in [
        (r#"gridwork_sync_changes_total{outcome="merged"}"#, 2.0),
        (r#"gridwork_sync_changes_total{outcome="known"}"#, 0.0),
        (r#"gridwork_sync_changes_total{outcome="held"}"#, 1.0),
        (r#"gridwork_sync_changes_total{outcome="quarantined"}"#, 1.0),
        ("gridwork_sync_exchanges_total", 2.0),
        ("gridwork_edits_total", 1.0),
        ("gridwork_feed_rows_total", 3.0),
        (r#"gridwork_waiting_changes{state="held"}"#, 1.0),
        (r#"gridwork_waiting_changes{state="quarantined"}"#, 1.0),
        (r#"gridwork_sync_lag_seconds_bucket{le="60"}"#, 1.0),
        (r#"gridwork_sync_lag_seconds_bucket{le="3600"}"#, 1.0),
        (r#"gridwork_sync_lag_seconds_bucket{le="14400"}"#, 2.0),
        ("gridwork_sync_lag_seconds_count", 2.0),
        ("gridwork_database_answers", 1.0),
        ("gridwork_event_streams", 0.0),
    ] {
        assert_eq!(value(&metrics, of), expected, "{of} in\n{metrics}");
    }
    let lag_s = value(&metrics, "gridwork_sync_lag_seconds_sum");
    assert!((7_200.0..7_500.0).contains(&lag_s), "{lag_s}");
    for (of, least) in [
        (r#"gridwork_area_cache_reads_total{result="hit"}"#, 2.0),
        (r#"gridwork_area_cache_reads_total{result="miss"}"#, 1.0),
        (r#"gridwork_database_connections{pool="writers",state="all"}"#, 1.0),
        (r#"gridwork_database_connections{pool="readers",state="all"}"#, 1.0),
        ("gridwork_database_commits_total", 3.0),
    ] {
        assert!(value(&metrics, of) >= least, "{of} in\n{metrics}");
    }
    // Pushed again, only what was done is told apart; nothing waits twice.
    device.push(&server, &[], pushes());
    let metrics = server.metrics();
    assert_eq!(value(&metrics, r#"gridwork_sync_changes_total{outcome="known"}"#), 1.0);
    assert_eq!(value(&metrics, r#"gridwork_waiting_changes{state="held"}"#), 1.0);
    assert_eq!(value(&metrics, "gridwork_sync_lag_seconds_count"), 2.0);
    until("the audit log is sealed", Duration::from_secs(20), || {
        (value(&server.metrics(), "gridwork_audit_rows_sealed_total") >= 2.0).then_some(())
    });
    must_answer(&dashboard(), &server.metrics());
    for nobody in [household.to_string(), device.id.clone(), GRID.id().to_string()] {
        assert!(!metrics.contains(&nobody), "{nobody} is in\n{metrics}");
    }
}

/// Fails unless the metrics have all that the dashboard asks for.
fn must_answer(dashboard: &Value, metrics: &str) {
    let mut asked = Vec::new();
    expressions(dashboard, &mut asked);
    assert!(asked.len() > 20, "{} expressions", asked.len());
    let there: BTreeSet<&str> = metrics.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    for expression in &asked {
        assert!(names(expression).next().is_some(), "{expression} asks for nothing of this server");
        for name in names(expression) {
            assert!(there.contains(name), "{name} of {expression} is not in\n{metrics}");
        }
        for label in labels(expression) {
            assert!(metrics.contains(label), "{label} of {expression} is not in\n{metrics}");
        }
    }
    for row in ["Sync", "Quarantine", "Lag", "Database", "Cache", "Audit", "HTTP", "Limits"] {
        let mut panels = dashboard["panels"].as_array().expect("panels").iter();
        let found =
            panels.any(|one| one["type"] == "row" && one["title"].as_str().is_some_and(|it| it.starts_with(row)));
        assert!(found, "there is no row for {row}");
    }
}

#[test]
fn who_follows_events_and_who_asks_too_often_is_counted() {
    let town = Town::new();
    let server = town.serve_with(&[("GRIDWORK_REQUESTS_PER_MINUTE", "5")]);
    let zhou = Session::of(&ZHOU, &server);
    let mut stream = connect(server.address());
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", zhou.token);
    stream.write_all(head.as_bytes()).expect("it listens");
    until("a stream is open", Duration::from_secs(10), || {
        (value(&server.metrics(), "gridwork_event_streams") == 1.0).then_some(())
    });
    drop(stream);
    let refused = (0..20).filter(|_| zhou.get("/v1/areas").status == 429).count();
    let counted = value(&server.metrics(), r#"gridwork_rate_limited_total{counted="caller"}"#);
    assert!(refused > 0 && counted as usize == refused, "{refused} {counted}");
    assert_eq!(value(&server.metrics(), r#"gridwork_rate_limited_total{counted="address"}"#), 0.0);
}
