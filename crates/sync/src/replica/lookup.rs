//! What a person can look up on the phone, with or without a network.
//!
//! Pure reads; documents are loaded for each.
//!
//! **Invariant:** what a person recorded is shown at once, and marked until the registry has it. What the registry has lost
//! since is shown as it was, and counted in [`Status::lost`].

use super::row::{Pending, PendingState};
use super::{Replica, load};
use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey, DocumentKind};
use crate::fact;
use crate::reading::{Reading, read_facts, read_household};
use gridwork_domain::edit::Action;
use gridwork_domain::fields::Kind;
use gridwork_domain::household::{Alternative, Conflict, FieldPath, Household, RecordPath};
use gridwork_domain::id::{FactId, HouseholdId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Fact, FactBody};
use std::collections::{BTreeMap, BTreeSet};

/// Who did something; unknown where the registry has not said yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// The member of staff.
    pub staff: Option<StaffId>,
    /// Their name.
    pub name: Option<String>,
}

/// A household in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The household.
    pub id: HouseholdId,
    /// The dwelling's address, building, unit and door, as far as they are known.
    pub address: String,
    /// Its telephone number.
    pub contact_phone: Option<String>,
    /// Names of its residents, in the order of their ids.
    pub residents: Vec<String>,
    /// Fields on which people disagree.
    pub conflicts: usize,
    /// Edits that the registry does not have yet.
    pub waiting: usize,
}

/// A household as the phone knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHousehold {
    /// Its records and needs.
    pub household: Household,
    /// Fields on which people disagree.
    pub conflicts: Vec<Conflict<Person>>,
    /// The version: what an edit of a form filled from this names as seen.
    pub heads: Vec<ChangeHash>,
    /// The scope in which it lives.
    pub home: ScopeId,
    /// Edits that the registry does not have yet.
    pub waiting: usize,
    /// What is wrong with the document, if anything is.
    pub damaged: Option<String>,
}

/// A fact as the phone knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFact {
    /// The fact.
    pub fact: Fact,
    /// Who recorded it.
    pub by: Person,
    /// Whether the registry does not have it yet.
    pub waiting: bool,
    /// Corrections of it, oldest first.
    pub corrections: Vec<KnownFact>,
}

/// How the phone stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Edits that the registry has not seen.
    pub waiting: usize,
    /// Edits that the registry has, and holds until something else arrives.
    pub held: usize,
    /// Edits that the registry refused.
    pub refused: usize,
    /// Changes that the registry lost when it was restored from a backup, and does not have again yet.
    pub lost: usize,
    /// Those of them that it refuses now.
    pub lost_and_refused: usize,
    /// Documents that do not hold all that the registry sent.
    pub damaged: Vec<DocumentId>,
    /// Documents on the phone.
    pub documents: usize,
    /// The registry's clock at its last answer.
    pub last_contact: Option<Instant>,
    /// The registry's clock minus the device's, in milliseconds.
    pub skew_ms: Option<i64>,
}

impl Replica {
    /// All households in the order of their ids.
    pub fn households(&self) -> Vec<Summary> {
        self.summaries(|_| true)
    }

    /// Households of which a name, a telephone number or the address contains this text; capitals do not matter, nor
    /// do spaces and hyphens in numbers.
    pub fn search(&self, text: &str) -> Vec<Summary> {
        let text = text.trim().to_lowercase();
        let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '+')).collect();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        self.summaries(|reading| {
            let haystack = haystack(&reading.household);
            haystack.contains(&text) || (is_number && haystack.contains(&number))
        })
    }

    /// One household; `None` if it is not on the phone or cannot be read.
    pub fn household(&self, id: HouseholdId) -> Option<KnownHousehold> {
        let key = DocumentKey::from(DocumentId::household(id));
        let document = self.documents.get(&key)?;
        let Reading { household, conflicts } = self.read(&key)?;
        Some(KnownHousehold {
            household,
            conflicts: conflicts.into_iter().map(|conflict| self.with_names(conflict)).collect(),
            heads: document.heads.clone(),
            home: document.home,
            waiting: self.waiting_for(id),
            damaged: document.damage.as_ref().map(|damage| damage.reason.clone()),
        })
    }

    /// Visits and notes of a household, newest first, with their corrections. Facts of a later release are left out.
    pub fn visits(&self, household: HouseholdId) -> Vec<KnownFact> {
        let unsent: BTreeSet<FactId> = self.outbox.values().filter_map(unsent_fact).collect();
        let (mut facts, mut corrections) = (Vec::new(), BTreeMap::<FactId, Vec<KnownFact>>::new());
        let first = DocumentKey::from(DocumentId::visits(household, 1));
        let last = DocumentKey { epoch: u32::MAX, id: DocumentId::visits(household, u16::MAX) };
        for (key, document) in self.documents.range(first..=last) {
            let read = load(&document.bytes).and_then(|document| read_facts(&document).ok());
            for (id, bytes, actor) in read.unwrap_or_default() {
                let Ok(fact) = fact::decode(id, &bytes, key) else { continue };
                let corrects = match fact.body {
                    FactBody::Correction { corrects, .. } => Some(corrects),
                    _ => None,
                };
                let by = self.person(actor);
                let known = KnownFact { fact, by, waiting: unsent.contains(&id), corrections: Vec::new() };
                match corrects {
                    Some(visit) => corrections.entry(visit).or_default().push(known),
                    None => facts.push(known),
                }
            }
        }
        for fact in &mut facts {
            fact.corrections = corrections.remove(&fact.fact.id).unwrap_or_default();
        }
        // A correction always lies in the document of its visit; without it, it still is something that was recorded.
        facts.extend(corrections.into_values().flatten());
        facts.sort_by_key(|known| std::cmp::Reverse((known.fact.happened_at(), known.fact.id)));
        facts
    }

    /// The heads of a document, ascending; `None` if it is not on the phone.
    pub fn heads(&self, key: &DocumentKey) -> Option<&[ChangeHash]> {
        self.documents.get(key).map(|document| document.heads.as_slice())
    }

    /// Edits on which there is no verdict yet or which were refused, in the order in which they are handed in.
    pub fn outbox(&self) -> impl Iterator<Item = &Pending> {
        self.outbox.values()
    }

    /// Households of which the phone has a document, readable or not, and those of which it only has visits.
    pub fn subjects(&self) -> BTreeSet<HouseholdId> {
        self.documents.keys().map(|key| key.id.subject()).collect()
    }

    /// How the phone stands.
    pub fn status(&self) -> Status {
        let count = |test: fn(&PendingState) -> bool| self.outbox.values().filter(|one| test(&one.state)).count();
        let damaged = self.documents.iter().filter(|(_, document)| document.damage.is_some());
        Status {
            waiting: count(|state| matches!(state, PendingState::Waiting | PendingState::Aside)),
            held: count(|state| matches!(state, PendingState::Held { .. })),
            refused: count(|state| matches!(state, PendingState::Refused { .. })),
            lost: self.lost.len(),
            lost_and_refused: self
                .lost
                .values()
                .filter(|lost| matches!(lost.state, PendingState::Refused { .. }))
                .count(),
            damaged: damaged.map(|(key, _)| key.id).collect(),
            documents: self.documents.len(),
            last_contact: self.standing.last_contact,
            skew_ms: self.standing.skew_ms,
        }
    }

    fn summaries(&self, test: impl Fn(&Reading) -> bool) -> Vec<Summary> {
        let households = self.documents.keys().filter(|key| key.id.kind() == DocumentKind::Household);
        let read = households.filter_map(|key| self.read(key)).filter(test);
        read.map(|reading| self.summary(&reading)).collect()
    }

    fn summary(&self, Reading { household, conflicts }: &Reading) -> Summary {
        let text = |path: &RecordPath, name| household.record(path).and_then(|record| record.text(name));
        let dwelling = RecordPath::dwelling();
        let address = ["address", "building", "unit", "door"].into_iter().filter_map(|name| text(&dwelling, name));
        let residents = household.residents().filter_map(|(_, resident)| resident.text("name"));
        Summary {
            id: household.id,
            address: address.collect::<Vec<_>>().join(" "),
            contact_phone: text(&RecordPath::household(), "contact_phone").map(str::to_owned),
            residents: residents.map(str::to_owned).collect(),
            conflicts: conflicts.len(),
            waiting: self.waiting_for(household.id),
        }
    }

    /// Reads a household; `None` if it cannot be read, or nothing has come of it but its name.
    fn read(&self, key: &DocumentKey) -> Option<Reading> {
        let document = load(&self.documents.get(key)?.bytes)?;
        let mut reading = read_household(self.schema, key, &document).ok()?;
        // The same number sealed twice differs, and only the registry can tell: it says what is in conflict.
        reading.conflicts.retain(|conflict| !self.is_sealed(&conflict.path));
        let says = reading.household.records.values().any(|record| !record.0.is_empty());
        (says || !reading.household.members.is_empty()).then_some(reading)
    }

    fn is_sealed(&self, path: &FieldPath) -> bool {
        let container = self.schema.container(&path.record.container);
        container
            .and_then(|container| container.field(&path.field))
            .is_some_and(|field| field.kind == Kind::SealedNumber)
    }

    fn waiting_for(&self, household: HouseholdId) -> usize {
        let waits = |pending: &&Pending| {
            pending.edit.household == household && !matches!(pending.state, PendingState::Refused { .. })
        };
        self.outbox.values().filter(waits).count()
    }

    fn person(&self, actor: ActorId) -> Person {
        self.authors.get(&actor).cloned().unwrap_or_default()
    }

    fn with_names(&self, conflict: Conflict<ActorId>) -> Conflict<Person> {
        let alternatives = conflict.alternatives.into_iter();
        let alternatives =
            alternatives.map(|Alternative { value, by, at }| Alternative { value, by: self.person(by), at });
        Conflict { path: conflict.path, alternatives: alternatives.collect() }
    }
}

fn unsent_fact(pending: &Pending) -> Option<FactId> {
    match pending.edit.action {
        Action::RecordVisit { fact, .. } | Action::WriteNote { fact, .. } | Action::CorrectVisit { fact, .. } => {
            Some(fact)
        }
        _ => None,
    }
}

fn haystack(household: &Household) -> String {
    let dwelling = household.record(&RecordPath::dwelling()).into_iter();
    let dwelling = dwelling.flat_map(|record| ["address", "building", "unit", "door"].map(|name| record.text(name)));
    let own = household.record(&RecordPath::household()).and_then(|record| record.text("contact_phone"));
    let residents = household.residents();
    let residents = residents.flat_map(|(_, record)| ["name", "phone", "second_phone"].map(|name| record.text(name)));
    let parts: Vec<&str> = dwelling.chain([own]).chain(residents).flatten().collect();
    parts.join("\n").to_lowercase()
}
