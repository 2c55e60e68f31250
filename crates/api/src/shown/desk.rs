//! What the desks show of persons: pairs that may be the same, and changes that were refused or wait.
//!
//! **Invariant:** a desk shows nothing of a household that its other views would not.

use super::{AboutPersons, MOST_SENSITIVE, Sights, VISITS, fields_of};
use gridwork_domain::fields::Record;
use gridwork_domain::schema::{CITIZEN_NUMBER, DWELLING, HOUSEHOLD, MEMBERSHIPS, NEEDS, RESIDENTS, SCHEMA_1};
use gridwork_registry::{DuplicateKind, DuplicateView, KeptDetail, KeptView, Subject};
use gridwork_sync::document::DocumentKind;
use std::collections::BTreeSet;

impl AboutPersons for DuplicateView {
    const CLASSES: &'static [&'static str] = &["household", "dwelling", "residents"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        for one in &self.both {
            let resident = one.resident.as_ref().map(|(id, _)| *id);
            to.insert(Subject { scope: one.household.scope, household: one.household.id, resident });
        }
    }

    /// That two have one number says that they have one.
    fn is_withheld(&self) -> bool {
        let number = |record: &Record| record.get(CITIZEN_NUMBER).is_some();
        self.kind == DuplicateKind::CitizenNumber
            && !self.both.iter().any(|one| one.resident.as_ref().is_some_and(|(_, record)| number(record)))
    }

    fn mask(&mut self, sights: &Sights<'_>) {
        for one in &mut self.both {
            one.household.mask(sights);
            if let Some((_, record)) = &mut one.resident {
                sights(one.household.scope, one.household.id).mask(fields_of(RESIDENTS), record);
            }
        }
    }
}

impl AboutPersons for KeptView {
    const CLASSES: &'static [&'static str] = &["quarantine"];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.household, resident: None });
    }

    /// Which need was refused stands in the reason.
    fn mask(&mut self, sights: &Sights<'_>) {
        let sees_needs = sights(self.scope, self.household).shows_need(MOST_SENSITIVE);
        self.detail = self.detail.take().filter(|detail| sees_needs || !detail.starts_with(NEEDS));
    }
}

impl AboutPersons for KeptDetail {
    const CLASSES: &'static [&'static str] =
        &["quarantine", HOUSEHOLD, DWELLING, RESIDENTS, MEMBERSHIPS, NEEDS, VISITS];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        self.kept.persons(to);
    }

    /// Of a field nobody knows of which record it is: the strictest counts. What is no field of the catalogue is covered, and
    /// nothing is told of a change with a need that is not shown.
    fn mask(&mut self, sights: &Sights<'_>) {
        self.kept.mask(sights);
        if self.kept.document == DocumentKind::Visits {
            return; // nothing of a fact has a mask
        }
        let sight = sights(self.kept.scope, self.kept.household);
        if self.says.iter().flatten().any(|line| line.name == "need") {
            self.says = self.says.take().filter(|_| sight.shows_need(MOST_SENSITIVE));
            return;
        }
        for line in self.says.iter_mut().flatten().filter(|line| line.name != "record") {
            let named = SCHEMA_1.containers.iter().filter_map(|container| container.field(&line.name));
            let shown = named
                .min_by_key(|field| sight.manner(field))
                .and_then(|field| sight.show(field, &line.value.as_str().into()));
            line.value = shown.map_or_else(|| "***".to_owned(), |value| value.to_string());
        }
    }
}
