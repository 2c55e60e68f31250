//! A sealed citizen number: its bytes and their spelling. What is inside is not known here.
//!
//! 75 bytes, written as 100 characters of base64url (RFC 4648, 5) without padding:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | id of the key that it is sealed to: the first bytes of the SHA-256 of the public key |
//! | 1 | algorithm: 1 is HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM |
//! | 32 | encapsulated key |
//! | 34 | ciphertext of the 18 characters, with its tag of 16 bytes |
//!
//! **Invariant:** each sealed value has one spelling, and its form is known without any key.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use std::fmt;
use std::str::FromStr;

/// Bytes of a sealed number.
pub const SEALED_BYTES: usize = 75;
/// Characters of its spelling.
pub const SEALED_LENGTH: usize = 100;
/// Characters of a spelling that is read at most: browsers spell base64 with padding.
pub const LONGEST_SPELLING: usize = 104;
/// The algorithm of this release.
pub const HPKE_X25519_SHA256_AES128GCM: u8 = 1;

const KEY_ID_BYTES: usize = 8;
const ENCAPSULATED_AT: usize = KEY_ID_BYTES + 1;
const CIPHERTEXT_AT: usize = ENCAPSULATED_AT + 32;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const WEB: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);
const CLASSIC: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_PADDING);

/// The id of a key: its public part's first eight bytes of SHA-256. Written as 11 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

/// A citizen number that only the registry can open.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealedNumber([u8; SEALED_BYTES]);

/// Why a text is no sealed number. It never repeats the text, which may be a number in the clear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealedNumberError {
    /// Not base64 of so many bytes.
    #[error(
        "is not a sealed citizen number: a number is sealed with the key of GET /v1/sealing-key before it is saved or \
         sent, never given in the clear"
    )]
    NotSealed,
    /// An algorithm of another release.
    #[error("is sealed by the algorithm {0}, which this release does not know: seal it by algorithm 1")]
    Algorithm(u8),
}

impl SealedNumber {
    /// Puts the parts together, for the algorithm of this release.
    pub fn new(key: KeyId, encapsulated: &[u8; 32], ciphertext: &[u8; 34]) -> Self {
        let mut bytes = [0; SEALED_BYTES];
        bytes[..KEY_ID_BYTES].copy_from_slice(&key.0);
        bytes[KEY_ID_BYTES] = HPKE_X25519_SHA256_AES128GCM;
        bytes[ENCAPSULATED_AT..CIPHERTEXT_AT].copy_from_slice(encapsulated);
        bytes[CIPHERTEXT_AT..].copy_from_slice(ciphertext);
        Self(bytes)
    }

    /// The key that it is sealed to.
    pub fn key(&self) -> KeyId {
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&self.0[..KEY_ID_BYTES]);
        KeyId(id)
    }

    /// The encapsulated key, 32 bytes.
    pub fn encapsulated(&self) -> &[u8] {
        &self.0[ENCAPSULATED_AT..CIPHERTEXT_AT]
    }

    /// The ciphertext with its tag, 34 bytes.
    pub fn ciphertext(&self) -> &[u8] {
        &self.0[CIPHERTEXT_AT..]
    }
}

impl FromStr for SealedNumber {
    type Err = SealedNumberError;

    /// Reads base64 or base64url, with or without padding.
    fn from_str(text: &str) -> Result<Self, SealedNumberError> {
        let text = Some(text).filter(|text| text.len() <= LONGEST_SPELLING).ok_or(SealedNumberError::NotSealed)?;
        let bytes = WEB.decode(text).or_else(|_| CLASSIC.decode(text)).ok();
        let bytes: [u8; SEALED_BYTES] =
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(SealedNumberError::NotSealed)?;
        match bytes[KEY_ID_BYTES] {
            HPKE_X25519_SHA256_AES128GCM => Ok(Self(bytes)),
            other => Err(SealedNumberError::Algorithm(other)),
        }
    }
}

impl fmt::Display for SealedNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SealedNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedNumber(to {})", self.key())
    }
}

impl FromStr for KeyId {
    type Err = SealedNumberError;

    fn from_str(text: &str) -> Result<Self, SealedNumberError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(SealedNumberError::NotSealed)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as PADDED;

    fn sealed() -> SealedNumber {
        SealedNumber::new(KeyId([0xfb; 8]), &[0xff; 32], &[0x3e; 34])
    }

    #[test]
    fn every_spelling_of_base64_is_read_and_one_is_written() {
        let spelled = sealed().to_string();
        assert_eq!(spelled.len(), SEALED_LENGTH);
        let standard = PADDED.encode(sealed().0);
        assert!(standard.contains('/') && !spelled.contains('/'));
        for text in [spelled.clone(), standard] {
            let read: SealedNumber = text.parse().expect("a sealed number");
            assert_eq!((read.to_string(), read.key()), (spelled.clone(), KeyId([0xfb; 8])));
            assert_eq!((read.encapsulated(), read.ciphertext()), (&[0xff; 32][..], &[0x3e; 34][..]));
        }
    }

    #[test]
    fn a_number_in_the_clear_is_refused_with_what_to_do_and_never_repeated() {
        for text in ["11010519491231002X", "", "x", &"A".repeat(99), &"A".repeat(101), &"A".repeat(2_000)] {
            let error = text.parse::<SealedNumber>().expect_err("refused");
            assert_eq!(error, SealedNumberError::NotSealed, "{text}");
            assert!(!error.to_string().contains("1949") && error.to_string().contains("/v1/sealing-key"));
        }
        let mut other = sealed().0;
        other[8] = 2;
        let refused = URL_SAFE_NO_PAD.encode(other).parse::<SealedNumber>();
        assert_eq!(refused, Err(SealedNumberError::Algorithm(2)));
    }
}
