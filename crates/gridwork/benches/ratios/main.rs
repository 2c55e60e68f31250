//! `cargo bench`: what merging costs, each figure beside the same work without Gridwork, measured in the same run.
//!
//! `cargo bench -- merging` runs those with "merging" in their name. Ratios can be compared between machines; the times
//! beside them cannot.

mod cold_start;
mod district;
mod doorbell;
mod judging;
mod pushing;
mod timing;

use std::error::Error;

type Outcome = Result<(), Box<dyn Error>>;

/// What it measures, and how.
type Benchmark = (&'static str, fn() -> Outcome);

const BENCHMARKS: [Benchmark; 5] = [
    ("merging one visit, and one correction", judging::merging_one),
    ("judging a push of 50 visits", judging::judging_a_push),
    ("a durable push of 50 visits over HTTP", pushing::durable_push),
    ("the doorbell: a REST edit on one node until a phone of another holds it", doorbell::doorbell),
    ("cold start of 400 households with 24 visits each", cold_start::cold_start),
];

fn main() -> Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, benchmark) in BENCHMARKS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            println!("\n{name}");
            benchmark()?;
        }
    }
    Ok(())
}
