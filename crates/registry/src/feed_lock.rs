//! The lock on a scope's feed: who has it writes the documents at home in the scope, and the next positions of its feed.
//!
//! It is the row that counts the positions. On SQLite there is one writer, and nothing to lock.
//!
//! **Invariant:** nobody who waits for one feed has another that comes after it in the order of ids, so that nobody waits
//! for ever; who needs one out of order takes it at once, or begins anew.

use crate::database::{Connection, Id, StoreError};
use crate::tables::scope;
use diesel::PgConnection;
use diesel::prelude::*;
use gridwork_domain::id::ScopeId;

/// Waits for the lock; returns the feed's last position.
///
/// # Errors
/// As the store says, [`StoreError::Contended`] after the lock timeout.
pub(crate) fn wait(connection: &mut Connection, of: ScopeId) -> Result<i64, StoreError> {
    let id = Id::from(of);
    match connection {
        Connection::Sqlite(_) => alone(connection, id),
        Connection::Postgres(one) => {
            let this = || scope::table.find(id).select(scope::position).for_update();
            if let Some(position) = this().get_result(one).optional()? {
                return Ok(position);
            }
            begin(one, id)?;
            Ok(this().get_result(one)?)
        }
    }
}

/// Takes the lock if nobody has it; returns the feed's last position.
///
/// # Errors
/// [`StoreError::Contended`] if somebody has it; else as the store says.
pub(crate) fn seize(connection: &mut Connection, of: ScopeId) -> Result<i64, StoreError> {
    let id = Id::from(of);
    match connection {
        Connection::Sqlite(_) => alone(connection, id),
        Connection::Postgres(one) => {
            let this = || scope::table.find(id).select(scope::position).for_update().skip_locked();
            if let Some(position) = this().get_result(one).optional()? {
                return Ok(position);
            }
            begin(one, id)?;
            this().get_result(one).optional()?.ok_or(StoreError::Contended)
        }
    }
}

/// A feed without a row begins.
fn begin(connection: &mut PgConnection, id: Id) -> QueryResult<usize> {
    let row = (scope::id.eq(id), scope::position.eq(0));
    diesel::insert_into(scope::table).values(row).on_conflict_do_nothing().execute(connection)
}

fn alone(connection: &mut Connection, id: Id) -> Result<i64, StoreError> {
    let found: Option<i64> = scope::table.find(id).select(scope::position).get_result(connection).optional()?;
    if let Some(position) = found {
        return Ok(position);
    }
    let row = (scope::id.eq(id), scope::position.eq(0));
    diesel::insert_into(scope::table).values(row).execute(connection)?;
    Ok(0)
}
