//! What is about persons and may be shown: the audit log has it, and what its reader may not see in full is masked.
//!
//! Bodies are made of [`Shown`] alone, so that no handler can answer with a person's data and forget either. It does not
//! know what a page looks like.
//!
//! **Invariant:** an answer about persons goes out only after its audit row is durable, and as its reader sees that place;
//! a page costs one write.

mod desk;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::State;
use gridwork_domain::catalogue::{CORRECTION, NOTE, VISIT};
use gridwork_domain::fields::{Record, Value};
use gridwork_domain::household::{Conflict, FieldPath, Household};
use gridwork_domain::id::{HouseholdId, ResidentId, ScopeId};
use gridwork_domain::schema::{DWELLING, Field, HOUSEHOLD, MEMBERSHIPS, NEEDS, RESIDENTS, SCHEMA_1, Sensitivity};
use gridwork_domain::sight::{Manner, Sight};
use gridwork_registry::{
    ConflictView, Cursor, Edited, HouseholdSummary, HouseholdView, Page, Person, ResidentView, Revealing, SearchHit,
    Showing, Subject, VisitView,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// Something about persons that the audit log has as shown, as its reader may see it.
#[derive(Debug)]
pub(crate) struct Shown<T>(T);

/// How somebody sees a household in a grid.
type Sights<'c> = dyn Fn(ScopeId, HouseholdId) -> Sight + 'c;

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

    /// Leaves what its reader sees of it.
    fn mask(&mut self, sights: &Sights<'_>);

    /// Whether nothing was left of it, so that its reader is not to know that it is there.
    fn is_withheld(&self) -> bool {
        false
    }
}

impl<T: AboutPersons> Shown<T> {
    /// Masks what the caller may not see in full, notes that the caller is shown the rest, and waits until that is durable.
    ///
    /// # Errors
    /// A problem if it cannot be noted: then nothing is shown.
    pub(crate) async fn to(caller: &Caller, state: &State, mut what: T) -> Result<Self, Problem> {
        let mut persons = BTreeSet::new();
        what.persons(&mut persons);
        let showing = showing(caller, T::CLASSES, &persons, what.records());
        state.registry.note_shown(caller.staff, persons, showing, caller.now).await?;
        what.mask(&|grid, household| caller.sight(grid, household));
        Ok(Self(what))
    }
}

impl Shown<Page<SearchHit>> {
    /// As [`Shown::to`], of what was found by digits of a phone that the caller sees masked: noted also if it is nobody.
    ///
    /// # Errors
    /// A problem if it cannot be noted: then nothing is shown.
    pub(crate) async fn sought_by_phone(
        caller: &Caller,
        state: &State,
        mut found: Page<SearchHit>,
    ) -> Result<Self, Problem> {
        let mut persons = BTreeSet::new();
        found.persons(&mut persons);
        let showing = showing(caller, SearchHit::CLASSES, &persons, found.records());
        let showing = Showing { sought_phone: true, ..showing };
        state.registry.note_shown(caller.staff, persons, showing, caller.now).await?;
        found.mask(&|grid, household| caller.sight(grid, household));
        Ok(Self(found))
    }
}

impl Shown<Edited> {
    /// What came of an edit, as its author sees the household: the audit log has it with the edit.
    pub(crate) fn written(mut edited: Edited, sight: Sight) -> Self {
        mask_conflicts(sight, &mut edited.conflicts);
        Self(edited)
    }
}

/// Fields of one record in full, with the values of open conflicts about them.
#[derive(Debug)]
pub(crate) struct Revealed {
    /// Whose.
    pub(crate) subject: Subject,
    /// The fields that have a value.
    pub(crate) values: Record,
    /// Open conflicts about these fields.
    pub(crate) conflicts: Vec<Conflict<Person>>,
}

impl Shown<Revealed> {
    /// Counts and notes that the caller is shown these fields of a container in full, and waits until that is durable. That
    /// the caller may see them is checked before.
    ///
    /// # Errors
    /// A problem if the caller has revealed too much, or if it cannot be noted: then nothing is shown.
    pub(crate) async fn in_full(
        caller: &Caller,
        state: &State,
        fields: &[&'static Field],
        container: &str,
        what: Revealed,
    ) -> Result<Self, Problem> {
        let subject = what.subject;
        let fields = fields.iter().map(|field| format!("{container}.{}", field.name)).collect();
        let broken = caller.broken_for(subject.scope, subject.household);
        let revealing = Revealing { subject, fields, broken };
        state.registry.note_revealed(caller.staff, revealing, caller.now).await?;
        Ok(Self(what))
    }
}

impl<T> Shown<T> {
    /// What is shown.
    pub(crate) fn into_inner(self) -> T {
        self.0
    }

    /// What is shown, as something else that is made of it.
    pub(crate) fn map<P>(self, make: impl FnOnce(T) -> P) -> Shown<P> {
        Shown(make(self.0))
    }

    /// A part of what is shown.
    pub(crate) fn part<P>(&mut self, take: impl FnOnce(&mut T) -> P) -> Shown<P> {
        Shown(take(&mut self.0))
    }
}

impl<T> Shown<Vec<T>> {
    /// One after the other.
    pub(crate) fn each(self) -> impl Iterator<Item = Shown<T>> {
        self.0.into_iter().map(Shown)
    }
}

impl<T> Shown<Page<T>> {
    /// What is on the page, and where the next one begins.
    pub(crate) fn into_items(self) -> (impl Iterator<Item = Shown<T>>, Option<Cursor>) {
        (self.0.items.into_iter().map(Shown), self.0.next)
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

    fn mask(&mut self, sights: &Sights<'_>) {
        self.items.retain_mut(|item| {
            item.mask(sights);
            !item.is_withheld()
        });
    }
}

/// Rows of a list with the dwelling beside each.
pub(crate) type WithHomes<T> = (Page<T>, BTreeMap<HouseholdId, HouseholdSummary>);

macro_rules! with_homes {
    ($($view:ty: $classes:expr;)+) => {$(
        impl AboutPersons for WithHomes<$view> {
            const CLASSES: &'static [&'static str] = $classes;

            fn persons(&self, to: &mut BTreeSet<Subject>) {
                self.0.persons(to);
            }

            fn records(&self) -> usize {
                self.0.records()
            }

            fn mask(&mut self, sights: &Sights<'_>) {
                self.0.mask(sights);
                self.1.values_mut().for_each(|home| home.mask(sights));
            }
        }
    )+};
}

with_homes! {
    ResidentView: &[RESIDENTS, MEMBERSHIPS, DWELLING];
    VisitView: &[VISITS, DWELLING];
}

/// What a need counts as that does not say.
const MOST_SENSITIVE: Sensitivity = 3;

/// Stands for visits, notes and corrections.
const VISITS: &str = "visits";
/// Stands for whatever people disagree on.
const CONFLICTS: &str = "conflicts";

impl AboutPersons for HouseholdSummary {
    const CLASSES: &'static [&'static str] = &[HOUSEHOLD, DWELLING];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.id, resident: None });
    }

    fn mask(&mut self, sights: &Sights<'_>) {
        let sight = sights(self.scope, self.id);
        sight.mask(fields_of(HOUSEHOLD), &mut self.household);
        sight.mask(fields_of(DWELLING), &mut self.dwelling);
    }
}

impl AboutPersons for HouseholdView {
    const CLASSES: &'static [&'static str] = &[HOUSEHOLD, DWELLING, RESIDENTS, MEMBERSHIPS, NEEDS, CONFLICTS];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        let whole = Subject { scope: self.scope, household: self.household.id, resident: None };
        to.insert(whole);
        to.extend(self.household.residents().map(|(id, _)| Subject { resident: Some(id), ..whole }));
    }

    fn mask(&mut self, sights: &Sights<'_>) {
        let sight = sights(self.scope, self.household.id);
        mask_household(sight, &mut self.household);
        mask_conflicts(sight, &mut self.conflicts);
    }
}

impl AboutPersons for ResidentView {
    const CLASSES: &'static [&'static str] = &[RESIDENTS, MEMBERSHIPS];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.household, resident: Some(self.id) });
    }

    fn mask(&mut self, sights: &Sights<'_>) {
        let sight = sights(self.scope, self.household);
        sight.mask(fields_of(RESIDENTS), &mut self.resident);
        self.stays.iter_mut().for_each(|(_, stay)| sight.mask(fields_of(MEMBERSHIPS), stay));
    }
}

impl AboutPersons for SearchHit {
    // Of a resident the name, and of the dwelling the address; and that the words fit a phone number says what it is.
    const CLASSES: &'static [&'static str] = &[RESIDENTS, DWELLING];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.household, resident: self.resident });
    }

    fn mask(&mut self, sights: &Sights<'_>) {
        let sight = sights(self.scope, self.household);
        let shown = |container: &str, name: &str, text: Option<String>| {
            let field = fields_of(container).iter().find(|field| field.name == name)?;
            sight.show(field, &Value::Text(text?)).map(|value| value.to_string())
        };
        self.name = shown(RESIDENTS, "name", self.name.take());
        self.address = shown(DWELLING, "address", self.address.take());
    }
}

impl AboutPersons for VisitView {
    const CLASSES: &'static [&'static str] = &[VISITS];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        to.insert(Subject { scope: self.scope, household: self.fact.fact.household, resident: None });
    }

    /// Nothing of a fact has a mask, and whoever may read at all sees its class; a test compares.
    fn mask(&mut self, _: &Sights<'_>) {}
}

impl AboutPersons for ConflictView {
    const CLASSES: &'static [&'static str] = &[CONFLICTS];

    fn persons(&self, to: &mut BTreeSet<Subject>) {
        let resident = resident_of(&self.conflict.path);
        to.insert(Subject { scope: self.scope, household: self.household, resident });
    }

    fn mask(&mut self, sights: &Sights<'_>) {
        let sight = sights(self.scope, self.household);
        if manner_of(sight, &self.conflict.path) == Manner::Withheld {
            self.conflict.alternatives.clear();
        }
        mask_conflict(sight, &mut self.conflict);
    }

    fn is_withheld(&self) -> bool {
        self.conflict.alternatives.is_empty()
    }
}

/// What the audit log says of what the caller is shown of persons.
pub(crate) fn showing(
    caller: &Caller,
    classes: &'static [&'static str],
    persons: &BTreeSet<Subject>,
    records: usize,
) -> Showing {
    let (mut sensitivity, mut masked, mut broken) = (0, false, BTreeSet::new());
    let all: Vec<&Field> = classes.iter().flat_map(|class| fields(class)).collect();
    for person in persons {
        let sight = caller.sight(person.scope, person.household);
        for field in &all {
            let manner = sight.manner(field);
            if manner != Manner::Withheld {
                sensitivity = sensitivity.max(field.sensitivity);
            }
            masked |= manner == Manner::Masked;
        }
        broken.extend(caller.broken_for(person.scope, person.household));
    }
    Showing { classes, records, sensitivity, masked, broken: broken.into_iter().collect(), sought_phone: false }
}

/// All fields that something of a class may show.
fn fields(class: &'static str) -> Vec<&'static Field> {
    match class {
        VISITS => [VISIT, NOTE, CORRECTION].into_iter().flatten().collect(),
        CONFLICTS => SCHEMA_1.containers.iter().flat_map(|container| container.fields).collect(),
        container => fields_of(container).iter().collect(),
    }
}

/// The fields of a container; none of one that is none, of which nothing is shown by that.
fn fields_of(container: &str) -> &'static [Field] {
    SCHEMA_1.container(container).map(|container| container.fields).unwrap_or_default()
}

fn mask_household(sight: Sight, household: &mut Household) {
    for (path, record) in &mut household.records {
        sight.mask(fields_of(&path.container), record);
    }
    household.members.retain(|path, member| {
        let class = member.attributes.integer("sensitivity").and_then(|class| class.try_into().ok());
        sight.mask(fields_of(&path.container), &mut member.attributes);
        sight.shows_need(class.unwrap_or(MOST_SENSITIVE))
    });
}

/// Leaves what is shown of each, and none of a field that is withheld.
fn mask_conflicts(sight: Sight, conflicts: &mut Vec<Conflict<Person>>) {
    conflicts.retain(|conflict| manner_of(sight, &conflict.path) != Manner::Withheld);
    conflicts.iter_mut().for_each(|conflict| mask_conflict(sight, conflict));
}

fn mask_conflict(sight: Sight, conflict: &mut Conflict<Person>) {
    for alternative in &mut conflict.alternatives {
        let field = field_of(&conflict.path);
        alternative.value = field.and_then(|field| sight.show(field, alternative.value.as_ref()?));
    }
}

fn manner_of(sight: Sight, path: &FieldPath) -> Manner {
    field_of(path).map_or(Manner::Withheld, |field| sight.manner(field))
}

/// The field of a path.
pub(crate) fn field_of(path: &FieldPath) -> Option<&'static Field> {
    fields_of(&path.record.container).iter().find(|field| field.name == path.field)
}

/// The resident of a field, if it is one of a resident.
fn resident_of(path: &FieldPath) -> Option<ResidentId> {
    let id = path.record.id.as_ref().filter(|_| path.record.container == RESIDENTS)?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwork_domain::mask::Mask;
    use gridwork_domain::permission::Operation;
    use gridwork_domain::staff::Role;

    #[test]
    fn whoever_reads_sees_facts_whole_so_that_they_need_no_masks() {
        for role in Role::ALL.into_iter().filter(|role| role.may(Operation::Read)) {
            let sight = Sight::of(Operation::Read, [role]).through_masks();
            for field in fields(VISITS) {
                assert!(field.mask == Mask::Open && sight.manner(field) != Manner::Withheld, "{} {role:?}", field.name);
            }
        }
    }
}
