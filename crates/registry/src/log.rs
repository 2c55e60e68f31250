//! Rows of the change log.
//!
//! **Invariant:** a row is written once. What was merged is never changed by this release.

use crate::database::{Blob, DocumentBlob, HashBlob, Id, StoreError};
use crate::tables;
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_sync::document::{ChangeHash, DocumentId, DocumentKey};
use gridwork_sync::guard::Offered;

/// The only kind of feed row in this release. Removals and resets will have their own.
pub(crate) const FEED_CHANGE: i32 = 0;

/// Who hands something in, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender {
    /// The member of staff.
    pub(crate) staff: StaffId,
    /// Their device; none over REST.
    pub(crate) device: Option<DeviceId>,
    /// When it arrived.
    pub(crate) at: Instant,
    /// When the device's contact before this one ended; its enrolment if there was none. The same as `at` over REST.
    pub(crate) last_contact: Instant,
}

/// A change that was handed in, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handed<'h> {
    /// By whom, and when.
    pub(crate) sender: Sender,
    /// The change.
    pub(crate) offered: Offered<'h>,
}

impl Handed<'_> {
    /// The same, as if it had come then.
    pub(crate) fn at(self, at: Instant) -> Self {
        Self { sender: Sender { at, ..self.sender }, ..self }
    }
}

/// A merged change.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = tables::change, treat_none_as_default_value = false)]
pub(crate) struct ChangeRow {
    pub(crate) document: DocumentBlob,
    pub(crate) epoch: i64,
    pub(crate) hash: HashBlob,
    pub(crate) actor: Id,
    pub(crate) sequence: i64,
    pub(crate) largest_op: i64,
    pub(crate) scope: Id,
    pub(crate) position: i64,
    pub(crate) staff: Id,
    pub(crate) device: Option<Id>,
    pub(crate) made_at: i64,
    pub(crate) received_at: i64,
    pub(crate) bytes: Vec<u8>,
}

/// A row of a scope's feed.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = tables::feed, treat_none_as_default_value = false)]
pub(crate) struct FeedRow {
    pub(crate) scope: Id,
    pub(crate) position: i64,
    pub(crate) document: DocumentBlob,
    pub(crate) epoch: i64,
    pub(crate) change: HashBlob,
    pub(crate) kind: i32,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = tables::document, treat_none_as_default_value = false)]
pub(crate) struct DocumentRow {
    pub(crate) id: DocumentBlob,
    pub(crate) epoch: i64,
    pub(crate) kind: i32,
    pub(crate) home: Id,
    pub(crate) household: Id,
    pub(crate) year: i32,
    pub(crate) heads: Vec<u8>,
    pub(crate) frozen: bool,
}

/// A document's id and epoch as columns.
pub(crate) fn columns(key: &DocumentKey) -> (DocumentBlob, i64) {
    (Blob(*key.id.as_bytes()), i64::from(key.epoch))
}

/// The document that columns name.
///
/// # Errors
/// [`StoreError::Unreadable`] if no document has such an id or epoch.
pub(crate) fn key(document: DocumentBlob, epoch: i64) -> Result<DocumentKey, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("{document:?} of epoch {epoch} is no document"));
    let id = DocumentId::from_bytes(document.0).map_err(|_| unreadable())?;
    Ok(DocumentKey { id, epoch: u32::try_from(epoch).map_err(|_| unreadable())? })
}

/// Heads as one column: the hashes, one after the other.
pub(crate) fn join_heads(heads: &[ChangeHash]) -> Vec<u8> {
    heads.iter().flat_map(|hash| hash.0).collect()
}

/// The heads in a column.
///
/// # Errors
/// [`StoreError::Unreadable`] if the column does not hold whole hashes.
pub(crate) fn split_heads(column: &[u8]) -> Result<Vec<ChangeHash>, StoreError> {
    match column.as_chunks::<32>() {
        (hashes, []) => Ok(hashes.iter().map(|hash| ChangeHash(*hash)).collect()),
        _ => Err(StoreError::Unreadable("the heads of a document are not whole hashes".to_owned())),
    }
}

/// The heads after a change: without what it depends on, and with it.
pub(crate) fn advance(heads: &[ChangeHash], dependencies: &[ChangeHash], hash: ChangeHash) -> Vec<ChangeHash> {
    let kept = heads.iter().filter(|head| !dependencies.contains(head)).copied();
    let mut heads: Vec<_> = kept.chain([hash]).collect();
    heads.sort_unstable();
    heads
}

/// A count that the guard has bounded far below the range of a column.
///
/// # Errors
/// [`StoreError::Unreadable`] beyond that range, which no change that passed the guard reaches.
pub(crate) fn column(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| StoreError::Unreadable(format!("{count} does not fit a column")))
}

/// A count from a column.
///
/// # Errors
/// [`StoreError::Unreadable`] if it is negative.
pub(crate) fn count(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::Unreadable(format!("a count is {column}")))
}
