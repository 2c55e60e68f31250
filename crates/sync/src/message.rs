//! The messages of the one exchange, in CBOR: what a phone posts and what it is answered.
//!
//! `openapi/sync.cddl` is their schema (RFC 8610). Maps have integer keys, so that a later release can add to them; a
//! reader passes over keys that it does not know. Keys of features to come are reserved in the schema.
//!
//! **Invariant:** reading a message never takes more memory than a small multiple of its bytes, and never panics.

use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use crate::receipt::{MOST_ATTESTED, MOST_AUTHORS, MOST_RECEIPTS, Receipt};
use gridwork_domain::id::{DeviceId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

/// Version of the exchange that this release speaks.
pub const PROTOCOL: u8 = 1;
/// The encoder whose form is canonical: automerge 0.12, pinned by fixtures.
pub const ENCODER: u8 = 12;
/// Media type of both messages.
pub const MEDIA_TYPE: &str = "application/cbor";

/// Bytes of an answer when the phone names no budget.
pub const DEFAULT_BUDGET: u32 = 256 * 1024;
/// The smallest budget: it holds any one change, with room to spare.
pub const SMALLEST_BUDGET: u32 = 16 * 1024;
/// The largest budget that is honoured.
pub const LARGEST_BUDGET: u32 = 4 * 1024 * 1024;
/// Bytes of a request after decompression: a phone that was offline for a month pushes in several requests.
pub const LARGEST_REQUEST: usize = 1024 * 1024;
/// Bytes of an answer after decompression: its budget, and the largest document beyond it.
pub const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Changes in one request.
pub const MOST_CHANGES: usize = 1_000;
/// Scopes in one request.
pub const MOST_SCOPES: usize = 64;
/// Actors that one request declares.
pub const MOST_NEW_ACTORS: usize = 64;
/// Bytes of a cursor: an instance, a position, and where a cold start stands.
pub const LONGEST_CURSOR: usize = 64;

/// What a phone posts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// [`PROTOCOL`].
    #[n(0)]
    pub protocol: u8,
    /// [`ENCODER`].
    #[n(1)]
    pub encoder: u8,
    /// The device that asks.
    #[n(2)]
    pub device: ByteArray<16>,
    /// The device's clock, milliseconds UTC: a claim, recorded beside the receive time.
    #[n(3)]
    pub sent_at_ms: i64,
    /// Scopes to pull.
    #[n(4)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub scopes: Vec<ScopeRequest>,
    /// Bytes that the answer may have; [`DEFAULT_BUDGET`] if absent.
    #[n(5)]
    pub budget: Option<u32>,
    /// Actors that this device uses from now on.
    #[n(6)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub new_actors: Vec<ByteArray<16>>,
    /// Changes on which the server has given no verdict yet.
    #[n(7)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub pushes: Vec<Push>,
    /// What this registry attested of changes in `pushes`, before it lost them.
    #[n(9)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub receipts: Vec<Receipt>,
}

/// A scope to pull, from where.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeRequest {
    /// The scope.
    #[n(0)]
    pub scope: ByteArray<16>,
    /// The cursor of the last answer; absent for a cold start.
    #[n(1)]
    pub cursor: Option<ByteVec>,
}

/// Changes of one document.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Push {
    /// The scope that is the document's home, if it is new.
    #[n(0)]
    pub scope: ByteArray<16>,
    /// The document.
    #[n(1)]
    pub document: ByteArray<19>,
    /// Its epoch.
    #[n(2)]
    pub epoch: u32,
    /// Uncompressed change chunks, in an order in which each follows what it depends on.
    #[n(3)]
    #[cbor(decode_with = "decode_changes")]
    pub changes: Vec<ByteVec>,
}

/// What a phone is answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Answer {
    /// [`PROTOCOL`].
    #[n(0)]
    pub protocol: u8,
    /// The server's clock, milliseconds UTC.
    #[n(1)]
    pub server_time_ms: i64,
    /// One verdict for each change that was pushed, in the order of the request.
    #[n(2)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub verdicts: Vec<ChangeVerdict>,
    /// Scopes in which there is news, or whose cursor moved.
    #[n(3)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub scopes: Vec<ScopeAnswer>,
    /// Who made the changes in this answer.
    #[n(4)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub authors: Vec<Author>,
    /// The code of the receipt for what was merged and what is sent, from which with the request and this answer a
    /// [`Receipt`] is made; none if that is nothing.
    #[n(6)]
    pub receipt: Option<ByteArray<32>>,
}

/// What became of a pushed change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChangeVerdict {
    /// Its document.
    #[n(0)]
    pub document: ByteArray<19>,
    /// The epoch.
    #[n(1)]
    pub epoch: u32,
    /// Its hash as the phone computes it.
    #[n(2)]
    pub hash: ByteArray<32>,
    /// What became of it.
    #[n(3)]
    pub outcome: Outcome,
    /// Why, for held and quarantined changes: a word of the guard.
    #[n(4)]
    pub code: Option<String>,
}

/// What can become of a pushed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// It is in the registry, durable.
    #[n(0)]
    Merged,
    /// It was there already.
    #[n(1)]
    Known,
    /// It waits, durable, for a change or document that has not arrived.
    #[n(2)]
    Held,
    /// It is kept, durable, for staff to decide.
    #[n(3)]
    Quarantined,
}

/// News of one scope.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeAnswer {
    /// The scope.
    #[n(0)]
    pub scope: ByteArray<16>,
    /// Where the next request goes on.
    #[n(1)]
    pub cursor: ByteVec,
    /// Whether there is more right now.
    #[n(2)]
    pub more: bool,
    /// What is new, in an order in which each change follows what it depends on.
    #[n(3)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    pub entries: Vec<Entry>,
    /// Whether the cursor that was named is not one of this registry, so that the whole scope follows: the registry may lack
    /// what the device was told that it has.
    #[n(4)]
    #[cbor(skip_if = "std::ops::Not::not", default)]
    pub anew: bool,
}

/// One piece of news: exactly one of change and snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// The document.
    #[n(0)]
    pub document: ByteArray<19>,
    /// Its epoch.
    #[n(1)]
    pub epoch: u32,
    /// An uncompressed change chunk.
    #[n(2)]
    pub change: Option<ByteVec>,
    /// The whole document, where the device has no base for it.
    #[n(3)]
    pub snapshot: Option<Snapshot>,
}

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Snapshot {
    /// SHA-256 of the bytes.
    #[n(0)]
    pub hash: ByteArray<32>,
    /// An uncompressed document chunk.
    #[n(1)]
    pub bytes: ByteVec,
}

/// Who is behind an actor.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Author {
    /// The actor.
    #[n(0)]
    pub actor: ByteArray<16>,
    /// The member of staff.
    #[n(1)]
    pub staff: ByteArray<16>,
    /// Their name.
    #[n(2)]
    pub name: String,
}

/// A message that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the CBOR of the message.
    #[error("the body is not a sync message: {0}")]
    Undecodable(String),
    /// Another protocol or encoder.
    #[error("this server speaks sync protocol {PROTOCOL} with encoder {ENCODER}, not {0} with {1}: update the app")]
    Version(u8, u8),
    /// More than a limit allows.
    #[error("the request has more {0} than {1}: send them in several requests")]
    TooMany(&'static str, usize),
    /// A document id that is none.
    #[error("the request names a document of a kind that does not exist")]
    Document,
    /// A receipt that is none.
    #[error(
        "the request has a receipt with more than {MOST_ATTESTED} changes or {MOST_AUTHORS} authors, or one cut off"
    )]
    Receipt,
}

impl Request {
    /// The message as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads a request and checks its versions and limits.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let request: Self = whole(bytes)?;
        if (request.protocol, request.encoder) != (PROTOCOL, ENCODER) {
            return Err(MessageError::Version(request.protocol, request.encoder));
        }
        let changes: usize = request.pushes.iter().map(|push| push.changes.len()).sum();
        at_most("scopes", request.scopes.len(), MOST_SCOPES)?;
        at_most("new actors", request.new_actors.len(), MOST_NEW_ACTORS)?;
        at_most("changes", changes, MOST_CHANGES)?;
        at_most("documents", request.pushes.len(), MOST_CHANGES)?;
        let longest = request.scopes.iter().filter_map(|scope| scope.cursor.as_ref()).map(|cursor| cursor.len()).max();
        at_most("bytes in a cursor", longest.unwrap_or(0), LONGEST_CURSOR)?;
        for push in &request.pushes {
            push.key()?;
        }
        at_most("receipts", request.receipts.len(), MOST_RECEIPTS)?;
        if request.receipts.iter().all(Receipt::is_well_formed) { Ok(request) } else { Err(MessageError::Receipt) }
    }

    /// The device that asks.
    pub fn device(&self) -> DeviceId {
        DeviceId::from_bytes(*self.device)
    }

    /// Bytes that the answer may have, within the limits.
    pub fn budget(&self) -> usize {
        self.budget.unwrap_or(DEFAULT_BUDGET).clamp(SMALLEST_BUDGET, LARGEST_BUDGET) as usize
    }
}

impl ScopeRequest {
    /// The scope.
    pub fn scope(&self) -> ScopeId {
        ScopeId::from_bytes(*self.scope)
    }
}

impl Push {
    /// The scope that is the document's home, if it is new.
    pub fn scope(&self) -> ScopeId {
        ScopeId::from_bytes(*self.scope)
    }

    /// The document.
    ///
    /// # Errors
    /// [`MessageError::Document`] for the id of no kind of document.
    pub fn key(&self) -> Result<DocumentKey, MessageError> {
        key(&self.document, self.epoch)
    }
}

impl Answer {
    /// The message as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let answer: Self = whole(bytes)?;
        if answer.protocol == PROTOCOL { Ok(answer) } else { Err(MessageError::Version(answer.protocol, ENCODER)) }
    }

    /// The server's clock.
    pub fn server_time(&self) -> Instant {
        Instant::from_ms(self.server_time_ms)
    }
}

impl ChangeVerdict {
    /// The change's document.
    ///
    /// # Errors
    /// [`MessageError::Document`] for the id of no kind of document.
    pub fn key(&self) -> Result<DocumentKey, MessageError> {
        key(&self.document, self.epoch)
    }

    /// The change's hash.
    pub fn hash(&self) -> ChangeHash {
        ChangeHash(*self.hash)
    }
}

impl Entry {
    /// The document.
    ///
    /// # Errors
    /// [`MessageError::Document`] for the id of no kind of document.
    pub fn key(&self) -> Result<DocumentKey, MessageError> {
        key(&self.document, self.epoch)
    }
}

impl Author {
    /// A member of staff behind an actor.
    pub fn new(actor: ActorId, staff: StaffId, name: &str) -> Self {
        Self { actor: actor.0.into(), staff: (*staff.as_bytes()).into(), name: name.to_owned() }
    }
}

fn key(document: &ByteArray<19>, epoch: u32) -> Result<DocumentKey, MessageError> {
    let id = DocumentId::from_bytes(**document).map_err(|_| MessageError::Document)?;
    Ok(DocumentKey { id, epoch })
}

/// Keeps no more than one change above the limit: a million empty ones would take many times the memory of their bytes.
fn decode_changes<Ctx>(
    decoder: &mut minicbor::Decoder<'_>,
    _: &mut Ctx,
) -> Result<Vec<ByteVec>, minicbor::decode::Error> {
    let mut changes = Vec::new();
    for change in decoder.array_iter::<ByteVec>()? {
        let change = change?;
        if changes.len() <= MOST_CHANGES {
            changes.push(change);
        }
    }
    Ok(changes)
}

fn whole<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, MessageError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().map_err(|error| MessageError::Undecodable(error.to_string()))?;
    if decoder.position() == bytes.len() {
        Ok(message)
    } else {
        Err(MessageError::Undecodable("bytes follow the message".to_owned()))
    }
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), MessageError> {
    if count <= most { Ok(()) } else { Err(MessageError::TooMany(what, most)) }
}

#[cfg(test)]
mod tests;
