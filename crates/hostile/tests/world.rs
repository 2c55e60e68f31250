//! Two households and their visits, a leader who works honestly, and a stranger of the same grid who does not.

use automerge::{Automerge, ReadDoc};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::{MemberPath, RecordPath};
use gridwork_domain::id::{DeviceId, EditId, FactId, HouseholdId, MembershipId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::visit::{Fact, FactBody, Mode, Outcome, Visit};
use gridwork_hostile::Chance;
use gridwork_sync::change::{Base, Head, RawChange, record_fact, write_household};
use gridwork_sync::document::{ActorId, ChangeHash, DocumentId, DocumentKey, DocumentKind};
use gridwork_sync::guard::{Effect, Elsewhere, LastChange, Merge, Offered, Rules, Verdict, View, judge};
use gridwork_sync::message::{Answer, Entry, PROTOCOL, ScopeAnswer};
use gridwork_sync::reading::{read_facts, read_household};
use gridwork_sync::replica::{Document, Effect as Does, Entropy, Event, Owner, Replica, Row, Scope};
use gridwork_sync::{fact, genesis};
use std::collections::BTreeMap;
use std::convert::Infallible;

pub(crate) const GRID: ScopeId = ScopeId::from_bytes([0x22; 16]);
/// 2026-09-21 in Shanghai.
pub(crate) const NOW: Instant = Instant::from_ms(1_790_000_000_000);
const YEAR: u16 = 2026;
const HOME: HouseholdId = HouseholdId::from_bytes([0x11; 16]);
const NEXT_DOOR: HouseholdId = HouseholdId::from_bytes([0x12; 16]);
const NOBODYS: HouseholdId = HouseholdId::from_bytes([0x13; 16]);
const LEADER: ActorId = ActorId([1; 16]);
const STRANGER: ActorId = ActorId([2; 16]);
const GRANDMOTHER: ResidentId = ResidentId::from_bytes([0x31; 16]);

/// SplitMix64: the same numbers for the same case.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn of(case: u64) -> Self {
        Self(case.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl Chance for Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Entropy for Numbers {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next() as u8);
    }
}

/// The world.
pub(crate) struct World {
    documents: BTreeMap<DocumentKey, Automerge>,
    facts: BTreeMap<(DocumentKey, FactId), Vec<u8>>,
    /// By whose device a change is handed in.
    by: ActorId,
    honest: Vec<(DocumentKey, Vec<u8>)>,
    next: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world =
            Self { documents: BTreeMap::new(), facts: BTreeMap::new(), by: LEADER, honest: Vec::new(), next: 1 };
        for household in [HOME, NEXT_DOOR] {
            let key = DocumentId::household(household).into();
            let stay = Fields::new().with("resident", GRANDMOTHER.to_string().as_str());
            let membership = MembershipId::from_bytes([0x41; 16]);
            let writes = [
                Write::Put(RecordPath::household(), Fields::new().with("contact_phone", "13812345678")),
                Write::Make(RecordPath::resident(GRANDMOTHER), Fields::new().with("name", "王秀英")),
                Write::Make(RecordPath::membership(membership), stay),
                Write::Affirm(MemberPath::need_of_resident(GRANDMOTHER, "meal_service"), meals()),
            ];
            let change = world.write(&key, &writes);
            world.must_merge(&key, &change);
            let (key, change) = world.visit(household);
            world.must_merge(&key, &change);
        }
        world.by = STRANGER;
        world.refresh();
        world
    }

    /// One honest change of each sort by the stranger, not handed in.
    pub(crate) fn honest(&self) -> Vec<(DocumentKey, Vec<u8>)> {
        self.honest.clone()
    }

    pub(crate) fn actors(&self) -> Vec<[u8; 16]> {
        vec![STRANGER.0, STRANGER.0, LEADER.0]
    }

    pub(crate) fn hashes(&self) -> Vec<[u8; 32]> {
        self.documents.values().flat_map(|document| document.get_changes_meta(&[])).map(|meta| meta.hash.0).collect()
    }

    /// Another document than the one for which a change was made.
    pub(crate) fn other_key(&self, chance: &mut impl Chance) -> DocumentKey {
        let household = [HOME, NEXT_DOOR, NOBODYS][chance.below(3)];
        let years = [0, 1, YEAR - 20, YEAR - 1, YEAR, YEAR + 1, YEAR + 2, u16::MAX];
        let id = match chance.below(2) {
            0 => DocumentId::household(household),
            _ => DocumentId::visits(household, years[chance.below(years.len())]),
        };
        DocumentKey { id, epoch: [0, 1, u32::MAX][chance.below(3)] }
    }

    /// Does what a verdict says.
    pub(crate) fn merge(&mut self, key: DocumentKey, merge: &Merge) {
        let document = self.documents.entry(key).or_insert_with(|| genesis::begin(&SCHEMA_1, &key));
        let change = automerge::Change::from_bytes(merge.change.bytes.clone()).expect("it was judged");
        document.apply_changes([change]).expect("what is merged applies");
        assert!(document.get_change_meta_by_hash(&merge.change.hash.into()).is_some(), "nothing is missing");
        if let Effect::Facts(new) = &merge.effect {
            self.facts.extend(new.iter().map(|one| ((key, one.fact.id), one.bytes.clone())));
        }
        if self.by == STRANGER {
            self.refresh();
        }
    }

    /// Every document saves, loads, forks everywhere and reads.
    pub(crate) fn assert_sound(&self, case: u64) {
        for (key, document) in &self.documents {
            let saved = document.save_nocompress();
            let loaded = Automerge::load(&saved).unwrap_or_else(|error| panic!("case {case}: {}: {error}", key.id));
            assert_eq!(loaded.get_heads(), document.get_heads(), "case {case}: {}", key.id);
            for meta in loaded.get_changes_meta(&[]) {
                loaded.fork_at(&[meta.hash]).unwrap_or_else(|error| panic!("case {case}: {}: {error}", key.id));
            }
            match key.id.kind() {
                DocumentKind::Household => drop(read_household(&SCHEMA_1, key, &loaded).expect("it reads")),
                DocumentKind::Visits => {
                    let facts = read_facts(&loaded).expect("it reads");
                    let known = self.facts.keys().filter(|(of, _)| of == key).count();
                    assert_eq!(facts.len(), known, "case {case}: {}: the rows are what the document says", key.id);
                    for (id, bytes, _) in facts {
                        fact::decode(id, &bytes, key).unwrap_or_else(|error| panic!("case {case}: {error}"));
                    }
                }
            }
        }
    }

    /// What the leader does is merged, whatever the stranger has done.
    pub(crate) fn assert_honest_work_goes_on(&mut self, case: u64) {
        self.by = LEADER;
        self.next += 1;
        let key = DocumentId::household(HOME).into();
        let floor = Fields::new().with("floor", (self.next % 200) as i64 + 1);
        let change = self.write(&key, &[Write::Put(RecordPath::dwelling(), floor)]);
        let (visits, fact) = self.visit(HOME);
        for (key, change) in [(key, change), (visits, fact)] {
            let verdict = self.judge(&key, &change);
            let Verdict::Merge(merge) = verdict else { panic!("case {case}: {}: {verdict:?}", key.id) };
            self.merge(key, &merge);
        }
        self.by = STRANGER;
        self.refresh();
    }

    /// A phone is sent this beside an honest change of another document, and takes that in.
    pub(crate) fn pull(&self, case: u64, key: &DocumentKey, bytes: &[u8]) {
        let owner =
            Owner { device: DeviceId::from_bytes([9; 16]), staff: StaffId::from_bytes([9; 16]), name: "李".into() };
        let document = |document: &Automerge| Document {
            home: GRID,
            heads: sorted(document),
            bytes: document.save_nocompress().into(),
            damage: None,
        };
        let rows = self.documents.iter().map(|(key, one)| Row::Document(*key, document(one)));
        let rows = rows.chain([Row::Scope(GRID, Scope { cursor: Some(vec![1]), ..Scope::default() })]);
        let mut disk: Vec<Row> = rows.collect();
        let mut phone = Replica::new(&SCHEMA_1, owner.clone(), disk.clone());
        let mut numbers = Numbers::of(case);
        let effects = phone.handle(NOW, &mut numbers, Event::Sync { pull: true });
        assert!(matches!(effects.last(), Some(Does::Send(_))), "case {case}: it asks: {effects:?}");
        let next_door = DocumentKey::from(DocumentId::visits(NEXT_DOOR, YEAR));
        let base = Base::current(&self.documents[&next_door], LEADER);
        let honest = record_fact(&base, &next_door, &fact_of(NEXT_DOOR, u64::MAX), NOW);
        let entry = |key: &DocumentKey, bytes: &[u8]| Entry {
            document: (*key.id.as_bytes()).into(),
            epoch: key.epoch,
            change: Some(bytes.to_vec().into()),
            snapshot: None,
        };
        let mut entries = vec![entry(key, bytes)];
        if numbers.below(4) == 0 {
            entries.push(entry(key, &bytes[..bytes.len() / 2])); // cut off, after what may have been taken in
        }
        if *key != next_door {
            entries.push(entry(&next_door, &honest.bytes));
        }
        let scope =
            ScopeAnswer { scope: (*GRID.as_bytes()).into(), cursor: vec![2].into(), more: false, entries, anew: false };
        let answer = Answer {
            protocol: PROTOCOL,
            server_time_ms: NOW.ms(),
            verdicts: vec![],
            scopes: vec![scope],
            authors: vec![],
            receipt: None,
        };
        let effects = phone.handle(NOW, &mut numbers, Event::Answer { answer: Box::new(answer), bytes: 1 });
        if let Some(Does::Save(rows)) = effects.first() {
            disk.extend(rows.iter().cloned());
        }
        let phone = Replica::new(&SCHEMA_1, owner, disk); // opened anew from what it saved
        if *key != next_door {
            let heads = phone.heads(&next_door).unwrap_or_default();
            assert!(heads.contains(&honest.hash), "case {case}: honest news beside it is taken in");
        }
        for household in [HOME, NEXT_DOOR] {
            let shown = phone.household(household);
            assert!(shown.is_some(), "case {case}: {household} is still shown");
            assert!(!phone.visits(household).is_empty(), "case {case}: visits of {household} are still shown");
        }
    }

    fn refresh(&mut self) {
        let household = DocumentKey::from(DocumentId::household(HOME));
        let new = Fields::new().with("name", "李四").with("phone", "13712345678").with("occupation", "教师");
        let resident = ResidentId::from_bytes([0x66; 16]);
        let edits = [
            vec![Write::Put(RecordPath::household(), Fields::new().with("remark", "门朝南"))],
            vec![Write::Make(RecordPath::resident(resident), new)],
            vec![Write::Affirm(MemberPath::need_of_household(HOME, "low_income"), meals())],
            vec![Write::Withdraw(MemberPath::need_of_resident(GRANDMOTHER, "meal_service"))],
        ];
        let document = self.documents[&household].clone();
        let base = Base::current(&document, STRANGER);
        let edit = (EditId::from_bytes([7; 16]), NOW);
        let written = edits.iter().filter_map(|writes| write_household(&SCHEMA_1, &document, &base, edit, writes).ok());
        let mut honest: Vec<_> = written.map(|change| (household, change.bytes)).collect();
        let (visits, visit) = self.visit(HOME);
        let corrects = fact_of(HOME, 2).id;
        let body = FactBody::Correction { corrects, reason: "记错了".into(), visit: visited() };
        let correction = Fact { body, ..fact_of(HOME, 1_000_000 + self.next) };
        let base = Base::current(&self.documents[&visits], STRANGER);
        honest.push((visits, visit.bytes));
        honest.push((visits, record_fact(&base, &visits, &correction, NOW).bytes));
        self.honest = honest;
    }

    fn write(&self, key: &DocumentKey, writes: &[Write]) -> RawChange {
        let document = self.documents.get(key).cloned().unwrap_or_else(|| genesis::begin(&SCHEMA_1, key));
        let edit = (EditId::from_bytes([8; 16]), NOW);
        write_household(&SCHEMA_1, &document, &Base::current(&document, self.by), edit, writes).expect("a change")
    }

    fn visit(&mut self, household: HouseholdId) -> (DocumentKey, RawChange) {
        self.next += 1;
        let key = DocumentKey::from(DocumentId::visits(household, YEAR));
        let document = self.documents.get(&key).cloned().unwrap_or_else(|| genesis::begin(&SCHEMA_1, &key));
        (key, record_fact(&Base::current(&document, self.by), &key, &fact_of(household, self.next), NOW))
    }

    fn must_merge(&mut self, key: &DocumentKey, change: &RawChange) {
        let verdict = self.judge(key, change);
        let Verdict::Merge(merge) = verdict else { panic!("{verdict:?}") };
        self.merge(*key, &merge);
    }

    fn judge(&self, key: &DocumentKey, change: &RawChange) -> Verdict {
        let offered = Offered { key: *key, scope: GRID, bytes: &change.bytes };
        let Ok(verdict) = judge(self, &Rules::new(&SCHEMA_1, NOW), &offered);
        verdict
    }
}

impl View for World {
    type Error = Infallible;

    fn home(&self, key: &DocumentKey) -> Result<Option<ScopeId>, Infallible> {
        Ok(self.documents.get(key).map(|_| GRID))
    }

    fn may_write(&self, scope: ScopeId, _: DocumentKind) -> Result<bool, Infallible> {
        Ok(scope == GRID)
    }

    fn owns(&self, actor: ActorId) -> Result<bool, Infallible> {
        Ok(actor == self.by)
    }

    fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, Infallible> {
        let meta = self.documents.get(key).and_then(|document| document.get_change_meta_by_hash(&hash.into()));
        Ok(meta.map(|meta| Head { hash, largest_op: meta.max_op }))
    }

    fn elsewhere(&self, _: &DocumentKey, _: ChangeHash) -> Result<Option<Elsewhere>, Infallible> {
        Ok(None)
    }

    fn last(&self, key: &DocumentKey, actor: ActorId) -> Result<Option<LastChange>, Infallible> {
        let previous = self.documents.get(key).and_then(|document| Base::current(document, actor).previous);
        Ok(previous.map(|(head, sequence)| LastChange { hash: head.hash, sequence }))
    }

    fn fact(&self, key: &DocumentKey, id: FactId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.facts.get(&(*key, id)).cloned())
    }

    fn fact_count(&self, key: &DocumentKey) -> Result<usize, Infallible> {
        Ok(self.documents.get(key).map_or(0, |document| document.length(automerge::ROOT)))
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Automerge>, Infallible> {
        Ok(self.documents.get(key).cloned())
    }
}

fn meals() -> Fields {
    Fields::new().with("purpose", "送餐").with("basis", "consent").with("sensitivity", 1)
}

fn visited() -> Visit {
    Visit {
        mode: Mode::Door,
        outcome: Outcome::Met,
        purposes: vec!["routine".into()],
        spoken_to: vec![],
        observations: vec![],
        note: Some("一切都好".into()),
        place: None,
        started_at: NOW,
        ended_at: NOW.plus_ms(600_000),
    }
}

fn fact_of(household: HouseholdId, number: u64) -> Fact {
    let mut id = [0xfa; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Fact { id: FactId::from_bytes(id), household, body: FactBody::Visit(visited()) }
}

fn sorted(document: &Automerge) -> Vec<ChangeHash> {
    let mut heads: Vec<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
    heads.sort_unstable();
    heads
}
