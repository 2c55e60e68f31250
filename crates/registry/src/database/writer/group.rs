//! One writer that commits in groups.
//!
//! A commit that survives a power cut costs a write to the disk, whatever is in it. So the writer takes all that waits,
//! up to a bound, runs each job in a savepoint of one transaction, commits once, and only then answers everybody.

use super::super::connection::{Opener, begin_group, is_broken};
use super::{Connection, Job, Queue, Ran, StoreError, next, next_waiting};
use crate::figures::{Counters, add};
use diesel::connection::{SimpleConnection, TransactionManager};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Jobs in a group at most: beyond some dozens a further one saves nothing more.
const MOST_JOBS: usize = 64;
/// A group takes in no further job after this long, so that those in it are not kept waiting.
const LONGEST_GROUP: Duration = Duration::from_millis(50);

/// Runs jobs until the queue is closed and empty.
pub(super) fn run(mut connection: Connection, opener: &Opener, queued: &Queue, counters: &Counters) {
    while let Some(first) = next(queued) {
        add(&counters.busy_writers, 1);
        run_group(&mut connection, first, queued, counters);
        counters.busy_writers.fetch_sub(1, Ordering::Relaxed);
        if is_broken(&mut connection) {
            match opener.writer() {
                Ok(opened) => connection = opened,
                Err(error) => tracing::error!(%error, "the writer lost its connection and cannot open another"),
            }
        }
    }
    if let Err(error) = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(%error, "the write-ahead log stays beside the database; the next start takes it in");
    }
}

fn run_group(connection: &mut Connection, first: Box<dyn Job>, queued: &Queue, counters: &Counters) {
    type Manager = <Connection as diesel::Connection>::TransactionManager;
    let started = Instant::now();
    let mut jobs = Vec::new();
    let mut next = Some(first);
    let mut lost = begin_group(connection).err();
    if let Some(error) = &lost {
        // Nothing of it was done: it may be asked again.
        tracing::error!(%error, "the writer cannot begin");
        if let Some(mut job) = next.take() {
            job.fail(StoreError::Overloaded { retry_after_s: super::RETRY_AFTER_S });
            jobs.push(job);
        }
    }
    while let Some(mut job) = next.take() {
        let ran = job.run(connection, true);
        jobs.push(job);
        if ran != Ran::Done && !is_in_transaction(connection) {
            // On a full disk, for one, SQLite rolls back everything by itself. Whatever came now would be kept.
            lost = Some(diesel::result::Error::RollbackTransaction);
            break;
        }
        if jobs.len() < MOST_JOBS && started.elapsed() < LONGEST_GROUP {
            next = next_waiting(queued);
        }
    }
    let committed = match lost {
        None => Manager::commit_transaction(connection),
        Some(error) => {
            let _ = Manager::rollback_transaction(connection);
            Err(error)
        }
    };
    let group = jobs.len() as u64;
    counters.writer_queue.fetch_sub(group, Ordering::Relaxed);
    if let Err(error) = &committed {
        tracing::error!(%error, jobs = group, "a group of writes was lost");
    }
    let committed = committed.map_err(StoreError::from);
    add(&counters.jobs, group);
    add(&counters.commits, u64::from(committed.is_ok()));
    counters.largest_group.fetch_max(group, Ordering::Relaxed);
    for job in jobs {
        job.answer(committed.clone());
    }
}

/// Whether the group's transaction is still there: another cannot begin then.
fn is_in_transaction(connection: &mut Connection) -> bool {
    let begun = connection.batch_execute("BEGIN").is_ok();
    if begun && let Err(error) = connection.batch_execute("ROLLBACK") {
        tracing::error!(%error, "the writer's connection is in no order: it is opened anew");
    }
    !begun
}
