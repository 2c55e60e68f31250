//! A new database for each test: a file, or with GRIDWORK_TEST_POSTGRES a database of that server.

use super::fresh;
use crate::Settings;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use gridwork_sealing::Keyring;
use std::sync::Arc;
use tempfile::TempDir;

/// The URL of a server on which databases can be made, if the tests run on PostgreSQL.
pub(crate) fn server() -> Option<String> {
    std::env::var("GRIDWORK_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// The keys of every registry in tests.
pub(crate) fn keys() -> Keyring {
    Keyring::new([[7; 32], [8; 32]])
}

fn settings(url: String) -> Settings {
    Settings { sealing: Some(Arc::new(keys())), ..Settings::new(url) }
}

/// A database that nobody else uses; it goes with this.
pub(crate) struct Database {
    pub(crate) settings: Settings,
    _folder: TempDir,
    name: Option<(String, String)>,
}

impl Database {
    pub(crate) fn new() -> Self {
        let Some(server) = server() else { return Self::file() };
        let folder = tempfile::tempdir().unwrap();
        let name = format!("registry_{}_{}", std::process::id(), u64::from_be_bytes(fresh()[8..].try_into().unwrap()));
        PgConnection::establish(&server).unwrap().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let (host, _) = server.rsplit_once('/').unwrap();
        let settings = Settings { writers: 4, ..settings(format!("{host}/{name}")) };
        Self { settings, _folder: folder, name: Some((server, name)) }
    }

    /// A file, whatever the tests run on: for what only a database with one writer does.
    pub(crate) fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("registry.db").display());
        Self { settings: settings(url), _folder: folder, name: None }
    }

    /// Runs raw SQL, with blobs written as `x'00'`.
    pub(crate) fn damage(&self, sql: &str) {
        let url = &self.settings.database_url;
        if self.name.is_some() {
            let zeros = |count: usize| format!("x'{}'", "00".repeat(count));
            let sql = sql.replace("zeroblob(16)", &zeros(16)).replace("zeroblob(32)", &zeros(32));
            let sql = sql.replace("x'", r"bytea '\x").replace("AS BLOB", "AS bytea");
            PgConnection::establish(url).unwrap().batch_execute(&sql).unwrap();
        } else {
            let path = url.trim_start_matches("sqlite:");
            SqliteConnection::establish(path).unwrap().batch_execute(sql).unwrap();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.name
            && let Ok(mut connection) = PgConnection::establish(server)
        {
            let _ = connection.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}
