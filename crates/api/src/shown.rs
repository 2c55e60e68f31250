//! What is about persons and may be shown, because the audit log has it.
//!
//! Bodies are made of [`Shown`] alone, so that no handler can answer with a person's data and forget to say so. It does
//! not know what a page looks like.
//!
//! **Invariant:** an answer about persons goes out only after its audit row is durable; a page costs one write.

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::State;
use gridwork_domain::household::FieldPath;
use gridwork_domain::id::ResidentId;
use gridwork_domain::schema::RESIDENTS;
use gridwork_registry::{
    ConflictView, DuplicateView, HouseholdSummary, HouseholdView, KeptDetail, KeptView, Page, ResidentView, SearchHit,
    Subject, VisitView,
};
use std::collections::BTreeSet;
use std::ops::Deref;

/// Something about persons that the audit log has as shown.
#[derive(Debug)]
pub(crate) struct Shown<T>(T);

/// Something about persons.
pub(crate) trait AboutPersons {
    /// The containers of fields that it shows.
    const CLASSES: &'static [&'static str];

    /// Adds the households and residents that it shows.
    fn persons(&self, to: &mut BTreeSet<Subject>);

    /// How many records it shows.
    fn records(&self) -> usize {
        1
    }
}

impl<T: AboutPersons> Shown<T> {
    /// Notes that the caller is shown this, and waits until that is durable.
    ///
    /// # Errors
    /// A problem if it cannot be noted: then nothing is shown.
    pub(crate) async fn to(caller: &Caller, state: &State, what: T) -> Result<Self, Problem> {
        let mut persons = BTreeSet::new();
        what.persons(&mut persons);
        state.registry.note_shown(caller.staff, persons, T::CLASSES, what.records(), caller.now).await?;
        Ok(Self(what))
    }
}

impl<T> Shown<T> {
    /// What is shown.
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Shown<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: AboutPersons> AboutPersons for Page<T> {
    const CLASSES: &'static [&'static str] = T::CLASSES;

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        self.items.iter().for_each(|item| item.persons(to));
    }

    fn records(&self) -> usize {
        self.items.len()
    }
}

impl AboutPersons for HouseholdSummary {
    const CLASSES: &'static [&'static str] = &["household", "dwelling"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.id, resident: None });
    }
}

impl AboutPersons for HouseholdView {
    const CLASSES: &'static [&'static str] =
        &["household", "dwelling", "residents", "memberships", "needs", "conflicts"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        let whole = Subject { scope: self.scope, household: self.household.id, resident: None };
        to.insert(whole);
        to.extend(self.household.residents().map(|(id, _)| Subject { resident: Some(id), ..whole }));
    }
}

impl AboutPersons for ResidentView {
    const CLASSES: &'static [&'static str] = &["residents", "memberships"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.household, resident: Some(self.id) });
    }
}

impl AboutPersons for SearchHit {
    const CLASSES: &'static [&'static str] = &["names", "addresses"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.household, resident: self.resident });
    }
}

impl AboutPersons for VisitView {
    const CLASSES: &'static [&'static str] = &["visits"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.fact.fact.household, resident: None });
    }
}

impl AboutPersons for ConflictView {
    const CLASSES: &'static [&'static str] = &["conflicts"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        let resident = resident_of(&self.conflict.path);
        to.insert(Subject { scope: self.scope, household: self.household, resident });
    }
}

impl AboutPersons for DuplicateView {
    const CLASSES: &'static [&'static str] = &["household", "dwelling", "residents"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        for one in &self.both {
            let resident = one.resident.as_ref().map(|(id, _)| *id);
            to.insert(Subject { scope: one.household.scope, household: one.household.id, resident });
        }
    }
}

impl AboutPersons for KeptView {
    const CLASSES: &'static [&'static str] = &["quarantine"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.household, resident: None });
    }
}

impl AboutPersons for KeptDetail {
    const CLASSES: &'static [&'static str] = &["quarantine", "household", "visits"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        self.kept.persons(to);
    }
}

/// The resident of a field, if it is one of a resident.
fn resident_of(path: &FieldPath) -> Option<ResidentId> {
    let id = path.record.id.as_ref().filter(|_| path.record.container == RESIDENTS)?;
    id.parse().ok()
}
