//! Documents: heads, snapshots and projection against the changes replayed.

use super::changes::{Replay, replay};
use super::chunk::{Chunk, Placed, Range, read};
use super::compare::compare;
use super::words::{Given, Words};
use super::{Difference, VerifyReport};
use crate::database::{Connection, DocumentBlob, Id, StoreError};
use crate::ledger::Owner;
use crate::log::{DocumentRow, Sender, join_heads, key};
use crate::projection::{FactRow, HouseholdRows, fact_row, household_rows};
use crate::registry::SCHEMA;
use crate::snapshot::{Stored, unpack};
use crate::tables::actor;
use automerge::legacy::{Key, OpType};
use automerge::{Automerge, ScalarValue};
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, FactId};
use gridwork_domain::instant::Instant;
use gridwork_sealing::Keyring;
use gridwork_sync::document::{ChangeHash, DocumentKey, DocumentKind};
use gridwork_sync::genesis::GENESIS_ACTOR;
use gridwork_sync::guard::NewFact;
use gridwork_sync::reading::{Reading, read_household};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that check at most, beside the one that reads: beyond, reading is what takes the time.
const MOST_CHECKERS: usize = 4;

/// Checks all documents of a kind: this thread reads chunk after chunk in the one transaction, others check them.
pub(super) fn check(
    connection: &mut Connection,
    kind: DocumentKind,
    keys: &Keyring,
    words: &Mutex<Words>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let checkers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_CHECKERS);
    let (read_to, chunks) = sync_channel(checkers);
    // Held by the checkers alone: when none is left, the reader is told.
    let chunks = Arc::new(Mutex::new(chunks));
    std::thread::scope(|scope| {
        let start = |chunks: Arc<Mutex<Receiver<Read>>>| scope.spawn(move || check_all(kind, keys, &chunks, words));
        let threads: Vec<_> = (0..checkers).map(|_| start(chunks.clone())).collect();
        drop(chunks);
        let read = read_all(connection, kind, &read_to);
        drop(read_to);
        let mut checked: Vec<(usize, VerifyReport)> = Vec::new();
        for thread in threads {
            checked.append(&mut thread.join().unwrap_or(Err(StoreError::Panicked))?);
        }
        read?;
        checked.sort_unstable_by_key(|(number, _)| *number);
        checked.into_iter().for_each(|(_, of_chunk)| report.absorb(of_chunk));
        Ok(())
    })
}

/// A chunk by its number, with who is behind the actors of its changes.
type Read = (usize, Chunk, BTreeMap<Id, Owner>);

fn check_all(
    kind: DocumentKind,
    keys: &Keyring,
    chunks: &Mutex<Receiver<Read>>,
    words: &Mutex<Words>,
) -> Result<Vec<(usize, VerifyReport)>, StoreError> {
    let take = || chunks.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
    let mut checked = Vec::new();
    while let Some((number, chunk, owners)) = take() {
        let mut report = VerifyReport::default();
        check_chunk(kind, chunk, (&owners, keys), words, &mut report)?;
        checked.push((number, report));
    }
    Ok(checked)
}

fn read_all(connection: &mut Connection, kind: DocumentKind, read_to: &SyncSender<Read>) -> Result<(), StoreError> {
    let mut next = Some(Range::of(kind));
    let mut number = 0;
    while let Some(range) = next {
        let (chunk, rest) = read(connection, kind, range, number == 0)?;
        let owners = owners(connection, &chunk.changes)?;
        if read_to.send((number, chunk, owners)).is_err() {
            break; // no checker is left, and each says why
        }
        next = rest;
        number += 1;
    }
    Ok(())
}

/// Who is behind the actors of these changes.
fn owners(connection: &mut Connection, changes: &[Placed]) -> Result<BTreeMap<Id, Owner>, StoreError> {
    /// Actors that are asked for at a time: below the bounds on bind variables of every database.
    const ACTORS_PER_QUERY: usize = 8_192;
    let actors: BTreeSet<Id> = changes.iter().map(|(change, _)| change.actor).collect();
    let actors: Vec<Id> = actors.into_iter().collect();
    let mut owners = BTreeMap::new();
    for some in actors.chunks(ACTORS_PER_QUERY) {
        let rows: Vec<(Id, Id, Option<Id>, bool)> = actor::table
            .filter(actor::id.eq_any(some))
            .select((actor::id, actor::staff, actor::device, actor::relayed))
            .load(connection)?;
        owners.extend(rows.into_iter().map(|(id, staff, device, relayed)| {
            (id, Owner { staff: staff.into(), device: device.map(Into::into), relayed })
        }));
    }
    Ok(owners)
}

/// What the log says that a chunk's rows should be.
#[derive(Default)]
struct Expected {
    facts: Vec<FactRow>,
    households: Vec<HouseholdRows>,
    /// Documents whose log is damaged: nothing can be said of their rows.
    damaged: BTreeSet<DocumentBlob>,
}

fn check_chunk(
    kind: DocumentKind,
    mut chunk: Chunk,
    (owners, keys): (&BTreeMap<Id, Owner>, &Keyring),
    words: &Mutex<Words>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let mut expected = Expected::default();
    let mut changes = chunk.changes.as_slice();
    let mut snapshots = chunk.snapshots.as_slice();
    for row in &chunk.documents {
        report.documents += 1;
        let key = key(row.id, row.epoch)?;
        let this = (row.id, row.epoch);
        strays(take(&mut changes, |(change, _)| (change.document, change.epoch) < this), report);
        let placed = take(&mut changes, |(change, _)| (change.document, change.epoch) == this);
        let before = take(&mut snapshots, |(document, epoch, _)| (*document, *epoch) < this);
        before.iter().for_each(|(id, ..)| stray_snapshot(*id, report));
        let stored = take(&mut snapshots, |(document, epoch, _)| (*document, *epoch) == this);
        let replay = replay(&key, row, placed, owners, report);
        check_columns(&key, row, report);
        match stored {
            [(_, _, stored)] => {
                report.snapshots += 1;
                check_snapshot(&key, stored, &replay, report);
            }
            _ if kind == DocumentKind::Household => {
                report.add(Difference::new("snapshot", "its row", "a row", "none").of(key.id));
            }
            _ => {}
        }
        let Some(document) = &replay.document else {
            expected.damaged.insert(row.id);
            continue;
        };
        check_heads(&key, row, document, report);
        match kind {
            DocumentKind::Visits => expected.facts.extend(facts(&key, &replay)),
            DocumentKind::Household => match project(&key, row, document, keys, owners) {
                Ok(rows) => expected.households.push(rows),
                Err(reason) => {
                    expected.damaged.insert(row.id);
                    report.add(Difference::new("document", "its records", "a household", reason).of(key.id));
                }
            },
        }
    }
    strays(changes, report);
    snapshots.iter().for_each(|(id, ..)| stray_snapshot(*id, report));
    drop_damaged(&mut chunk, &expected.damaged);
    if kind == DocumentKind::Household {
        let damaged = chunk.documents.iter().filter(|row| expected.damaged.contains(&row.id));
        let given: Vec<Given> = expected.households.iter().map(Given::of).collect();
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.for_each(|row| words.leave_out(row.household));
        given.into_iter().for_each(|one| words.expect(one));
    }
    report.facts += chunk.facts.len() as u64;
    report.households += chunk.households.len() as u64;
    report.residents += chunk.residents.len() as u64;
    compare(expected.facts, chunk.facts, report);
    let mut households = Vec::new();
    let mut residents = Vec::new();
    let mut memberships = Vec::new();
    let mut needs = Vec::new();
    let mut conflicts = Vec::new();
    for rows in expected.households {
        households.push(rows.household);
        residents.extend(rows.residents);
        memberships.extend(rows.memberships);
        needs.extend(rows.needs);
        conflicts.extend(rows.conflicts);
    }
    compare(households, chunk.households, report);
    compare(residents, chunk.residents, report);
    compare(memberships, chunk.memberships, report);
    compare(needs, chunk.needs, report);
    compare(conflicts, chunk.conflicts, report);
    Ok(())
}

/// Takes the rows off the front for which something holds.
fn take<'a, T>(rows: &mut &'a [T], holds: impl Fn(&T) -> bool) -> &'a [T] {
    let count = rows.iter().position(|row| !holds(row)).unwrap_or(rows.len());
    let (taken, rest) = rows.split_at(count);
    *rows = rest;
    taken
}

/// Changes of documents that are not there.
fn strays(placed: &[Placed], report: &mut VerifyReport) {
    for (change, _) in placed {
        report.changes += 1;
        let name = format!("change {}", ChangeHash::from(change.hash));
        report.add(Difference::new("document", name, "a row of its document", "none"));
    }
}

fn stray_snapshot(id: DocumentBlob, report: &mut VerifyReport) {
    report.add(Difference::new("document", format!("snapshot of {id:?}"), "a row of its document", "none"));
}

fn drop_damaged(chunk: &mut Chunk, damaged: &BTreeSet<DocumentBlob>) {
    let households: BTreeSet<Id> =
        chunk.documents.iter().filter(|row| damaged.contains(&row.id)).map(|row| row.household).collect();
    chunk.facts.retain(|row| !damaged.contains(&row.document));
    chunk.households.retain(|row| !households.contains(&row.id));
    chunk.residents.retain(|row| !households.contains(&row.household));
    chunk.memberships.retain(|row| !households.contains(&row.household));
    chunk.needs.retain(|row| !households.contains(&row.household));
    chunk.conflicts.retain(|row| !households.contains(&row.household));
}

fn check_columns(key: &DocumentKey, row: &DocumentRow, report: &mut VerifyReport) {
    let expected = (i32::from(key.id.kind().byte()), Id::from(key.id.subject()), i32::from(key.id.year()));
    let found = (row.kind, row.household, row.year);
    if expected != found {
        let difference = Difference::new("document", "its row", format!("{expected:?}"), format!("{found:?}"));
        report.add(difference.of(key.id).column("kind, household, year"));
    }
    if row.frozen {
        let difference = Difference::new("document", "its row", "a document that can be loaded", "a frozen one");
        report.add(difference.of(key.id).column("frozen"));
    }
}

fn check_heads(key: &DocumentKey, row: &DocumentRow, document: &Automerge, report: &mut VerifyReport) {
    let heads: Vec<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
    if join_heads(&heads) != row.heads {
        let expected = heads.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let found = row.heads.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        report.add(Difference::new("document", "its row", expected, found).of(key.id).column("heads"));
    }
}

/// A snapshot has its hash, loads, and holds exactly the changes up to its position.
fn check_snapshot(key: &DocumentKey, stored: &Stored, replay: &Replay<'_>, report: &mut VerifyReport) {
    let mut differs = |column: &str, expected: &str, found: String| {
        report.add(Difference::new("snapshot", "its row", expected, found).of(key.id).column(column));
    };
    let bytes = match unpack(key, stored) {
        Ok(bytes) => bytes,
        Err(error) => return differs("bytes", "the bytes of its hash", error.to_string()),
    };
    let loaded = match catch_unwind(AssertUnwindSafe(|| Automerge::load(&bytes))) {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => return differs("bytes", "a document that loads", error.to_string()),
        Err(_) => return differs("bytes", "a document that loads", "the library gave up".to_owned()),
    };
    if replay.document.is_none() {
        return;
    }
    let held: BTreeSet<ChangeHash> =
        loaded.get_changes_meta(&[]).into_iter().map(|change| change.hash.into()).collect();
    let until = replay.changes.iter().filter(|sound| sound.row.position <= stored.position);
    let logged: BTreeSet<ChangeHash> = until.map(|sound| sound.raw.hash).chain(replay.begun_by).collect();
    if held != logged {
        let names = |hashes: Vec<&ChangeHash>| hashes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let missing = names(logged.difference(&held).collect());
        let beyond = names(held.difference(&logged).collect());
        let found = format!("one without [{missing}] and with [{beyond}]");
        differs("bytes", &format!("the {} changes up to position {}", logged.len(), stored.position), found);
    }
}

/// The rows of the facts that the changes of a document brought, each fact by the first that did.
fn facts(key: &DocumentKey, replay: &Replay<'_>) -> Vec<FactRow> {
    let mut rows: BTreeMap<FactId, FactRow> = BTreeMap::new();
    for sound in &replay.changes {
        let at = Instant::from_ms(sound.row.received_at);
        let device = sound.row.device.map(DeviceId::from);
        let sender = Sender { staff: sound.row.staff.into(), device, at, last_contact: at };
        for op in sound.change.decode().operations {
            let (Key::Map(name), OpType::Put(ScalarValue::Bytes(bytes))) = (&op.key, &op.action) else { continue };
            let Ok(id) = name.parse::<FactId>() else { continue };
            let Ok(fact) = gridwork_sync::fact::decode(id, bytes, key) else { continue };
            let new = NewFact { fact, bytes: bytes.clone() };
            rows.entry(id).or_insert_with(|| fact_row(key, sound.row.scope.into(), &new, &sound.raw, &sender));
        }
    }
    rows.into_values().collect()
}

fn project(
    key: &DocumentKey,
    row: &DocumentRow,
    document: &Automerge,
    keys: &Keyring,
    owners: &BTreeMap<Id, Owner>,
) -> Result<HouseholdRows, String> {
    let read = catch_unwind(AssertUnwindSafe(|| read_household(SCHEMA, key, document)));
    let reading: Reading = read.map_err(|_| "the library gave up".to_owned())?.map_err(|error| error.to_string())?;
    household_rows(&reading, row.home.into(), keys, |actor| {
        debug_assert!(actor != GENESIS_ACTOR, "genesis writes no field");
        let unknown = || StoreError::Unreadable(format!("nobody is behind the actor {actor}"));
        owners.get(&actor.into()).map(|owner| owner.staff).ok_or_else(unknown)
    })
    .map_err(|error| error.to_string())
}
