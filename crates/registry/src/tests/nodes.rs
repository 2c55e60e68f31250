//! Several nodes over one database.

use super::{AGENT, District, LEADERS, NOW, contact_phone, nonce, register, scope, visit};
use crate::{Credential, EnrolError, Registry, Showing, Subject};
use gridwork_sync::message::Outcome::{Merged, Quarantined};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn phones_and_staff_on_two_nodes_at_once_leave_feeds_without_a_gap_and_lose_nothing() {
    let district = District::open().await;
    let nodes = [district.registry.clone(), Registry::open(&district.settings).unwrap()];
    let shared = register();
    district.registry.edit(AGENT, shared.clone(), None, Some(scope(0)), NOW).await.unwrap();
    let mut tasks = JoinSet::new();
    for turn in 0..24 {
        let mut phone = district.phone(LEADERS[turn % 2]).await;
        let new = register();
        phone.record(&new, scope(turn % 2));
        for note in ["一", "二", "三"] {
            phone.record(&visit(new.household, note), scope(turn % 2));
        }
        let (node, device, request) = (nodes[turn / 2 % 2].clone(), phone.device.clone(), phone.request());
        tasks.spawn(async move {
            let answer = node.exchange(&device, nonce(), request, NOW).await.unwrap();
            assert_eq!(answer.verdicts.len(), 4);
            assert!(answer.verdicts.iter().all(|verdict| verdict.outcome == Merged), "{:?}", answer.verdicts);
        });
        // All of them change one household, each on the version that is there when its turn comes.
        let (node, household) = (nodes[turn % 2].clone(), shared.household);
        tasks.spawn(async move {
            let number = format!("139000000{turn:02}");
            node.edit(AGENT, contact_phone(household, &number), None, None, NOW).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let report = district.verify().await;
    assert_eq!((report.changes, report.feed_rows), (24 * 5 + 1, 24 * 5 + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_code_that_two_phones_use_on_two_nodes_at_the_same_moment_enrols_one_of_them() {
    let district = District::open().await;
    let nodes = [district.registry.clone(), Registry::open(&district.settings).unwrap()];
    for turn in 0..8 {
        let code = district.registry.issue_enrolment_code(None, None, LEADERS[0], NOW).await.unwrap();
        let enrol = |node: usize| {
            let (node_, code) = (nodes[node].clone(), code.clone());
            let key = [turn * 2 + node as u8; 32];
            tokio::spawn(async move { node_.enrol(code.as_str(), key, nonce(), NOW).await })
        };
        let (one, other) = tokio::join!(enrol(0), enrol(1));
        let enrolled = [one.unwrap(), other.unwrap()];
        assert_eq!(enrolled.iter().filter(|one| one.is_ok()).count(), 1, "{enrolled:?}");
        assert!(enrolled.iter().any(|one| matches!(one, Err(EnrolError::Code))), "{enrolled:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_pushes_to_a_foreign_grid_is_refused_without_waiting_for_those_who_work_there() {
    let district = District::open().await;
    if district.settings.database_url.starts_with("sqlite:") {
        return; // one writer, and nothing to lock
    }
    let foreign = register();
    district.registry.edit(AGENT, foreign.clone(), None, Some(scope(1)), NOW).await.unwrap();
    let mut phone = district.phone(LEADERS[0]).await;
    phone.record(&register(), scope(1));
    phone.record(&visit(foreign.household, "走错了门"), scope(0));

    let elsewhere = Registry::open(&district.settings).unwrap();
    let (tell, locked) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let working = tokio::spawn(async move {
        let work = move |connection: &mut crate::database::Connection| {
            crate::feed_lock::wait(connection, scope(1))?;
            tell.send(()).unwrap();
            let _ = released.recv(); // until the test has seen enough
            Ok::<_, crate::StoreError>(())
        };
        elsewhere.database.write_locking(work).await
    });
    tokio::task::spawn_blocking(move || locked.recv()).await.unwrap().unwrap();
    let answer = district.exchange(&phone.device, phone.request()).await.expect("it waits for nobody");
    assert!(answer.verdicts.iter().all(|verdict| verdict.outcome == Quarantined), "{:?}", answer.verdicts);
    drop(release);
    working.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_was_away_is_read_again_without_anybody_being_refused() {
    let district = District::open().await;
    if district.settings.database_url.starts_with("sqlite:") {
        return; // a file does not go away
    }
    let session = district.registry.begin_session(AGENT, false, NOW).await.unwrap().session;
    let cut = || {
        district.damage(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    };
    for _ in 0..3 {
        // So many at once that every reader has been used.
        let mut asked = JoinSet::new();
        for _ in 0..16 {
            let registry = district.registry.clone();
            asked.spawn(async move { registry.admit(Credential::Session(session, AGENT), NOW).await });
        }
        while let Some(admitted) = asked.join_next().await {
            assert!(admitted.unwrap().unwrap().is_some());
        }
        cut();
        assert_eq!(district.registry.grants(AGENT, NOW).await.unwrap().len(), 1);
        let persons = [Subject { scope: scope(0), household: register().household, resident: None }];
        let showing = Showing {
            classes: &[],
            records: 1,
            sensitivity: 1,
            masked: false,
            broken: Vec::new(),
            sought_phone: false,
        };
        district.registry.note_shown(AGENT, persons.into(), showing, NOW).await.unwrap();
        cut();
    }
}
