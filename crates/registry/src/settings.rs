//! Which database, and how much of the machine it may take.
//!
//! **Invariant:** the scheme of the URL alone decides the kind of database; a wrong one is refused with the reason
//! before anything is opened.

use crate::database::StoreError;
use diesel::result::ConnectionError;
use std::path::PathBuf;

/// Connections for reading, unless a setting says otherwise: more than the cores of a small computer only queue.
const READERS: u32 = 4;
/// Jobs that wait for the writer, unless a setting says otherwise: at a thousand durable jobs per second, one second.
const WRITER_QUEUE: usize = 1_024;
/// How long to wait for another process that holds the database's lock.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// Where the registry lies and how it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `sqlite:PATH`. The file is made if there is none; its folder must be there.
    pub database_url: String,
    /// Connections for reading.
    pub readers: u32,
    /// Jobs that may wait for the writer; what comes beyond is refused as overload.
    pub writer_queue: usize,
    /// How long to wait for another process that holds the database's lock.
    pub busy_timeout_ms: u64,
}

impl Settings {
    /// The database at this URL, with defaults for everything else.
    pub fn new(database_url: impl Into<String>) -> Self {
        Self {
            database_url: database_url.into(),
            readers: READERS,
            writer_queue: WRITER_QUEUE,
            busy_timeout_ms: BUSY_TIMEOUT_MS,
        }
    }

    /// The file of an SQLite database.
    pub(crate) fn path(&self) -> Result<PathBuf, OpenError> {
        match self.database_url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(PathBuf::from(path)),
            Some(("postgres" | "postgresql", _)) => Err(OpenError::NotInThisRelease),
            _ => Err(OpenError::Url),
        }
    }
}

/// Why the registry cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a database URL. The URL itself is not repeated, as it may hold a password.
    #[error("the database URL must read sqlite:PATH, such as sqlite:gridwork.db")]
    Url,
    /// PostgreSQL.
    #[error("PostgreSQL is not in this release: set the database URL to sqlite:PATH")]
    NotInThisRelease,
    /// The file cannot be opened.
    #[error("cannot open the database file {path}: is its folder there, and writable?")]
    Connect {
        /// The file.
        path: String,
        /// What the database says.
        #[source]
        source: ConnectionError,
    },
    /// The readers cannot be opened.
    #[error("cannot open the database for reading: {0}")]
    Readers(String),
    /// The tables cannot be brought up to date.
    #[error("cannot bring the tables up to date: {0}")]
    Migrate(String),
    /// The database refuses what opening needs, or there are no random bytes for the id of a new one.
    #[error("cannot prepare the database")]
    Prepare(#[source] StoreError),
    /// No thread for the writer.
    #[error("the operating system gave no thread for the writer")]
    Thread(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_decides_and_a_wrong_one_is_refused_with_what_would_be_right() {
        let path = |url: &str| Settings::new(url).path().map_err(|error| error.to_string());
        assert_eq!(path("sqlite:data/gridwork.db"), Ok(PathBuf::from("data/gridwork.db")));
        assert_eq!(
            path("postgres://u:p@host/db"),
            Err("PostgreSQL is not in this release: set the database URL to sqlite:PATH".to_owned())
        );
        for wrong in ["", "gridwork.db", "sqlite:", "mysql://x", "SQLITE:x"] {
            assert!(path(wrong).is_err_and(|message| message.contains("sqlite:PATH")), "{wrong}");
        }
    }
}
