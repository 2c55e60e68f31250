//! The `gridwork` binary: the server, its tools, a phone on the command line, and the demo.

mod audit;
mod bench;
mod demo;
mod keys;
mod phone;
mod serve;
mod setup;
mod tables;
mod telemetry;

use clap::{Parser, Subcommand};
use gridwork_domain::instant::Instant;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

/// Documents are made of many small vectors: this allocator makes merging them faster than the system's does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Community grid work: visits recorded offline on phones, merged without conflict into the district's registry.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the registry over HTTP, with settings from the environment (the README lists them).
    Serve,
    /// The first areas and staff of a new registry, from a JSON file; settings as for `serve`.
    Setup(setup::Arguments),
    /// Rebuilds the registry from its change log, compares, and names what differs; settings as for `serve`.
    Verify {
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// The audit log: its chain, walked and checked, and its head, to be kept elsewhere; settings as for `serve`.
    Audit(audit::Arguments),
    /// The keys to which citizen numbers are sealed; settings as for `serve`.
    Keys(keys::Arguments),
    /// Prints the OpenAPI document.
    Openapi {
        /// Prints instead who may do what, as it is committed in openapi/permissions.md.
        #[arg(long)]
        permissions: bool,
    },
    /// Tries or imports a roster of households and residents, all of it or nothing.
    Import(tables::ImportArguments),
    /// Writes a list of households, residents or visits into a CSV or XLSX file.
    Export(tables::ExportArguments),
    /// Drives a phone from the command line.
    Phone(phone::Arguments),
    /// A district's day: phones record offline, a bad network brings them back, and everything is compared.
    Demo(demo::Arguments),
    /// Measures a city: registers as many homes as are asked for, then searches among them; settings as for `serve`.
    Bench(bench::Arguments),
    /// One phone of the demo, in a process of its own.
    #[command(hide = true)]
    DemoPhone {
        /// The phone's folder.
        folder: PathBuf,
        #[command(subcommand)]
        step: demo::Step,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Serve => serve::serve()?,
        Command::Setup(arguments) => setup::run(&arguments)?,
        Command::Verify { json } => return serve::verify(json),
        Command::Openapi { permissions: true } => print!("{}", gridwork_api::permissions_md()),
        Command::Openapi { permissions: false } => print!("{}", gridwork_api::openapi_json()),
        Command::Keys(arguments) => keys::run(&arguments)?,
        Command::Audit(arguments) => return audit::run(&arguments),
        Command::Import(arguments) => return tables::import(&arguments),
        Command::Export(arguments) => tables::export(&arguments)?,
        Command::Phone(arguments) => phone::run(&arguments)?,
        Command::Demo(arguments) => return demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments)?,
        Command::DemoPhone { folder, step } => demo::run_step(&folder, &step)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The clock of this machine.
fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_ms(since_1970.as_millis().try_into().unwrap_or(i64::MAX))
}
