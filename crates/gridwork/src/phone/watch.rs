//! `gridwork phone watch`: syncs whenever the server says that something changed, and says what changed.
//!
//! **Invariant:** all work on the phone is done by one thread, so that an interrupt ends it between two syncs.

use super::{line, words};
use gridwork_domain::fields::Record;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_phone::{Phone, Ring};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Rings that wait for a sync at most; the doorbell waits then.
const MOST_WAITING: usize = 1_024;
/// How long after a sync that failed it is tried again, if nothing rings before.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What the watcher hears.
enum Heard {
    Ring(Ring),
    Interrupt,
}

/// Watches until it is interrupted.
///
/// # Errors
/// The phone's store fails.
pub(super) fn watch(phone: &mut Phone) -> Result<(), Box<dyn Error>> {
    let (tell, heard) = sync_channel(MOST_WAITING);
    let (doorbell, ring) = (phone.doorbell(), tell.clone());
    std::thread::spawn(move || {
        doorbell.listen(|one| match ring.send(Heard::Ring(one)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
    });
    tell_of_interrupt(tell)?;
    println!("watching {} for {}; end it with Ctrl-C", phone.server(), phone.owner().name);
    let mut seen = Seen::of(phone);
    let mut failed = false;
    while let Some(rings) = next(&heard, failed) {
        for ring in &rings {
            if let Ring::Cut { reason, again_in } = ring {
                eprintln!("no news for now ({reason:?}); trying again in {:.1} s", again_in.as_secs_f64());
            }
        }
        let tells = |ring: &Ring| !matches!(ring, Ring::Cut { .. });
        let again = failed && rings.is_empty();
        if !again && !rings.iter().any(tells) {
            continue;
        }
        let report = phone.sync()?;
        // What is told of none is about all; so is what an earlier sync may have left.
        let moved: Option<BTreeSet<_>> = rings.iter().filter(|ring| tells(ring)).map(household).collect();
        seen.tell_changes(phone, moved.filter(|_| !failed));
        failed = report.failure.is_some();
        if let Some(reason) = report.failure {
            eprintln!("not everything was synced ({reason:?}); trying again");
        } else if rings.contains(&Ring::Live) {
            println!("up to date; changes are shown as they come");
        }
    }
    println!("no longer watching");
    Ok(())
}

/// The household of a ring, if it is about one.
fn household(ring: &Ring) -> Option<HouseholdId> {
    if let Ring::Moved(household) = ring { Some(*household) } else { None }
}

/// Waits for a ring and takes those that are there besides; none of them if it is time to try again. `None` at the end.
fn next(heard: &Receiver<Heard>, failed: bool) -> Option<Vec<Ring>> {
    let mut next = match heard.recv_timeout(if failed { AGAIN_AFTER } else { Duration::MAX }) {
        Ok(first) => Some(first),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => return None,
    };
    let mut rings = Vec::new();
    while let Some(one) = next {
        match one {
            Heard::Interrupt => return None,
            Heard::Ring(ring) => rings.push(ring),
        }
        next = heard.try_recv().ok();
    }
    Some(rings)
}

fn tell_of_interrupt(tell: SyncSender<Heard>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            let _ = tell.send(Heard::Interrupt); // it may have ended by itself
        }
    });
    Ok(())
}

/// What the phone held when it was last looked at.
struct Seen(BTreeMap<HouseholdId, OneSeen>);

#[derive(Default, PartialEq)]
struct OneSeen {
    records: BTreeMap<RecordPath, Record>,
    needs: BTreeMap<String, String>,
    conflicts: BTreeSet<String>,
    visits: BTreeMap<FactId, String>,
}

impl Seen {
    fn of(phone: &Phone) -> Self {
        let households = phone.households().into_iter().map(|summary| (summary.id, OneSeen::of(phone, summary.id)));
        Self(households.collect())
    }

    /// Says what is different now in some households, or in all.
    fn tell_changes(&mut self, phone: &Phone, households: Option<BTreeSet<HouseholdId>>) {
        let all = || phone.households().into_iter().map(|summary| summary.id).collect();
        for id in households.unwrap_or_else(all) {
            let (now, before) = (OneSeen::of(phone, id), self.0.remove(&id));
            if before.as_ref() != Some(&now) {
                let new = if before.is_none() { ": new" } else { "" };
                let address = value(now.records.get(&RecordPath::dwelling()), "address");
                println!("{} ({id}){new}", address.unwrap_or_default());
                now.tell_since(&before.unwrap_or_default());
            }
            self.0.insert(id, now);
        }
    }
}

impl OneSeen {
    fn of(phone: &Phone, id: HouseholdId) -> Self {
        let Some(known) = phone.household(id) else { return Self::default() };
        let visits = phone.visits(id).into_iter().map(|known| {
            let who = known.by.name.as_deref().unwrap_or("(unknown)");
            (known.fact.id, format!("{} by {who}", words(&known.fact.body)))
        });
        let needs = known.household.needs();
        let needs = needs.map(|(path, one)| (format!("{} of {}", path.kind, path.subject), line(&one.attributes)));
        let conflicts = known.conflicts.iter().map(|one| header(&one.path.field));
        let (needs, conflicts, visits) = (needs.collect(), conflicts.collect(), visits.collect());
        Self { needs, conflicts, visits, records: known.household.records }
    }

    fn tell_since(&self, before: &Self) {
        for (path, record) in &self.records {
            let known = before.records.get(path);
            let names = record.0.keys().chain(known.into_iter().flat_map(|record| record.0.keys()));
            for field in names.collect::<BTreeSet<_>>() {
                let (was, is) = (value(known, field), value(Some(record), field));
                if was != is {
                    let or_nothing = |value: Option<String>| value.unwrap_or_else(|| "(nothing)".to_owned());
                    let whose = value(Some(record), "name").filter(|_| field != "name");
                    let whose = whose.map_or_else(String::new, |name| format!(" of {name}"));
                    println!("  {}{whose}: {} → {}", header(field), or_nothing(was), or_nothing(is));
                }
            }
        }
        for (need, attributes) in self.needs.iter().filter(|(need, now)| before.needs.get(*need) != Some(now)) {
            println!("  need {need}: {attributes}");
        }
        for need in before.needs.keys().filter(|need| !self.needs.contains_key(*need)) {
            println!("  need {need}: withdrawn");
        }
        for field in self.conflicts.difference(&before.conflicts) {
            println!("  CONFLICT on {field}: people disagree, decide it");
        }
        for field in before.conflicts.difference(&self.conflicts) {
            println!("  the conflict on {field} is decided");
        }
        for (_, visit) in self.visits.iter().filter(|(id, _)| !before.visits.contains_key(id)) {
            println!("  {visit}");
        }
    }
}

fn value(record: Option<&Record>, field: &str) -> Option<String> {
    record.and_then(|record| record.get(field)).map(ToString::to_string)
}

/// What people call a field.
fn header(field: &str) -> String {
    field.replace('_', " ")
}
