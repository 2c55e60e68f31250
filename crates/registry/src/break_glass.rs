//! Breaking the glass 紧急查阅: reading a household or an area beyond the own ones in an emergency, for a while.
//!
//! Each time makes an entry that somebody else reviews who oversees the place. Nothing ends it but time: entries are rows,
//! looked at with every request, so that one is in force on every node at once and ends by itself.
//!
//! **Invariant:** an entry gives reading alone; it stays after its end, and is reviewed once, never by whoever made it.

use crate::area_tree::AreaTree;
use crate::audit::{Step, Subject, note};
use crate::database::{Connection, Id, StoreError, fails_as_the_store_does};
use crate::entropy::random;
use crate::precinct::Precinct;
use crate::query::{Cursor, Names, NotACursor, Page, Person, ReadError, page, rows_for};
use crate::registry::Registry;
use crate::tables::{break_glass, household};
use diesel::prelude::*;
use gridwork_domain::id::{AreaId, BreakGlassId, HouseholdId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use std::sync::Arc;

/// Entries of one person that are in force at a time: an emergency has more homes than that in an area, which is one entry.
pub(crate) const MOST_IN_FORCE: i64 = 16;

/// What is read beyond the own areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One household, wherever it is.
    Household(HouseholdId),
    /// An area with all within it.
    Area(AreaId),
}

/// An entry that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenGlass {
    /// Its id.
    pub id: BreakGlassId,
    /// The one household that it is for; none if it is for the grids.
    pub household: Option<HouseholdId>,
    /// The grids that it is for, ascending; of a household none.
    pub grids: Arc<[ScopeId]>,
}

impl BrokenGlass {
    /// Whether it lets read a household in a grid.
    pub fn covers(&self, grid: ScopeId, household: HouseholdId) -> bool {
        self.household == Some(household) || self.grids.binary_search(&grid).is_ok()
    }
}

/// An entry, for those who review it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlassView {
    /// Its id.
    pub id: BreakGlassId,
    /// Who read, or could.
    pub by: Person,
    /// The area, or the grid in which the household was.
    pub area: AreaId,
    /// The household, if it was for one.
    pub household: Option<HouseholdId>,
    /// Why, in that person's words.
    pub reason: String,
    /// From when.
    pub begun_at: Instant,
    /// Until when.
    pub ends_at: Instant,
    /// What came of its review; none while it is open.
    pub review: Option<Review>,
}

/// A review of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who reviewed it.
    pub by: Person,
    /// When.
    pub at: Instant,
    /// With what result.
    pub verdict: Verdict,
    /// In the reviewer's words.
    pub note: Option<String>,
}

/// What a review finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There was reason enough.
    Justified,
    /// There was not: what follows is up to people.
    Unjustified,
}

impl Verdict {
    /// The word in JSON and in rows.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::Unjustified => "unjustified",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Justified, Self::Unjustified].into_iter().find(|verdict| verdict.word() == word)
    }
}

/// Why the glass is not broken, or a review is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BreakGlassError {
    /// No such household.
    #[error("there is no such household")]
    NoSuchHousehold,
    /// No such area.
    #[error("there is no such area")]
    NoSuchArea,
    /// As many in force as may be.
    #[error("{MOST_IN_FORCE} of yours are in force: name the area in which all of these homes are")]
    TooMany,
    /// No such entry, or one elsewhere.
    #[error("there is no such entry")]
    NoSuchEntry,
    /// The reviewer's own.
    #[error("somebody else reviews what you did yourself")]
    Oneself,
    /// It was reviewed before.
    #[error("this was reviewed already")]
    Reviewed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(BreakGlassError);

impl From<diesel::result::Error> for BreakGlassError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Registry {
    /// Lets somebody read a place for so many milliseconds, and makes the entry that is to be reviewed.
    ///
    /// # Errors
    /// [`BreakGlassError`].
    pub async fn break_glass(
        &self,
        by: StaffId,
        place: Place,
        reason: String,
        for_ms: i64,
        now: Instant,
    ) -> Result<(BreakGlassId, Instant), BreakGlassError> {
        let (id, ends_at) = (BreakGlassId::new(now, random()?), now.plus_ms(for_ms));
        self.database
            .write(move |connection| {
                let (area, household) = find(connection, place)?;
                let theirs = break_glass::table
                    .filter(break_glass::staff.eq(Id::from(by)))
                    .filter(break_glass::ends_at.gt(now.ms()));
                if theirs.count().get_result::<i64>(connection)? >= MOST_IN_FORCE {
                    return Err(BreakGlassError::TooMany);
                }
                let row = (
                    break_glass::id.eq(Id::from(id)),
                    break_glass::staff.eq(Id::from(by)),
                    break_glass::area.eq(Id::from(area)),
                    break_glass::household.eq(household.map(Id::from)),
                    break_glass::reason.eq(&reason),
                    (break_glass::begun_at.eq(now.ms()), break_glass::ends_at.eq(ends_at.ms())),
                );
                diesel::insert_into(break_glass::table).values(row).execute(connection)?;
                let detail = serde_json::json!({ "area": area, "household": household, "ends_at": ends_at.ms() });
                let person = household.map(|household| Subject { scope: area.into(), household, resident: None });
                let step = Step::new(now, Some(by), "break-glass");
                let (detail, persons) = (detail.to_string(), person.into_iter().collect());
                Ok::<_, BreakGlassError>(note(
                    connection,
                    &Step { subject: Some(id.as_bytes()), detail: &detail, persons, ..step },
                )?)
            })
            .await?;
        Ok((id, ends_at))
    }

    /// A page of the entries in a precinct: the open ones first, then those that were reviewed, the latest first of each.
    /// One that is reviewed between two pages may be on both.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn break_glasses(
        &self,
        within: Precinct,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<BreakGlassView>, ReadError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                // Also whoever oversees only a part of it: the wider the glass was broken, the more are told.
                let overseen = tree.all().into_iter().map(|area| area.id).filter(|area| within.touches(&tree, *area));
                let overseen: Vec<Id> = overseen.map(Id::from).collect();
                let reviewed = break_glass::reviewed_at.is_not_null();
                let mut query = break_glass::table
                    .filter(break_glass::area.eq_any(overseen))
                    .select(Row::as_select())
                    .order((reviewed.asc(), break_glass::id.desc()))
                    .into_boxed();
                if let Some(after) = &after {
                    let ([id], state) = after.ids::<1>()?;
                    let earlier = break_glass::id.lt(crate::database::Blob(id));
                    query = match state {
                        OPEN => query.filter(reviewed.or(earlier)),
                        REVIEWED => query.filter(reviewed.and(earlier)),
                        _ => return Err(NotACursor.into()),
                    };
                }
                let rows: Vec<Row> = query.limit(rows_for(limit)).load(connection)?;
                let names =
                    Names::read(connection, rows.iter().flat_map(|row| [Some(row.staff), row.reviewed_by]).flatten())?;
                let state = |row: &Row| if row.reviewed_at.is_none() { OPEN } else { REVIEWED };
                page(rows, limit, |row| Cursor::new(&[row.id.0], state(row)), |row| Ok(view(row, &names)?))
            })
            .await
    }

    /// Closes an entry in a precinct with a verdict.
    ///
    /// # Errors
    /// [`BreakGlassError`].
    pub async fn review_break_glass(
        &self,
        by: StaffId,
        within: Precinct,
        id: BreakGlassId,
        (verdict, text): (Verdict, Option<String>),
        now: Instant,
    ) -> Result<BreakGlassView, BreakGlassError> {
        self.database
            .write(move |connection| {
                let this = break_glass::table.find(Id::from(id));
                let found: Option<Row> = this.select(Row::as_select()).get_result(connection).optional()?;
                let tree = AreaTree::read(connection)?;
                let row = found.filter(|row| within.contains(&tree, row.area.into()));
                let row = row.ok_or(BreakGlassError::NoSuchEntry)?;
                if row.staff == Id::from(by) {
                    return Err(BreakGlassError::Oneself);
                }
                let review = (
                    break_glass::reviewed_by.eq(Some(Id::from(by))),
                    break_glass::reviewed_at.eq(Some(now.ms())),
                    break_glass::verdict.eq(Some(verdict.word())),
                    break_glass::note.eq(&text),
                );
                let open = this.filter(break_glass::reviewed_at.is_null());
                if diesel::update(open).set(review).execute(connection)? == 0 {
                    return Err(BreakGlassError::Reviewed);
                }
                let detail = serde_json::json!({ "verdict": verdict.word() }).to_string();
                let step = Step::new(now, Some(by), "review-break-glass");
                note(connection, &Step { subject: Some(id.as_bytes()), detail: &detail, ..step })?;
                let row: Row = this.select(Row::as_select()).get_result(connection)?;
                let names = Names::read(connection, [row.staff, Id::from(by)])?;
                Ok(view(row, &names)?)
            })
            .await
    }
}

/// After the id of a cursor among the open entries.
const OPEN: &str = "o";
/// After the id of a cursor among those that were reviewed.
const REVIEWED: &str = "r";

#[derive(Queryable, Selectable)]
#[diesel(table_name = break_glass)]
struct Row {
    id: Id,
    staff: Id,
    area: Id,
    household: Option<Id>,
    reason: String,
    begun_at: i64,
    ends_at: i64,
    reviewed_by: Option<Id>,
    reviewed_at: Option<i64>,
    verdict: Option<String>,
    note: Option<String>,
}

/// The columns of an entry: its id, its area, and the household if it is for one.
pub(crate) type EntryRow = (Id, Id, Option<Id>);

#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn is_in_force(now: i64) -> _ {
    break_glass::begun_at.le(now).and(break_glass::ends_at.gt(now))
}

/// What an entry that is in force lets read.
pub(crate) fn read_broken(tree: &AreaTree, (id, area, household): EntryRow) -> BrokenGlass {
    let grids = if household.is_some() { Arc::default() } else { tree.grids(area.into()) };
    BrokenGlass { id: id.into(), household: household.map(Into::into), grids }
}

/// The area of a place, and the household if it is one.
fn find(connection: &mut Connection, place: Place) -> Result<(AreaId, Option<HouseholdId>), BreakGlassError> {
    match place {
        Place::Household(id) => {
            let this = household::table.find(Id::from(id)).select(household::scope);
            let scope: Option<Id> = this.get_result(connection).optional()?;
            Ok((scope.ok_or(BreakGlassError::NoSuchHousehold)?.into(), Some(id)))
        }
        Place::Area(area) => {
            let tree = AreaTree::read(connection)?;
            tree.get(area).ok_or(BreakGlassError::NoSuchArea)?;
            Ok((area, None))
        }
    }
}

fn view(row: Row, names: &Names) -> Result<BreakGlassView, StoreError> {
    let review = match (row.reviewed_by, row.reviewed_at, row.verdict) {
        (Some(by), Some(at), Some(word)) => {
            let unknown = || StoreError::Unreadable(format!("there is no verdict {word}"));
            let verdict = Verdict::from_word(&word).ok_or_else(unknown)?;
            Some(Review { by: names.person(by), at: Instant::from_ms(at), verdict, note: row.note })
        }
        _ => None,
    };
    Ok(BreakGlassView {
        id: row.id.into(),
        by: names.person(row.staff),
        area: row.area.into(),
        household: row.household.map(Into::into),
        reason: row.reason,
        begun_at: Instant::from_ms(row.begun_at),
        ends_at: Instant::from_ms(row.ends_at),
        review,
    })
}
