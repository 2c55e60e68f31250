//! What the registry seals to its own key before it becomes a row: secrets of second factors, and the bytes of changes that
//! wait or were refused, which may hold what nobody was to write down.
//!
//! **Invariant:** without the key nothing passes for opened, and the log says which key is missing, and of what; what is
//! damaged never passes for what another key opens.

use crate::database::{Id, StoreError};
use crate::entropy::random;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::sealed_number::{KeyId, SealedNumber};
use gridwork_sealing::{Keyring, OpenError, Purpose, sealed_to};

/// Seals what is kept for a purpose under an id.
///
/// # Errors
/// [`StoreError::NoKeys`], [`StoreError::Entropy`].
pub(crate) fn seal(keys: &Keyring, purpose: Purpose, id: Id, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let key = keys.current().ok_or(StoreError::NoKeys)?;
    Ok(key.seal_at_rest(purpose, &id.0, plain, random()?))
}

/// Opens what was sealed for the same purpose and id; the inner error says that it is damaged. So is what names a key that
/// is not here and to which this registry, by what it says of an id, never sealed.
///
/// # Errors
/// [`StoreError::KeyMissing`], and as the store says.
pub(crate) fn open(
    keys: &Keyring,
    purpose: Purpose,
    id: Id,
    sealed: &[u8],
    ever_sealed_to: impl FnOnce(KeyId) -> Result<bool, StoreError>,
) -> Result<Result<Vec<u8>, OpenError>, StoreError> {
    let error = match keys.open_at_rest(purpose, &id.0, sealed) {
        Ok(opened) => return Ok(Ok(opened)),
        Err(error) => error,
    };
    let row = uuid(id);
    match (error, sealed_to(sealed)) {
        (OpenError::UnknownKey, Some(key)) if ever_sealed_to(key)? => {
            tracing::error!(
                ?purpose,
                id = row,
                %key,
                "{error}: put back the file sealing-keys, or give all nodes the same GRIDWORK_SEALING_KEYS, and start again"
            );
            Err(StoreError::KeyMissing(key))
        }
        _ => {
            tracing::error!(?purpose, id = row, "what was sealed is damaged: no key of this registry opens it");
            Ok(Err(OpenError::DoesNotOpen))
        }
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
