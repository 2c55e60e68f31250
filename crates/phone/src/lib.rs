//! What a phone app embeds: the local store, the outbox, and the sync driver over HTTP.
//!
//! [`Phone`] is all an app needs: it records, reads and searches without a network, and syncs when there is one. What
//! merges and what travels is decided in `gridwork_sync::replica`; here is what it takes to drive it: one SQLite
//! database, one HTTP connection, one clock. An app puts the device's key into the platform's key store; this library
//! keeps it in the database.
//!
//! **Invariant:** what [`Phone::record`] answered with `Ok` is on the disk, and reaches the registry exactly once,
//! whatever is killed or cut on the way.

mod doorbell;
mod driver;
mod dump;
mod enrolment;
mod envelope;
mod event_stream;
mod identity;
mod phone;
mod reference;
mod self_report;
mod store;
mod surroundings;
#[cfg(test)]
mod tests;
mod transport;

pub use doorbell::{Doorbell, Ring};
pub use driver::SyncReport;
pub use dump::{Dump, FactDump, HouseholdDump};
pub use enrolment::EnrolError;
pub use gridwork_sync::replica::{
    Entropy, Failure, KnownFact, KnownHousehold, Owner, Pending, PendingState, Person, Status, Summary,
};
pub use identity::Grid;
pub use phone::{NoSealingKey, NotSaved, OpenError, Phone};
pub use reference::Reference;
pub use store::StoreError;
pub use surroundings::{RESERVE_BYTES, Surroundings, SystemEntropy, system_clock};
pub use transport::{Get, HttpTransport, NetworkError, Post, Posted, Transport};
