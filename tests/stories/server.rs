//! The real server in a process of its own: started, killed, started again, asked to end.

use crate::program;
use crate::waiting::until;
use std::fs::{File, read_to_string};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// The server is ready within this time, or the story fails.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The first port that is tried: below those that the kernel gives to clients, so that none of them is in the way when
/// a server comes back on its port.
const FIRST_PORT: u16 = 20_000;

static PORTS_TAKEN: AtomicU16 = AtomicU16::new(0);

/// A server on a folder; killed when dropped.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    address: SocketAddr,
    metrics: SocketAddr,
    settings: Vec<(String, String)>,
}

impl Server {
    /// Starts a server on the registry in the folder, and waits until it is ready.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// Starts a server with further settings.
    pub(crate) fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (address, metrics) = (free_address(), free_address());
        let process = spawn(folder, address, metrics, &settings);
        let mut server = Self { process, folder: folder.to_owned(), address, metrics, settings };
        server.wait_until_ready();
        server
    }

    /// Where the API listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the API.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a Prometheus server would read.
    pub(crate) fn metrics(&self) -> String {
        let mut response = ureq::get(format!("http://{}/metrics", self.metrics)).call().expect("metrics");
        response.body_mut().read_to_string().expect("text")
    }

    /// SIGKILL: the process ends where it stands.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("a process to kill");
        self.process.wait().expect("it ended");
    }

    /// Starts the server again where it was, after it was killed.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.folder, self.address, self.metrics, &self.settings);
        self.wait_until_ready();
    }

    /// SIGTERM, without waiting for the end.
    pub(crate) fn ask_to_end(&self) {
        let id = self.process.id().to_string();
        let status = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().expect("a shell");
        assert!(status.success());
    }

    /// Waits for the end that was asked for.
    pub(crate) fn wait_for_end(mut self) -> ExitStatus {
        until("the server ends", Duration::from_secs(20), || self.process.try_wait().expect("a process"))
    }

    /// Ends the server in order, so that its files can be looked at.
    pub(crate) fn end(self) {
        self.ask_to_end();
        assert!(self.wait_for_end().success());
    }

    /// Whether somebody who comes now is let in.
    pub(crate) fn listens(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
    }

    /// The most memory that the process has held so far.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let status = read_to_string(format!("/proc/{}/status", self.process.id())).expect("the server lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line for the peak");
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB");
        kilobytes * 1024
    }

    fn wait_until_ready(&mut self) {
        let ready = format!("{}/health/ready", self.url());
        until("the server is ready", READY_WITHIN, || {
            let ended = self.process.try_wait().expect("a process");
            assert!(ended.is_none(), "the server ended: {}", read_to_string(log(&self.folder)).unwrap_or_default());
            ureq::get(&ready).call().ok()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            println!("--- server\n{}", read_to_string(log(&self.folder)).unwrap_or_default());
        }
    }
}

fn spawn(folder: &Path, address: SocketAddr, metrics: SocketAddr, settings: &[(String, String)]) -> Child {
    let log = File::options().create(true).append(true).open(log(folder)).expect("a log");
    program::about(folder, &["serve"])
        .env("GRIDWORK_ADDRESS", address.to_string())
        .env("GRIDWORK_METRICS_ADDRESS", metrics.to_string())
        .env("GRIDWORK_ADMINISTRATOR_TOTP", "optional")
        .envs(settings.iter().cloned())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("the server starts")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

/// An address of this machine on which nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    let offset = u16::try_from(std::process::id() % 50).expect("below 50") * 200;
    loop {
        let port = FIRST_PORT + offset + PORTS_TAKEN.fetch_add(1, Ordering::Relaxed) % 2_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
