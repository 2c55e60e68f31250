//! Releasing: a change that was refused, or waits, is judged anew, and with it what was refused because it builds on it.
//!
//! A change that is released passes the same guard as if it came now, as the device's of which it came; nobody can wave it
//! through.
//!
//! **Invariant:** what is released is merged, waits, or stays where it was.

use super::{Decided, DecisionError, Kept, Refused, Released, key_of};
use crate::database::{HashBlob, StoreError};
use crate::held::{NO_STEP, News, TOO_MANY_HELD, Wait, too_many_held};
use crate::ledger::Ledger;
use crate::log::{Handed, Sender, columns};
use crate::refused::Because;
use crate::tables::quarantine;
use diesel::prelude::*;
use gridwork_domain::id::KeptId;
use gridwork_domain::instant::Instant;
use gridwork_sync::document::{ChangeHash, DocumentKey};
use gridwork_sync::guard::{Offered, Verdict};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// Code of a change that was refused with another on which it builds.
const WITH_ANOTHER: &str = "depends-on-quarantined";

impl Ledger<'_> {
    pub(super) fn release_kept(&self, id: KeptId, kept: Kept) -> Result<Decided, DecisionError> {
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
        let handed = Handed { sender, offered: Offered { key, scope: scope.into(), bytes: &bytes } };
        let mut decided = Decided { id, released: Some(Released::Refused), code: None, detail: None, with_it: 0 };
        match self.judge(&handed.sender, &handed.offered)? {
            Ok(Verdict::Known(_)) => decided.released = Some(Released::Known),
            Ok(Verdict::Merge(merge)) => {
                self.merge_at_last(&key, &merge, &sender)?;
                decided.released = Some(Released::Merged);
                let news = News::Merged { key, hash: merge.change.hash, actor: merge.change.actor };
                decided.with_it = self.release_dependants(key, merge.change.hash, news)?;
            }
            Ok(Verdict::Hold(scanned, missing)) => {
                let wait = Wait::until_there(ChangeHash(scanned.hash), &missing);
                self.hold_again(&handed, &wait, before, &mut decided)?;
            }
            Err(hash) => self.hold_again(&handed, &Wait::until_repaired(hash, &key), before, &mut decided)?,
            Ok(Verdict::Quarantine(refusal)) => {
                let (code, step) = (refusal.code.word(), i32::from(refusal.code.step()));
                // It stays as it came, with why it was refused this time.
                let because = Because { code, step, detail: &refusal.detail };
                self.keep_refused(&as_it_came(handed, before), refusal.hash, because)?;
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
    fn hold_again(
        &self,
        handed: &Handed<'_>,
        wait: &Wait,
        before: Option<&Refused>,
        decided: &mut Decided,
    ) -> Result<(), StoreError> {
        if self.hold_if_there_is_room(handed, wait)? {
            (decided.released, decided.code) = (Some(Released::Waits), Some(wait.code.to_owned()));
            return Ok(());
        }
        // Whatever the cap of what is refused: this one is kept already, and its device may have let it go.
        let detail = too_many_held();
        let because = Because { code: TOO_MANY_HELD, step: NO_STEP, detail: &detail };
        self.keep_refused(&as_it_came(*handed, before), Some(wait.hash), because)?;
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
                let handed = Handed { sender, offered: Offered { key, scope: row.scope.into(), bytes: &bytes } };
                match self.judge(&sender, &handed.offered)? {
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
                        let wait = Wait::until_there(ChangeHash(scanned.hash), &missing);
                        if !self.hold_if_there_is_room(&handed, &wait)? {
                            self.put_back(&row, handed)?;
                        }
                    }
                    Ok(Verdict::Quarantine(_)) | Err(_) => self.put_back(&row, handed)?,
                }
            }
        }
        Ok(count + merged.len() as u64)
    }

    fn take_out(&self, row: &Refused) -> Result<(), StoreError> {
        let this = quarantine::table.find((row.document, row.epoch, row.digest));
        self.query(|connection| diesel::delete(this).execute(connection))?;
        Ok(())
    }

    /// Puts a change back as it was: somebody decides about it by itself.
    fn put_back(&self, row: &Refused, handed: Handed<'_>) -> Result<(), StoreError> {
        let because = Because { code: &row.code, step: NO_STEP, detail: &row.detail };
        self.keep_refused(&as_it_came(handed, Some(row)), row.change.map(ChangeHash::from), because)
    }

    /// A change of a document that was refused and not decided about.
    fn refused(&self, key: &DocumentKey, digest: HashBlob) -> Result<Option<Refused>, StoreError> {
        let (document, epoch) = columns(key);
        let this = quarantine::table.find((document, epoch, digest)).filter(quarantine::decided_at.is_null());
        self.query(|connection| this.select(Refused::as_select()).get_result(connection).optional())
    }
}

/// A change as it came when it was first refused.
fn as_it_came<'h>(handed: Handed<'h>, before: Option<&Refused>) -> Handed<'h> {
    before.map_or(handed, |row| handed.at(Instant::from_ms(row.received_at)))
}
