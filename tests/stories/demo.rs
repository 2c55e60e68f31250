//! The demo is the main job on real input; its report says that nothing was lost.

use crate::program::{self, Said};
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
