//! Tables of people, in and out: XLSX and CSV files read into households with every problem named by row and column, and
//! lists written as either.
//!
//! It knows spreadsheets, their headers and what offices write into their cells. It knows neither the registry nor HTTP:
//! grids, and what is registered already, are told to it. Today is an argument. (Lists in XLSX take temporary files.)
//!
//! **Invariants:** no bytes whatever make it panic outwards or take more memory than [`limits`] say; a finding names a
//! place in the file and a rule, and never repeats what stands there; the same file gives the same ids. A citizen number
//! leaves here sealed, and in no list.

mod code_words;
mod column;
mod comparison;
mod edits;
mod finding;
mod grouping;

pub mod limits;
pub mod list;
mod mapping;
mod message;
mod reading;
mod roster;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod writing;

pub use column::{COLUMNS, Column, Holds};
pub use comparison::Registered;
pub use finding::{Finding, Findings, Place, Reason};
pub use gridwork_domain::language::Language;
pub use mapping::{Mapping, MappingError};
pub use reading::read;
pub use roster::{Family, Person, Roster};
pub use table::FileError;
pub use writing::{CsvTable, Entry, WriteError, XlsxTable};
