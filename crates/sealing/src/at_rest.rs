//! What a registry keeps for itself in rows that others may come to read: sealed to its own key before it is written.
//!
//! The id of the key, 8 bytes; 1 for the algorithm, as for numbers; the encapsulated key, 32 bytes; the ciphertext with
//! its tag of 16 bytes. The purpose is HPKE's `info` and the 16 bytes of whose it is are its associated data.
//!
//! **Invariant:** what was sealed for one purpose and one id opens for no other.

use gridwork_domain::sealed_number::{HPKE_X25519_SHA256_AES128GCM, KeyId};

/// Bytes that sealing adds.
pub const AT_REST_OVERHEAD: usize = CIPHERTEXT_AT + 16;

const ALGORITHM_AT: usize = 8;
const ENCAPSULATED_AT: usize = ALGORITHM_AT + 1;
const CIPHERTEXT_AT: usize = ENCAPSULATED_AT + 32;

/// For what something is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The secret of a second factor; it is bound to whose it is.
    SecondFactor,
    /// The bytes of a change that waits or was refused; they are bound to the id by which it is named.
    KeptChange,
}

impl Purpose {
    pub(crate) const fn info(self) -> &'static [u8] {
        match self {
            Self::SecondFactor => b"gridwork second factor 1",
            Self::KeptChange => b"gridwork kept change 1",
        }
    }
}

/// The key to which this is sealed; none if it is nothing that was sealed.
pub fn sealed_to(sealed: &[u8]) -> Option<KeyId> {
    split(sealed).map(|(key, ..)| key)
}

pub(crate) fn join(key: KeyId, encapsulated: &[u8; 32], ciphertext: &[u8]) -> Vec<u8> {
    [&key.0[..], &[HPKE_X25519_SHA256_AES128GCM], encapsulated, ciphertext].concat()
}

/// Key, encapsulated key and ciphertext.
pub(crate) fn split(sealed: &[u8]) -> Option<(KeyId, &[u8], &[u8])> {
    let key = KeyId(*sealed.first_chunk()?);
    let is_known = sealed.len() >= AT_REST_OVERHEAD && sealed[ALGORITHM_AT] == HPKE_X25519_SHA256_AES128GCM;
    is_known.then(|| (key, &sealed[ENCAPSULATED_AT..CIPHERTEXT_AT], &sealed[CIPHERTEXT_AT..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keyring, OpenError};

    const SECRET: &[u8] = b"twenty bytes of that";

    fn keys() -> Keyring {
        Keyring::new([[7; 32], [8; 32]])
    }

    fn sealed() -> Vec<u8> {
        keys().current().expect("a key").seal_at_rest(Purpose::SecondFactor, &[1; 16], SECRET, [3; 32])
    }

    #[test]
    fn what_is_sealed_for_one_purpose_and_one_person_opens_for_no_other() {
        let sealed = sealed();
        assert_eq!(sealed.len(), SECRET.len() + AT_REST_OVERHEAD);
        assert!(!sealed.windows(4).any(|part| part == &SECRET[..4]));
        assert_eq!(keys().open_at_rest(Purpose::SecondFactor, &[1; 16], &sealed).as_deref(), Ok(SECRET));
        let elsewhere = keys().open_at_rest(Purpose::SecondFactor, &[2; 16], &sealed);
        assert_eq!(elsewhere, Err(OpenError::DoesNotOpen));
        let otherwise = keys().open_at_rest(Purpose::KeptChange, &[1; 16], &sealed);
        assert_eq!(otherwise, Err(OpenError::DoesNotOpen));
    }

    #[test]
    fn it_opens_as_long_as_its_key_is_there_and_names_it_otherwise() {
        let rotated = keys().rotated([9; 32]);
        assert_eq!(rotated.open_at_rest(Purpose::SecondFactor, &[1; 16], &sealed()).as_deref(), Ok(SECRET));
        let strange = Keyring::new([[1; 32], [2; 32]]).open_at_rest(Purpose::SecondFactor, &[1; 16], &sealed());
        assert_eq!(strange, Err(OpenError::UnknownKey));
        assert_eq!(sealed_to(&sealed()), keys().current().map(|key| key.id()));
    }

    #[test]
    fn any_changed_or_missing_byte_keeps_it_shut() {
        for at in 0..sealed().len() {
            let mut changed = sealed();
            changed[at] ^= 1;
            assert!(keys().open_at_rest(Purpose::SecondFactor, &[1; 16], &changed).is_err(), "{at}");
            assert!(keys().open_at_rest(Purpose::SecondFactor, &[1; 16], &sealed()[..at]).is_err(), "{at}");
        }
    }
}
