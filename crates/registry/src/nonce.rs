//! Nonces of signed requests: each is used once.
//!
//! **Invariant:** a nonce is remembered for as long as a proof with it is fresh, also over a crash: it is used up in the
//! transaction of what its request does.

use crate::database::{Connection, Id, StoreError, on_each};
use crate::tables::nonce;
use diesel::prelude::*;
use gridwork_domain::id::DeviceId;
use gridwork_domain::instant::Instant;
use gridwork_sync::proof::MAX_AGE_S;

/// The nonce of a signed request, with the time that its signature names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce {
    /// Random bytes, for this request alone.
    pub bytes: [u8; 16],
    /// When it was signed: seconds since 1970-01-01 UTC.
    pub created_s: i64,
}

/// Uses up a nonce, and forgets those of the device that no proof can be fresh with any more; returns whether it was new.
///
/// # Errors
/// As the store says.
pub(crate) fn use_nonce(
    connection: &mut Connection,
    device: DeviceId,
    new: Nonce,
    now: Instant,
) -> Result<bool, StoreError> {
    // Twice the age: a clock of this machine that was set forward and back forgets none that counts.
    let too_old = now.ms() / 1_000 - 2 * MAX_AGE_S as i64;
    // The device's own alone: those of others are locked by their requests.
    let used_up = nonce::table.filter(nonce::device.eq(Id::from(device)).and(nonce::created_s.lt(too_old)));
    diesel::delete(used_up).execute(connection)?;
    let row =
        (nonce::device.eq(Id::from(device)), nonce::bytes.eq(new.bytes.as_slice()), nonce::created_s.eq(new.created_s));
    let insert = diesel::insert_into(nonce::table).values(row).on_conflict_do_nothing();
    Ok(on_each!(connection, |one| insert.execute(one))? == 1)
}
