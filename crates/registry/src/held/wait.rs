//! The rows of changes that wait: for what, and how many of one device's.
//!
//! **Invariant:** no more of a device's changes wait than may, and each is sealed.

use super::{FROZEN, Fate, HELD_MS, NO_STEP};
use crate::database::{DocumentBlob, HashBlob, Id, StoreError, on_each};
use crate::label::digest;
use crate::ledger::Ledger;
use crate::log::{Handed, Sender, columns};
use crate::refused::Because;
use crate::tables::{held, quarantine};
use diesel::prelude::*;
use gridwork_domain::id::DeviceId;
use gridwork_domain::instant::Instant;
use gridwork_sync::document::{ChangeHash, DocumentKey};
use gridwork_sync::guard::Missing;

/// Changes of one device that are held at a time: a month of offline work whose first change was lost.
const MOST_HELD: i64 = 1_000;
/// Code of a change that was refused because too many of the device's changes wait.
pub(crate) const TOO_MANY_HELD: &str = "too-many-held";

/// Why no more of a device's changes wait, as a sentence.
pub(crate) fn too_many_held() -> String {
    format!("{MOST_HELD} changes of this device wait already")
}

/// For what a change waits.
#[derive(Debug)]
pub(crate) struct Wait {
    /// The change that waits.
    pub(crate) hash: ChangeHash,
    /// The hash or id of what it waits for.
    awaited: Vec<u8>,
    /// Why, in a word.
    pub(crate) code: &'static str,
}

impl Wait {
    /// For what has not arrived.
    pub(crate) fn until_there(hash: ChangeHash, missing: &Missing) -> Self {
        let awaited = match missing {
            Missing::Change(hash) => hash.0.to_vec(),
            Missing::Previous(actor) => actor.0.to_vec(),
            Missing::Household(household) => household.as_bytes().to_vec(),
        };
        Self { hash, awaited, code: missing.word() }
    }

    /// For its document, which cannot be loaded.
    pub(crate) fn until_repaired(hash: ChangeHash, key: &DocumentKey) -> Self {
        Self { hash, awaited: key.id.as_bytes().to_vec(), code: FROZEN }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = held, treat_none_as_default_value = false)]
pub(crate) struct HeldRow {
    pub(crate) document: DocumentBlob,
    pub(crate) epoch: i64,
    pub(crate) hash: HashBlob,
    pub(super) waits_for: Vec<u8>,
    pub(super) code: String,
    pub(crate) scope: Id,
    staff: Id,
    device: Option<Id>,
    received_at: i64,
    last_contact: i64,
    expires_at: i64,
    pub(crate) digest: HashBlob,
    pub(crate) sealed: Vec<u8>,
    pub(crate) id: Id,
    pub(crate) home: Id,
    pub(crate) depends_on: Vec<u8>,
    pub(crate) size: i64,
}

impl HeldRow {
    /// Who handed it in, at that moment: they were entitled then or not, and are judged by it.
    pub(crate) fn sender(&self) -> Sender {
        Sender {
            staff: self.staff.into(),
            device: self.device.map(DeviceId::from),
            at: Instant::from_ms(self.received_at),
            last_contact: Instant::from_ms(self.last_contact),
        }
    }
}

impl Ledger<'_> {
    /// Has a change wait, or refuses it where as many of its device's wait as may. Returns which.
    ///
    /// # Errors
    /// As the store says.
    pub(super) fn hold(&self, handed: &Handed<'_>, wait: &Wait) -> Result<Fate, StoreError> {
        let hash = wait.hash;
        if self.hold_if_there_is_room(handed, wait)? {
            return Ok(Fate::Held(hash, wait.code));
        }
        let because = Because { code: TOO_MANY_HELD, step: NO_STEP, detail: &too_many_held() };
        self.quarantine(handed, Some(hash), because)?;
        Ok(Fate::Quarantined(Some(hash), TOO_MANY_HELD.to_owned()))
    }

    /// Has a change wait, unless as many of its device's wait as may. Returns whether it waits.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn hold_if_there_is_room(&self, handed: &Handed<'_>, wait: &Wait) -> Result<bool, StoreError> {
        let Handed { sender, offered } = handed;
        let hash = HashBlob::from(wait.hash);
        let device = sender.device.map(Id::from);
        let (document, epoch) = columns(&offered.key);
        let found: (i64, i64) = self.query(|connection| {
            let of_device = held::table.filter(held::device.eq(device)).count().get_result(connection)?;
            let this = held::table.find((document, epoch, hash)).count().get_result(connection)?;
            Ok::<_, diesel::result::Error>((of_device, this))
        })?;
        let (of_device, this) = found;
        if this == 0 && of_device >= MOST_HELD {
            return Ok(false);
        }
        let label = self.label(handed)?;
        let row = HeldRow {
            document,
            epoch,
            hash,
            waits_for: wait.awaited.clone(),
            code: wait.code.to_owned(),
            scope: offered.scope.into(),
            staff: sender.staff.into(),
            device,
            received_at: sender.at.ms(),
            last_contact: sender.last_contact.ms(),
            expires_at: sender.at.plus_ms(HELD_MS).ms(),
            digest: label.digest,
            sealed: label.sealed,
            id: label.id,
            home: label.home,
            depends_on: label.depends_on,
            size: label.size,
        };
        let refused_before = quarantine::table.find((document, epoch, digest(offered.bytes)));
        self.query(|connection| {
            diesel::delete(refused_before).execute(connection)?;
            let insert = diesel::insert_into(held::table).values(&row).on_conflict_do_nothing();
            on_each!(connection, |one| insert.execute(one))
        })?;
        self.any_held.set(true);
        Ok(true)
    }

    /// From now on it waits for that.
    ///
    /// # Errors
    /// As the store says.
    pub(super) fn wait_on(&self, row: &HeldRow, wait: &Wait) -> Result<(), StoreError> {
        let to = (held::waits_for.eq(&wait.awaited), held::code.eq(wait.code));
        let this = held::table.find((row.document, row.epoch, row.hash));
        self.query(|connection| diesel::update(this).set(to).execute(connection))?;
        Ok(())
    }

    /// Returns whether it was still held.
    pub(crate) fn release(&self, row: &HeldRow) -> Result<bool, StoreError> {
        let this = held::table.find((row.document, row.epoch, row.hash));
        Ok(self.query(|connection| diesel::delete(this).execute(connection))? == 1)
    }
}
