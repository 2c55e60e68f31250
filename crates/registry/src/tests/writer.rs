use super::database::Database;
use super::{District, LEADERS, NOW, register, scope};
use crate::audit::{Step, note};
use crate::tables::audit;
use crate::{Registry, StoreError};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use std::sync::mpsc::channel;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_wait_are_committed_together_and_one_that_fails_takes_nothing_with_it() {
    let district = District::open_in(Database::file()).await;
    let before = district.registry.figures();
    let (begin, begun) = channel::<()>();
    let (release, released) = channel::<()>();
    let database = district.registry.database.clone();
    let blocked = tokio::spawn(async move {
        database
            .write(move |_| {
                begin.send(()).unwrap();
                let _ = released.recv();
                Ok::<_, StoreError>(())
            })
            .await
    });
    begun.recv().unwrap();
    let mut jobs = tokio::task::JoinSet::new();
    for turn in 0..20 {
        let database = district.registry.database.clone();
        jobs.spawn(async move {
            database
                .write(move |_| match turn {
                    3 => panic!("a defect"),
                    4 => Err(StoreError::Closed),
                    _ => Ok::<_, StoreError>(turn),
                })
                .await
        });
    }
    while district.registry.figures().writer_queue < 21 {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    let mut done = 0;
    while let Some(job) = jobs.join_next().await {
        done += usize::from(job.unwrap().is_ok());
    }
    assert_eq!(done, 18);
    let after = district.registry.figures();
    assert_eq!(after.jobs - before.jobs, 21);
    assert!(after.commits - before.commits <= 3, "{after:?}");
    assert_eq!(after.writer_queue, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_told_at_once_and_what_was_queued_is_done_before_closing() {
    let district = District::open().await;
    let settings = crate::Settings { writers: 1, writer_queue: 2, ..district.settings.clone() };
    district.registry.clone().close().await.unwrap();
    let registry = Registry::open(&settings).unwrap();
    let (begin, begun) = channel::<()>();
    let (release, released) = channel::<()>();
    registry.database.write_later(move |_| {
        begin.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    });
    begun.recv().unwrap();
    let queued = |registry: &Registry| {
        let edit = register();
        let registry = registry.clone();
        tokio::spawn(async move { registry.edit(LEADERS[0], edit, None, Some(scope(0)), NOW).await })
    };
    // One job runs, two wait; every further one is refused.
    let waiting = [queued(&registry), queued(&registry)];
    while registry.figures().writer_queue < 3 {
        tokio::task::yield_now().await;
    }
    let refused = registry.edit(LEADERS[0], register(), None, Some(scope(0)), NOW).await;
    assert!(matches!(refused, Err(crate::EditError::Store(StoreError::Overloaded { .. }))), "{refused:?}");
    release.send(()).unwrap();
    registry.clone().close().await.unwrap();
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    let closed = registry.edit(LEADERS[0], register(), None, Some(scope(0)), NOW).await;
    assert!(matches!(closed, Err(crate::EditError::Store(StoreError::Closed))), "{closed:?}");
    assert_eq!(crate::verify(&settings).unwrap().households, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_database_gives_up_a_group_nothing_of_it_is_kept_and_nobody_is_told_otherwise() {
    let district = District::open_in(Database::file()).await;
    let (begin, begun) = channel::<()>();
    let (release, released) = channel::<()>();
    let database = district.registry.database.clone();
    database.write_later(move |_| {
        begin.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    });
    begun.recv().unwrap();
    let write = |action: &'static str, gives_up: bool| {
        let (queued, database) = (district.registry.figures().writer_queue, district.registry.database.clone());
        let job = tokio::spawn(async move {
            database
                .write(move |connection| {
                    note(connection, &Step::new(NOW, None, action))?;
                    if gives_up {
                        // What SQLite does by itself when there is no room on the disk.
                        connection.batch_execute("ROLLBACK")?;
                        return Err(StoreError::Closed);
                    }
                    Ok(())
                })
                .await
        });
        while district.registry.figures().writer_queue == queued {
            std::thread::yield_now();
        }
        job
    };
    let jobs = [write("before", false), write("in it", true), write("after", false)];
    release.send(()).unwrap();
    let mut told = Vec::new();
    for job in jobs {
        told.push(job.await.unwrap().is_ok());
    }
    let kept = district.registry.database.read(|connection| {
        let noted = audit::table.filter(audit::action.eq_any(["before", "in it", "after"]));
        Ok::<Vec<String>, StoreError>(noted.select(audit::action).order(audit::id).load(connection)?)
    });
    assert_eq!((told, kept.await.unwrap()), (vec![false, false, true], vec!["after".to_owned()]));
}
