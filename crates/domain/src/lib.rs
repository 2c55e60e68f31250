//! What the words of community grid work mean: ids, records, facts, edits, and the rules that a value must keep.
//!
//! Pure: no I/O, no clock, no entropy, no iteration order that is not sorted. Time and random bytes are arguments.
//!
//! **Invariant:** an [`edit::Edit`] is the only way in which anything about a household changes, on a phone, in the
//! call centre, in an import and in the demo alike.

pub mod area;
pub mod catalogue;
pub mod citizen_number;
pub mod code_list;
pub mod credit_code;
pub mod division_code;
pub mod edit;
pub mod fields;
pub mod household;
pub mod id;
pub mod instant;
pub mod language;
pub mod mask;
mod message;
pub mod need;
pub mod permission;
pub mod phone_number;
pub mod schema;
pub mod sealed_number;
pub mod search;
pub mod sight;
pub mod staff;
pub mod visit;
pub mod wording;
