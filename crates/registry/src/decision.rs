//! What staff decide about changes that were refused, or wait: released, so that they are judged anew; or discarded.
//!
//! It does not know who may decide: the caller says within which grids.
//!
//! **Invariant:** what is released is merged, waits, or stays where it was; what is discarded keeps its bytes, and its
//! device is told so whenever it asks again.

mod discard;
mod release;
#[cfg(test)]
mod tests;

use crate::audit::{Step, Subject, note};
use crate::database::{Connection, DocumentBlob, HashBlob, Id, StoreError, fails_as_the_store_does};
use crate::figures::add;
use crate::held::HeldRow;
use crate::idempotency::Keep;
use crate::ledger::Ledger;
use crate::log::{Sender, columns, key};
use crate::registry::Registry;
use crate::tables::{held, quarantine};
use crate::{KeptState, Reach};
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, HouseholdId, KeptId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_sync::document::{ChangeHash, DocumentKey};
use std::collections::{BTreeMap, BTreeSet};

/// Code of a change that staff discarded. Its device is told so when it asks again.
pub(crate) const DISCARDED: &str = "discarded";

/// What became of a change that staff released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It is merged.
    Merged,
    /// It, or all that it says, was merged before.
    Known,
    /// It waits for something.
    Waits,
    /// It was refused again, and stays where it was.
    Refused,
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The change.
    pub id: KeptId,
    /// What became of it; none if it was discarded.
    pub released: Option<Released>,
    /// Why it waits or was refused again: a word of the guard.
    pub code: Option<String>,
    /// The same as a sentence.
    pub detail: Option<String>,
    /// Changes that build on it and went with it.
    pub with_it: u64,
}

/// Why nothing was decided.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecisionError {
    /// Nothing of this id waits or is refused in the grids of whoever decides; perhaps somebody else was first.
    #[error("no change of this id waits for a decision")]
    NothingKept,
    /// What was kept of it is damaged, so that nobody can judge it. It stays where it was; it can be discarded.
    #[error("what was kept of this change is damaged: have it recorded anew, and discard it")]
    Damaged,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(DecisionError);

impl From<diesel::result::Error> for DecisionError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A change that was refused and about which nobody has decided.
#[derive(Queryable, Selectable)]
#[diesel(table_name = quarantine)]
struct Refused {
    document: DocumentBlob,
    epoch: i64,
    digest: HashBlob,
    change: Option<HashBlob>,
    code: String,
    detail: String,
    scope: Id,
    staff: Id,
    device: Option<Id>,
    received_at: i64,
    last_contact: i64,
    home: Id,
    id: Id,
    sealed: Vec<u8>,
}

impl Refused {
    /// Who handed it in, by their rights of then, as if it came now.
    fn sender(&self, now: Instant) -> Sender {
        Sender {
            staff: self.staff.into(),
            device: self.device.map(DeviceId::from),
            at: now,
            last_contact: Instant::from_ms(self.last_contact),
        }
    }
}

/// What was refused of a document and not decided about, by the changes on which it builds: digest, hash and code of each.
#[derive(Default)]
struct Builds(BTreeMap<ChangeHash, Vec<Link>>);

type Link = (HashBlob, Option<HashBlob>, String);

impl Builds {
    /// What builds on a change just so.
    fn on(&self, hash: ChangeHash) -> &[Link] {
        self.0.get(&hash).map_or(&[], Vec::as_slice)
    }
}

enum Kept {
    Refused(Box<Refused>),
    Waits(Box<HeldRow>),
}

impl Registry {
    /// Has a change judged anew that was refused or waits, by the rights of who sent it, as if it came now; with it, those
    /// that were refused because they build on it.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub async fn release_kept(
        &self,
        by: StaffId,
        within: &Reach,
        id: KeptId,
        why: String,
        now: Instant,
        answer: Option<Keep<Decided>>,
    ) -> Result<Decided, DecisionError> {
        self.decide(by, within, id, why, now, answer, move |ledger, kept, _| ledger.release_kept(id, kept)).await
    }

    /// Discards a change that was refused or waits, with all that build on it. Their bytes stay, and no list shows them.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub async fn discard_kept(
        &self,
        by: StaffId,
        within: &Reach,
        id: KeptId,
        why: String,
        now: Instant,
        answer: Option<Keep<Decided>>,
    ) -> Result<Decided, DecisionError> {
        let discard = move |ledger: &Ledger<'_>, kept, why: &str| Ok(ledger.discard_kept(id, kept, by, why)?);
        self.decide(by, within, id, why, now, answer, discard).await
    }

    #[allow(clippy::too_many_arguments)]
    async fn decide(
        &self,
        by: StaffId,
        within: &Reach,
        id: KeptId,
        why: String,
        now: Instant,
        answer: Option<Keep<Decided>>,
        work: impl Fn(&Ledger<'_>, Kept, &str) -> Result<Decided, DecisionError> + Send + 'static,
    ) -> Result<Decided, DecisionError> {
        let (within, keys) = (within.clone(), self.sealing.clone());
        let decided = self.database.write_locking(move |connection| {
            let home = home_of(connection, id)?.filter(|home| within.contains(*home));
            let home = home.ok_or(DecisionError::NothingKept)?;
            let ledger = Ledger::new(connection, now, keys.clone(), [home].into())?;
            // Anew, now that nobody else writes there.
            let kept = ledger.query(|connection| find(connection, id))?.ok_or(DecisionError::NothingKept)?;
            let household = key_of(&kept)?.id.subject();
            let decided = work(&ledger, kept, &why)?;
            let moved = ledger.finish()?;
            note_decided(connection, by, (home, household), &decided, &why, now)?;
            if let Some(answer) = &answer {
                answer.keep(connection, &decided, &BTreeSet::new())?;
            }
            Ok::<_, DecisionError>((decided, moved))
        });
        let (decided, moved) = decided.await?;
        self.committed(moved);
        if decided.released == Some(Released::Merged) {
            add(&self.counters.released, 1 + decided.with_it);
        }
        Ok(decided)
    }
}

fn note_decided(
    connection: &mut Connection,
    by: StaffId,
    (scope, household): (ScopeId, HouseholdId),
    decided: &Decided,
    why: &str,
    now: Instant,
) -> Result<(), StoreError> {
    let outcome = match decided.released {
        None => DISCARDED,
        Some(Released::Merged) => "merged",
        Some(Released::Known) => "known",
        Some(Released::Waits) => "held",
        Some(Released::Refused) => "quarantined",
    };
    let detail = serde_json::json!({ "outcome": outcome, "with_it": decided.with_it }).to_string();
    let persons = [Subject { scope, household, resident: None }].into();
    let action = if decided.released.is_some() { "release" } else { "discard" };
    let step = Step::new(now, Some(by), action);
    let subject = Some(decided.id.as_bytes().as_slice());
    note(connection, &Step { subject, detail: &detail, persons, reason: Some(why), ..step })
}

impl Ledger<'_> {
    /// What was refused of a document and not decided about; read once for each decision, and without its bytes.
    fn builds(&self, key: &DocumentKey) -> Result<Builds, StoreError> {
        let (document, epoch) = columns(key);
        let of_document = quarantine::document.eq(document).and(quarantine::epoch.eq(epoch));
        let undecided = quarantine::table.filter(of_document.and(quarantine::decided_at.is_null()));
        let in_order = undecided.order((quarantine::received_at, quarantine::id));
        let columns = (quarantine::digest, quarantine::change, quarantine::code, quarantine::depends_on);
        let rows: Vec<(HashBlob, Option<HashBlob>, String, Vec<u8>)> =
            self.query(|connection| in_order.select(columns).load(connection))?;
        let mut builds = Builds::default();
        for (digest, change, code, depends_on) in rows {
            for hash in depends_on.as_chunks::<32>().0 {
                builds.0.entry(ChangeHash(*hash)).or_default().push((digest, change, code.clone()));
            }
        }
        Ok(builds)
    }
}

fn key_of(kept: &Kept) -> Result<DocumentKey, StoreError> {
    match kept {
        Kept::Refused(row) => key(row.document, row.epoch),
        Kept::Waits(row) => key(row.document, row.epoch),
    }
}

/// The grid whose staff decide about a kept change.
fn home_of(connection: &mut Connection, id: KeptId) -> QueryResult<Option<ScopeId>> {
    Ok(find(connection, id)?.map(|kept| match kept {
        Kept::Refused(row) => row.home.into(),
        Kept::Waits(row) => row.home.into(),
    }))
}

fn find(connection: &mut Connection, id: KeptId) -> QueryResult<Option<Kept>> {
    let id = Id::from(id);
    let refused = quarantine::table.filter(quarantine::id.eq(id).and(quarantine::decided_at.is_null()));
    if let Some(row) = refused.select(Refused::as_select()).get_result(connection).optional()? {
        return Ok(Some(Kept::Refused(Box::new(row))));
    }
    let waits = held::table.filter(held::id.eq(id)).select(HeldRow::as_select());
    Ok(waits.get_result(connection).optional()?.map(|row| Kept::Waits(Box::new(row))))
}

impl KeptState {
    /// The word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Held => "held",
        }
    }
}
