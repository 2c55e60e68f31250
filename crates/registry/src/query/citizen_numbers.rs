//! Residents by their citizen number, which is asked for and kept sealed.
//!
//! **Invariant:** a number leaves here in the clear by [`Registry::open_citizen_number`] alone; whoever calls it answers
//! for the reason and the audit row.

use super::residents::views;
use super::{ReadError, scope_within};
use crate::Reach;
use crate::database::{Blob, Connection, HashBlob, Id, StoreError};
use crate::projection::{ResidentRow, open};
use crate::query::ResidentView;
use crate::registry::Registry;
use crate::tables::resident;
use diesel::prelude::*;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::id::{HouseholdId, ResidentId};
use gridwork_domain::sealed_number::SealedNumber;
use gridwork_sealing::OpenError;

/// Residents of one number that are answered at most: more are not duplicates but a mistake to be mended first.
const MOST_OF_NUMBER: i64 = 50;

/// Why nobody is found by a sealed number.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// It does not open.
    #[error("the number that is sought cannot be read: {0}; seal it with the key of GET /v1/sealing-key")]
    Unreadable(OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Registry {
    /// Residents within reach who have this number, at most fifty, by household.
    ///
    /// # Errors
    /// [`FindError`].
    pub async fn residents_by_citizen_number(
        &self,
        reach: &Reach,
        sought: &SealedNumber,
    ) -> Result<Vec<ResidentView>, FindError> {
        let number = self.sealing.open(sought).map_err(FindError::Unreadable)?;
        let hash = self.sealing.hash(&number).ok_or(FindError::Unreadable(OpenError::UnknownKey))?;
        let reach = reach.clone();
        let found = self.database.read(move |connection| of_hash(connection, &reach, Blob(hash)));
        Ok(found.await?)
    }

    /// The citizen number of a resident within reach, in the clear; none if there is no such resident or no number.
    ///
    /// The inner error says why the sealed value is unreadable. For whoever reveals it with a reason, and audits that.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open_citizen_number(
        &self,
        reach: &Reach,
        household: HouseholdId,
        resident: ResidentId,
    ) -> Result<Option<Result<CitizenNumber, OpenError>>, ReadError> {
        let reach = reach.clone();
        let sealed = self.database.read(move |connection| {
            if scope_within(connection, &reach, household)?.is_none() {
                return Ok(None);
            }
            let row = resident::table.find((Id::from(household), Id::from(resident)));
            let sealed = row.select(resident::citizen_number).get_result::<Option<String>>(connection).optional();
            Ok::<_, ReadError>(sealed.map_err(StoreError::from)?.flatten())
        });
        Ok(sealed.await?.map(|sealed| open(&self.sealing, &sealed)))
    }
}

fn of_hash(connection: &mut Connection, reach: &Reach, hash: HashBlob) -> Result<Vec<ResidentView>, ReadError> {
    let rows: Vec<ResidentRow> = resident::table
        .filter(resident::citizen_number_hash.eq(hash))
        .filter(resident::scope.eq_any(reach.columns()))
        .order((resident::household, resident::id))
        .limit(MOST_OF_NUMBER)
        .select(ResidentRow::as_select())
        .load(connection)?;
    views(connection, rows)
}
