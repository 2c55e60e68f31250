//! One database: many readers, each with one consistent view, and one writer.
//!
//! Nothing outside this module knows which database it is: the rest is written against [`Connection`], with
//! portable column types. It does not know what the tables hold.
//!
//! A row of a whole unique key is read with `get_result`, not with `first`: that adds `LIMIT ?`, and SQLite compiles a
//! statement with a bound limit anew each time that it runs (measured: it doubled the time of a bulk import).
//!
//! **Invariant:** whoever was answered by [`Database::write`] finds what was written, also after a power cut.

mod blob;
mod writer;

pub(crate) use blob::{Blob, DocumentBlob, HashBlob, Id, PlaceBlob};

use crate::figures::{Counters, add};
use crate::settings::{OpenError, Settings};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::{Connection as _, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use writer::{Job, Writer};

/// A connection, of whichever database it is.
pub(crate) type Connection = SqliteConnection;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Requests that wait for a reader; beyond, a request is refused instead of waiting for its client's patience to end.
const MOST_WAITING_READS: u64 = 1_024;
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
    /// The database refused.
    #[error("the database refused a statement")]
    Database(#[source] Arc<diesel::result::Error>),
    /// A row that this release cannot have written.
    #[error("the registry holds what cannot be read, run verify: {0}")]
    Unreadable(String),
    /// A defect of this program. Nothing was kept.
    #[error("the registry gave up on a request because of a defect of its own")]
    Panicked,
    /// The operating system has no random bytes.
    #[error("the operating system gave no random bytes")]
    Entropy,
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// The database.
pub(crate) struct Database {
    readers: Pool<ConnectionManager<Connection>>,
    reading: Arc<Semaphore>,
    writer: Writer,
    counters: Arc<Counters>,
}

impl Database {
    /// Opens the database, brings its tables up to date, and runs `prepare` before anybody reads.
    pub(crate) fn open<T>(
        settings: &Settings,
        counters: Arc<Counters>,
        prepare: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<(Self, T), OpenError> {
        let path = settings.path()?.display().to_string();
        let busy_timeout_ms = settings.busy_timeout_ms;
        // For its owner alone: in it lies what is known of people.
        let made = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        made.map_err(|error| OpenError::Connect {
            path: path.clone(),
            source: diesel::result::ConnectionError::BadConnection(error.to_string()),
        })?;
        let mut connection = open_writer(&path, busy_timeout_ms)?;
        connection.run_pending_migrations(MIGRATIONS).map_err(|error| OpenError::Migrate(error.to_string()))?;
        let prepared = in_transaction(&mut connection, prepare).map_err(OpenError::Prepare)?;
        let readers = Pool::builder()
            .max_size(settings.readers.max(1))
            .connection_timeout(Duration::from_millis(busy_timeout_ms.max(1)))
            .connection_customizer(Box::new(Reader { busy_timeout_ms }))
            .build(ConnectionManager::new(path.clone()))
            .map_err(|error| OpenError::Readers(error.to_string()))?;
        let reopen = move || open_writer(&path, busy_timeout_ms);
        let writer =
            Writer::start(connection, reopen, settings.writer_queue, counters.clone()).map_err(OpenError::Thread)?;
        let reading = Arc::new(Semaphore::new(settings.readers.max(1) as usize));
        Ok((Self { readers, reading, writer, counters }, prepared))
    }

    /// Runs `work` in one read transaction: all that it reads is of one moment.
    pub(crate) async fn read<T, E, F>(self: &Arc<Self>, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let waiting = Waiting::enter(&self.counters, |counters| &counters.waiting_reads, MOST_WAITING_READS)?;
        let turn = self.reading.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let database = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _held = (waiting, turn); // also if whoever asked has gone
            let mut connection = database.readers.get().map_err(|_| database.overloaded())?;
            in_transaction(&mut connection, work)
        });
        reading.await.unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    /// Runs `work` on the writer; when this returns `Ok`, what it wrote is durable. If it fails, nothing was written.
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer_to, answer) = oneshot::channel();
        // Whoever asked may have gone; what was written stays.
        self.submit(work, move |outcome| drop(answer_to.send(outcome)))?;
        // A job that was dropped without an answer never ran: the group could not begin.
        answer.await.unwrap_or_else(|_| Err(self.overloaded().into()))
    }

    /// As [`Database::write`], for a thread that may block.
    pub(crate) fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer_to, answer) = std::sync::mpsc::sync_channel(1);
        self.submit(work, move |outcome| drop(answer_to.send(outcome)))?;
        answer.recv().unwrap_or_else(|_| Err(self.overloaded().into()))
    }

    /// Queues `work` for the writer if there is room, and waits for nothing.
    pub(crate) fn write_later(&self, work: impl FnOnce(&mut Connection) -> Result<(), StoreError> + Send + 'static) {
        let report = |error: &StoreError| tracing::warn!(%error, "maintenance is left for later");
        let answer = move |outcome: Result<(), StoreError>| {
            let _ = outcome.inspect_err(report);
        };
        let _ = self.submit(work, answer).inspect_err(report);
    }

    /// Lets the writer finish what is queued and close the database. Later jobs are refused.
    pub(crate) fn close(&self) {
        self.reading.close();
        self.writer.close();
    }

    fn submit<T, E, F, A>(&self, work: F, answer: A) -> Result<(), StoreError>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        A: FnOnce(Result<T, E>) + Send + 'static,
    {
        let job: Job = Box::new(move |connection| {
            let outcome = in_transaction(connection, work);
            let done = outcome.is_ok();
            let answer = move |committed: Result<(), StoreError>| {
                answer(outcome.and_then(|done| committed.map(|()| done).map_err(E::from)));
            };
            (done, Box::new(answer))
        });
        self.writer.submit(job).inspect_err(|error| {
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

/// Runs `work` in a transaction, or in a savepoint where there is one. A panic becomes an error and rolls back.
pub(crate) fn in_transaction<T, E, F>(connection: &mut Connection, work: F) -> Result<T, E>
where
    E: From<StoreError>,
    F: FnOnce(&mut Connection) -> Result<T, E>,
{
    let done = connection.transaction(|connection| {
        catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|_| Err(StoreError::Panicked.into()))
            .map_err(Failed::Work)
    });
    done.map_err(|failed| match failed {
        Failed::Work(error) => error,
        Failed::Store(error) => StoreError::from(error).into(),
    })
}

/// Opens a database for reading alone, without bringing its tables up to date.
pub(crate) fn open_reader(settings: &Settings) -> Result<Connection, OpenError> {
    let path = settings.path()?;
    let missing = |source| OpenError::Connect { path: path.display().to_string(), source };
    if !path.is_file() {
        return Err(missing(diesel::result::ConnectionError::BadConnection("there is no such file".to_owned())));
    }
    let mut connection = Connection::establish(&path.display().to_string()).map_err(missing)?;
    read_only(&mut connection, settings.busy_timeout_ms).map_err(refused)?;
    let pending = connection.pending_migrations(MIGRATIONS).map_err(|error| OpenError::Migrate(error.to_string()))?;
    if pending.is_empty() {
        Ok(connection)
    } else {
        Err(OpenError::Migrate("the database is of an earlier release: start the server on it first".to_owned()))
    }
}

enum Failed<E> {
    Work(E),
    Store(diesel::result::Error),
}

impl<E> From<diesel::result::Error> for Failed<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error)
    }
}

/// An acknowledged change needs `synchronous=FULL`: with NORMAL a power cut may take back what was answered.
fn open_writer(path: &str, busy_timeout_ms: u64) -> Result<Connection, OpenError> {
    let mut connection =
        Connection::establish(path).map_err(|source| OpenError::Connect { path: path.to_owned(), source })?;
    let pragmas = format!(
        "PRAGMA busy_timeout={busy_timeout_ms}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
         PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY; \
         PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864;"
    );
    connection.batch_execute(&pragmas).map_err(refused)?;
    Ok(connection)
}

fn refused(error: diesel::result::Error) -> OpenError {
    OpenError::Prepare(error.into())
}

fn read_only(connection: &mut Connection, busy_timeout_ms: u64) -> Result<(), diesel::result::Error> {
    let pragmas = format!("PRAGMA busy_timeout={busy_timeout_ms}; PRAGMA query_only=ON; PRAGMA cache_size=-8192;");
    connection.batch_execute(&pragmas)
}

#[derive(Debug)]
struct Reader {
    busy_timeout_ms: u64,
}

impl CustomizeConnection<Connection, diesel::r2d2::Error> for Reader {
    fn on_acquire(&self, connection: &mut Connection) -> Result<(), diesel::r2d2::Error> {
        read_only(connection, self.busy_timeout_ms).map_err(diesel::r2d2::Error::QueryError)
    }
}
