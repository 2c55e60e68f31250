//! The server of the demo: one process, or several nodes over one database behind an entrance.
//!
//! **Invariant:** whichever node is killed, the address for everybody stays the same.

use super::entrance::Entrance;
use super::processes::Server;
use gridwork_registry::{Settings, TemporaryDatabase};
use rand::{Rng, RngExt};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;

/// Settings that all nodes share, by the names of their variables.
pub(crate) type Shared = Vec<(&'static str, String)>;

/// All nodes.
pub(crate) struct Nodes {
    servers: Vec<Server>,
    entrance: Option<Entrance>,
    killed: AtomicU64,
}

impl Nodes {
    /// Starts so many nodes; with several, each has a folder of its own within `folder`, and `port` is the entrance's.
    ///
    /// # Errors
    /// One does not start, or is not ready in time.
    pub(crate) fn start(
        runtime: &Runtime,
        count: usize,
        folder: &Path,
        shared: &Shared,
        port: u16,
    ) -> io::Result<Self> {
        let killed = AtomicU64::new(0);
        if count == 1 {
            let servers = vec![Server::start(folder, shared, port)?];
            return Ok(Self { servers, entrance: None, killed });
        }
        let mut servers = Vec::new();
        for number in 1..=count {
            let own = folder.join(format!("node-{number}"));
            std::fs::create_dir_all(&own)?;
            servers.push(Server::start(&own, shared, 0)?);
        }
        let addresses: Vec<_> = servers.iter().map(Server::address).collect();
        let entrance = Some(runtime.block_on(Entrance::open(&addresses, port))?);
        Ok(Self { servers, entrance, killed })
    }

    /// Where everybody comes in.
    pub(crate) fn address(&self) -> SocketAddr {
        let only = || self.servers.first().map(Server::address);
        let address = self.entrance.as_ref().map(Entrance::address).or_else(only);
        address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.servers.len() as u64
    }

    /// Ends one of them, by chance, with SIGKILL and starts it again.
    ///
    /// # Errors
    /// It does not start again.
    pub(crate) fn kill_and_restart_one(&self, random: &mut impl Rng) -> io::Result<()> {
        let one = if self.servers.len() > 1 { random.random_range(0..self.servers.len()) } else { 0 };
        self.killed.fetch_add(1, Ordering::Relaxed);
        self.servers.get(one).map_or(Ok(()), Server::kill_and_restart)
    }

    /// How often one was killed so far.
    pub(crate) fn killed(&self) -> u64 {
        self.killed.load(Ordering::Relaxed)
    }

    /// Waits until all processes end by themselves, as when the terminal's interrupt reaches them.
    ///
    /// # Errors
    /// One cannot be waited for.
    pub(crate) fn wait(&self) -> io::Result<()> {
        self.servers.iter().try_for_each(Server::wait)
    }
}

/// The registry: a database of its own, or else a file in the demo's folder.
pub(crate) fn registry_settings(dir: &Path, database: Option<&TemporaryDatabase>) -> Settings {
    let file = || format!("sqlite:{}", dir.join("registry").join("registry.sqlite").display());
    Settings::new(database.map_or_else(file, |database| database.url().to_owned()))
}

/// What all nodes are told: where the registry is and Redis, the same sealing keys, and one secret, so that whoever signed in at
/// one of them is signed in at all.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn shared_settings(database: Option<&TemporaryDatabase>, redis: Option<&str>) -> io::Result<Shared> {
    let mut shared = Shared::new();
    if let Some(database) = database {
        let mut random = [0u8; 32];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let secret = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let keys = crate::keys::make().map_err(|error| io::Error::other(error.to_string()))?;
        shared.extend([("DATABASE_URL", database.url().to_owned()), ("GRIDWORK_TOKEN_SECRET", secret)]);
        shared.push(("GRIDWORK_SEALING_KEYS", keys));
    }
    shared.extend(redis.map(|url| ("REDIS_URL", url.to_owned())));
    Ok(shared)
}
