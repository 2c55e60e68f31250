//! A registry in memory for tests: what the guard and the answers ask of one, devices that write, random numbers, and a
//! schema that is still to come.
//!
//! It stores what a verdict says and nothing else, so that a test sees what `judge` and `answer` are worth by themselves.

mod devices;
mod schema_2;

pub(crate) use devices::{Device, GRID, HOME, Random, fact_id, household, visit, visit_at, visits};
pub(crate) use schema_2::SCHEMA_2;

use crate::answer::{self, FeedRow, InstanceId, Position, Whole};
use crate::broken::{Broken, is_broken};
use crate::change::{Head, RawChange};
use crate::document::{ActorId, ChangeHash, DocumentKey, DocumentKind};
use crate::genesis;
use crate::guard::{self, Effect, Elsewhere, LastChange, Merge, Offered, Rules, Verdict, judge};
use automerge::{Automerge, Change};
use gridwork_domain::id::{FactId, HouseholdId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// 2026-09-21 in Shanghai.
pub(crate) const NOW: Instant = Instant::from_ms(1_790_000_000_000);

/// A document as the registry holds it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) home: ScopeId,
    /// All merged changes in the order in which they were merged, with genesis changes beyond the first.
    pub(crate) log: Vec<RawChange>,
    pub(crate) merged: BTreeMap<ChangeHash, Head>,
    /// By the rule: (heads - dependencies) + hash.
    pub(crate) heads: BTreeSet<ChangeHash>,
    pub(crate) last: BTreeMap<ActorId, LastChange>,
    pub(crate) facts: BTreeMap<FactId, Vec<u8>>,
    /// Households only.
    pub(crate) snapshot: Vec<u8>,
}

/// A change that waits, with who brought it.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    by: StaffId,
    scope: ScopeId,
    bytes: Vec<u8>,
}

/// A registry in memory; a clone is its backup.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    pub(crate) schema: &'static Schema,
    pub(crate) now: Instant,
    pub(crate) document_bytes: usize,
    pub(crate) facts: usize,
    pub(crate) instance: InstanceId,
    pub(crate) documents: BTreeMap<DocumentKey, Kept>,
    pub(crate) owners: BTreeMap<ActorId, StaffId>,
    pub(crate) assignments: BTreeSet<(StaffId, ScopeId)>,
    /// What was refused, with the code.
    pub(crate) quarantine: BTreeMap<(DocumentKey, ChangeHash), &'static str>,
    pub(crate) feeds: BTreeMap<ScopeId, Vec<FeedRow>>,
    pub(crate) floors: BTreeMap<ScopeId, Position>,
    pub(crate) held: BTreeMap<(DocumentKey, ChangeHash), Waiting>,
}

impl Registry {
    pub(crate) fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            now: NOW,
            document_bytes: guard::LARGEST_DOCUMENT,
            facts: guard::MOST_FACTS,
            instance: InstanceId([7; 8]),
            documents: BTreeMap::new(),
            owners: BTreeMap::new(),
            assignments: BTreeSet::new(),
            quarantine: BTreeMap::new(),
            feeds: BTreeMap::new(),
            floors: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// Judges a change that `by` hands in, does what the verdict says, and then tries again what was held.
    pub(crate) fn offer(&mut self, by: StaffId, scope: ScopeId, key: DocumentKey, bytes: &[u8]) -> Verdict {
        let verdict = self.judge(by, scope, key, bytes);
        self.apply(by, scope, key, bytes, &verdict);
        if matches!(verdict, Verdict::Merge(_) | Verdict::Quarantine(_)) {
            self.try_held(key.id.subject());
        }
        verdict
    }

    /// Judges without doing anything.
    pub(crate) fn judge(&self, by: StaffId, scope: ScopeId, key: DocumentKey, bytes: &[u8]) -> Verdict {
        let rules =
            Rules { document_bytes: self.document_bytes, facts: self.facts, ..Rules::new(self.schema, self.now) };
        let Ok(verdict) = judge(&Desk { registry: self, by }, &rules, &Offered { key, scope, bytes });
        verdict
    }

    pub(crate) fn held_count(&self) -> usize {
        self.held.len()
    }

    /// The document made of its log, each change applied in a call of its own.
    pub(crate) fn load(&self, key: &DocumentKey) -> Automerge {
        let mut document = genesis::begin(self.schema, key);
        for change in &self.documents[key].log {
            apply_bytes(&mut document, &change.bytes);
        }
        document
    }

    fn apply(&mut self, by: StaffId, scope: ScopeId, key: DocumentKey, bytes: &[u8], verdict: &Verdict) {
        match verdict {
            Verdict::Known(_) => {}
            Verdict::Hold(scanned, _) => {
                let waiting = Waiting { by, scope, bytes: bytes.to_vec() };
                self.held.insert((key, ChangeHash(scanned.hash)), waiting);
            }
            Verdict::Quarantine(refusal) => {
                self.quarantine.extend(refusal.hash.map(|hash| ((key, hash), refusal.code.word())));
            }
            Verdict::Merge(merge) => self.merge(key, merge),
        }
    }

    fn merge(&mut self, key: DocumentKey, merge: &Merge) {
        assert_eq!(merge.new_document, !self.documents.contains_key(&key));
        let first: Vec<ChangeHash> =
            genesis::genesis(self.schema, &key).iter().take(1).map(|change| change.hash().into()).collect();
        let kept = self.documents.entry(key).or_insert_with(|| Kept {
            home: merge.home,
            log: Vec::new(),
            merged: BTreeMap::new(),
            heads: first.into_iter().collect(),
            last: BTreeMap::new(),
            facts: BTreeMap::new(),
            snapshot: Vec::new(),
        });
        let feed = self.feeds.entry(kept.home).or_default();
        for change in merge.genesis.iter().chain([&merge.change]) {
            kept.heads.retain(|head| !change.dependencies.contains(head));
            kept.heads.insert(change.hash);
            kept.merged.insert(change.hash, Head { hash: change.hash, largest_op: change.largest_op });
            kept.last.insert(change.actor, LastChange { hash: change.hash, sequence: change.sequence });
            kept.log.push(change.clone());
            feed.push(FeedRow {
                position: feed.last().map_or(0, |row| row.position) + 1,
                key,
                hash: change.hash,
                actor: change.actor,
                bytes: change.bytes.clone(),
            });
        }
        match &merge.effect {
            Effect::Facts(facts) => {
                for new in facts {
                    assert!(kept.facts.insert(new.fact.id, new.bytes.clone()).is_none(), "a new fact was not known");
                }
            }
            Effect::Household { snapshot, heads, .. } => {
                kept.snapshot.clone_from(snapshot);
                assert!(kept.heads.iter().eq(heads), "the heads by the rule are those of the library");
            }
        }
    }

    /// What waits about a household waits for something of that household.
    fn try_held(&mut self, household: HouseholdId) {
        loop {
            let mut moved = false;
            let waiting = self.held.keys().filter(|(key, _)| key.id.subject() == household);
            for (key, hash) in waiting.copied().collect::<Vec<_>>() {
                let Some(Waiting { by, scope, bytes }) = self.held.remove(&(key, hash)) else { continue };
                let verdict = self.judge(by, scope, key, &bytes);
                moved |= !matches!(verdict, Verdict::Hold(..));
                self.apply(by, scope, key, &bytes, &verdict);
            }
            if !moved {
                return;
            }
        }
    }
}

/// Applies one chunk in a call of its own; it must find all that it depends on.
pub(crate) fn apply_bytes(document: &mut Automerge, bytes: &[u8]) {
    let change = Change::from_bytes(bytes.to_vec()).expect("a change");
    let hash = change.hash();
    document.apply_changes([change]).expect("it applies");
    assert!(automerge::ReadDoc::get_change_by_hash(document, &hash).is_some(), "a dependency is missing");
}

/// The registry as it looks to one person's device.
struct Desk<'a> {
    registry: &'a Registry,
    by: StaffId,
}

impl guard::View for Desk<'_> {
    type Error = Infallible;

    fn home(&self, key: &DocumentKey) -> Result<Option<ScopeId>, Infallible> {
        Ok(self.registry.documents.get(key).map(|kept| kept.home))
    }

    fn may_write(&self, scope: ScopeId, _: DocumentKind) -> Result<bool, Infallible> {
        Ok(self.registry.assignments.contains(&(self.by, scope)))
    }

    fn owns(&self, actor: ActorId) -> Result<bool, Infallible> {
        Ok(self.registry.owners.get(&actor) == Some(&self.by))
    }

    fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, Infallible> {
        if is_broken(Broken::HashWithoutDocument) {
            return Ok(self.registry.documents.values().find_map(|kept| kept.merged.get(&hash)).copied());
        }
        Ok(self.registry.documents.get(key).and_then(|kept| kept.merged.get(&hash)).copied())
    }

    fn elsewhere(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Elsewhere>, Infallible> {
        let place = (*key, hash);
        Ok(if self.registry.quarantine.contains_key(&place) {
            Some(Elsewhere::Quarantined)
        } else {
            self.registry.held.contains_key(&place).then_some(Elsewhere::Held)
        })
    }

    fn last(&self, key: &DocumentKey, actor: ActorId) -> Result<Option<LastChange>, Infallible> {
        Ok(self.registry.documents.get(key).and_then(|kept| kept.last.get(&actor)).copied())
    }

    fn fact(&self, key: &DocumentKey, id: FactId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.registry.documents.get(key).and_then(|kept| kept.facts.get(&id)).cloned())
    }

    fn fact_count(&self, key: &DocumentKey) -> Result<usize, Infallible> {
        Ok(self.registry.documents.get(key).map_or(0, |kept| kept.facts.len()))
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Automerge>, Infallible> {
        let kept = self.registry.documents.get(key);
        Ok(kept.map(|kept| Automerge::load(&kept.snapshot).expect("what was merged loads")))
    }
}

impl answer::View for Registry {
    type Error = Infallible;

    fn instance(&self) -> Result<InstanceId, Infallible> {
        Ok(self.instance)
    }

    fn end(&self, scope: ScopeId) -> Result<Position, Infallible> {
        Ok(self.feeds.get(&scope).and_then(|feed| feed.last()).map_or(0, |row| row.position))
    }

    fn floor(&self, scope: ScopeId) -> Result<Position, Infallible> {
        Ok(self.floors.get(&scope).copied().unwrap_or(0))
    }

    fn rows(&self, scope: ScopeId, after: Position, most: usize) -> Result<Vec<FeedRow>, Infallible> {
        assert!(after >= self.floor(scope)?, "rows below the floor are gone");
        let feed = self.feeds.get(&scope).map_or(&[][..], Vec::as_slice);
        Ok(feed.iter().filter(|row| row.position > after).take(most).cloned().collect())
    }

    fn documents(
        &self,
        scope: ScopeId,
        after: Option<DocumentKey>,
        most: usize,
    ) -> Result<Vec<DocumentKey>, Infallible> {
        let at_home = self.documents.iter().filter(|(_, kept)| kept.home == scope).map(|(key, _)| *key);
        Ok(at_home.filter(|key| after.is_none_or(|after| *key > after)).take(most).collect())
    }

    fn whole(&self, key: &DocumentKey) -> Result<Option<Whole>, Infallible> {
        Ok(self.documents.get(key).map(|kept| {
            let actors: BTreeSet<ActorId> = kept.log.iter().map(|change| change.actor).collect();
            // Households are kept whole; the log brings what came after.
            let bytes = match key.id.kind() {
                DocumentKind::Household => kept.snapshot.clone(),
                DocumentKind::Visits => self.load(key).save_nocompress(),
            };
            Whole { bytes, actors: actors.into_iter().collect() }
        }))
    }

    fn author(&self, actor: ActorId) -> Result<Option<(StaffId, String)>, Infallible> {
        Ok(self.owners.get(&actor).map(|staff| (*staff, format!("网格员{:03}", staff.as_bytes()[0]))))
    }
}
