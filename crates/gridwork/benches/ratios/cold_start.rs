//! A new phone pulls a whole grid: bytes, requests, time.

use super::Outcome;
use super::district::{Server, fill, leader, open, phone};
use super::timing::line;
use std::time::Instant;

const HOUSEHOLDS: u64 = 400;
const VISITS: u64 = 24;

/// A grid of 400 households with 24 visits each onto a new phone.
pub(crate) fn cold_start() -> Outcome {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let registry = runtime.block_on(open(folder.path(), 1))?;
    fill(&registry, 0, HOUSEHOLDS, VISITS)?;
    let codes =
        ["first", "second"].map(|_| registry.issue_enrolment_code(None, None, leader(0), super::district::now()));
    let mut issued = Vec::new();
    for code in codes {
        issued.push(runtime.block_on(code)?);
    }
    runtime.block_on(registry.close())?;
    let server = Server::start(folder.path())?;
    for (which, code) in ["the first phone, for which documents are saved anew", "a second phone"].iter().zip(&issued) {
        let begun = Instant::now();
        let (mut phone, wire) = phone(&folder.path().join(which), &server, code.as_str())?;
        wire.take();
        let report = phone.sync()?;
        let took = begun.elapsed();
        if let Some(failure) = report.failure {
            return Err(format!("the cold start failed: {failure:?}").into());
        }
        let dump = phone.dump();
        let facts = dump.facts.len();
        if (dump.households.len() as u64, facts as u64) != (HOUSEHOLDS, HOUSEHOLDS * VISITS) {
            return Err(format!("the phone holds {} households and {facts} visits", dump.households.len()).into());
        }
        let as_json = serde_json::to_vec(&dump)?.len() as u64;
        let bytes = report.response_body_bytes;
        println!("  {which}:");
        println!("  {} requests, {} bytes up, {bytes} bytes down", report.requests, report.request_body_bytes);
        println!(
            "  bytes down against the same records as plain JSON ({as_json} bytes): ratio {:.2}",
            bytes as f64 / as_json as f64
        );
        line("waiting for answers", wire.take(), None);
        line("enrolled, pulled, checked and saved", took, None);
    }
    Ok(())
}
