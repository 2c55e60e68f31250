//! The audit log: who did what, when, to what.
//!
//! **Invariant:** it holds opaque ids and counts, never anything about a person.

use crate::database::{Connection, Id, StoreError};
use crate::tables::audit;
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, StaffId};
use gridwork_domain::instant::Instant;

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
    /// The id of what it was done to.
    pub(crate) subject: Option<&'a [u8]>,
    /// Counts, as a JSON object.
    pub(crate) detail: &'a str,
}

impl<'a> Step<'a> {
    /// A step without a device, a subject or counts.
    pub(crate) fn new(at: Instant, by: Option<StaffId>, action: &'a str) -> Self {
        Self { at, by, device: None, action, subject: None, detail: "{}" }
    }
}

/// Writes an audit row.
///
/// # Errors
/// As the store says.
pub(crate) fn note(connection: &mut Connection, step: &Step<'_>) -> Result<(), StoreError> {
    let row = (
        audit::at.eq(step.at.ms()),
        audit::staff.eq(step.by.map(Id::from)),
        audit::device.eq(step.device.map(Id::from)),
        (audit::action.eq(step.action), audit::subject.eq(step.subject), audit::detail.eq(step.detail)),
    );
    diesel::insert_into(audit::table).values(row).execute(connection)?;
    Ok(())
}
