//! Requests that are done once, however often they come: idempotency keys (draft-ietf-httpapi-idempotency-key-header).
//!
//! The first request with a key claims it for a while; what it does and what it answers commit together ([`Keep`]), and
//! only while the claim is still its own. So a process may end at any moment: either both are there, and the next attempt
//! gets the answer, or neither is, and the next attempt does it. It does not know what is done.
//!
//! **Invariant:** of all attempts with one key, at most one commits through a [`Keep`]; neither the key nor anything of a
//! body is stored but hashes that nobody can compute without the key.

use crate::area_tree::Reach;
use crate::audit::{Step, Subject, join_persons, note, split_persons};
use crate::database::{Blob, Connection, HashBlob, Id, StoreError, on_each};
use crate::entropy::random;
use crate::registry::Registry;
use crate::tables::idempotency;
use diesel::prelude::*;
use gridwork_domain::id::StaffId;
use gridwork_domain::instant::Instant;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Milliseconds for which an answer is kept: a client that was offline over night still gets it.
pub const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// Bytes of an answer that are kept: the report on a file with a thousand problems and a thousand warnings takes less.
pub const LARGEST_KEPT_ANSWER: usize = 1024 * 1024;
/// Answers that are forgotten with each new one: more than one, so that no heap grows.
const FORGOTTEN_AT_ONCE: i64 = 16;

/// A claim on a key: whoever holds it does what the request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    key: HashBlob,
    id: Id,
}

/// An answer, as it is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// Where what was made is read.
    pub location: Option<String>,
    /// The version.
    pub etag: Option<String>,
    /// The body; none if it was larger than [`LARGEST_KEPT_ANSWER`].
    pub body: Option<Vec<u8>>,
}

/// What comes of a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// Nobody has done it: do it.
    New(Attempt),
    /// It was done, and this was the answer.
    Kept(KeptAnswer),
    /// Another attempt is under way.
    UnderWay {
        /// Seconds after which that one has ended, or may be taken for lost.
        retry_after_s: u32,
    },
    /// The key came with another request.
    OtherRequest,
    /// It was done, and its answer shows persons who are not within reach any more.
    OutOfReach,
    /// It was done, and whoever asks sees otherwise now than who did it then.
    SeenOtherwise,
}

/// Whoever asks for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Whom they may see.
    pub reach: Reach,
    /// All that decides how they see, spelled: an answer is kept as its author saw it, and given again only to who sees so.
    pub rights: String,
}

/// The answer to keep in the transaction of what is done.
pub struct Keep<T> {
    attempt: Attempt,
    answer: Arc<dyn Fn(&T) -> KeptAnswer + Send + Sync>,
}

impl<T> Keep<T> {
    /// Keeps for an attempt what `answer` makes of the outcome.
    pub fn new(attempt: Attempt, answer: impl Fn(&T) -> KeptAnswer + Send + Sync + 'static) -> Self {
        Self { attempt, answer: Arc::new(answer) }
    }

    /// Keeps it, in the transaction that made the outcome.
    ///
    /// # Errors
    /// [`StoreError::Contended`] if the attempt is no longer the one that may do it; as the store says.
    pub(crate) fn keep(
        &self,
        connection: &mut Connection,
        outcome: &T,
        persons: &BTreeSet<Subject>,
    ) -> Result<(), StoreError> {
        match keep(connection, self.attempt, (self.answer)(outcome), persons)? {
            true => Ok(()),
            false => Err(StoreError::Contended),
        }
    }
}

impl Registry {
    /// Claims a key of a member of staff for a request, for `lease_ms` at first; an answer is given again only if those
    /// whom it shows are within reach and the viewer sees as who did it saw then. `request` is all that makes two requests
    /// the same: method, target, version that was seen, body.
    ///
    /// # Errors
    /// As the store says.
    pub async fn attempt(
        &self,
        by: StaffId,
        key: &str,
        request: &[&[u8]],
        lease_ms: i64,
        viewer: Viewer,
        now: Instant,
    ) -> Result<Attempted, StoreError> {
        let hashed = hash(&[by.as_bytes(), key.as_bytes()]);
        let parts: Vec<&[u8]> = [key.as_bytes()].into_iter().chain(request.iter().copied()).collect();
        let request = hash(&parts);
        let attempt = Attempt { key: hashed, id: Blob(random()?) };
        let attempted = self
            .database
            .write(move |connection| claim(connection, by, &attempt, request, lease_ms, &viewer, now))
            .await?;
        if matches!(attempted, Attempted::New(_)) {
            self.database.write_later(move |connection| forget(connection, now));
        }
        Ok(attempted)
    }

    /// Keeps the answer of an attempt that was not kept with what it did; nothing if it was. `persons` are those whom it
    /// shows.
    ///
    /// # Errors
    /// As the store says: then the next attempt does it again.
    pub async fn keep_answer(
        &self,
        attempt: Attempt,
        answer: KeptAnswer,
        persons: BTreeSet<Subject>,
    ) -> Result<(), StoreError> {
        let kept = self.database.write(move |connection| keep(connection, attempt, answer.clone(), &persons));
        kept.await.map(|_| ())
    }

    /// Gives up the claim of an attempt that did nothing, so that the next need not wait; nothing if it was done.
    ///
    /// # Errors
    /// As the store says: then the next attempt waits until the claim ends by itself.
    pub async fn release(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.database
            .write(move |connection| {
                let mine = idempotency::key.eq(attempt.key).and(idempotency::attempt.eq(attempt.id));
                diesel::delete(idempotency::table.filter(mine.and(idempotency::status.is_null())))
                    .execute(connection)?;
                Ok(())
            })
            .await
    }
}

/// Status, content type, location, entity tag and body: none while the attempt is under way.
type StoredAnswer = (Option<i32>, Option<String>, Option<String>, Option<String>, Option<Vec<u8>>);

#[derive(Queryable)]
struct Row {
    request: HashBlob,
    lease_until: i64,
    begun_at: i64,
    answer: StoredAnswer,
    persons: Vec<u8>,
    sees: Vec<u8>,
}

fn claim(
    connection: &mut Connection,
    by: StaffId,
    attempt: &Attempt,
    request: HashBlob,
    lease_ms: i64,
    viewer: &Viewer,
    now: Instant,
) -> Result<Attempted, StoreError> {
    let lease_until = now.plus_ms(lease_ms).ms();
    let sees = hash(&[viewer.rights.as_bytes()]).0;
    let columns = (
        idempotency::request,
        idempotency::lease_until,
        idempotency::begun_at,
        (idempotency::status, idempotency::content_type, idempotency::location, idempotency::etag, idempotency::body),
        idempotency::persons,
        idempotency::sees,
    );
    let this = idempotency::table.find(attempt.key);
    let found: Option<Row> = this.select(columns).get_result(connection).optional()?;
    if let Some(row) = found {
        if row.begun_at > now.plus_ms(-KEPT_MS).ms() {
            if row.request != request {
                return Ok(Attempted::OtherRequest);
            }
            let (status, content_type, location, etag, body) = row.answer;
            if let Some(status) = status {
                let persons: BTreeSet<_> = split_persons(&row.persons).collect();
                if !persons.iter().all(|person| viewer.reach.contains(person.scope)) {
                    return Ok(Attempted::OutOfReach);
                }
                if row.sees != sees {
                    return Ok(Attempted::SeenOtherwise);
                }
                if !persons.is_empty() {
                    note(connection, &Step { persons, ..Step::new(now, Some(by), "replay") })?;
                }
                let status = u16::try_from(status)
                    .map_err(|_| StoreError::Unreadable(format!("an answer was kept with the status {status}")))?;
                return Ok(Attempted::Kept(KeptAnswer { status, content_type, location, etag, body }));
            }
            if row.lease_until > now.ms() {
                let retry_after_s = u32::try_from((row.lease_until - now.ms() + 999) / 1_000).unwrap_or(u32::MAX);
                return Ok(Attempted::UnderWay { retry_after_s });
            }
        }
        // Too old, or of an attempt that was lost: nothing of it is kept.
        diesel::delete(this).execute(connection)?;
    }
    let row = (
        idempotency::key.eq(attempt.key),
        idempotency::request.eq(request),
        idempotency::attempt.eq(attempt.id),
        idempotency::lease_until.eq(lease_until),
        idempotency::begun_at.eq(now.ms()),
        idempotency::persons.eq([].as_slice()),
        idempotency::sees.eq(sees.as_slice()),
    );
    let insert = diesel::insert_into(idempotency::table).values(row).on_conflict_do_nothing();
    if on_each!(connection, |one| insert.execute(one))? == 0 {
        return Err(StoreError::Contended); // another node was first: the next attempt sees its row
    }
    Ok(Attempted::New(*attempt))
}

/// Keeps an answer; false if the attempt is no longer the one that may, or the answer is there already.
fn keep(
    connection: &mut Connection,
    attempt: Attempt,
    answer: KeptAnswer,
    persons: &BTreeSet<Subject>,
) -> Result<bool, StoreError> {
    let KeptAnswer { status, content_type, location, etag, body } = answer;
    let mine = idempotency::key.eq(attempt.key).and(idempotency::attempt.eq(attempt.id));
    let row = (
        idempotency::status.eq(Some(i32::from(status))),
        idempotency::content_type.eq(content_type),
        idempotency::location.eq(location),
        idempotency::etag.eq(etag),
        idempotency::body.eq(body.filter(|body| body.len() <= LARGEST_KEPT_ANSWER)),
        idempotency::persons.eq(join_persons(&persons.iter().collect::<Vec<_>>())),
    );
    let changed = diesel::update(idempotency::table.filter(mine.and(idempotency::status.is_null()))).set(row);
    Ok(changed.execute(connection)? == 1)
}

/// Forgets some of what is too old.
fn forget(connection: &mut Connection, now: Instant) -> Result<(), StoreError> {
    let old = idempotency::table.filter(idempotency::begun_at.le(now.plus_ms(-KEPT_MS).ms()));
    let old = old.select(idempotency::key).order(idempotency::begun_at).limit(FORGOTTEN_AT_ONCE);
    let old: Vec<HashBlob> = old.load(connection)?;
    if !old.is_empty() {
        diesel::delete(idempotency::table.filter(idempotency::key.eq_any(old))).execute(connection)?;
    }
    Ok(())
}

/// SHA-256 over parts, each with its length, so that no two lists of parts are the same bytes.
fn hash(parts: &[&[u8]]) -> HashBlob {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Blob(hash.finalize().into())
}
