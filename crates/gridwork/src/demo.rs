//! `gridwork demo`: a district's day, on real input and real processes.
//!
//! It fills a new registry with a year of work, starts the server, enrols a phone for each grid leader, lets every phone
//! record a day offline, brings them back over a bad network, and then compares what people meant to record with what
//! the registry and every phone hold.

mod comparison;
mod district;
mod entrance;
mod journal;
mod memory;
mod nodes;
mod processes;
mod proxy;
mod report;
mod rest;
mod seed;
mod stages;
mod worker;

pub(crate) use district::{City, CityGrid, MOST_HOMES};
pub(crate) use memory::MemoryWatch;
pub(crate) use seed::PASSWORD;
pub(crate) use worker::{Step, run as run_step};

use stages::Demo;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Options of `gridwork demo`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Ends after the report instead of leaving the server running.
    #[arg(long)]
    once: bool,
    /// A tenth of the district.
    #[arg(long)]
    quick: bool,
    /// Nodes over one PostgreSQL database, behind one address.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// A PostgreSQL server, `postgres://USER@HOST/NAME`, on which the demo makes a database of its own; a file if none.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A Redis server, `redis://HOST:PORT/`, by which the nodes hint at each other's changes.
    #[arg(long, value_name = "URL", requires = "postgres")]
    redis: Option<String>,
    /// Ends server and phone processes with SIGKILL this many times while the phones sync.
    #[arg(long, default_value_t = 0)]
    kill: u64,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// From which everything is made.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the demo's registry and phones; made anew.
    #[arg(long, default_value = "gridwork-demo")]
    dir: PathBuf,
    /// Port of the server; a free one if 0.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// A file by which the demo knows a folder of its own.
const MARKER: &str = "this-folder-belongs-to-gridwork-demo";

/// Runs the demo.
///
/// # Errors
/// Something could not be done at all; what was done wrongly stands in the report.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.nodes > 1 && arguments.postgres.is_none() {
        return Err("several nodes share one PostgreSQL database: name a server with --postgres".into());
    }
    make_folder(&arguments.dir)?;
    let dir = arguments.dir.canonicalize()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (report, demo) = Demo::run(&runtime, arguments, dir)?;
    if let Some(path) = &arguments.report {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    println!("\n{report}");
    let code = if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if !arguments.once {
        println!("{}", demo.how_to_look());
        demo.wait()?;
    }
    Ok(code)
}

fn make_folder(dir: &Path) -> io::Result<()> {
    let is_empty = |dir: &Path| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if dir.join(MARKER).exists() {
        std::fs::remove_dir_all(dir)?;
    } else if dir.exists() && !is_empty(dir) {
        let reason = format!("{} is not a folder of the demo: name another with --dir", dir.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
    }
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join(MARKER), "made anew at each demo\n")
}

/// A stage of the demo: a bar on a terminal, elsewhere a line when it is done.
pub(crate) struct Stage {
    bar: indicatif::ProgressBar,
    begun: Instant,
}

impl Stage {
    pub(crate) fn begin(what: &'static str, total: u64) -> Self {
        let style = indicatif::ProgressStyle::with_template("{msg:22} {bar:40} {pos:>7}/{len:7} {elapsed}");
        let bar = indicatif::ProgressBar::new(total).with_message(what);
        bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
        Self { bar, begun: Instant::now() }
    }

    pub(crate) fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    pub(crate) fn end(self) {
        self.bar.set_length(self.bar.position()); // what was counted, where the total was a guess
        self.bar.finish();
        if self.bar.is_hidden() {
            eprintln!("{}: {} in {:.1} s", self.bar.message(), self.bar.position(), self.begun.elapsed().as_secs_f64());
        }
    }
}
