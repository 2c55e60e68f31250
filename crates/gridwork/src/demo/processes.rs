//! The demo's child processes: servers, and a process for each step of each phone. All of them can be killed.

use super::nodes::{Nodes, Shared};
use super::worker::Step;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The server is ready within this time, or the demo gives up.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often a child is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(4);
/// Times that one phone is begun again before the demo gives up on it.
const MOST_ATTEMPTS: u32 = 40;

/// A server's process, begun again on the same port whenever it is killed.
pub(crate) struct Server {
    address: SocketAddr,
    folder: PathBuf,
    shared: Shared,
    process: Mutex<Child>,
}

impl Server {
    /// Starts the server on the registry in `folder`, unless the settings say where it is, on `port` or on a free one.
    ///
    /// # Errors
    /// It does not start, or is not ready in time.
    pub(crate) fn start(folder: &Path, shared: &Shared, port: u16) -> io::Result<Self> {
        let address = TcpListener::bind(("127.0.0.1", port))?.local_addr()?;
        let process = Mutex::new(spawn_server(folder, shared, address)?);
        let server = Self { address, folder: folder.to_owned(), shared: shared.clone(), process };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the process with SIGKILL and starts it again.
    ///
    /// # Errors
    /// It does not start again.
    pub(crate) fn kill_and_restart(&self) -> io::Result<()> {
        {
            let mut process = lock(&self.process);
            process.kill()?;
            process.wait()?;
            *process = spawn_server(&self.folder, &self.shared, self.address)?;
        }
        self.wait_until_ready()
    }

    /// Waits until the process ends by itself, as when the terminal's interrupt reaches it.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub(crate) fn wait(&self) -> io::Result<()> {
        lock(&self.process).wait().map(|_| ())
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = lock(&self.process).try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended with {status}: see {}",
                    log(&self.folder).display()
                )));
            }
            if ureq::get(format!("http://{}/health/ready", self.address)).call().is_ok() {
                return Ok(());
            }
            std::thread::sleep(ASK_EVERY);
        }
        Err(io::Error::other("the server was not ready in time"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut process = lock(&self.process);
        // It may have ended already.
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn spawn_server(folder: &Path, shared: &Shared, address: SocketAddr) -> io::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log(folder))?;
    Command::new(std::env::current_exe()?)
        .arg("serve")
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .env("GRIDWORK_DATA_DIR", folder)
        .env("GRIDWORK_ADDRESS", address.to_string())
        .env("GRIDWORK_METRICS_ADDRESS", "127.0.0.1:0")
        .env("GRIDWORK_ADMINISTRATOR_TOTP", "optional")
        // All that was meant is compared in one session, and all phones enrol from one address.
        .env("GRIDWORK_REQUESTS_PER_MINUTE", "0")
        .env("GRIDWORK_SIGN_INS_PER_MINUTE", "0")
        .env("RUST_LOG", "warn")
        .envs(shared.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

fn log(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

/// What is killed, and when: after so many of all phones' steps, evenly spread.
pub(crate) struct Kills<'a> {
    /// How often.
    pub(crate) planned: u64,
    /// The nodes, if they are killed too.
    pub(crate) nodes: Option<&'a Nodes>,
    /// Decides who is killed.
    pub(crate) seed: u64,
}

/// Runs one step of every phone, some at the same time, and begins anew what was killed. `done` is told of each that ends.
///
/// # Errors
/// A phone that fails again and again, with what it said last.
pub(crate) fn run_phones(
    phones: &[(PathBuf, Step)],
    at_once: usize,
    kills: &Kills<'_>,
    done: &(dyn Fn() + Sync),
) -> io::Result<u64> {
    let queue: Mutex<VecDeque<(usize, u32)>> = Mutex::new((0..phones.len()).map(|phone| (phone, 0)).collect());
    let running: Vec<Mutex<Option<Child>>> = (0..at_once).map(|_| Mutex::new(None)).collect();
    let (completed, killed) = (AtomicU64::new(0), AtomicU64::new(0));
    let random = Mutex::new(ChaCha8Rng::seed_from_u64(kills.seed));
    let failure: Mutex<Option<io::Error>> = Mutex::new(None);
    let kill_what_is_due = || -> io::Result<()> {
        // Half a step ahead, so that the first kill comes while the first phones still run.
        let due = kills.planned * (completed.load(Ordering::SeqCst) * 2 + 1) / (phones.len() as u64 * 2);
        let mut random = lock(&random);
        while killed.load(Ordering::SeqCst) < due {
            let victim = random.random_range(0..running.len() * 2);
            let mut phone = running.get(victim).map(lock);
            match (phone.as_mut().and_then(|slot| slot.as_mut()), kills.nodes) {
                (Some(child), _) => child.kill()?,
                (None, Some(nodes)) => nodes.kill_and_restart_one(&mut *random)?,
                (None, None) => break,
            }
            killed.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        for slot in &running {
            scope.spawn(|| {
                loop {
                    let Some((phone, attempt)) = lock(&queue).pop_front() else { break };
                    if lock(&failure).is_some() {
                        break;
                    }
                    let (folder, step) = &phones[phone];
                    let ended = run_one(folder, step, slot);
                    if matches!(ended, Ok(None)) {
                        completed.fetch_add(1, Ordering::SeqCst);
                        done();
                    }
                    match ended.and_then(|ended| kill_what_is_due().map(|()| ended)) {
                        Ok(None) => {}
                        Ok(Some(_)) if attempt < MOST_ATTEMPTS => lock(&queue).push_back((phone, attempt + 1)),
                        Ok(Some(said)) => {
                            let error = format!("{} failed {attempt} times: {said}", folder.display());
                            *lock(&failure) = Some(io::Error::other(error));
                        }
                        Err(error) => *lock(&failure) = Some(error),
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(killed.into_inner()),
    }
}

/// Runs one step; `None` if it succeeded, else what the process said last.
fn run_one(folder: &Path, step: &Step, slot: &Mutex<Option<Child>>) -> io::Result<Option<String>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("demo-phone").arg(folder);
    match step {
        Step::Enrol { server, code } => command.args(["enrol", server, code]),
        Step::Day => command.arg("day"),
        Step::Sync { server, within_s } => command.args(["sync", server, "--within-s", &within_s.to_string()]),
        Step::Dump => command.arg("dump"),
    };
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let said = child.stderr.take();
    *lock(slot) = Some(child);
    let status = loop {
        if let Some(child) = lock(slot).as_mut()
            && let Some(status) = child.try_wait()?
        {
            break status;
        }
        std::thread::sleep(ASK_EVERY);
    };
    *lock(slot) = None;
    if status.success() {
        return Ok(None);
    }
    let mut text = String::new();
    if let Some(mut said) = said {
        said.read_to_string(&mut text)?;
    }
    Ok(Some(format!("{status} {}", text.trim())))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
