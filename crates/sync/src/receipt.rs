//! Receipts: what an answer attests, under a code that the registry alone can make.
//!
//! A registry that was restored from a backup has lost what it merged since. Whoever was told or sent a change holds the
//! registry's word for it, and may hand it in again for its author.
//!
//! It knows no key: the code (HMAC-SHA256) is made and tried by the caller.
//!
//! **Invariant:** both sides make the same lists of the same answer, or the code does not hold.

use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use crate::guard::scan::{Limits, Scanned, scan};
use crate::message::{Author, Request, ScopeAnswer};
use gridwork_domain::id::StaffId;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Receipts in one request: those of two days of a phone that fetches every half hour.
pub const MOST_RECEIPTS: usize = 64;
/// Changes that one receipt attests: an answer of the usual budget has fewer.
pub const MOST_ATTESTED: usize = 4_096;
/// Authors whom one receipt names.
pub const MOST_AUTHORS: usize = 1_024;
/// Actors and heads in the header of a saved document.
const MOST_IN_HEADER: u64 = 4_096;

/// Document, 19 ‖ epoch, 4 big-endian ‖ hash, 32.
const CHANGE_BYTES: usize = 55;
/// Actor, 16 ‖ member of staff, 16.
const AUTHOR_BYTES: usize = 32;
/// What sets the code apart from others under the same keys.
const DOMAIN: &[u8] = b"gridwork receipt 1";

/// What an answer attests: that these changes were merged, with all on which they depend, and whose these actors are.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// HMAC-SHA256 of [`Receipt::attestation`] under a key of the registry.
    #[n(0)]
    pub code: ByteArray<32>,
    /// Each change, or head of a document that was sent whole, in ascending order: document, 19 ‖ epoch, 4 ‖ hash, 32.
    #[n(1)]
    pub changes: ByteVec,
    /// Their authors in ascending order: actor, 16 ‖ member of staff, 16.
    #[n(2)]
    pub authors: ByteVec,
}

impl Receipt {
    /// What an answer attests, still without its code: the changes and documents that it sends, with their authors as it
    /// names them, and what `staff` has just handed in and it says is there. `None` if that is nothing, or too much.
    pub fn of(
        scopes: &[ScopeAnswer],
        authors: &[Author],
        pushed: impl IntoIterator<Item = (DocumentKey, ChangeHash, ActorId)>,
        staff: StaffId,
    ) -> Option<Self> {
        let (mut changes, mut named) = (BTreeSet::new(), BTreeSet::new());
        for (key, hash, actor) in pushed {
            changes.insert(change_bytes(key.id.as_bytes(), key.epoch, &hash.0));
            named.insert(author_bytes(&actor.0, staff.as_bytes()));
        }
        for entry in scopes.iter().flat_map(|scope| &scope.entries) {
            let change = entry.change.iter().map(|bytes| hash_of(bytes));
            let heads = entry.snapshot.iter().flat_map(|snapshot| heads_of_saved(&snapshot.bytes).unwrap_or_default());
            changes.extend(change.chain(heads).map(|hash| change_bytes(&entry.document, entry.epoch, &hash.0)));
        }
        named.extend(authors.iter().map(|author| author_bytes(&author.actor, &author.staff)));
        let bounded = !changes.is_empty() && changes.len() <= MOST_ATTESTED && named.len() <= MOST_AUTHORS;
        bounded.then(|| Self {
            code: [0; 32].into(),
            changes: changes.into_iter().collect::<Vec<_>>().concat().into(),
            authors: named.into_iter().collect::<Vec<_>>().concat().into(),
        })
    }

    /// What the code is over: a word of its own ‖ SHA-256 of (bytes of changes, 8 ‖ changes ‖ bytes of authors, 8 ‖
    /// authors), lengths big-endian. Short, however much a hostile receipt claims: several keys may have to be tried.
    pub fn attestation(&self) -> Vec<u8> {
        let mut digest = Sha256::new();
        for list in [&self.changes, &self.authors] {
            digest.update((list.len() as u64).to_be_bytes());
            digest.update(list.as_slice());
        }
        [DOMAIN, &digest.finalize()[..]].concat()
    }

    /// Whether it has no more than it may and nothing that is cut off.
    pub fn is_well_formed(&self) -> bool {
        let is_list =
            |bytes: &[u8], each: usize, most: usize| bytes.len().is_multiple_of(each) && bytes.len() <= each * most;
        is_list(&self.changes, CHANGE_BYTES, MOST_ATTESTED) && is_list(&self.authors, AUTHOR_BYTES, MOST_AUTHORS)
    }

    /// The changes that it attests.
    pub fn changes(&self) -> impl Iterator<Item = (DocumentKey, ChangeHash)> + '_ {
        let (changes, _) = self.changes.as_chunks::<CHANGE_BYTES>();
        changes.iter().filter_map(|bytes| {
            let (id, rest) = bytes.split_first_chunk::<19>()?;
            let (epoch, rest) = rest.split_first_chunk::<4>()?;
            let id = DocumentId::from_bytes(*id).ok()?;
            Some((DocumentKey { id, epoch: u32::from_be_bytes(*epoch) }, ChangeHash(rest.try_into().ok()?)))
        })
    }

    /// Whose actors it names.
    pub fn authors(&self) -> impl Iterator<Item = (ActorId, StaffId)> + '_ {
        let (authors, _) = self.authors.as_chunks::<AUTHOR_BYTES>();
        authors.iter().filter_map(|bytes| {
            let (actor, staff) = bytes.split_first_chunk::<16>()?;
            Some((ActorId(*actor), StaffId::from_bytes(staff.try_into().ok()?)))
        })
    }
}

/// The changes in a request for which its receipts vouch, with their actors and authors: those that a receipt names, and those of the
/// same request on which these depend. `is_ours` says whether a code is one of this registry's for an attestation; a receipt of
/// which it is not counts for nothing.
pub fn attested(
    request: &Request,
    is_ours: impl Fn(&[u8], &[u8; 32]) -> bool,
) -> BTreeMap<(DocumentKey, ChangeHash), (ActorId, StaffId)> {
    let (mut named, mut authors) = (BTreeSet::new(), BTreeMap::new());
    for receipt in request.receipts.iter().filter(|receipt| is_ours(&receipt.attestation(), &receipt.code)) {
        named.extend(receipt.changes());
        authors.extend(receipt.authors());
    }
    if named.is_empty() {
        return BTreeMap::new();
    }
    let mut pushed: BTreeMap<(DocumentKey, ChangeHash), Scanned> = BTreeMap::new();
    for push in &request.pushes {
        let Ok(key) = push.key() else { continue };
        let scanned = push.changes.iter().filter_map(|bytes| scan(bytes, &Limits::DEFAULT).ok());
        pushed.extend(scanned.map(|scanned| ((key, ChangeHash(scanned.hash)), scanned)));
    }
    let (mut reached, mut attested) = (BTreeSet::new(), BTreeMap::new());
    let mut ahead: Vec<_> = pushed.keys().filter(|one| named.contains(one)).copied().collect();
    while let Some((key, hash)) = ahead.pop() {
        let Some(scanned) = pushed.get(&(key, hash)).filter(|_| reached.insert((key, hash))) else { continue };
        let actor = ActorId(scanned.actor);
        if let Some(author) = authors.get(&actor) {
            attested.insert((key, hash), (actor, *author));
        }
        ahead.extend(scanned.dependencies.iter().map(|hash| (key, ChangeHash(*hash))));
    }
    attested
}

/// The hash of a chunk: over all but the magic number and the checksum.
pub fn hash_of(chunk: &[u8]) -> ChangeHash {
    ChangeHash(Sha256::digest(chunk.get(8..).unwrap_or(chunk)).into())
}

/// The heads that a saved document names in its header, without loading it. `None` if it has no such header.
fn heads_of_saved(chunk: &[u8]) -> Option<Vec<ChangeHash>> {
    let mut rest = chunk.get(8..)?;
    if *take(&mut rest, 1)?.first()? != 0 {
        return None; // not a document
    }
    number(&mut rest)?; // its length
    for _ in 0..number(&mut rest).filter(|count| *count <= MOST_IN_HEADER)? {
        let length = number(&mut rest)?;
        take(&mut rest, usize::try_from(length).ok()?)?;
    }
    let count = number(&mut rest).filter(|count| *count <= MOST_IN_HEADER)?;
    (0..count).map(|_| Some(ChangeHash(take(&mut rest, 32)?.try_into().ok()?))).collect()
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

/// Unsigned LEB128.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn change_bytes(document: &[u8; 19], epoch: u32, hash: &[u8; 32]) -> [u8; CHANGE_BYTES] {
    let mut bytes = [0; CHANGE_BYTES];
    bytes[..19].copy_from_slice(document);
    bytes[19..23].copy_from_slice(&epoch.to_be_bytes());
    bytes[23..].copy_from_slice(hash);
    bytes
}

fn author_bytes(actor: &[u8; 16], staff: &[u8; 16]) -> [u8; AUTHOR_BYTES] {
    let mut bytes = [0; AUTHOR_BYTES];
    bytes[..16].copy_from_slice(actor);
    bytes[16..].copy_from_slice(staff);
    bytes
}

#[cfg(test)]
mod tests;
