//! The registry's public key: what seals.
//!
//! **Invariant:** a key has one id, and anybody who has the key can tell it.

use crate::at_rest::{Purpose, join};
use crate::{Aead, INFO, Kdf, Kem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::sealed_number::{KeyId, SealedNumber};
use hpke::{Deserializable, OpModeS, Serializable, single_shot_seal_with_rng};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// An X25519 public key (RFC 7748): 32 bytes, written as 43 characters of base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Not a public key that can be sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealing key is 32 bytes in base64url without padding, a point of X25519")]
pub struct NotAKey;

impl PublicKey {
    /// Takes the 32 bytes of a key.
    ///
    /// # Errors
    /// [`NotAKey`] for a point to which nothing can be sealed.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, NotAKey> {
        let key = Self(bytes);
        // A point of small order gives no shared secret, which shows when something is sealed to it.
        key.try_seal((INFO, b""), b"", [0; 32]).map(|_| key)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        let hash = Sha256::digest(self.0);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        KeyId(id)
    }

    /// Seals a number. `random` is 32 bytes that are used once and forgotten.
    pub fn seal(&self, number: &CitizenNumber, random: [u8; 32]) -> SealedNumber {
        let (encapsulated, ciphertext) = self.seal_parts((INFO, b""), number.as_str().as_bytes(), random);
        let ciphertext = ciphertext.as_slice().try_into().expect("18 characters and a tag of 16 bytes");
        SealedNumber::new(self.id(), &encapsulated, ciphertext)
    }

    /// Seals what the registry keeps for itself, for a purpose and bound to the one whose it is: put elsewhere it does not
    /// open. `random` is 32 bytes that are used once and forgotten.
    pub fn seal_at_rest(&self, purpose: Purpose, whose: &[u8; 16], plain: &[u8], random: [u8; 32]) -> Vec<u8> {
        let (encapsulated, ciphertext) = self.seal_parts((purpose.info(), whose), plain, random);
        join(self.id(), &encapsulated, &ciphertext)
    }

    fn seal_parts(&self, bound_to: (&[u8], &[u8]), plain: &[u8], random: [u8; 32]) -> ([u8; 32], Vec<u8>) {
        self.try_seal(bound_to, plain, random).expect("what makes a key was sealed to when the key was made")
    }

    fn try_seal(
        &self,
        (info, whose): (&[u8], &[u8]),
        plain: &[u8],
        random: [u8; 32],
    ) -> Result<([u8; 32], Vec<u8>), NotAKey> {
        let to = <Kem as hpke::Kem>::PublicKey::from_bytes(&self.0).map_err(|_| NotAKey)?;
        let mut random = ChaCha20Rng::from_seed(random);
        let mode = OpModeS::<Kem>::Base;
        let sealed = single_shot_seal_with_rng::<Aead, Kdf, Kem>(&mode, &to, info, plain, whose, &mut random);
        let (encapsulated, ciphertext) = sealed.map_err(|_| NotAKey)?;
        Ok((encapsulated.to_bytes().into(), ciphertext))
    }

    /// The key of a secret one.
    pub(crate) fn of(secret: &<Kem as hpke::Kem>::PrivateKey) -> Self {
        Self(<Kem as hpke::Kem>::sk_to_pk(secret).to_bytes().into())
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        Self::from_bytes(bytes.ok_or(NotAKey)?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}
