//! What the demo found, for people and as JSON.

use serde::Serialize;
use std::fmt;

/// What the demo found.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// The seed from which everything was made.
    pub(crate) seed: u64,
    /// Server processes over the one registry.
    pub(crate) nodes: u64,
    /// The name of the database that was made for it; none for a file.
    pub(crate) database: Option<String>,
    /// Phones that recorded a day offline.
    pub(crate) phones: u64,
    /// Residents in the registry.
    pub(crate) residents: u64,
    /// Households in the registry.
    pub(crate) households: u64,
    /// Facts in the registry: visits, notes and corrections of the past year and of the offline day.
    pub(crate) recorded_facts: u64,
    /// Edits of the offline day, on phones and over REST.
    pub(crate) recorded_edits: u64,
    /// Things recorded that the registry does not have.
    pub(crate) lost: u64,
    /// Things recorded once that the registry has more than once.
    pub(crate) doubled: u64,
    /// Whether each phone, opened anew from its disk, holds what the registry holds.
    pub(crate) replicas_agree: bool,
    /// Fields with several values, left for staff to decide.
    pub(crate) open_conflicts: u64,
    /// Conflicts that the demo's contested edits had to leave open.
    pub(crate) expected_conflicts: u64,
    /// Requests that a phone makes when nothing is new.
    pub(crate) quiet_sync_requests: u64,
    /// Bytes of that request's body.
    pub(crate) quiet_sync_request_body_bytes: u64,
    /// Bytes of its answer's body.
    pub(crate) quiet_sync_response_body_bytes: u64,
    /// Bytes of request bodies per visit of a day, pushed over a good network.
    pub(crate) bytes_per_visit_pushed: u64,
    /// Processes ended with SIGKILL, and begun again.
    pub(crate) killed: u64,
    /// How many of these were servers.
    pub(crate) nodes_killed: u64,
    /// Connections through the bad network.
    pub(crate) connections: u64,
    /// Connections cut at some byte.
    pub(crate) connections_cut: u64,
    /// Exchanges lost whole.
    pub(crate) exchanges_lost: u64,
    /// Exchanges that reached the server twice.
    pub(crate) exchanges_repeated: u64,
    /// What `verify` found to differ from the change log.
    pub(crate) verify_differences: u64,
    /// The most memory that all processes held together.
    pub(crate) peak_memory_bytes: u64,
    /// From the start to the report.
    pub(crate) elapsed_ms: u64,
    /// What was lost, doubled, differed or disagreed, at most some hundred lines.
    pub(crate) findings: Vec<String>,
}

/// Findings that a report lists at most.
const MOST_FINDINGS: usize = 100;

impl Report {
    /// Notes something that is not as it should be.
    pub(crate) fn found(&mut self, finding: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// Whether everything is as it should be.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0
            && self.doubled == 0
            && self.replicas_agree
            && self.verify_differences == 0
            && self.open_conflicts >= self.expected_conflicts
            && self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes > 1 {
            writeln!(f, "{} nodes, killed {} times", self.nodes, self.nodes_killed)?;
        }
        writeln!(
            f,
            "{} phones, {} households, {} residents, {} facts",
            self.phones, self.households, self.residents, self.recorded_facts
        )?;
        writeln!(f, "recorded offline: {} edits; lost {}, doubled {}", self.recorded_edits, self.lost, self.doubled)?;
        let agree = if self.replicas_agree { "agree" } else { "DISAGREE" };
        writeln!(
            f,
            "replicas {agree}; open conflicts {} (made on purpose: {})",
            self.open_conflicts, self.expected_conflicts
        )?;
        writeln!(
            f,
            "the network cut {} of {} connections, lost {} exchanges and repeated {}; processes killed: {}",
            self.connections_cut, self.connections, self.exchanges_lost, self.exchanges_repeated, self.killed
        )?;
        writeln!(
            f,
            "nothing new: {} request, {} bytes up, {} down; a visit pushed: {} bytes",
            self.quiet_sync_requests,
            self.quiet_sync_request_body_bytes,
            self.quiet_sync_response_body_bytes,
            self.bytes_per_visit_pushed
        )?;
        writeln!(f, "verify: {} differences", self.verify_differences)?;
        writeln!(f, "{} MB at most, {:.1} s", self.peak_memory_bytes / 1_000_000, self.elapsed_ms as f64 / 1_000.0)?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))
    }
}
