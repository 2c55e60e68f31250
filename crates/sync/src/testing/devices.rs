//! Devices that write into documents as phones do, and the seeded random numbers by which tests let them.

use super::{NOW, Registry, apply_bytes};
use crate::change::{Base, BuildError, RawChange, record_fact, write_household};
use crate::document::{ActorId, DocumentId, DocumentKey};
use crate::genesis;
use crate::guard::Verdict;
use crate::replica::Entropy;
use automerge::Automerge;
use gridwork_domain::edit::Write;
use gridwork_domain::id::{EditId, FactId, HouseholdId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::Schema;
use gridwork_domain::visit::{Fact, FactBody, Mode, Outcome, Visit};
use std::collections::{BTreeMap, BTreeSet};

/// Xorshift: the same numbers for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes());
        bytes
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next() as u8);
    }
}

/// A phone with its replicas and what it has not pushed yet.
pub(crate) struct Device {
    pub(crate) staff: StaffId,
    pub(crate) actor: ActorId,
    pub(crate) scope: ScopeId,
    pub(crate) schema: &'static Schema,
    pub(crate) replicas: BTreeMap<DocumentKey, Automerge>,
    pub(crate) outbox: Vec<(DocumentKey, RawChange)>,
    pulled: BTreeSet<(DocumentKey, crate::document::ChangeHash)>,
}

impl Device {
    /// A device of its own person, enrolled in the registry and assigned to the scope.
    pub(crate) fn enrol(registry: &mut Registry, number: u8, scope: ScopeId, schema: &'static Schema) -> Self {
        let staff = StaffId::from_bytes([number; 16]);
        let actor = ActorId([number; 16]);
        registry.owners.insert(actor, staff);
        registry.assignments.insert((staff, scope));
        let (replicas, outbox, pulled) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        Self { staff, actor, scope, schema, replicas, outbox, pulled }
    }

    /// Its replica of a document; begun if it has none.
    pub(crate) fn replica(&mut self, key: DocumentKey) -> &mut Automerge {
        let schema = self.schema;
        self.replicas.entry(key).or_insert_with(|| genesis::begin(schema, &key))
    }

    /// Where it stands with its own actor.
    pub(crate) fn base(&mut self, key: DocumentKey) -> Base {
        let actor = self.actor;
        Base::current(self.replica(key), actor)
    }

    /// Makes a change of writes into a household, without keeping it.
    pub(crate) fn draft(&mut self, key: DocumentKey, base: &Base, writes: &[Write]) -> Result<RawChange, BuildError> {
        let schema = self.schema;
        let count = base.previous.map_or(0, |(_, sequence)| sequence) as u8;
        let mut edit = base.actor.0;
        edit[15] ^= count.wrapping_add(1);
        let edit = (EditId::from_bytes(edit), NOW.plus_ms(i64::from(count)));
        write_household(schema, self.replica(key), base, edit, writes)
    }

    /// Writes into a household and keeps the change for the next push.
    pub(crate) fn write(&mut self, key: DocumentKey, writes: &[Write]) -> Result<RawChange, BuildError> {
        let base = self.base(key);
        let change = self.draft(key, &base, writes)?;
        self.keep(key, change.clone());
        Ok(change)
    }

    /// Records a fact and keeps the change for the next push.
    pub(crate) fn record(&mut self, key: DocumentKey, fact: &Fact) -> RawChange {
        let change = record_fact(&self.base(key), &key, fact, NOW);
        self.keep(key, change.clone());
        change
    }

    /// Applies a change of its own and puts it into the outbox.
    pub(crate) fn keep(&mut self, key: DocumentKey, change: RawChange) {
        apply_bytes(self.replica(key), &change.bytes);
        self.pulled.insert((key, change.hash));
        self.outbox.push((key, change));
    }

    /// The app is installed anew: another actor, no replicas, nothing kept.
    pub(crate) fn reinstall(&mut self, registry: &mut Registry, actor: ActorId) {
        self.actor = actor;
        registry.owners.insert(actor, self.staff);
        self.replicas.clear();
        self.outbox.clear();
        self.pulled.clear();
    }

    /// Hands in what it has; every change must be merged. Returns how many.
    pub(crate) fn push(&mut self, registry: &mut Registry) -> usize {
        let outbox = std::mem::take(&mut self.outbox);
        for (key, change) in &outbox {
            let verdict = registry.offer(self.staff, self.scope, *key, &change.bytes);
            assert!(matches!(verdict, Verdict::Merge(_)), "an honest change was not merged: {verdict:?}");
        }
        outbox.len()
    }

    /// Takes over what others have merged.
    pub(crate) fn pull(&mut self, registry: &Registry) {
        for (key, kept) in &registry.documents {
            for change in &kept.log {
                if self.pulled.insert((*key, change.hash)) {
                    apply_bytes(self.replica(*key), &change.bytes);
                }
            }
        }
    }
}

/// The household that most tests are about.
pub(crate) const HOME: HouseholdId = HouseholdId::from_bytes([0x11; 16]);
/// The grid in which it lies.
pub(crate) const GRID: ScopeId = ScopeId::from_bytes([0x22; 16]);

/// The document of [`HOME`].
pub(crate) fn household() -> DocumentKey {
    DocumentId::household(HOME).into()
}

/// The visits of [`HOME`] in the year of [`NOW`].
pub(crate) fn visits() -> DocumentKey {
    DocumentId::visits(HOME, 2026).into()
}

/// A visit of [`HOME`] that met somebody.
pub(crate) fn visit(number: u64, started_at: Instant) -> Fact {
    Fact { id: fact_id(number), household: HOME, body: FactBody::Visit(visit_at(started_at)) }
}

/// What a visit at that time says.
pub(crate) fn visit_at(started_at: Instant) -> Visit {
    Visit {
        mode: Mode::Door,
        outcome: Outcome::Met,
        purposes: vec!["routine".into()],
        spoken_to: vec![ResidentId::from_bytes([1; 16])],
        observations: vec![],
        note: Some("一切都好".into()),
        place: None,
        started_at,
        ended_at: started_at.plus_ms(600_000),
    }
}

/// An id with that number in it.
pub(crate) fn fact_id(number: u64) -> FactId {
    let mut bytes = [0xfa; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    FactId::from_bytes(bytes)
}
