//! A phone's life: enrolment, work, syncs, kills.

use super::registry::{Fault, says};
use super::*;
use crate::{Dump, EnrolError, Failure, NotSaved, OpenError, Posted, StoreError};
use gridwork_sync::replica;
use std::sync::{Arc, Mutex};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for file in std::fs::read_dir(from).expect("readable") {
        let file = file.expect("readable");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

/// Every fact and change in the registry stands there once, and all phones hold the same.
fn assert_settled(registry: &Registry, phones: &[&Phone]) {
    let dumps: Vec<Dump> = phones.iter().map(|phone| phone.dump()).collect();
    assert!(dumps.iter().all(|dump| *dump == dumps[0]), "the phones differ");
    for phone in phones {
        assert_eq!(phone.outbox().count(), 0);
    }
    let state = registry.state();
    let changes: std::collections::BTreeSet<_> = state.log.iter().map(|(key, hash, _)| (*key, *hash)).collect();
    assert_eq!(changes.len(), state.log.len());
}

#[test]
fn what_one_phone_recorded_another_reads_also_after_both_were_closed() {
    let (registry, one, two) = (Registry::new(), folder(), folder());
    let mut phone = enrol(one.path(), &registry);
    assert_eq!((phone.owner().name.as_str(), phone.grids()[0].name.as_str()), ("网格员1", "第九网格"));
    register(&mut phone, 1);
    record_visit(&mut phone, 1);
    drop(phone);
    let mut phone = open(one.path(), &registry);
    assert_eq!(phone.status().waiting, 2);
    let report = phone.sync().expect("the store works");
    assert_eq!((report.failure, report.merged, report.requests), (None, 2, 1));

    let mut other = enrol(two.path(), &registry);
    assert_eq!(other.sync().expect("the store works").received, 2);
    assert_settled(&registry, &[&phone, &other]);
    drop(other);
    let other = open(two.path(), &registry);
    assert_settled(&registry, &[&phone, &other]);
    assert_eq!(other.search("秀英")[0].id, home(1));
    assert_eq!(other.visits(home(1))[0].by.name.as_deref(), Some("网格员1"));
    let json = serde_json::to_string(&other.dump()).expect("json");
    assert!(serde_json::from_str::<Dump>(&json).expect("a dump") == phone.dump());
}

#[test]
fn a_quiet_sync_is_one_request_with_bodies_under_100_bytes() {
    let (registry, one) = (Registry::new(), folder());
    let mut phone = enrol(one.path(), &registry);
    register(&mut phone, 1);
    phone.sync().expect("the store works");
    let report = phone.sync().expect("the store works");
    assert_eq!((report.requests, &report.failure), (1, &None));
    assert!(report.request_body_bytes < 100 && report.response_body_bytes < 100, "{report:?}");
}

#[test]
fn a_phone_is_enrolled_once_and_its_key_survives_a_lost_answer() {
    let (registry, one) = (Registry::new(), folder());
    assert!(matches!(Phone::open(one.path()), Err(OpenError::NotEnrolled)));
    registry.fail([Fault::AnswerLost]);
    let lost = Phone::enrol_with(one.path(), SERVER, "CODE", around(&registry, 0)).err();
    assert!(matches!(lost, Some(EnrolError::Failed(Failure::Network(_)))), "{lost:?}");
    assert!(matches!(Phone::open(one.path()), Err(OpenError::NotEnrolled)));
    let phone = enrol(one.path(), &registry);
    assert_eq!(phone.owner().name, "网格员1", "the same key comes again");
    drop(phone);
    let again = Phone::enrol_with(one.path(), SERVER, "CODE", around(&registry, 0)).err();
    assert!(matches!(again, Some(EnrolError::Enrolled)), "{again:?}");
}

#[test]
fn two_processes_do_not_open_one_store() {
    let (registry, one) = (Registry::new(), folder());
    let phone = enrol(one.path(), &registry);
    let second = Phone::open_with(one.path(), around(&registry, 0)).err();
    assert!(matches!(second, Some(OpenError::Store(StoreError::InUse))), "{second:?}");
    drop(phone);
    open(one.path(), &registry);
}

#[test]
fn clocks_a_year_off_enrol_and_sync_with_one_request_more() {
    for off_ms in [YEAR_MS, -YEAR_MS] {
        let (registry, one) = (Registry::new(), folder());
        let mut phone = Phone::enrol_with(one.path(), SERVER, "CODE", around(&registry, off_ms)).expect("enrolled");
        assert_eq!(registry.requests(), 2);
        register(&mut phone, 1);
        record_visit(&mut phone, 1);
        let report = phone.sync().expect("the store works");
        assert_eq!((report.merged, report.requests, report.failure), (2, 1, None), "the skew is known by now");
        drop(phone);
        // The clock was put right in between: the old correction is wrong, once.
        let mut phone = open(one.path(), &registry);
        let report = phone.sync().expect("the store works");
        assert_eq!((report.requests, report.failures, report.failure), (2, 1, None));
        assert_eq!(phone.status().skew_ms, Some(0));
    }
}

#[test]
fn what_the_server_says_instead_of_an_answer_is_understood() {
    let (registry, one) = (Registry::new(), folder());
    let mut phone = enrol(one.path(), &registry);
    register(&mut phone, 1);
    let busy = Posted { retry_after_s: Some(7), ..says(503, "") };
    let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).expect("zstd");
    assert!(bomb.len() < 10_000);
    let bomb = Posted { encoding: Some("zstd".into()), body: bomb, ..says(200, "") };
    let strange = Posted { encoding: Some("br".into()), ..says(200, "x") };
    let broken = || Failure::Network(String::new());
    let cases = [
        (busy, Failure::Busy { retry_after_s: 7 }),
        (says(429, r#"{"retry_after_s":9}"#), Failure::Busy { retry_after_s: 9 }),
        (says(401, r#"{"detail":"no"}"#), Failure::Unauthorized("no".into())),
        (says(403, ""), Failure::Unauthorized("status 403".into())),
        (says(422, r#"{"detail":"no"}"#), Failure::Refused("no".into())),
        (says(404, "<html>"), Failure::Refused("status 404".into())),
        (says(500, ""), broken()),
        (says(200, "not cbor"), broken()),
        (says(200, ""), broken()),
        (bomb, broken()),
        (strange, broken()),
    ];
    for (posted, expected) in cases {
        registry.fail([Fault::Says(posted.clone())]);
        let report = phone.sync().expect("the store works");
        let failure = match report.failure {
            Some(Failure::Network(_)) => broken(),
            other => other.expect("it failed"),
        };
        assert_eq!(failure, expected, "{}", posted.status);
        assert_eq!(phone.status().waiting, 1);
    }
    assert_eq!(phone.sync().expect("the store works").failure, None);
    assert_settled(&registry, &[&phone]);
}

#[test]
fn syncing_until_a_deadline_gets_over_failures_and_stops_where_waiting_does_not_help() {
    let (registry, one) = (Registry::new(), folder());
    let mut phone = enrol(one.path(), &registry);
    register(&mut phone, 1);
    let far = std::time::Instant::now() + std::time::Duration::from_secs(60);
    registry.fail([Fault::RequestLost, Fault::AnswerLost, Fault::Says(says(500, "")), Fault::Says(says(401, ""))]);
    let report = phone.sync_until(far).expect("the store works");
    assert_eq!((report.failures, report.failure, report.known), (4, None, 1));
    registry.fail([Fault::Says(says(401, "")), Fault::Says(says(401, ""))]);
    let report = phone.sync_until(far).expect("the store works");
    assert!(matches!(report.failure, Some(Failure::Unauthorized(_))), "{report:?}");
    registry.fail([Fault::RequestLost]);
    let report = phone.sync_until(std::time::Instant::now()).expect("the store works");
    assert_eq!(report.requests, 1, "time is up");
}

#[test]
fn a_phone_killed_at_any_point_of_a_sync_goes_on_from_what_is_on_its_disk() {
    let (registry, one, two, kills) = (Registry::new(), folder(), folder(), folder());
    registry.state().budget = 600;
    let mut other = enrol(two.path(), &registry);
    for number in 1..=4 {
        register(&mut other, number);
        record_visit(&mut other, number);
    }
    other.sync().expect("the store works");
    let mut phone = enrol(one.path(), &registry);
    phone.sync().expect("the store works");
    for number in 1..=4 {
        record_visit(&mut phone, number);
        correct(&mut phone, number, "一");
        record_visit(&mut other, number);
    }
    other.sync().expect("the store works");
    // The disk as it is at the time of each request: killed between save and push, and between push and save.
    let (from, to) = (one.path().to_owned(), kills.path().to_owned());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&taken);
    registry.state().watch = Some(Box::new(move |number| {
        let name = to.join(number.to_string());
        copy(&from, &name);
        names.lock().expect("not poisoned").push(name);
    }));
    assert!(phone.sync().expect("the store works").requests > 2);
    registry.state().watch = None;
    other.sync().expect("the store works");
    assert_settled(&registry, &[&phone, &other]);
    let taken = taken.lock().expect("not poisoned").clone();
    assert!(taken.len() > 2);
    for killed in taken {
        let mut again = open(&killed, &registry);
        let report = again.sync().expect("the store works");
        assert_eq!((report.failure, report.merged, report.replayed), (None, 0, 0), "all had been handed in");
        assert_settled(&registry, &[&phone, &again]);
    }
}

#[test]
fn a_save_that_fails_leaves_the_phone_as_it_was() {
    let (registry, one) = (Registry::new(), folder());
    let mut phone = enrol(one.path(), &registry);
    register(&mut phone, 1);
    phone.store.limit_pages(Some(1));
    let before = phone.dump();
    let mut failed = 0;
    for _ in 0..40 {
        let action = visit(&mut phone, &"很长".repeat(900));
        let edit = phone.edit(home(1), action);
        let before = phone.dump();
        match phone.record(edit, None, None) {
            Ok(()) => assert_eq!(phone.dump().facts.len(), before.facts.len() + 1),
            Err(error) => {
                assert!(matches!(error, NotSaved::Full), "{error:?}");
                assert!(phone.dump() == before);
                failed += 1;
            }
        }
    }
    assert!(failed > 10, "{failed}");
    assert_eq!(phone.dump().households, before.households);
    let held = (phone.dump(), phone.outbox().count());
    drop(phone);
    let mut phone = open(one.path(), &registry);
    assert!((phone.dump(), phone.outbox().count()) == held);
    assert_eq!(phone.sync().expect("the store works").failure, None);
    record_visit(&mut phone, 1);
}

#[test]
fn an_edit_that_does_not_fit_is_refused_with_the_reason() {
    let (registry, one) = (Registry::new(), folder());
    let mut phone = enrol(one.path(), &registry);
    let action = Action::Correct { record: RecordPath::household(), fields: Fields::new().with("remark", "x") };
    let edit = phone.edit(home(7), action);
    let error = phone.record(edit, None, None).expect_err("no such household");
    assert!(matches!(error, NotSaved::Refused(replica::NotSaved::NoSuchHousehold(_))), "{error:?}");
    assert_eq!(phone.outbox().count(), 0);
}

#[test]
fn the_server_can_move() {
    let (registry, one) = (Registry::new(), folder());
    let mut phone = enrol(one.path(), &registry);
    phone.set_server("http://elsewhere.test/").expect("saved");
    drop(phone);
    let mut phone = open(one.path(), &registry);
    assert_eq!(phone.server(), "http://elsewhere.test");
    phone.set_server(SERVER).expect("saved");
    assert_eq!(phone.sync().expect("the store works").failure, None);
}
