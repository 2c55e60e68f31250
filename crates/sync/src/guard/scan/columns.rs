//! The columns of a change's operations: which there may be, and how many rows the run lengths of each claim.
//!
//! Knows the encodings of automerge 0.12's columns (run lengths, deltas, booleans, value metadata, groups), not what an
//! operation means. Invariant: no run is expanded. A claimed count is only compared; what is read for it is really there.

use super::cursor::Cursor;
use super::{Limits, ScanError};

/// The columns of a change's operations in the order in which they must stand: `id << 4 | type`. Bit 3 is "compressed".
const COLUMNS: [u64; 14] = [1, 2, 17, 19, 21, 52, 66, 86, 87, 112, 113, 115, 148, 165];

/// The bytes of each of [`COLUMNS`], empty where the change leaves the column out.
pub(super) type Columns<'a> = [&'a [u8]; COLUMNS.len()];

/// Splits the rest of the input into the operation columns; those that are left out are empty.
pub(super) fn split<'a>(input: &mut Cursor<'a>) -> Result<Columns<'a>, ScanError> {
    let mut lengths = [0; COLUMNS.len()];
    let mut next = 0;
    // Whatever number is claimed, specifications ascend strictly: at most one turn for each known column succeeds.
    for _ in 0..input.unsigned()? {
        let specification = input.unsigned()?;
        let known = COLUMNS[next..].iter().position(|known| *known == specification).ok_or(ScanError::Column)?;
        let length = input.unsigned()?;
        if length == 0 || length > input.0.len() as u64 {
            return Err(ScanError::ColumnLength);
        }
        lengths[next + known] = length as usize;
        next += known + 1;
    }
    let mut columns: Columns = [&[]; COLUMNS.len()];
    for (column, length) in columns.iter_mut().zip(lengths) {
        *column = input.take(length).map_err(|_| ScanError::ColumnLength)?;
    }
    if input.0.is_empty() { Ok(columns) } else { Err(ScanError::ExtraBytes) }
}

/// Counts the operations and holds every column to that number. `actors` counts the author and the others.
pub(super) fn count(columns: Columns, actors: u64, limits: &Limits) -> Result<u64, ScanError> {
    let [object_actor, object_counter, key_actor, key_counter, key_text, insert, action, columns @ ..] = columns;
    let [value_kind, value, predecessors, predecessor_actor, predecessor_counter, expand, mark_name] = columns;

    let rows = runs(action, limits.operations, ScanError::Operations, |column, _| column.unsigned().map(drop))?;
    let operations = rows.values;
    if rows.nulls != 0 {
        return Err(ScanError::Rows);
    }
    if operations == 0 {
        return Err(ScanError::NoOperation);
    }

    let listed = |column: &mut Cursor, _| {
        if column.unsigned()? < actors { Ok(()) } else { Err(ScanError::ActorIndex) }
    };
    let counter = |column: &mut Cursor, _| {
        let counter = column.unsigned()?;
        if (1..=u64::from(u32::MAX)).contains(&counter) { Ok(()) } else { Err(ScanError::Counter) }
    };
    let text = |column: &mut Cursor, _| {
        let bytes = column.count(limits.key_bytes, ScanError::Key)?;
        column.take(bytes).map(drop)
    };

    if sparse(object_actor, operations, listed)? != sparse(object_counter, operations, counter)? {
        return Err(ScanError::Rows);
    }
    sparse(key_actor, operations, listed)?;
    sparse(key_counter, operations, counters_from(0))?;
    sparse(key_text, operations, text)?;
    booleans(insert, operations)?;

    let mut value_bytes = 0_u64;
    dense(value_kind, operations, |column, repeated| {
        let kind = column.unsigned()?;
        let length = kind >> 4;
        let allowed = match kind & 0xf {
            0..=2 => length == 0,                        // null, false, true
            3 | 4 | 8 | 9 => (1..=10).contains(&length), // LEB128: unsigned, signed, counter, timestamp
            5 => length == 8,                            // IEEE 754 double
            6 | 7 => length <= limits.value_bytes,       // UTF-8, bytes
            _ => false,
        };
        if !allowed {
            return Err(ScanError::Value);
        }
        value_bytes = value_bytes.saturating_add(length.saturating_mul(repeated));
        Ok(())
    })?;
    if value_bytes != value.len() as u64 {
        return Err(ScanError::Value);
    }

    let mut named = 0_u64;
    dense(predecessors, operations, |column, repeated| {
        named = named.saturating_add(column.unsigned()?.saturating_mul(repeated));
        if named <= limits.predecessors { Ok(()) } else { Err(ScanError::Predecessors) }
    })?;
    dense(predecessor_actor, named, listed)?;
    dense(predecessor_counter, named, counters_from(1))?;

    if !expand.is_empty() {
        booleans(expand, operations)?;
    }
    sparse(mark_name, operations, text)?;
    Ok(operations)
}

/// A column left out where all is null, or one row for each of `rows`. Returns the number of rows with a value.
fn sparse(
    column: &[u8],
    rows: u64,
    value: impl FnMut(&mut Cursor, u64) -> Result<(), ScanError>,
) -> Result<u64, ScanError> {
    let found = runs(column, rows, ScanError::Rows, value)?;
    let complete = column.is_empty() || found.values + found.nulls == rows;
    if complete { Ok(found.values) } else { Err(ScanError::Rows) }
}

/// A column with a value in each of `rows`.
fn dense(
    column: &[u8],
    rows: u64,
    value: impl FnMut(&mut Cursor, u64) -> Result<(), ScanError>,
) -> Result<(), ScanError> {
    let found = runs(column, rows, ScanError::Rows, value)?;
    if found == (Rows { values: rows, nulls: 0 }) { Ok(()) } else { Err(ScanError::Rows) }
}

/// A column of alternating run lengths, the first of false (and alone allowed to be 0), with `rows` rows.
fn booleans(column: &[u8], rows: u64) -> Result<(), ScanError> {
    let mut column = Cursor(column);
    let mut left = rows;
    let mut first = true;
    while !column.0.is_empty() {
        let run = column.unsigned()?;
        if run == 0 && !first {
            return Err(ScanError::Run);
        }
        left = left.checked_sub(run).ok_or(ScanError::Rows)?;
        first = false;
    }
    if left == 0 { Ok(()) } else { Err(ScanError::Rows) }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rows {
    values: u64,
    nulls: u64,
}

/// Walks a run-length encoded column of at most `most` rows, refused as `over` beyond that. `value` reads one encoded
/// value, given how many rows repeat it; it runs at most once for each byte of the column.
fn runs(
    column: &[u8],
    most: u64,
    over: ScanError,
    mut value: impl FnMut(&mut Cursor, u64) -> Result<(), ScanError>,
) -> Result<Rows, ScanError> {
    let mut column = Cursor(column);
    let mut rows = Rows::default();
    while !column.0.is_empty() {
        let run = column.signed()?;
        let length = if run == 0 { column.unsigned()? } else { run.unsigned_abs() };
        if length > most - rows.values - rows.nulls {
            return Err(over);
        }
        match run {
            0 if length == 0 => return Err(ScanError::Run),
            0 => rows.nulls += length,
            1.. => value(&mut column, length)?,
            _ => (0..length).try_for_each(|_| value(&mut column, 1))?,
        }
        if run != 0 {
            rows.values += length;
        }
    }
    Ok(rows)
}

/// Reads steps of a delta-encoded column of operation counters, each in `least` to 2^32 - 1. A run repeats one step,
/// so it is monotone, and its end speaks for all of it.
fn counters_from(least: i64) -> impl FnMut(&mut Cursor, u64) -> Result<(), ScanError> {
    let mut counter = 0_i64;
    move |column, repeated| {
        let step = column.signed()?;
        counter = i64::try_from(repeated)
            .ok()
            .and_then(|repeated| step.checked_mul(repeated)?.checked_add(counter))
            .filter(|counter| (least..=i64::from(u32::MAX)).contains(counter))
            .ok_or(ScanError::Counter)?;
        Ok(())
    }
}
