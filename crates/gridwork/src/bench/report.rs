//! What the benchmark measured, for people and as JSON.

use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// From which everything was made.
    pub(super) seed: u64,
    /// Homes of the city.
    pub(super) homes: u64,
    /// Who searched at once.
    pub(super) callers: u32,
    /// From one search of a caller to the next, in milliseconds.
    pub(super) pace_ms: u64,
    /// How the city was registered, if it was.
    pub(super) filled: Option<Filled>,
    /// Callers who type.
    pub(super) at_a_pace: Searching,
    /// Callers who ask again at once: the most that the machine can do.
    pub(super) without_pause: Searching,
    /// The most memory that the server held.
    pub(super) server_peak_memory_bytes: u64,
}

/// How a city was registered.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    homes: u64,
    residents: u64,
    elapsed_ms: u64,
    homes_per_second: u64,
}

impl Filled {
    /// So many in this time.
    pub(super) fn new(homes: u64, residents: u64, elapsed: Duration) -> Self {
        let per_second = homes as f64 / elapsed.as_secs_f64().max(0.001);
        Self { homes, residents, elapsed_ms: elapsed.as_millis() as u64, homes_per_second: per_second as u64 }
    }
}

/// Searches over HTTP, beside the bare statements.
#[derive(Debug, Serialize)]
pub(super) struct Searching {
    search: Times,
    bare_statements: Times,
    /// Of the 99th percentiles.
    ratio_p99: f64,
    /// Of the medians.
    ratio_p50: f64,
}

/// How long something took, in microseconds.
#[derive(Debug, Serialize)]
struct Times {
    asked: usize,
    p50_us: u64,
    p95_us: u64,
    p99_us: u64,
    longest_us: u64,
}

impl Searching {
    /// Beside each other.
    pub(super) fn new(search: Vec<Duration>, bare: Vec<Duration>) -> Self {
        let (search, bare_statements) = (Times::of(search), Times::of(bare));
        let ratio = |ours: u64, bare: u64| ours as f64 / bare.max(1) as f64;
        Self {
            ratio_p99: ratio(search.p99_us, bare_statements.p99_us),
            ratio_p50: ratio(search.p50_us, bare_statements.p50_us),
            search,
            bare_statements,
        }
    }
}

impl Times {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |per_mille: usize| {
            let place = (took.len() * per_mille / 1_000).min(took.len().saturating_sub(1));
            took.get(place).map_or(0, |time| time.as_micros() as u64)
        };
        Self { asked: took.len(), p50_us: at(500), p95_us: at(950), p99_us: at(990), longest_us: at(1_000) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Filled { homes, residents, elapsed_ms, homes_per_second }) = &self.filled {
            let seconds = elapsed_ms / 1_000;
            writeln!(
                f,
                "{homes} homes with {residents} residents registered in {seconds} s: {homes_per_second} a second"
            )?;
        }
        writeln!(f, "{} callers, each searching every {} ms:", self.callers, self.pace_ms)?;
        writeln!(f, "{}", self.at_a_pace)?;
        writeln!(f, "{} callers, each searching again at once:", self.callers)?;
        writeln!(f, "{}", self.without_pause)?;
        write!(f, "server's memory: {} MB at most", self.server_peak_memory_bytes / 1_000_000)
    }
}

impl fmt::Display for Searching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  search over HTTP:  {}", self.search)?;
        writeln!(f, "  bare statements:   {}", self.bare_statements)?;
        write!(f, "  ratio: {:.2} at the median, {:.2} at the 99th percentile", self.ratio_p50, self.ratio_p99)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1_000.0;
        let (median, p95, p99, longest) = (ms(self.p50_us), ms(self.p95_us), ms(self.p99_us), ms(self.longest_us));
        write!(f, "{} asked; ms: {median:.1} median, {p95:.1} p95, {p99:.1} p99, {longest:.1} longest", self.asked)
    }
}
