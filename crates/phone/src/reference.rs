//! The lists that everybody works with: code lists, kinds of needs, names of fields, areas. Asked for at a sync when it is a
//! day since, with the version that the phone has.
//!
//! **Invariant:** whatever becomes of them, a sync succeeds without: what is on the phone is used until newer ones are.

use crate::envelope::{Link, Lists};
use crate::phone::Phone;
use crate::store::StoreError;
use gridwork_domain::instant::Instant;
use serde::Deserialize;

/// How long the lists are used before the phone asks again.
const CHECKED_EVERY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The lists as the phone has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Their version, an entity tag.
    pub version: String,
    /// When the phone last asked whether they are the newest, by its clock.
    pub checked_at: Instant,
    /// The lists, as the server gave them: `Reference` of its API in JSON.
    pub lists: String,
}

#[derive(Deserialize)]
struct Versioned {
    version: String,
}

impl Phone {
    /// The lists that everybody works with; none if the phone has not got them yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reference(&mut self) -> Result<Option<Reference>, StoreError> {
        self.store.reference()
    }

    /// Asks for newer lists if it is time to. Nothing else depends on it.
    pub(crate) fn refresh_reference(&mut self) {
        if let Err(error) = self.try_refresh_reference() {
            tracing::warn!(%error, "the lists stay as they are");
        }
    }

    fn try_refresh_reference(&mut self) -> Result<(), StoreError> {
        let known = self.store.reference()?;
        let now = self.now();
        let is_fresh = |one: &Reference| (0..CHECKED_EVERY_MS).contains(&now.ms().saturating_sub(one.checked_at.ms()));
        if known.as_ref().is_some_and(is_fresh) {
            return Ok(());
        }
        let mut link = Link {
            transport: self.surroundings.transport.as_mut(),
            entropy: self.surroundings.entropy.as_mut(),
            identity: &self.identity,
            now: self.replica.corrected(now),
        };
        let fetched = match link.lists(known.as_ref().map(|known| known.version.as_str())) {
            Ok(Lists::New(lists)) => {
                let version = serde_json::from_str::<Versioned>(&lists).ok().map(|read| read.version);
                version.map(|version| Reference { version, checked_at: now, lists })
            }
            Ok(Lists::Same) => known.map(|known| Reference { checked_at: now, ..known }),
            Err(failure) => {
                tracing::info!(?failure, "the lists could not be asked for");
                None
            }
        };
        fetched.map_or(Ok(()), |fetched| self.store.save_reference(&fetched))
    }
}
