//! Rows as the log has them against rows as they are.

use super::{Difference, VerifyReport};
use crate::projection::Row;
use std::cmp::Ordering;
use std::iter::Peekable;
use std::vec::IntoIter;

/// Columns that hold nothing about a person: their values may be shown.
const OPAQUE: &[&str] = &[
    "id",
    "household",
    "scope",
    "document",
    "epoch",
    "change",
    "staff",
    "actor",
    "received_at",
    "made_at",
    "ordinal",
    "open_conflicts",
    "affirmed_by",
    "corrects",
];

/// Compares the rows of a table and names each that is missing, too many, or different, with the column.
pub(super) fn compare<R: Row>(mut expected: Vec<R>, mut found: Vec<R>, report: &mut VerifyReport) {
    expected.sort_unstable();
    found.sort_unstable();
    if expected == found {
        return;
    }
    let mut expected: Peekable<IntoIter<R>> = expected.into_iter().peekable();
    let mut found: Peekable<IntoIter<R>> = found.into_iter().peekable();
    loop {
        let order = match (expected.peek(), found.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) if one.key() == other.key() => Ordering::Equal,
            (Some(one), Some(other)) => one.cmp(other),
        };
        match order {
            Ordering::Less => {
                let row = expected.next().map_or_else(String::new, |row| row.key());
                report.add(Difference::new(R::TABLE, row, "a row", "none"));
            }
            Ordering::Greater => {
                let row = found.next().map_or_else(String::new, |row| row.key());
                report.add(Difference::new(R::TABLE, row, "no row", "one"));
            }
            Ordering::Equal => {
                if let (Some(one), Some(other)) = (expected.next(), found.next()) {
                    compare_columns(&one, &other, report);
                }
            }
        }
    }
}

fn compare_columns<R: Row>(expected: &R, found: &R, report: &mut VerifyReport) {
    for ((column, one), (_, other)) in expected.columns().into_iter().zip(found.columns()) {
        if one != other {
            let (one, other) = if OPAQUE.contains(&column) { (one, other) } else { (veiled(&one), veiled(&other)) };
            report.add(Difference::new(R::TABLE, expected.key(), one, other).column(column));
        }
    }
}

/// What may be said of a value about a person: whether there is one, and how long it is.
fn veiled(spelled: &str) -> String {
    if spelled == "None" { "none".to_owned() } else { format!("a value spelled in {} bytes", spelled.len()) }
}
