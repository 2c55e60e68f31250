//! The one writer: a thread with a bounded queue that commits in groups.
//!
//! A commit that survives a power cut costs a write to the disk, whatever is in it. So the writer takes all that waits,
//! up to a bound, runs each job in a savepoint of one transaction, commits once, and only then answers everybody.
//!
//! **Invariant:** no job is answered before its group is committed, and a job that fails takes nothing with it, unless the
//! database gave up the whole group: then each of it is told so, and nothing of it is kept.

use super::{Connection, RETRY_AFTER_S, StoreError};
use crate::figures::{Counters, add};
use crate::settings::OpenError;
use diesel::connection::{SimpleConnection, TransactionManager};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Work for the writer, which gives back whether it was done, and what to tell once the group is committed or lost.
pub(super) type Job = Box<dyn FnOnce(&mut Connection) -> (bool, Answer) + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Jobs in a group at most: beyond some dozens a further one saves nothing more.
const MOST_JOBS: usize = 64;
/// A group takes in no further job after this long, so that those in it are not kept waiting.
const LONGEST_GROUP: Duration = Duration::from_millis(50);

/// The writer's queue, and the thread behind it.
pub(super) struct Writer {
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread. `reopen` is called when a connection is lost.
    pub(super) fn start(
        connection: Connection,
        reopen: impl Fn() -> Result<Connection, OpenError> + Send + 'static,
        queue: usize,
        counters: Arc<Counters>,
    ) -> std::io::Result<Self> {
        let (jobs, queued) = sync_channel(queue.max(1));
        let of_thread = counters.clone();
        let thread = std::thread::Builder::new()
            .name("registry-writer".to_owned())
            .spawn(move || run(connection, &reopen, &queued, &of_thread))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)), counters })
    }

    /// Queues a job.
    pub(super) fn submit(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)?;
        add(&self.counters.writer_queue, 1);
        jobs.try_send(job).map_err(|error| {
            self.counters.writer_queue.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => StoreError::Overloaded { retry_after_s: RETRY_AFTER_S },
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }

    /// Refuses further jobs, and waits until those in the queue are done and the database is closed.
    pub(super) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the registry ended with a panic");
        }
    }
}

fn run(
    mut connection: Connection,
    reopen: &dyn Fn() -> Result<Connection, OpenError>,
    queued: &Receiver<Job>,
    counters: &Counters,
) {
    while let Ok(first) = queued.recv() {
        run_group(&mut connection, first, queued, counters);
        if is_broken(&mut connection) {
            match reopen() {
                Ok(opened) => connection = opened,
                Err(error) => tracing::error!(%error, "the writer lost its connection and cannot open another"),
            }
        }
    }
    if let Err(error) = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(%error, "the write-ahead log stays beside the database; the next start takes it in");
    }
}

fn run_group(connection: &mut Connection, first: Job, queued: &Receiver<Job>, counters: &Counters) {
    let started = Instant::now();
    let mut answers: Vec<Answer> = Vec::new();
    let mut next = Some(first);
    let committed = connection.immediate_transaction(|connection| {
        while let Some(job) = next.take() {
            let (done, answer) = job(connection);
            answers.push(answer);
            if !done && !is_in_transaction(connection) {
                // On a full disk, for one, SQLite rolls back everything by itself. Whatever came now would be kept.
                return Err(diesel::result::Error::RollbackTransaction);
            }
            if answers.len() < MOST_JOBS && started.elapsed() < LONGEST_GROUP {
                next = queued.try_recv().ok();
            }
        }
        Ok::<(), diesel::result::Error>(())
    });
    // A job is still here only if the transaction could not begin.
    let left_queue = answers.len() as u64 + u64::from(next.is_some());
    counters.writer_queue.fetch_sub(left_queue, Ordering::Relaxed);
    if let Err(error) = &committed {
        tracing::error!(%error, jobs = answers.len(), "a group of writes was lost");
    }
    let committed = committed.map_err(StoreError::from);
    let group = answers.len() as u64;
    add(&counters.jobs, group);
    add(&counters.commits, u64::from(committed.is_ok()));
    counters.largest_group.fetch_max(group, Ordering::Relaxed);
    for answer in answers {
        answer(committed.clone());
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

fn is_broken(connection: &mut Connection) -> bool {
    type Manager = <Connection as diesel::Connection>::TransactionManager;
    let status = Manager::transaction_manager_status_mut(connection);
    !matches!(status.transaction_depth(), Ok(None))
}
