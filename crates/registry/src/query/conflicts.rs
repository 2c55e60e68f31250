//! Open conflicts: fields to which people gave different values without knowing of each other.

use super::{Cursor, Names, Page, Person, ReadError, page, rows_for};
use crate::Reach;
use crate::database::{Blob, Connection, Id, StoreError};
use crate::projection::{ConflictRow, alternative};
use crate::registry::Registry;
use crate::tables::conflict;
use diesel::prelude::*;
use gridwork_domain::household::Conflict;
use gridwork_domain::id::{AreaId, HouseholdId, ScopeId};

/// An open conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictView {
    /// The household.
    pub household: HouseholdId,
    /// Its grid.
    pub scope: ScopeId,
    /// The field with all its values, by whom and when; the first is the one that the record shows.
    pub conflict: Conflict<Person>,
}

impl Registry {
    /// A page of the open conflicts within reach, or of those in an area, by grid, household and field.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn conflicts(
        &self,
        reach: &Reach,
        area: Option<AreaId>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<ConflictView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let scopes = areas.columns(connection, &reach, area)?;
                let first = first_values(connection, scopes, after.as_ref(), rows_for(limit))?;
                let mut households: Vec<Id> = first.iter().map(|row| row.household).collect();
                households.dedup();
                let all: Vec<ConflictRow> = conflict::table
                    .filter(conflict::household.eq_any(households))
                    .order((conflict::household, conflict::path, conflict::ordinal))
                    .select(ConflictRow::as_select())
                    .load(connection)?;
                let names = Names::read(connection, all.iter().map(|row| row.staff))?;
                page(first, limit, cursor, |row| {
                    let same = |one: &&ConflictRow| one.household == row.household && one.path == row.path;
                    let conflict = assemble(all.iter().filter(same), &names)?;
                    Ok(ConflictView { household: row.household.into(), scope: row.scope.into(), conflict })
                })
            })
            .await
    }
}

/// All open conflicts of a household, by field.
///
/// # Errors
/// As the store says.
pub(crate) fn conflicts_of(
    connection: &mut Connection,
    household: HouseholdId,
) -> Result<Vec<Conflict<Person>>, StoreError> {
    let rows: Vec<ConflictRow> = conflict::table
        .filter(conflict::household.eq(Id::from(household)))
        .order((conflict::path, conflict::ordinal))
        .select(ConflictRow::as_select())
        .load(connection)?;
    let names = Names::read(connection, rows.iter().map(|row| row.staff))?;
    rows.chunk_by(|one, next| one.path == next.path).map(|rows| assemble(rows.iter(), &names)).collect()
}

/// The row of the value that is shown stands for its conflict.
fn first_values(
    connection: &mut Connection,
    mut scopes: Vec<Id>,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<ConflictRow>, ReadError> {
    let mut query = conflict::table.filter(conflict::ordinal.eq(0)).select(ConflictRow::as_select()).into_boxed();
    if let Some(after) = after {
        let ([scope, household], path) = after.ids::<2>()?;
        let (scope, household) = (Blob(scope), Blob(household));
        scopes.retain(|one| *one >= scope);
        let later = conflict::household
            .gt(household)
            .or(conflict::household.eq(household).and(conflict::path.gt(path.to_owned())));
        query = query.filter(conflict::scope.gt(scope).or(later));
    }
    query = query.filter(conflict::scope.eq_any(scopes));
    Ok(query.order((conflict::scope, conflict::household, conflict::path)).limit(limit).load(connection)?)
}

fn cursor(row: &ConflictRow) -> Cursor {
    Cursor::new(&[row.scope.0, row.household.0], &row.path)
}

fn assemble<'a>(rows: impl Iterator<Item = &'a ConflictRow>, names: &Names) -> Result<Conflict<Person>, StoreError> {
    let mut path = None;
    let mut alternatives = Vec::new();
    for row in rows {
        path = Some(&row.path);
        alternatives.push(alternative(row, names.person(row.staff))?);
    }
    let path = path.map(|path| path.parse());
    match path {
        Some(Ok(path)) => Ok(Conflict { path, alternatives }),
        _ => Err(StoreError::Unreadable("a conflict is about no field".to_owned())),
    }
}
