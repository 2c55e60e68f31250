//! Step 1 of the guard: the raw bytes of one change, judged before any library reads them.
//!
//! The layout is that of Automerge's binary format ("Change Chunks" and "Columnar Storage Format" in the Automerge
//! storage specification), with the operation columns of automerge 0.12. The scan knows nothing of documents, keys,
//! people or the values' meaning: it bounds what the bytes can make a decoder do.
//!
//! Invariant: a change that passes is one uncompressed change chunk with the right checksum, names only actors that it
//! lists, holds between one and [`Limits::operations`] operations in every column, and expands to an amount of memory
//! that its own length and the limits bound. The scan itself never panics or recurses, allocates nothing but the
//! dependencies that are really there, and takes time linear in the input.

mod columns;
mod cursor;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use cursor::Cursor;

/// How much one change may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole chunk. One edit of a person fits many times over; a queue of held changes stays small.
    pub change_bytes: usize,
    /// Operations. Every one becomes an object in memory, and a run length claims a million of them in three bytes.
    pub operations: u64,
    /// Dependencies. Heads seldom exceed the number of devices that write one document at the same time.
    pub dependencies: u64,
    /// Actors other than the author. Operations name objects and predecessors of the few who wrote this document.
    pub actors: u64,
    /// Bytes of UTF-8 in one map key (or mark name). Keys are ids of 22 characters or field names.
    pub key_bytes: u64,
    /// Bytes of one value. The largest is a fact with a note of 2,000 characters of three bytes each.
    pub value_bytes: u64,
    /// Predecessors of all operations together. One each is usual, two at a decided conflict.
    pub predecessors: u64,
    /// Latest time, in milliseconds since 1970-01-01 UTC. The library keeps the differences between the times of a
    /// document's changes and panics where one overflows: a single extreme time would stop all later changes.
    pub time_ms: i64,
}

impl Limits {
    /// The limits of the wire protocol; phones and servers must agree on them.
    pub const DEFAULT: Limits = Limits {
        change_bytes: 8192,
        operations: 256,
        dependencies: 64,
        actors: 64,
        key_bytes: 64,
        value_bytes: 7168,
        predecessors: 512,
        time_ms: 253_402_300_799_999, // the end of the year 9999
    };
}

/// What the scan learnt of a change that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// SHA-256 over chunk type, length and body: the library's `ChangeHash`.
    pub hash: [u8; 32],
    /// The author's actor id.
    pub actor: [u8; 16],
    /// Ordinal of the change among its actor's, from 1.
    pub sequence: u64,
    /// Counter of the first operation, from 1; `start_op + operations` fits in 32 bits.
    pub start_op: u64,
    /// Number of operations, at least 1.
    pub operations: u64,
    /// Milliseconds since 1970-01-01 UTC by the author's clock: a claim, from 0 to [`Limits::time_ms`].
    pub time_ms: i64,
    /// Hashes of the changes that this one builds on, in the order given.
    pub dependencies: Vec<[u8; 32]>,
}

/// Why a change was refused. [`ScanError::code`] names the reason in the quarantine and towards the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// More bytes than [`Limits::change_bytes`].
    #[error("the change has too many bytes: split the edit")]
    TooLarge,
    /// The bytes do not begin with Automerge's magic number.
    #[error("the bytes are not an Automerge chunk")]
    Magic,
    /// A document, a compressed change, a bundle, or an unknown type of chunk.
    #[error("the chunk is not an uncompressed change: send the raw bytes of one change")]
    ChunkType,
    /// The declared length is not that of the bytes.
    #[error("the chunk's declared length is not the length of its bytes")]
    Length,
    /// The checksum is not that of the contents.
    #[error("the chunk's checksum does not match its contents: send it again")]
    Checksum,
    /// The bytes end in the middle of a field.
    #[error("the change ends in the middle of a field")]
    Truncated,
    /// A LEB128 integer beyond 64 bits, or longer than it needs to be.
    #[error("an integer is out of range or not in its shortest form")]
    Integer,
    /// More dependencies than [`Limits::dependencies`].
    #[error("the change names too many dependencies")]
    Dependencies,
    /// An actor id that is not 16 bytes long.
    #[error("an actor id is not 16 bytes long")]
    Actor,
    /// More other actors than [`Limits::actors`].
    #[error("the change names too many actors")]
    Actors,
    /// The sequence number is 0.
    #[error("the sequence number is zero")]
    Sequence,
    /// The first operation's counter is 0, or the last one's exceeds 32 bits.
    #[error("the operation counters are out of range")]
    StartOperation,
    /// A time before 1970 or after [`Limits::time_ms`].
    #[error("the time is before 1970 or too late: set the device's clock")]
    Time,
    /// A commit message, which no edit carries.
    #[error("the change carries a message")]
    Message,
    /// A column that is unknown, compressed, repeated or out of order.
    #[error("an operation column is unknown, compressed, repeated or out of order")]
    Column,
    /// A column that is empty or longer than the bytes that are there.
    #[error("an operation column's length is out of range")]
    ColumnLength,
    /// Bytes after the last column.
    #[error("the change carries extra bytes after its operations")]
    ExtraBytes,
    /// No operation.
    #[error("the change holds no operation")]
    NoOperation,
    /// More operations than [`Limits::operations`].
    #[error("the change holds too many operations: split the edit")]
    Operations,
    /// A column whose rows are not as many as the operations (or predecessors), or empty where each must have a value.
    #[error("an operation column does not have one row for each operation")]
    Rows,
    /// A run of no rows.
    #[error("a run in an operation column has no rows")]
    Run,
    /// More predecessors than [`Limits::predecessors`].
    #[error("the operations name too many predecessors")]
    Predecessors,
    /// An operation that names an actor which the change does not list.
    #[error("an operation names an actor that the change does not list")]
    ActorIndex,
    /// An operation id whose counter is not in 1 to 2^32 - 1.
    #[error("an operation id's counter is out of range")]
    Counter,
    /// A key longer than [`Limits::key_bytes`].
    #[error("a key has too many bytes")]
    Key,
    /// A value of an unknown type, of a length its type cannot have, or longer than [`Limits::value_bytes`].
    #[error("a value's type or length is not allowed")]
    Value,
}

impl ScanError {
    /// The reason in short words, the same for ever: it is stored and sent.
    pub fn code(&self) -> &'static str {
        match self {
            ScanError::TooLarge => "too-large",
            ScanError::Magic => "not-a-chunk",
            ScanError::ChunkType => "chunk-type",
            ScanError::Length => "length",
            ScanError::Checksum => "checksum",
            ScanError::Truncated => "truncated",
            ScanError::Integer => "integer",
            ScanError::Dependencies => "dependencies",
            ScanError::Actor => "actor",
            ScanError::Actors => "actors",
            ScanError::Sequence => "sequence",
            ScanError::StartOperation => "start-operation",
            ScanError::Time => "time",
            ScanError::Message => "message",
            ScanError::Column => "column",
            ScanError::ColumnLength => "column-length",
            ScanError::ExtraBytes => "extra-bytes",
            ScanError::NoOperation => "no-operation",
            ScanError::Operations => "operations",
            ScanError::Rows => "rows",
            ScanError::Run => "run",
            ScanError::Predecessors => "predecessors",
            ScanError::ActorIndex => "actor-index",
            ScanError::Counter => "counter",
            ScanError::Key => "key",
            ScanError::Value => "value",
        }
    }
}

/// Judges the raw bytes of one change chunk against the format and `limits`.
///
/// # Errors
/// The first reason met, in the order of the bytes; see [`ScanError`].
pub fn scan(bytes: &[u8], limits: &Limits) -> Result<Scanned, ScanError> {
    if bytes.len() > limits.change_bytes {
        return Err(ScanError::TooLarge);
    }
    let mut input = Cursor(bytes);
    if input.array()? != MAGIC {
        return Err(ScanError::Magic);
    }
    let checksum: [u8; 4] = input.array()?;
    let hashed = input.0;
    if input.byte()? != CHANGE_CHUNK {
        return Err(ScanError::ChunkType);
    }
    if input.unsigned()? != input.0.len() as u64 {
        return Err(ScanError::Length);
    }
    // Lengths are in their shortest form here, so the hashed part is exactly what the library hashes.
    let hash: [u8; 32] = Sha256::digest(hashed).into();
    if !hash.starts_with(&checksum) {
        return Err(ScanError::Checksum);
    }

    let dependencies = input.count(limits.dependencies, ScanError::Dependencies)?;
    let dependencies = input.take(dependencies.saturating_mul(32))?.as_chunks::<32>().0.to_vec();
    let actor = input.actor()?;
    let sequence = input.unsigned()?;
    if sequence == 0 {
        return Err(ScanError::Sequence);
    }
    let start_op = input.unsigned()?;
    let time_ms = input.signed()?;
    if !(0..=limits.time_ms).contains(&time_ms) {
        return Err(ScanError::Time);
    }
    if input.unsigned()? != 0 {
        return Err(ScanError::Message);
    }
    let others = input.count(limits.actors, ScanError::Actors)?;
    for _ in 0..others {
        input.actor()?;
    }
    let columns = columns::split(&mut input)?;
    let operations = columns::count(columns, others as u64 + 1, limits)?;
    let counters = start_op.checked_add(operations);
    if start_op == 0 || counters.is_none_or(|end| end > u64::from(u32::MAX)) {
        return Err(ScanError::StartOperation);
    }
    Ok(Scanned { hash, actor, sequence, start_op, operations, time_ms, dependencies })
}

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE_CHUNK: u8 = 1;
