//! Two households that are one: the residents and needs of the duplicate go to the survivor, and the duplicate is closed and
//! says where they went.
//!
//! All of it are edits like anybody's, in one transaction. Nothing is deleted: the duplicate's visits are read with the
//! survivor's, what offline phones still write into it stays there and is counted, and by further edits all of it can be
//! taken back by hand.
//!
//! **Invariant:** what the duplicate said is said by the survivor, or still by the duplicate.

use crate::audit::{Step, Written, note};
use crate::database::{Connection, Id, StoreError, fails_as_the_store_does};
use crate::editing::{EditError, apply, heads_of};
use crate::entropy::random;
use crate::figures::add;
use crate::idempotency::Keep;
use crate::ledger::Ledger;
use crate::projection::{HouseholdRows, ResidentRow};
use crate::query::rows_of;
use crate::registry::Registry;
use crate::tables::household_merge;
use diesel::prelude::*;
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::{Fields, Record, Value};
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{EditId, HouseholdId, MembershipId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::need::Need;
use gridwork_sync::change::BuildError;
use gridwork_sync::document::{ChangeHash, DocumentId, DocumentKey};
use std::collections::{BTreeMap, BTreeSet};

/// The status of a household that is closed.
pub(crate) const CLOSED: &str = "dissolved";
/// Characters of a remark at most.
const LONGEST_REMARK: usize = gridwork_domain::schema::NOTE_LENGTH;

/// Which household is merged into which, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeHouseholds {
    /// Who merges them.
    pub by: StaffId,
    /// The household that is closed.
    pub duplicate: HouseholdId,
    /// The version of it that they saw; none for the current one.
    pub seen: Option<Vec<ChangeHash>>,
    /// The household that goes on.
    pub survivor: HouseholdId,
    /// Why, in their words.
    pub why: String,
}

/// What a merge came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedHouseholds {
    /// The household that goes on.
    pub survivor: HouseholdId,
    /// The heads of its document afterwards.
    pub heads: Vec<ChangeHash>,
    /// Residents who went there.
    pub moved: Vec<ResidentId>,
    /// Residents who were there already, by the same name and birth date: those of the duplicate.
    pub same: Vec<ResidentId>,
}

/// Why households are not merged. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MergeError {
    /// Into itself, or with one that is closed.
    #[error("a household is merged into another one, and both are open: look at them again")]
    NotTwo,
    /// Somebody changed the duplicate since.
    #[error("somebody changed the household since you saw it: look at it again")]
    Stale,
    /// One of the edits was refused.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(MergeError);

impl From<diesel::result::Error> for MergeError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Registry {
    /// Merges a household into another.
    ///
    /// # Errors
    /// [`MergeError`]; nothing was changed.
    pub async fn merge_households(
        &self,
        what: MergeHouseholds,
        now: Instant,
        answer: Option<Keep<MergedHouseholds>>,
    ) -> Result<MergedHouseholds, MergeError> {
        let keys = self.sealing.clone();
        let merging = self.database.write_locking(move |connection| {
            let homes = [home_of(connection, what.duplicate)?, home_of(connection, what.survivor)?];
            let ledger = Ledger::new(connection, now, keys.clone(), homes.into_iter().collect())?;
            let mut merger = Merger { ledger: &ledger, what: &what, written: Written::default(), edits: 0 };
            let (moved, same) = merger.merge()?;
            let (written, edits) = (merger.written, merger.edits);
            let heads = heads_of(&ledger, &key(what.survivor))?;
            let feeds = ledger.finish()?;
            remember(connection, &what, now)?;
            let (detail, persons) = (written.detail(), written.persons);
            let merged = MergedHouseholds { survivor: what.survivor, heads, moved, same };
            if let Some(answer) = &answer {
                answer.keep(connection, &merged, &persons)?;
            }
            let (subject, reason) = (Some(what.duplicate.as_bytes().as_slice()), Some(what.why.as_str()));
            let step = Step::new(now, Some(what.by), "merge-households");
            note(connection, &Step { subject, detail: &detail, persons, reason, ..step })?;
            Ok::<_, MergeError>((merged, feeds, edits))
        });
        let (merged, feeds, edits) = merging.await?;
        self.committed(feeds);
        add(&self.counters.edits, edits);
        Ok(merged)
    }
}

struct Merger<'l, 'c> {
    ledger: &'l Ledger<'c>,
    what: &'l MergeHouseholds,
    written: Written,
    edits: u64,
}

impl Merger<'_, '_> {
    fn merge(&mut self) -> Result<(Vec<ResidentId>, Vec<ResidentId>), MergeError> {
        let MergeHouseholds { duplicate, survivor, seen, .. } = self.what;
        let (duplicate, survivor) = (*duplicate, *survivor);
        if let Some(seen) = seen {
            let heads = heads_of(self.ledger, &key(duplicate))?;
            if heads.iter().collect::<BTreeSet<_>>() != seen.iter().collect() {
                return Err(MergeError::Stale);
            }
        }
        let from = self.ledger.query(|connection| rows_of(connection, duplicate.into()))?;
        let into = self.ledger.query(|connection| rows_of(connection, survivor.into()))?;
        let closed = |rows: &HouseholdRows| rows.household.status.as_deref() == Some(CLOSED);
        if duplicate == survivor || closed(&from) || closed(&into) {
            return Err(MergeError::NotTwo);
        }
        let (mut moved, mut same) = (Vec::new(), Vec::new());
        let mut becomes: BTreeMap<String, ResidentId> = BTreeMap::new();
        for resident in &from.residents {
            let id = ResidentId::from(resident.id);
            // Who has moved out of the survivor comes back as somebody whom the desk shows as alike: nobody ends up nowhere.
            let is_there = |other: &&ResidentRow| other.id == resident.id || lives_in(&into, other.id);
            let known = into.residents.iter().filter(is_there).find(|other| is_same(resident, other));
            becomes.insert(id.to_string(), known.map_or(id, |other| other.id.into()));
            match known {
                Some(other) => {
                    let record = RecordPath::resident(other.id.into());
                    self.complete(record, &other.recorded(), &resident.recorded())?;
                    same.push(id);
                }
                None => {
                    self.move_in(resident, &from)?;
                    moved.push(id);
                }
            }
        }
        let (own, dwelling) = crate::projection::summary(&into.household);
        let (their_own, their_dwelling) = crate::projection::summary(&from.household);
        self.complete(RecordPath::household(), &own, &their_own)?;
        self.complete(RecordPath::dwelling(), &dwelling, &their_dwelling)?;
        self.bring_needs(&from, &into, &becomes)?;
        self.close(&from, &into)?;
        Ok((moved, same))
    }

    /// A resident of the duplicate lives in the survivor, and no longer in the duplicate.
    fn move_in(&mut self, resident: &ResidentRow, from: &HouseholdRows) -> Result<(), MergeError> {
        let id = ResidentId::from(resident.id);
        let text = id.to_string();
        let stay = from.memberships.iter().filter(|stay| stay.resident.as_deref() == Some(text.as_str()));
        let stay = stay.max_by_key(|stay| (stay.until.is_none(), stay.since.clone()));
        let mut known = stay.map(|stay| fields(&stay.record())).unwrap_or_default();
        known.0.remove("resident");
        let membership = MembershipId::new(self.ledger.now, self.entropy()?);
        let new = NewResident { resident: id, membership, fields: fields(&resident.recorded()), stay: known };
        self.edit(self.what.survivor, Action::AddResident(new))
    }

    /// Fields of which the survivor has no value, and the duplicate has one.
    fn complete(&mut self, record: RecordPath, has: &Record, other: &Record) -> Result<(), MergeError> {
        let mut missing = fields(other);
        missing.0.retain(|name, _| has.get(name).is_none());
        if missing.is_empty() {
            return Ok(());
        }
        self.edit(self.what.survivor, Action::Correct { record, fields: missing })
    }

    fn bring_needs(
        &mut self,
        from: &HouseholdRows,
        into: &HouseholdRows,
        becomes: &BTreeMap<String, ResidentId>,
    ) -> Result<(), MergeError> {
        let household = self.what.survivor.to_string();
        for need in &from.needs {
            let resident = becomes.get(&need.subject).copied();
            let subject = resident.map_or_else(|| household.clone(), |resident| resident.to_string());
            let is_there = into.needs.iter().any(|other| other.subject == subject && other.kind == need.kind);
            let attributes = serde_json::json!({
                "purpose": need.purpose, "basis": need.basis, "sensitivity": need.sensitivity,
                "expires": need.expires, "note": need.note,
            });
            // One that lacks what a need must have stays with the duplicate.
            if let Some(known) = serde_json::from_value::<Need>(attributes).ok().filter(|_| !is_there) {
                let action = Action::AffirmNeed { resident, kind: need.kind.clone(), need: known };
                self.edit(self.what.survivor, action)?;
            }
        }
        Ok(())
    }

    /// The stays in the duplicate end, and it says where to look.
    fn close(&mut self, from: &HouseholdRows, into: &HouseholdRows) -> Result<(), MergeError> {
        let duplicate = self.what.duplicate;
        let today = self.ledger.now.date_in_shanghai().map(|day| day.to_string());
        for stay in from.memberships.iter().filter(|stay| stay.until.is_none()) {
            let Some(today) = &today else { break };
            let record = RecordPath::membership(stay.id.into());
            self.edit(duplicate, Action::Correct { record, fields: Fields::new().with("until", today.as_str()) })?;
        }
        let place = into.household.address.as_deref().unwrap_or_default();
        let pointer = format!("已并入户 {} {place}", self.what.survivor);
        let before = from.household.remark.as_deref().map(|remark| format!("\n{remark}")).unwrap_or_default();
        let remark = format!("{pointer}{before}");
        let closed = Fields::new().with("status", CLOSED);
        let fits = remark.chars().count() <= LONGEST_REMARK;
        let fields = if fits { closed.with("remark", remark.as_str()) } else { closed };
        self.edit(duplicate, Action::Correct { record: RecordPath::household(), fields })
    }

    fn edit(&mut self, household: HouseholdId, action: Action) -> Result<(), MergeError> {
        let (at, id) = (self.ledger.now, EditId::new(self.ledger.now, self.entropy()?));
        match apply(self.ledger, self.what.by, &Edit { id, at, household, action }, None, None) {
            Ok(applied) => {
                self.written.absorb(applied.written);
                self.edits += 1;
                Ok(())
            }
            Err(EditError::Build(BuildError::Nothing)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn entropy(&self) -> Result<[u8; 10], StoreError> {
        random()
    }
}

/// Whether two are one person, as far as anybody can say: the same name, and the same birth date.
fn is_same(one: &ResidentRow, other: &ResidentRow) -> bool {
    match (&one.citizen_number_hash, &other.citizen_number_hash) {
        _ if one.id == other.id => true,
        (Some(one), Some(other)) => one == other,
        _ => {
            one.name.is_some()
                && one.name == other.name
                && one.birth_date.is_some()
                && one.birth_date == other.birth_date
        }
    }
}

/// Whether a resident has no stay in a household that ended, or one that has not.
fn lives_in(rows: &HouseholdRows, resident: Id) -> bool {
    let resident = ResidentId::from(resident).to_string();
    let mut stays = rows.memberships.iter().filter(|stay| stay.resident.as_ref() == Some(&resident)).peekable();
    stays.peek().is_none() || stays.any(|stay| stay.until.is_none())
}

fn fields(record: &Record) -> Fields {
    Fields(record.0.iter().map(|(name, value)| (name.clone(), Some(Value::clone(value)))).collect())
}

fn key(household: HouseholdId) -> DocumentKey {
    DocumentId::household(household).into()
}

fn home_of(connection: &mut Connection, of: HouseholdId) -> Result<ScopeId, MergeError> {
    use crate::tables::household;
    let this = household::table.find(Id::from(of)).select(household::scope);
    let found: Option<Id> = this.get_result(connection).optional()?;
    Ok(found.ok_or(EditError::NoSuchHousehold)?.into())
}

/// Notes which household went into which.
fn remember(connection: &mut Connection, what: &MergeHouseholds, now: Instant) -> QueryResult<()> {
    let duplicate = Id::from(what.duplicate);
    diesel::delete(household_merge::table.find(duplicate)).execute(connection)?;
    let row = (
        household_merge::duplicate.eq(duplicate),
        household_merge::survivor.eq(Id::from(what.survivor)),
        household_merge::merged_at.eq(now.ms()),
        household_merge::staff.eq(Id::from(what.by)),
        household_merge::why.eq(&what.why),
    );
    diesel::insert_into(household_merge::table).values(row).execute(connection).map(|_| ())
}
