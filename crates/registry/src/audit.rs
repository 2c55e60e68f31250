//! The audit log: who did or read what, when, about whom, why and from where.
//!
//! A row commits with the transaction that does what it tells of, in no order. Within a second one sealer gives the rows
//! their positions and chains them by hash ([`chain`], [`sealer`]); `gridwork audit verify` walks the chain ([`verify`]).
//! What the chain proves, and what it cannot, stands in `AUDIT.md` beside this crate.
//!
//! **Invariant:** it holds opaque ids, names of fields, counts, and a reason in its author's words: never a value of a
//! field about a person.

mod chain;
mod query;
mod sealer;
#[cfg(test)]
mod tests;
mod verify;
mod written;

pub use chain::{Head, NotAHead};
pub use query::{AuditFilter, AuditView, Oversight};
pub use sealer::Sealer;
pub use verify::{AuditFinding, AuditReport, audit_head, verify_audit};
pub(crate) use written::{Written, resident_of};

use crate::database::{Blob, Connection, Id, StoreError};
use crate::entropy::random;
use crate::origin::Origin;
use crate::registry::Registry;
use crate::tables::audit;
use diesel::prelude::*;
use gridwork_domain::id::{BreakGlassId, DeviceId, EditId, HouseholdId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::Sensitivity;
use std::collections::BTreeSet;

/// Persons of one row at most: what shows or changes more is told by several rows. A page shows 500 records at most.
const MOST_PERSONS: usize = 512;
/// Bytes of a person in a row.
const PERSON_BYTES: usize = 48;
/// Stands for the resident where a row is about the household as a whole: no id that was ever made is all zero.
const WHOLE_HOUSEHOLD: Id = Blob([0; 16]);

/// Whom something is about: a household, or one resident of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The grid in which the household was then.
    pub scope: ScopeId,
    /// The household.
    pub household: HouseholdId,
    /// The resident; none for the household as a whole.
    pub resident: Option<ResidentId>,
}

/// What is shown of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Showing {
    /// The containers of fields of which something is shown.
    pub classes: &'static [&'static str],
    /// How many records.
    pub records: usize,
    /// The highest class of the fields that may be among them, 0 to 3.
    pub sensitivity: Sensitivity,
    /// Whether some are masked.
    pub masked: bool,
    /// Under which break-glass entries, as far as it lies beyond the own areas.
    pub broken: Vec<BreakGlassId>,
    /// Whether it was searched for by digits of a phone that are shown masked, which says what they are.
    pub sought_phone: bool,
}

/// Something that was done.
pub(crate) struct Step<'a> {
    /// When.
    pub(crate) at: Instant,
    /// By whom; nobody when an installation is set up.
    pub(crate) by: Option<StaffId>,
    /// With which device, if with one.
    pub(crate) device: Option<DeviceId>,
    /// What was done: one word.
    pub(crate) action: &'a str,
    /// The id of what it was done to, if that is no person.
    pub(crate) subject: Option<&'a [u8]>,
    /// Names of fields and counts, as a JSON object.
    pub(crate) detail: &'a str,
    /// Whom it is about.
    pub(crate) persons: BTreeSet<Subject>,
    /// Why, in its author's words; none for the reason that came with the request, if any did.
    pub(crate) reason: Option<&'a str>,
}

impl<'a> Step<'a> {
    /// A step without a device, a subject, counts, persons or a reason of its own.
    pub(crate) fn new(at: Instant, by: Option<StaffId>, action: &'a str) -> Self {
        Self { at, by, device: None, action, subject: None, detail: "{}", persons: BTreeSet::new(), reason: None }
    }
}

/// How many rows it takes to tell of these persons.
pub(crate) fn rows_about(persons: &BTreeSet<Subject>) -> usize {
    persons.len().div_ceil(MOST_PERSONS).max(1)
}

/// Writes an audit row, with the origin of the request under which this job runs; several rows for many persons.
///
/// # Errors
/// As the store says.
pub(crate) fn note(connection: &mut Connection, step: &Step<'_>) -> Result<(), StoreError> {
    let origin = Origin::current();
    let persons: Vec<&Subject> = step.persons.iter().collect();
    let none: &[&Subject] = &[];
    for persons in persons.chunks(MOST_PERSONS).chain(persons.is_empty().then_some(none)) {
        let row = (
            audit::id.eq(Id::from(EditId::new(step.at, random()?))),
            audit::at.eq(step.at.ms()),
            audit::staff.eq(step.by.map(Id::from)),
            audit::device.eq(step.device.map(Id::from)),
            (audit::action.eq(step.action), audit::subject.eq(step.subject), audit::detail.eq(step.detail)),
            audit::persons.eq(join_persons(persons)),
            (
                audit::reason.eq(step.reason.or(origin.reason.as_deref())),
                audit::source.eq(origin.source.as_deref()),
                audit::request.eq(origin.request.as_deref()),
            ),
        );
        diesel::insert_into(audit::table).values(row).execute(connection)?;
    }
    Ok(())
}

impl Registry {
    /// Notes that somebody is about to be shown these households and residents; when this returns, that is durable.
    /// About nobody, nothing is noted but that digits of a phone were searched for.
    ///
    /// # Errors
    /// As the store says: then nothing may be shown.
    pub async fn note_shown(
        &self,
        to: StaffId,
        persons: BTreeSet<Subject>,
        what: Showing,
        now: Instant,
    ) -> Result<(), StoreError> {
        if persons.is_empty() && !what.sought_phone {
            return Ok(());
        }
        let Showing { classes, records, sensitivity, masked, broken, sought_phone } = what;
        let mut detail = serde_json::json!({ "classes": classes, "records": records, "sensitivity": sensitivity });
        if masked {
            detail["masked"] = true.into();
        }
        if sought_phone {
            detail["sought"] = "phone".into();
        }
        if !broken.is_empty() {
            detail["break_glass"] = serde_json::json!(broken);
        }
        let detail = detail.to_string();
        self.database
            .write_alone(rows_about(&persons), move |connection| {
                note(
                    connection,
                    &Step { detail: &detail, persons: persons.clone(), ..Step::new(now, Some(to), "read") },
                )
            })
            .await
    }
}

impl Registry {
    /// Notes that somebody is about to be shown so many rows of the audit log; when this returns, that is durable.
    ///
    /// # Errors
    /// As the store says: then nothing may be shown.
    pub async fn note_audit_read(
        &self,
        to: StaffId,
        filter: &AuditFilter,
        records: usize,
        now: Instant,
    ) -> Result<(), StoreError> {
        let AuditFilter { resident, household, staff, .. } = filter;
        let detail = serde_json::json!({
            "records": records, "resident": resident, "household": household, "staff": staff,
        });
        let detail = detail.to_string();
        self.database
            .write_alone(1, move |connection| {
                note(connection, &Step { detail: &detail, ..Step::new(now, Some(to), "read-audit") })
            })
            .await
    }
}

/// Persons as a column has them, 48 bytes each.
pub(crate) fn join_persons(persons: &[&Subject]) -> Vec<u8> {
    let mut column = Vec::with_capacity(persons.len() * PERSON_BYTES);
    for one in persons {
        column.extend_from_slice(one.scope.as_bytes());
        column.extend_from_slice(one.household.as_bytes());
        column.extend_from_slice(&one.resident.map_or(WHOLE_HOUSEHOLD, Id::from).0);
    }
    column
}

/// The persons of a row; bytes at the end that make no person are left out, which the chain's hash tells.
pub(crate) fn split_persons(column: &[u8]) -> impl Iterator<Item = Subject> + '_ {
    column.as_chunks::<PERSON_BYTES>().0.iter().map(|bytes| {
        let part = |from: usize| {
            let mut id = [0; 16];
            id.copy_from_slice(&bytes[from..from + 16]);
            Blob(id)
        };
        let resident = Some(part(32)).filter(|id| *id != WHOLE_HOUSEHOLD).map(ResidentId::from);
        Subject { scope: part(0).into(), household: part(16).into(), resident }
    })
}
