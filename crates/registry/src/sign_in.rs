//! Signing in with a name and a password.
//!
//! Passwords are kept as argon2id hashes (RFC 9106) with the library's default cost: 19 MiB, two passes.
//!
//! Who has a second factor shows a code of it, too; a wrong one counts as a wrong password, and only both right together
//! take back the count.
//!
//! **Invariant:** an unknown name costs what a wrong password costs, and neither says which it was.

use crate::audit::{Step, note};
use crate::database::{Id, StoreError, Waiting};
use crate::registry::Registry;
use crate::second_factor::{has_second_factor, use_code};
use crate::tables::staff;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use diesel::prelude::*;
use gridwork_domain::id::StaffId;
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Staff;
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
    /// This is who; and whether they showed a second factor.
    Proven(Staff, bool),
}

type Found = (Id, String, Option<String>, i32, Option<i64>);

impl Registry {
    /// The member of staff with this name and password, and with a one-time code if they have a second factor.
    ///
    /// # Errors
    /// As the store says; [`StoreError::Overloaded`] if too many sign in at once.
    pub async fn sign_in(&self, with: SignIn, now: Instant) -> Result<SignedIn, StoreError> {
        let SignIn { name, password, code } = with;
        let sign_in = name.clone();
        let found = self.database.read(move |connection| {
            let found: Option<Found> = staff::table
                .filter(staff::sign_in.eq(sign_in))
                .select((staff::id, staff::name, staff::password_hash, staff::failures, staff::locked_until))
                .get_result(connection)
                .optional()?;
            Ok::<_, StoreError>(found)
        });
        let found = found.await?;
        let hash = found.as_ref().and_then(|(_, _, hash, ..)| hash.clone());
        let has_password = hash.is_some();
        let right = self.hash(move || is_password(&password, hash.as_deref().unwrap_or(&NOBODY))).await?;
        let Some((id, staff_name, _, failures, locked_until)) = found.filter(|_| has_password) else {
            return Ok(SignedIn::Refused);
        };
        let locked = locked_until.is_some_and(|until| now.ms() < until);
        if locked {
            return Ok(SignedIn::Refused);
        }
        let id = StaffId::from(id);
        if !right {
            self.note_failure(id, now);
            return Ok(SignedIn::Refused);
        }
        let has_factor = self.database.read(move |connection| has_second_factor(connection, id)).await?;
        if has_factor {
            let Some(code) = code else { return Ok(SignedIn::CodeNeeded) };
            if !self.database.write(move |connection| use_code(connection, id, &code, now)).await? {
                self.note_failure(id, now);
                return Ok(SignedIn::Refused);
            }
        }
        if failures > 0 {
            self.database.write_later(move |connection| {
                diesel::update(staff::table.find(Id::from(id))).set(staff::failures.eq(0)).execute(connection)?;
                Ok(())
            });
        }
        Ok(SignedIn::Proven(Staff { id, name: staff_name, sign_in: name }, has_factor))
    }

    /// Counts a wrong password, without waiting for it: an unknown name has nothing to wait for either.
    pub(crate) fn note_failure(&self, of: StaffId, now: Instant) {
        self.database.write_later(move |connection| {
            let this = staff::table.find(Id::from(of));
            // What others guessed meanwhile counts too.
            let failures: i32 = this.select(staff::failures).get_result(connection)?;
            if failures + 1 < MOST_FAILURES {
                diesel::update(this).set(staff::failures.eq(failures + 1)).execute(connection)?;
            } else {
                let until = now.plus_ms(LOCKED_MS).ms();
                let locked = (staff::failures.eq(0), staff::locked_until.eq(Some(until)));
                diesel::update(this).set(locked).execute(connection)?;
                note(connection, &Step { subject: Some(of.as_bytes()), ..Step::new(now, None, "lock-sign-in") })?;
            }
            Ok(())
        });
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
