//! A small district on a real file: two grids with a leader each, and a call agent over both.

mod at_rest;
mod break_glass;
mod bulk;
pub(crate) mod database;
mod editing;
mod exchange;
mod idempotency;
mod limits;
mod migrations;
mod nodes;
mod query;
mod relay;
mod round_trips;
mod search;
mod session;
mod staff;
mod verify;
mod watcher;
mod writer;

use crate::{Administration, Enrolled, ExchangeError, Nonce, Reach, Registry, Settings};
use automerge::{Automerge, Change};
use database::Database;
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::edit::{Action, Edit, NewResident, Outcome};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{AreaId, EditId, FactId, HouseholdId, MembershipId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::staff::{Assignment, Device, Operation, Role, Staff};
use gridwork_domain::visit::{self, Mode, Visit};
use gridwork_sync::change::{Base, RawChange, record_fact, write_household};
use gridwork_sync::document::{ActorId, DocumentId, DocumentKey};
use gridwork_sync::genesis;
use gridwork_sync::message::{Answer, ENCODER, Entry, Outcome as Fate, PROTOCOL, Push, Request, ScopeRequest};
use minicbor::bytes::ByteVec;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2026-09-21 in Shanghai.
pub(crate) const NOW: Instant = Instant::from_ms(1_790_000_000_000);

pub(crate) const DISTRICT: AreaId = AreaId::from_bytes([0xd0; 16]);
pub(crate) const COMMUNITY: AreaId = AreaId::from_bytes([0xd2; 16]);
pub(crate) const GRIDS: [AreaId; 2] = [AreaId::from_bytes([0xe1; 16]), AreaId::from_bytes([0xe2; 16])];
pub(crate) const LEADERS: [StaffId; 2] = [StaffId::from_bytes([1; 16]), StaffId::from_bytes([2; 16])];
pub(crate) const AGENT: StaffId = StaffId::from_bytes([3; 16]);

pub(crate) struct District {
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    pub(crate) database: Database,
}

pub(crate) fn scope(grid: usize) -> ScopeId {
    GRIDS[grid].into()
}

/// Different 16 bytes each time.
pub(crate) fn nonce() -> Nonce {
    Nonce { bytes: fresh(), created_s: NOW.ms() / 1_000 }
}

pub(crate) fn fresh() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0xab; 16];
    bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

impl District {
    pub(crate) async fn open() -> Self {
        Self::open_in(Database::new()).await
    }

    pub(crate) async fn open_in(database: Database) -> Self {
        let settings = database.settings.clone();
        let registry = Registry::open(&settings).unwrap();
        let district = Self { registry, settings, database };
        let codes = [
            (DISTRICT, None, "210404", "望花区"),
            (AreaId::from_bytes([0xd1; 16]), Some(DISTRICT), "210404001", "建设街道"),
            (COMMUNITY, Some(AreaId::from_bytes([0xd1; 16])), "210404001005", "三公里社区"),
            (GRIDS[0], Some(COMMUNITY), "210404001005001", "第一网格"),
            (GRIDS[1], Some(COMMUNITY), "210404001005002", "第二网格"),
        ];
        for (id, parent, code, name) in codes {
            let code = DivisionCode::parse(code).unwrap();
            let (name, aliases, valid_from) = (name.to_owned(), vec![], "2020-01-01".to_owned());
            let area = Area { id, parent, code, name, aliases, valid_from, valid_until: None, successor: None };
            district.administer(Administration::OpenArea(area)).await;
        }
        for (id, name, sign_in) in
            [(LEADERS[0], "王大力", "wang"), (LEADERS[1], "李小红", "li"), (AGENT, "赵坐席", "zhao")]
        {
            let staff = Staff { id, name: name.to_owned(), sign_in: sign_in.to_owned() };
            district.administer(Administration::AppointStaff { staff, password: None }).await;
        }
        district.assign(LEADERS[0], Role::GridLeader, GRIDS[0]).await;
        district.assign(LEADERS[1], Role::GridLeader, GRIDS[1]).await;
        district.assign(AGENT, Role::CallAgent, DISTRICT).await;
        district
    }

    pub(crate) async fn administer(&self, what: Administration) {
        self.registry.administer(None, what, NOW).await.unwrap();
    }

    pub(crate) async fn assign(&self, staff: StaffId, role: Role, area: AreaId) {
        let from = NOW.plus_ms(-1_000_000);
        self.administer(Administration::Assign(Assignment { staff, role, area, from, until: None })).await;
    }

    /// Waits until nothing is left to write.
    pub(crate) async fn settled(&self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while self.registry.figures().writer_queue > 0 {
            assert!(std::time::Instant::now() < deadline, "{:?}", self.registry.figures());
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn phone(&self, of: StaffId) -> Phone {
        let code = self.registry.issue_enrolment_code(None, None, of, NOW).await.unwrap();
        let Enrolled { device, scopes, .. } = self.registry.enrol(code.as_str(), [7; 32], nonce(), NOW).await.unwrap();
        let scopes = scopes.iter().map(|area| (ScopeId::from(area.id), None)).collect();
        Phone { device, actor: ActorId(fresh()), documents: BTreeMap::new(), unsent: Vec::new(), scopes }
    }

    pub(crate) async fn exchange(&self, device: &Device, request: Request) -> Result<Answer, ExchangeError> {
        let nonce = nonce();
        self.registry.exchange(device, nonce, request, NOW).await
    }

    pub(crate) async fn reach(&self, of: StaffId) -> Reach {
        Reach::of(&self.registry.grants(of, NOW).await.unwrap(), Operation::Read)
    }

    /// Runs raw SQL, with blobs written as `x'00'`.
    pub(crate) fn damage(&self, sql: &str) {
        self.database.damage(sql);
    }

    /// Asserts that the registry is what its log says.
    pub(crate) async fn verify(&self) -> crate::VerifyReport {
        self.settled().await;
        let report = crate::verify(&self.settings).unwrap();
        assert!(report.is_clean(), "{:#?}", report.differences);
        report
    }
}

/// A phone that keeps everything in memory.
pub(crate) struct Phone {
    pub(crate) device: Device,
    pub(crate) actor: ActorId,
    pub(crate) documents: BTreeMap<DocumentKey, Automerge>,
    pub(crate) unsent: Vec<(DocumentKey, ScopeId, RawChange)>,
    pub(crate) scopes: BTreeMap<ScopeId, Option<ByteVec>>,
}

impl Phone {
    /// Makes the change of an edit, on what the phone has.
    pub(crate) fn record(&mut self, edit: &Edit, home: ScopeId) -> RawChange {
        let (key, raw) = match edit.check(&SCHEMA_1).unwrap() {
            Outcome::Household(writes) => {
                let key = DocumentKey::from(DocumentId::household(edit.household));
                let document = self.documents.entry(key).or_insert_with(|| genesis::begin(&SCHEMA_1, &key));
                let base = Base::current(document, self.actor);
                (key, write_household(&SCHEMA_1, document, &base, (edit.id, edit.at), &writes).unwrap())
            }
            Outcome::Fact(year, fact) => {
                let key = DocumentKey::from(DocumentId::visits(edit.household, year));
                let document = self.documents.entry(key).or_insert_with(|| genesis::begin(&SCHEMA_1, &key));
                (key, record_fact(&Base::current(document, self.actor), &key, &fact, edit.at))
            }
        };
        let change = Change::from_bytes(raw.bytes.clone()).unwrap();
        self.documents.get_mut(&key).unwrap().apply_changes([change]).unwrap();
        self.unsent.push((key, home, raw.clone()));
        raw
    }

    /// A request with what is unsent, in that order.
    pub(crate) fn request(&self) -> Request {
        let push = |(key, scope, raw): &(DocumentKey, ScopeId, RawChange)| Push {
            scope: (*scope.as_bytes()).into(),
            document: (*key.id.as_bytes()).into(),
            epoch: key.epoch,
            changes: vec![raw.bytes.clone().into()],
        };
        let scopes = self.scopes.iter();
        Request {
            protocol: PROTOCOL,
            encoder: ENCODER,
            device: (*self.device.id.as_bytes()).into(),
            sent_at_ms: NOW.ms() + 5_000,
            scopes: scopes
                .map(|(scope, cursor)| ScopeRequest { scope: (*scope.as_bytes()).into(), cursor: cursor.clone() })
                .collect(),
            budget: None,
            new_actors: vec![self.actor.0.into()],
            pushes: self.unsent.iter().map(push).collect(),
            receipts: vec![],
        }
    }

    /// One exchange: pushes what is unsent and takes in the answer. Returns what became of the changes.
    pub(crate) async fn sync(&mut self, district: &District) -> Vec<(Fate, Option<String>)> {
        let answer = district.exchange(&self.device, self.request()).await.unwrap();
        self.unsent.clear();
        for scope in answer.scopes {
            for entry in scope.entries {
                self.take(entry);
            }
            self.scopes.insert(ScopeId::from_bytes(*scope.scope), Some(scope.cursor));
        }
        answer.verdicts.into_iter().map(|verdict| (verdict.outcome, verdict.code)).collect()
    }

    fn take(&mut self, entry: Entry) {
        let key = entry.key().unwrap();
        let document = self.documents.entry(key).or_insert_with(|| genesis::begin(&SCHEMA_1, &key));
        if let Some(snapshot) = entry.snapshot {
            document.merge(&mut Automerge::load(&snapshot.bytes).unwrap()).unwrap();
        }
        if let Some(change) = entry.change {
            document.apply_changes([Change::from_bytes(change.to_vec()).unwrap()]).unwrap();
        }
    }
}

pub(crate) fn edit(household: HouseholdId, action: Action) -> Edit {
    Edit { id: EditId::from_bytes(fresh()), at: NOW, household, action }
}

/// A household with one resident.
pub(crate) fn register() -> Edit {
    let resident = NewResident {
        resident: ResidentId::from_bytes(fresh()),
        membership: MembershipId::from_bytes(fresh()),
        fields: Fields::new().with("name", "张三").with("sex", "1").with("birth_date", "1950-03-04"),
        stay: Fields::new().with("relation", "01").with("since", "1990-01-01"),
    };
    edit(
        HouseholdId::from_bytes(fresh()),
        Action::RegisterHousehold {
            fields: Fields::new().with("contact_phone", "13812345678").with("status", "living"),
            dwelling: Fields::new().with("address", "三公里路1号").with("floor", 3),
            residents: vec![resident],
        },
    )
}

pub(crate) fn contact_phone(household: HouseholdId, number: &str) -> Edit {
    let fields = Fields::new().with("contact_phone", number);
    edit(household, Action::Correct { record: RecordPath::household(), fields })
}

pub(crate) fn visit(household: HouseholdId, note: &str) -> Edit {
    let visit = Visit {
        mode: Mode::Door,
        outcome: visit::Outcome::Met,
        purposes: vec!["routine".into()],
        spoken_to: vec![],
        observations: vec![],
        note: Some(note.to_owned()),
        place: None,
        started_at: NOW,
        ended_at: NOW.plus_ms(600_000),
    };
    edit(household, Action::RecordVisit { fact: FactId::from_bytes(fresh()), visit })
}
