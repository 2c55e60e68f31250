//! The words by which households are found, against those that the log gives.
//!
//! They are kept in the order of words, and the log is replayed household by household: so both are summed up, in as many
//! sums as there are endings of a household's id of two bytes. Only where sums differ are rows compared.
//!
//! **Invariant:** memory is bounded by the number of sums, and by the households of those that differ.

use super::{Difference, VerifyReport};
use crate::database::{Connection, Id, StoreError};
use crate::projection::{Findable, HouseholdRows, SearchRow, parts, search_rows};
use crate::tables::{household, search};
use diesel::prelude::*;
use gridwork_domain::id::HouseholdId;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Sums: one for each ending of two bytes.
const SUMS: usize = 1 << 16;

/// Rows and ids that are read at a time.
const CHUNK_ROWS: i64 = 8_192;

/// Households that are read at a time.
const CHUNK_HOUSEHOLDS: usize = 256;

/// Sums whose rows are compared; of more, it is only said that they differ.
const MOST_COMPARED: usize = 64;

/// What the log gives, less what is there: all zero if they are the same.
pub(super) struct Words {
    sums: Vec<u128>,
    /// Endings of households whose log is damaged: nothing can be said of them.
    unknown: BTreeSet<u16>,
}

/// The sum of the words that the log gives a household.
pub(super) struct Given {
    ending: u16,
    sum: u128,
}

impl Given {
    /// That of a household which the log gives these rows.
    pub(super) fn of(rows: &HouseholdRows) -> Self {
        let sum = search_rows(rows).iter().map(digest).fold(0, u128::wrapping_add);
        Self { ending: ending(rows.household.id), sum }
    }
}

impl Default for Words {
    fn default() -> Self {
        Self { sums: vec![0; SUMS], unknown: BTreeSet::new() }
    }
}

impl Words {
    /// Adds the words that the log gives a household.
    pub(super) fn expect(&mut self, given: Given) {
        let sum = &mut self.sums[usize::from(given.ending)];
        *sum = sum.wrapping_add(given.sum);
    }

    /// Leaves out a household whose log is damaged.
    pub(super) fn leave_out(&mut self, household: Id) {
        self.unknown.insert(ending(household));
    }

    /// Compares what is there.
    pub(super) fn check(mut self, connection: &mut Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
        each_row(connection, |row| {
            report.words += 1;
            let sum = &mut self.sums[usize::from(ending(parts(row.place).2))];
            *sum = sum.wrapping_sub(digest(&row));
        })?;
        let endings = (0..=u16::MAX).zip(&self.sums).filter(|(_, sum)| **sum != 0).map(|(ending, _)| ending);
        let mut differ: BTreeSet<u16> = endings.filter(|ending| !self.unknown.contains(ending)).collect();
        if differ.is_empty() {
            return Ok(());
        }
        let beyond = differ.iter().nth(MOST_COMPARED).copied();
        for ending in beyond.map(|from| differ.split_off(&from)).into_iter().flatten() {
            report.add(of_ending(ending));
        }
        compare(connection, &differ, report)
    }
}

/// Names the rows that differ from what the households' own rows give.
fn compare(connection: &mut Connection, endings: &BTreeSet<u16>, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut found: BTreeMap<Id, BTreeSet<SearchRow>> = BTreeMap::new();
    each_row(connection, |row| {
        let household = parts(row.place).2;
        if endings.contains(&ending(household)) {
            found.entry(household).or_default().insert(row);
        }
    })?;
    let mut silent = endings.clone();
    let mut differs = |household: Id, row: &SearchRow, expected: &str, found: &str| {
        silent.remove(&ending(household));
        let id = HouseholdId::from(household);
        let row = format!("household {id}, rank {}, a word of {} characters", row.place.0[0], row.word.chars().count());
        report.add(Difference::new("search", row, expected, found));
    };
    for ids in households(connection, endings)?.chunks(CHUNK_HOUSEHOLDS) {
        for one in Findable::read(connection, ids)? {
            let (id, expected) = (one.household.id, one.rows());
            let found = found.remove(&id).unwrap_or_default();
            expected.difference(&found).for_each(|row| differs(id, row, "a row", "none"));
            found.difference(&expected).for_each(|row| differs(id, row, "no row", "one"));
        }
    }
    for (id, rows) in &found {
        rows.iter().for_each(|row| differs(*id, row, "no row", "one"));
    }
    silent.into_iter().for_each(|ending| report.add(of_ending(ending)));
    Ok(())
}

fn of_ending(ending: u16) -> Difference {
    let row = format!("households whose ids end in the bytes {ending:04x}");
    Difference::new("search", row, "the words that the log gives", "others")
}

fn households(connection: &mut Connection, endings: &BTreeSet<u16>) -> Result<Vec<Id>, StoreError> {
    let mut ids = Vec::new();
    let mut last: Option<Id> = None;
    loop {
        let mut query = household::table.select(household::id).order(household::id).limit(CHUNK_ROWS).into_boxed();
        if let Some(last) = last {
            query = query.filter(household::id.gt(last));
        }
        let some: Vec<Id> = query.load(connection)?;
        last = some.last().copied();
        if last.is_none() {
            return Ok(ids);
        }
        ids.extend(some.into_iter().filter(|id| endings.contains(&ending(*id))));
    }
}

/// Every row in the order of words, read a chunk at a time.
fn each_row(connection: &mut Connection, mut row: impl FnMut(SearchRow)) -> Result<(), StoreError> {
    let mut last: Option<SearchRow> = None;
    loop {
        let mut some: Vec<SearchRow> = Vec::new();
        if let Some(last) = &last {
            // First the rest of the word: an OR over both columns would not be a range of the index.
            some = search::table
                .filter(search::word.eq(&last.word).and(search::place.gt(last.place)))
                .order(search::place)
                .limit(CHUNK_ROWS)
                .select(SearchRow::as_select())
                .load(connection)?;
        }
        if (some.len() as i64) < CHUNK_ROWS {
            let mut query = search::table
                .order((search::word, search::place))
                .limit(CHUNK_ROWS)
                .select(SearchRow::as_select())
                .into_boxed();
            if let Some(last) = &last {
                query = query.filter(search::word.gt(last.word.clone()));
            }
            some.append(&mut query.load(connection)?);
        }
        let Some(end) = some.last().cloned() else { return Ok(()) };
        last = Some(end);
        some.into_iter().for_each(&mut row);
    }
}

fn ending(household: Id) -> u16 {
    u16::from_be_bytes([household.0[14], household.0[15]])
}

fn digest(row: &SearchRow) -> u128 {
    let hash = Sha256::new().chain_update(row.place.0).chain_update(&row.word).finalize();
    hash.iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}
