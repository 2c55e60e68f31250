//! One household with two residents and a visit, its leader, and somebody of the same grid who means harm.

use crate::change::RawChange;
use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::genesis::{GENESIS_ACTOR, container_op};
use crate::guard::{Missing, Verdict};
use crate::reading::{read_facts, read_household};
use crate::testing::{Device, GRID, NOW, Registry, fact_id, household, visit, visits};
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{Automerge, Change, ExpandedChange, ObjType, ScalarValue};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::{MemberPath, RecordPath};
use gridwork_domain::id::{MembershipId, ResidentId, ScopeId};
use gridwork_domain::need::{Basis, Need};
use gridwork_domain::schema::SCHEMA_1;
use sha2::{Digest, Sha256};

pub(super) const GRANDMOTHER: ResidentId = ResidentId::from_bytes([0x31; 16]);
pub(super) const GRANDSON: ResidentId = ResidentId::from_bytes([0x32; 16]);
/// A grid in which nobody here is entitled.
pub(super) const NEXT_GRID: ScopeId = ScopeId::from_bytes([0x23; 16]);

/// What a hostile change must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Refused by this step with this word.
    Refused(u8, &'static str),
    /// Held with this word.
    Held(&'static str),
    /// Merged without effect.
    NoNewRow,
}

pub(super) struct World {
    pub(super) registry: Registry,
    pub(super) leader: Device,
    pub(super) stranger: Device,
    next_fact: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let mut registry = Registry::new(&SCHEMA_1);
        let mut leader = Device::enrol(&mut registry, 1, GRID, &SCHEMA_1);
        let mut stranger = Device::enrol(&mut registry, 2, GRID, &SCHEMA_1);
        let mut writes = vec![Write::Put(RecordPath::household(), Fields::new().with("contact_phone", "13812345678"))];
        for (resident, name) in [(GRANDMOTHER, "王秀英"), (GRANDSON, "王小明")] {
            writes.push(Write::Make(RecordPath::resident(resident), Fields::new().with("name", name)));
            let stay = Fields::new().with("resident", resident.to_string().as_str());
            let membership = MembershipId::from_bytes(*resident.as_bytes());
            writes.push(Write::Make(RecordPath::membership(membership), stay));
        }
        let meals = Need { purpose: "送餐".into(), basis: Basis::Consent, sensitivity: 1, expires: None, note: None };
        writes.push(Write::Affirm(MemberPath::need_of_resident(GRANDMOTHER, "meal_service"), meals.fields()));
        leader.write(household(), &writes).expect("a new household");
        leader.record(visits(), &visit(1, NOW));
        leader.push(&mut registry);
        stranger.pull(&registry);
        Self { registry, leader, stranger, next_fact: 100 }
    }

    /// The stranger's honest change of the household, to be forged.
    pub(super) fn remark(&mut self) -> RawChange {
        let base = self.stranger.base(household());
        let put = Write::Put(RecordPath::household(), Fields::new().with("remark", "门朝南"));
        self.stranger.draft(household(), &base, &[put]).expect("a change")
    }

    /// The stranger's honest visit, to be forged.
    pub(super) fn visit(&mut self) -> RawChange {
        let base = self.stranger.base(visits());
        crate::change::record_fact(&base, &visits(), &visit(2, NOW), NOW)
    }

    /// The household change with other operations.
    pub(super) fn operations(&mut self, operations: Vec<Op>) -> Vec<u8> {
        forge(&self.remark(), |change| change.operations = operations)
    }

    pub(super) fn offer(&mut self, key: DocumentKey, bytes: &[u8]) -> Verdict {
        self.registry.offer(self.stranger.staff, GRID, key, bytes)
    }

    /// Hands in what the stranger forged and asserts what becomes of it, and that nobody else notices.
    pub(super) fn assert_verdict(&mut self, name: &str, key: DocumentKey, bytes: &[u8], expected: Expected) {
        let merged = self.registry.documents.get(&key).map_or(0, |kept| kept.log.len());
        let verdict = self.offer(key, bytes);
        assert_eq!(outcome(&verdict), Some(expected), "{name}: {verdict:?}");
        let added = usize::from(expected == Expected::NoNewRow);
        assert_eq!(self.registry.documents.get(&key).map_or(0, |kept| kept.log.len()), merged + added, "{name}");
        self.assert_sound(name);
    }

    /// Every document loads, forks everywhere and reads, and the leader's next changes are merged.
    pub(super) fn assert_sound(&mut self, name: &str) {
        for (key, kept) in &self.registry.documents {
            let document = self.registry.load(key);
            let loaded = Automerge::load(&document.save_nocompress()).unwrap_or_else(|error| panic!("{name}: {error}"));
            for change in &kept.log {
                loaded.fork_at(&[change.hash.into()]).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            if key.id.kind().has_genesis() {
                read_household(&SCHEMA_1, key, &loaded).unwrap_or_else(|error| panic!("{name}: {error}"));
            } else {
                read_facts(&loaded).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
        self.next_fact += 1;
        let floor = (self.next_fact % 200) as i64;
        let put = Write::Put(RecordPath::dwelling(), Fields::new().with("floor", floor));
        self.leader.write(household(), &[put]).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.leader.record(visits(), &visit(self.next_fact, NOW));
        assert_eq!(self.leader.push(&mut self.registry), 2, "{name}");
    }
}

pub(super) fn outcome(verdict: &Verdict) -> Option<Expected> {
    match verdict {
        Verdict::Quarantine(refusal) => Some(Expected::Refused(refusal.code.step(), refusal.code.word())),
        Verdict::Hold(_, missing) => Some(Expected::Held(Missing::word(missing))),
        Verdict::Merge(merge) => match &merge.effect {
            crate::guard::Effect::Facts(new) if new.is_empty() => Some(Expected::NoNewRow),
            _ => None,
        },
        Verdict::Known(_) => None,
    }
}

/// A change made of another by whoever can encode one.
pub(super) fn forge(change: &RawChange, edit: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut expanded = Change::from_bytes(change.bytes.clone()).expect("a change").decode();
    edit(&mut expanded);
    Change::from(expanded).raw_bytes().to_vec()
}

/// What stands between the chunk's length and its end.
pub(super) fn body(chunk: &[u8]) -> &[u8] {
    let length_bytes = chunk[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    &chunk[9 + length_bytes..]
}

/// A chunk of a type around a body, with the right length and checksum.
pub(super) fn seal(chunk_type: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![chunk_type];
    let mut length = body.len();
    while length > 0x7f {
        hashed.push(length as u8 | 0x80);
        length >>= 7;
    }
    hashed.push(length as u8);
    hashed.extend(body);
    [&[0x85, 0x6f, 0x4a, 0x83], &Sha256::digest(&hashed)[..4], &hashed].concat()
}

/// Replaces the only place where `old` stands in a body.
pub(super) fn replaced(body: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = (0..=body.len() - old.len()).filter(|at| body[*at..].starts_with(old)).collect();
    let [at] = places[..] else { panic!("{old:02x?} stands at {places:?}") };
    [&body[..at], new, &body[at + old.len()..]].concat()
}

pub(super) fn container(name: &str) -> ObjectId {
    ObjectId::Id(container_op(&SCHEMA_1, name).expect("a container"))
}

pub(super) fn op(obj: ObjectId, key: &str, action: OpType, pred: Vec<OpId>) -> Op {
    Op { action, obj, key: Key::Map(key.into()), pred: pred.into(), insert: false }
}

pub(super) fn put(obj: ObjectId, key: &str, value: impl Into<ScalarValue>) -> Op {
    op(obj, key, OpType::Put(value.into()), Vec::new())
}

pub(super) fn make(obj: ObjectId, key: &str, kind: ObjType) -> Op {
    op(obj, key, OpType::Make(kind), Vec::new())
}

/// The operation behind what is shown under a key.
pub(super) fn shown(document: &Automerge, obj: &ObjectId, key: &str) -> OpId {
    let visible = crate::change::visible_at(document, obj, key, &document.get_heads());
    visible.last().expect("a value").1.clone()
}

/// The record of a resident.
pub(super) fn resident(document: &Automerge, id: ResidentId) -> ObjectId {
    ObjectId::Id(shown(document, &container("residents"), &id.to_string()))
}

pub(super) fn genesis_actor() -> automerge::ActorId {
    GENESIS_ACTOR.into()
}

pub(super) fn unknown_hash() -> automerge::ChangeHash {
    ChangeHash([0xee; 32]).into()
}

pub(super) const NOBODY: ActorId = ActorId([0x77; 16]);

pub(super) fn first_fact() -> String {
    fact_id(1).to_string()
}
