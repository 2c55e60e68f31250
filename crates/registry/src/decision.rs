//! What staff decide about changes that were refused, or wait: released, so that they are judged anew; or discarded.
//!
//! It does not know who may decide: the caller says within which grids. A change that is released passes the same guard as
//! if it came now, as the device's of which it came; nobody can wave it through.
//!
//! **Invariant:** what is released is merged, waits, or stays where it was; what is discarded keeps its bytes, and its
//! device is told so whenever it asks again.

#[cfg(test)]
mod tests;

use crate::audit::{Step, Subject, note};
use crate::database::{Connection, DocumentBlob, HashBlob, Id, StoreError, fails_as_the_store_does};
use crate::figures::add;
use crate::held::{HeldRow, NO_STEP, News, TOO_MANY_HELD, too_many_held, waits_for};
use crate::idempotency::Keep;
use crate::ledger::Ledger;
use crate::log::{Sender, key};
use crate::refused::Because;
use crate::registry::Registry;
use crate::tables::{held, quarantine};
use crate::{KeptState, Reach};
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, HouseholdId, KeptId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_sync::document::{ChangeHash, DocumentKey};
use gridwork_sync::guard::{Offered, Verdict};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Code of a change that staff discarded. Its device is told so when it asks again.
pub(crate) const DISCARDED: &str = "discarded";
/// Code of a change that was refused with another on which it builds.
const WITH_ANOTHER: &str = "depends-on-quarantined";

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
    fn release_kept(&self, id: KeptId, kept: Kept) -> Result<Decided, DecisionError> {
        let key = key_of(&kept)?;
        let (sender, scope, bytes, before) = match &kept {
            Kept::Refused(row) => {
                self.take_out(row)?;
                let row = row.as_ref();
                (row.sender(self.now), row.scope, self.open_kept(row.id, &row.sealed)?, Some(row))
            }
            Kept::Waits(row) => {
                self.release(row)?;
                let sender = Sender { at: self.now, ..row.sender() };
                (sender, row.scope, self.open_kept(row.id, &row.sealed)?, None)
            }
        };
        let bytes = bytes.ok_or(DecisionError::Damaged)?;
        let offered = Offered { key, scope: scope.into(), bytes: &bytes };
        let mut decided = Decided { id, released: Some(Released::Refused), code: None, detail: None, with_it: 0 };
        match self.judge(&sender, &offered)? {
            Ok(Verdict::Known(_)) => decided.released = Some(Released::Known),
            Ok(Verdict::Merge(merge)) => {
                self.merge_at_last(&key, &merge, &sender)?;
                decided.released = Some(Released::Merged);
                let news = News::Merged { key, hash: merge.change.hash, actor: merge.change.actor };
                decided.with_it = self.release_dependants(key, merge.change.hash, news)?;
            }
            Ok(Verdict::Hold(scanned, missing)) => {
                let (hash, awaited) = (ChangeHash(scanned.hash), waits_for(&missing));
                self.hold_again(&sender, &offered, hash, awaited, missing.word(), before, &mut decided)?;
            }
            Err(hash) => {
                let (awaited, frozen) = (key.id.as_bytes().to_vec(), crate::held::FROZEN);
                self.hold_again(&sender, &offered, hash, awaited, frozen, before, &mut decided)?;
            }
            Ok(Verdict::Quarantine(refusal)) => {
                let (code, step) = (refusal.code.word(), i32::from(refusal.code.step()));
                // It stays as it came, with why it was refused this time.
                let at = before.map_or(sender.at, |row| Instant::from_ms(row.received_at));
                let sender = Sender { at, ..sender };
                self.keep_refused(&sender, &offered, refusal.hash, Because { code, step, detail: &refusal.detail })?;
                if let Some(hash) = refusal.hash {
                    // What waited for it waits in vain.
                    self.settle([News::Refused { key, hash }].into())?;
                }
                decided.code = Some(code.to_owned());
                decided.detail = Some(refusal.detail);
            }
        }
        Ok(decided)
    }

    /// Has a change wait that was kept before. Where as many of its device's wait as may, it stays refused.
    #[allow(clippy::too_many_arguments)]
    fn hold_again(
        &self,
        sender: &Sender,
        offered: &Offered<'_>,
        hash: ChangeHash,
        awaited: Vec<u8>,
        code: &'static str,
        before: Option<&Refused>,
        decided: &mut Decided,
    ) -> Result<(), StoreError> {
        if self.hold_if_there_is_room(sender, offered, hash, awaited, code)? {
            (decided.released, decided.code) = (Some(Released::Waits), Some(code.to_owned()));
            return Ok(());
        }
        // Whatever the cap of what is refused: this one is kept already, and its device may have let it go.
        let at = before.map_or(sender.at, |row| Instant::from_ms(row.received_at));
        let (sender, detail) = (Sender { at, ..*sender }, too_many_held());
        let because = Because { code: TOO_MANY_HELD, step: NO_STEP, detail: &detail };
        self.keep_refused(&sender, offered, Some(hash), because)?;
        (decided.code, decided.detail) = (Some(TOO_MANY_HELD.to_owned()), Some(detail));
        Ok(())
    }

    /// Has judged anew what waited for a change that is merged, and what was refused because it builds on it. Returns how
    /// many of them are merged.
    fn release_dependants(&self, key: DocumentKey, hash: ChangeHash, news: News) -> Result<u64, StoreError> {
        let mut merged = self.settle([news].into())?;
        let mut ahead: VecDeque<(DocumentKey, ChangeHash)> = [(key, hash)].into();
        ahead.extend(merged.iter().copied());
        let (mut count, mut builds) = (0, BTreeMap::new());
        while let Some((key, hash)) = ahead.pop_front() {
            let builds = match builds.entry(key) {
                Entry::Occupied(read) => read.into_mut(),
                Entry::Vacant(new) => new.insert(self.builds(&key)?),
            };
            for (digest, ..) in builds.on(hash).iter().filter(|(.., code)| code == WITH_ANOTHER) {
                // It may be merged by now, since it builds on several.
                let Some(row) = self.refused(&key, *digest)? else { continue };
                let Some(bytes) = self.open_kept(row.id, &row.sealed)? else { continue };
                self.take_out(&row)?;
                let sender = row.sender(self.now);
                let offered = Offered { key, scope: row.scope.into(), bytes: &bytes };
                match self.judge(&sender, &offered)? {
                    Ok(Verdict::Merge(merge)) => {
                        self.merge_at_last(&key, &merge, &sender)?;
                        count += 1;
                        ahead.push_back((key, merge.change.hash));
                        let news = News::Merged { key, hash: merge.change.hash, actor: merge.change.actor };
                        let besides = self.settle([news].into())?;
                        ahead.extend(besides.iter().copied());
                        merged.extend(besides);
                    }
                    Ok(Verdict::Known(_)) => {}
                    Ok(Verdict::Hold(scanned, missing)) => {
                        let (hash, awaited) = (ChangeHash(scanned.hash), waits_for(&missing));
                        if !self.hold_if_there_is_room(&sender, &offered, hash, awaited, missing.word())? {
                            self.put_back(&row, &sender, &offered)?;
                        }
                    }
                    Ok(Verdict::Quarantine(_)) | Err(_) => self.put_back(&row, &sender, &offered)?,
                }
            }
        }
        Ok(count + merged.len() as u64)
    }

    fn discard_kept(&self, id: KeptId, kept: Kept, by: StaffId, why: &str) -> Result<Decided, StoreError> {
        let key = key_of(&kept)?;
        let (digest, hash) = match kept {
            Kept::Refused(row) => (row.digest, row.change.map(ChangeHash::from)),
            Kept::Waits(row) => {
                self.release(&row)?;
                let (digest, hash) = (row.digest, ChangeHash::from(row.hash));
                self.keep_refused_held(*row, Because { code: DISCARDED, step: NO_STEP, detail: "it waited" })?;
                (digest, Some(hash))
            }
        };
        self.mark_discarded(&key, digest, by, why)?;
        let mut with_it = 0;
        if let Some(hash) = hash {
            // What waits for it waits in vain: it is refused, and goes with it.
            self.settle([News::Refused { key, hash }].into())?;
            let (builds, mut gone) = (self.builds(&key)?, BTreeSet::new());
            let mut ahead: VecDeque<ChangeHash> = [hash].into();
            while let Some(hash) = ahead.pop_front() {
                for (digest, change, _) in builds.on(hash) {
                    if gone.insert(*digest) {
                        self.mark_discarded(&key, *digest, by, why)?;
                        with_it += 1;
                        ahead.extend(change.map(ChangeHash::from));
                    }
                }
            }
        }
        Ok(Decided { id, released: None, code: Some(DISCARDED.to_owned()), detail: None, with_it })
    }

    fn mark_discarded(&self, key: &DocumentKey, digest: HashBlob, by: StaffId, why: &str) -> Result<(), StoreError> {
        let (document, epoch) = crate::log::columns(key);
        let this = quarantine::table.find((document, epoch, digest));
        self.query(|connection| {
            let (code, detail): (String, String) =
                this.select((quarantine::code, quarantine::detail)).get_result(connection)?;
            let decided = (
                quarantine::code.eq(DISCARDED),
                quarantine::detail.eq(format!("{code}: {detail}")),
                quarantine::decided_at.eq(Some(self.now.ms())),
                quarantine::decided_by.eq(Some(Id::from(by))),
                quarantine::decided_why.eq(Some(why)),
            );
            diesel::update(this).set(decided).execute(connection)
        })?;
        Ok(())
    }

    fn take_out(&self, row: &Refused) -> Result<(), StoreError> {
        let this = quarantine::table.find((row.document, row.epoch, row.digest));
        self.query(|connection| diesel::delete(this).execute(connection))?;
        Ok(())
    }

    /// Puts a change back as it was: somebody decides about it by itself.
    fn put_back(&self, row: &Refused, sender: &Sender, offered: &Offered<'_>) -> Result<(), StoreError> {
        let sender = Sender { at: Instant::from_ms(row.received_at), ..*sender };
        let hash = row.change.map(ChangeHash::from);
        self.keep_refused(&sender, offered, hash, Because { code: &row.code, step: NO_STEP, detail: &row.detail })
    }

    /// What was refused of a document and not decided about; read once for each decision, and without its bytes.
    fn builds(&self, key: &DocumentKey) -> Result<Builds, StoreError> {
        let (document, epoch) = crate::log::columns(key);
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

    /// A change of a document that was refused and not decided about.
    fn refused(&self, key: &DocumentKey, digest: HashBlob) -> Result<Option<Refused>, StoreError> {
        let (document, epoch) = crate::log::columns(key);
        let this = quarantine::table.find((document, epoch, digest)).filter(quarantine::decided_at.is_null());
        self.query(|connection| this.select(Refused::as_select()).get_result(connection).optional())
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
