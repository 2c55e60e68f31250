//! Where a registry lies: a file in its folder, or with GRIDWORK_TEST_POSTGRES a database of its own on that server.
//!
//! Stories that damage or fill a file say so, and have one on either run.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The setting of a server on the registry in a folder, if it is not the file.
pub(crate) fn url(folder: &Path) -> Option<String> {
    std::fs::read_to_string(marker(folder)).ok()
}

/// Makes a database for the registry in a folder, if the stories run on PostgreSQL.
pub(crate) fn make(folder: &Path) {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let Some(server) = server() else { return };
    let name = format!("story_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    on(&server, &format!("CREATE DATABASE {name}"));
    let (host, _) = server.rsplit_once('/').expect("a URL with a database");
    place(folder, &format!("{host}/{name}"));
}

/// From now on the registry of a folder lies there.
pub(crate) fn place(folder: &Path, url: &str) {
    std::fs::write(marker(folder), url).expect("a file");
}

/// Takes it away again.
pub(crate) fn unmake(folder: &Path) {
    if let Some((server, name)) = database(folder)
        && let Ok(mut connection) = PgConnection::establish(&server)
    {
        // A server that was killed may still be connected.
        let _ = connection.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }
}

/// Puts an empty database in its place; a file stays.
pub(crate) fn empty(folder: &Path) {
    if let Some((server, name)) = database(folder) {
        on(&server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        on(&server, &format!("CREATE DATABASE {name}"));
    }
}

/// The server and the name of a folder's database.
fn database(folder: &Path) -> Option<(String, String)> {
    let (server, url) = (server()?, url(folder)?);
    let (host, _) = server.rsplit_once('/')?;
    let name = url.strip_prefix(host)?.strip_prefix('/')?.to_owned();
    Some((server, name))
}

/// Whether a database of that name is on a server.
pub(crate) fn is_there(server: &str, name: &str) -> bool {
    let (host, _) = server.rsplit_once('/').expect("a URL with a database");
    PgConnection::establish(&format!("{host}/{name}")).is_ok()
}

/// The PostgreSQL server of this run, if it is one on PostgreSQL.
pub(crate) fn server() -> Option<String> {
    std::env::var("GRIDWORK_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

fn marker(folder: &Path) -> PathBuf {
    folder.join("database-url")
}

fn on(server: &str, sql: &str) {
    PgConnection::establish(server).expect("the server of the tests").batch_execute(sql).expect("it is done");
}
