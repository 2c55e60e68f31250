//! What has its limit: who waits to read, and for how long a statement or a lock is waited for.

use super::database::{Database, server};
use super::{District, LEADERS, NOW, register, scope};
use crate::database::{Connection, MOST_WAITING_READS};
use crate::{EditError, Registry, Settings, StoreError};
use diesel::prelude::*;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn so_many_wait_to_read_and_whoever_comes_then_is_told_at_once() {
    let database = Database::new();
    let registry = Registry::open(&Settings { readers: 1, ..database.settings.clone() }).unwrap();
    let (begin, begun) = channel::<()>();
    let (release, released) = channel::<()>();
    let reader = registry.database.clone();
    let reading = tokio::spawn(async move {
        let work = move |_: &mut Connection| {
            begin.send(()).unwrap();
            let _ = released.recv(); // until the test has seen enough
            Ok::<_, StoreError>(())
        };
        reader.read(work).await
    });
    begun.recv().unwrap();
    assert_eq!((registry.figures().readers, registry.figures().busy_readers), (1, 1));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 1..MOST_WAITING_READS {
        let database = registry.database.clone();
        waiting.spawn(async move { database.read(|_| Ok::<_, StoreError>(())).await });
    }
    while registry.figures().waiting_reads < MOST_WAITING_READS {
        tokio::task::yield_now().await;
    }
    let one_more = registry.database.read(|_| Ok::<_, StoreError>(()));
    let told = tokio::time::timeout(Duration::from_secs(20), one_more).await.expect("an answer at once");
    assert!(matches!(told, Err(StoreError::Overloaded { retry_after_s: 1.. })), "{told:?}");
    assert!(registry.figures().overloaded >= 1, "{:?}", registry.figures());
    release.send(()).unwrap();
    reading.await.unwrap().unwrap();
    while let Some(done) = waiting.join_next().await {
        done.unwrap().expect("who waited had a turn");
    }
    registry.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_given_up_and_the_connection_goes_on() {
    if server().is_none() {
        return; // SQLite has no such limit
    }
    let database = Database::new();
    let registry = Registry::open(&Settings { statement_timeout_ms: 200, ..database.settings.clone() }).unwrap();
    let begun = Instant::now();
    let slow = |connection: &mut Connection| {
        diesel::sql_query("SELECT pg_sleep(30)").execute(connection)?;
        Ok::<_, StoreError>(())
    };
    for told in [registry.database.read(slow).await, registry.database.write(slow).await] {
        assert!(matches!(told, Err(StoreError::Overloaded { retry_after_s: 1.. })), "{told:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    registry.database.read(|_| Ok::<_, StoreError>(())).await.unwrap();
    registry.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grid_that_another_node_holds_for_too_long_is_told_as_that_and_written_later() {
    if server().is_none() {
        return; // one writer, and nothing to lock
    }
    let district = District::open().await;
    let hasty = Settings { busy_timeout_ms: 100, ..district.settings.clone() };
    let node = Registry::open(&hasty).unwrap();
    let (tell, locked) = channel();
    let (release, released) = channel::<()>();
    let elsewhere = district.registry.database.clone();
    let working = tokio::spawn(async move {
        let mut told = Some(tell);
        let work = move |connection: &mut Connection| {
            crate::feed_lock::wait(connection, scope(0))?;
            if let Some(tell) = told.take() {
                tell.send(()).unwrap();
            }
            let _ = released.recv(); // until the test has seen enough
            Ok::<_, StoreError>(())
        };
        elsewhere.write_locking(work).await
    });
    tokio::task::spawn_blocking(move || locked.recv()).await.unwrap().unwrap();
    let (edit, begun) = (register(), Instant::now());
    let refused = node.edit(LEADERS[0], edit.clone(), None, Some(scope(0)), NOW).await;
    assert!(matches!(refused, Err(EditError::Store(StoreError::Contended))), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    drop(release);
    working.await.unwrap().unwrap();
    node.edit(LEADERS[0], edit, None, Some(scope(0)), NOW).await.unwrap();
    node.close().await.unwrap();
}
