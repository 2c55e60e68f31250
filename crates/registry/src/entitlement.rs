//! Who may do what where, by the assignments in the database.
//!
//! A device is judged by its last contact: who was relieved of an office while the phone was offline could not know, so
//! what the phone brings at its next contact still counts, within a grace period.
//!
//! **Invariant:** without an assignment in an area around the grid, nothing is given.

use crate::database::{Connection, Id, StoreError};
use crate::log::Sender;
use crate::tables::{area, assignment};
use diesel::prelude::*;
use gridwork_domain::division_code::{DivisionCode, DivisionLevel};
use gridwork_domain::id::{AreaId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Operation, Role};

/// How long after the end of an assignment the work that a phone did under it is still taken without review.
pub(crate) const GRACE_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Requests of a phone that follow each other by less are one contact: it pushes what it had when it came back.
pub(crate) const CONTACT_MS: i64 = 60 * 60 * 1_000;

/// Levels from a grid up to its district, and one more to notice a loop.
pub(crate) const MOST_LEVELS: usize = 5;

/// The columns of an assignment: role, area, and from when until when it holds.
pub(crate) type AssignmentRow = (String, Id, i64, Option<i64>);

/// All assignments of a member of staff, also those that have ended.
pub(crate) fn assignments_of(connection: &mut Connection, staff: StaffId) -> Result<Vec<Assignment>, StoreError> {
    let rows: Vec<AssignmentRow> = assignment::table
        .filter(assignment::staff.eq(Id::from(staff)))
        .select((assignment::role, assignment::area, assignment::valid_from, assignment::valid_until))
        .load(connection)?;
    Ok(rows.into_iter().filter_map(|row| read_assignment(staff, row)).collect())
}

/// An assignment of a member of staff. An office of a role that this release does not know gives nothing here: what a
/// later release wrote into one row stops nobody's documents.
pub(crate) fn read_assignment(staff: StaffId, (role, area, from, until): AssignmentRow) -> Option<Assignment> {
    let Some(role) = Role::from_word(&role) else {
        tracing::warn!(%staff, role, "an office of an unknown role gives nothing");
        return None;
    };
    let (from, until) = (Instant::from_ms(from), until.map(Instant::from_ms));
    Some(Assignment { staff, role, area: area.into(), from, until })
}

/// The grid of a scope and all areas around it; empty if the scope is no grid.
pub(crate) fn areas_around(connection: &mut Connection, scope: ScopeId) -> Result<Vec<AreaId>, StoreError> {
    let mut around = Vec::new();
    let mut next = Some(Id::from(scope));
    while let Some(id) = next.filter(|_| around.len() < MOST_LEVELS) {
        let found: Option<(Option<Id>, String)> =
            area::table.find(id).select((area::parent, area::code)).get_result(connection).optional()?;
        let Some((parent, code)) = found else { break };
        let is_grid = || DivisionCode::parse(&code).is_ok_and(|code| code.level() == DivisionLevel::Grid);
        if around.is_empty() && !is_grid() {
            break;
        }
        around.push(id.into());
        next = parent;
    }
    Ok(around)
}

/// Whether one of these assignments, at this moment, gives an operation within one of these areas.
pub(crate) fn gives_now(held: &[Assignment], around: &[AreaId], operation: Operation, now: Instant) -> bool {
    held.iter().any(|one| one.role.may(operation) && around.contains(&one.area) && one.holds_at(now))
}

/// Whether one of these assignments gives an operation within one of these areas to who hands something in.
pub(crate) fn gives(held: &[Assignment], around: &[AreaId], operation: Operation, sender: &Sender) -> bool {
    held.iter().any(|one| one.role.may(operation) && around.contains(&one.area) && counts(one, sender))
}

/// Whether an assignment counts for who hands something in: it holds, or it held at the last contact, not too long ago.
pub(crate) fn counts(one: &Assignment, sender: &Sender) -> bool {
    one.from <= sender.at
        && one.until.is_none_or(|until| {
            sender.at < until || (sender.last_contact < until && sender.at < until.plus_ms(GRACE_MS))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::contact_before;
    use gridwork_domain::id::DeviceId;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    fn ended_at(until: i64) -> Assignment {
        Assignment {
            staff: StaffId::from_bytes([1; 16]),
            role: Role::GridLeader,
            area: AreaId::from_bytes([2; 16]),
            from: Instant::from_ms(0),
            until: Some(Instant::from_ms(until)),
        }
    }

    fn sender(at: i64, last_contact: i64) -> Sender {
        Sender {
            staff: StaffId::from_bytes([1; 16]),
            device: Some(DeviceId::from_bytes([3; 16])),
            at: Instant::from_ms(at),
            last_contact: Instant::from_ms(last_contact),
        }
    }

    #[test]
    fn work_of_a_phone_that_could_not_know_of_the_end_of_its_term_is_taken() {
        let end = 100 * DAY_MS;
        assert!(counts(&ended_at(end), &sender(end - 1, end - DAY_MS)), "during the term");
        assert!(counts(&ended_at(end), &sender(end + 3 * DAY_MS, end - DAY_MS)), "the first contact since");
        let contact = end + 3 * DAY_MS;
        let known = |at, last, before| contact_before(0, Some(last), Some(before), Instant::from_ms(at)).ms();
        let goes_on = known(contact + 60_000, contact, end - 1);
        assert!(counts(&ended_at(end), &sender(contact + 60_000, goes_on)), "the same contact goes on");
        let next = known(contact + DAY_MS, contact, end - 1);
        assert!(!counts(&ended_at(end), &sender(contact + DAY_MS, next)), "the phone has been told");
        assert!(!counts(&ended_at(end), &sender(end + GRACE_MS, end - 1)), "the grace is over");
    }
}
