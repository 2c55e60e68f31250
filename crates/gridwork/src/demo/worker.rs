//! What one phone of the demo does, in a process of its own that can be killed at any moment and begun again.

use super::district::{District, KnownHousehold, Size};
use super::journal::{Entry, Journal};
use gridwork_domain::edit::Action;
use gridwork_domain::household::{Household, RecordPath};
use gridwork_domain::id::{AreaId, HouseholdId, ResidentId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_phone::{Phone, SyncReport};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A phone's step of the demo.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Step {
    /// Enrols the phone and pulls its grids.
    Enrol {
        /// The server.
        server: String,
        /// The one-time code.
        code: String,
    },
    /// Records a day offline.
    Day,
    /// Syncs until everything is pushed and pulled.
    Sync {
        /// The server, or a bad network before it.
        server: String,
        /// Gives up after this many seconds.
        #[arg(long, default_value_t = 60)]
        within_s: u64,
    },
    /// Writes all records of the phone, opened anew from its disk, into `dump.json`.
    Dump,
}

/// What a phone is to do on its day; `assignment.json` in its folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DayAssignment {
    /// The district's seed.
    pub(crate) seed: u64,
    /// Whether it is the small district.
    pub(crate) quick: bool,
    /// The day on which the district was made.
    pub(crate) today: Instant,
    /// The leader's own grid.
    pub(crate) grid: AreaId,
    /// When the day's work begins.
    pub(crate) day_start: Instant,
    /// Further edits, of households that others edit too.
    pub(crate) further: Vec<(HouseholdId, Action)>,
}

/// A leader whose phone does not get through asks again after this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Name of the journal in a phone's folder.
pub(crate) const JOURNAL: &str = "journal.json";
/// Name of the day's assignment in a phone's folder.
pub(crate) const ASSIGNMENT: &str = "assignment.json";
/// Name of the dump in a phone's folder.
pub(crate) const DUMP: &str = "dump.json";
/// Name of the report of the last sync in a phone's folder.
pub(crate) const SYNCED: &str = "synced.json";

/// What a sync came to, as the parent reads it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Synced {
    /// Requests that were made.
    pub(crate) requests: u64,
    /// Bytes of request bodies as sent.
    pub(crate) request_body_bytes: u64,
    /// Bytes of answer bodies as received.
    pub(crate) response_body_bytes: u64,
    /// Why it stopped, if it did before everything was through.
    pub(crate) failure: Option<String>,
    /// Edits that the server refused, with its code.
    pub(crate) refused: Vec<String>,
    /// Edits on which there is no verdict yet.
    pub(crate) waiting: usize,
}

/// Does one step.
///
/// # Errors
/// Whatever stops the phone; the parent reads it from the process's error output.
pub(crate) fn run(folder: &Path, step: &Step) -> Result<(), Box<dyn Error>> {
    match step {
        Step::Enrol { server, code } => {
            let mut phone = Phone::enrol(&store(folder), server, code)?;
            let report = phone.sync_until(std::time::Instant::now() + Duration::from_secs(60))?;
            finish(folder, &phone, &report)
        }
        Step::Day => record_day(folder),
        Step::Sync { server, within_s } => {
            let mut phone = Phone::open(&store(folder))?;
            phone.set_server(server)?;
            let deadline = std::time::Instant::now() + Duration::from_secs(*within_s);
            let report = loop {
                // The phone waits longer after each failure; its owner does not, and asks again.
                let asked = std::time::Instant::now();
                let report = phone.sync_until(deadline.min(asked + PATIENCE))?;
                let waited = asked.elapsed() >= PATIENCE; // if not, waiting would not help
                if report.failure.is_none() || !waited || std::time::Instant::now() >= deadline {
                    break report;
                }
            };
            finish(folder, &phone, &report)
        }
        Step::Dump => {
            let phone = Phone::open(&store(folder))?;
            Ok(std::fs::write(folder.join(DUMP), serde_json::to_vec(&phone.dump())?)?)
        }
    }
}

/// Where a phone of the demo keeps its store.
pub(crate) fn store(folder: &Path) -> PathBuf {
    folder.join("store")
}

fn finish(folder: &Path, phone: &Phone, report: &SyncReport) -> Result<(), Box<dyn Error>> {
    use gridwork_sync::replica::PendingState;
    let refused = phone.outbox().filter_map(|entry| match &entry.state {
        PendingState::Refused { code, detail, .. } => Some(format!("{code}: {detail}")),
        _ => None,
    });
    let synced = Synced {
        requests: report.requests,
        request_body_bytes: report.request_body_bytes,
        response_body_bytes: report.response_body_bytes,
        failure: report.failure.as_ref().map(|failure| format!("{failure:?}")),
        refused: refused.collect(),
        waiting: phone.outbox().filter(|entry| !matches!(entry.state, PendingState::Refused { .. })).count(),
    };
    std::fs::write(folder.join(SYNCED), serde_json::to_vec(&synced)?)?;
    match &synced.failure {
        None => Ok(()),
        Some(failure) => Err(failure.clone().into()),
    }
}

/// Writes down the whole day before the first edit, then records it; begun again after a kill it goes on where it was.
fn record_day(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut phone = Phone::open(&store(folder))?;
    let path = folder.join(JOURNAL);
    let mut journal = match Journal::read(&path)? {
        Some(journal) => journal,
        None => {
            let assignment = serde_json::from_slice(&std::fs::read(folder.join(ASSIGNMENT))?)?;
            let journal = plan_day(&mut phone, &assignment)?;
            journal.write(&path)?;
            journal
        }
    };
    journal.not_saved.clear();
    for (position, entry) in journal.entries.iter().enumerate() {
        if let Err(reason) = phone.record(entry.edit.clone(), entry.seen_heads().as_deref(), entry.home) {
            journal.not_saved.push((position, reason.to_string()));
        }
    }
    Ok(journal.write(&path)?)
}

fn plan_day(phone: &mut Phone, day: &DayAssignment) -> Result<Journal, Box<dyn Error>> {
    let size = if day.quick { Size::Tenth } else { Size::Full };
    let district = District::new(day.seed, size, day.today);
    let grid = district.grids().iter().find(|grid| grid.area == day.grid).ok_or("the assignment names no grid")?;
    let home = ScopeId::from(day.grid);
    let known = known_households(phone, home);
    let work = district.day_of_work(grid, 0, &known, day.day_start);
    let contested: Vec<HouseholdId> = day.further.iter().map(|(household, _)| *household).collect();
    let mut journal = Journal::default();
    for (at, household, action) in work {
        // What others edit at the same time is given in full by the assignment.
        if contested.contains(&household) && !matches!(action, Action::RecordVisit { .. } | Action::WriteNote { .. }) {
            continue;
        }
        let mut edit = phone.edit(household, action);
        edit.at = at;
        journal.entries.push(Entry { edit, home: Some(home), seen: None });
    }
    for (household, action) in &day.further {
        let edit = phone.edit(*household, action.clone());
        journal.entries.push(Entry { edit, home: None, seen: None });
    }
    Ok(journal)
}

/// The homes of a grid in which a phone knows people to live.
pub(crate) fn known_households(phone: &Phone, home: ScopeId) -> Vec<KnownHousehold> {
    let summaries = phone.households().into_iter();
    let known = summaries.filter_map(|summary| phone.household(summary.id)).filter(|known| known.home == home);
    known.filter_map(|known| known_household(&known.household)).collect()
}

fn known_household(household: &Household) -> Option<KnownHousehold> {
    let own = household.record(&RecordPath::household())?;
    let stays = household.memberships().filter(|(_, stay)| stay.get("until").is_none());
    let needs = household.needs().map(|(path, _)| (path.subject.parse().ok(), path.kind.clone()));
    let of_resident = |subject: Option<ResidentId>| {
        subject.filter(|subject| *subject != ResidentId::from_bytes(*household.id.as_bytes()))
    };
    (own.text("status") == Some("living")).then(|| KnownHousehold {
        id: household.id,
        residents: stays.filter_map(|(_, stay)| stay.text("resident")?.parse().ok()).collect(),
        contact_phone: own.text("contact_phone").map(str::to_owned),
        needs: needs.map(|(subject, kind)| (of_resident(subject), kind)).collect(),
    })
}
