//! Citizen numbers sealed to the registry: whoever records one can no longer read it, and only who holds the registry's
//! keys can open it, or tell that two sealed values are the same number. And what the registry seals to itself, so that
//! nobody reads it in the database alone.
//!
//! Sealed is by HPKE (RFC 9180), which browsers have as WebCrypto with any of its packages, in the suite that
//! [`gridwork_domain::sealed_number`] names. Randomness is an argument; where keys are kept is the caller's.
//!
//! **Invariant:** no number in the clear, and no secret key, stands in an error or in what `Debug` writes.

mod at_rest;
mod keyring;
mod public_key;

pub use at_rest::{AT_REST_OVERHEAD, Purpose, sealed_to};
pub use keyring::{Keyring, KeyringError, NumberHash, OpenError};
pub use public_key::{NotAKey, PublicKey};

/// What HPKE binds a sealed value to (`info`): a value that was sealed for something else does not open as a number.
pub const INFO: &[u8] = b"gridwork citizen number 1";

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::AesGcm128;
