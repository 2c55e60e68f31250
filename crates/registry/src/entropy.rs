//! Random bytes from the operating system.

use crate::database::StoreError;

/// Random bytes.
///
/// # Errors
/// [`StoreError::Entropy`] if the operating system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::Entropy)?;
    Ok(bytes)
}
