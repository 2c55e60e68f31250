//! The writers: threads with a bounded queue of jobs.
//!
//! [`group`] commits several jobs at once, for a database with one writer; [`turn`] runs each in a transaction of its own,
//! again if another's came in between, for a database with many.
//!
//! **Invariant:** no job is answered before it is committed, and a job that fails takes nothing with it, unless the
//! database gave up its whole group: then each of it is told so, and nothing of it is kept.

mod group;
mod turn;

use super::connection::{Begin, Opener, give_up, transact};
use super::{Connection, Failure, RETRY_AFTER_S, StoreError};
use crate::figures::{Counters, add};
use crate::settings::OpenError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How an attempt at a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// It is done.
    Done,
    /// It failed, and would again.
    Failed,
    /// Another's work came in between, or the connection broke: another attempt may do it.
    InTheWay,
}

/// A job in the queue.
pub(super) trait Job: Send {
    /// Runs it in a transaction that begins like this, and keeps what it came to.
    fn run(&mut self, connection: &mut Connection, group: bool) -> Ran;
    /// Tells what it came to, or that its group was lost.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
    /// Keeps this instead of what it came to.
    fn fail(&mut self, error: StoreError);
}

/// Work with who waits for what it comes to.
pub(super) struct Asked<T, E, F, A> {
    work: F,
    answer: A,
    how: Begin,
    outcome: Option<Result<T, E>>,
}

impl<T, E, F, A> Asked<T, E, F, A> {
    /// Work that begins like this where it is not part of a group.
    pub(super) fn new(how: Begin, work: F, answer: A) -> Self {
        Self { work, answer, how, outcome: None }
    }
}

impl<T, E, F, A> Job for Asked<T, E, F, A>
where
    T: Send,
    E: Failure + Send,
    F: FnMut(&mut Connection) -> Result<T, E> + Send,
    A: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, connection: &mut Connection, group: bool) -> Ran {
        let how = if group { Begin::Savepoint } else { self.how };
        let outcome = transact(connection, how, &mut self.work);
        let store = outcome.as_ref().err().and_then(E::store);
        if matches!(store, Some(StoreError::Unavailable { .. })) {
            give_up(connection);
        }
        let ran = match &outcome {
            Ok(_) => Ran::Done,
            Err(error) if error.store().is_some_and(StoreError::may_pass) => Ran::InTheWay,
            Err(_) => Ran::Failed,
        };
        self.outcome = Some(outcome);
        ran
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = self.outcome.unwrap_or_else(|| Err(StoreError::Panicked.into()));
        (self.answer)(outcome.and_then(|done| committed.map(|()| done).map_err(E::from)));
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome = Some(Err(error.into()));
    }
}

/// The queue, and the threads behind it.
pub(super) struct Writer {
    jobs: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    counters: Arc<Counters>,
}

/// The jobs that wait, for several threads.
type Queue = Arc<Mutex<Receiver<Box<dyn Job>>>>;

impl Writer {
    /// Starts as many threads as the database can have, `most` at most.
    pub(super) fn start(opener: &Opener, most: u32, queue: usize, counters: &Arc<Counters>) -> Result<Self, OpenError> {
        let (jobs, queued) = sync_channel(queue.max(1));
        let queued: Queue = Arc::new(Mutex::new(queued));
        let many = opener.has_many_writers();
        let mut threads = Vec::new();
        for _ in 0..if many { most.max(1) } else { 1 } {
            let (connection, opener) = (opener.writer()?, opener.clone());
            let (queued, counters) = (queued.clone(), counters.clone());
            add(&counters.writers, 1);
            let run = if many { turn::run } else { group::run };
            let thread = std::thread::Builder::new().name("registry-writer".to_owned());
            threads
                .push(thread.spawn(move || run(connection, &opener, &queued, &counters)).map_err(OpenError::Thread)?);
        }
        Ok(Self { jobs: Mutex::new(Some(jobs)), threads: Mutex::new(threads), counters: counters.clone() })
    }

    /// Queues a job.
    pub(super) fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
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
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a writer of the registry ended with a panic");
            }
        }
    }
}

/// The next job; none when the queue is closed and empty.
fn next(queued: &Queue) -> Option<Box<dyn Job>> {
    queued.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// A job that waits already.
fn next_waiting(queued: &Queue) -> Option<Box<dyn Job>> {
    queued.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
}
