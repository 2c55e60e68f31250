//! Replication without I/O: what documents hold, how edits become changes and changes become records, what travels,
//! and what is let in.
//!
//! Built on Automerge. Nothing but the guard here decides which bytes reach its decoders. Neither clock nor entropy nor network: all are arguments.
//!
//! **Invariant:** replicas that hold the same changes hold the same records; no bytes whatever make this crate panic
//! outwards or exceed its limits.

pub mod answer;
mod broken;
pub mod change;
pub mod document;
pub mod fact;
pub mod genesis;
pub mod guard;
pub mod legible;
pub mod member;
pub mod message;
pub mod proof;
pub mod reading;
pub mod receipt;
pub mod replica;
pub mod self_report;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod simulation;
#[cfg(test)]
pub(crate) mod testing;
