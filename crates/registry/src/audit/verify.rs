//! Walks the chain from its first row and names whatever is not as the sealer left it.
//!
//! It reads only, in one read transaction, and may run beside a server.
//!
//! **Invariant:** each row that was removed, altered or put elsewhere after it was sealed is named by its position, as
//! long as a row after it, the counter of the chain or a head that is kept elsewhere still tells.

use super::chain::{AuditRow, BEGINNING, Head};
use super::sealer::index_of;
use crate::database::{Connection, HashBlob, Id, StoreError, read_existing};
use crate::settings::Settings;
use crate::tables::{audit, audit_chain, audit_person};
use crate::verify::VerifyError;
use diesel::dsl::{count_star, min};
use diesel::prelude::*;
use serde::Serialize;
use std::fmt;

/// Rows that are read at a time.
const CHUNK: i64 = 1_000;
/// Findings that are listed; all are counted.
const MOST_FINDINGS: usize = 1_000;
/// Rows that do not follow from the one before them and are compared with each other, to tell where they belong.
const MOST_COMPARED: usize = 256;

/// What was walked, and what is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Rows of the chain that were walked.
    pub rows: u64,
    /// Persons of these rows, each with its entry in the index.
    pub persons: u64,
    /// Rows that are not sealed yet; the chain says nothing of them.
    pub unsealed: u64,
    /// When the oldest of those was noted, milliseconds since 1970 UTC.
    pub oldest_unsealed_ms: Option<i64>,
    /// The last row: keep it elsewhere, and give it to a later `verify`.
    pub head: String,
    /// What is not as it was sealed, at most a thousand.
    pub findings: Vec<AuditFinding>,
    /// How many there are.
    pub findings_found: u64,
}

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFinding {
    /// The position in the chain.
    pub position: u64,
    /// The id of the row that stands there, if one does.
    pub row: Option<String>,
    /// `removed`, `altered`, `reordered`, `index` or `head`.
    pub kind: &'static str,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}: {}", self.position, self.kind)?;
        if let Some(row) = &self.row {
            write!(f, ", row {row}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl AuditReport {
    /// Whether everything is as it was sealed.
    pub fn is_clean(&self) -> bool {
        self.findings_found == 0
    }

    fn add(&mut self, position: i64, row: Option<&AuditRow>, kind: &'static str, detail: impl Into<String>) {
        self.findings_found += 1;
        if self.findings.len() < MOST_FINDINGS {
            let position = u64::try_from(position).unwrap_or_default();
            self.findings.push(AuditFinding { position, row: row.map(AuditRow::name), kind, detail: detail.into() });
        }
    }
}

/// The last row of the chain.
///
/// # Errors
/// [`VerifyError`] if the database cannot be read.
pub fn audit_head(settings: &Settings) -> Result<Head, VerifyError> {
    Ok(read_existing(settings, last)??)
}

/// Walks the chain: from its first row, or from the row after `since`, a head that is trusted. Each of `heads` must be a
/// row of the chain. Blocks.
///
/// # Errors
/// [`VerifyError`] if the database cannot be read. That something is wrong is no error but the report.
pub fn verify_audit(settings: &Settings, since: Option<Head>, heads: &[Head]) -> Result<AuditReport, VerifyError> {
    Ok(read_existing(settings, |connection| check(connection, since, heads))??)
}

fn check(connection: &mut Connection, since: Option<Head>, heads: &[Head]) -> Result<AuditReport, StoreError> {
    let unsealed = audit::table.filter(audit::position.is_null());
    let (waiting, oldest): (i64, Option<i64>) = (
        unsealed.select(count_star()).get_result(connection)?,
        unsealed.select(min(audit::at)).get_result(connection)?,
    );
    let mut report = AuditReport {
        rows: 0,
        persons: 0,
        unsealed: u64::try_from(waiting).unwrap_or_default(),
        oldest_unsealed_ms: oldest,
        head: last(connection)?.to_string(),
        findings: Vec::new(),
        findings_found: 0,
    };
    for head in since.iter().chain(heads) {
        check_head(connection, head, &mut report)?;
    }
    walk(connection, since, &mut report)?;
    report.findings.sort_by_key(|finding| finding.position);
    Ok(report)
}

fn last(connection: &mut Connection) -> Result<Head, StoreError> {
    let sealed = audit::table.filter(audit::position.is_not_null());
    let columns = (audit::position.assume_not_null(), audit::hash.assume_not_null());
    let last = sealed.order(audit::position.desc()).limit(1).select(columns).get_result(connection);
    let (position, hash): (i64, HashBlob) = last.optional()?.unwrap_or((0, BEGINNING));
    Ok(Head { position: u64::try_from(position).unwrap_or_default(), hash: hash.0 })
}

fn check_head(connection: &mut Connection, head: &Head, report: &mut AuditReport) -> Result<(), StoreError> {
    let position = i64::try_from(head.position).unwrap_or(i64::MAX);
    let found: Option<HashBlob> = match position {
        0 => Some(BEGINNING),
        _ => {
            let there = audit::table.filter(audit::position.eq(Some(position)));
            there.select(audit::hash.assume_not_null()).get_result(connection).optional()?
        }
    };
    match found {
        Some(hash) if hash.0 == head.hash => {}
        Some(_) => report.add(position, None, "head", "the chain has another hash here than the head that was kept"),
        None => report.add(position, None, "head", "the head that was kept is no row of the chain any more"),
    }
    Ok(())
}

type Sealed = (i64, HashBlob, AuditRow);

fn walk(connection: &mut Connection, since: Option<Head>, report: &mut AuditReport) -> Result<(), StoreError> {
    let begin = since.map(|head| (i64::try_from(head.position).unwrap_or(i64::MAX), HashBlob::from(head.hash)));
    let (mut at, before) = begin.unwrap_or((0, BEGINNING));
    let mut before = Some(before);
    let mut broken: Vec<(HashBlob, Sealed)> = Vec::new();
    loop {
        let rows: Vec<Sealed> = audit::table
            .filter(audit::position.gt(Some(at)))
            .order(audit::position)
            .limit(CHUNK)
            .select((audit::position.assume_not_null(), audit::hash.assume_not_null(), AuditRow::as_select()))
            .load(connection)?;
        let Some(through) = rows.last().map(|(position, ..)| *position) else { break };
        check_index(connection, at, through, &rows, report)?;
        for sealed in rows {
            let (position, hash, row) = &sealed;
            if *position > at + 1 {
                missing(at + 1, *position - 1, report);
                before = None; // what the row follows is gone with the row before it
            }
            (at, report.rows) = (*position, report.rows + 1);
            if let Some(before) = before.replace(*hash)
                && row.hash_after(&before) != *hash
            {
                if broken.len() < MOST_COMPARED {
                    broken.push((before, sealed));
                } else {
                    report.add(*position, Some(row), "altered", "it does not follow from the row before it");
                }
            }
        }
    }
    name_broken(&broken, report);
    let beyond = audit_person::table.filter(audit_person::position.gt(at)).select(count_star());
    if beyond.get_result::<i64>(connection)? > 0 {
        report.add(at + 1, None, "index", "the index of persons names rows that are not there");
    }
    let (counted, hash): (i64, HashBlob) =
        audit_chain::table.find(1).select((audit_chain::position, audit_chain::hash)).get_result(connection)?;
    if counted > at {
        missing(at + 1, counted, report);
    } else if counted < at || before.is_some_and(|last| last != hash) {
        report.add(at, None, "altered", "the counter of the chain is at another row than the last");
    }
    Ok(())
}

fn missing(from: i64, through: i64, report: &mut AuditReport) {
    let detail = if from == through {
        "there is no such row; whether the row after it is as it was cannot be told".to_owned()
    } else {
        format!("there are no rows from {from} to {through}; whether the row after them is as it was cannot be told")
    };
    report.add(from, None, "removed", detail);
}

/// Tells rows that stand in another's place from those that were altered: the hash of an intact row still follows from
/// one of the hashes around.
fn name_broken(broken: &[(HashBlob, Sealed)], report: &mut AuditReport) {
    let hashes = || broken.iter().flat_map(|(before, (_, hash, _))| [before, hash]);
    for (before, (position, hash, row)) in broken {
        let moved_with_hash = hashes().any(|other| row.hash_after(other) == *hash);
        let moved_alone =
            broken.iter().find(|(_, (_, _, other))| other.id != row.id && other.hash_after(before) == *hash);
        let (kind, detail) = match moved_alone {
            _ if moved_with_hash => ("reordered", "the row is as it was sealed, and belongs elsewhere".to_owned()),
            Some((_, (elsewhere, ..))) => ("reordered", format!("what belongs here stands at position {elsewhere}")),
            None => ("altered", "it does not follow from the row before it".to_owned()),
        };
        report.add(*position, Some(row), kind, detail);
    }
}

/// The index of persons of these rows: each person once, and nobody else.
fn check_index(
    connection: &mut Connection,
    after: i64,
    through: i64,
    rows: &[Sealed],
    report: &mut AuditReport,
) -> Result<(), StoreError> {
    let range = audit_person::position.gt(after).and(audit_person::position.le(through));
    let found: Vec<(i64, Id, Id, Id)> = audit_person::table
        .filter(range)
        .order((audit_person::position, audit_person::household, audit_person::resident))
        .select((audit_person::position, audit_person::household, audit_person::resident, audit_person::scope))
        .load(connection)?;
    let mut found = found.into_iter().peekable();
    for (position, _, row) in rows {
        let mut indexed = Vec::new();
        while let Some((of, household, resident, scope)) = found.next_if(|(of, ..)| of <= position) {
            if of < *position {
                report.add(of, None, "index", "the index of persons names a row that is not there");
            } else {
                indexed.push(((household, resident), scope));
            }
        }
        report.persons += indexed.len() as u64;
        if indexed != index_of(&row.persons).into_iter().collect::<Vec<_>>() {
            report.add(*position, Some(row), "index", "the index of persons is not what the row says");
        }
    }
    Ok(())
}
