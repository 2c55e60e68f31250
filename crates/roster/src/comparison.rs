//! A roster beside what the registry has: nobody is registered twice, and nothing that is there is overwritten.
//!
//! **Invariant:** a household that is registered already is left out with a warning that says so.

use crate::finding::{Place, Reason};
use crate::grouping::place_of;
use crate::roster::{Roster, text};
use gridwork_domain::fields::{Fields, Record};
use gridwork_domain::id::{HouseholdId, ScopeId};
use std::collections::{BTreeMap, BTreeSet};

/// A household of the registry, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: HouseholdId,
    /// The record of its dwelling.
    pub dwelling: Record,
    /// The names of its residents.
    pub names: Vec<String>,
}

impl Roster {
    /// The grids of its households.
    pub fn homes(&self) -> BTreeSet<ScopeId> {
        self.families.iter().filter_map(|family| family.home).collect()
    }

    /// Compares the households of one grid with all that the registry has there. Returns those of which a finding now
    /// tells: whoever reads it learns that they are there.
    pub fn compare(&mut self, grid: ScopeId, registered: &[Registered]) -> BTreeSet<HouseholdId> {
        let mut told = BTreeSet::new();
        let found = self.findings.warnings_found;
        let ids: BTreeSet<HouseholdId> = registered.iter().map(|one| one.id).collect();
        let mut by_place: BTreeMap<String, Vec<&Registered>> = BTreeMap::new();
        for one in registered {
            let dwelling =
                Fields(one.dwelling.0.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect());
            if let Some(place) = place_of(&dwelling) {
                by_place.entry(place).or_default().push(one);
            }
        }
        for index in 0..self.families.len() {
            let family = &self.families[index];
            if family.home != Some(grid) {
                continue;
            }
            let there = place_of(&family.dwelling).and_then(|place| by_place.get(&place));
            let names: BTreeSet<&str> =
                family.persons.iter().filter_map(|person| text(&person.resident, "name")).collect();
            let knows = |one: &&Registered| one.names.iter().any(|name| names.contains(name.as_str()));
            let id = self.household_id(family);
            let same = ids.contains(&id) || there.is_some_and(|there| there.iter().any(knows));
            told.extend(Some(id).filter(|id| ids.contains(id)));
            told.extend(there.into_iter().flatten().map(|one| one.id));
            let place = Place { row: family.row, column: String::new(), header: String::new() };
            if same {
                self.families[index].registered = true;
                self.findings.add(place, Reason::Registered);
            } else if there.is_some() {
                self.findings.add(place, Reason::AddressTaken);
            }
        }
        if self.findings.warnings_found > found {
            self.findings.sort();
        }
        told
    }
}
