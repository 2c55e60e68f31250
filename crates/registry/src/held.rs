//! Changes that wait, and what becomes of any that is handed in.
//!
//! What waits is judged again when what it waits for is merged, and refused when that is refused. Nothing is thrown
//! away: beyond its caps a device keeps its edits itself, and is told so.
//!
//! **Invariant:** after [`Ledger::settle`], nothing is held that could be merged.

mod wait;

pub(crate) use wait::{HeldRow, TOO_MANY_HELD, Wait, too_many_held};

use crate::database::{HashBlob, StoreError};
use crate::judge_view::JudgeView;
use crate::ledger::Ledger;
use crate::log::{Handed, Sender, columns, key};
use crate::refused::Because;
use crate::registry::SCHEMA;
use crate::tables::{document, held, quarantine};
use diesel::prelude::*;
use gridwork_domain::id::ScopeId;
use gridwork_sync::document::{ActorId, ChangeHash, DocumentKey, DocumentKind};
use gridwork_sync::guard::scan::{Limits, scan};
use gridwork_sync::guard::{Merge, Offered, Refusal, Rules, Verdict, judge};
use std::collections::VecDeque;

/// How long a change waits before it is quarantined.
pub(crate) const HELD_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Expired changes that one job takes up at most.
const EXPIRED_PER_JOB: i64 = 100;

/// Code of a change that waits because its document cannot be loaded.
pub(crate) const FROZEN: &str = "frozen";
/// Code of a change that waited in vain.
pub(crate) const EXPIRED: &str = "expired";
/// The step under which refusals stand that are not the guard's.
pub(crate) const NO_STEP: i32 = 6;

/// What became of a change that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Merged(ChangeHash),
    Known(ChangeHash),
    Held(ChangeHash, &'static str),
    /// The hash is unknown if the bytes are not even a chunk.
    Quarantined(Option<ChangeHash>, String),
}

/// What happened that others may have waited for.
pub(crate) enum News {
    Merged { key: DocumentKey, hash: ChangeHash, actor: ActorId },
    Refused { key: DocumentKey, hash: ChangeHash },
}

impl Ledger<'_> {
    /// Judges a change and does as judged, with everything that waited for it. Returns what became of it, and which held
    /// changes were merged besides.
    ///
    /// # Errors
    /// As the store says; whatever is wrong with the change is its fate.
    pub(crate) fn receive(
        &self,
        sender: &Sender,
        offered: &Offered<'_>,
    ) -> Result<(Fate, Vec<(DocumentKey, ChangeHash)>), StoreError> {
        let vouched = self.vouched(&offered.key, offered.bytes);
        let refused = if vouched.is_none() { self.known_refusal(sender, offered)? } else { None };
        if let Some(code) = refused {
            let hash = scan(offered.bytes, &Limits::DEFAULT).ok().map(|scanned| ChangeHash(scanned.hash));
            return Ok((Fate::Quarantined(hash, code), Vec::new()));
        }
        // Later, nobody would vouch for it: the phone keeps it, and brings it again with its receipt.
        let is_anothers = vouched.is_some_and(|owner| (owner.staff, owner.device) != (sender.staff, sender.device));
        let (mut news, handed) = (VecDeque::new(), Handed { sender: *sender, offered: *offered });
        let fate = match self.judge(sender, offered)? {
            Err(hash) if is_anothers => Fate::Held(hash, FROZEN),
            Ok(Verdict::Hold(scanned, missing)) if is_anothers => Fate::Held(ChangeHash(scanned.hash), missing.word()),
            Err(hash) => self.hold(&handed, &Wait::until_repaired(hash, &offered.key))?,
            Ok(Verdict::Known(hash)) => Fate::Known(hash),
            Ok(Verdict::Merge(merge)) => {
                self.merge_at_last(&offered.key, &merge, sender)?;
                news.push_back(News::Merged { key: offered.key, hash: merge.change.hash, actor: merge.change.actor });
                Fate::Merged(merge.change.hash)
            }
            Ok(Verdict::Hold(scanned, missing)) => {
                let hash = ChangeHash(scanned.hash);
                let fate = self.hold(&handed, &Wait::until_there(hash, &missing))?;
                if matches!(fate, Fate::Quarantined(..)) {
                    news.push_back(News::Refused { key: offered.key, hash });
                }
                fate
            }
            Ok(Verdict::Quarantine(refusal)) => {
                let step = i32::from(refusal.code.step());
                let because = Because { code: refusal.code.word(), step, detail: &refusal.detail };
                self.quarantine(&handed, refusal.hash, because)?;
                news.extend(refusal.hash.map(|hash| News::Refused { key: offered.key, hash }));
                Fate::Quarantined(refusal.hash, refusal.code.word().to_owned())
            }
        };
        Ok((fate, self.settle(news)?))
    }

    /// Merges what the server made itself, with everything that waited for it. The inner error is the refusal; then
    /// nothing is kept.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn insist(
        &self,
        sender: &Sender,
        offered: &Offered<'_>,
    ) -> Result<Result<ChangeHash, Refusal>, StoreError> {
        let frozen = || StoreError::Unreadable(format!("{} is frozen, or lacks what its heads name", offered.key.id));
        match self.judge(sender, offered)? {
            Ok(Verdict::Known(hash)) => Ok(Ok(hash)),
            Ok(Verdict::Merge(merge)) => {
                self.merge_at_last(&offered.key, &merge, sender)?;
                let (hash, actor) = (merge.change.hash, merge.change.actor);
                self.settle([News::Merged { key: offered.key, hash, actor }].into())?;
                Ok(Ok(hash))
            }
            Ok(Verdict::Quarantine(refusal)) => Ok(Err(refusal)),
            Ok(Verdict::Hold(..)) | Err(_) => Err(frozen()),
        }
    }

    /// Quarantines what has waited too long.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn expire(&self) -> Result<(), StoreError> {
        if !self.any_held.get() {
            return Ok(());
        }
        let now = self.now.ms();
        let expired: Vec<HeldRow> = self.query(|connection| {
            held::table
                .filter(held::expires_at.le(now))
                .order(held::expires_at)
                .limit(EXPIRED_PER_JOB)
                .select(HeldRow::as_select())
                .load(connection)
        })?;
        let mut news = VecDeque::new();
        for row in expired {
            let key = key(row.document, row.epoch)?;
            let detail = format!("it waited {} days for what never came ({})", HELD_MS / 86_400_000, row.code);
            let hash = row.hash.into();
            self.refuse_held(row, Because { code: EXPIRED, step: NO_STEP, detail: &detail })?;
            news.push_back(News::Refused { key, hash });
        }
        self.settle(news).map(|_| ())
    }

    /// Judges one change. A document that cannot be loaded is frozen, and what is offered for it waits: then the inner
    /// error is the change's hash.
    pub(crate) fn judge(
        &self,
        sender: &Sender,
        offered: &Offered<'_>,
    ) -> Result<Result<Verdict, ChangeHash>, StoreError> {
        let rules = Rules::new(SCHEMA, self.now);
        let vouched = self.vouched(&offered.key, offered.bytes);
        let reason = match judge(&JudgeView { ledger: self, sender, vouched }, &rules, offered) {
            Err(StoreError::Unreadable(reason)) => reason,
            judged => return judged.map(Ok),
        };
        self.freeze(&offered.key, &reason)?;
        match scan(offered.bytes, &Limits::DEFAULT) {
            Ok(scanned) => Ok(Err(ChangeHash(scanned.hash))),
            Err(_) => Err(StoreError::Unreadable(reason)),
        }
    }

    /// Marks a document that somebody could not load, unless it was repaired since.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn freeze_if_unreadable(&self, key: &DocumentKey) -> Result<(), StoreError> {
        let Some(home) = self.home(key)? else { return Ok(()) };
        self.lock(home)?;
        match self.load(key) {
            Ok(_) => Ok(()),
            Err(StoreError::Unreadable(reason)) => self.freeze(key, &reason),
            Err(error) => Err(error),
        }
    }

    /// Marks a document that cannot be loaded, under the lock of its home's feed.
    ///
    /// # Errors
    /// As the store says.
    fn freeze(&self, key: &DocumentKey, reason: &str) -> Result<(), StoreError> {
        // Its row may be what cannot be read.
        let this = document::table.find(columns(key)).filter(document::frozen.eq(false));
        if self.query(|connection| diesel::update(this).set(document::frozen.eq(true)).execute(connection))? == 1 {
            tracing::error!(document = %key.id, reason, "the document is frozen: what is pushed to it is held");
            self.forget(key);
        }
        Ok(())
    }

    pub(crate) fn settle(&self, mut news: VecDeque<News>) -> Result<Vec<(DocumentKey, ChangeHash)>, StoreError> {
        let mut merged = Vec::new();
        while let Some(one) = news.pop_front() {
            if !self.any_held.get() {
                break;
            }
            for row in self.waiting_for(&one)? {
                let key = key(row.document, row.epoch)?;
                let sender = row.sender();
                // What is damaged stays, named by the log and by verify.
                let Some(bytes) = self.open_kept(row.id, &row.sealed)? else { continue };
                let offered = Offered { key, scope: ScopeId::from(row.scope), bytes: &bytes };
                match self.judge(&sender, &offered)? {
                    Err(hash) => self.wait_on(&row, &Wait::until_repaired(hash, &key))?,
                    Ok(Verdict::Known(_)) => drop(self.release(&row)?),
                    Ok(Verdict::Merge(merge)) => {
                        self.merge_at_last(&key, &merge, &sender)?;
                        let hash = merge.change.hash;
                        merged.push((key, hash));
                        news.push_back(News::Merged { key, hash, actor: merge.change.actor });
                    }
                    Ok(Verdict::Hold(_, missing)) => {
                        self.wait_on(&row, &Wait::until_there(row.hash.into(), &missing))?
                    }
                    Ok(Verdict::Quarantine(refusal)) => {
                        let step = i32::from(refusal.code.step());
                        let hash = row.hash.into();
                        self.refuse_held(row, Because { code: refusal.code.word(), step, detail: &refusal.detail })?;
                        news.push_back(News::Refused { key, hash });
                    }
                }
            }
        }
        Ok(merged)
    }

    fn waiting_for(&self, one: &News) -> Result<Vec<HeldRow>, StoreError> {
        let (key, mut awaited) = match one {
            News::Merged { key, hash, actor } => (key, vec![hash.0.to_vec(), actor.0.to_vec()]),
            News::Refused { key, hash } => (key, vec![hash.0.to_vec()]),
        };
        let (document, epoch) = columns(key);
        let household = key.id.subject().as_bytes().to_vec();
        if matches!(one, News::Merged { .. }) {
            awaited.push(key.id.as_bytes().to_vec()); // a frozen document that was repaired
            if key.id.kind() == DocumentKind::Household {
                awaited.push(household.clone());
            }
        }
        let rows: Vec<HeldRow> = self.query_beside(|connection| {
            held::table
                .filter(held::waits_for.eq_any(&awaited))
                .order((held::received_at, held::hash))
                .select(HeldRow::as_select())
                .load(connection)
        })?;
        let same_document = |row: &HeldRow| (row.document, row.epoch) == (document, epoch);
        Ok(rows.into_iter().filter(|row| same_document(row) || row.waits_for == household).collect())
    }

    fn refuse_held(&self, row: HeldRow, because: Because<'_>) -> Result<(), StoreError> {
        if !self.release(&row)? {
            return Ok(()); // another node has merged it, or refused it, meanwhile
        }
        // Whatever the device's cap: it was told that this waits, and may have let it go.
        self.keep_refused_held(row, because)
    }

    /// Merges a change, and takes it out of what waits and what was refused: it, or another device, may have been
    /// there before.
    pub(crate) fn merge_at_last(&self, key: &DocumentKey, merge: &Merge, sender: &Sender) -> Result<(), StoreError> {
        self.merge(key, merge, sender)?;
        let (document, epoch) = columns(key);
        let hash = HashBlob::from(merge.change.hash);
        if self.any_held.get() {
            self.query_beside(|connection| {
                diesel::delete(held::table.find((document, epoch, hash))).execute(connection)
            })?;
        }
        if self.any_quarantined.get() {
            let this = quarantine::document.eq(document).and(quarantine::epoch.eq(epoch));
            let refused = quarantine::table.filter(this.and(quarantine::change.eq(Some(hash))));
            self.query_beside(|connection| diesel::delete(refused).execute(connection))?;
        }
        if merge.new_document && key.id.kind() == DocumentKind::Household {
            self.bring_home(key.id.subject(), merge.home)?;
        }
        Ok(())
    }
}
