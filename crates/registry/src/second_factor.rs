//! The second factor of staff: one-time codes by the clock (TOTP, RFC 6238; SHA-1, six digits, thirty seconds, which is
//! what authenticator apps read).
//!
//! A secret counts once its owner has shown a code of it. Codes are computed from it, so it is kept, sealed to the
//! registry's key and bound to its owner; without the key no code is right or wrong, and nobody comes in who needs one.
//!
//! **Invariant:** a code is good once: the step of the last one that was taken is kept, and none before it is taken again.

use crate::administration::{AdministerError, find_staff};
use crate::audit::{Step, note};
use crate::database::{Connection, Id, StoreError, fails_as_the_store_does};
use crate::entropy::random;
use crate::precinct::Precinct;
use crate::registry::Registry;
use crate::sealing::{self, at_rest};
use crate::session::end_all;
use crate::sign_in::count_failure;
use crate::tables::{second_factor, session};
use diesel::prelude::*;
use gridwork_domain::id::{SessionId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_sealing::{Keyring, Purpose};
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds for which a code holds.
const STEP_S: u64 = 30;
/// Codes before and after the one of now that are taken: clocks differ, and people type slowly.
const SKEW: u16 = 1;
/// Bytes of a secret: those of the hash (RFC 4226, 4).
const SECRET_BYTES: usize = 20;

/// A secret, to be shown to its owner this once.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// In base32, for typing.
    pub secret: String,
    /// As an `otpauth` URI, for scanning.
    pub uri: String,
}

/// Why there is no second factor.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecondFactorError {
    /// There is one already.
    #[error("you have a second factor: an administrator removes it for you if it is lost")]
    Exists,
    /// None was begun.
    #[error("there is no secret to confirm: begin first")]
    NotBegun,
    /// Not a code of now, or one that was used.
    #[error("this is not the code of now, or it was used before")]
    Code,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(SecondFactorError);

impl From<diesel::result::Error> for SecondFactorError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Registry {
    /// A new secret, which counts once a code of it was shown; the one before that was not confirmed is forgotten.
    ///
    /// # Errors
    /// [`SecondFactorError::Exists`].
    pub async fn begin_second_factor(&self, of: StaffId, now: Instant) -> Result<NewSecret, SecondFactorError> {
        let secret: [u8; SECRET_BYTES] = random()?;
        let sealed = at_rest::seal(&self.sealing, Purpose::SecondFactor, of.into(), &secret)?;
        let sign_in = self.database.write(move |connection| {
            if has_second_factor(connection, of)? {
                return Err(SecondFactorError::Exists);
            }
            let staff = find_staff(connection, of)?.ok_or(SecondFactorError::NotBegun)?;
            let this = second_factor::table.find(Id::from(of));
            diesel::delete(this).execute(connection)?;
            let row = (
                second_factor::staff.eq(Id::from(of)),
                second_factor::secret.eq(&sealed),
                second_factor::made_at.eq(now.ms()),
                second_factor::last_step.eq(0),
            );
            diesel::insert_into(second_factor::table).values(row).execute(connection)?;
            Ok(staff.sign_in)
        });
        let sign_in = sign_in.await?;
        let secret = Secret::from(secret).to_base32();
        // A sign-in has no character that a URI would have to escape.
        let uri = format!("otpauth://totp/Gridwork:{sign_in}?secret={secret}&issuer=Gridwork");
        Ok(NewSecret { secret, uri })
    }

    /// Confirms the secret with a code; the session counts from then on as one that was begun with both.
    ///
    /// # Errors
    /// [`SecondFactorError`]; a wrong code counts as a wrong password.
    pub async fn confirm_second_factor(
        &self,
        of: StaffId,
        session: SessionId,
        code: String,
        now: Instant,
    ) -> Result<(), SecondFactorError> {
        let keys = self.sealing.clone();
        let confirmed = self.database.write(move |connection| {
            match secret_of(connection, of)? {
                None => return Err(SecondFactorError::NotBegun),
                Some((_, true)) => return Err(SecondFactorError::Exists),
                Some((_, false)) => {}
            }
            if is_locked(connection, of, now)? {
                return Ok(false);
            }
            if !use_code(connection, &keys, of, &code, now)? {
                // Not an error of the write: it would take the count back.
                count_failure(connection, of, now)?;
                return Ok(false);
            }
            diesel::update(second_factor::table.find(Id::from(of)))
                .set(second_factor::confirmed_at.eq(Some(now.ms())))
                .execute(connection)?;
            diesel::update(session::table.find(Id::from(session)))
                .set(session::second_factor.eq(true))
                .execute(connection)?;
            let step = Step::new(now, Some(of), "confirm-second-factor");
            note(connection, &Step { subject: Some(of.as_bytes()), ..step })?;
            Ok(true)
        });
        if confirmed.await? { Ok(()) } else { Err(SecondFactorError::Code) }
    }

    /// Removes the second factor of somebody who lost it; all their sessions end.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`] outside the precinct, [`AdministerError::Oneself`].
    pub async fn remove_second_factor(
        &self,
        by: StaffId,
        within: Precinct,
        of: StaffId,
        now: Instant,
    ) -> Result<(), AdministerError> {
        self.database
            .write(move |connection| {
                within.must_administer(connection, of, now)?;
                if by == of {
                    return Err(AdministerError::Oneself);
                }
                diesel::delete(second_factor::table.find(Id::from(of))).execute(connection)?;
                end_all(connection, of, None, Some(by), now)?;
                let step = Step::new(now, Some(by), "remove-second-factor");
                Ok(note(connection, &Step { subject: Some(of.as_bytes()), ..step })?)
            })
            .await
    }
}

/// Whether somebody has a second factor that counts.
///
/// # Errors
/// As the store says.
pub(crate) fn has_second_factor(connection: &mut Connection, of: StaffId) -> Result<bool, StoreError> {
    Ok(secret_of(connection, of)?.is_some_and(|(_, confirmed)| confirmed))
}

/// Takes a code, if it is one of now and none since it was taken.
///
/// # Errors
/// [`StoreError::KeyMissing`] and [`StoreError::Unreadable`] if the secret cannot be opened: then no code is taken.
pub(crate) fn use_code(
    connection: &mut Connection,
    keys: &Keyring,
    of: StaffId,
    code: &str,
    now: Instant,
) -> Result<bool, StoreError> {
    let Some((sealed, _)) = secret_of(connection, of)? else { return Ok(false) };
    let damaged = |error| StoreError::Unreadable(format!("the second factor of {of} cannot be opened: {error}"));
    let ever_sealed_to = |key| sealing::ever_sealed_to(connection, key);
    let opened = at_rest::open(keys, Purpose::SecondFactor, of.into(), &sealed, ever_sealed_to)?;
    let secret = opened.map_err(damaged)?;
    let Some(step) = step_of(secret, code, now) else { return Ok(false) };
    // Of two who come with one code at the same time the other finds that it was taken.
    let unused = second_factor::table.find(Id::from(of)).filter(second_factor::last_step.lt(step));
    Ok(diesel::update(unused).set(second_factor::last_step.eq(step)).execute(connection)? == 1)
}

/// The step around now of which this is the code.
fn step_of(secret: Vec<u8>, code: &str, now: Instant) -> Option<i64> {
    let now_s = u64::try_from(now.ms() / 1_000).ok()?;
    i64::try_from(authenticator(secret)?.check(code, now_s)?).ok()
}

fn authenticator(secret: Vec<u8>) -> Option<Totp> {
    let form = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(STEP_S);
    form.with_skew(SKEW).with_secret(secret).build().ok()
}

fn secret_of(connection: &mut Connection, of: StaffId) -> Result<Option<(Vec<u8>, bool)>, StoreError> {
    let found: Option<(Vec<u8>, Option<i64>)> = second_factor::table
        .find(Id::from(of))
        .select((second_factor::secret, second_factor::confirmed_at))
        .get_result(connection)
        .optional()?;
    Ok(found.map(|(secret, confirmed_at)| (secret, confirmed_at.is_some())))
}

fn is_locked(connection: &mut Connection, of: StaffId, now: Instant) -> Result<bool, StoreError> {
    let this = crate::tables::staff::table.find(Id::from(of)).select(crate::tables::staff::locked_until);
    let until: Option<Option<i64>> = this.get_result(connection).optional()?;
    Ok(until.flatten().is_some_and(|until| now.ms() < until))
}

/// The code of an instant, for tests that play the authenticator app.
#[cfg(test)]
pub(crate) fn code_at(secret: &str, at: Instant) -> String {
    let secret = Secret::try_from_base32(secret).expect("base32").as_bytes().to_vec();
    let totp = authenticator(secret).expect("a secret of that length");
    totp.generate(u64::try_from(at.ms() / 1_000).expect("after 1970")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six of eight digits.
        let secret = || b"12345678901234567890".to_vec();
        for (at_s, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            let at = Instant::from_ms(at_s * 1_000);
            assert_eq!(step_of(secret(), code, at), Some(at_s / 30));
            assert_eq!(step_of(secret(), code, at.plus_ms(30_000)), Some(at_s / 30), "a slow typist");
            assert_eq!(step_of(secret(), code, at.plus_ms(60_000)), None, "too late");
            assert_eq!(step_of(secret(), "000000", at), None);
        }
    }
}
