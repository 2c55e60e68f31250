//! What staff at a desk see of a change that is kept, by what they name it, and its bytes, sealed.
//!
//! It knows bytes and documents' homes, not why the change is kept.
//!
//! **Invariant:** the same change of the same document has the same id, waiting or refused.

use crate::database::{Blob, DocumentBlob, HashBlob, Id, StoreError};
use crate::ledger::Ledger;
use crate::log::{Handed, Sender, columns};
use crate::sealing::{self, at_rest};
use crate::tables::{document, held, quarantine};
use diesel::prelude::*;
use gridwork_domain::id::{HouseholdId, ScopeId};
use gridwork_sealing::Purpose;
use gridwork_sync::document::{DocumentId, DocumentKey};
use gridwork_sync::guard::Offered;
use gridwork_sync::guard::scan::{Limits, scan};
use sha2::{Digest, Sha256};

/// Beside what the log needs of a kept change: what desks need.
pub(crate) struct Label {
    /// By which staff name it.
    pub(crate) id: Id,
    /// The grid whose staff decide about it.
    pub(crate) home: Id,
    /// The hashes of what it builds on, one after the other; none if it is no change.
    pub(crate) depends_on: Vec<u8>,
    /// Bytes.
    pub(crate) size: i64,
    /// SHA-256 of the bytes.
    pub(crate) digest: HashBlob,
    /// The bytes, sealed.
    pub(crate) sealed: Vec<u8>,
}

impl Ledger<'_> {
    /// The label of a change that is about to be kept.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn label(&self, Handed { sender, offered }: &Handed<'_>) -> Result<Label, StoreError> {
        let scanned = scan(offered.bytes, &Limits::DEFAULT);
        let id = id_of(offered);
        Ok(Label {
            id,
            home: self.desk_of(sender, offered.key, offered.scope)?,
            digest: digest(offered.bytes),
            sealed: at_rest::seal(&self.keys, Purpose::KeptChange, id, offered.bytes)?,
            depends_on: scanned.map_or_else(|_| Vec::new(), |scanned| scanned.dependencies.concat()),
            size: i64::try_from(offered.bytes.len()).unwrap_or(i64::MAX),
        })
    }

    /// The grid whose staff decide about a change that is kept: where its document, or at least its household, is at
    /// home; for a household that nobody knows, where its sender works.
    pub(crate) fn desk_of(&self, sender: &Sender, key: DocumentKey, scope: ScopeId) -> Result<Id, StoreError> {
        let household = DocumentId::household(key.id.subject());
        for key in [key, household.into()] {
            // Not by way of what is remembered: the row may be one that cannot be read as a whole.
            let this = document::table.find(columns(&key)).select(document::home);
            if let Some(home) = self.query(|connection| this.get_result(connection).optional())? {
                return Ok(home);
            }
        }
        Ok(self.desk_of_sender(sender, scope)?.into())
    }

    /// Has the desk of a household's grid decide about all that is kept about it, now that it is known where that is.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn bring_home(&self, of: HouseholdId, home: ScopeId) -> Result<(), StoreError> {
        let home = Id::from(home);
        let blob = |id: DocumentId| -> DocumentBlob { Blob(*id.as_bytes()) };
        let own = blob(DocumentId::household(of));
        let (first, last) = (blob(DocumentId::visits(of, 1)), blob(DocumentId::visits(of, u16::MAX)));
        macro_rules! bring {
            ($table:ident) => {
                self.query_beside(|connection| {
                    let about = $table::document.eq(own).or($table::document.between(first, last));
                    let elsewhere = $table::table.filter(about.and($table::home.ne(home)));
                    diesel::update(elsewhere).set($table::home.eq(home)).execute(connection)
                })?
            };
        }
        if self.any_held.get() {
            bring!(held);
        }
        if self.any_quarantined.get() {
            bring!(quarantine);
        }
        Ok(())
    }

    /// The bytes of a kept change; none if they are damaged.
    ///
    /// # Errors
    /// [`StoreError::KeyMissing`], and as the store says.
    pub(crate) fn open_kept(&self, id: Id, sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let ever_sealed_to = |key| self.query_beside(|connection| sealing::ever_sealed_to(connection, key));
        Ok(at_rest::open(&self.keys, Purpose::KeptChange, id, sealed, ever_sealed_to)?.ok())
    }
}

/// SHA-256 of a change's bytes.
pub(crate) fn digest(bytes: &[u8]) -> HashBlob {
    Blob(Sha256::digest(bytes).into())
}

fn id_of(offered: &Offered<'_>) -> Id {
    let mut hash = Sha256::new();
    hash.update(offered.key.id.as_bytes());
    hash.update(offered.key.epoch.to_be_bytes());
    hash.update(offered.bytes);
    let [id, _] = *hash.finalize().as_chunks::<16>().0 else { return Blob([0; 16]) };
    Blob(id)
}
