//! A PostgreSQL database that is made for one purpose and taken away again.
//!
//! It does not know what is kept in it.
//!
//! **Invariant:** it takes away no database that it did not make.

use crate::entropy::random;
use crate::settings::{OpenError, Settings, Target};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use std::fmt::Write;

/// A database of its own on a PostgreSQL server; taken away when dropped, also from under who is still connected.
#[derive(Debug)]
pub struct TemporaryDatabase {
    server_url: String,
    name: String,
    url: String,
}

impl TemporaryDatabase {
    /// Makes a database beside the one of this URL, whose user may make databases. Its name is `purpose`, of lower-case
    /// letters and underscores, and something random.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub fn make(server_url: &str, purpose: &str) -> Result<Self, OpenError> {
        let target = Settings::new(server_url).target()?;
        let is_word = |purpose: &str| purpose.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let (Target::Postgres(_), true) = (&target, is_word(purpose)) else { return Err(OpenError::Url) };
        let bytes: [u8; 6] = random().map_err(OpenError::Prepare)?;
        let name = bytes.iter().fold(format!("{purpose}_"), |mut name, byte| {
            let _ = write!(name, "{byte:02x}"); // a text takes what is written
            name
        });
        let failed = |source| OpenError::Connect { target: target.to_string(), source };
        let mut server = PgConnection::establish(server_url).map_err(failed)?;
        let made = server.batch_execute(&format!("CREATE DATABASE {name}"));
        made.map_err(|error| OpenError::Prepare(error.into()))?;
        Ok(Self { server_url: server_url.to_owned(), url: beside(server_url, &name), name })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TemporaryDatabase {
    fn drop(&mut self) {
        let dropped =
            PgConnection::establish(&self.server_url).map_err(|error| error.to_string()).and_then(|mut one| {
                let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
                one.batch_execute(&sql).map_err(|error| error.to_string())
            });
        if let Err(error) = dropped {
            tracing::warn!(name = self.name, error, "a temporary database is left over: drop it by hand");
        }
    }
}

/// The URL of another database of the same server.
fn beside(url: &str, name: &str) -> String {
    let (place, parameters) = url.split_once('?').map_or((url, None), |(place, rest)| (place, Some(rest)));
    let begin = place.find("://").map_or(0, |scheme| scheme + 3);
    let host = place[begin..].find('/').map_or(place, |path| &place[..begin + path]);
    parameters.map_or_else(|| format!("{host}/{name}"), |parameters| format!("{host}/{name}?{parameters}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_of_the_same_server_has_the_rest_of_its_url() {
        for (url, expected) in [
            ("postgres://u:p@host:5432/db", "postgres://u:p@host:5432/new"),
            ("postgres://host", "postgres://host/new"),
            ("postgres://u@/db?host=/run&sslmode=require", "postgres://u@/new?host=/run&sslmode=require"),
        ] {
            assert_eq!(beside(url, "new"), expected);
        }
    }

    #[test]
    fn no_other_database_than_postgresql_and_no_other_name_is_made() {
        for (url, purpose) in [("sqlite:x", "demo"), ("postgres://127.0.0.1/x", "demo; DROP TABLE")] {
            assert!(matches!(TemporaryDatabase::make(url, purpose), Err(OpenError::Url)), "{url} {purpose}");
        }
    }

    #[test]
    fn it_is_there_until_it_is_dropped() {
        let Some(server) = std::env::var("GRIDWORK_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else { return };
        let made = TemporaryDatabase::make(&server, "gridwork_test").expect("a database");
        let url = made.url().to_owned();
        let _still_connected = PgConnection::establish(&url).expect("it is there");
        drop(made);
        assert!(PgConnection::establish(&url).is_err(), "it is gone");
    }
}
