//! The changes of one document, replayed in the order of the log: each against its hash, its columns, its actor, what it
//! depends on and its feed row.

use super::chunk::Placed;
use super::{Difference, VerifyReport};
use crate::database::Id;
use crate::ledger::Owner;
use crate::log::{ChangeRow, DocumentRow};
use crate::registry::SCHEMA;
use automerge::{Automerge, Change};
use gridwork_sync::change::RawChange;
use gridwork_sync::document::{ActorId, ChangeHash, DocumentKey};
use gridwork_sync::genesis::{self, GENESIS_ACTOR};
use gridwork_sync::guard::decode;
use gridwork_sync::guard::scan::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A change that is what its row says.
pub(super) struct Sound<'a> {
    pub(super) row: &'a ChangeRow,
    pub(super) raw: RawChange,
    pub(super) change: Change,
}

/// A document replayed.
pub(super) struct Replay<'a> {
    /// Its changes in the order of the log.
    pub(super) changes: Vec<Sound<'a>>,
    /// What they make together; none if the log is damaged or does not apply.
    pub(super) document: Option<Automerge>,
    /// The genesis change that every side makes itself; none in documents of facts.
    pub(super) begun_by: Option<ChangeHash>,
}

/// Checks the changes of a document and replays them.
pub(super) fn replay<'a>(
    key: &DocumentKey,
    row: &DocumentRow,
    placed: &'a [Placed],
    owners: &BTreeMap<Id, Owner>,
    report: &mut VerifyReport,
) -> Replay<'a> {
    let damaged_before = report.differences_found;
    let begun_by = genesis::genesis(SCHEMA, key).first().map(|change| change.hash().into());
    let mut known: BTreeSet<ChangeHash> = begun_by.into_iter().collect();
    let mut sequences: BTreeMap<ActorId, i64> = [(GENESIS_ACTOR, 1)].into();
    let mut changes = Vec::new();
    for (change, feed) in placed {
        report.changes += 1;
        let mut differs = |table: &str, column: &str, expected: String, found: String| {
            let name = format!("change {}", ChangeHash::from(change.hash));
            report.add(Difference::new(table, name, expected, found).of(key.id).column(column));
        };
        match feed {
            None => {
                let place =
                    format!("scope {}, position {}", gridwork_domain::id::ScopeId::from(change.scope), change.position);
                differs("feed", "change", format!("a row ({place})"), "none".to_owned());
            }
            Some(feed) if (feed.document, feed.epoch, feed.change) != (change.document, change.epoch, change.hash) => {
                differs("feed", "change", format!("{:?}", change.hash), format!("{:?}", feed.change));
            }
            Some(_) => {}
        }
        if change.scope != row.home {
            differs("change", "scope", format!("{:?}", row.home), format!("{:?}", change.scope));
        }
        let last = sequences.entry(change.actor.into()).or_default();
        if change.sequence != *last + 1 {
            let found = format!("{}", change.sequence);
            differs("change", "sequence", format!("{}, with none left out", *last + 1), found);
        }
        *last = change.sequence;
        // Also a damaged change is there for those that depend on it: only the damage itself is named.
        known.insert(change.hash.into());
        let (decoded, raw) = match decode(&change.bytes, &Limits::DEFAULT) {
            Ok(decoded) => {
                let Some(raw) = RawChange::of(&decoded) else { continue };
                (decoded, raw)
            }
            Err(refusal) => {
                differs("change", "bytes", "the bytes of this change".to_owned(), refusal.code.word().to_owned());
                continue;
            }
        };
        if !agree(change, &raw, owners) {
            for (column, expected, found) in columns(change, &raw, owners) {
                if expected != found {
                    differs("change", column, expected, found);
                }
            }
        }
        for dependency in raw.dependencies.iter().filter(|hash| !known.contains(hash)) {
            differs(
                "change",
                "bytes",
                format!("change {dependency} in the log, on which it depends"),
                "none".to_owned(),
            );
        }
        changes.push(Sound { row: change, raw, change: decoded });
    }
    let is_sound = report.differences_found == damaged_before;
    let document = if is_sound { apply(key, &changes, report) } else { None };
    Replay { changes, document, begun_by }
}

/// Whether the columns of a change are what its bytes and its actor say.
fn agree(row: &ChangeRow, raw: &RawChange, owners: &BTreeMap<Id, Owner>) -> bool {
    let owned = || {
        owners.get(&row.actor).is_some_and(|owner| {
            // What others brought of it has no device; the device may have come back since.
            let is_its_device = owner.device.map(Id::from) == row.device || (owner.relayed && row.device.is_none());
            Id::from(owner.staff) == row.staff && is_its_device
        })
    };
    raw.hash.0 == row.hash.0
        && raw.actor.0 == row.actor.0
        && i64::try_from(raw.sequence) == Ok(row.sequence)
        && i64::try_from(raw.largest_op) == Ok(row.largest_op)
        && raw.at.ms() == row.made_at
        && (raw.actor == GENESIS_ACTOR || owned())
}

/// The columns of a change as its bytes and its actor have them, and as they are.
fn columns(row: &ChangeRow, raw: &RawChange, owners: &BTreeMap<Id, Owner>) -> Vec<(&'static str, String, String)> {
    let mut columns = vec![
        ("hash", raw.hash.to_string(), ChangeHash::from(row.hash).to_string()),
        ("actor", raw.actor.to_string(), ActorId::from(row.actor).to_string()),
        ("sequence", raw.sequence.to_string(), row.sequence.to_string()),
        ("largest_op", raw.largest_op.to_string(), row.largest_op.to_string()),
        ("made_at", raw.at.ms().to_string(), row.made_at.to_string()),
    ];
    if raw.actor != GENESIS_ACTOR {
        let owner = owners.get(&row.actor);
        let staff = owner.map_or("nobody".to_owned(), |owner| format!("{:?}", Id::from(owner.staff)));
        let device = owner.and_then(|owner| owner.device).map(Id::from);
        columns.push(("staff", staff, format!("{:?}", row.staff)));
        columns.push(("device", format!("{device:?}"), format!("{:?}", row.device)));
    }
    columns
}

fn apply(key: &DocumentKey, changes: &[Sound<'_>], report: &mut VerifyReport) -> Option<Automerge> {
    let applied = catch_unwind(AssertUnwindSafe(|| {
        let mut document = genesis::begin(SCHEMA, key);
        document.apply_changes(changes.iter().map(|sound| sound.change.clone())).map_err(|error| error.to_string())?;
        Ok::<_, String>(document)
    }));
    let reason = match applied {
        Ok(Ok(document)) => return Some(document),
        Ok(Err(reason)) => reason,
        Err(_) => "the library gave up".to_owned(),
    };
    report.add(Difference::new("document", "its changes", "a document", reason).of(key.id));
    None
}
