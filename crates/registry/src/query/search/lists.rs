//! Lists of the households that a word finds by a rank, walked together.
//!
//! Every list is in the order of grid and household, so several of them, and the grids within reach, are walked like the
//! teeth of a zip: whichever is furthest ahead says where the others go on. A list that is short is read at once; of a
//! long one, only what the others leave.
//!
//! **Invariant:** whatever is asked, a page reads at most [`MOST_READS`] times [`ROWS_OF_READ`] rows of words.

use crate::database::{Blob, Connection, Id};
use crate::projection::{parts, place};
use crate::tables::search;
use diesel::prelude::*;
use gridwork_domain::search::Rank;
use std::collections::BTreeMap;

/// Ranges of words that a page reads at most: some milliseconds. Then the page ends, and the next goes on from there.
const MOST_READS: u32 = 64;

/// Rows that are read at a time: a list of fewer is known as a whole, and most pages need no second read.
const ROWS_OF_READ: i64 = 160;

/// Grid and household: the order of every list.
pub(super) type Home = (Id, Id);

/// Before every home.
pub(super) const FIRST: Home = (Blob([0; 16]), Blob([0; 16]));

/// The home just after another.
pub(super) fn after((scope, household): Home) -> Home {
    let next = |id: Id| u128::from_be_bytes(id.0).checked_add(1).map(|next| Blob(next.to_be_bytes()));
    match (next(household), next(scope)) {
        (Some(household), _) => (scope, household),
        (None, Some(scope)) => (scope, FIRST.1),
        (None, None) => (scope, household),
    }
}

/// Why a walk stops before its end.
pub(super) enum Stop {
    /// The page has read as much as it may.
    Spent,
    /// The store failed.
    Store(diesel::result::Error),
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error)
    }
}

/// Reads ranges of words, as many as a page may.
pub(super) struct Reader<'c> {
    pub(super) connection: &'c mut Connection,
    reads: u32,
    beginnings: BTreeMap<(String, u8, Home), Beginning>,
}

/// What was read of a word from some place on, of any rank.
struct Beginning {
    rows: Vec<(u8, Home)>,
    /// Whether that is all.
    ended: bool,
}

impl<'c> Reader<'c> {
    pub(super) fn new(connection: &'c mut Connection) -> Self {
        Self { connection, reads: 0, beginnings: BTreeMap::new() }
    }

    /// The list of a word by a rank, as far as reading the word from `rank` and `home` on, once for all its ranks, tells.
    pub(super) fn list(&mut self, word: &str, by: Rank, (rank, home): (Rank, Home)) -> Result<List, Stop> {
        let key = (word.to_owned(), rank.byte(), home);
        if !self.beginnings.contains_key(&key) {
            let rows = self.read(word, (rank.byte(), home), u8::MAX)?;
            let ended = (rows.len() as i64) < ROWS_OF_READ;
            self.beginnings.insert(key.clone(), Beginning { rows, ended });
        }
        let mut list = List { word: word.to_owned(), rank: by, homes: Vec::new(), ended: false };
        if let Some(beginning) = self.beginnings.get(&key) {
            let own = beginning.rows.iter().filter(|(rank, _)| *rank == by.byte()).map(|(_, home)| *home);
            list.homes = own.collect();
            let beyond = beginning.rows.last().is_some_and(|(rank, _)| *rank > by.byte());
            list.ended = beginning.ended || beyond;
        }
        Ok(list)
    }

    fn read(&mut self, word: &str, (rank, home): (u8, Home), until: u8) -> Result<Vec<(u8, Home)>, Stop> {
        if self.reads == MOST_READS {
            return Err(Stop::Spent);
        }
        self.reads += 1;
        let rows: Vec<crate::database::PlaceBlob> = search::table
            .filter(search::word.eq(word))
            .filter(search::place.ge(place(rank, home.0, home.1)))
            .filter(search::place.lt(place(until, FIRST.0, FIRST.1)))
            .order(search::place)
            .limit(ROWS_OF_READ)
            .select(search::place)
            .load(self.connection)?;
        let row = |place| {
            let (rank, scope, household) = parts(place);
            (rank, (scope, household))
        };
        Ok(rows.into_iter().map(row).collect())
    }
}

/// The households that a word finds by a rank, as far as they were read.
pub(super) struct List {
    word: String,
    rank: Rank,
    homes: Vec<Home>,
    ended: bool,
}

impl List {
    /// How many households are left if all of them were read.
    pub(super) fn known(&self) -> Option<usize> {
        self.ended.then_some(self.homes.len())
    }

    /// The first home at or after one.
    fn seek(&mut self, reader: &mut Reader<'_>, at: Home) -> Result<Option<Home>, Stop> {
        let place = self.homes.partition_point(|home| *home < at);
        if let Some(home) = self.homes.get(place) {
            return Ok(Some(*home));
        }
        if self.ended {
            return Ok(None);
        }
        let rank = self.rank.byte();
        let rows = reader.read(&self.word, (rank, at), rank + 1)?;
        self.ended = (rows.len() as i64) < ROWS_OF_READ;
        self.homes = rows.into_iter().map(|(_, home)| home).collect();
        Ok(self.homes.first().copied())
    }
}

/// What must be in one of several lists.
pub(super) struct Either(pub(super) Vec<List>);

impl Either {
    /// Whether all of its lists were read to their end.
    pub(super) fn is_known(&self) -> bool {
        self.0.iter().all(|list| list.known().is_some())
    }

    fn seek(&mut self, reader: &mut Reader<'_>, at: Home) -> Result<Option<Home>, Stop> {
        let mut first = None;
        for list in &mut self.0 {
            let home = list.seek(reader, at)?;
            first = first.into_iter().chain(home).min();
            if first == Some(at) {
                break;
            }
        }
        Ok(first)
    }
}

/// Homes within reach that are in all of these lists.
pub(super) struct Walk<'a> {
    scopes: &'a [Id],
    all: Vec<Either>,
    /// Where it has come: all homes before have been told.
    pub(super) at: Home,
}

impl<'a> Walk<'a> {
    /// A walk over these grids, ascending, from a home on.
    pub(super) fn new(scopes: &'a [Id], mut all: Vec<Either>, at: Home) -> Self {
        // What a short list finds is looked at one by one: then nothing need be read of the long ones.
        if all.iter().any(Either::is_known) {
            all.retain(Either::is_known);
        }
        Self { scopes, all, at }
    }

    /// The next home, if there is one.
    pub(super) fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<Home>, Stop> {
        'again: loop {
            let place = self.scopes.partition_point(|scope| *scope < self.at.0);
            let Some(scope) = self.scopes.get(place) else { return Ok(None) };
            self.at = self.at.max((*scope, FIRST.1));
            for either in &mut self.all {
                let Some(home) = either.seek(reader, self.at)? else { return Ok(None) };
                if home != self.at {
                    self.at = home;
                    continue 'again;
                }
            }
            let found = self.at;
            self.at = after(found);
            return Ok(Some(found));
        }
    }
}
