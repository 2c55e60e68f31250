//! Changes that were refused, kept until staff decide: with why, and their bytes sealed.
//!
//! It does not judge. A change that waited is kept as refused as it is, so that nothing of it is opened.
//!
//! **Invariant:** no text of a refusal that is kept holds as many digits in a row as a citizen number.

use crate::database::{HashBlob, Id, StoreError, on_each};
use crate::held::{EXPIRED, HeldRow, TOO_MANY_HELD};
use crate::label::{Label, digest};
use crate::ledger::Ledger;
use crate::log::{Handed, Sender, columns, key};
use crate::tables::quarantine;
use diesel::prelude::*;
use gridwork_domain::id::ScopeId;
use gridwork_sync::document::{ChangeHash, DocumentKey};
use gridwork_sync::guard::Offered;

/// Refused changes of one device that are kept, 16 MB at the most. Beyond, the device alone keeps its edits.
pub(crate) const MOST_QUARANTINED: i64 = 2_000;
/// Digits in a row that are kept of a refusal at most: a citizen number has more.
const MOST_DIGITS: usize = 14;

/// A text as it is kept: a refusal may repeat keys of a hostile change. PostgreSQL has no NUL, and where a citizen number
/// might stand in the clear, an ellipsis does.
pub(crate) fn storable(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(digits.max(first.len_utf8()));
        match first {
            '\0' => kept.push('\u{fffd}'),
            _ if digits > MOST_DIGITS => kept.push('…'),
            _ => kept.push_str(run),
        }
        rest = after;
    }
    kept
}

/// Why a change is refused.
#[derive(Clone, Copy)]
pub(crate) struct Because<'w> {
    pub(crate) code: &'w str,
    pub(crate) step: i32,
    pub(crate) detail: &'w str,
}

impl Ledger<'_> {
    /// Keeps a refused change, as far as the device's cap allows.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn quarantine(
        &self,
        handed: &Handed<'_>,
        hash: Option<ChangeHash>,
        because: Because<'_>,
    ) -> Result<(), StoreError> {
        if self.has_room(&handed.sender)? { self.keep_refused(handed, hash, because) } else { Ok(()) }
    }

    /// Whether one more refused change of a sender's device is kept.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn has_room(&self, sender: &Sender) -> Result<bool, StoreError> {
        let of_device = quarantine::device.eq(sender.device.map(Id::from)).and(quarantine::decided_at.is_null());
        let of_device = quarantine::table.filter(of_device).count();
        let kept: i64 = self.query(|connection| of_device.get_result(connection))?;
        if kept >= MOST_QUARANTINED {
            tracing::warn!(staff = %sender.staff, "a device has reached its cap of quarantined changes");
        }
        Ok(kept < MOST_QUARANTINED)
    }

    /// Keeps a refused change.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn keep_refused(
        &self,
        handed: &Handed<'_>,
        hash: Option<ChangeHash>,
        because: Because<'_>,
    ) -> Result<(), StoreError> {
        let (label, Handed { sender, offered }) = (self.label(handed)?, handed);
        self.insert_refused(&offered.key, offered.scope, (sender, hash), because, label)
    }

    /// Keeps a change as refused that waited, as it is: nothing of it is opened.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn keep_refused_held(&self, row: HeldRow, because: Because<'_>) -> Result<(), StoreError> {
        let (key, scope) = (key(row.document, row.epoch)?, ScopeId::from(row.scope));
        let (sender, hash) = (row.sender(), Some(ChangeHash::from(row.hash)));
        let HeldRow { id, depends_on, size, digest, sealed, .. } = row;
        let label = Label { id, home: self.desk_of(&sender, key, scope)?, depends_on, size, digest, sealed };
        self.insert_refused(&key, scope, (&sender, hash), because, label)
    }

    fn insert_refused(
        &self,
        key: &DocumentKey,
        scope: ScopeId,
        (sender, hash): (&Sender, Option<ChangeHash>),
        Because { code, step, detail }: Because<'_>,
        label: Label,
    ) -> Result<(), StoreError> {
        let (document, epoch) = columns(key);
        let row = (
            (quarantine::document.eq(document), quarantine::epoch.eq(epoch)),
            quarantine::digest.eq(label.digest),
            quarantine::change.eq(hash.map(HashBlob::from)),
            (quarantine::code.eq(code), quarantine::step.eq(step), quarantine::detail.eq(storable(detail))),
            quarantine::scope.eq(Id::from(scope)),
            (quarantine::staff.eq(Id::from(sender.staff)), quarantine::device.eq(sender.device.map(Id::from))),
            (quarantine::received_at.eq(sender.at.ms()), quarantine::last_contact.eq(sender.last_contact.ms())),
            quarantine::sealed.eq(label.sealed),
            (quarantine::id.eq(label.id), quarantine::home.eq(label.home)),
            (quarantine::depends_on.eq(label.depends_on), quarantine::size.eq(label.size)),
        );
        self.query(|connection| {
            let insert = diesel::insert_into(quarantine::table).values(row).on_conflict_do_nothing();
            on_each!(connection, |one| insert.execute(one))
        })?;
        self.any_quarantined.set(true);
        Ok(())
    }

    /// The code under which this device's change was refused before: a retry gets the same verdict, unless it was refused
    /// for nothing but waiting.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn known_refusal(&self, sender: &Sender, offered: &Offered<'_>) -> Result<Option<String>, StoreError> {
        if !self.any_quarantined.get() {
            return Ok(None);
        }
        let (document, epoch) = columns(&offered.key);
        let this = quarantine::table
            .find((document, epoch, digest(offered.bytes)))
            .filter(quarantine::device.eq(sender.device.map(Id::from)))
            .filter(quarantine::code.ne_all([EXPIRED, TOO_MANY_HELD]));
        self.query(|connection| this.select(quarantine::code).get_result(connection).optional())
    }
}
