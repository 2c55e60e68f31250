//! Areas opened, renamed, merged and closed by those who administer what is around them.
//!
//! **Invariant:** a code belongs to one area at a time; and what an area was called, and until when, stays known.

use crate::Reach;
use crate::administration::{AdministerError, Administration, apply};
use crate::area_tree::AreaTree;
use crate::database::Connection;
use crate::idempotency::Keep;
use crate::precinct::Precinct;
use crate::query::{AreaDetail, area_detail};
use crate::registry::Registry;
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::id::{AreaId, StaffId};
use gridwork_domain::instant::Instant;
use std::collections::BTreeSet;

/// What changes of an area; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AreaChange {
    /// Another code.
    pub code: Option<DivisionCode>,
    /// Another name.
    pub name: Option<String>,
    /// Other names under which it is known, all of them.
    pub aliases: Option<Vec<String>>,
    /// The first day on which another code or name holds, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// The last day of the area; the inner none opens it again.
    pub until: Option<Option<String>>,
    /// The area that takes its place; the inner none says that none does.
    pub successor: Option<Option<AreaId>>,
}

impl Registry {
    /// Opens a new area within one that is administered from the precinct.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchArea`] for a parent outside the precinct, [`AdministerError::AreaClosed`] for one that is
    /// closed, [`AdministerError::CodeTaken`], and as [`Registry::administer`].
    pub async fn open_area(
        &self,
        by: StaffId,
        within: Precinct,
        new: Area,
        now: Instant,
        answer: Option<Keep<AreaDetail>>,
    ) -> Result<AreaDetail, AdministerError> {
        self.database
            .write(move |connection| {
                let tree = AreaTree::read(connection)?;
                let parent = new.parent.filter(|parent| within.contains(&tree, *parent));
                parent.ok_or(AdministerError::NoSuchArea(new.parent.unwrap_or(new.id)))?;
                let view = write(connection, &tree, by, &Reach::default(), new.clone(), now)?;
                if let Some(answer) = &answer {
                    answer.keep(connection, &view, &BTreeSet::new())?;
                }
                Ok(view)
            })
            .await
    }

    /// Changes an area that is administered from the precinct, and answers with its households within reach.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchArea`] for an area or a successor outside the precinct, [`AdministerError::CodeTaken`],
    /// [`AdministerError::AreasWithin`] for closing one in which others are open, [`AdministerError::AreaClosed`] for opening
    /// one in one that is closed, and as [`Registry::administer`].
    pub async fn change_area(
        &self,
        by: StaffId,
        (within, reach): (Precinct, Reach),
        id: AreaId,
        change: AreaChange,
        now: Instant,
    ) -> Result<AreaDetail, AdministerError> {
        self.database
            .write(move |connection| {
                let tree = AreaTree::read(connection)?;
                let here = tree.get(id).filter(|_| within.contains(&tree, id));
                let area = change.clone().applied_to(here.ok_or(AdministerError::NoSuchArea(id))?);
                if area.valid_until.is_some() && tree.children(id).any(|child| child.valid_until.is_none()) {
                    return Err(AdministerError::AreasWithin);
                }
                // One that it has already may have come under others since.
                let is_new = |one: &AreaId| here.is_none_or(|here| here.successor != Some(*one));
                let is_none = |one: &AreaId| *one == id || tree.get(*one).is_none() || !within.contains(&tree, *one);
                if let Some(successor) = area.successor.filter(|one| is_new(one) && is_none(one)) {
                    return Err(AdministerError::NoSuchArea(successor));
                }
                write(connection, &tree, by, &reach, area, now)
            })
            .await
    }
}

impl AreaChange {
    /// The area as it then is.
    fn applied_to(self, area: &Area) -> Area {
        let Self { code, name, aliases, from, until, successor } = self;
        Area {
            id: area.id,
            parent: area.parent,
            code: code.unwrap_or_else(|| area.code.clone()),
            name: name.unwrap_or_else(|| area.name.clone()),
            aliases: aliases.unwrap_or_else(|| area.aliases.clone()),
            valid_from: from.unwrap_or_else(|| area.valid_from.clone()),
            valid_until: until.unwrap_or_else(|| area.valid_until.clone()),
            successor: successor.unwrap_or(area.successor),
        }
    }
}

fn write(
    connection: &mut Connection,
    tree: &AreaTree,
    by: StaffId,
    reach: &Reach,
    mut area: Area,
    now: Instant,
) -> Result<AreaDetail, AdministerError> {
    area.aliases.sort_unstable();
    area.aliases.dedup();
    let opens = area.valid_until.is_none() && tree.get(area.id).is_none_or(|before| before.valid_until.is_some());
    let around = area.parent.and_then(|parent| tree.get(parent));
    if opens && around.is_some_and(|around| around.valid_until.is_some()) {
        return Err(AdministerError::AreaClosed);
    }
    let taken = |other: &&Area| other.id != area.id && other.code == area.code && other.valid_until.is_none();
    if area.valid_until.is_none() && tree.all().iter().any(taken) {
        return Err(AdministerError::CodeTaken);
    }
    // What it was called before ended on some day, which cannot be after the first one of what it is called now.
    if tree.get(area.id).is_some_and(|before| area.valid_from < before.valid_from) {
        return Err(AdministerError::Area(gridwork_domain::area::AreaError::Validity));
    }
    let id = area.id;
    apply(connection, Some(by), &Administration::OpenArea(area), None, now)?;
    let tree = AreaTree::read(connection)?;
    area_detail(connection, &tree, reach, id, now)?.ok_or(AdministerError::NoSuchArea(id))
}
