//! What waits for a decision, counted for whoever watches the registry. It does not know whom it is about.
//!
//! **Invariant:** counting reads no more than [`MOST_COUNTED`] entries of an index, however much waits.

use crate::database::StoreError;
use crate::registry::Registry;
use crate::tables::{held, quarantine};
use diesel::prelude::*;
use gridwork_domain::instant::Instant;

/// Changes that are counted at most.
pub const MOST_COUNTED: i64 = 10_000;

/// Changes that wait in one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiters {
    /// How many, [`MOST_COUNTED`] at most.
    pub count: u64,
    /// For how many milliseconds the first of them has waited; 0 if there is none.
    pub oldest_ms: u64,
}

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Changes that wait for others.
    pub held: Waiters,
    /// Changes that were refused and about which nobody has decided.
    pub quarantined: Waiters,
}

impl Registry {
    /// What waits now.
    ///
    /// # Errors
    /// As the store says.
    pub async fn backlog(&self, now: Instant) -> Result<Backlog, StoreError> {
        self.database
            .read(move |connection| {
                let held: Vec<i64> = held::table
                    .order((held::received_at, held::id))
                    .limit(MOST_COUNTED)
                    .select(held::received_at)
                    .load(connection)?;
                let quarantined: Vec<i64> = quarantine::table
                    .filter(quarantine::decided_at.is_null())
                    .order((quarantine::received_at, quarantine::id))
                    .limit(MOST_COUNTED)
                    .select(quarantine::received_at)
                    .load(connection)?;
                Ok(Backlog { held: waiters(&held, now), quarantined: waiters(&quarantined, now) })
            })
            .await
    }
}

/// Of when each came, ascending.
fn waiters(since: &[i64], now: Instant) -> Waiters {
    let oldest_ms = since.first().map_or(0, |first| now.ms().saturating_sub(*first));
    Waiters { count: since.len() as u64, oldest_ms: u64::try_from(oldest_ms).unwrap_or(0) }
}
