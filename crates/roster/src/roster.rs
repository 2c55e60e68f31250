//! What a file says: households with their people, and everything that is wrong with it.
//!
//! **Invariant:** edits come out of a roster only once it has no problems and every household has a grid.

use crate::finding::{Findings, Place};
use crate::table::FileError;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::fields::Fields;
use gridwork_domain::id::ScopeId;
use std::collections::BTreeMap;

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Its households, in the order of their first rows.
    pub families: Vec<Family>,
    /// What was found in it so far.
    pub findings: Findings,
    /// Of the registry's secret and the file's bytes: SHA-256.
    pub(crate) digest: [u8; 32],
    /// Where each column of a family stands, for what is found later.
    pub(crate) grid_column: Option<(String, String)>,
}

/// A household of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its first row.
    pub row: u32,
    /// The code of its grid, if the file says so.
    pub grid: Option<DivisionCode>,
    /// Its grid, once that is known.
    pub home: Option<ScopeId>,
    /// Its own fields.
    pub household: Fields,
    /// Its dwelling's fields.
    pub dwelling: Fields,
    /// Who lives there.
    pub persons: Vec<Person>,
    /// Whether the registry has it already, so that nothing is done with it.
    pub registered: bool,
    /// Whether something went wrong with its grid's cell, which is said there.
    pub(crate) grid_refused: bool,
}

/// A resident of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The row.
    pub row: u32,
    /// What is known of the person, but for the citizen number.
    pub resident: Fields,
    /// The citizen number: in memory alone, until an edit is made of it.
    pub number: Option<CitizenNumber>,
    /// Relation to the head, and since when.
    pub stay: Fields,
}

impl Roster {
    /// Those that are to be registered.
    pub fn new_families(&self) -> impl Iterator<Item = &Family> {
        self.families.iter().filter(|family| !family.registered)
    }

    /// Settles in which grid each household lives: the one whose code its rows name, else the one for all. `grids` are
    /// those in which whoever imports may register.
    pub fn settle(&mut self, grids: &BTreeMap<DivisionCode, ScopeId>, for_all: Option<ScopeId>) {
        use crate::finding::Reason::{ForeignGrid, GridMissing};
        for family in &mut self.families {
            if family.grid_refused {
                continue;
            }
            let (home, reason) = match &family.grid {
                Some(code) => (grids.get(code).copied(), ForeignGrid),
                None => (for_all, GridMissing),
            };
            family.home = home;
            if home.is_none() {
                let (column, header) = self.grid_column.clone().unwrap_or_default();
                self.findings.add(Place { row: family.row, column, header }, reason);
            }
        }
        self.findings.sort();
    }

    /// Refuses a file without anybody.
    pub(crate) fn or_empty(self) -> Result<Self, FileError> {
        let said = self.findings.problems_found > 0;
        if self.families.is_empty() && !said { Err(FileError::NoRows) } else { Ok(self) }
    }
}

/// The text of a field.
pub(crate) fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.0.get(name)?.as_ref()?.as_text()
}
