//! The demo is the main job on real input; its report says that nothing was lost.

use crate::program::{self, Said};
use crate::store;
use serde_json::Value;

#[test]
fn a_small_demo_with_killed_processes_loses_nothing_and_everybody_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let (report, dir) = (folder.path().join("report.json"), folder.path().join("demo"));
    let output = program::command(&["demo", "--quick", "--once", "--kill", "3", "--port", "0"])
        .arg("--report")
        .arg(&report)
        .arg("--dir")
        .arg(&dir)
        .output();
    let said = Said::of(output.expect("the binary runs"));
    assert!(said.success, "{}{}", said.out, said.error);
    let report: Value = serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"));

    assert_eq!((number("lost"), number("doubled"), number("verify_differences")), (0, 0, 0), "{report}");
    assert_eq!(report["replicas_agree"], true, "{report}");
    assert_eq!(number("killed"), 3, "{report}");
    assert_eq!(number("quiet_sync_requests"), 1);
    assert!((1..100).contains(&number("quiet_sync_request_body_bytes")), "{report}");
    assert!((1..100).contains(&number("quiet_sync_response_body_bytes")), "{report}");
    assert!(number("open_conflicts") >= 1, "people did disagree: {report}");
    assert!(number("phones") >= 5 && number("households") > 1_000 && number("residents") > number("households"));
    assert!(number("recorded_facts") > number("households"), "{report}");
    assert!((1..2_000).contains(&number("bytes_per_visit_pushed")), "{report}");
    assert!((1..1_500_000_000).contains(&number("peak_memory_bytes")), "{report}");
    assert!((1..120_000).contains(&number("elapsed_ms")), "{report}");
}

#[test]
fn the_demo_over_three_nodes_of_which_some_are_killed_loses_nothing_and_everybody_agrees() {
    let redis = std::env::var("GRIDWORK_TEST_REDIS").expect("a Redis server: tests/run starts one");
    let Some(postgres) = store::server() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (report, dir) = (folder.path().join("report.json"), folder.path().join("demo"));
    let output = program::command(&["demo", "--quick", "--once", "--nodes", "3", "--kill", "8", "--port", "0"])
        .args(["--postgres", &postgres, "--redis", &redis])
        .arg("--report")
        .arg(&report)
        .arg("--dir")
        .arg(&dir)
        .output();
    let said = Said::of(output.expect("the binary runs"));
    assert!(said.success, "{}{}", said.out, said.error);
    let report: Value = serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"));

    assert_eq!((number("lost"), number("doubled"), number("verify_differences")), (0, 0, 0), "{report}");
    assert_eq!(report["replicas_agree"], true, "{report}");
    assert_eq!((number("nodes"), number("open_conflicts") >= 1), (3, true), "{report}");
    assert!(number("nodes_killed") >= 1, "no node was killed: {report}");
    for node in 1..=3 {
        assert!(dir.join(format!("registry/node-{node}/server.log")).exists(), "node {node} ran");
    }
    let database = report["database"].as_str().expect("it had a database of its own");
    assert!(!store::is_there(&postgres, database), "the demo leaves {database} behind");
}

#[test]
fn several_nodes_without_a_database_that_they_can_share_are_refused_in_words() {
    let said = program::run(&["demo", "--nodes", "3"]);
    assert!(!said.success && said.error.contains("--postgres"), "{said:?}");
}
