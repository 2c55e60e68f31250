//! A connection to either database, and the transactions on it.
//!
//! **Invariant:** the scheme of the URL alone decides which database it is.

use super::{Connection, StoreError};
use crate::settings::{OpenError, Settings, Target};
use diesel::connection::{AnsiTransactionManager, Connection as _, SimpleConnection, TransactionManager};
use diesel::dsl::{select, sql};
use diesel::r2d2::ManageConnection;
use diesel::sql_types::Text;
use diesel::{PgConnection, QueryResult, RunQueryDsl, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

const FOR_SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const FOR_POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Nodes that start at once bring the tables up to date one after the other: the key of the lock that they take.
const MIGRATION_LOCK: i64 = 0x6772_6964_776f_726b;

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// All that it reads is of one moment, and it writes nothing.
    Reading,
    /// It is part of a group that is committed together.
    Savepoint,
    /// As if it were alone; or it is refused, and must be run again.
    Serializable,
    /// It locks what it reads before it reads it.
    Locking,
    /// Not at all: each statement is a transaction of its own.
    Not,
}

/// Opens connections to one database.
#[derive(Debug, Clone)]
pub(crate) struct Opener {
    target: Target,
    busy_timeout_ms: u64,
    statement_timeout_ms: u64,
}

impl Opener {
    /// For the database of these settings.
    pub(crate) fn new(settings: &Settings) -> Result<Self, OpenError> {
        let Settings { busy_timeout_ms, statement_timeout_ms, .. } = *settings;
        Ok(Self { target: settings.target()?, busy_timeout_ms, statement_timeout_ms })
    }

    /// Whether several connections can write at once.
    pub(super) fn has_many_writers(&self) -> bool {
        matches!(self.target, Target::Postgres(_))
    }

    /// Makes the file if there is none, and brings the tables up to date.
    pub(super) fn bring_up_to_date(&self) -> Result<(), OpenError> {
        if let Target::Sqlite(path) = &self.target {
            // For its owner alone: in it lies what is known of people.
            let made = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
            made.map_err(|error| self.failed(diesel::ConnectionError::BadConnection(error.to_string())))?;
        }
        let migrated = match self.writer()? {
            Connection::Sqlite(mut one) => one.run_pending_migrations(FOR_SQLITE).map(|_| ()),
            Connection::Postgres(mut one) => {
                speaks_english(&mut one)?;
                one.batch_execute(&format!(
                    "SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK})"
                ))
                .map_err(refused)?;
                one.run_pending_migrations(FOR_POSTGRES).map(|_| ()) // the lock ends with the connection
            }
        };
        migrated.map_err(|error| OpenError::Migrate(error.to_string()))
    }

    /// A connection for writing.
    ///
    /// On SQLite an acknowledged change needs `synchronous=FULL`: with NORMAL a power cut may take back what was answered.
    pub(crate) fn writer(&self) -> Result<Connection, OpenError> {
        let mut connection = self.establish()?;
        let settings = match &connection {
            Connection::Sqlite(_) => format!(
                "PRAGMA busy_timeout={}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
                 PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY; \
                 PRAGMA case_sensitive_like=ON; PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864;",
                self.busy_timeout_ms
            ),
            Connection::Postgres(_) => self.postgres_settings(),
        };
        connection.batch_execute(&settings).map_err(refused)?;
        Ok(connection)
    }

    /// A connection for reading.
    pub(super) fn reader(&self) -> Result<Connection, OpenError> {
        let mut connection = self.establish()?;
        let settings = match &connection {
            Connection::Sqlite(_) => format!(
                "PRAGMA busy_timeout={}; PRAGMA query_only=ON; PRAGMA case_sensitive_like=ON; PRAGMA cache_size=-8192;",
                self.busy_timeout_ms
            ),
            Connection::Postgres(_) => self.postgres_settings(),
        };
        connection.batch_execute(&settings).map_err(refused)?;
        Ok(connection)
    }

    /// A connection for reading a database that is there and up to date, for as long as it takes.
    pub(super) fn existing(&self) -> Result<Connection, OpenError> {
        if let Target::Sqlite(path) = &self.target
            && !path.is_file()
        {
            return Err(self.failed(diesel::ConnectionError::BadConnection("there is no such file".to_owned())));
        }
        let mut connection = self.reader()?;
        let pending = match &mut connection {
            Connection::Sqlite(one) => one.has_pending_migration(FOR_SQLITE),
            Connection::Postgres(one) => {
                one.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
                    .map_err(refused)?;
                one.has_pending_migration(FOR_POSTGRES)
            }
        };
        match pending {
            Ok(false) => Ok(connection),
            Ok(true) => Err(OpenError::Migrate(
                "the database is of an earlier release: start the server on it first".to_owned(),
            )),
            Err(error) => Err(OpenError::Migrate(error.to_string())),
        }
    }

    fn establish(&self) -> Result<Connection, OpenError> {
        match &self.target {
            Target::Sqlite(path) => SqliteConnection::establish(&path.display().to_string()).map(Connection::Sqlite),
            Target::Postgres(url) => PgConnection::establish(&patient(url)).map(Connection::Postgres),
        }
        .map_err(|source| self.failed(source))
    }

    /// A lock that another holds for long, or a client that went silent within a transaction, ends.
    fn postgres_settings(&self) -> String {
        let (statement, lock) = (self.statement_timeout_ms, self.busy_timeout_ms);
        format!(
            "SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
             SET idle_in_transaction_session_timeout = {statement}; SET client_min_messages = warning; \
             SET jit = off;"
        )
    }

    fn failed(&self, source: diesel::ConnectionError) -> OpenError {
        OpenError::Connect { target: self.target.to_string(), source }
    }
}

impl ManageConnection for Opener {
    type Connection = Connection;
    type Error = OpenError;

    fn connect(&self) -> Result<Connection, OpenError> {
        self.reader()
    }

    /// Not asked: whoever takes a connection finds out by its first statement, which costs no way to the server more.
    fn is_valid(&self, _: &mut Connection) -> Result<(), OpenError> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        std::thread::panicking() || is_broken(connection)
    }
}

/// Whether a connection is of no use any more: the server is gone, or a transaction could not be ended.
pub(super) fn is_broken(connection: &mut Connection) -> bool {
    type Manager = <Connection as diesel::Connection>::TransactionManager;
    let status = Manager::transaction_manager_status_mut(connection);
    !matches!(status.transaction_depth(), Ok(None))
}

/// Notes that a connection is of no use any more: between transactions nothing but a statement's error tells.
pub(super) fn give_up(connection: &mut Connection) {
    type Manager = <Connection as diesel::Connection>::TransactionManager;
    Manager::transaction_manager_status_mut(connection).set_in_error();
}

/// Begins the transaction in which a group of jobs is committed.
pub(super) fn begin_group(connection: &mut Connection) -> QueryResult<()> {
    match connection {
        // A deferred one would fail when it first writes, if another program wrote meanwhile.
        Connection::Sqlite(one) => AnsiTransactionManager::begin_transaction_sql(one, "BEGIN IMMEDIATE"),
        Connection::Postgres(one) => AnsiTransactionManager::begin_transaction(one),
    }
}

/// Runs `work` in a transaction. A panic becomes an error and rolls back.
pub(super) fn transact<T, E: From<StoreError>>(
    connection: &mut Connection,
    how: Begin,
    work: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    begin(connection, how)?;
    finish(connection, how, work)
}

/// Runs `work` in the transaction that was begun, and ends it.
pub(super) fn finish<T, E: From<StoreError>>(
    connection: &mut Connection,
    how: Begin,
    work: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    type Manager = <Connection as diesel::Connection>::TransactionManager;
    let done = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| Err(StoreError::Panicked.into()));
    match done {
        done if how == Begin::Not => done,
        Ok(done) => {
            Manager::commit_transaction(connection).map_err(|error| match StoreError::from(error) {
                // Perhaps it arrived, perhaps not: who asked finds out by asking again.
                StoreError::Unavailable { .. } => StoreError::Uncertain,
                error => error,
            })?;
            Ok(done)
        }
        Err(error) => {
            if let Err(error) = Manager::rollback_transaction(connection) {
                tracing::debug!(%error, "a transaction that failed ended by itself");
            }
            Err(error)
        }
    }
}

/// Begins a transaction.
pub(super) fn begin(connection: &mut Connection, how: Begin) -> Result<(), StoreError> {
    type Manager = <Connection as diesel::Connection>::TransactionManager;
    let begun = match (connection, how) {
        (_, Begin::Not) => Ok(()),
        (Connection::Postgres(one), Begin::Reading) => AnsiTransactionManager::begin_transaction_sql(
            one,
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        ),
        (Connection::Postgres(one), Begin::Serializable) => {
            AnsiTransactionManager::begin_transaction_sql(one, "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        }
        (Connection::Postgres(one), Begin::Locking) => {
            AnsiTransactionManager::begin_transaction_sql(one, "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED")
        }
        (connection, _) => Manager::begin_transaction(connection),
    };
    begun.map_err(StoreError::from)
}

/// Waits no longer for a host that has gone without a word, unless the URL says how long: libpq's own defaults are hours.
fn patient(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in [
        ("connect_timeout", "5"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "30000"),
    ] {
        if !url.contains(&format!("{name}=")) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={value}"));
        }
    }
    url
}

/// Which errors pass is known by their English words.
fn speaks_english(connection: &mut PgConnection) -> Result<(), OpenError> {
    let language = select(sql::<Text>("current_setting('lc_messages')"));
    let language: String = language.get_result(connection).map_err(refused)?;
    if ["", "C", "POSIX"].contains(&language.as_str()) || language.starts_with("C.") || language.starts_with("en") {
        return Ok(());
    }
    Err(OpenError::Language(language))
}

pub(super) fn refused(error: diesel::result::Error) -> OpenError {
    OpenError::Prepare(error.into())
}
