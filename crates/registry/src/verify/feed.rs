//! Feeds: positions without a gap, each of them a change of the log that knows its place.

use super::{Difference, VerifyReport};
use crate::database::{Connection, DocumentBlob, HashBlob, Id, StoreError};
use crate::log::key;
use crate::tables::{change, feed, scope};
use diesel::prelude::*;
use gridwork_domain::id::ScopeId;
use gridwork_sync::document::ChangeHash;
use std::collections::BTreeMap;

/// Rows that are read at a time.
const CHUNK_ROWS: i64 = 4_096;
/// Missing rows of one gap that are named; a feed that lost its head would otherwise fill the report.
const MOST_OF_A_GAP: i64 = 20;

/// A feed row, with where its change says that it is.
type Row = (Id, i64, DocumentBlob, i64, HashBlob, Option<(Id, i64)>);

/// Checks the feed of every scope.
pub(super) fn check(connection: &mut Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let ends: Vec<(Id, i64)> = scope::table.select((scope::id, scope::position)).load(connection)?;
    let mut ends: BTreeMap<Id, i64> = ends.into_iter().collect();
    let mut at: Option<(Id, i64)> = None;
    loop {
        let rows = rows_after(connection, at)?;
        let Some(last) = rows.last().map(|row| (row.0, row.1)) else { break };
        for row in rows {
            report.feed_rows += 1;
            let before = match at {
                Some((scope, position)) if scope == row.0 => position,
                _ => {
                    end(at, &mut ends, report);
                    0
                }
            };
            gap(row.0, before + 1, row.1, report);
            at = Some((row.0, row.1));
            check_row(&row, report)?;
        }
        at = Some(last);
    }
    end(at, &mut ends, report);
    for (scope, position) in ends {
        gap(scope, 1, position + 1, report);
    }
    Ok(())
}

fn rows_after(connection: &mut Connection, after: Option<(Id, i64)>) -> QueryResult<Vec<Row>> {
    let its_change =
        feed::document.eq(change::document).and(feed::epoch.eq(change::epoch)).and(feed::change.eq(change::hash));
    let mut query = feed::table
        .left_join(change::table.on(its_change))
        .order((feed::scope, feed::position))
        .limit(CHUNK_ROWS)
        .select((
            feed::scope,
            feed::position,
            feed::document,
            feed::epoch,
            feed::change,
            (change::scope, change::position).nullable(),
        ))
        .into_boxed();
    if let Some((scope, position)) = after {
        query = query.filter(feed::scope.gt(scope).or(feed::scope.eq(scope).and(feed::position.gt(position))));
    }
    query.load(connection)
}

fn check_row(row: &Row, report: &mut VerifyReport) -> Result<(), StoreError> {
    let (scope, position, document, epoch, hash, place) = row;
    let hash = ChangeHash::from(*hash);
    let name = format!("change {hash}");
    let its_place = format!("scope {}, position {position}", ScopeId::from(*scope));
    let document = key(*document, *epoch).map(|key| key.id.to_string()).unwrap_or_else(|error| error.to_string());
    match place {
        None => {
            let expected = format!("a row ({its_place})");
            report.add(Difference::new("change", name, expected, "none").of(document));
        }
        Some((its_scope, its_position)) if (its_scope, its_position) != (scope, position) => {
            let found = format!("scope {}, position {its_position}", ScopeId::from(*its_scope));
            report.add(Difference::new("change", name, its_place, found).of(document).column("position"));
        }
        Some(_) => {}
    }
    Ok(())
}

/// Checks where the feed of a scope ended.
fn end(at: Option<(Id, i64)>, ends: &mut BTreeMap<Id, i64>, report: &mut VerifyReport) {
    let Some((scope, last)) = at else { return };
    let name = format!("scope {}", ScopeId::from(scope));
    match ends.remove(&scope) {
        None => report.add(Difference::new("scope", name, format!("position {last}"), "no row")),
        Some(end) if end < last => {
            let (expected, found) = (format!("{last}"), format!("{end}"));
            report.add(Difference::new("scope", name, expected, found).column("position"));
        }
        Some(end) => gap(scope, last + 1, end + 1, report),
    }
}

/// Names the rows that are missing before a position.
fn gap(scope: Id, expected: i64, found: i64, report: &mut VerifyReport) {
    for position in expected..found {
        let row = format!("scope {}, position {position}", ScopeId::from(scope));
        if position - expected == MOST_OF_A_GAP {
            let missing = format!("{} more rows", found - position);
            report.add(Difference::new("feed", row, missing, "none"));
            return;
        }
        report.add(Difference::new("feed", row, "a row", "none"));
    }
}
