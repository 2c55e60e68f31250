//! What a search costs the database at the least: the bare statements, without anything around them.
//!
//! It is what the benchmark measures a search against, and nothing else uses it.

use crate::database::{Blob, Connection, Id, Opener, PlaceBlob, StoreError};
use crate::projection::{parts, place};
use crate::settings::{OpenError, Settings};
use crate::tables::{household, resident, search};
use diesel::prelude::*;
use gridwork_domain::search::Token;

/// Before every grid and household.
const FIRST: Id = Blob([0; 16]);

/// A connection of one's own.
pub struct Yardstick(Connection);

impl Yardstick {
    /// Opens a connection to the database of these settings, which is up to date.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        Opener::new(settings)?.existing().map(Self)
    }

    /// Reads the first households that a token finds, with the names and telephones of their residents; returns how many
    /// rows that were.
    ///
    /// # Errors
    /// As the store says.
    pub fn search(&mut self, token: &Token, most: u32) -> Result<usize, StoreError> {
        let rank = token.rank.byte();
        let places: Vec<PlaceBlob> = search::table
            .filter(search::word.eq(&token.word))
            .filter(search::place.ge(place(rank, FIRST, FIRST)))
            .filter(search::place.lt(place(rank + 1, FIRST, FIRST)))
            .order(search::place)
            .limit(i64::from(most))
            .select(search::place)
            .load(&mut self.0)?;
        let ids: Vec<Id> = places.into_iter().map(|place| parts(place).2).collect();
        let households: Vec<(Id, Option<String>, Option<String>)> = household::table
            .filter(household::id.eq_any(&ids))
            .select((household::id, household::address, household::contact_phone))
            .load(&mut self.0)?;
        let residents: Vec<(Id, Option<String>, Option<String>)> = resident::table
            .filter(resident::household.eq_any(&ids))
            .select((resident::id, resident::name, resident::phone))
            .load(&mut self.0)?;
        Ok(households.len() + residents.len())
    }
}
