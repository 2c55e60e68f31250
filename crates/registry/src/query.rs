//! What can be read: plain indexed rows, never a document.
//!
//! Every query takes the [`crate::Reach`] of whoever asks; what lies outside it is as if it were not there. Pages go on
//! after a key, so that none is skipped or shown twice while others write.
//!
//! **Invariant:** a query answers with at most [`MOST_ROWS`] records, each with the rows that belong to it, all of one
//! moment; a search, which somebody waits for at each key, of the moments of its few statements.

mod areas;
mod citizen_numbers;
mod conflicts;
mod cursor;
mod devices;
mod duplicates;
mod dwellings;
mod households;
mod personnel;
mod quarantine;
mod residents;
mod search;
mod visits;

pub(crate) use areas::area_detail;
pub use areas::{AreaDetail, AreaFilter, AreaOffice, AreaView};
pub use citizen_numbers::FindError;
pub use conflicts::ConflictView;
pub(crate) use conflicts::conflicts_of;
pub use cursor::{Cursor, NotACursor};
pub use devices::WatchedDevice;
pub use duplicates::{DismissError, DuplicateKind, DuplicateView, Lookalike, Pair};
pub use dwellings::DwellingView;
pub(crate) use households::one as rows_of;
pub use households::{HouseholdFilter, HouseholdSummary, HouseholdView, Merging};
pub(crate) use personnel::view_of_staff;
pub use personnel::{OfficeView, StaffView};
pub use quarantine::{KeptDetail, KeptState, KeptView};
pub use residents::{ResidentFilter, ResidentView};
pub use search::{SearchFilter, SearchHit};
pub use visits::{FactView, VisitView};

use crate::Reach;
use crate::database::{Connection, Id, StoreError, fails_as_the_store_does};
use crate::tables::{household, staff};
use diesel::prelude::*;
use gridwork_domain::id::{HouseholdId, ScopeId, StaffId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Records in one page at most.
pub const MOST_ROWS: u32 = 500;

/// Why something cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// A cursor of another query.
    #[error(transparent)]
    Cursor(#[from] NotACursor),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(ReadError);

impl From<diesel::result::Error> for ReadError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A member of staff, as others see them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person {
    /// Their id.
    pub staff: StaffId,
    /// Their name.
    pub name: String,
}

/// Some records, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<Cursor>,
}

/// The rows that a page of so many records needs: one more, to know whether there is a next page.
pub(crate) fn rows_for(limit: u32) -> i64 {
    i64::from(limit.clamp(1, MOST_ROWS)) + 1
}

/// A page of the rows read for it. `cursor` says where the page after a row begins.
pub(crate) fn page<R, T>(
    mut rows: Vec<R>,
    limit: u32,
    cursor: impl Fn(&R) -> Cursor,
    mut view: impl FnMut(R) -> Result<T, ReadError>,
) -> Result<Page<T>, ReadError> {
    let limit = limit.clamp(1, MOST_ROWS) as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(cursor);
    let items = rows.into_iter().map(&mut view).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// The names of members of staff.
pub(crate) struct Names(BTreeMap<Id, String>);

impl Names {
    pub(crate) fn read(connection: &mut Connection, of: impl IntoIterator<Item = Id>) -> QueryResult<Self> {
        let mut ids: Vec<Id> = of.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let names: Vec<(Id, String)> =
            staff::table.filter(staff::id.eq_any(ids)).select((staff::id, staff::name)).load(connection)?;
        Ok(Self(names.into_iter().collect()))
    }

    pub(crate) fn person(&self, id: Id) -> Person {
        Person { staff: id.into(), name: self.0.get(&id).cloned().unwrap_or_default() }
    }
}

/// The grid of a household, if it is within reach.
fn scope_within(connection: &mut Connection, reach: &Reach, id: HouseholdId) -> QueryResult<Option<ScopeId>> {
    let scope: Option<Id> =
        household::table.find(Id::from(id)).select(household::scope).get_result(connection).optional()?;
    Ok(scope.map(ScopeId::from).filter(|scope| reach.covers(*scope, id)))
}

/// The end of the range of texts that begin with a prefix: no character is greater than this one.
fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// A pattern for texts that contain another.
fn containing(part: &str) -> String {
    let mut pattern = String::from("%");
    for character in part.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
