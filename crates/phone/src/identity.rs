//! What a phone is to its server: a key of its own, and what it was given for it.

use ed25519_dalek::SigningKey;
use gridwork_domain::id::ScopeId;
use gridwork_sealing::PublicKey;
use gridwork_sync::replica::Owner;
use serde::{Deserialize, Serialize};

/// A grid 网格 that the phone was enrolled for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// The scope of its documents.
    #[serde(rename = "id")]
    pub scope: ScopeId,
    /// Its name.
    pub name: String,
    /// Its division code.
    pub code: String,
}

/// The phone's key and enrolment. An app puts the key into the platform's key store instead; here it lies in the store.
#[derive(Clone)]
pub(crate) struct Identity {
    /// `http://host:port` or `https://host`, without a path.
    pub(crate) server: String,
    /// The Ed25519 secret key (RFC 8032): 32 random bytes.
    pub(crate) secret_key: [u8; 32],
    /// Who it is and its token; none before the server has answered.
    pub(crate) enrolled: Option<(Owner, String)>,
    /// The server's key to which citizen numbers are sealed, as the phone heard of it last.
    pub(crate) sealing_key: Option<PublicKey>,
}

impl Identity {
    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.secret_key)
    }
}
