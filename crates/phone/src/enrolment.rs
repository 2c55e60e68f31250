//! A phone becomes somebody's: it makes a key, and comes with it and a one-time code to the server.
//!
//! **Invariant:** the key is on the disk before the server hears of it, so that an enrolment whose answer was lost can be
//! tried again with the same code and key.

use crate::envelope::Link;
use crate::identity::{Grid, Identity};
use crate::phone::{OpenError, Phone};
use crate::store::{Store, StoreError};
use crate::surroundings::Surroundings;
use gridwork_domain::id::{DeviceId, StaffId};
use gridwork_sync::replica::{Failure, Owner, Row, Standing};
use serde::Deserialize;
use std::path::Path;

/// Why a phone is not enrolled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EnrolError {
    /// The folder has an enrolled phone.
    #[error("the phone in this folder is enrolled already: open it, or take another folder")]
    Enrolled,
    /// The server was not reached, or does not take the code.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// What the server answered is no enrolment.
    #[error("the server's answer is no enrolment: {0}")]
    Answer(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Deserialize)]
struct Enrolled {
    device: DeviceId,
    token: String,
    staff: Person,
    scopes: Vec<Grid>,
    #[serde(default)]
    sealing_key: Option<String>,
    server_time_ms: i64,
}

#[derive(Deserialize)]
struct Person {
    id: StaffId,
    name: String,
}

impl Phone {
    /// Enrols a new phone with a one-time code; its store begins in this folder. `server` is `http://host:port` or
    /// `https://host`, without a path.
    ///
    /// # Errors
    /// [`EnrolError`]. After [`Failure::Network`] the same call may be made again.
    pub fn enrol(folder: &Path, server: &str, code: &str) -> Result<Self, EnrolError> {
        Self::enrol_with(folder, server, code, Surroundings::default())
    }

    /// Enrols a new phone with another clock, network or reserve than the usual ones.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub fn enrol_with(
        folder: &Path,
        server: &str,
        code: &str,
        mut surroundings: Surroundings,
    ) -> Result<Self, EnrolError> {
        let mut store = Store::open(folder, surroundings.reserve_bytes)?;
        let server = server.trim_end_matches('/').to_owned();
        let begun = store.identity()?;
        if begun.as_ref().is_some_and(|identity| identity.enrolled.is_some()) {
            return Err(EnrolError::Enrolled);
        }
        let secret_key = begun.map_or_else(
            || {
                let mut secret_key = [0; 32];
                surroundings.entropy.fill(&mut secret_key);
                secret_key
            },
            |identity| identity.secret_key,
        );
        let mut identity = Identity { server, secret_key, enrolled: None, sealing_key: None };
        store.save_identity(&identity, &[])?;

        let json = ask(&mut surroundings, &identity, code)?;
        let enrolled: Enrolled =
            serde_json::from_slice(&json).map_err(|error| EnrolError::Answer(error.to_string()))?;
        let now = (surroundings.clock)();
        let owner = Owner { device: enrolled.device, staff: enrolled.staff.id, name: enrolled.staff.name };
        identity.enrolled = Some((owner, enrolled.token));
        // Without one, or with one that is none, everything but citizen numbers is recorded; the next sync asks again.
        identity.sealing_key = enrolled.sealing_key.and_then(|key| key.parse().ok());
        let skew_ms = Some(enrolled.server_time_ms.saturating_sub(now.ms()));
        // A kill in between leaves a phone that learns its skew at the first sync.
        store.save_identity(&identity, &enrolled.scopes)?;
        store.save(&[Row::Standing(Standing { skew_ms, ..Standing::default() })])?;
        Phone::of_store(store, surroundings).map_err(|error| match error {
            OpenError::Store(error) => EnrolError::Store(error),
            OpenError::NotEnrolled => EnrolError::Answer(error.to_string()),
        })
    }
}

/// Asks the server; if the clock is wrong, once more with the server's.
fn ask(surroundings: &mut Surroundings, identity: &Identity, code: &str) -> Result<Vec<u8>, Failure> {
    let Surroundings { transport, clock, entropy, .. } = surroundings;
    let (transport, entropy) = (transport.as_mut(), entropy.as_mut());
    let mut link = Link { transport, entropy, identity, now: clock() };
    match link.enrol(code) {
        Err(Failure::StaleClock { server_time }) => {
            link.now = server_time;
            link.enrol(code)
        }
        other => other,
    }
}
