//! `gridwork audit verify` and `gridwork audit head`: whether the audit log is as it was sealed, and how far it has come.

use clap::{Args, Subcommand};
use gridwork_api::Settings;
use gridwork_registry::{Head, audit_head, verify_audit};
use std::error::Error;
use std::process::ExitCode;

/// Options of `gridwork audit`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Walks the chain and names every row that was removed, altered or put elsewhere since it was sealed.
    ///
    /// Whoever owns the database can make the whole chain anew; a head that was kept where they cannot write tells.
    Verify {
        /// A head that was kept elsewhere, POSITION:HASH: the chain must still have it. May be given several times.
        #[arg(long)]
        head: Vec<Head>,
        /// Trusts the chain up to this head, which it must still have, and walks what came after.
        #[arg(long)]
        since: Option<Head>,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the last row of the chain as POSITION:HASH. Keep it where nobody who writes the database writes.
    Head,
}

/// Runs one of them.
///
/// # Errors
/// Wrong settings, or a database that cannot be read.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let settings = Settings::from_environment()?.registry;
    match &arguments.step {
        Step::Head => {
            println!("{}", audit_head(&settings)?);
            Ok(ExitCode::SUCCESS)
        }
        Step::Verify { head, since, json } => {
            let report = verify_audit(&settings, *since, head)?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                report.findings.iter().for_each(|finding| println!("{finding}"));
                println!(
                    "{} rows about {} persons walked, {} not sealed yet, head {}: {} findings",
                    report.rows, report.persons, report.unsealed, report.head, report.findings_found
                );
            }
            Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
