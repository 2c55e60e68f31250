//! Visits to a household and notes about it, the latest first, each with its corrections.

use super::{Cursor, Names, NotACursor, Page, Person, ReadError, page, rows_for, scope_within};
use crate::Reach;
use crate::database::{Blob, Connection, Id, StoreError};
use crate::log::key;
use crate::projection::FactRow;
use crate::registry::Registry;
use crate::tables::fact;
use diesel::prelude::*;
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::Fact;
use gridwork_sync::fact::decode;
use std::collections::BTreeMap;

/// A fact, with who recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactView {
    /// What was recorded.
    pub fact: Fact,
    /// Who recorded it.
    pub by: Person,
    /// When it arrived, by the server's clock.
    pub received_at: Instant,
}

/// A visit or a note, with its corrections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitView {
    /// The visit or note.
    pub fact: FactView,
    /// Its corrections, in the order of their arrival.
    pub corrections: Vec<FactView>,
}

impl Registry {
    /// A page of the visits to a household and notes about it, the latest first; `None` if there is no such household
    /// within reach.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn visits(
        &self,
        reach: &Reach,
        household: HouseholdId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Option<Page<VisitView>>, ReadError> {
        let reach = reach.clone();
        self.database
            .read(move |connection| {
                if scope_within(connection, &reach, household)?.is_none() {
                    return Ok(None);
                }
                let rows = rows(connection, household, after.as_ref(), rows_for(limit))?;
                let ids = rows.iter().map(|row| row.id).collect::<Vec<_>>();
                let corrections: Vec<FactRow> = fact::table
                    .filter(fact::household.eq(Id::from(household)).and(fact::corrects.eq_any(ids)))
                    .order((fact::received_at, fact::id))
                    .select(FactRow::as_select())
                    .load(connection)?;
                let names = Names::read(connection, rows.iter().chain(&corrections).map(|row| row.staff))?;
                let mut by_fact: BTreeMap<Option<Id>, Vec<FactView>> = BTreeMap::new();
                for row in &corrections {
                    by_fact.entry(row.corrects).or_default().push(view(row, &names)?);
                }
                let visits = page(rows, limit, cursor, |row| {
                    let corrections = by_fact.remove(&Some(row.id)).unwrap_or_default();
                    Ok(VisitView { fact: view(&row, &names)?, corrections })
                });
                visits.map(Some)
            })
            .await
    }
}

fn rows(
    connection: &mut Connection,
    household: HouseholdId,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<FactRow>, ReadError> {
    let mut query = fact::table
        .filter(fact::household.eq(Id::from(household)).and(fact::corrects.is_null()))
        .select(FactRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        let ([id], started_at) = after.ids::<1>()?;
        let started_at: i64 = started_at.parse().map_err(|_| NotACursor)?;
        let id: Id = Blob(id);
        query = query.filter(fact::started_at.lt(started_at).or(fact::started_at.eq(started_at).and(fact::id.lt(id))));
    }
    Ok(query.order((fact::started_at.desc(), fact::id.desc())).limit(limit).load(connection)?)
}

fn cursor(row: &FactRow) -> Cursor {
    Cursor::new(&[row.id.0], &row.started_at.to_string())
}

fn view(row: &FactRow, names: &Names) -> Result<FactView, ReadError> {
    let id = FactId::from(row.id);
    let fact = decode(id, &row.bytes, &key(row.document, row.epoch)?)
        .map_err(|error| StoreError::Unreadable(format!("the fact {id}: {error}")))?;
    Ok(FactView { fact, by: names.person(row.staff), received_at: Instant::from_ms(row.received_at) })
}
