//! Revealing 查看全文: showing in full, for a reason, what somebody sees masked.
//!
//! It neither reads the values nor knows who may see them: it counts, refuses what is too much, and notes it in the audit
//! log. Counts are rows, so that all nodes count together.
//!
//! **Invariant:** what is revealed is counted and in the audit log, with the names of its fields, before anybody sees it.

use crate::Reach;
use crate::audit::{Step, Subject, note};
use crate::database::{Id, StoreError, fails_as_the_store_does};
use crate::entropy::random;
use crate::registry::Registry;
use crate::tables::{resident, reveal};
use diesel::prelude::*;
use gridwork_domain::id::{BreakGlassId, EditId, HouseholdId, ResidentId, StaffId};
use gridwork_domain::instant::Instant;
use std::collections::BTreeSet;

/// How often somebody may reveal within an hour: once a minute is more than anybody answers calls.
pub const MOST_REVEALED: i64 = 60;
/// Milliseconds within which reveals are counted.
const WITHIN_MS: i64 = 60 * 60 * 1_000;

/// What is about to be revealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revealing {
    /// Whose.
    pub subject: Subject,
    /// The names of the fields, each with its container: `residents.phone`.
    pub fields: Vec<String>,
    /// Under which break-glass entries, if the place lies beyond the own areas.
    pub broken: Vec<BreakGlassId>,
}

/// Why nothing is revealed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RevealError {
    /// Too much within an hour.
    #[error("you have revealed as much as may be within an hour: wait a while")]
    TooMany {
        /// Seconds after which there is room again.
        retry_after_s: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(RevealError);

impl From<diesel::result::Error> for RevealError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Registry {
    /// Counts and notes that somebody is about to be shown these fields in full, for the reason of the request's origin;
    /// when this returns, that is durable.
    ///
    /// # Errors
    /// [`RevealError`]: then nothing may be shown.
    pub async fn note_revealed(&self, to: StaffId, what: Revealing, now: Instant) -> Result<(), RevealError> {
        let detail = match what.broken.as_slice() {
            [] => serde_json::json!({ "fields": what.fields }),
            broken => serde_json::json!({ "fields": what.fields, "break_glass": broken }),
        };
        let detail = detail.to_string();
        self.count_and_note(to, "reveal", detail, [what.subject].into(), now).await
    }

    /// Counts as revealing, and notes, that somebody looked for a citizen number and found these: so that nobody finds a number
    /// by trying many.
    ///
    /// # Errors
    /// [`RevealError`]: then nothing may be shown.
    pub async fn note_sought(&self, by: StaffId, found: BTreeSet<Subject>, now: Instant) -> Result<(), RevealError> {
        let detail = serde_json::json!({ "found": found.len() }).to_string();
        self.count_and_note(by, "find-by-number", detail, found, now).await
    }

    async fn count_and_note(
        &self,
        by: StaffId,
        action: &'static str,
        detail: String,
        persons: BTreeSet<Subject>,
        now: Instant,
    ) -> Result<(), RevealError> {
        let id = Id::from(EditId::new(now, random()?));
        self.database
            .write(move |connection| {
                let theirs = reveal::table.filter(reveal::staff.eq(Id::from(by)));
                diesel::delete(theirs.filter(reveal::at.le(now.plus_ms(-WITHIN_MS).ms()))).execute(connection)?;
                let counted: Vec<i64> = theirs.select(reveal::at).order(reveal::at).load(connection)?;
                if counted.len() as i64 >= MOST_REVEALED {
                    let first = counted.first().copied().unwrap_or_default();
                    let left_ms = (first + WITHIN_MS - now.ms()).max(1);
                    let retry_after_s = u32::try_from((left_ms + 999) / 1_000).unwrap_or(u32::MAX);
                    return Err(RevealError::TooMany { retry_after_s });
                }
                let row = (reveal::id.eq(id), reveal::staff.eq(Id::from(by)), reveal::at.eq(now.ms()));
                diesel::insert_into(reveal::table).values(row).execute(connection)?;
                let step = Step::new(now, Some(by), action);
                Ok::<_, RevealError>(note(connection, &Step { detail: &detail, persons: persons.clone(), ..step })?)
            })
            .await
    }

    /// The households within reach in which a person is recorded, ascending.
    ///
    /// # Errors
    /// As the store says.
    pub async fn households_of(&self, reach: &Reach, of: ResidentId) -> Result<Vec<HouseholdId>, StoreError> {
        let reach = reach.clone();
        self.database
            .read(move |connection| {
                let rows: Vec<(Id, Id)> = resident::table
                    .filter(resident::id.eq(Id::from(of)))
                    .order(resident::household)
                    .select((resident::scope, resident::household))
                    .load(connection)?;
                let rows = rows.into_iter().map(|(scope, household)| (scope.into(), HouseholdId::from(household)));
                Ok(rows.filter(|(scope, id)| reach.covers(*scope, *id)).map(|(_, id)| id).collect())
            })
            .await
    }
}
