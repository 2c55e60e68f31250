//! Which database, and how much of the machine it may take.
//!
//! **Invariant:** the scheme of the URL alone decides the kind of database; a wrong one is refused with the reason
//! before anything is opened.

use crate::database::StoreError;
use diesel::result::ConnectionError;
use gridwork_domain::sealed_number::KeyId;
use gridwork_sealing::Keyring;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Connections for reading, unless a setting says otherwise: more than the cores of a small computer only queue.
const READERS: u32 = 4;
/// Jobs that wait for the writer, unless a setting says otherwise: at a thousand durable jobs per second, one second.
const WRITER_QUEUE: usize = 1_024;
/// Connections for writing to PostgreSQL, unless a setting says otherwise: while one waits for its commit to reach the
/// disk, others work.
const WRITERS: u32 = 8;
/// How long to wait for another process that holds the database's lock.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// How long one statement may take on PostgreSQL: the longest of an import of thousands of residents takes seconds.
const STATEMENT_TIMEOUT_MS: u64 = 30_000;

/// Where the registry lies and how it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `sqlite:PATH`: the file is made if there is none, and its folder must be there. Or `postgres://USER@HOST/NAME`, as
    /// libpq reads it.
    pub database_url: String,
    /// Connections for reading.
    pub readers: u32,
    /// Connections for writing to PostgreSQL; SQLite has one writer.
    pub writers: u32,
    /// Jobs that may wait for the writer; what comes beyond is refused as overload.
    pub writer_queue: usize,
    /// How long to wait for another process that holds the database's lock, and for a free connection.
    pub busy_timeout_ms: u64,
    /// How long one statement may take on PostgreSQL before it is given up.
    pub statement_timeout_ms: u64,
    /// The keys that seal and open citizen numbers; without them nothing is opened, and what is recorded waits for a start
    /// with them.
    pub sealing: Option<Arc<Keyring>>,
}

/// A database, by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// A URL as libpq reads it. It may hold a password.
    Postgres(String),
}

impl fmt::Display for Target {
    /// As it may be logged: without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "the database file {}", path.display()),
            Self::Postgres(url) => {
                let place = url.split_once("://").map_or("", |(_, rest)| rest).split('?').next().unwrap_or_default();
                write!(f, "PostgreSQL at {}", place.rsplit_once('@').map_or(place, |(_, place)| place))
            }
        }
    }
}

impl Settings {
    /// The database at this URL, with defaults for everything else.
    pub fn new(database_url: impl Into<String>) -> Self {
        Self {
            database_url: database_url.into(),
            readers: READERS,
            writers: WRITERS,
            writer_queue: WRITER_QUEUE,
            busy_timeout_ms: BUSY_TIMEOUT_MS,
            statement_timeout_ms: STATEMENT_TIMEOUT_MS,
            sealing: None,
        }
    }

    /// Whether the URL names a database that can be opened.
    ///
    /// # Errors
    /// [`OpenError::Url`] or [`OpenError::NoAuthorities`], which say how it must read.
    pub fn check_url(&self) -> Result<(), OpenError> {
        self.target().map(|_| ())
    }

    /// The database.
    pub(crate) fn target(&self) -> Result<Target, OpenError> {
        match self.database_url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Target::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                if rest.contains("sslrootcert=system") {
                    return Err(OpenError::NoAuthorities);
                }
                Ok(Target::Postgres(self.database_url.clone()))
            }
            _ => Err(OpenError::Url),
        }
    }
}

/// Why the registry cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a database URL. The URL itself is not repeated, as it may hold a password.
    #[error("the database URL must read sqlite:PATH, such as sqlite:gridwork.db, or postgres://USER@HOST/NAME")]
    Url,
    /// The libpq that is built in looks for the machine's authorities where no machine keeps them.
    #[error(
        "sslrootcert=system is not known here: name the file of the authorities, such as \
         sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt"
    )]
    NoAuthorities,
    /// The file or the server cannot be reached.
    #[error("cannot open {target}: is the file's folder there and writable, or the server up, and the password right?")]
    Connect {
        /// Which database, without a password.
        target: String,
        /// What the database says.
        #[source]
        source: ConnectionError,
    },
    /// Its messages are in another language than English.
    #[error("PostgreSQL words its errors in {0}: let a superuser say ALTER DATABASE name SET lc_messages = 'C'")]
    Language(String),
    /// The readers cannot be opened.
    #[error("cannot open the database for reading: {0}")]
    Readers(String),
    /// The tables cannot be brought up to date.
    #[error("cannot bring the tables up to date: {0}")]
    Migrate(String),
    /// The database refuses what opening needs, or there are no random bytes for the id of a new one.
    #[error("cannot prepare the database")]
    Prepare(#[source] StoreError),
    /// A key is missing that citizen numbers may be sealed to.
    #[error(
        "this node lacks the sealing key {0}, to which citizen numbers of this registry are sealed: put back the file \
         sealing-keys, or give all nodes the same GRIDWORK_SEALING_KEYS"
    )]
    SealingKey(KeyId),
    /// Numbers are found by another key.
    #[error(
        "citizen numbers of this registry are found by the lookup key {0}, and this node has another: put back the file \
         sealing-keys, or give all nodes the same GRIDWORK_SEALING_KEYS"
    )]
    LookupKey(KeyId),
    /// No thread for the writer.
    #[error("the operating system gave no thread for the writer")]
    Thread(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_decides_and_a_wrong_one_is_refused_with_what_would_be_right() {
        let target = |url: &str| Settings::new(url).target().map_err(|error| error.to_string());
        assert_eq!(target("sqlite:data/gridwork.db"), Ok(Target::Sqlite(PathBuf::from("data/gridwork.db"))));
        let url = "postgres://u:p@host/db";
        assert_eq!(target(url), Ok(Target::Postgres(url.to_owned())));
        let unknown = target("postgres://host/db?sslmode=verify-full&sslrootcert=system");
        assert!(unknown.is_err_and(|message| message.contains("ca-certificates.crt")));
        for wrong in ["", "gridwork.db", "sqlite:", "mysql://x", "SQLITE:x", "postgres:x"] {
            assert!(target(wrong).is_err_and(|message| message.contains("sqlite:PATH")), "{wrong}");
        }
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        let named = |url: &str| Settings::new(url).target().expect("a database").to_string();
        assert_eq!(named("postgres://user:se@cret@host:5432/db?sslmode=require"), "PostgreSQL at host:5432/db");
        assert_eq!(named("postgresql://host/db"), "PostgreSQL at host/db");
        assert_eq!(named("sqlite:x.db"), "the database file x.db");
    }
}
