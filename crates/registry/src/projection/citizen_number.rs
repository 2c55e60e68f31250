//! What the rows say of a sealed citizen number: by what it is found, and what of it is shown.
//!
//! **Invariant:** no row, and nothing that is made of rows, holds more of a number than its first and last character. A
//! value that cannot be opened is kept, and says why.

use crate::database::{Blob, HashBlob};
use crate::sealing::is_citizen_number;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::fields::Value;
use gridwork_domain::household::Conflict;
use gridwork_domain::sealed_number::SealedNumber;
use gridwork_sealing::{Keyring, OpenError};

/// What is known of the number of a resident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KnownNumber {
    pub(super) hash: Option<HashBlob>,
    pub(super) shown: Option<String>,
    pub(super) unreadable: Option<String>,
}

/// Opens a sealed number.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn open(keys: &Keyring, sealed: &str) -> Result<CitizenNumber, OpenError> {
    // The guard lets in nothing of another form.
    keys.open(&sealed.parse::<SealedNumber>().map_err(|_| OpenError::DoesNotOpen)?)
}

/// What is known of a sealed number.
pub(super) fn known(keys: &Keyring, sealed: Option<&str>) -> KnownNumber {
    match sealed.map(|sealed| open(keys, sealed)) {
        None => KnownNumber::default(),
        Some(Ok(number)) => {
            let hash = keys.hash(&number).map(Blob);
            KnownNumber { hash, shown: Some(number.masked()), unreadable: None }
        }
        Some(Err(error)) => KnownNumber { unreadable: Some(error.word().to_owned()), ..KnownNumber::default() },
    }
}

/// Whether a conflict is about numbers that are all the same one, each sealed by somebody else.
pub(super) fn agrees<Author>(keys: &Keyring, open_conflict: &Conflict<Author>) -> bool {
    if !is_citizen_number(&open_conflict.path.record, &open_conflict.path.field) {
        return false;
    }
    let number = |value: &Option<Value>| open(keys, value.as_ref()?.as_text()?).ok();
    let mut numbers = open_conflict.alternatives.iter().map(|one| number(&one.value));
    let Some(Some(first)) = numbers.next() else { return false };
    numbers.all(|number| number.as_ref() == Some(&first))
}

/// What is shown of a value in a conflict: nothing that is sealed.
pub(super) fn shown<Author>(keys: &Keyring, open_conflict: &Conflict<Author>, value: &Value) -> Value {
    if !is_citizen_number(&open_conflict.path.record, &open_conflict.path.field) {
        return value.clone();
    }
    let opened = value.as_text().map_or(Err(OpenError::DoesNotOpen), |sealed| open(keys, sealed));
    Value::Text(opened.map_or_else(|error| format!("unreadable: {error}"), |number| number.masked()))
}
