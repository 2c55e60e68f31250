//! The guard against the library alone: no database, no network.

use super::Outcome;
use super::district::{FIRST_DAY, bytes, grid, household, visit};
use super::timing::{line, medians, turns};
use automerge::{Automerge, Change};
use gridwork_domain::edit::{Action, Edit, Outcome as Checked};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{EditId, FactId, HouseholdId, ScopeId};
use gridwork_domain::schema::SCHEMA_1;
use gridwork_sync::change::{Base, Head, RawChange, record_fact, write_household};
use gridwork_sync::document::{ActorId, ChangeHash, DocumentId, DocumentKey, DocumentKind};
use gridwork_sync::genesis;
use gridwork_sync::guard::scan::Limits;
use gridwork_sync::guard::{Effect, Elsewhere, LastChange, Offered, Rules, Verdict, View, decode, judge};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;

/// Visits that a household has had: two a month.
const VISITS: u64 = 24;
/// Visits in a push: a day's work.
const PUSHED: u64 = 50;
/// Changes that are handled in one turn, so that a turn is long enough to be timed.
const PER_TURN: usize = 64;
const LEADER: ActorId = ActorId([7; 16]);

/// What the guard asks, in memory.
#[derive(Default)]
struct Memory {
    merged: BTreeMap<(DocumentKey, ChangeHash), Head>,
    last: BTreeMap<DocumentKey, LastChange>,
    facts: BTreeMap<(DocumentKey, FactId), Vec<u8>>,
    documents: BTreeMap<DocumentKey, Automerge>,
}

impl View for Memory {
    type Error = Infallible;

    fn home(&self, _: &DocumentKey) -> Result<Option<ScopeId>, Infallible> {
        Ok(Some(grid(0)))
    }
    fn may_write(&self, scope: ScopeId, _: DocumentKind) -> Result<bool, Infallible> {
        Ok(scope == grid(0))
    }
    fn owns(&self, actor: ActorId) -> Result<bool, Infallible> {
        Ok(actor == LEADER)
    }
    fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, Infallible> {
        Ok(self.merged.get(&(*key, hash)).copied())
    }
    fn elsewhere(&self, _: &DocumentKey, _: ChangeHash) -> Result<Option<Elsewhere>, Infallible> {
        Ok(None)
    }
    fn last(&self, key: &DocumentKey, _: ActorId) -> Result<Option<LastChange>, Infallible> {
        Ok(self.last.get(key).copied())
    }
    fn fact(&self, key: &DocumentKey, id: FactId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.facts.get(&(*key, id)).cloned())
    }
    fn fact_count(&self, _: &DocumentKey) -> Result<usize, Infallible> {
        Ok(VISITS as usize)
    }
    fn document(&self, key: &DocumentKey) -> Result<Option<Automerge>, Infallible> {
        Ok(self.documents.get(key).cloned())
    }
}

impl Memory {
    fn add(&mut self, key: DocumentKey, change: &RawChange) {
        let head = Head { hash: change.hash, largest_op: change.largest_op };
        self.merged.insert((key, change.hash), head);
        self.last.insert(key, LastChange { hash: change.hash, sequence: change.sequence });
    }

    /// A household with its visits, and the next visit.
    fn visited(&mut self, number: u64) -> Result<(DocumentKey, Automerge, RawChange), Box<dyn Error>> {
        let id = household(number).0;
        let year = FIRST_DAY.year_in_shanghai().ok_or("a year")?;
        let key = DocumentKey::from(DocumentId::visits(id, year));
        let mut document = genesis::begin(&SCHEMA_1, &key);
        let mut base = Base { actor: LEADER, heads: Vec::new(), previous: None };
        for turn in 0..=VISITS {
            let at = FIRST_DAY.plus_ms(i64::try_from(turn * 3_600_000)?);
            let (fact, visit) = visit(number * 1_000 + turn, at);
            let Checked::Fact(_, fact) = edit(turn, id, Action::RecordVisit { fact, visit }).check(&SCHEMA_1)? else {
                return Err("a visit is a fact".into());
            };
            let change = record_fact(&base, &key, &fact, at);
            if turn == VISITS {
                return Ok((key, document, change));
            }
            document.apply_changes([Change::from_bytes(change.bytes.clone())?])?;
            self.facts.insert((key, fact.id), gridwork_sync::fact::encode(&fact, &key));
            self.add(key, &change);
            let head = Head { hash: change.hash, largest_op: change.largest_op };
            base = Base { heads: vec![head], previous: Some((head, change.sequence)), ..base };
        }
        Err("there is a last visit".into())
    }

    /// A household, and a correction of its telephone number.
    fn corrected(&mut self, number: u64) -> Result<(DocumentKey, Automerge, RawChange), Box<dyn Error>> {
        let (id, register) = household(number);
        let key = DocumentKey::from(DocumentId::household(id));
        let mut document = genesis::begin(&SCHEMA_1, &key);
        let fields = Fields::new().with("contact_phone", "13912345678");
        let correct = Action::Correct { record: RecordPath::household(), fields };
        let first = write(&document, edit(1, id, register))?;
        document.apply_changes([Change::from_bytes(first.bytes.clone())?])?;
        self.add(key, &first);
        let second = write(&document, edit(2, id, correct))?;
        self.documents.insert(key, document.clone());
        Ok((key, document, second))
    }
}

fn edit(number: u64, household: HouseholdId, action: Action) -> Edit {
    Edit { id: EditId::new(FIRST_DAY, bytes(number)), at: FIRST_DAY, household, action }
}

fn write(document: &Automerge, edit: Edit) -> Result<RawChange, Box<dyn Error>> {
    let Checked::Household(writes) = edit.check(&SCHEMA_1)? else { return Err("it writes a household".into()) };
    let base = Base::current(document, LEADER);
    Ok(write_household(&SCHEMA_1, document, &base, (edit.id, edit.at), &writes)?)
}

fn merges(view: &Memory, key: DocumentKey, change: &RawChange) -> Effect {
    let rules = Rules::new(&SCHEMA_1, super::district::now());
    let offered = Offered { key, scope: grid(0), bytes: &change.bytes };
    match judge(view, &rules, &offered) {
        Ok(Verdict::Merge(merge)) => merge.effect,
        Ok(other) => panic!("an honest change was not merged: {other:?}"),
    }
}

fn apply(document: &mut Automerge, change: &RawChange) {
    let change = Change::from_bytes(change.bytes.clone()).expect("a change");
    document.apply_changes([change]).expect("it applies");
}

/// One visit, and one correction, against the library on the same document.
pub(crate) fn merging_one() -> Outcome {
    let mut memory = Memory::default();
    let visited = memory.visited(1)?;
    let corrected = memory.corrected(2)?;
    for (what, (key, document, change)) in [("a visit", visited), ("a correction", corrected)] {
        let mut loaded: Vec<Automerge> = vec![document.clone(); PER_TURN * turns()];
        let saved = document.save_nocompress();
        let times = medians([
            &mut |_| (0..PER_TURN).for_each(|_| drop(black_box(merges(&memory, key, &change)))),
            &mut |turn| loaded[turn * PER_TURN..][..PER_TURN].iter_mut().for_each(|one| apply(one, &change)),
            &mut |_| {
                for _ in 0..PER_TURN {
                    let mut document = Automerge::load(&saved).expect("it loads");
                    apply(&mut document, &change);
                    black_box(document.save_nocompress());
                }
            },
        ]);
        let [ours, raw, whole] = times.map(|time| time / PER_TURN as u32);
        line(&format!("{what}: the library applies it to the loaded document"), raw, None);
        line(&format!("{what}: the library loads, applies and saves"), whole, Some(raw));
        line(&format!("{what}: judged, all steps, ready to be stored"), ours, Some(raw));
    }
    Ok(())
}

/// A day's push against parsing it and checking that it is canonical.
pub(crate) fn judging_a_push() -> Outcome {
    let mut memory = Memory::default();
    let pushed = (0..PUSHED).map(|number| memory.visited(number)).collect::<Result<Vec<_>, _>>()?;
    let [judged, decoded] = medians([
        &mut |_| pushed.iter().for_each(|(key, _, change)| drop(black_box(merges(&memory, *key, change)))),
        &mut |_| {
            for (_, _, change) in &pushed {
                black_box(decode(&change.bytes, &Limits::DEFAULT).expect("it is canonical"));
            }
        },
    ]);
    line("50 visits parsed and found canonical", decoded, None);
    line("50 visits judged, all steps", judged, Some(decoded));
    Ok(())
}
