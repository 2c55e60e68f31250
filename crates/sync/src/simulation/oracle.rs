//! What must hold, asked of the registry and of every phone, and of what people meant. It knows what edits say and who
//! saw what, and reads documents only as a person would.

use super::memory::{Meant, Memory};
use super::phone::Phone;
use crate::document::{ChangeHash, DocumentId, DocumentKey, DocumentKind, FIRST_EPOCH};
use crate::reading::{read_facts, read_household};
use crate::replica::PendingState;
use crate::testing::{Registry, SCHEMA_2};
use automerge::Automerge;
use gridwork_domain::fields::Value;
use gridwork_domain::household::{FieldPath, Household};
use gridwork_domain::id::{EditId, FactId, HouseholdId};
use gridwork_domain::schema::SCHEMA_1;
use std::collections::{BTreeMap, BTreeSet};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oracle {
    /// What somebody was told is in the registry, is.
    Acknowledged,
    /// What somebody was told is saved is in the registry, or is shown as refused on the phone.
    NothingLost,
    /// Each edit is in the log once, each position of a feed is one row, each row one change.
    ExactlyOnce,
    /// Phones that hold the same grids show the same as the registry.
    Convergence,
    /// A value stands until somebody who saw it replaced it.
    NothingOverwritten,
    /// A phone is sent nothing of grids that it does not hold.
    PermittedViews,
    /// With a good network all comes to rest, in a bounded number of messages.
    Rest,
    /// Every document can be made of its log, saved, loaded and read, and is its snapshot.
    Rebuild,
    /// What an honest and entitled person recorded is not refused.
    HonestWork,
    /// Nothing panics.
    NoPanic,
}

/// What an oracle saw.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) oracle: Oracle,
    pub(super) detail: String,
}

impl Oracle {
    pub(super) fn found(self, detail: String) -> Wrong {
        Wrong { oracle: self, detail }
    }
}

/// Asks everything, once all has come to rest.
pub(super) fn ask(registry: &Registry, phones: &[Phone], memory: &Memory) -> Result<(), Wrong> {
    rebuild(registry)?;
    rest(phones)?;
    let merged = exactly_once(registry, memory)?;
    edits(registry, phones, memory, &merged)?;
    nothing_overwritten(registry, memory, &merged)?;
    convergence(registry, phones)
}

/// Nothing waits any more on any phone.
fn rest(phones: &[Phone]) -> Result<(), Wrong> {
    for phone in phones {
        let status = phone.replica.status();
        if status.waiting + status.held > 0 {
            let outbox: Vec<_> = phone.replica.outbox().map(|one| (one.edit.id, &one.state)).collect();
            return Err(Oracle::Rest.found(format!("phone {}: {outbox:?}", phone.number)));
        }
    }
    Ok(())
}

/// Every document can be made of its log, and is what its snapshot says.
fn rebuild(registry: &Registry) -> Result<(), Wrong> {
    for (key, kept) in &registry.documents {
        let found = |detail: String| Oracle::Rebuild.found(format!("{}: {detail}", key.id));
        if key.epoch != FIRST_EPOCH {
            return Err(found(format!("there is no epoch {}", key.epoch)));
        }
        let mut document = crate::genesis::begin(&SCHEMA_1, key);
        for change in &kept.log {
            let change =
                automerge::Change::from_bytes(change.bytes.clone()).map_err(|error| found(error.to_string()))?;
            let hash = change.hash();
            document.apply_changes([change]).map_err(|error| found(error.to_string()))?;
            if document.get_change_meta_by_hash(&hash).is_none() {
                return Err(found(format!("{hash} waits for what is not in the log")));
            }
        }
        let saved = document.save_nocompress();
        let mut loaded = Automerge::load(&saved).map_err(|error| found(error.to_string()))?;
        match key.id.kind() {
            DocumentKind::Household => {
                let snapshot = Automerge::load(&kept.snapshot).map_err(|error| found(error.to_string()))?;
                if snapshot.get_heads() != loaded.get_heads() {
                    return Err(found("the snapshot is not what the log makes".to_owned()));
                }
                crate::genesis::add_missing(registry.schema, key, &mut loaded);
                read_household(registry.schema, key, &loaded).map_err(|error| found(error.to_string()))?;
            }
            DocumentKind::Visits => {
                let facts = read_facts(&loaded).map_err(|error| found(error.to_string()))?;
                let facts: BTreeMap<FactId, Vec<u8>> = facts.into_iter().map(|(id, bytes, _)| (id, bytes)).collect();
                if facts != kept.facts {
                    return Err(found("the rows of its facts are not what the log makes".to_owned()));
                }
            }
        }
    }
    Ok(())
}

/// Each edit is in the log once, and each position of a feed is one row; returns the edits that are in the log.
fn exactly_once(registry: &Registry, memory: &Memory) -> Result<BTreeSet<EditId>, Wrong> {
    let mut merged = BTreeSet::new();
    for (key, kept) in &registry.documents {
        for change in &kept.log {
            let Some(edit) = memory.edit_of(*key, change.hash) else { continue };
            let is_fact = key.id.kind() == DocumentKind::Visits;
            // A fact that was handed in twice is one fact, and its second change brings no row.
            if !merged.insert(edit) && !is_fact {
                return Err(Oracle::ExactlyOnce.found(format!("{:?} is in the log twice", memory.meant.get(&edit))));
            }
        }
    }
    for (scope, feed) in &registry.feeds {
        let mut seen = BTreeSet::new();
        for (place, row) in feed.iter().enumerate() {
            if row.position != place as u64 + 1 {
                return Err(Oracle::ExactlyOnce.found(format!("position {} of {scope} is not there", place + 1)));
            }
            if !seen.insert((row.key, row.hash)) {
                return Err(Oracle::ExactlyOnce.found(format!("{} is twice in the feed of {scope}", row.hash)));
            }
        }
        let logged = registry.documents.values().filter(|kept| kept.home == *scope).map(|kept| kept.log.len());
        if logged.sum::<usize>() != feed.len() {
            return Err(Oracle::ExactlyOnce.found(format!("the feed of {scope} is not its log")));
        }
    }
    Ok(merged)
}

/// No edit is lost of which somebody was told that it is saved, or that the registry has it.
fn edits(registry: &Registry, phones: &[Phone], memory: &Memory, merged: &BTreeSet<EditId>) -> Result<(), Wrong> {
    let facts: BTreeSet<FactId> = registry.documents.values().flat_map(|kept| kept.facts.keys().copied()).collect();
    let refused = |pending: &&crate::replica::Pending| matches!(pending.state, PendingState::Refused { .. });
    let shown: BTreeSet<EditId> =
        phones.iter().flat_map(|phone| phone.replica.outbox()).filter(refused).map(|pending| pending.edit.id).collect();
    for (id, meant) in &memory.meant {
        let is_there = merged.contains(id) || meant.fact().is_some_and(|fact| facts.contains(&fact));
        if meant.acknowledged && !is_there {
            return Err(Oracle::Acknowledged.found(format!("{:?}", meant.edit)));
        }
        if meant.saved && !is_there && !meant.void && !shown.contains(id) {
            let outboxes = phones.iter().flat_map(|phone| phone.replica.outbox());
            let state: Vec<_> = outboxes.filter(|one| one.edit.id == *id).map(|one| &one.state).collect();
            return Err(Oracle::NothingLost.found(format!("it is {state:?}: {:?}", meant.edit)));
        }
    }
    phones
        .iter()
        .find_map(|phone| phone.unlawfully_refused(memory))
        .map_or(Ok(()), |detail| Err(Oracle::HonestWork.found(detail)))
}

/// A value stands until somebody who saw it wrote another.
fn nothing_overwritten(registry: &Registry, memory: &Memory, merged: &BTreeSet<EditId>) -> Result<(), Wrong> {
    let in_log: Vec<&Meant> = merged.iter().filter_map(|id| memory.meant.get(id)).collect();
    type Written<'a> = (&'a Meant, Option<Value>);
    let mut writers: BTreeMap<(DocumentKey, FieldPath), Vec<Written<'_>>> = BTreeMap::new();
    for meant in in_log {
        let key = DocumentKey::from(DocumentId::household(meant.edit.household));
        for (path, value) in meant.writes() {
            writers.entry((key, path)).or_default().push((meant, value));
        }
    }
    for ((key, path), writers) in &writers {
        let replaced: BTreeSet<EditId> = writers
            .iter()
            .flat_map(|(meant, _)| meant.sees.iter().copied().filter(|seen| *seen != meant.edit.id))
            .collect();
        let stand = writers.iter().filter(|(meant, _)| !replaced.contains(&meant.edit.id));
        let expected: BTreeSet<String> = stand.map(|(_, value)| format!("{value:?}")).collect();
        let Some(kept) = registry.documents.get(key) else { continue };
        let Ok(mut document) = Automerge::load(&kept.snapshot) else { continue };
        crate::genesis::add_missing(registry.schema, key, &mut document);
        let Ok(reading) = read_household(registry.schema, key, &document) else { continue };
        let conflict = reading.conflicts.iter().find(|conflict| conflict.path == *path);
        let shown: BTreeSet<String> = match conflict {
            Some(conflict) => conflict.alternatives.iter().map(|one| format!("{:?}", one.value)).collect(),
            None => BTreeSet::from([format!("{:?}", reading.household.value(path).cloned())]),
        };
        if shown != expected {
            let detail = format!("{path} of {}: expected {expected:?}, shown {shown:?}", key.id);
            return Err(Oracle::NothingOverwritten.found(detail));
        }
    }
    Ok(())
}

/// What phones show is what the registry has, in every grid that they hold.
fn convergence(registry: &Registry, phones: &[Phone]) -> Result<(), Wrong> {
    for phone in phones {
        let found = |detail: String| Oracle::Convergence.found(format!("phone {}: {detail}", phone.number));
        if let Some(document) = phone.replica.status().damaged.first() {
            return Err(found(format!("{document} is damaged")));
        }
        let unmerged = phone.replica.outbox().filter(|pending| pending.is_in_document());
        let unmerged: BTreeSet<_> = unmerged.map(|pending| pending.document).collect();
        let held = |(_, kept): &(&DocumentKey, &crate::testing::Kept)| {
            phone.scopes.contains(&kept.home) && registry.assignments.contains(&(phone.staff, kept.home))
        };
        for (key, _) in registry.documents.iter().filter(held).filter(|(key, _)| !unmerged.contains(key)) {
            // A later release makes its containers when it first needs them: genesis is no news.
            let is_news = |hash: &ChangeHash| crate::genesis::find(&SCHEMA_2, key, hash).is_none();
            let ours = phone.replica.heads(key).unwrap_or_default().iter().copied();
            let ours: BTreeSet<ChangeHash> = ours.filter(is_news).collect();
            let theirs: BTreeSet<ChangeHash> = registry.documents[key].heads.iter().copied().filter(is_news).collect();
            if ours != theirs {
                return Err(found(format!("{} stands at {ours:?}, in the registry at {theirs:?}", key.id)));
            }
        }
        for household in phone.replica.subjects() {
            shows_the_same(registry, phone, household, &unmerged).map_err(found)?;
        }
    }
    Ok(())
}

/// What a person reads on the phone of a household is what the registry reads.
fn shows_the_same(
    registry: &Registry,
    phone: &Phone,
    household: HouseholdId,
    unmerged: &BTreeSet<DocumentKey>,
) -> Result<(), String> {
    let key = DocumentKey::from(DocumentId::household(household));
    let Some(kept) = registry.documents.get(&key) else {
        let is_there = phone.replica.heads(&key).is_some() && !unmerged.contains(&key);
        return if is_there { Err(format!("{household} is on the phone alone")) } else { Ok(()) };
    };
    let is_theirs = phone.scopes.contains(&kept.home) && phone.schema().version == registry.schema.version;
    if !is_theirs || unmerged.contains(&key) {
        return Ok(());
    }
    let mut document = Automerge::load(&kept.snapshot).map_err(|error| error.to_string())?;
    crate::genesis::add_missing(registry.schema, &key, &mut document);
    let theirs = read_household(registry.schema, &key, &document).map_err(|error| error.to_string())?;
    let ours = phone.replica.household(household);
    // A container of a later release is empty until somebody writes there.
    let says = |household: &Household| {
        let mut says = household.clone();
        says.records.retain(|_, record| !record.0.is_empty());
        says
    };
    if ours.as_ref().map(|known| says(&known.household)) != Some(says(&theirs.household)) {
        return Err(format!("it shows {ours:?}, the registry {theirs:?}"));
    }
    let of_visits = |key: &DocumentKey| key.id.kind() == DocumentKind::Visits && key.id.subject() == household;
    let facts = registry.documents.iter().filter(|(key, _)| of_visits(key)).map(|(_, kept)| kept.facts.len());
    let (facts, shown) = (facts.sum::<usize>(), phone.replica.visits(household).len());
    let is_waiting = unmerged.iter().any(of_visits);
    if facts == shown || is_waiting { Ok(()) } else { Err(format!("{household}: {shown} visits of {facts}")) }
}
