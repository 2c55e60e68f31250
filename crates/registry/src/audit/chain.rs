//! The chain: how a row is written down, and what its hash is.
//!
//! The bytes of a row are one CBOR array (RFC 8949) in deterministic encoding (4.2), its items in this order:
//!
//! | item | type |
//! | --- | --- |
//! | 1, the version of this encoding | unsigned integer |
//! | id | byte string of 16 |
//! | at, milliseconds since 1970 UTC | integer |
//! | staff, device | byte string of 16, or null |
//! | action | text |
//! | subject | byte string, or null |
//! | persons | byte string: grid, household, resident, 16 bytes each, one after the other |
//! | detail | text |
//! | reason, source, request | text, or null |
//!
//! The hash of a row is SHA-256 over the 32 bytes of the hash before it and then the bytes of the row. Before the first
//! row stand 32 zero bytes.
//!
//! **Invariant:** this encoding never changes for rows that were sealed: another one gets another version.

use crate::database::{Blob, HashBlob, Id};
use crate::tables::audit;
use diesel::prelude::*;
use gridwork_domain::id::spell;
use minicbor::Encoder;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Version of the encoding of rows.
const VERSION: u8 = 1;
/// The hash before the first row.
pub(super) const BEGINNING: HashBlob = Blob([0; 32]);

/// The columns of a row that its hash is over.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = audit)]
pub(super) struct AuditRow {
    pub(super) id: Id,
    pub(super) at: i64,
    pub(super) staff: Option<Id>,
    pub(super) device: Option<Id>,
    pub(super) action: String,
    pub(super) subject: Option<Vec<u8>>,
    pub(super) persons: Vec<u8>,
    pub(super) detail: String,
    pub(super) reason: Option<String>,
    pub(super) source: Option<String>,
    pub(super) request: Option<String>,
}

impl AuditRow {
    /// The bytes of the row.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256 + self.persons.len());
        // Writing to memory cannot fail.
        let Ok(()) = self.encode(&mut Encoder::new(&mut bytes)).or(Ok::<_, Infallible>(()));
        bytes
    }

    /// The row's hash after this one.
    pub(super) fn hash_after(&self, before: &HashBlob) -> HashBlob {
        HashBlob::from(<[u8; 32]>::from(Sha256::new().chain_update(before.0).chain_update(self.bytes()).finalize()))
    }

    /// The id as people see it.
    pub(super) fn name(&self) -> String {
        spell(&self.id.0)
    }

    fn encode(&self, to: &mut Encoder<&mut Vec<u8>>) -> Result<(), minicbor::encode::Error<Infallible>> {
        to.array(12)?.u8(VERSION)?.bytes(&self.id.0)?.i64(self.at)?;
        for id in [&self.staff, &self.device] {
            to.encode(id.as_ref().map(|id| minicbor::bytes::ByteArray::from(id.0)))?;
        }
        to.str(&self.action)?;
        match &self.subject {
            Some(subject) => to.bytes(subject)?,
            None => to.null()?,
        };
        to.bytes(&self.persons)?.str(&self.detail)?;
        to.encode(&self.reason)?.encode(&self.source)?.encode(&self.request)?;
        Ok(())
    }
}

/// A row of the chain by its position and its hash: whoever keeps one elsewhere can tell later whether the chain up to
/// it is still the same. Written `position:hash`, the hash as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The position, counted from 1; 0 before the first row.
    pub position: u64,
    /// The hash.
    pub hash: [u8; 32],
}

/// A text that is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head reads POSITION:HASH, the hash as 64 hexadecimal digits, as gridwork audit head prints it")]
pub struct NotAHead;

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.position)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({self})")
    }
}

impl FromStr for Head {
    type Err = NotAHead;
    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (position, digits) = text.trim().split_once(':').ok_or(NotAHead)?;
        let position = position.parse().ok().filter(|position| i64::try_from(*position).is_ok()).ok_or(NotAHead)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAHead);
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| NotAHead)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAHead)?;
        }
        Ok(Self { position, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_row_are_for_ever() {
        let row = AuditRow {
            id: Blob([1; 16]),
            at: 1_790_000_000_000,
            staff: Some(Blob([2; 16])),
            device: None,
            action: "read".to_owned(),
            subject: None,
            persons: vec![3; 48],
            detail: "{}".to_owned(),
            reason: Some("回访".to_owned()),
            source: None,
            request: None,
        };
        let spelled: String = row.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = [
            "8c01",
            "5001010101010101010101010101010101",
            "1b000001a0c4506c00",
            "5002020202020202020202020202020202",
            "f6",
            "6472656164",
            "f6",
            &format!("5830{}", "03".repeat(48)),
            "627b7d",
            "66e59b9ee8aebf",
            "f6f6",
        ];
        assert_eq!(spelled, expected.concat());
        let head = Head { position: 1, hash: row.hash_after(&BEGINNING).0 };
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!(head.to_string(), "1:5aed0f4235cc1f59f082161f516f825357ac36958584886be14d860e43fe3941");
    }

    #[test]
    fn other_texts_are_no_heads() {
        let digits = "0".repeat(64);
        for text in ["", "1", "1:", &format!(":{digits}"), &format!("-1:{digits}"), &format!("1:{digits}0"), "1:网"] {
            assert_eq!(text.parse::<Head>(), Err(NotAHead), "{text}");
        }
    }
}
