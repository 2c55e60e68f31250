//! Staff and their devices, for those who administer them.

use super::{Cursor, Page, ReadError, page, rows_for};
use crate::administration::{AdministerError, find_staff};
use crate::area_tree::AreaTree;
use crate::database::{Blob, Connection, Id, StoreError};
use crate::device::{DeviceView, devices_of};
use crate::entitlement::assignments_of;
use crate::precinct::Precinct;
use crate::registry::Registry;
use crate::tables::assignment;
use diesel::prelude::*;
use gridwork_domain::area::Area;
use gridwork_domain::id::{AreaId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Role, Staff};

/// A member of staff with their terms of office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffView {
    /// Who.
    pub staff: Staff,
    /// Every term of office, also those that ended, the latest first.
    pub offices: Vec<OfficeView>,
}

/// A term of office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeView {
    /// As what.
    pub role: Role,
    /// Where.
    pub area: Area,
    /// From this instant.
    pub from: Instant,
    /// Before this instant; none while it lasts.
    pub until: Option<Instant>,
}

impl Registry {
    /// A page of those who have or had an office in the precinct, or in an area of it, and are administered from there; by
    /// id. A page may be shorter than its limit and yet not the last.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn staff(
        &self,
        within: Precinct,
        area: Option<AreaId>,
        after: Option<Cursor>,
        limit: u32,
        now: Instant,
    ) -> Result<Page<StaffView>, ReadError> {
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
                let rows: Vec<Id> = assignment::table
                    .filter(assignment::area.eq_any(listed))
                    .filter(assignment::staff.gt(Blob(after.unwrap_or_default())))
                    .select(assignment::staff)
                    .distinct()
                    .order(assignment::staff)
                    .limit(rows_for(limit))
                    .load(connection)?;
                let cursor = |id: &Id| Cursor::new(&[id.0], "");
                let found = page(rows, limit, cursor, |id| {
                    let staff = StaffId::from(id);
                    let administered = within.administers(connection, &tree, staff, now)?;
                    Ok(if administered { view_of_staff(connection, &tree, staff)? } else { None })
                })?;
                Ok(Page { items: found.items.into_iter().flatten().collect(), next: found.next })
            })
            .await
    }

    /// A member of staff who is administered from the precinct.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`] for anybody else.
    pub async fn staff_member(
        &self,
        within: Precinct,
        staff: StaffId,
        now: Instant,
    ) -> Result<StaffView, AdministerError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                let administered = within.administers(connection, &tree, staff, now)?;
                let found = if administered { view_of_staff(connection, &tree, staff)? } else { None };
                found.ok_or(AdministerError::NoSuchStaff)
            })
            .await
    }

    /// The devices of a member of staff who is administered from the precinct, also those that were revoked.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`] for anybody else.
    pub async fn devices_within(
        &self,
        within: Precinct,
        staff: StaffId,
        now: Instant,
    ) -> Result<Vec<DeviceView>, AdministerError> {
        self.database
            .read(move |connection| {
                within.must_administer(connection, staff, now)?;
                Ok(devices_of(connection, Some(staff))?)
            })
            .await
    }
}

/// A member of staff with every term of office; none if there is no such person.
pub(crate) fn view_of_staff(
    connection: &mut Connection,
    tree: &AreaTree,
    id: StaffId,
) -> Result<Option<StaffView>, StoreError> {
    let Some(staff) = find_staff(connection, id)? else { return Ok(None) };
    let held = assignments_of(connection, id)?.into_iter();
    let office = |one: gridwork_domain::staff::Assignment| {
        let area = tree.get(one.area)?.clone();
        Some(OfficeView { role: one.role, area, from: one.from, until: one.until })
    };
    let mut offices: Vec<_> = held.filter_map(office).collect();
    offices.sort_by_key(|office| std::cmp::Reverse((office.from, office.area.id)));
    Ok(Some(StaffView { staff, offices }))
}
