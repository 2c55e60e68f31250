//! One of several writers: each job in a transaction of its own, and again if another's came in between.

use super::super::connection::{Opener, is_broken};
use super::{Connection, Job, Queue, Ran, StoreError, next};
use crate::entropy::random;
use crate::figures::{Counters, add};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Attempts at one job: beyond, whoever asked is told to come back.
const MOST_ATTEMPTS: u32 = 8;

/// No further attempt begins after this long: what is in the way is then no short job.
const LONGEST_ATTEMPTS: Duration = Duration::from_secs(2);

/// Runs jobs until the queue is closed and empty.
pub(super) fn run(connection: Connection, opener: &Opener, queued: &Queue, counters: &Counters) {
    let mut connection = Some(connection);
    while let Some(mut job) = next(queued) {
        add(&counters.busy_writers, 1);
        let committed = run_job(&mut connection, job.as_mut(), opener, counters);
        counters.busy_writers.fetch_sub(1, Ordering::Relaxed);
        counters.writer_queue.fetch_sub(1, Ordering::Relaxed);
        add(&counters.jobs, 1);
        add(&counters.commits, u64::from(committed));
        counters.largest_group.fetch_max(1, Ordering::Relaxed);
        job.answer(Ok(()));
    }
}

/// Runs a job, with as many attempts as it takes or may have. Returns whether it was committed.
fn run_job(connection: &mut Option<Connection>, job: &mut dyn Job, opener: &Opener, counters: &Counters) -> bool {
    let begun = Instant::now();
    for attempt in 0..MOST_ATTEMPTS {
        if begun.elapsed() > LONGEST_ATTEMPTS {
            return false; // others wait for this writer
        }
        if attempt > 0 {
            add(&counters.attempts_again, 1);
            std::thread::sleep(pause(attempt));
        }
        let open = match connection.take() {
            Some(open) => Ok(open),
            None => opener.writer(),
        };
        let mut open = match open {
            Ok(open) => open,
            Err(error) => {
                tracing::error!(%error, "a writer cannot connect");
                job.fail(StoreError::Unavailable { retry_after_s: super::RETRY_AFTER_S });
                return false;
            }
        };
        let ran = job.run(&mut open, false);
        if !is_broken(&mut open) {
            connection.replace(open);
        }
        match ran {
            Ran::Done => return true,
            Ran::Failed => return false,
            Ran::InTheWay => {}
        }
    }
    false
}

/// So long that who was in the way is done, and different for each that waits: up to a quarter of a second.
fn pause(attempt: u32) -> Duration {
    let [chance] = random::<1>().unwrap_or([128]);
    Duration::from_micros((u64::from(chance) + 32) << attempt.min(10))
}
