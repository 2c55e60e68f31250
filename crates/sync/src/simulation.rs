//! A world in which everything goes wrong, made of a seed: phones, callers over REST and hostile devices; several
//! servers on one log; a network that loses, doubles, delays and cuts; crashes of either side at every step.
//!
//! Phones are the real [`Replica`](crate::replica::Replica), and servers decide by the real
//! [`judge`](crate::guard::judge) and [`answer`](crate::answer::answer); what a registry keeps, holds, wakes and refuses
//! is a model in memory. What must hold is asked by oracles, which know what people meant and what they were told. That
//! they tell is shown by breaking rules one at a time ([`Broken`]).
//!
//! `cargo test --release -p gridwork-sync simulation` runs [`tests::SCHEDULES`] schedules; `GRIDWORK_SCHEDULES=1000000` asks for
//! more, `GRIDWORK_SEED=7 GRIDWORK_SCHEDULES=1` for the one of a finding.
//!
//! **Invariant:** a schedule is a pure function of its seed: the same seed gives the same trace.

mod hostile;
mod log;
mod memory;
mod network;
mod oracle;
mod people;
mod phone;
mod server;
mod tests;
mod world;

use crate::broken::{Broken, while_broken};
use oracle::Oracle;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

/// What one schedule came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// A digest of what was recorded, sent and received, in order.
    pub(crate) trace: u64,
    /// Edits that people recorded.
    pub(crate) edits: u64,
    /// Changes that were merged.
    pub(crate) merged: u64,
    /// Exchanges that a server answered.
    pub(crate) exchanges: u64,
    /// Messages that the network lost, doubled or cut.
    pub(crate) faults: u64,
    /// Servers and phones that died.
    pub(crate) crashes: u64,
    /// Changes of hostile devices that were handed in.
    pub(crate) hostile: u64,
}

/// What an oracle found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {oracle:?}: {detail}")]
pub(crate) struct Finding {
    /// The seed of the schedule.
    pub(crate) seed: u64,
    /// Which oracle.
    pub(crate) oracle: Oracle,
    /// What it saw.
    pub(crate) detail: String,
}

/// Runs the schedules of these seeds on all processors; what they came to together, with no trace.
///
/// # Errors
/// The finding of the smallest seed that has one, of those that were run before all stopped.
pub(crate) fn run_many(seeds: Range<u64>) -> Result<Told, Finding> {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(None::<Finding>));
    let work = || {
        let mut sum = Told::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return sum;
            }
            match run(seed, None) {
                Ok(told) => sum.add(&told),
                Err(finding) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    if found.as_ref().is_none_or(|other| finding.seed < other.seed) {
                        *found = Some(finding);
                    }
                }
            }
        }
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let sum = scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = Told::default();
        for worker in workers {
            sum.add(&worker.join().expect("a panic is a finding"));
        }
        sum
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(sum), Err)
}

impl Told {
    fn add(&mut self, other: &Self) {
        self.edits += other.edits;
        self.merged += other.merged;
        self.exchanges += other.exchanges;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.hostile += other.hostile;
    }
}

/// Runs the schedule of a seed, with a rule broken or none.
///
/// # Errors
/// What the first oracle found.
pub(crate) fn run(seed: u64, broken: Option<Broken>) -> Result<Told, Finding> {
    let ran = catch_unwind(AssertUnwindSafe(|| while_broken(broken, || world::World::new(seed).run())));
    let wrong = match ran {
        Ok(Ok(told)) => return Ok(told),
        Ok(Err(wrong)) => wrong,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
            oracle::Wrong { oracle: Oracle::NoPanic, detail: text.to_owned() }
        }
    };
    Err(Finding { seed, oracle: wrong.oracle, detail: wrong.detail })
}
