//! `gridwork serve` and `gridwork verify`: the server, and the check of what it keeps.

use crate::telemetry::Telemetry;
use gridwork_api::{Application, Settings};
use gridwork_registry::Registry;
use std::error::Error;
use std::process::ExitCode;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Wrong settings, a database that cannot be opened, or an address that cannot be had; each says what to do.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_environment()?;
    let telemetry = Telemetry::start()?;
    settings.make_data_dir()?;
    let registry = Registry::open(&settings.registry_with_keys()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let application = Application::build(&settings, registry)?;
        println!("gridwork serves http://{}", application.address());
        application.run_until_stopped().await?;
        Ok::<_, Box<dyn Error>>(())
    })?;
    drop(telemetry);
    Ok(())
}

/// Checks everything that the registry keeps against its change log.
///
/// # Errors
/// The registry cannot be read at all.
pub(crate) fn verify(json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let settings = Settings::from_environment()?;
    let report = gridwork_registry::verify(&settings.registry_with_existing_keys()?)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.differences.iter().for_each(|difference| println!("{difference}"));
        println!(
            "{} documents, {} changes, {} snapshots, {} feed rows, {} facts, {} words: {} differences",
            report.documents,
            report.changes,
            report.snapshots,
            report.feed_rows,
            report.facts,
            report.words,
            report.differences_found
        );
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
