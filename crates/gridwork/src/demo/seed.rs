//! Fills a new registry with the demo's district: areas, staff, and a year of work, all through edits and the guard.

use super::district::District;
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::id::{AreaId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::{Administration, Import, Registry};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Edits that are merged in one transaction.
const BATCH_EDITS: usize = 1_000;

/// Everybody in the demo who signs in has this password.
pub(crate) const PASSWORD: &str = "gridwork-demo";

/// Who is who in the demo.
#[derive(Debug, Clone)]
pub(crate) struct People {
    /// The sign-in name of an administrator.
    pub(crate) administrator: String,
    /// The sign-in name of a call agent who answers for the whole district.
    pub(crate) call_agent: String,
    /// The sign-in name of somebody who sees the whole district in full, to compare it with what phones hold.
    pub(crate) comparer: String,
}

/// What was filled in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filled {
    /// Edits of the year.
    pub(crate) edits: u64,
    /// Facts among them.
    pub(crate) facts: u64,
}

/// Opens the areas and appoints the staff.
///
/// # Errors
/// The registry refuses something.
pub(crate) async fn appoint(registry: &Registry, district: &District, now: Instant) -> Result<People, Box<dyn Error>> {
    for area in district.areas() {
        registry.administer(None, Administration::OpenArea(area.clone()), now).await?;
    }
    let top = district.areas().first().ok_or("a district has areas")?.id;
    let (mut administrator, mut call_agent) = (None, None);
    for (staff, assignments) in district.staff() {
        let holds = |role| assignments.iter().any(|one| one.role == role && one.area == top);
        let is_administrator = administrator.is_none() && holds(Role::Administrator);
        let is_call_agent = call_agent.is_none() && holds(Role::CallAgent);
        let password = (is_administrator || is_call_agent).then(|| PASSWORD.to_owned());
        let appoint = Administration::AppointStaff { staff: staff.clone(), password };
        registry.administer(None, appoint, now).await?;
        for assignment in assignments {
            registry.administer(None, Administration::Assign(assignment.clone()), now).await?;
        }
        if is_administrator {
            administrator = Some(staff.sign_in.clone());
        }
        if is_call_agent {
            call_agent = Some(staff.sign_in.clone());
        }
    }
    let comparer =
        Staff {
            id: StaffId::from_bytes([0xcc; 16]), name: "核对员".to_owned(), sign_in: "demo.comparer".to_owned()
        };
    let (staff, role, sign_in) = (comparer.id, Role::CommunityWorker, comparer.sign_in.clone());
    let appoint = Administration::AppointStaff { staff: comparer, password: Some(PASSWORD.to_owned()) };
    let assign = Administration::Assign(Assignment { staff, role, area: top, from: now.plus_ms(-1), until: None });
    for what in [appoint, assign] {
        registry.administer(None, what, now).await?;
    }
    Ok(People {
        comparer: sign_in,
        administrator: administrator.ok_or("the district has no administrator")?,
        call_agent: call_agent.ok_or("the district has no call agent")?,
    })
}

/// Lets a leader stand in for the leader of another grid.
///
/// # Errors
/// The registry refuses it.
pub(crate) async fn stand_in(
    registry: &Registry,
    staff: StaffId,
    area: AreaId,
    now: Instant,
) -> Result<(), Box<dyn Error>> {
    for role in [Role::CommunityWorker, Role::Liaison] {
        let assignment = Assignment { staff, role, area, from: now.plus_ms(-1), until: None };
        registry.administer(None, Administration::Assign(assignment), now).await?;
    }
    Ok(())
}

/// Merges the year's work, grid by grid and so many grids at a time; `done` is told of each batch. Blocks.
///
/// # Errors
/// An edit is refused.
pub(crate) fn fill(
    registry: &Registry,
    district: &District,
    now: Instant,
    at_once: usize,
    done: &(impl Fn(u64) + Sync),
) -> Result<Filled, Box<dyn Error>> {
    let next = AtomicUsize::new(0);
    let fill = || fill_some(registry, district, now, &next, done).map_err(|error| error.to_string());
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(fill)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| "filling panicked".to_owned())?);
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Filled { edits: parts.iter().map(|part| part.edits).sum(), facts: parts.iter().map(|part| part.facts).sum() })
}

/// Merges the work of one grid after the other, as long as `next` gives any.
fn fill_some(
    registry: &Registry,
    district: &District,
    now: Instant,
    next: &AtomicUsize,
    done: &impl Fn(u64),
) -> Result<Filled, Box<dyn Error>> {
    let mut filled = Filled::default();
    while let Some(grid) = district.grids().get(next.fetch_add(1, Ordering::Relaxed)) {
        let home = Some(ScopeId::from(grid.area));
        let mut edits = district.edits(grid).map(|edit| Import { by: grid.leader, edit, home }).peekable();
        while edits.peek().is_some() {
            let batch: Vec<Import> = edits.by_ref().take(BATCH_EDITS).collect();
            let (count, facts) = (batch.len() as u64, batch.iter().filter(|one| is_fact(&one.edit)).count() as u64);
            registry.import_edits(batch, now)?;
            filled.edits += count;
            filled.facts += facts;
            done(count);
        }
    }
    Ok(filled)
}

/// Whether an edit records a fact.
pub(crate) fn is_fact(edit: &Edit) -> bool {
    matches!(edit.action, Action::RecordVisit { .. } | Action::WriteNote { .. } | Action::CorrectVisit { .. })
}
