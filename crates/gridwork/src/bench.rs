//! `gridwork bench`: a city in the database of the settings, and call agents who search in it.
//!
//! What is measured runs beside what measures it, on the same machine: a server in a process of its own, and the bare
//! statements that a search needs, asked by as many at once.
//!
//! **Invariant:** every figure of a search stands beside the same figure of the bare statements from the same run.

mod callers;
mod report;

use crate::demo::{City, CityGrid, MOST_HOMES, MemoryWatch, PASSWORD, Stage};
use callers::{Asked, Callers, Pace};
use gridwork_api::Settings;
use gridwork_domain::edit::Action;
use gridwork_domain::fields::{Fields, Value};
use gridwork_domain::id::{ScopeId, StaffId};
use gridwork_domain::search::{Rank, Searched, SearchedResident, Token};
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::{Administration, Import, Registry, Yardstick};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use report::{Filled, Report, Searching};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Registrations that are merged in one transaction: five grids.
const GRIDS_OF_BATCH: usize = 5;
/// Words that the callers type, one after the other and from the beginning again.
const QUERIES: usize = 4_000;
/// By what somebody is searched for.
const RANKS: [Rank; 6] = [Rank::ExactName, Rank::Pinyin, Rank::Initials, Rank::NameEnds, Rank::Phone, Rank::Address];

/// Options of `gridwork bench`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Homes of the city, of some 2.5 residents each.
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u32).range(1..=MOST_HOMES as i64))]
    homes: u32,
    /// The city is there already, from a run with the same seed and as many homes.
    #[arg(long)]
    filled: bool,
    /// Callers who search at once.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    callers: u32,
    /// Milliseconds from one search of a caller to the next, as they type.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pace_ms: u64,
    /// Seconds for which they search, each time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// From which everything is made.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs the benchmark.
///
/// # Errors
/// Wrong settings, a database that is not empty, or something that could not be measured.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_environment()?;
    settings.make_data_dir()?;
    eprintln!("seed {}", arguments.seed);
    let city =
        City::new(arguments.seed, arguments.homes as usize, gridwork_domain::instant::Instant::from_ms(BEGINS_MS));
    let caller = callers::id(0);
    let filled = if arguments.filled { None } else { Some(fill(&settings, &city, arguments.callers)?) };
    let queries = queries(&city, arguments.seed);
    let server = Server::start()?;
    let memory = MemoryWatch::of(server.0.id());
    let lasting = Duration::from_secs(arguments.seconds);
    let callers = Callers::sign_in(&server.1, arguments.callers)?;
    let paced = Pace::Every(Duration::from_millis(arguments.pace_ms));
    let measure = |pace: Pace| -> Result<Searching, Box<dyn Error>> {
        settle(&settings)?;
        let ours = callers.search(&queries, pace, lasting)?;
        let bare = bare(&settings, caller, &queries, arguments.callers, pace, lasting)?;
        Ok(Searching::new(ours, bare))
    };
    let report = Report {
        seed: arguments.seed,
        homes: u64::from(arguments.homes),
        callers: arguments.callers,
        pace_ms: arguments.pace_ms,
        filled,
        at_a_pace: measure(paced)?,
        without_pause: measure(Pace::WithoutPause)?,
        server_peak_memory_bytes: memory.peak_bytes(),
    };
    drop(server);
    if let Some(path) = &arguments.report {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    println!("{report}");
    Ok(())
}

/// When the city begins to be registered: 1 January 2026.
const BEGINS_MS: i64 = 1_767_225_600_000;

/// Opens the areas, appoints a call agent for each caller, and registers every home, as an import does.
fn fill(settings: &Settings, city: &City, callers: u32) -> Result<Filled, Box<dyn Error>> {
    let registry = Registry::open(&settings.registry)?;
    let now = crate::now();
    let top = city.areas.first().ok_or("a city has areas")?.id;
    let mut steps: Vec<_> = city.areas.iter().cloned().map(Administration::OpenArea).collect();
    for caller in 0..callers {
        let id = callers::id(caller);
        let staff = Staff { id, name: format!("坐席{caller}"), sign_in: callers::sign_in_name(caller) };
        steps.push(Administration::AppointStaff { staff, password: Some(PASSWORD.to_owned()) });
        let assignment = Assignment { staff: id, role: Role::CallAgent, area: top, from: now.plus_ms(-1), until: None };
        steps.push(Administration::Assign(assignment));
    }
    let by = callers::id(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(registry.set_up(steps, now))?;
    let begun = Instant::now();
    let homes: usize = city.homes();
    let stage = Stage::begin("homes registered", homes as u64);
    // The first by itself, as it makes the caller known as the author of changes.
    let first = city.grids.first().map(|grid| registrations(city, grid, by)).unwrap_or_default();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let residents = AtomicUsize::new(first.iter().map(|one| people(&one.edit.action)).sum());
    stage.advance(first.len() as u64);
    registry.import_edits(first, now)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let batches: Vec<_> = city.grids.get(1..).unwrap_or_default().chunks(GRIDS_OF_BATCH).collect();
                while let Some(grids) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let edits: Vec<Import> = grids.iter().flat_map(|grid| registrations(city, grid, by)).collect();
                    let count = edits.len() as u64;
                    residents.fetch_add(edits.iter().map(|one| people(&one.edit.action)).sum(), Ordering::Relaxed);
                    if let Err(error) = registry.import_edits(edits, now) {
                        *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                        next.store(usize::MAX / 2, Ordering::Relaxed);
                        break;
                    }
                    stage.advance(count);
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(error.into());
    }
    stage.end();
    let elapsed = begun.elapsed();
    runtime.block_on(registry.close())?;
    Ok(Filled::new(homes as u64, residents.into_inner() as u64, elapsed))
}

fn registrations(city: &City, grid: &CityGrid, by: StaffId) -> Vec<Import> {
    let home = Some(ScopeId::from(grid.area));
    city.edits(grid).into_iter().map(|edit| Import { by, edit, home }).collect()
}

fn people(action: &Action) -> usize {
    match action {
        Action::RegisterHousehold { residents, .. } => residents.len(),
        _ => 0,
    }
}

/// What callers type: each is a word that finds somebody of the city.
fn queries(city: &City, seed: u64) -> Vec<Token> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5ea7);
    let mut queries = Vec::new();
    while queries.len() < QUERIES {
        let Some(grid) = city.grids.choose(&mut random) else { break };
        // A few of each grid: making a grid's homes takes longer than searching for one.
        for edit in city.edits(grid).sample(&mut random, 20) {
            let Action::RegisterHousehold { dwelling, residents, .. } = &edit.action else { continue };
            let Some(resident) = residents.choose(&mut random) else { continue };
            let (name, phone) = (text(&resident.fields, "name"), text(&resident.fields, "phone"));
            let searched = Searched {
                address: text(dwelling, "address"),
                residents: vec![SearchedResident { name, phones: [phone, None] }],
                ..Searched::default()
            };
            let rank = RANKS[random.random_range(0..RANKS.len())];
            let of_rank: Vec<Token> = searched.tokens().into_iter().filter(|token| token.rank == rank).collect();
            queries.extend(of_rank.choose(&mut random).cloned());
        }
    }
    queries
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.0.get(name).and_then(|value| value.as_ref()).and_then(Value::as_text)
}

/// Waits until what was asked before is sealed in the audit log: a city that is asked all day has no backlog of a rush.
fn settle(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let mut yardstick = Yardstick::open(&settings.registry)?;
    while yardstick.is_sealing()? {
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// The bare statements, asked by as many at once, each over a connection of its own.
fn bare(
    settings: &Settings,
    by: StaffId,
    queries: &[Token],
    callers: u32,
    pace: Pace,
    lasting: Duration,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut yardsticks = Vec::new();
    for _ in 0..callers {
        yardsticks.push(Yardstick::open(&settings.registry)?);
    }
    callers::ask(queries, pace, lasting, yardsticks, |yardstick: &mut Yardstick, token| {
        yardstick.search(by, token, callers::PAGE_ROWS, crate::now()).map(|_| Asked).map_err(Into::into)
    })
}

/// The server under measure.
struct Server(Child, String);

impl Server {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .env("GRIDWORK_ADDRESS", "127.0.0.1:0")
            .env("GRIDWORK_METRICS_ADDRESS", "off")
            .env("GRIDWORK_REQUESTS_PER_MINUTE", "0")
            .env("GRIDWORK_SIGN_INS_PER_MINUTE", "0")
            .env("GRIDWORK_PHONE_SEARCHES_PER_HOUR", "0")
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("the server has no output")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("gridwork serves ").ok_or("the server did not start")?;
        Ok(Self(child, address.to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
