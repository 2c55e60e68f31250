//! Bytes of a fixed length in a binary column, and the ids that are stored so.
//!
//! **Invariant:** a column that should hold N bytes and holds another number is an error when it is read, not later.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Binary;
use gridwork_domain::id::{
    ApiKeyId, AreaId, BreakGlassId, DeviceId, EditId, FactId, HouseholdId, KeptId, MembershipId, ResidentId, ScopeId,
    SessionId, StaffId, spell,
};
use gridwork_sync::document::{ActorId, ChangeHash, DOCUMENT_ID_LENGTH};
use std::fmt;

/// Exactly `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub(crate) struct Blob<const N: usize>(pub(crate) [u8; N]);

/// An id of any kind, or an actor.
pub(crate) type Id = Blob<16>;
/// A change's hash, or another SHA-256.
pub(crate) type HashBlob = Blob<32>;
/// A document's id. The length is spelled out: rustc 1.95 ends with an internal error where it is a named constant.
pub(crate) type DocumentBlob = Blob<19>;
/// A rank, a grid and a household: where something stands among what a word finds.
pub(crate) type PlaceBlob = Blob<33>;
const _: () = assert!(DOCUMENT_ID_LENGTH == 19, "a document's id fits its column");

impl<const N: usize, DB: Backend> FromSql<Binary, DB> for Blob<N>
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = Vec::<u8>::from_sql(bytes)?;
        let found = bytes.len();
        bytes.try_into().map(Self).map_err(|_| format!("a column of {N} bytes holds {found}").into())
    }
}

impl<const N: usize, DB: Backend> ToSql<Binary, DB> for Blob<N>
where
    [u8]: ToSql<Binary, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        ToSql::<Binary, DB>::to_sql(self.0.as_slice(), out)
    }
}

impl<const N: usize> fmt::Debug for Blob<N> {
    /// Ids as people see them, all else in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(id) = <&[u8; 16]>::try_from(self.0.as_slice()) {
            return f.write_str(&spell(id));
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! id {
    ($($name:ident)+) => {$(
        impl From<$name> for Id {
            fn from(id: $name) -> Self {
                Self(*id.as_bytes())
            }
        }
        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self::from_bytes(id.0)
            }
        }
    )+};
}
id!(ApiKeyId AreaId BreakGlassId DeviceId EditId FactId HouseholdId KeptId MembershipId ResidentId ScopeId SessionId);
id!(StaffId);

impl From<ActorId> for Id {
    fn from(actor: ActorId) -> Self {
        Self(actor.0)
    }
}

impl From<Id> for ActorId {
    fn from(id: Id) -> Self {
        Self(id.0)
    }
}

impl From<[u8; 32]> for HashBlob {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<ChangeHash> for HashBlob {
    fn from(hash: ChangeHash) -> Self {
        Self(hash.0)
    }
}

impl From<HashBlob> for ChangeHash {
    fn from(hash: HashBlob) -> Self {
        Self(hash.0)
    }
}
