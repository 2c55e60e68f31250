//! What a search costs the database at the least: the bare statements that it needs, without anything around them.
//!
//! That is: whether the session goes on, what the offices are, the words, the rows that they find, and a row of the audit
//! log. It is what the benchmark measures a search against, and nothing else uses it.

use crate::audit::{Step, note};
use crate::database::{Blob, Connection, Id, Opener, PlaceBlob, StoreError};
use crate::entropy::random;
use crate::projection::{Findable, parts, place};
use crate::settings::{OpenError, Settings};
use crate::tables::{assignment, audit, search, session};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::select;
use gridwork_domain::id::StaffId;
use gridwork_domain::instant::Instant;
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
        Opener::new(settings)?.writer().map(Self)
    }

    /// Asks what a search asks for that finds this token; returns how many households that were.
    ///
    /// # Errors
    /// As the store says.
    pub fn search(&mut self, by: StaffId, token: &Token, most: u32, now: Instant) -> Result<usize, StoreError> {
        let connection = &mut self.0;
        let some_session: Id = Blob(random()?);
        let _: Option<bool> =
            session::table.find(some_session).select(session::second_factor).get_result(connection).optional()?;
        let offices = assignment::table.filter(assignment::staff.eq(Id::from(by)));
        let _: Vec<(String, Id)> = offices.select((assignment::role, assignment::area)).load(connection)?;
        let rank = token.rank.byte();
        let places: Vec<PlaceBlob> = search::table
            .filter(search::word.eq(&token.word))
            .filter(search::place.ge(place(rank, FIRST, FIRST)))
            .filter(search::place.lt(place(rank + 1, FIRST, FIRST)))
            .order(search::place)
            .limit(i64::from(most))
            .select(search::place)
            .load(connection)?;
        let ids: Vec<Id> = places.into_iter().map(|place| parts(place).2).collect();
        let found = Findable::read_without_needs(connection, &ids)?.len();
        note(connection, &Step { detail: "{}", ..Step::new(now, Some(by), "read") })?;
        Ok(found)
    }

    /// Whether audit rows wait to be sealed: while they do, the server has other work than searches.
    ///
    /// # Errors
    /// As the store says.
    pub fn is_sealing(&mut self) -> Result<bool, StoreError> {
        let unsealed = audit::table.filter(audit::position.is_null()).select(audit::id);
        Ok(select(exists(unsealed)).get_result(&mut self.0)?)
    }
}
