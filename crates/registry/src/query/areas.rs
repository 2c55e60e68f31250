//! Areas that hold, or are, grids within reach; and one area with who works there and what it was called.

use super::{Cursor, Names, Page, Person, ReadError, page};
use crate::Reach;
use crate::area_tree::AreaTree;
use crate::database::{Connection, Id, StoreError};
use crate::precinct::Precinct;
use crate::registry::Registry;
use crate::tables::{area_naming, assignment, household};
use diesel::dsl::count_star;
use diesel::prelude::*;
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::id::{AreaId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Role;
use std::collections::BTreeMap;

/// Terms of office that are shown with an area at most, the latest: a century of leaders.
const MOST_OFFICES: i64 = 200;

/// An area with the number of its households within reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaView {
    /// The area.
    pub area: Area,
    /// Households in it and within reach.
    pub households: u64,
}

/// Which areas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AreaFilter {
    /// Those just in this one.
    pub parent: Option<AreaId>,
    /// The one of this code.
    pub code: Option<DivisionCode>,
}

/// An area with who works there and what it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaDetail {
    /// The area.
    pub area: AreaView,
    /// Codes and names that it has and had, the latest first: each an [`Area`] of that time.
    pub namings: Vec<Area>,
    /// Who is accountable for it, if it is a grid that somebody leads.
    pub leader: Option<AreaOffice>,
    /// Terms of office in this very area, the latest first; also those that ended or are to come.
    pub offices: Vec<AreaOffice>,
}

/// A term of office in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaOffice {
    /// Who.
    pub staff: Person,
    /// As what.
    pub role: Role,
    /// From this instant.
    pub from: Instant,
    /// Before this instant; none while it lasts.
    pub until: Option<Instant>,
}

impl Registry {
    /// A page of the areas that lie in the precinct or around it, in the order of their codes, each with its households
    /// within reach.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn listed_areas(
        &self,
        within: Precinct,
        reach: &Reach,
        filter: AreaFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<AreaView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                let counts = households(connection, &reach)?;
                let after =
                    after.map(|after| after.ids::<1>().map(|([id], code)| (code.to_owned(), id))).transpose()?;
                let key = |area: &Area| (area.code.to_string(), *area.id.as_bytes());
                let mut listed: Vec<Area> = tree.all().into_iter().cloned().collect();
                listed.sort_by_key(key);
                let asked = |area: &Area| {
                    filter.parent.is_none_or(|parent| area.parent == Some(parent))
                        && filter.code.as_ref().is_none_or(|code| area.code == *code)
                        && after.as_ref().is_none_or(|after| key(area) > *after)
                        && within.touches(&tree, area.id)
                };
                listed.retain(asked);
                let cursor = |area: &Area| Cursor::new(&[*area.id.as_bytes()], area.code.as_str());
                page(listed, limit, cursor, |area| Ok(view(&tree, &reach, &counts, area)))
            })
            .await
    }

    /// All areas that lie in the precinct or around it, in the order of their codes.
    ///
    /// # Errors
    /// As the store says.
    pub async fn areas_around(&self, within: Precinct) -> Result<Vec<Area>, StoreError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                let all = tree.all().into_iter().filter(|area| within.touches(&tree, area.id));
                Ok(all.cloned().collect())
            })
            .await
    }

    /// An area that lies in the precinct or around it; `None` if there is none.
    ///
    /// # Errors
    /// As the store says.
    pub async fn area(
        &self,
        within: Precinct,
        reach: &Reach,
        id: AreaId,
        now: Instant,
    ) -> Result<Option<AreaDetail>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                if !within.touches(&tree, id) {
                    return Ok(None);
                }
                Ok(area_detail(connection, &tree, &reach, id, now)?)
            })
            .await
    }

    /// The areas that hold or are grids within reach, in the order of their codes; with a parent only those just in it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn areas(&self, reach: &Reach, parent: Option<AreaId>) -> Result<Vec<AreaView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                let counts = households(connection, &reach)?;
                let listed = match parent {
                    Some(parent) => tree.children(parent).collect(),
                    None => tree.all(),
                };
                let within = |area: &&Area| !reach.within(&tree, area.id).is_empty();
                let listed = listed.into_iter().filter(within);
                Ok(listed.map(|area| view(&tree, &reach, &counts, area.clone())).collect())
            })
            .await
    }
}

/// Households of each grid within reach.
fn households(connection: &mut Connection, reach: &Reach) -> QueryResult<BTreeMap<ScopeId, u64>> {
    let counts: Vec<(Id, i64)> = household::table
        .filter(household::scope.eq_any(reach.columns()))
        .group_by(household::scope)
        .select((household::scope, count_star()))
        .load(connection)?;
    Ok(counts.into_iter().map(|(scope, count)| (scope.into(), u64::try_from(count).unwrap_or(0))).collect())
}

fn view(tree: &AreaTree, reach: &Reach, counts: &BTreeMap<ScopeId, u64>, area: Area) -> AreaView {
    let households = reach.within(tree, area.id).scopes().filter_map(|scope| counts.get(&scope)).sum();
    AreaView { area, households }
}

/// An area with who works there and what it was called; none if there is no such area.
///
/// # Errors
/// As the store says.
pub(crate) fn area_detail(
    connection: &mut Connection,
    tree: &AreaTree,
    reach: &Reach,
    id: AreaId,
    now: Instant,
) -> Result<Option<AreaDetail>, StoreError> {
    let Some(area) = tree.get(id).cloned() else { return Ok(None) };
    let counts = households(connection, reach)?;
    let households = reach.within(tree, id).scopes().filter_map(|scope| counts.get(&scope)).sum();
    let namings: Vec<(String, Option<String>, String, String, String)> = area_naming::table
        .filter(area_naming::area.eq(Id::from(id)))
        .order(area_naming::valid_from.desc())
        .select((
            area_naming::valid_from,
            area_naming::valid_until,
            area_naming::code,
            area_naming::name,
            area_naming::aliases,
        ))
        .load(connection)?;
    let naming = |(valid_from, valid_until, code, name, aliases): (String, Option<String>, String, String, String)| {
        let code = DivisionCode::parse(&code).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let aliases = serde_json::from_str(&aliases).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        Ok::<_, StoreError>(Area { code, name, aliases, valid_from, valid_until, ..area.clone() })
    };
    let namings = namings.into_iter().map(naming).collect::<Result<_, _>>()?;
    let offices: Vec<(Id, String, i64, Option<i64>)> = assignment::table
        .filter(assignment::area.eq(Id::from(id)))
        .order((assignment::valid_from.desc(), assignment::staff))
        .limit(MOST_OFFICES)
        .select((assignment::staff, assignment::role, assignment::valid_from, assignment::valid_until))
        .load(connection)?;
    let names = Names::read(connection, offices.iter().map(|office| office.0))?;
    let office = |(staff, role, from, until): (Id, String, i64, Option<i64>)| {
        let unknown = || StoreError::Unreadable(format!("there is no role {role}"));
        Ok::<_, StoreError>(AreaOffice {
            staff: names.person(staff),
            role: Role::from_word(&role).ok_or_else(unknown)?,
            from: Instant::from_ms(from),
            until: until.map(Instant::from_ms),
        })
    };
    let offices = offices.into_iter().map(office).collect::<Result<Vec<_>, _>>()?;
    let leads = |one: &&AreaOffice| {
        one.role == Role::GridLeader && one.from <= now && one.until.is_none_or(|until| now < until)
    };
    let leader = offices.iter().find(leads).cloned();
    Ok(Some(AreaDetail { area: AreaView { area, households }, namings, leader, offices }))
}
