//! What callers read: the registry's views in JSON.
//!
//! Ids are 22 characters of base64url, instants milliseconds since 1970-01-01 UTC. It does not know who reads: what lies
//! outside a caller's reach never gets here.
//!
//! **Invariant:** what is about persons becomes a body only when the audit log has it and it is masked ([`Shown`]); what is
//! shown is listed here field by field; a field that a view gains later is not shown by accident.

use crate::entity_tag;
use crate::record::{DwellingRecord, FieldValue, HouseholdRecord, MembershipRecord, ResidentRecord};
use crate::shown::{Shown, field_of};
use gridwork_domain::area::Area;
use gridwork_domain::fields::Record;
use gridwork_domain::household::{self, Household, RecordPath};
use gridwork_domain::id::{ResidentId, ScopeId};
use gridwork_domain::mask::Mask;
use gridwork_domain::staff::Staff;
use gridwork_registry::{ConflictView, HouseholdSummary, HouseholdView, ResidentView};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) mod area;
pub(crate) mod reference;
pub(crate) mod staff;
pub(crate) mod visit;

/// A member of staff.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    /// Their id.
    #[schema(example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    pub(crate) id: String,
    /// Their name.
    #[schema(example = "王秀英")]
    pub(crate) name: String,
}

/// A short reference to an area.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AreaReference {
    /// Its id.
    id: String,
    /// Its division code.
    code: String,
    /// Its name.
    name: String,
}

/// A household 户 in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HouseholdSummary)]
pub(crate) struct HouseholdSummaryBody {
    /// Its id.
    id: String,
    /// The grid in which it is.
    grid: String,
    /// Its own fields.
    household: HouseholdRecord,
    /// Its dwelling.
    dwelling: DwellingRecord,
    /// Fields that people gave different values without knowing of each other.
    open_conflicts: u32,
}

/// A household 户 with everything that is known of it but its visits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HouseholdView)]
pub(crate) struct HouseholdBody {
    /// Its id.
    id: String,
    /// The grid in which it is.
    grid: String,
    /// The version that this is, as in the header `ETag`: send it as `If-Match` with an edit.
    version: String,
    /// Its own fields.
    household: HouseholdRecord,
    /// Its dwelling.
    dwelling: DwellingRecord,
    /// Its residents, also those who moved out.
    residents: Vec<ResidentBody>,
    /// Needs of its residents and of itself.
    needs: Vec<NeedBody>,
    /// Fields that people gave different values without knowing of each other.
    conflicts: Vec<ConflictBody>,
    /// Into which household it was merged; null unless it was, and is closed.
    #[schema(required = true)]
    merged_into: Option<MergingBody>,
    /// Closed households that were merged into it.
    merged_from: Vec<MergingBody>,
}

/// The other household of a merge.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Merging)]
pub(crate) struct MergingBody {
    /// The other household.
    household: String,
    /// Who merged them.
    by: Person,
    /// When: milliseconds since 1970-01-01 UTC.
    at_ms: i64,
    /// Why.
    reason: String,
    /// Changes of the closed one that came afterwards, from phones that were offline: work to bring over.
    late_changes: u64,
}

/// A resident 居民 of a household.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResidentView)]
pub(crate) struct ResidentBody {
    /// The resident's id.
    id: String,
    /// The household.
    household: String,
    /// The grid in which it is.
    grid: String,
    /// What is known of the person.
    resident: ResidentRecord,
    /// The person's stays in this household.
    memberships: Vec<MembershipBody>,
}

/// A stay of a resident in a household.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MembershipView)]
pub(crate) struct MembershipBody {
    /// Its id.
    id: String,
    /// Relation to the head, since when and until when.
    membership: MembershipRecord,
}

/// A need 需求标签.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Need)]
pub(crate) struct NeedBody {
    /// The resident, or the household itself.
    subject: String,
    /// The kind, of the district's list.
    #[schema(example = "meal_service")]
    kind: String,
    /// What the tag is used for.
    #[schema(required = true)]
    purpose: Option<String>,
    /// On what basis it is kept: `statutory_duty`, `consent` or `emergency`.
    #[schema(required = true)]
    basis: Option<String>,
    /// 0 public, 1 personal.
    #[schema(required = true)]
    sensitivity: Option<i64>,
    /// The last day on which it holds.
    #[schema(required = true)]
    expires: Option<String>,
    /// What helps to help.
    #[schema(required = true)]
    note: Option<String>,
}

/// A field that people gave different values without knowing of each other, until somebody decides.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub(crate) struct ConflictBody {
    /// Which field: `container.field` or `container.id.field`.
    #[schema(example = "household.contact_phone")]
    path: String,
    /// All values; the first is the one that is shown.
    alternatives: Vec<AlternativeBody>,
    /// Whether the values are masked: reveal the field to tell them apart.
    masked: bool,
}

/// One of the values of a conflict.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alternative)]
pub(crate) struct AlternativeBody {
    /// The value; null if the field was cleared.
    #[schema(required = true)]
    value: Option<FieldValue>,
    /// Who gave it.
    by: Person,
    /// When, by that person's device: milliseconds since 1970-01-01 UTC.
    at_ms: i64,
}

/// A conflict in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConflictSummary)]
pub(crate) struct ConflictSummaryBody {
    /// The household.
    household: String,
    /// The grid in which it is.
    grid: String,
    /// The conflict.
    conflict: ConflictBody,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
pub(crate) struct PageBody<T> {
    /// What is on it.
    items: Vec<T>,
    /// What to send as `after` for the next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
}

impl<T> PageBody<T> {
    /// A page of the registry in JSON.
    pub(crate) fn of<V>(page: Shown<gridwork_registry::Page<V>>) -> Self
    where
        Shown<V>: Into<T>,
    {
        let (items, next) = page.into_items();
        Self { items: items.map(Into::into).collect(), next: next.map(|cursor| cursor.to_string()) }
    }

    /// A page that shows nothing about residents.
    pub(crate) fn of_staff<V: AboutStaff + Into<T>>(page: gridwork_registry::Page<V>) -> Self {
        let next = page.next.map(|cursor| cursor.to_string());
        Self { items: page.items.into_iter().map(Into::into).collect(), next }
    }
}

/// What is about staff: it shows nothing of residents.
pub(crate) trait AboutStaff {}

impl AboutStaff for gridwork_registry::StaffView {}
impl AboutStaff for gridwork_registry::BreakGlassView {}
impl AboutStaff for gridwork_registry::AreaView {}
impl AboutStaff for gridwork_registry::WatchedDevice {}

impl From<gridwork_registry::Person> for Person {
    fn from(person: gridwork_registry::Person) -> Self {
        Self { id: person.staff.to_string(), name: person.name }
    }
}

impl From<Staff> for Person {
    fn from(staff: Staff) -> Self {
        Self { id: staff.id.to_string(), name: staff.name }
    }
}

impl From<Area> for AreaReference {
    fn from(area: Area) -> Self {
        Self { id: area.id.to_string(), code: area.code.to_string(), name: area.name }
    }
}

impl From<Shown<HouseholdSummary>> for HouseholdSummaryBody {
    fn from(summary: Shown<HouseholdSummary>) -> Self {
        let summary = summary.into_inner();
        Self {
            id: summary.id.to_string(),
            grid: summary.scope.to_string(),
            household: HouseholdRecord(summary.household),
            dwelling: DwellingRecord(summary.dwelling),
            open_conflicts: summary.open_conflicts,
        }
    }
}

impl From<Shown<HouseholdView>> for HouseholdBody {
    fn from(mut view: Shown<HouseholdView>) -> Self {
        let conflicts = view.part(|view| std::mem::take(&mut view.conflicts));
        let view = view.into_inner();
        let household = &view.household;
        let record = |path: &RecordPath| household.record(path).cloned().unwrap_or_default();
        Self {
            id: household.id.to_string(),
            grid: view.scope.to_string(),
            version: entity_tag::spell(&view.heads),
            household: HouseholdRecord(record(&RecordPath::household())),
            dwelling: DwellingRecord(record(&RecordPath::dwelling())),
            residents: residents(household, view.scope),
            needs: household.needs().map(|(path, member)| need(path, &member.attributes)).collect(),
            conflicts: conflicts.each().map(Into::into).collect(),
            merged_into: view.merged_into.map(Into::into),
            merged_from: view.merged_from.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<gridwork_registry::Merging> for MergingBody {
    fn from(merging: gridwork_registry::Merging) -> Self {
        Self {
            household: merging.household.to_string(),
            by: merging.by.into(),
            at_ms: merging.at.ms(),
            reason: merging.why,
            late_changes: merging.late_changes,
        }
    }
}

impl From<Shown<ResidentView>> for ResidentBody {
    fn from(view: Shown<ResidentView>) -> Self {
        let view = view.into_inner();
        let stays = view.stays.into_iter();
        Self {
            id: view.id.to_string(),
            household: view.household.to_string(),
            grid: view.scope.to_string(),
            resident: ResidentRecord(view.resident),
            memberships: stays
                .map(|(id, record)| MembershipBody { id: id.to_string(), membership: MembershipRecord(record) })
                .collect(),
        }
    }
}

impl From<Shown<household::Conflict<gridwork_registry::Person>>> for ConflictBody {
    fn from(conflict: Shown<household::Conflict<gridwork_registry::Person>>) -> Self {
        let conflict = conflict.into_inner();
        let mask = field_of(&conflict.path).map_or(Mask::Open, |field| field.mask);
        let mut values = conflict.alternatives.iter().filter_map(|one| one.value.as_ref());
        let masked = values.any(|value| mask.is_left_of(value));
        let alternatives = conflict.alternatives.into_iter().map(|one| AlternativeBody {
            value: one.value.map(FieldValue),
            by: one.by.into(),
            at_ms: one.at.ms(),
        });
        Self { path: conflict.path.to_string(), alternatives: alternatives.collect(), masked }
    }
}

impl From<Shown<ConflictView>> for ConflictSummaryBody {
    fn from(mut view: Shown<ConflictView>) -> Self {
        let (household, grid) = (view.household.to_string(), view.scope.to_string());
        let empty = household::Conflict { path: view.conflict.path.clone(), alternatives: Vec::new() };
        Self { household, grid, conflict: view.part(|view| std::mem::replace(&mut view.conflict, empty)).into() }
    }
}

fn residents(household: &Household, grid: ScopeId) -> Vec<ResidentBody> {
    let stays_of = |resident: ResidentId| {
        let id = resident.to_string();
        let stays = household.memberships().filter(move |(_, stay)| stay.text("resident") == Some(id.as_str()));
        stays
            .map(|(id, stay)| MembershipBody { id: id.to_string(), membership: MembershipRecord(stay.clone()) })
            .collect()
    };
    let body = |(id, record): (ResidentId, &Record)| ResidentBody {
        id: id.to_string(),
        household: household.id.to_string(),
        grid: grid.to_string(),
        resident: ResidentRecord(record.clone()),
        memberships: stays_of(id),
    };
    household.residents().map(body).collect()
}

fn need(path: &household::MemberPath, attributes: &Record) -> NeedBody {
    let text = |name: &str| attributes.text(name).map(str::to_owned);
    NeedBody {
        subject: path.subject.clone(),
        kind: path.kind.clone(),
        purpose: text("purpose"),
        basis: text("basis"),
        sensitivity: attributes.integer("sensitivity"),
        expires: text("expires"),
        note: text("note"),
    }
}
