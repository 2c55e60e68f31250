//! The ids of everything that Gridwork keeps: 16 bytes each, spelled as 22 characters of base64url.
//!
//! An id is a UUIDv7 (RFC 9562, 5.7), made where the thing is recorded, so that a phone needs no network for it.
//! It knows nothing of what it names.
//!
//! **Invariant:** one id has one spelling. A text with padding, another length or stray bits is no id.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Characters in the spelling of an id: 16 bytes in base64url (RFC 4648, 5) without padding.
pub const ID_TEXT_LENGTH: usize = 22;

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is {ID_TEXT_LENGTH} characters of A-Z a-z 0-9 - _")]
pub struct NotAnId;

/// Spells 16 bytes as 22 characters of base64url.
pub fn spell(bytes: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the one spelling of 16 bytes.
///
/// # Errors
/// [`NotAnId`] for another length, another alphabet, or bits beyond the sixteenth byte.
pub fn read(text: &str) -> Result<[u8; 16], NotAnId> {
    if text.len() != ID_TEXT_LENGTH {
        return Err(NotAnId);
    }
    let mut bytes = [0; 16];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| NotAnId)?;
    if length == 16 { Ok(bytes) } else { Err(NotAnId) }
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The id as the 16 bytes that are stored and sent.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// A new UUIDv7 made at `at` with 10 random bytes.
            pub fn new(at: crate::instant::Instant, random: [u8; 10]) -> Self {
                let ms = u64::try_from(at.ms()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().into_bytes())
            }

            /// The instant at which a UUIDv7 says that it was made; `None` for other 16 bytes.
            pub fn made_at(&self) -> Option<crate::instant::Instant> {
                let id = uuid::Uuid::from_bytes(self.0);
                (id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122).then(|| {
                    let mut ms = [0; 8];
                    ms[2..].copy_from_slice(&self.0[..6]);
                    crate::instant::Instant::from_ms(i64::from_be_bytes(ms))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&spell(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )+};
}

id! {
    /// A household 户.
    HouseholdId;
    /// A resident 居民. A resident who moves keeps it.
    ResidentId;
    /// One stay of a resident in a household, from a day to a day.
    MembershipId;
    /// An immutable fact: a visit, a note, a correction.
    FactId;
    /// An edit: what a person did in one step.
    EditId;
    /// An area 区划 of any level. It stays the same when the area's code or name changes.
    AreaId;
    /// A member of staff 人员.
    StaffId;
    /// A device 设备 of a member of staff.
    DeviceId;
    /// A session: what signing in begins.
    SessionId;
    /// A key of a machine client.
    ApiKeyId;
    /// A break-glass entry: somebody's reading beyond their areas.
    BreakGlassId;
    /// A change that is kept because it waits or was refused, until it is merged or staff decide.
    KeptId;
    /// A unit of replication and permission: a grid, or the documents of one member of staff.
    ScopeId;
}

impl From<AreaId> for ScopeId {
    fn from(grid: AreaId) -> Self {
        Self(grid.0)
    }
}

impl From<StaffId> for ScopeId {
    fn from(staff: StaffId) -> Self {
        Self(staff.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::Instant;

    #[test]
    fn an_id_reads_back_from_its_spelling() {
        let id = HouseholdId::new(Instant::from_ms(1_790_000_000_123), [7; 10]);
        assert_eq!(id.to_string().len(), ID_TEXT_LENGTH);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.made_at(), Some(Instant::from_ms(1_790_000_000_123)));
    }

    #[test]
    fn an_id_has_only_one_spelling() {
        let text = HouseholdId::from_bytes([0; 16]).to_string();
        assert_eq!(text, "A".repeat(22));
        for other in
            ["", "A", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAA/", "网网网网网网网x"]
        {
            assert_eq!(other.parse::<HouseholdId>(), Err(NotAnId), "{other}");
        }
    }
}
