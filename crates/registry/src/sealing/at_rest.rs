//! What the registry seals to its own key before it becomes a row: secrets of second factors, and the bytes of changes that
//! wait or were refused, which may hold what nobody was to write down.
//!
//! **Invariant:** without the key nothing passes for opened, and the log says which key is missing, and of what.

use crate::database::{Id, StoreError};
use crate::entropy::random;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::sealed_number::SealedNumber;
use gridwork_sealing::{Keyring, OpenError, Purpose, sealed_to};

/// Seals what is kept for a purpose under an id.
///
/// # Errors
/// [`StoreError::NoKeys`], [`StoreError::Entropy`].
pub(crate) fn seal(keys: &Keyring, purpose: Purpose, id: Id, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let key = keys.current().ok_or(StoreError::NoKeys)?;
    Ok(key.seal_at_rest(purpose, &id.0, plain, random()?))
}

/// Opens what was sealed for the same purpose and id; the inner error says that it is damaged.
///
/// # Errors
/// [`StoreError::KeyMissing`].
pub(crate) fn open(
    keys: &Keyring,
    purpose: Purpose,
    id: Id,
    sealed: &[u8],
) -> Result<Result<Vec<u8>, OpenError>, StoreError> {
    let opened = keys.open_at_rest(purpose, &id.0, sealed);
    let Some(error) = opened.as_ref().err().copied() else { return Ok(opened) };
    tracing::error!(
        ?purpose,
        id = %uuid(id),
        key = sealed_to(sealed).map(tracing::field::display),
        "{error}: put back the file sealing-keys, or give all nodes the same GRIDWORK_SEALING_KEYS, and start again"
    );
    match (error, sealed_to(sealed)) {
        (OpenError::UnknownKey, Some(key)) => Err(StoreError::KeyMissing(key)),
        _ => Ok(opened),
    }
}

/// Seals a citizen number to the key that seals now.
///
/// # Errors
/// [`StoreError::NoKeys`], [`StoreError::Entropy`].
pub(crate) fn seal_number(keys: &Keyring, number: &CitizenNumber) -> Result<SealedNumber, StoreError> {
    Ok(keys.current().ok_or(StoreError::NoKeys)?.seal(number, random()?))
}

/// An id in the log: the 32 digits of its bytes.
pub(crate) fn uuid(id: Id) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
