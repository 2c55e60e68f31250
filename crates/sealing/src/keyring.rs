//! The registry's keys: pairs that seal and open, and one key under which numbers are found.
//!
//! Written as words, one to a line or apart by spaces: `lookup:`, `seal:` and `open:`, each followed by 32 random bytes in
//! base64url without padding. The last `seal:` seals; those before it still open what was sealed to them, and `open:` only
//! opens: so all nodes have a new key before the first of them seals to it. The lookup key never changes: numbers are
//! found by it, whatever they were sealed to.
//!
//! **Invariant:** adding a pair changes nothing about what is sealed already.

use crate::at_rest::{Purpose, split};
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
/// Under what the key is derived that keeps ids of a roster from telling what stands in it.
const ROSTER_INFO: &[u8] = b"gridwork roster ids 1";

/// Under what the keys of codes are derived, from each pair's secret.
const CODE_INFO: &[u8] = b"gridwork receipts 1";

/// HMAC-SHA256 of a number's 18 characters under the lookup key: the same for the same number, however it was sealed.
pub type NumberHash = [u8; 32];

/// The keys of a registry. They do not show themselves; [`Keyring::to_text`] alone gives them away.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    lookup: Option<[u8; 32]>,
    /// The oldest first.
    pairs: Vec<Pair>,
}

#[derive(Clone, PartialEq, Eq)]
struct Pair {
    secret: [u8; 32],
    public: PublicKey,
    /// Whether it may seal; otherwise it only opens.
    seals: bool,
}

/// Words that are no keys. What they say is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// A word that is none.
    #[error("word {0} is neither lookup: nor seal: nor open: followed by 32 bytes in base64url")]
    Word(usize),
    /// None or several lookup keys.
    #[error("there is exactly one lookup key: without the first one nothing is found any more")]
    Lookup,
    /// No pair, or too many.
    #[error("there are 1 to {MOST_PAIRS} keys besides lookup:, and one of them at least is seal:")]
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
    pub fn rotated(self, random: [u8; 32]) -> Self {
        self.with(random, true)
    }

    /// These keys and one more pair, of 32 random bytes, which only opens until [`Keyring::switched`].
    #[must_use]
    pub fn prepared(self, random: [u8; 32]) -> Self {
        self.with(random, false)
    }

    /// These keys, of which the one of this id seals from now on; none if it is not here.
    pub fn switched(mut self, to: KeyId) -> Option<Self> {
        let at = self.pairs.iter().position(|pair| pair.public.id() == to)?;
        let pair = self.pairs.remove(at);
        self.pairs.push(Pair { seals: true, ..pair });
        Some(self)
    }

    /// The key that seals; none if there are no keys.
    pub fn current(&self) -> Option<PublicKey> {
        self.keys_that_sealed().last()
    }

    /// All public keys, the oldest first.
    pub fn public_keys(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.pairs.iter().map(|pair| pair.public)
    }

    /// The public keys to which something may be sealed: all but those that only open.
    pub fn keys_that_sealed(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.pairs.iter().filter(|pair| pair.seals).map(|pair| pair.public)
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
        let opened = self.open_parts(sealed.key(), (INFO, b""), sealed.encapsulated(), sealed.ciphertext())?;
        let text = std::str::from_utf8(&opened).map_err(|_| OpenError::NotANumber)?;
        CitizenNumber::parse(text).map_err(|_| OpenError::NotANumber)
    }

    /// Opens what [`PublicKey::seal_at_rest`] sealed for the same purpose and the same one.
    ///
    /// # Errors
    /// [`OpenError::UnknownKey`], [`OpenError::DoesNotOpen`].
    pub fn open_at_rest(&self, purpose: Purpose, whose: &[u8; 16], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (key, encapsulated, ciphertext) = split(sealed).ok_or(OpenError::DoesNotOpen)?;
        self.open_parts(key, (purpose.info(), whose), encapsulated, ciphertext)
    }

    fn open_parts(
        &self,
        key: KeyId,
        (info, whose): (&[u8], &[u8]),
        encapsulated: &[u8],
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        let pair = self.pairs.iter().find(|pair| pair.public.id() == key).ok_or(OpenError::UnknownKey)?;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated);
        let encapsulated = encapsulated.map_err(|_| OpenError::DoesNotOpen)?;
        let (mode, secret) = (OpModeR::<Kem>::Base, secret_key(&pair.secret));
        let opened = single_shot_open::<Aead, Kdf, Kem>(&mode, &secret, &encapsulated, info, ciphertext, whose);
        opened.map_err(|_| OpenError::DoesNotOpen)
    }

    /// The hash by which a number is found; none if there are no keys.
    pub fn hash(&self, number: &CitizenNumber) -> Option<NumberHash> {
        let key: [u8; 32] = derive(&self.lookup?, LOOKUP_INFO);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(number.as_str().as_bytes());
        Some(mac.finalize().into_bytes().into())
    }

    /// What is mixed into the ids of a roster's households, so that nobody tries numbers until the ids fit; none if there
    /// are no keys.
    pub fn roster_secret(&self) -> Option<[u8; 32]> {
        self.lookup.map(|lookup| derive(&lookup, ROSTER_INFO))
    }

    /// A code that only who has these keys can make of these bytes: HMAC-SHA256 under the key that seals; none if there are no
    /// keys.
    pub fn code(&self, said: &[u8]) -> Option<[u8; 32]> {
        let pair = self.pairs.iter().rfind(|pair| pair.seals)?;
        Some(coded(pair, said).finalize().into_bytes().into())
    }

    /// Whether this code of these bytes is one of these keys, whichever of them sealed then.
    pub fn made(&self, said: &[u8], code: &[u8; 32]) -> bool {
        self.pairs.iter().any(|pair| coded(pair, said).verify_slice(code).is_ok())
    }

    /// The keys in words, one to a line: what is to be kept secret.
    pub fn to_text(&self) -> String {
        let lookup = self.lookup.iter().map(|key| ("lookup", key));
        let pairs = self.pairs.iter().map(|pair| (if pair.seals { "seal" } else { "open" }, &pair.secret));
        let line = |(name, key): (&str, &[u8; 32])| format!("{name}:{}\n", URL_SAFE_NO_PAD.encode(key));
        lookup.chain(pairs).map(line).collect()
    }

    fn with(mut self, secret: [u8; 32], seals: bool) -> Self {
        self.pairs.push(Pair { secret, public: PublicKey::of(&secret_key(&secret)), seals });
        self
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
                ("open", Some(secret)) => keys = keys.prepared(secret),
                _ => return Err(KeyringError::Word(index + 1)),
            }
        }
        match (keys.lookup, keys.pairs.len()) {
            (None, _) => Err(KeyringError::Lookup),
            (_, 1..=MOST_PAIRS) if keys.current().is_some() => Ok(keys),
            _ => Err(KeyringError::Pairs),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.public_keys().map(|public| public.id())).finish()
    }
}

fn coded(pair: &Pair, said: &[u8]) -> Hmac<Sha256> {
    let key: [u8; 32] = derive(&pair.secret, CODE_INFO);
    Hmac::<Sha256>::new_from_slice(&key).expect("any bytes are a key of HMAC").chain_update(said)
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
    fn a_prepared_key_opens_what_another_node_sealed_to_it_and_seals_nothing_until_it_is_switched_to() {
        let prepared = keys().prepared([9; 32]);
        assert_eq!(prepared.current(), keys().current());
        let new = prepared.public_keys().last().expect("the new one");
        let sealed = new.seal(&number(), [1; 32]);
        assert_eq!((keys().open(&sealed), prepared.open(&sealed)), (Err(OpenError::UnknownKey), Ok(number())));
        let switched = prepared.clone().switched(new.id()).expect("it is here");
        assert_eq!((switched.current(), switched.public_keys().count()), (Some(new), 2));
        assert_eq!(switched, keys().rotated([9; 32]), "as if it had sealed at once");
        assert!(keys().switched(new.id()).is_none(), "it is not here");
        let text = prepared.to_text();
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("open:")), "{text}");
        assert_eq!(text.parse(), Ok(prepared));
        let only_opens = text.replace("seal:", "open:");
        assert_eq!(only_opens.parse::<Keyring>(), Err(KeyringError::Pairs));
    }

    #[test]
    fn a_code_is_good_for_what_it_was_made_of_after_a_rotation_too_and_for_nothing_else() {
        let code = keys().code(b"said").expect("there are keys");
        for ring in [keys(), keys().rotated([9; 32]), keys().prepared([9; 32])] {
            assert!(ring.made(b"said", &code));
            assert!(!ring.made(b"Said", &code) && !ring.made(b"", &code) && !ring.made(b"said", &[0; 32]));
        }
        assert_ne!(keys().rotated([9; 32]).code(b"said"), Some(code), "the key that seals makes it");
        assert_eq!(keys().prepared([9; 32]).code(b"said"), Some(code), "one that only opens does not");
        assert!(!Keyring::new([[7; 32], [9; 32]]).made(b"said", &code), "another registry's");
        assert_eq!(Keyring::none().code(b"said"), None);
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
