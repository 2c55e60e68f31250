//! Documents: saved ones, and the changes that came after.
//!
//! A document is its snapshot plus the changes after the snapshot's position. Facts are merged without touching the
//! document, so the snapshot of visits lags until somebody reads the whole.
//!
//! **Invariant:** nothing but bytes whose hash is right reaches the library's document decoder.

use crate::database::{Blob, Connection, DocumentBlob, HashBlob, StoreError, on_each};
use crate::log::{columns, split_heads};
use crate::registry::SCHEMA;
use crate::tables::{change, document, snapshot};
use automerge::{Automerge, Change};
use diesel::prelude::*;
use gridwork_sync::document::{ChangeHash, DocumentKey};
use gridwork_sync::genesis;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use zstd::bulk::{Compressor, Decompressor};

/// Changes after which a snapshot is made anew when the document is read. Applying eight visits costs less than the
/// write does.
pub(crate) const FOLD_AFTER: usize = 8;
/// Bytes of a saved document at most: thousands of visits in one household and year.
const LARGEST_SNAPSHOT: usize = 64 * 1024 * 1024;
/// The fastest level: documents are written far more often than they are sent, and are packed again then.
const ZSTD_LEVEL: i32 = 1;

/// A document as it stands, saved.
pub(crate) struct Saved {
    /// One uncompressed document chunk.
    pub(crate) bytes: Vec<u8>,
    /// The position of its last change.
    pub(crate) position: i64,
    /// How many changes came after the stored snapshot.
    pub(crate) tail: usize,
}

/// The stored snapshot: its position and its bytes, neither checked nor unpacked.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = snapshot)]
pub(crate) struct Stored {
    pub(crate) position: i64,
    pub(crate) hash: HashBlob,
    pub(crate) bytes: Vec<u8>,
}

/// The document as it stands; `None` if there is no such document.
///
/// # Errors
/// [`StoreError::Unreadable`] if it cannot be loaded, or has not the heads that it should have.
pub(crate) fn load(connection: &mut Connection, key: &DocumentKey) -> Result<Option<Automerge>, StoreError> {
    let Some(heads) = heads(connection, key)? else { return Ok(None) };
    let base = base(connection, key)?;
    let tail = tail(connection, key, base.as_ref())?;
    fold_or_rebuild(connection, key, base.as_ref(), &tail, &heads).map(Some)
}

/// The document as it stands, saved; `None` if there is no such document. Loads it only if changes came after the
/// stored snapshot.
///
/// # Errors
/// As [`load`].
pub(crate) fn save(connection: &mut Connection, key: &DocumentKey) -> Result<Option<Saved>, StoreError> {
    let Some(heads) = heads(connection, key)? else { return Ok(None) };
    let base = base(connection, key)?;
    let tail = tail(connection, key, base.as_ref())?;
    let last = tail.last().map(|(position, _)| *position);
    if let (Some(base), None) = (&base, last) {
        return Ok(Some(Saved { bytes: base.bytes.clone(), position: base.position, tail: 0 }));
    }
    let position = last.ok_or_else(|| unreadable(key, "it has neither a snapshot nor changes"))?;
    let document = fold_or_rebuild(connection, key, base.as_ref(), &tail, &heads)?;
    Ok(Some(Saved { bytes: document.save_nocompress(), position, tail: tail.len() }))
}

/// A saved document as a row.
#[derive(Debug, Insertable)]
#[diesel(table_name = snapshot, treat_none_as_default_value = false)]
pub(crate) struct SnapshotRow {
    document: DocumentBlob,
    epoch: i64,
    position: i64,
    hash: HashBlob,
    bytes: Vec<u8>,
}

/// The row of a saved document at a position.
///
/// # Errors
/// [`StoreError::Unreadable`] if it cannot be packed.
pub(crate) fn row(key: &DocumentKey, position: i64, bytes: &[u8]) -> Result<SnapshotRow, StoreError> {
    let (document, epoch) = columns(key);
    let bytes = pack(bytes).map_err(|error| unreadable(key, &error.to_string()))?;
    Ok(SnapshotRow { document, epoch, position, hash: Blob(Sha256::digest(&bytes).into()), bytes })
}

/// Stores a saved document, unless a later one is stored.
///
/// # Errors
/// As the store says.
pub(crate) fn store(connection: &mut Connection, row: &SnapshotRow) -> Result<(), StoreError> {
    // Not an update, which Diesel compiles anew each time.
    let older = snapshot::table.find((row.document, row.epoch)).filter(snapshot::position.lt(row.position));
    diesel::delete(older).execute(connection)?;
    let insert = diesel::insert_into(snapshot::table).values(row).on_conflict_do_nothing();
    on_each!(connection, |one| insert.execute(one))?;
    Ok(())
}

/// The bytes of a stored snapshot, if its hash is right.
///
/// # Errors
/// [`StoreError::Unreadable`].
pub(crate) fn unpack(key: &DocumentKey, stored: &Stored) -> Result<Vec<u8>, StoreError> {
    let hash: [u8; 32] = Sha256::digest(&stored.bytes).into();
    if hash != stored.hash.0 {
        return Err(unreadable(key, "the snapshot does not have its hash"));
    }
    UNPACKER
        .with_borrow_mut(|unpacker| ready(unpacker, Decompressor::new)?.decompress(&stored.bytes, LARGEST_SNAPSHOT))
        .map_err(|error| unreadable(key, &error.to_string()))
}

thread_local! {
    // Making a context costs more than packing a household does, so each thread keeps its own.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    PACKER.with_borrow_mut(|packer| ready(packer, || Compressor::new(ZSTD_LEVEL))?.compress(bytes))
}

/// A thread's context, made when it is needed first.
fn ready<T>(context: &mut Option<T>, make: impl FnOnce() -> io::Result<T>) -> io::Result<&mut T> {
    match context {
        Some(context) => Ok(context),
        None => Ok(context.insert(make()?)),
    }
}

/// A document from a saved one and the changes after it.
///
/// # Errors
/// [`StoreError::Unreadable`] if it cannot be loaded, or has other heads than those expected.
pub(crate) fn fold(
    key: &DocumentKey,
    base: Option<&[u8]>,
    tail: &[(i64, Vec<u8>)],
    heads: &[ChangeHash],
) -> Result<Automerge, StoreError> {
    let folded = catch_unwind(AssertUnwindSafe(|| {
        let mut document = match base {
            Some(bytes) => Automerge::load(bytes).map_err(|error| error.to_string())?,
            None => genesis::begin(SCHEMA, key),
        };
        for (_, bytes) in tail {
            let change = Change::from_bytes(bytes.clone()).map_err(|error| error.to_string())?;
            document.apply_changes([change]).map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(document)
    }));
    let document = match folded {
        Ok(Ok(document)) => document,
        Ok(Err(reason)) => return Err(unreadable(key, &reason)),
        Err(_) => return Err(unreadable(key, "the library gave up on it")),
    };
    let found: Vec<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
    if found == heads { Ok(document) } else { Err(unreadable(key, "it has not the heads of its row")) }
}

/// The stored snapshot of a document.
pub(crate) fn find(connection: &mut Connection, key: &DocumentKey) -> QueryResult<Option<Stored>> {
    snapshot::table.find(columns(key)).select(Stored::as_select()).get_result(connection).optional()
}

/// A document's heads; `None` if there is no such document.
///
/// # Errors
/// [`StoreError::Unreadable`] if they are no hashes.
pub(crate) fn heads(connection: &mut Connection, key: &DocumentKey) -> Result<Option<Vec<ChangeHash>>, StoreError> {
    let column: Option<Vec<u8>> =
        document::table.find(columns(key)).select(document::heads).get_result(connection).optional()?;
    column.map(|column| split_heads(&column)).transpose()
}

/// A snapshot whose hash is right, unpacked.
struct Base {
    position: i64,
    bytes: Vec<u8>,
}

/// The stored snapshot; `None` also if it is damaged, since the log can do without it.
fn base(connection: &mut Connection, key: &DocumentKey) -> Result<Option<Base>, StoreError> {
    let Some(stored) = find(connection, key)? else { return Ok(None) };
    match unpack(key, &stored) {
        Ok(bytes) => Ok(Some(Base { position: stored.position, bytes })),
        Err(error) => {
            tracing::error!(%error, "a snapshot is damaged: the document is rebuilt from the log; run verify");
            Ok(None)
        }
    }
}

/// Folds the document, and if the snapshot fails, rebuilds it from all changes of the log.
fn fold_or_rebuild(
    connection: &mut Connection,
    key: &DocumentKey,
    base: Option<&Base>,
    later: &[(i64, Vec<u8>)],
    heads: &[ChangeHash],
) -> Result<Automerge, StoreError> {
    match (fold(key, base.map(|base| base.bytes.as_slice()), later, heads), base) {
        (Err(error), Some(_)) => {
            tracing::error!(%error, "a snapshot is damaged: the document is rebuilt from the log; run verify");
            fold(key, None, &tail(connection, key, None)?, heads)
        }
        (folded, _) => folded,
    }
}

/// The changes of a document after a snapshot, in order; all of them without one.
fn tail(connection: &mut Connection, key: &DocumentKey, base: Option<&Base>) -> QueryResult<Vec<(i64, Vec<u8>)>> {
    let (id, epoch) = columns(key);
    let after = base.map_or(0, |base| base.position);
    change::table
        .filter(change::document.eq(id).and(change::epoch.eq(epoch)).and(change::position.gt(after)))
        .order(change::position)
        .select((change::position, change::bytes))
        .load(connection)
}

fn unreadable(key: &DocumentKey, reason: &str) -> StoreError {
    StoreError::Unreadable(format!("{}: {reason}", key.id))
}
