//! The registry's keys: pairs that seal and open, and one key under which numbers are found.
//!
//! Written as words, one to a line or apart by spaces: `lookup:` and `seal:`, each followed by 32 random bytes in base64url
//! without padding. The last `seal:` seals; those before it still open what was sealed to them. The lookup key never
//! changes: numbers are found by it, whatever they were sealed to.
//!
//! **Invariant:** adding a pair changes nothing about what is sealed already.

use crate::public_key::PublicKey;
use crate::{Aead, INFO, Kdf, Kem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::sealed_number::{KeyId, SealedNumber};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use hpke::{Deserializable, OpModeR, single_shot_open};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;

/// Pairs at most: a rotation each month for twenty years.
const MOST_PAIRS: usize = 256;
/// Under what the key of hashes is derived (HKDF, RFC 5869), and under what the id by which the lookup key is named.
const LOOKUP_INFO: &[u8] = b"gridwork citizen number lookup 1";
const LOOKUP_ID_INFO: &[u8] = b"gridwork citizen number lookup id 1";

/// HMAC-SHA256 of a number's 18 characters under the lookup key: the same for the same number, however it was sealed.
pub type NumberHash = [u8; 32];

/// The keys of a registry. They do not show themselves; [`Keyring::to_text`] alone gives them away.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    lookup: Option<[u8; 32]>,
    /// The oldest first.
    pairs: Vec<([u8; 32], PublicKey)>,
}

/// Words that are no keys. What they say is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// A word that is none.
    #[error("word {0} is neither lookup: nor seal: followed by 32 bytes in base64url")]
    Word(usize),
    /// None or several lookup keys.
    #[error("there is exactly one lookup key: without the first one nothing is found any more")]
    Lookup,
    /// No pair, or too many.
    #[error("there are 1 to {MOST_PAIRS} sealing keys")]
    Pairs,
}

/// Why a sealed value is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum OpenError {
    /// Sealed to a key that is not here.
    #[error("sealed to a key that this registry does not have")]
    UnknownKey,
    /// It is not what that key sealed.
    #[error("damaged, or sealed for something else")]
    DoesNotOpen,
    /// It opens, and is no citizen number.
    #[error("what was sealed is not a citizen number")]
    NotANumber,
}

impl OpenError {
    /// The word by which it is kept and told.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::DoesNotOpen => "does_not_open",
            Self::NotANumber => "not_a_number",
        }
    }
}

impl Keyring {
    /// No keys: nothing opens, and nothing is found.
    pub const fn none() -> Self {
        Self { lookup: None, pairs: Vec::new() }
    }

    /// New keys of 64 random bytes.
    pub fn new(random: [[u8; 32]; 2]) -> Self {
        let [lookup, secret] = random;
        Self { lookup: Some(lookup), pairs: Vec::new() }.rotated(secret)
    }

    /// These keys and one more pair, of 32 random bytes, which seals from now on.
    #[must_use]
    pub fn rotated(mut self, random: [u8; 32]) -> Self {
        let public = PublicKey::of(&secret_key(&random));
        self.pairs.push((random, public));
        self
    }

    /// The key that seals; none if there are no keys.
    pub fn current(&self) -> Option<PublicKey> {
        self.pairs.last().map(|(_, public)| *public)
    }

    /// All public keys, the oldest first.
    pub fn public_keys(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.pairs.iter().map(|(_, public)| *public)
    }

    /// The id of the lookup key; none if there are no keys.
    pub fn lookup_id(&self) -> Option<KeyId> {
        self.lookup.map(|lookup| KeyId(derive(&lookup, LOOKUP_ID_INFO)))
    }

    /// Opens a sealed number.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, sealed: &SealedNumber) -> Result<CitizenNumber, OpenError> {
        let pair = self.pairs.iter().find(|(_, public)| public.id() == sealed.key());
        let (secret, _) = pair.ok_or(OpenError::UnknownKey)?;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(sealed.encapsulated());
        let encapsulated = encapsulated.map_err(|_| OpenError::DoesNotOpen)?;
        let (mode, secret) = (OpModeR::<Kem>::Base, secret_key(secret));
        let opened = single_shot_open::<Aead, Kdf, Kem>(&mode, &secret, &encapsulated, INFO, sealed.ciphertext(), b"");
        let opened = opened.map_err(|_| OpenError::DoesNotOpen)?;
        let text = std::str::from_utf8(&opened).map_err(|_| OpenError::NotANumber)?;
        CitizenNumber::parse(text).map_err(|_| OpenError::NotANumber)
    }

    /// The hash by which a number is found; none if there are no keys.
    pub fn hash(&self, number: &CitizenNumber) -> Option<NumberHash> {
        let key: [u8; 32] = derive(&self.lookup?, LOOKUP_INFO);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(number.as_str().as_bytes());
        Some(mac.finalize().into_bytes().into())
    }

    /// The keys in words, one to a line: what is to be kept secret.
    pub fn to_text(&self) -> String {
        let lookup = self.lookup.iter().map(|key| ("lookup", key));
        let pairs = self.pairs.iter().map(|(secret, _)| ("seal", secret));
        let line = |(name, key): (&str, &[u8; 32])| format!("{name}:{}\n", URL_SAFE_NO_PAD.encode(key));
        lookup.chain(pairs).map(line).collect()
    }
}

impl FromStr for Keyring {
    type Err = KeyringError;

    fn from_str(text: &str) -> Result<Self, KeyringError> {
        let mut keys = Self::none();
        for (index, word) in text.split_whitespace().enumerate() {
            let read = |key: &str| URL_SAFE_NO_PAD.decode(key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let (name, key) = word.split_once(':').ok_or(KeyringError::Word(index + 1))?;
            match (name, read(key)) {
                ("lookup", Some(key)) if keys.lookup.is_none() => keys.lookup = Some(key),
                ("lookup", Some(_)) => return Err(KeyringError::Lookup),
                ("seal", Some(secret)) => keys = keys.rotated(secret),
                _ => return Err(KeyringError::Word(index + 1)),
            }
        }
        match (keys.lookup, keys.pairs.len()) {
            (None, _) => Err(KeyringError::Lookup),
            (_, 1..=MOST_PAIRS) => Ok(keys),
            _ => Err(KeyringError::Pairs),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.public_keys().map(|public| public.id())).finish()
    }
}

fn secret_key(bytes: &[u8; 32]) -> <Kem as hpke::Kem>::PrivateKey {
    <Kem as hpke::Kem>::PrivateKey::from_bytes(bytes).expect("any 32 bytes are a secret key of X25519")
}

fn derive<const N: usize>(key: &[u8; 32], info: &[u8]) -> [u8; N] {
    let mut derived = [0; N];
    Hkdf::<Sha256>::new(None, key).expand(info, &mut derived).expect("32 bytes are far below the most of HKDF");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "11010519491231002X";

    fn number() -> CitizenNumber {
        CitizenNumber::parse(NUMBER).expect("a number")
    }

    fn keys() -> Keyring {
        Keyring::new([[7; 32], [8; 32]])
    }

    #[test]
    fn what_is_sealed_opens_again_and_is_never_sealed_twice_alike() {
        let public = keys().current().expect("a key");
        let [one, other] = [1, 2].map(|random| public.seal(&number(), [random; 32]));
        assert_ne!(one, other);
        for sealed in [one, other] {
            assert_eq!(keys().open(&sealed), Ok(number()));
            assert!(!sealed.to_string().contains("1949"));
        }
    }

    #[test]
    fn after_a_rotation_old_values_open_and_new_ones_name_the_new_key() {
        let old = keys().current().expect("a key").seal(&number(), [1; 32]);
        let rotated = keys().rotated([9; 32]);
        let new = rotated.current().expect("a key").seal(&number(), [2; 32]);
        assert_ne!(old.key(), new.key());
        assert_eq!((rotated.open(&old), rotated.open(&new)), (Ok(number()), Ok(number())));
        assert_eq!(keys().open(&new), Err(OpenError::UnknownKey));
        assert_eq!(rotated.hash(&number()), keys().hash(&number()));
        assert_eq!(rotated.lookup_id(), keys().lookup_id());
    }

    #[test]
    fn any_changed_byte_keeps_a_value_from_opening() {
        let sealed = keys().current().expect("a key").seal(&number(), [1; 32]);
        let parts = |sealed: &SealedNumber| {
            let (encapsulated, ciphertext) = (sealed.encapsulated().to_vec(), sealed.ciphertext().to_vec());
            (<[u8; 32]>::try_from(encapsulated).expect("32"), <[u8; 34]>::try_from(ciphertext).expect("34"))
        };
        for byte in 0..34 {
            let (encapsulated, mut ciphertext) = parts(&sealed);
            ciphertext[byte] ^= 1;
            let changed = SealedNumber::new(sealed.key(), &encapsulated, &ciphertext);
            assert_eq!(keys().open(&changed), Err(OpenError::DoesNotOpen), "{byte}");
        }
        let (mut encapsulated, ciphertext) = parts(&sealed);
        encapsulated[0] ^= 1;
        let changed = SealedNumber::new(sealed.key(), &encapsulated, &ciphertext);
        assert_eq!(keys().open(&changed), Err(OpenError::DoesNotOpen));
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_show_nothing_of_themselves() {
        let keys = keys().rotated([9; 32]);
        let text = keys.to_text();
        assert_eq!(text.parse(), Ok(keys.clone()));
        assert_eq!(text.replace('\n', " ").parse(), Ok(keys.clone()));
        let shown = format!("{keys:?}");
        assert!(text.lines().all(|line| !shown.contains(line.split_once(':').expect("a key").1)), "{shown}");
        let lookup = text.lines().next().expect("a line");
        for (wrong, error) in [
            (String::new(), KeyringError::Lookup),
            (text.replacen("lookup", "seal", 1), KeyringError::Lookup),
            (lookup.to_owned(), KeyringError::Pairs),
            (format!("{text}{lookup}"), KeyringError::Lookup),
            (format!("{text}seal:short"), KeyringError::Word(4)),
        ] {
            assert_eq!(wrong.parse::<Keyring>(), Err(error), "{wrong}");
        }
    }

    #[test]
    fn a_point_of_small_order_is_no_key() {
        assert_eq!(PublicKey::from_bytes([0; 32]), Err(crate::NotAKey));
        let current = keys().current().expect("a key");
        assert_eq!(current.to_string().parse(), Ok(current));
    }

    #[test]
    fn hashes_and_ids_stay_what_they_are() {
        let hash = keys().hash(&number()).expect("a hash");
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "385935bfe26c4511655b146aa733866a5e42caff5b6114dd0d23a3112c1542d4");
        assert_eq!(keys().lookup_id().expect("an id").to_string(), "8HR77PCU9XE");
    }

    #[test]
    fn what_a_browsers_package_sealed_opens() {
        // By @hpke/core 1.9 of npm, as the README shows it.
        for sealed in [
            "2U12mkdCIJEBKf/7DOfGm7t5odk6icfo7wj+LNBjtJH8jKVsEqLxlEscthSVc5on95XinIkuji/KweYYZd6lQPcKpsw2UL3PvCsp",
            "2U12mkdCIJEBl7HVb/XOe9vrXFzU6M1l7pluYvWboJbPvSLJhOs2dSmc/Sm/KEBIRe4iAKDmD8spLjrXgIoxlufPxXfy03Hxsuch",
        ] {
            assert_eq!(keys().open(&sealed.parse().expect("a sealed number")), Ok(number()));
        }
    }
}
