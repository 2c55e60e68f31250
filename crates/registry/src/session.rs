//! Sessions of staff: begun by signing in, kept up by refresh tokens, ended by time, by their owner, or by whoever
//! administers them.
//!
//! A refresh token is 32 random bytes, of which the registry keeps the SHA-256. Each is good once, for the next. One that
//! comes a second time is in two hands, one of them a thief's, and nobody knows which: the session ends (RFC 9700, 4.14.2).
//!
//! One case is not held against anybody: the answer with the next token was lost on the way, and its owner asks again.
//! So a token counts again for [`LOST_ANSWER_MS`], as long as the one that was given for it was never used; that one is
//! superseded, and if it does turn up, it *was* in somebody's hands, and the session ends. A thief gains no time by this:
//! of two who refresh, the one who comes later always ends the session, at the latest at the next refresh.
//!
//! **Invariant:** of the tokens of a session at most one can be used.

use crate::administration::{AdministerError, find_staff};
use crate::audit::{Step, note};
use crate::database::{Connection, HashBlob, Id, StoreError};
use crate::device::token_hash;
use crate::entropy::random;
use crate::precinct::Precinct;
use crate::registry::Registry;
use crate::tables::{refresh_token, session};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::select;
use gridwork_domain::id::{SessionId, StaffId, spell};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Staff;

/// How long a session lasts at most: a shift. After it a person signs in again.
pub(crate) const SESSION_MS: i64 = 12 * 60 * 60 * 1_000;
/// How long a session lasts that is not refreshed: a screen that was left stays open no longer than this.
pub(crate) const IDLE_MS: i64 = 60 * 60 * 1_000;
/// How long a refresh token counts again if its answer was lost: a client that retries does so by then.
pub(crate) const LOST_ANSWER_MS: i64 = 30 * 1_000;
/// Sessions of one person at a time; the one that was used least lately gives way.
pub(crate) const MOST_SESSIONS: usize = 64;
/// How long the row of a session is kept after its end, to be looked up by whoever asks what happened.
const KEPT_MS: i64 = 180 * 24 * 60 * 60 * 1_000;

/// A session that was begun, or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The session.
    pub session: SessionId,
    /// What it is refreshed with, once. It is kept nowhere else.
    pub refresh_token: String,
    /// When it ends, whatever is done meanwhile.
    pub ends_at: Instant,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The session of that member of staff goes on.
    GoesOn(Staff, Begun),
    /// There is no such token, or its session has ended.
    Ended,
    /// The token was used before: the session has ended now.
    Reused,
}

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// When somebody signed in.
    pub begun_at: Instant,
    /// When it was last refreshed.
    pub used_at: Instant,
    /// When it ends, whatever is done meanwhile.
    pub ends_at: Instant,
}

/// The id and the first refresh token of a session that may begin.
pub(crate) struct NewSession {
    id: SessionId,
    token: String,
}

impl NewSession {
    /// Draws them.
    ///
    /// # Errors
    /// [`StoreError::Entropy`].
    pub(crate) fn draw(now: Instant) -> Result<Self, StoreError> {
        Ok(Self { id: SessionId::new(now, random()?), token: draw()? })
    }
}

impl Registry {
    /// Begins a session of a member of staff who has proven who they are in another way than by [`Registry::sign_in`], with
    /// a second factor or without.
    ///
    /// # Errors
    /// As the store says.
    pub async fn begin_session(&self, of: StaffId, second_factor: bool, now: Instant) -> Result<Begun, StoreError> {
        let new = NewSession::draw(now)?;
        self.database.write(move |connection| begin(connection, of, &new, second_factor, now)).await
    }

    /// Goes on with the session of a refresh token, and gives the next token for it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn refresh(&self, token: &str, now: Instant) -> Result<Refreshed, StoreError> {
        let used = token_hash(token);
        // Anybody may send anything: what is no token takes none of the writer's time.
        let known = self.database.read(move |connection| {
            let this = refresh_token::table.find(used).select(refresh_token::hash);
            Ok::<_, StoreError>(select(exists(this)).get_result::<bool>(connection)?)
        });
        if !known.await? {
            return Ok(Refreshed::Ended);
        }
        let next = draw()?;
        self.database.write(move |connection| rotate(connection, used, next.clone(), now)).await
    }

    /// The sessions of a member of staff that have not ended, the latest first.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`] if whoever asks does not administer that person; `None` asks for oneself.
    pub async fn sessions(
        &self,
        within: Option<Precinct>,
        of: StaffId,
        now: Instant,
    ) -> Result<Vec<SessionView>, AdministerError> {
        self.database
            .read(move |connection| {
                if let Some(within) = within {
                    within.must_administer(connection, of, now)?;
                }
                let mut views = live(connection, of, now)?;
                views.sort_by_key(|view| std::cmp::Reverse((view.begun_at, view.id)));
                Ok(views)
            })
            .await
    }

    /// Ends a session of a member of staff, at once and everywhere. Whether there was one to end.
    ///
    /// # Errors
    /// As [`Registry::sessions`].
    pub async fn end_session(
        &self,
        by: StaffId,
        within: Option<Precinct>,
        of: StaffId,
        id: SessionId,
        now: Instant,
    ) -> Result<bool, AdministerError> {
        self.database
            .write(move |connection| {
                if let Some(within) = &within {
                    within.must_administer(connection, of, now)?;
                }
                if find_live(connection, id, of, now)?.is_none() {
                    return Ok(false);
                }
                revoke(connection, id, Some(by), "end-session", now)?;
                Ok(true)
            })
            .await
    }
}

/// Begins a session.
///
/// # Errors
/// As the store says.
pub(crate) fn begin(
    connection: &mut Connection,
    of: StaffId,
    new: &NewSession,
    second_factor: bool,
    now: Instant,
) -> Result<Begun, StoreError> {
    let (id, ends_at) = (new.id, now.plus_ms(SESSION_MS));
    forget(connection, of, now)?;
    give_way(connection, of, now)?;
    let row = (
        session::id.eq(Id::from(id)),
        session::staff.eq(Id::from(of)),
        session::begun_at.eq(now.ms()),
        session::used_at.eq(now.ms()),
        session::ends_at.eq(ends_at.ms()),
        session::second_factor.eq(second_factor),
    );
    diesel::insert_into(session::table).values(row).execute(connection)?;
    insert(connection, id, token_hash(&new.token), None, now)?;
    note(connection, &Step { subject: Some(id.as_bytes()), ..Step::new(now, Some(of), "sign-in") })?;
    Ok(Begun { session: id, refresh_token: new.token.clone(), ends_at })
}

/// Whether a session of that person goes on; if it does, whether a second factor was shown in it.
///
/// # Errors
/// As the store says.
pub(crate) fn find_live(
    connection: &mut Connection,
    id: SessionId,
    of: StaffId,
    now: Instant,
) -> Result<Option<bool>, StoreError> {
    let live = session::table.filter(is_live(id.into(), of.into(), now.ms(), used_after(now)));
    Ok(live.select(session::second_factor).get_result(connection).optional()?)
}

/// When a session was used last, at the earliest, that goes on.
pub(crate) fn used_after(now: Instant) -> i64 {
    now.plus_ms(-IDLE_MS).ms()
}

#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn is_live(id: Id, of: Id, now: i64, used_after: i64) -> _ {
    let own = session::id.eq(id).and(session::staff.eq(of));
    let goes_on = session::revoked_at.is_null().and(session::ends_at.gt(now));
    own.and(goes_on).and(session::used_at.gt(used_after))
}

/// Ends the sessions of a member of staff because the password is another: all, or all but the one in which that was done.
///
/// # Errors
/// As the store says.
pub(crate) fn end_all(
    connection: &mut Connection,
    of: StaffId,
    but: Option<SessionId>,
    by: Option<StaffId>,
    now: Instant,
) -> Result<(), StoreError> {
    // No session has this id: it is in no version of UUID.
    let but = but.unwrap_or(SessionId::from_bytes([0; 16]));
    let theirs = session::table
        .filter(session::staff.eq(Id::from(of)))
        .filter(session::id.ne(Id::from(but)))
        .filter(session::revoked_at.is_null());
    let ended = (session::revoked_at.eq(Some(now.ms())), session::revoked_by.eq(by.map(Id::from)));
    diesel::update(theirs).set(ended).execute(connection)?;
    Ok(())
}

/// 32 random bytes, spelled.
///
/// # Errors
/// [`StoreError::Entropy`].
pub(crate) fn draw() -> Result<String, StoreError> {
    let halves: [[u8; 16]; 2] = [random()?, random()?];
    Ok(format!("{}{}", spell(&halves[0]), spell(&halves[1])))
}

fn rotate(connection: &mut Connection, used: HashBlob, next: String, now: Instant) -> Result<Refreshed, StoreError> {
    let this = refresh_token::table.find(used);
    let id: Option<Id> = this.select(refresh_token::session).get_result(connection).optional()?;
    let Some(id) = id else { return Ok(Refreshed::Ended) };
    // The row of the session is the lock under which its tokens change.
    let going_on = session::table
        .find(id)
        .filter(session::revoked_at.is_null())
        .filter(session::ends_at.gt(now.ms()))
        .filter(session::used_at.gt(now.plus_ms(-IDLE_MS).ms()));
    if diesel::update(going_on).set(session::used_at.eq(now.ms())).execute(connection)? == 0 {
        return Ok(Refreshed::Ended);
    }
    let (used_at, superseded): (Option<i64>, bool) =
        this.select((refresh_token::used_at, refresh_token::superseded)).get_result(connection)?;
    let given_for_it = refresh_token::table.filter(refresh_token::parent.eq(Some(used)));
    match used_at {
        None if !superseded => {
            diesel::update(this).set(refresh_token::used_at.eq(Some(now.ms()))).execute(connection)?;
        }
        Some(at) if !superseded && now.ms() - at <= LOST_ANSWER_MS && !was_used(connection, used)? => {
            diesel::update(given_for_it).set(refresh_token::superseded.eq(true)).execute(connection)?;
        }
        _ => {
            revoke(connection, id.into(), None, "reuse-refresh-token", now)?;
            return Ok(Refreshed::Reused);
        }
    }
    insert(connection, id.into(), token_hash(&next), Some(used), now)?;
    let (staff, ends_at): (Id, i64) =
        session::table.find(id).select((session::staff, session::ends_at)).get_result(connection)?;
    let ends_at = Instant::from_ms(ends_at);
    let Some(staff) = find_staff(connection, staff.into())? else { return Ok(Refreshed::Ended) };
    Ok(Refreshed::GoesOn(staff, Begun { session: id.into(), refresh_token: next, ends_at }))
}

/// Whether a token was used that was given for this one.
fn was_used(connection: &mut Connection, parent: HashBlob) -> Result<bool, StoreError> {
    let used = refresh_token::table
        .filter(refresh_token::parent.eq(Some(parent)))
        .filter(refresh_token::used_at.is_not_null())
        .select(refresh_token::hash);
    Ok(select(exists(used)).get_result(connection)?)
}

fn insert(
    connection: &mut Connection,
    of: SessionId,
    hash: HashBlob,
    parent: Option<HashBlob>,
    now: Instant,
) -> Result<(), StoreError> {
    let row = (
        refresh_token::hash.eq(hash),
        refresh_token::session.eq(Id::from(of)),
        refresh_token::parent.eq(parent),
        refresh_token::issued_at.eq(now.ms()),
        refresh_token::superseded.eq(false),
    );
    diesel::insert_into(refresh_token::table).values(row).execute(connection)?;
    Ok(())
}

fn revoke(
    connection: &mut Connection,
    id: SessionId,
    by: Option<StaffId>,
    action: &str,
    now: Instant,
) -> Result<(), StoreError> {
    let ended = (session::revoked_at.eq(Some(now.ms())), session::revoked_by.eq(by.map(Id::from)));
    diesel::update(session::table.find(Id::from(id))).set(ended).execute(connection)?;
    note(connection, &Step { subject: Some(id.as_bytes()), ..Step::new(now, by, action) })
}

fn live(connection: &mut Connection, of: StaffId, now: Instant) -> Result<Vec<SessionView>, StoreError> {
    let rows: Vec<(Id, i64, i64, i64)> = session::table
        .filter(session::staff.eq(Id::from(of)))
        .filter(session::revoked_at.is_null())
        .filter(session::ends_at.gt(now.ms()))
        .filter(session::used_at.gt(now.plus_ms(-IDLE_MS).ms()))
        .select((session::id, session::begun_at, session::used_at, session::ends_at))
        .load(connection)?;
    let view = |(id, begun_at, used_at, ends_at): (Id, i64, i64, i64)| SessionView {
        id: id.into(),
        begun_at: Instant::from_ms(begun_at),
        used_at: Instant::from_ms(used_at),
        ends_at: Instant::from_ms(ends_at),
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Ends sessions of somebody who has as many as may be.
fn give_way(connection: &mut Connection, of: StaffId, now: Instant) -> Result<(), StoreError> {
    let mut views = live(connection, of, now)?;
    views.sort_by_key(|view| (view.used_at, view.id));
    let too_many = (views.len() + 1).saturating_sub(MOST_SESSIONS);
    views.iter().take(too_many).try_for_each(|view| revoke(connection, view.id, None, "end-session", now))
}

/// Deletes what is of no more use: the tokens of sessions that have ended by now, and somebody's old sessions.
fn forget(connection: &mut Connection, of: StaffId, now: Instant) -> Result<(), StoreError> {
    let ended = refresh_token::issued_at.lt(now.plus_ms(-SESSION_MS).ms());
    diesel::delete(refresh_token::table.filter(ended)).execute(connection)?;
    let old =
        session::table.filter(session::staff.eq(Id::from(of))).filter(session::ends_at.lt(now.plus_ms(-KEPT_MS).ms()));
    diesel::delete(old).execute(connection)?;
    Ok(())
}
