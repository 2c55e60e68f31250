//! The server's part of the exchange: what a scope's feed has for a device. Pure: `answer(view, request)`.
//!
//! A cursor is a position of the feed; a device without one gets whole documents first, page by page, and then what
//! came in meanwhile. The device keeps a cursor as bytes and understands nothing of it.
//!
//! **Invariant:** each answer is complete in itself and within its budget (but for one entry, so that it always moves
//! on), and no change of the scope is ever passed over: a cursor that means nothing here begins again, and says so.

use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use crate::genesis::GENESIS_ACTOR;
use crate::message::{Author, Entry, ScopeAnswer, ScopeRequest, Snapshot};
use automerge::Automerge;
use gridwork_domain::id::{ScopeId, StaffId};
use minicbor::bytes::ByteArray;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A position in a scope's feed: 0 before the first row, then one more for each.
pub type Position = u64;

/// Which database this is: random, made anew when a backup is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceId(pub [u8; 8]);

/// Bytes that an entry takes besides its change or snapshot, rounded up.
const ENTRY_OVERHEAD_BYTES: usize = 80;
/// Bytes that a scope takes besides its entries, rounded up.
const SCOPE_OVERHEAD_BYTES: usize = 96;
/// Bytes that the row of an author takes besides the name, rounded up.
const AUTHOR_OVERHEAD_BYTES: usize = 48;
/// Bytes that the row of an author may take: a name of 64 characters of three bytes.
const LONGEST_AUTHOR_BYTES: usize = AUTHOR_OVERHEAD_BYTES + 192;
/// Rows and documents that are read at a time.
const PAGE_ROWS: usize = 256;

/// A row of a scope's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its position.
    pub position: Position,
    /// The document that changed.
    pub key: DocumentKey,
    /// The change.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: ActorId,
    /// Its chunk.
    pub bytes: Vec<u8>,
}

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// One uncompressed document chunk.
    pub bytes: Vec<u8>,
    /// Who made its changes.
    pub actors: Vec<ActorId>,
}

/// What an answer must know of the registry, in one consistent view.
pub trait View {
    /// What can go wrong in asking.
    type Error;

    /// Which database this is.
    ///
    /// # Errors
    /// As the store says.
    fn instance(&self) -> Result<InstanceId, Self::Error>;

    /// The position of the last row of a scope's feed; 0 if it has none.
    ///
    /// # Errors
    /// As the store says.
    fn end(&self, scope: ScopeId) -> Result<Position, Self::Error>;

    /// The position after which all rows of the feed are still there.
    ///
    /// # Errors
    /// As the store says.
    fn floor(&self, scope: ScopeId) -> Result<Position, Self::Error>;

    /// At most `most` rows after a position, ascending.
    ///
    /// # Errors
    /// As the store says.
    fn rows(&self, scope: ScopeId, after: Position, most: usize) -> Result<Vec<FeedRow>, Self::Error>;

    /// At most `most` documents at home in a scope that follow another, ascending by key.
    ///
    /// # Errors
    /// As the store says.
    fn documents(
        &self,
        scope: ScopeId,
        after: Option<DocumentKey>,
        most: usize,
    ) -> Result<Vec<DocumentKey>, Self::Error>;

    /// A whole document. `None` if it has been removed since.
    ///
    /// # Errors
    /// As the store says.
    fn whole(&self, key: &DocumentKey) -> Result<Option<Whole>, Self::Error>;

    /// Who is behind an actor.
    ///
    /// # Errors
    /// As the store says.
    fn author(&self, actor: ActorId) -> Result<Option<(StaffId, String)>, Self::Error>;
}

/// What a device asks for.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The scopes that it may read, with its cursors.
    pub scopes: &'a [ScopeRequest],
    /// Bytes that the answer may have.
    pub budget: usize,
    /// What it has just pushed: it is not sent back.
    pub pushed: &'a BTreeSet<(DocumentKey, ChangeHash)>,
}

/// What there is for a device: news per scope, and who made it.
///
/// # Errors
/// Only what the view reports.
pub fn answer<V: View>(view: &V, asked: &Asked<'_>) -> Result<(Vec<ScopeAnswer>, Vec<Author>), V::Error> {
    let mut page = Page { left: asked.budget, empty: true, full: false, authors: BTreeMap::new() };
    let mut scopes = Vec::new();
    for request in asked.scopes {
        page.left = page.left.saturating_sub(SCOPE_OVERHEAD_BYTES);
        let news = scope_answer(view, asked, request, &mut page)?;
        let unmoved = news.entries.is_empty() && !news.more && request.cursor.as_ref() == Some(&news.cursor);
        if !unmoved {
            scopes.push(news);
        }
    }
    Ok((scopes, page.authors.into_values().flatten().collect()))
}

struct Page {
    left: usize,
    empty: bool,
    full: bool,
    /// By actor; none for those whom the registry does not know, as genesis.
    authors: BTreeMap<ActorId, Option<Author>>,
}

impl Page {
    /// Takes room for an entry and for those of its authors who are not on the page yet; the first always fits, so
    /// that every answer moves on.
    fn take<V: View>(&mut self, view: &V, bytes: usize, actors: &[ActorId]) -> Result<bool, V::Error> {
        let mut needed = bytes + ENTRY_OVERHEAD_BYTES;
        let mut new = BTreeMap::new();
        for actor in actors.iter().filter(|actor| !self.authors.contains_key(actor)) {
            let author = view.author(*actor)?.map(|(staff, name)| Author::new(*actor, staff, &name));
            needed += author.as_ref().map_or(0, |author| author.name.len() + AUTHOR_OVERHEAD_BYTES);
            new.insert(*actor, author);
        }
        let fits = !self.full && (needed <= self.left || self.empty);
        if fits {
            self.left = self.left.saturating_sub(needed);
            self.empty = false;
            self.authors.extend(new);
        } else {
            self.full = true;
        }
        Ok(fits)
    }
}

fn scope_answer<V: View>(
    view: &V,
    asked: &Asked<'_>,
    request: &ScopeRequest,
    page: &mut Page,
) -> Result<ScopeAnswer, V::Error> {
    let scope = request.scope();
    let instance = view.instance()?;
    let (floor, end) = (view.floor(scope)?, view.end(scope)?);
    let told = request.cursor.as_ref().and_then(|bytes| Cursor::from_bytes(bytes, instance));
    let told = told.filter(|cursor| (floor..=end).contains(&cursor.position));
    let anew = request.cursor.is_some() && told.is_none();
    let mut cursor = told.unwrap_or(Cursor { position: end, cold: Some(Cold { after: None, changes_sent: 0 }) });
    let mut entries = Vec::new();
    while let Some(cold) = cursor.cold {
        cursor.cold = send_documents(view, asked, scope, cold, page, &mut entries)?;
        if page.full {
            break;
        }
    }
    while cursor.cold.is_none() && !page.full && cursor.position < end {
        let rows = view.rows(scope, cursor.position, PAGE_ROWS)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            if !asked.pushed.contains(&(row.key, row.hash)) {
                if !page.take(view, row.bytes.len(), &[row.actor])? {
                    break;
                }
                entries.push(entry(&row.key, Some(row.bytes), None));
            }
            cursor.position = row.position;
        }
    }
    let more = cursor.cold.is_some() || cursor.position < end;
    Ok(ScopeAnswer { scope: request.scope, cursor: cursor.to_bytes(instance).into(), more, entries, anew })
}

/// Sends whole documents; returns where the cold start goes on, or nothing when it is through.
fn send_documents<V: View>(
    view: &V,
    asked: &Asked<'_>,
    scope: ScopeId,
    mut cold: Cold,
    page: &mut Page,
    entries: &mut Vec<Entry>,
) -> Result<Option<Cold>, V::Error> {
    let keys = view.documents(scope, cold.after, PAGE_ROWS)?;
    if keys.is_empty() {
        return Ok(None);
    }
    for key in keys {
        let Some(Whole { bytes, actors }) = view.whole(&key)? else {
            cold = Cold { after: Some(key), changes_sent: 0 };
            continue;
        };
        // Room for all that comes with it, even if nobody were known yet.
        let most = bytes.len() + ENTRY_OVERHEAD_BYTES + SCOPE_OVERHEAD_BYTES + actors.len() * LONGEST_AUTHOR_BYTES;
        if most > asked.budget {
            cold.changes_sent = send_changes(view, asked, &key, &bytes, cold.changes_sent, page, entries)?;
            if page.full {
                return Ok(Some(cold));
            }
        } else if page.take(view, bytes.len(), &actors)? {
            let hash: [u8; 32] = Sha256::digest(&bytes).into();
            let snapshot = Snapshot { hash: hash.into(), bytes: bytes.into() };
            entries.push(entry(&key, None, Some(snapshot)));
        } else {
            return Ok(Some(cold));
        }
        cold = Cold { after: Some(key), changes_sent: 0 };
    }
    Ok(Some(cold))
}

/// Sends a document over the budget as its changes; returns how many of them have been sent so far.
fn send_changes<V: View>(
    view: &V,
    asked: &Asked<'_>,
    key: &DocumentKey,
    bytes: &[u8],
    sent: u32,
    page: &mut Page,
    entries: &mut Vec<Entry>,
) -> Result<u32, V::Error> {
    let document = Automerge::load(bytes).unwrap_or_else(|_| crate::genesis::empty());
    let mut count = sent;
    for change in document.get_changes(&[]).into_iter().skip(sent as usize) {
        let actor = ActorId::from_library(change.actor_id());
        let is_genesis = actor == Some(GENESIS_ACTOR) && change.seq() == 1;
        let is_pushed = asked.pushed.contains(&(*key, change.hash().into()));
        if !is_genesis && !is_pushed {
            let chunk = change.raw_bytes();
            if !page.take(view, chunk.len(), actor.as_slice())? {
                return Ok(count);
            }
            entries.push(entry(key, Some(chunk.to_vec()), None));
        }
        count += 1;
    }
    Ok(count)
}

fn entry(key: &DocumentKey, change: Option<Vec<u8>>, snapshot: Option<Snapshot>) -> Entry {
    Entry { document: ByteArray::from(*key.id.as_bytes()), epoch: key.epoch, change: change.map(Into::into), snapshot }
}

/// Where a cold start stands: after which document, and how many changes of the next one have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cold {
    after: Option<DocumentKey>,
    changes_sent: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    position: Position,
    cold: Option<Cold>,
}

impl Cursor {
    /// Instance, 8 ‖ position, 8; during a cold start also changes sent, 4, and document, 19 ‖ epoch, 4 if there is one.
    fn to_bytes(self, instance: InstanceId) -> Vec<u8> {
        let mut bytes = instance.0.to_vec();
        bytes.extend(self.position.to_be_bytes());
        if let Some(cold) = self.cold {
            bytes.extend(cold.changes_sent.to_be_bytes());
            if let Some(key) = cold.after {
                bytes.extend(key.id.as_bytes());
                bytes.extend(key.epoch.to_be_bytes());
            }
        }
        bytes
    }

    fn from_bytes(bytes: &[u8], instance: InstanceId) -> Option<Self> {
        let rest = bytes.strip_prefix(&instance.0)?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let position = Position::from_be_bytes(*position);
        let Some((changes_sent, rest)) = rest.split_first_chunk::<4>() else {
            return rest.is_empty().then_some(Self { position, cold: None });
        };
        let changes_sent = u32::from_be_bytes(*changes_sent);
        let after = match rest.split_first_chunk::<19>() {
            None if rest.is_empty() => None,
            None => return None,
            Some((id, epoch)) => Some(DocumentKey {
                id: DocumentId::from_bytes(*id).ok()?,
                epoch: u32::from_be_bytes(epoch.try_into().ok()?),
            }),
        };
        Some(Self { position, cold: Some(Cold { after, changes_sent }) })
    }
}

#[cfg(test)]
mod tests;
