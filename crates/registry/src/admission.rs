//! Who comes with what credential, and what that gives: looked at anew with every request, by few statements and no
//! transaction around them, as every request waits for it.
//!
//! **Invariant:** nothing about who may come in is remembered between requests, so that a session or key that was ended, an
//! office, or what an emergency gave, gives nothing from then on, on whichever node the next request arrives.

use crate::api_key::find_key;
use crate::area_tree::{Grant, areas_version, grants};
use crate::break_glass::{BrokenGlass, EntryRow, is_in_force, read_broken};
use crate::database::{Connection, StoreError};
use crate::entitlement::{AssignmentRow, assignments_of, read_assignment};
use crate::registry::Registry;
use crate::session::{is_live, used_after};
use crate::tables::{assignment, break_glass, instance, session};
use diesel::prelude::*;
use gridwork_domain::id::{SessionId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::permission::Operation;
use gridwork_domain::staff::Assignment;
use std::collections::BTreeSet;

/// With what somebody comes.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access token, which was found to be of this installation: it names a session and whose it is.
    Session(SessionId, StaffId),
    /// The key of a machine client.
    Key(String),
}

/// Somebody who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub staff: StaffId,
    /// How.
    pub by: Means,
    /// What the offices give that they hold now.
    pub grants: Vec<Grant>,
    /// What they read beyond that in an emergency: nothing for a machine client, or without an office that permits it.
    pub broken: Vec<BrokenGlass>,
}

/// By what somebody came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// In this session, and whether a second factor was shown in it.
    Session(SessionId, bool),
    /// With a key for these operations.
    Key(Vec<Operation>),
}

impl Registry {
    /// Who comes with a credential; `None` if it is good for nothing, or for nothing any more.
    ///
    /// # Errors
    /// As the store says.
    pub async fn admit(&self, credential: Credential, now: Instant) -> Result<Option<Admitted>, StoreError> {
        let areas = self.areas.clone();
        self.database
            .look_up(move |connection| {
                let found = match &credential {
                    Credential::Session(session, staff) => of_session(connection, *session, *staff, now)?,
                    Credential::Key(key) => of_key(connection, key, now)?,
                };
                let Some(Found { staff, by, held, broken, areas_version }) = found else { return Ok(None) };
                let tree = areas.tree_of(connection, areas_version)?;
                let grants = grants(&tree, held, now);
                let may_break = grants.iter().any(|grant| grant.role.may(Operation::BreakGlass));
                let broken = broken.into_iter().filter(|_| may_break).map(|row| read_broken(&tree, row)).collect();
                Ok::<_, StoreError>(Some(Admitted { staff, by, grants, broken }))
            })
            .await
    }
}

/// What the database has about somebody who comes with a credential that holds.
struct Found {
    staff: StaffId,
    by: Means,
    held: Vec<Assignment>,
    broken: BTreeSet<EntryRow>,
    areas_version: i64,
}

/// Whether a second factor was shown, an office, an entry that is in force, and the version of the areas.
type SessionRow = (bool, Option<AssignmentRow>, Option<EntryRow>, Option<i64>);

/// By one statement: each office beside each entry that is in force, of which there are few.
fn of_session(
    connection: &mut Connection,
    id: SessionId,
    staff: StaffId,
    now: Instant,
) -> Result<Option<Found>, StoreError> {
    let office = (assignment::role, assignment::area, assignment::valid_from, assignment::valid_until);
    let entry = (break_glass::id, break_glass::area, break_glass::household);
    let version = instance::table.select(instance::areas_version).single_value();
    let own_entry = break_glass::staff.eq(session::staff).and(is_in_force(now.ms()));
    let rows: Vec<SessionRow> = session::table
        .left_join(assignment::table.on(assignment::staff.eq(session::staff)))
        .left_join(break_glass::table.on(own_entry))
        .filter(is_live(id.into(), staff.into(), now.ms(), used_after(now)))
        .select((session::second_factor, office.nullable(), entry.nullable(), version))
        .load(connection)?;
    let Some(&(second_factor, _, _, version)) = rows.first() else { return Ok(None) };
    let offices: BTreeSet<AssignmentRow> = rows.iter().filter_map(|row| row.1.clone()).collect();
    Ok(Some(Found {
        staff,
        by: Means::Session(id, second_factor),
        held: offices.into_iter().filter_map(|row| read_assignment(staff, row)).collect(),
        broken: rows.into_iter().filter_map(|row| row.2).collect(),
        areas_version: version.unwrap_or_default(),
    }))
}

fn of_key(connection: &mut Connection, key: &str, now: Instant) -> Result<Option<Found>, StoreError> {
    let Some((staff, scopes)) = find_key(connection, key, now)? else { return Ok(None) };
    let held = assignments_of(connection, staff)?;
    let areas_version = areas_version(connection)?;
    Ok(Some(Found { staff, by: Means::Key(scopes), held, broken: BTreeSet::new(), areas_version }))
}
