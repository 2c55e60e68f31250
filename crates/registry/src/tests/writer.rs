use super::{District, LEADERS, NOW, register, scope};
use crate::{Registry, StoreError};
use std::sync::mpsc::channel;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_wait_are_committed_together_and_one_that_fails_takes_nothing_with_it() {
    let district = District::open().await;
    let before = district.registry.figures();
    let (release, released) = channel::<()>();
    let database = district.registry.database.clone();
    let blocked = tokio::spawn(async move {
        database
            .write(move |_| {
                let _ = released.recv();
                Ok::<_, StoreError>(())
            })
            .await
    });
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
    let settings = crate::Settings { writer_queue: 2, ..district.settings.clone() };
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
