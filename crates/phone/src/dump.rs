//! All records of a phone in a form that can be compared: with another phone, with the registry, with a journal.
//!
//! **Invariant:** two phones that hold the same records have equal dumps, whatever the order in which they came.

use gridwork_domain::fields::Record;
use gridwork_domain::household::Alternative;
use gridwork_domain::id::{FactId, HouseholdId, StaffId};
use gridwork_domain::visit::FactBody;
use gridwork_sync::replica::{KnownFact, Replica};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All records of a phone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// Households by id.
    pub households: BTreeMap<HouseholdId, HouseholdDump>,
    /// Facts by id, corrections among them.
    pub facts: BTreeMap<FactId, FactDump>,
}

/// A household.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HouseholdDump {
    /// Its records by path: `household`, `dwelling`, `residents.<id>`, `memberships.<id>`.
    pub records: BTreeMap<String, Record>,
    /// The attributes of its needs by subject and kind: `<id>.<kind>`.
    pub needs: BTreeMap<String, Record>,
    /// The values of its open conflicts by path, each with the author's name; the first is the one that is shown.
    pub conflicts: BTreeMap<String, Vec<Alternative<String>>>,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactDump {
    /// The household that it is about.
    pub household: HouseholdId,
    /// Who recorded it; none if the registry has not said.
    pub by: Option<StaffId>,
    /// What it says.
    pub body: FactBody,
}

impl Dump {
    pub(crate) fn of(replica: &Replica) -> Self {
        let mut dump = Self::default();
        for id in replica.subjects() {
            if let Some(known) = replica.household(id) {
                let household = known.household;
                let records = household.records.into_iter().map(|(path, record)| (path.to_string(), record));
                let needs = household.members.into_iter();
                let needs = needs.map(|(path, one)| (format!("{}.{}", path.subject, path.kind), one.attributes));
                let conflicts = known.conflicts.into_iter().map(|conflict| {
                    let alternatives = conflict.alternatives.into_iter();
                    let named = alternatives.map(|Alternative { value, by, at }| Alternative {
                        value,
                        by: by.name.unwrap_or_default(),
                        at,
                    });
                    (conflict.path.to_string(), named.collect())
                });
                let one = HouseholdDump {
                    records: records.collect(),
                    needs: needs.collect(),
                    conflicts: conflicts.collect(),
                };
                dump.households.insert(id, one);
            }
            for known in replica.visits(id) {
                dump.add(known);
            }
        }
        dump
    }

    fn add(&mut self, known: KnownFact) {
        let KnownFact { fact, by, corrections, .. } = known;
        self.facts.insert(fact.id, FactDump { household: fact.household, by: by.staff, body: fact.body });
        for correction in corrections {
            self.add(correction);
        }
    }
}
