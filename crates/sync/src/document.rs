//! Which document, which change, by which actor: the ids that every replica derives alike.
//!
//! Knows nothing of what a document holds.
//!
//! **Invariant:** a change is identified by (document, epoch, hash), never by its hash alone: the same bytes may be a
//! lawful change of two documents.

use gridwork_domain::id::HouseholdId;
use std::fmt;

/// Kinds of document. The numbers are for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// One household with its residents and ordinary needs.
    Household,
    /// The facts of one household and calendar year.
    Visits,
}

impl DocumentKind {
    /// The byte with which a document's id begins. 2 (care), 4 (case) and 5 (diary) are reserved.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Household => 1,
            Self::Visits => 3,
        }
    }

    /// Whether its documents begin with a genesis change. Pure fact documents have none.
    pub const fn has_genesis(self) -> bool {
        matches!(self, Self::Household)
    }
}

/// Bytes of a document's id: kind, 1 ‖ household, 16 ‖ year, 2 big-endian (0 where there is none).
pub const DOCUMENT_ID_LENGTH: usize = 19;

/// The id of a document, derived from what it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId([u8; DOCUMENT_ID_LENGTH]);

/// Bytes that are no document's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no document has this id")]
pub struct NotADocument;

impl DocumentId {
    /// The document of a household.
    pub fn household(household: HouseholdId) -> Self {
        Self::derive(DocumentKind::Household, household, 0)
    }

    /// The document of a household's facts of a calendar year (Asia/Shanghai).
    pub fn visits(household: HouseholdId, year: u16) -> Self {
        Self::derive(DocumentKind::Visits, household, year)
    }

    /// Reads the 19 bytes of an id.
    ///
    /// # Errors
    /// [`NotADocument`] for an unknown or reserved kind, a household with a year, or visits without one.
    pub fn from_bytes(bytes: [u8; DOCUMENT_ID_LENGTH]) -> Result<Self, NotADocument> {
        let year = u16::from_be_bytes([bytes[17], bytes[18]]);
        match (bytes[0], year) {
            (1, 0) | (3, 1..) => Ok(Self(bytes)),
            _ => Err(NotADocument),
        }
    }

    /// The 19 bytes that are stored and sent.
    pub const fn as_bytes(&self) -> &[u8; DOCUMENT_ID_LENGTH] {
        &self.0
    }

    /// Its kind.
    pub fn kind(&self) -> DocumentKind {
        if self.0[0] == DocumentKind::Household.byte() { DocumentKind::Household } else { DocumentKind::Visits }
    }

    /// The household that it is about.
    pub fn subject(&self) -> HouseholdId {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.0[1..17]);
        HouseholdId::from_bytes(bytes)
    }

    /// The calendar year; 0 for a household.
    pub fn year(&self) -> u16 {
        u16::from_be_bytes([self.0[17], self.0[18]])
    }

    fn derive(kind: DocumentKind, household: HouseholdId, year: u16) -> Self {
        let mut bytes = [0; DOCUMENT_ID_LENGTH];
        bytes[0] = kind.byte();
        bytes[1..17].copy_from_slice(household.as_bytes());
        bytes[17..].copy_from_slice(&year.to_be_bytes());
        Self(bytes)
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            DocumentKind::Household => write!(f, "household {}", self.subject()),
            DocumentKind::Visits => write!(f, "visits {} {}", self.subject(), self.year()),
        }
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentId({self})")
    }
}

/// The epoch of a document: it rises when something in it is erased. The first is 0.
pub type Epoch = u32;

/// The first epoch, and for now the only one.
pub const FIRST_EPOCH: Epoch = 0;

/// A document in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// The document.
    pub id: DocumentId,
    /// Its epoch.
    pub epoch: Epoch,
}

impl From<DocumentId> for DocumentKey {
    /// The document in its first epoch.
    fn from(id: DocumentId) -> Self {
        Self { id, epoch: FIRST_EPOCH }
    }
}

macro_rules! bytes {
    ($($(#[$doc:meta])* $name:ident $length:literal)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )+};
}

bytes! {
    /// SHA-256 of a change chunk, as Automerge defines it: names the change within its document and epoch.
    ChangeHash 32
    /// Who made a change: random per install of a device, or per member of staff on the server.
    ActorId 16
}

impl From<ChangeHash> for automerge::ChangeHash {
    fn from(hash: ChangeHash) -> Self {
        Self(hash.0)
    }
}

impl From<automerge::ChangeHash> for ChangeHash {
    fn from(hash: automerge::ChangeHash) -> Self {
        Self(hash.0)
    }
}

impl From<ActorId> for automerge::ActorId {
    fn from(actor: ActorId) -> Self {
        Self::from(actor.0.as_slice())
    }
}

impl ActorId {
    /// Reads the 16 bytes of a library actor; `None` if it has another length.
    pub fn from_library(actor: &automerge::ActorId) -> Option<Self> {
        actor.to_bytes().try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_says_what_it_is_about() {
        let household = HouseholdId::from_bytes([7; 16]);
        let id = DocumentId::visits(household, 2026);
        assert_eq!(DocumentId::from_bytes(*id.as_bytes()), Ok(id));
        assert_eq!((id.kind(), id.subject(), id.year()), (DocumentKind::Visits, household, 2026));
    }

    #[test]
    fn reserved_kinds_and_impossible_years_are_no_documents() {
        for kind in 0..=255u8 {
            for year in [0u16, 2026] {
                let mut bytes = [0; 19];
                bytes[0] = kind;
                bytes[17..].copy_from_slice(&year.to_be_bytes());
                let lawful = matches!((kind, year), (1, 0) | (3, 2026));
                assert_eq!(DocumentId::from_bytes(bytes).is_ok(), lawful, "kind {kind}, year {year}");
            }
        }
    }
}
