//! Signing in with a name and a password.
//!
//! Passwords are kept as argon2id hashes (RFC 9106) with the library's default cost: 19 MiB, two passes.
//!
//! Who has a second factor shows a code of it, too; a wrong one counts as a wrong password, and only both right together
//! take back the count.
//!
//! **Invariant:** an unknown name costs what a wrong password costs, and neither says which it was. No answer goes out
//! before its failure is counted, and no password counts for a name that is locked by then.

use crate::audit::{Step, note};
use crate::database::{Blob, Connection, Id, StoreError, Waiting};
use crate::entropy::random;
use crate::registry::Registry;
use crate::second_factor::{has_second_factor, use_code};
use crate::session::{Begun, NewSession, begin};
use crate::tables::{nonce, staff};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use diesel::prelude::*;
use gridwork_domain::id::StaffId;
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Staff, is_sign_in_name};
use gridwork_sealing::Keyring;
use std::sync::LazyLock;

/// Wrong passwords in a row after which a name is locked.
pub(crate) const MOST_FAILURES: i32 = 5;
/// How long it stays locked.
pub(crate) const LOCKED_MS: i64 = 5 * 60 * 1_000;
/// Characters of a password at most: more would only feed the hash.
pub(crate) const LONGEST_PASSWORD: usize = 128;
/// Passwords that are hashed at a time; each takes 19 MiB and a core.
pub(crate) const MOST_HASHING: usize = 2;
/// Requests that wait for their turn to hash at most: at 30 ms each, half a second.
const MOST_WAITING: u64 = 32;

/// What an unknown name's password is compared with.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_password("nobody has this password").unwrap_or_default());

/// With what somebody signs in.
pub struct SignIn {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The one-time code of somebody who has a second factor.
    pub code: Option<String>,
}

/// What came of signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// Name, password or code are not right, or the name is locked after five wrong ones, for five minutes.
    Refused,
    /// Name and password are right, and a one-time code is needed with them.
    CodeNeeded,
    /// This is who; and their session, which begins.
    Proven(Staff, Begun),
}

/// A password that was compared with the hash of somebody's.
pub(crate) struct Tried {
    /// Whose.
    pub(crate) of: StaffId,
    /// The hash.
    pub(crate) hash: String,
    /// Whether it was the right one.
    pub(crate) right: bool,
}

impl Registry {
    /// Begins a session of the member of staff with this name and password, and with a one-time code if they have a second
    /// factor.
    ///
    /// # Errors
    /// As the store says; [`StoreError::Overloaded`] if too many sign in at once.
    pub async fn sign_in(&self, with: SignIn, now: Instant) -> Result<SignedIn, StoreError> {
        let SignIn { name, password, code } = with;
        // What can be nobody's name, such as one with a NUL, which PostgreSQL refuses, is not looked for.
        let name = Some(name).filter(|name| is_sign_in_name(name)).unwrap_or_default();
        let found = self.database.read(move |connection| {
            let this = staff::table.filter(staff::sign_in.eq(name)).select((staff::id, staff::password_hash));
            let found: Option<(Id, Option<String>)> = this.get_result(connection).optional()?;
            Ok::<_, StoreError>(found)
        });
        let known = found.await?.and_then(|(id, hash)| Some((id, hash?)));
        let hash = known.as_ref().map(|(_, hash)| hash.clone());
        let right = self.hash(move || is_password(&password, hash.as_deref().unwrap_or(&NOBODY))).await?;
        let tried = known.map(|(of, hash)| Tried { of: of.into(), hash, right });
        let (new, keys) = (NewSession::draw(now)?, self.sealing.clone());
        let judge =
            move |connection: &mut Connection| judge(connection, &keys, tried.as_ref(), code.as_deref(), &new, now);
        self.database.write(judge).await
    }

    /// Runs `work`, which hashes a password, with not too many others at a time.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] if too many wait already.
    pub(crate) async fn hash<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let waiting = Waiting::enter(&self.counters, |counters| &counters.waiting_hashes, MOST_WAITING)?;
        let turn = self.hashing.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        // The work has the place and the turn: whoever asked may go, and it is still done and still counts.
        let hashing = tokio::task::spawn_blocking(move || {
            let _held = (waiting, turn);
            work()
        });
        hashing.await.map_err(|_| StoreError::Panicked)
    }
}

/// What comes of a password that was tried; of nobody's nothing. Whether the name is locked is read here, after the hash
/// was computed, and a failure is counted here: whoever guesses many at a time is locked out by the first of them. So is
/// whether the hash is still theirs, and whether they have a second factor by now; if all is right, the session begins.
///
/// # Errors
/// As the store says; [`StoreError::KeyMissing`] for a code whose secret cannot be opened here.
pub(crate) fn judge(
    connection: &mut Connection,
    keys: &Keyring,
    tried: Option<&Tried>,
    code: Option<&str>,
    new: &NewSession,
    now: Instant,
) -> Result<SignedIn, StoreError> {
    let open = match tried {
        Some(tried) => find_open(connection, tried, now)?.map(|open| (tried, open)),
        None => None,
    };
    let Some((Tried { of, right, .. }, (name, sign_in, failures))) = open else {
        write_nothing(connection, now)?;
        return Ok(SignedIn::Refused);
    };
    let of = *of;
    let has_factor = *right && has_second_factor(connection, of)?;
    if has_factor && code.is_none() {
        return Ok(SignedIn::CodeNeeded);
    }
    let code = code.filter(|_| has_factor);
    if !right || !code.map_or(Ok(true), |code| use_code(connection, keys, of, code, now))? {
        count_failure(connection, of, now)?;
        return Ok(SignedIn::Refused);
    }
    if failures > 0 {
        diesel::update(staff::table.find(Id::from(of))).set(staff::failures.eq(0)).execute(connection)?;
    }
    let begun = begin(connection, of, new, has_factor, now)?;
    Ok(SignedIn::Proven(Staff { id: of, name, sign_in }, begun))
}

/// Counts a wrong password or code; the last that may be locks the name.
///
/// # Errors
/// As the store says.
pub(crate) fn count_failure(connection: &mut Connection, of: StaffId, now: Instant) -> Result<(), StoreError> {
    let this = staff::table.find(Id::from(of));
    let failures: i32 = this.select(staff::failures).get_result(connection)?;
    if failures + 1 < MOST_FAILURES {
        diesel::update(this).set(staff::failures.eq(failures + 1)).execute(connection)?;
        return Ok(());
    }
    let until = now.plus_ms(LOCKED_MS).ms();
    diesel::update(this).set((staff::failures.eq(0), staff::locked_until.eq(Some(until)))).execute(connection)?;
    note(connection, &Step { subject: Some(of.as_bytes()), ..Step::new(now, None, "lock-sign-in") })
}

/// The name, sign-in and failures of somebody whose name is not locked, if the hash is still theirs.
fn find_open(
    connection: &mut Connection,
    tried: &Tried,
    now: Instant,
) -> Result<Option<(String, String, i32)>, StoreError> {
    let open = staff::table
        .find(Id::from(tried.of))
        .filter(staff::password_hash.eq(Some(&tried.hash)))
        .filter(staff::locked_until.is_null().or(staff::locked_until.le(now.ms())))
        .select((staff::name, staff::sign_in, staff::failures));
    Ok(open.get_result(connection).optional()?)
}

/// Writes what is gone again: who has no failure to be counted waits for the disk as long as who has.
fn write_nothing(connection: &mut Connection, now: Instant) -> Result<(), StoreError> {
    // No device has this id: it is in no version of UUID.
    let (device, bytes): (Id, [u8; 16]) = (Blob([0; 16]), random()?);
    let row = (nonce::device.eq(device), nonce::bytes.eq(bytes.as_slice()), nonce::created_s.eq(now.ms() / 1_000));
    diesel::insert_into(nonce::table).values(row).execute(connection)?;
    diesel::delete(nonce::table.find((device, bytes.as_slice()))).execute(connection)?;
    Ok(())
}

/// The argon2id hash of a password, with a salt of its own.
///
/// # Errors
/// [`StoreError::Entropy`] if there is no salt.
pub(crate) fn hash_password(password: &str) -> Result<String, StoreError> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| StoreError::Entropy)?;
    Ok(hash.to_string())
}

/// Whether a password is the one of that hash.
pub(crate) fn is_password(password: &str, hash: &str) -> bool {
    let longest = LONGEST_PASSWORD * char::MAX.len_utf8();
    password.len() <= longest
        && PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}
