//! The phones of an area: who has them, when they were last in contact, and what they say that they have not sent.

use super::{Cursor, Names, Page, Person, ReadError, page, rows_for};
use crate::database::{Blob, Id};
use crate::device::{DeviceRow, DeviceView};
use crate::entitlement::GRACE_MS;
use crate::precinct::Precinct;
use crate::registry::Registry;
use crate::tables::{assignment, device};
use diesel::prelude::*;
use gridwork_domain::id::AreaId;
use gridwork_domain::instant::Instant;

/// A phone with its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedDevice {
    /// Whose it is.
    pub owner: Person,
    /// The phone.
    pub device: DeviceView,
}

impl Registry {
    /// A page of the phones of those who have an office in the precinct, or in an area of it, by id; also of those whose
    /// office ended so lately that what they bring still counts.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn watched_devices(
        &self,
        within: Precinct,
        area: Option<AreaId>,
        after: Option<Cursor>,
        limit: u32,
        now: Instant,
    ) -> Result<Page<WatchedDevice>, ReadError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                let asked: Option<Precinct> = area.map(|area| [area].into_iter().collect());
                let listed = tree.all().into_iter().map(|area| area.id);
                let listed = listed.filter(|id| within.contains(&tree, *id));
                let listed = listed.filter(|id| asked.as_ref().is_none_or(|asked| asked.contains(&tree, *id)));
                let listed: Vec<Id> = listed.map(Id::from).collect();
                let after = after.map(|after| after.ids::<1>().map(|([id], _)| id)).transpose()?;
                let lasts = assignment::valid_until.is_null();
                let counts = lasts.or(assignment::valid_until.gt(now.plus_ms(-GRACE_MS).ms()));
                let in_office =
                    assignment::table.filter(assignment::area.eq_any(listed).and(counts)).select(assignment::staff);
                let rows: Vec<DeviceRow> = device::table
                    .filter(device::staff.eq_any(in_office))
                    .filter(device::id.gt(Blob(after.unwrap_or_default())))
                    .order(device::id)
                    .limit(rows_for(limit))
                    .select(DeviceRow::as_select())
                    .load(connection)?;
                let names = Names::read(connection, rows.iter().map(|row| row.staff))?;
                let cursor = |row: &DeviceRow| Cursor::new(&[row.id.0], "");
                page(rows, limit, cursor, |row| {
                    Ok(WatchedDevice { owner: names.person(row.staff), device: row.view() })
                })
            })
            .await
    }
}
