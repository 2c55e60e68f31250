//! One database: many readers, each with one consistent view, and one writer or several.
//!
//! Nothing outside this module knows which database it is: the rest is written against [`Connection`], with
//! portable column types. It does not know what the tables hold.
//!
//! A row of a whole unique key is read with `get_result`, not with `first`: that adds `LIMIT ?`, and SQLite compiles a
//! statement with a bound limit anew each time that it runs (measured: it doubled the time of a bulk import).
//!
//! **Invariant:** whoever was answered by [`Database::write`] finds what was written, also after a power cut.

mod blob;
mod connection;
mod either;
mod temporary;
mod writer;

pub(crate) use blob::{Blob, DocumentBlob, HashBlob, Id, PlaceBlob};
pub(crate) use connection::Opener;
pub(crate) use either::on_each;
pub use temporary::TemporaryDatabase;

use crate::figures::{Counters, add};
use crate::origin::Origin;
use crate::settings::{OpenError, Settings};
use connection::{Begin, begin, finish, give_up, transact};
use diesel::r2d2::{Pool, PooledConnection};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use gridwork_domain::sealed_number::KeyId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use writer::{Asked, Writer};

/// A connection, to whichever database it is.
pub(crate) type Connection = either::EitherConnection;

/// Requests that wait for a reader; beyond, a request is refused instead of waiting for its client's patience to end.
pub(crate) const MOST_WAITING_READS: u64 = 1_024;
/// What a refused client is told to wait.
const RETRY_AFTER_S: u32 = 1;

/// What can go wrong in the store, whatever was asked of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting already. Nothing was done.
    #[error("the registry is overloaded: try again in {retry_after_s} s")]
    Overloaded {
        /// Seconds after which to try again.
        retry_after_s: u32,
    },
    /// The registry is being closed. Nothing was done.
    #[error("the registry is closed")]
    Closed,
    /// The database cannot be reached. Nothing was done.
    #[error("the database cannot be reached: try again in {retry_after_s} s")]
    Unavailable {
        /// Seconds after which to try again.
        retry_after_s: u32,
    },
    /// The database went away while it committed: it was done, or it was not.
    #[error("the database went away while it wrote: ask again whether it did")]
    Uncertain,
    /// Another's write came in between. Nothing was done.
    #[error("other work came in between: try again")]
    Contended,
    /// The database refused.
    #[error("the database refused a statement")]
    Database(#[source] Arc<DieselError>),
    /// A row that this release cannot have written.
    #[error("the registry holds what cannot be read, run verify: {0}")]
    Unreadable(String),
    /// A defect of this program. Nothing was kept.
    #[error("the registry gave up on a request because of a defect of its own")]
    Panicked,
    /// The operating system has no random bytes.
    #[error("the operating system gave no random bytes")]
    Entropy,
    /// What is needed is sealed to a key that is not here. Nothing was done.
    #[error(
        "what this needs is sealed to the key {0}, which this node lacks: put back the file sealing-keys, or give all \
         nodes the same GRIDWORK_SEALING_KEYS, and start it again"
    )]
    KeyMissing(KeyId),
    /// The registry was opened without keys. Nothing was done.
    #[error("this needs the registry's sealing keys, and it was opened without any")]
    NoKeys,
}

impl StoreError {
    /// Whether another attempt may succeed: what was in the way passes, and nothing was done.
    ///
    /// Two that insert the same row are among it: the second finds the row at its next attempt.
    fn may_pass(&self) -> bool {
        match self {
            Self::Contended | Self::Unavailable { .. } => true,
            Self::Database(error) => {
                matches!(**error, DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
            }
            _ => false,
        }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Contended,
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            ) => Self::Unavailable { retry_after_s: RETRY_AFTER_S },
            // Diesel does not tell the SQLSTATE of these; PostgreSQL words them so in English (40P01, 55P03, 57014, 57P01 to
            // 57P03), which opening the database makes sure of.
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
                let message = information.message();
                let passes = ["deadlock detected", "lock timeout"];
                let gone = ["administrator command", "is shutting down", "is starting up", "connection"];
                if passes.iter().any(|part| message.contains(part)) {
                    Self::Contended
                } else if message.contains("statement timeout") {
                    Self::Overloaded { retry_after_s: RETRY_AFTER_S }
                } else if gone.iter().any(|part| message.contains(part)) {
                    Self::Unavailable { retry_after_s: RETRY_AFTER_S }
                } else {
                    Self::Database(Arc::new(error))
                }
            }
            _ => Self::Database(Arc::new(error)),
        }
    }
}

/// Why a piece of work failed: of itself, or because the store did.
pub(crate) trait Failure: From<StoreError> {
    /// What the store said, if that is why.
    fn store(&self) -> Option<&StoreError>;
}

impl Failure for StoreError {
    fn store(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// Says of families of errors that their variant `Store` is the store's.
macro_rules! fails_as_the_store_does {
    ($($error:ty),+) => {$(
        impl $crate::database::Failure for $error {
            fn store(&self) -> Option<&$crate::StoreError> {
                if let Self::Store(error) = self { Some(error) } else { None }
            }
        }
    )+};
}
pub(crate) use fails_as_the_store_does;

/// A connection for reading, which goes back when dropped.
type Reader = PooledConnection<Opener>;

/// The database.
pub(crate) struct Database {
    readers: Pool<Opener>,
    reading: Arc<Semaphore>,
    writer: Writer,
    counters: Arc<Counters>,
}

impl Database {
    /// Opens the database, brings its tables up to date, and runs `prepare` before anybody reads.
    pub(crate) fn open<T>(
        settings: &Settings,
        counters: Arc<Counters>,
        prepare: impl FnMut(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(Self, T), OpenError>
    where
        T: Send + 'static,
    {
        let opener = Opener::new(settings)?;
        opener.bring_up_to_date()?;
        let writer = Writer::start(&opener, settings.writers, settings.writer_queue, &counters)?;
        let readers = Pool::builder()
            .max_size(settings.readers.max(1))
            .connection_timeout(Duration::from_millis(settings.busy_timeout_ms.max(1)))
            .test_on_check_out(false)
            .build(opener)
            .map_err(|error| OpenError::Readers(error.to_string()))?;
        let reading = Arc::new(Semaphore::new(settings.readers.max(1) as usize));
        let database = Self { readers, reading, writer, counters };
        let prepared = database.write_blocking(prepare).map_err(OpenError::Prepare)?;
        Ok((database, prepared))
    }

    /// Runs `work` in one read transaction: all that it reads is of one moment.
    pub(crate) async fn read<T, E, F>(self: &Arc<Self>, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.with_reader(move |database| {
            let (mut connection, ()) = database.reader(|one| begin(one, Begin::Reading))?;
            finish(&mut connection, Begin::Reading, work)
        })
        .await
    }

    /// Runs `work`, of which each statement by itself is of one moment: for what asks little and often. It is run again if
    /// a connection turns out to have gone meanwhile.
    pub(crate) async fn look_up<T, E, F>(self: &Arc<Self>, mut work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.with_reader(move |database| Ok(database.reader(|one| finish(one, Begin::Not, &mut work))?.1)).await
    }

    /// Runs `work` in a thread that may block, when its turn comes to have a reader.
    async fn with_reader<T, E, F>(self: &Arc<Self>, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Self) -> Result<T, E> + Send + 'static,
    {
        let waiting = Waiting::enter(&self.counters, |counters| &counters.waiting_reads, MOST_WAITING_READS)?;
        let turn = self.reading.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let database = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _held = (waiting, turn); // also if whoever asked has gone
            work(&database)
        });
        reading.await.unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    /// A reader, with what `first` read by it. After the server was away all that wait in the pool are broken: each is
    /// thrown away when it fails, and the last attempt has a new one.
    fn reader<T, E: Failure>(&self, mut first: impl FnMut(&mut Connection) -> Result<T, E>) -> Result<(Reader, T), E> {
        let mut left = self.readers.max_size();
        loop {
            let mut connection = self.readers.get().map_err(|_| self.overloaded())?;
            let read = first(&mut connection);
            if !matches!(read.as_ref().err().and_then(E::store), Some(StoreError::Unavailable { .. })) {
                return read.map(|read| (connection, read));
            }
            give_up(&mut connection);
            if left == 0 {
                return read.map(|read| (connection, read));
            }
            left -= 1;
        }
    }

    /// Runs `work` as if nothing else were written meanwhile, more than once if something was; when this returns `Ok`,
    /// what it wrote is durable. If it fails, nothing was written.
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.write_so(Begin::Serializable, work).await
    }

    /// As [`Database::write`], for work that itself locks what it reads before it reads it: a ledger's.
    pub(crate) async fn write_locking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.write_so(Begin::Locking, work).await
    }

    /// As [`Database::write`], for work that reads nothing and only adds rows, by so many statements: others cannot be in
    /// its way.
    pub(crate) async fn write_alone<T, E, F>(&self, statements: usize, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.write_so(if statements > 1 { Begin::Locking } else { Begin::Not }, work).await
    }

    async fn write_so<T, E, F>(&self, how: Begin, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer_to, answer) = oneshot::channel();
        // Whoever asked may have gone; what was written stays.
        self.submit(how, work, move |outcome| drop(answer_to.send(outcome)))?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    /// As [`Database::write`], for a thread that may block.
    pub(crate) fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.write_blocking_so(Begin::Serializable, work)
    }

    /// As [`Database::write_locking`], for a thread that may block.
    pub(crate) fn write_locking_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.write_blocking_so(Begin::Locking, work)
    }

    fn write_blocking_so<T, E, F>(&self, how: Begin, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer_to, answer) = std::sync::mpsc::sync_channel(1);
        self.submit(how, work, move |outcome| drop(answer_to.send(outcome)))?;
        answer.recv().unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    /// Queues `work` for the writer if there is room, and waits for nothing.
    pub(crate) fn write_later(&self, work: impl FnMut(&mut Connection) -> Result<(), StoreError> + Send + 'static) {
        self.write_later_so(Begin::Serializable, work);
    }

    /// As [`Database::write_later`], for work that itself locks what it reads before it reads it: a ledger's.
    pub(crate) fn write_later_locking(
        &self,
        work: impl FnMut(&mut Connection) -> Result<(), StoreError> + Send + 'static,
    ) {
        self.write_later_so(Begin::Locking, work);
    }

    fn write_later_so(&self, how: Begin, work: impl FnMut(&mut Connection) -> Result<(), StoreError> + Send + 'static) {
        let report = |error: &StoreError| tracing::warn!(%error, "maintenance is left for later");
        let answer = move |outcome: Result<(), StoreError>| {
            let _ = outcome.inspect_err(report);
        };
        let _ = self.submit(how, work, answer).inspect_err(report);
    }

    /// How many connections for reading there are, and how many of them somebody has.
    pub(crate) fn readers(&self) -> (u64, u64) {
        let state = self.readers.state();
        (state.connections.into(), state.connections.saturating_sub(state.idle_connections).into())
    }

    /// Lets the writer finish what is queued and close the database. Later jobs are refused.
    pub(crate) fn close(&self) {
        self.reading.close();
        self.writer.close();
    }

    fn submit<T, E, F, A>(&self, how: Begin, work: F, answer: A) -> Result<(), StoreError>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
        A: FnOnce(Result<T, E>) + Send + 'static,
    {
        let (origin, mut work) = (Origin::current(), work);
        let work = move |connection: &mut Connection| origin.clone().run(|| work(connection));
        self.writer.submit(Box::new(Asked::new(how, work, answer))).inspect_err(|error| {
            if matches!(error, StoreError::Overloaded { .. }) {
                add(&self.counters.overloaded, 1);
            }
        })
    }

    fn overloaded(&self) -> StoreError {
        add(&self.counters.overloaded, 1);
        StoreError::Overloaded { retry_after_s: RETRY_AFTER_S }
    }
}

/// One of a bounded number that wait for their turn or have it; gives its place back when dropped.
pub(crate) struct Waiting {
    counters: Arc<Counters>,
    which: fn(&Counters) -> &AtomicU64,
}

impl Waiting {
    /// Takes a place.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] at once if there are as many as may be.
    pub(crate) fn enter(
        counters: &Arc<Counters>,
        which: fn(&Counters) -> &AtomicU64,
        most: u64,
    ) -> Result<Self, StoreError> {
        let waiting = Self { counters: counters.clone(), which };
        if which(counters).fetch_add(1, Ordering::Relaxed) >= most {
            add(&counters.overloaded, 1);
            return Err(StoreError::Overloaded { retry_after_s: RETRY_AFTER_S });
        }
        Ok(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        (self.which)(&self.counters).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads a database that is there and up to date, in one read transaction, beside whoever serves it.
///
/// # Errors
/// [`OpenError`]; the inner error is the work's.
pub(crate) fn read_existing<T, E: From<StoreError>>(
    settings: &Settings,
    work: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<Result<T, E>, OpenError> {
    let mut connection = Opener::new(settings)?.existing()?;
    Ok(transact(&mut connection, Begin::Reading, work))
}
