//! Discarding: a change that was refused, or waits, is no longer listed, nor is what builds on it.
//!
//! **Invariant:** what is discarded keeps its bytes, and its device is told so whenever it asks again.

use super::{DISCARDED, Decided, Kept, key_of};
use crate::database::{HashBlob, Id, StoreError};
use crate::held::{NO_STEP, News};
use crate::ledger::Ledger;
use crate::log::columns;
use crate::refused::Because;
use crate::tables::quarantine;
use diesel::prelude::*;
use gridwork_domain::id::{KeptId, StaffId};
use gridwork_sync::document::{ChangeHash, DocumentKey};
use std::collections::{BTreeSet, VecDeque};

impl Ledger<'_> {
    pub(super) fn discard_kept(&self, id: KeptId, kept: Kept, by: StaffId, why: &str) -> Result<Decided, StoreError> {
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
        let (document, epoch) = columns(key);
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
}
