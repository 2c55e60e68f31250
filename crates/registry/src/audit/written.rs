//! What edits wrote about whom: names of fields, never their values.

use super::Subject;
use gridwork_domain::edit::{Outcome, Write};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{HouseholdId, ResidentId, ScopeId};
use gridwork_domain::schema::RESIDENTS;
use gridwork_domain::visit::FactBody;
use std::collections::BTreeSet;

/// What edits wrote about whom.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The households, and the residents who are named by what was written.
    pub(crate) persons: BTreeSet<Subject>,
    fields: BTreeSet<String>,
    edits: u64,
}

impl Written {
    /// What an edit of a household wrote.
    pub(crate) fn of(scope: ScopeId, household: HouseholdId, outcome: &Outcome) -> Self {
        let mut written = Self { edits: 1, ..Self::default() };
        let whole = Subject { scope, household, resident: None };
        written.persons.insert(whole);
        let mut about = |resident: Option<ResidentId>| {
            written.persons.extend(resident.map(|id| Subject { resident: Some(id), ..whole }));
        };
        match outcome {
            Outcome::Household(writes) => {
                for write in writes {
                    match write {
                        Write::Make(record, fields) | Write::Put(record, fields) => {
                            about(resident_of(record).or_else(|| resident_of_stay(fields)));
                            let named = fields.iter().map(|(name, _)| format!("{}.{name}", record.container));
                            written.fields.extend(named);
                        }
                        Write::Decide(path, _) => {
                            about(resident_of(&path.record));
                            written.fields.insert(format!("{}.{}", path.record.container, path.field));
                        }
                        // Which need it is says something about the person.
                        Write::Affirm(member, _) | Write::Withdraw(member) => {
                            about(member.subject.parse().ok().filter(|_| member.subject != household.to_string()));
                            written.fields.insert(member.container.clone());
                        }
                    }
                }
            }
            Outcome::Fact(_, fact) => {
                let (word, spoken_to) = match &fact.body {
                    FactBody::Visit(visit) => ("visit", visit.spoken_to.as_slice()),
                    FactBody::Correction { visit, .. } => ("correction", visit.spoken_to.as_slice()),
                    FactBody::Note { .. } => ("note", [].as_slice()),
                };
                spoken_to.iter().for_each(|resident| about(Some(*resident)));
                written.fields.insert(word.to_owned());
            }
        }
        written
    }

    /// Adds what another edit wrote.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.persons.extend(other.persons);
        self.fields.extend(other.fields);
        self.edits += other.edits;
    }

    /// The detail of the audit row.
    pub(crate) fn detail(&self) -> String {
        serde_json::json!({ "edits": self.edits, "fields": self.fields }).to_string()
    }
}

/// The resident of whom a record is, if it is one of a resident.
pub(crate) fn resident_of(record: &RecordPath) -> Option<ResidentId> {
    let id = record.id.as_ref().filter(|_| record.container == RESIDENTS)?;
    id.parse().ok()
}

/// Whose stay it is, if that is written with it.
fn resident_of_stay(fields: &Fields) -> Option<ResidentId> {
    fields.0.get("resident")?.as_ref()?.as_text()?.parse().ok()
}
