//! Checks that every dependency comes from crates.io and under a licence that Gridwork can be shipped with.

use std::process::{Command, ExitCode};

/// Licences (SPDX) that ask for no more than notices.
const ACCEPTED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "PostgreSQL", // libpq
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn main() -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["metadata", "--format-version=1", "--locked"]).output();
    let metadata: serde_json::Value = match output.map(|output| serde_json::from_slice(&output.stdout)) {
        Ok(Ok(metadata)) => metadata,
        other => {
            eprintln!("cargo metadata gave nothing to check: {other:?}");
            return ExitCode::FAILURE;
        }
    };
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let faults: Vec<String> = packages.iter().filter_map(fault).collect();
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    println!("{} packages checked, {} refused", packages.len(), faults.len());
    if packages.len() > 1 && faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fault(package: &serde_json::Value) -> Option<String> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let name = format!("{} {}", text("name"), text("version"));
    let source = package["source"].as_str();
    if source.is_some_and(|source| source != CRATES_IO) {
        return Some(format!("{name} comes from {}", source.unwrap_or_default()));
    }
    let licence = text("license").replace('/', " OR ");
    let accepted = spdx::Expression::parse(&licence).is_ok_and(|expression| {
        expression.evaluate(|wanted| wanted.license.id().is_some_and(|id| ACCEPTED.contains(&id.name)))
    });
    (!accepted).then(|| format!("{name} has the licence {licence:?}, which is not accepted"))
}
