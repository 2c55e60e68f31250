//! Golden bytes: what BYTES.md promises, pinned as hex that no command rewrites.
//!
//! Where a test here fails, phones in the field would no longer agree with the server. Change the code back, not the file.

use crate::change::{Base, RawChange, record_fact, write_household};
use crate::document::{ActorId, DocumentId, DocumentKey};
use crate::genesis::{begin, genesis};
use crate::message::{self, Answer, Author, ChangeVerdict, Entry, Push, Request, ScopeAnswer, ScopeRequest, Snapshot};
use crate::receipt::Receipt;
use automerge::{Automerge, Change};
use gridwork_domain::edit::{Action, Edit, NewResident, Outcome};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{EditId, FactId, HouseholdId, MembershipId, ResidentId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::need::{Basis, Need};
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::visit::{Mode, Observation, Outcome as VisitOutcome, Place, Visit};
use std::fmt::Write;

const AT: i64 = 1_790_000_000_000;

fn household() -> HouseholdId {
    HouseholdId::from_bytes([0x11; 16])
}

fn resident(byte: u8) -> NewResident {
    NewResident {
        resident: ResidentId::from_bytes([byte; 16]),
        membership: MembershipId::from_bytes([byte | 0x80; 16]),
        fields: Fields::new()
            .with("name", "王小明")
            .with("sex", "1")
            .with("birth_date", "1958-03-02")
            .with("phone", "13812345678")
            .with("residence_kind", "registered"),
        stay: Fields::new().with("relation", "02").with("since", "2001-05-01"),
    }
}

fn visit() -> Visit {
    Visit {
        mode: Mode::Door,
        outcome: VisitOutcome::Met,
        purposes: vec!["policy".into(), "routine".into()],
        spoken_to: vec![ResidentId::from_bytes([0x21; 16])],
        observations: vec![Observation { kind: "heating".into(), value: "cold".into() }],
        note: Some("暖气不热,已联系物业".into()),
        place: Some(Place { latitude_microdegrees: 41_800_000, longitude_microdegrees: 123_400_000, accuracy_m: 12 }),
        started_at: Instant::from_ms(AT),
        ended_at: Instant::from_ms(AT + 600_000),
    }
}

fn edits() -> Vec<(&'static str, Action)> {
    let need = Need {
        purpose: "送餐".into(),
        basis: Basis::Consent,
        sensitivity: 1,
        expires: Some("2027-06-30".into()),
        note: Some("低盐".into()),
    };
    let person = ResidentId::from_bytes([0x21; 16]);
    let correct = |record, fields| Action::Correct { record, fields };
    let correction = Action::CorrectVisit {
        fact: FactId::from_bytes([0x33; 16]),
        corrects: FactId::from_bytes([0x31; 16]),
        year: 2026,
        reason: "记错门牌".into(),
        visit: visit(),
    };
    vec![
        (
            "register_household",
            Action::RegisterHousehold {
                fields: Fields::new().with("status", "living").with("contact_phone", "024-88886666"),
                dwelling: Fields::new().with("building", "3号楼").with("floor", 6).with("door", "602"),
                residents: vec![resident(0x21)],
            },
        ),
        ("add_resident", Action::AddResident(resident(0x22))),
        ("correct_household", correct(RecordPath::household(), Fields::new().with("contact_phone", "13900001111"))),
        ("correct_dwelling", correct(RecordPath::dwelling(), Fields::new().with("status", "let").with("floor", 7))),
        (
            "correct_resident",
            correct(RecordPath::resident(person), Fields::new().cleared("phone").with("occupation", "退休")),
        ),
        (
            "correct_membership",
            correct(
                RecordPath::membership(MembershipId::from_bytes([0xa1; 16])),
                Fields::new().with("until", "2026-08-31"),
            ),
        ),
        ("affirm_need", Action::AffirmNeed { resident: Some(person), kind: "meal_service".into(), need }),
        ("withdraw_need", Action::WithdrawNeed { resident: Some(person), kind: "meal_service".into() }),
        (
            "decide_conflict",
            Action::DecideConflict {
                path: RecordPath::household().field("contact_phone"),
                value: Some("13900001111".into()),
            },
        ),
        ("record_visit", Action::RecordVisit { fact: FactId::from_bytes([0x31; 16]), visit: visit() }),
        ("write_note", Action::WriteNote { fact: FactId::from_bytes([0x32; 16]), text: "楼道灯坏\n已报修".into() }),
        ("correct_visit", correction),
    ]
}

/// Every edit of the list in turn on one household, and before the decision a concurrent change by another phone.
fn changes() -> (Vec<(&'static str, RawChange)>, Automerge) {
    let actor = ActorId([0x41; 16]);
    let key: DocumentKey = DocumentId::household(household()).into();
    let mut document = begin(&SCHEMA_1, &key);
    let mut facts = Automerge::new();
    let mut changes = Vec::new();
    for (number, (name, action)) in edits().into_iter().enumerate() {
        if name == "decide_conflict" {
            let other = correct_elsewhere(&document);
            document.apply_changes([Change::from_bytes(other.bytes.clone()).unwrap()]).unwrap();
            changes.push(("correct_household_elsewhere", other));
        }
        let id = EditId::from_bytes([0x51 + u8::try_from(number).unwrap(); 16]);
        let edit = Edit { id, at: Instant::from_ms(AT + number as i64), household: household(), action };
        let change = match edit.check(&SCHEMA_1).unwrap() {
            Outcome::Household(writes) => {
                let base = Base::current(&document, actor);
                let change = write_household(&SCHEMA_1, &document, &base, (id, edit.at), &writes).unwrap();
                document.apply_changes([Change::from_bytes(change.bytes.clone()).unwrap()]).unwrap();
                change
            }
            Outcome::Fact(year, fact) => {
                let key = DocumentId::visits(household(), year).into();
                let change = record_fact(&Base::current(&facts, actor), &key, &fact, edit.at);
                facts.apply_changes([Change::from_bytes(change.bytes.clone()).unwrap()]).unwrap();
                change
            }
        };
        changes.push((name, change));
    }
    (changes, document)
}

/// Somebody else changes the telephone number before the correction of the list arrives.
fn correct_elsewhere(document: &Automerge) -> RawChange {
    let seen = [document.get_changes(&[])[1].hash()];
    let base = Base::seen(document, ActorId([0x42; 16]), &seen).unwrap();
    let fields = Fields::new().with("contact_phone", "13700002222");
    let writes = [gridwork_domain::edit::Write::Put(RecordPath::household(), fields)];
    let edit = (EditId::from_bytes([0x61; 16]), Instant::from_ms(AT + 50));
    write_household(&SCHEMA_1, document, &base, edit, &writes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(40).fold(String::new(), |mut text, line| {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
        text
    })
}

/// Compares bytes with `fixtures/<name>.hex`; a new fixture is pasted there by hand from the message.
fn pinned(name: &str, bytes: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.hex"));
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let found = hex(bytes);
    assert!(expected == found, "{name}: the bytes have changed\npinned:\n{expected}found:\n{found}");
}

#[test]
fn the_bytes_of_every_kind_of_edit_never_change() {
    let (changes, _) = changes();
    assert_eq!(changes.len(), edits().len() + 1);
    for (name, change) in changes {
        pinned(&format!("change_{name}"), &change.bytes);
    }
}

#[test]
fn the_bytes_of_a_genesis_never_change() {
    let key: DocumentKey = DocumentId::household(household()).into();
    pinned("genesis_household", genesis(&SCHEMA_1, &key)[0].raw_bytes());
    pinned("genesis_household_epoch_1", genesis(&SCHEMA_1, &DocumentKey { epoch: 1, ..key })[0].raw_bytes());
}

#[test]
fn the_bytes_of_a_saved_household_of_schema_1_never_change() {
    let (_, document) = changes();
    pinned("document_household", &document.save_nocompress());
}

#[test]
fn the_bytes_of_the_messages_never_change() {
    let (changes, document) = changes();
    let change = &changes[0].1;
    let household = DocumentId::household(household());
    let quiet = Request {
        protocol: message::PROTOCOL,
        encoder: message::ENCODER,
        device: [0x71; 16].into(),
        sent_at_ms: AT,
        scopes: vec![ScopeRequest { scope: [0x72; 16].into(), cursor: Some(vec![0x73; 16].into()) }],
        budget: None,
        new_actors: vec![],
        pushes: vec![],
        receipts: vec![],
    };
    pinned("request_quiet", &quiet.to_bytes());
    let push = Push {
        scope: [0x72; 16].into(),
        document: (*household.as_bytes()).into(),
        epoch: 0,
        changes: vec![change.bytes.clone().into()],
    };
    let scopes = vec![ScopeRequest { scope: [0x72; 16].into(), cursor: None }];
    let request = Request {
        scopes,
        budget: Some(65_536),
        new_actors: vec![[0x41; 16].into()],
        pushes: vec![push],
        ..quiet.clone()
    };
    pinned("request_push", &request.to_bytes());

    let verdict = |outcome, code: Option<&str>| ChangeVerdict {
        document: (*household.as_bytes()).into(),
        epoch: 0,
        hash: change.hash.0.into(),
        outcome,
        code: code.map(str::to_owned),
    };
    let entry = |change: Option<Vec<u8>>, snapshot| Entry {
        document: (*household.as_bytes()).into(),
        epoch: 0,
        change: change.map(Into::into),
        snapshot,
    };
    let snapshot = Snapshot { hash: [0x74; 32].into(), bytes: document.save_nocompress().into() };
    let answer = Answer {
        protocol: message::PROTOCOL,
        server_time_ms: AT,
        verdicts: vec![
            verdict(message::Outcome::Merged, None),
            verdict(message::Outcome::Known, None),
            verdict(message::Outcome::Held, Some("missing-household")),
            verdict(message::Outcome::Quarantined, Some("predecessors")),
        ],
        scopes: vec![ScopeAnswer {
            scope: [0x72; 16].into(),
            cursor: vec![0x75; 16].into(),
            more: true,
            entries: vec![entry(Some(change.bytes.clone()), None), entry(None, Some(snapshot))],
            anew: false,
        }],
        authors: vec![Author::new(ActorId([0x41; 16]), StaffId::from_bytes([0x76; 16]), "李网格长")],
        receipt: None,
    };
    pinned("answer_full", &answer.to_bytes());
    let none = Answer { verdicts: vec![], scopes: vec![], authors: vec![], ..answer.clone() };
    pinned("answer_quiet", &none.to_bytes());

    let pushed = [(household.into(), change.hash, ActorId([0x41; 16]))];
    let receipt = Receipt::of(&answer.scopes, &answer.authors, pushed, StaffId::from_bytes([0x77; 16]));
    let receipt = Receipt { code: [0x78; 32].into(), ..receipt.expect("it attests something") };
    pinned("receipt_attestation", &receipt.attestation());
    let code = Some(receipt.code);
    pinned("request_relay", &Request { receipts: vec![receipt], ..quiet }.to_bytes());
    let mut scopes = answer.scopes;
    (scopes[0].anew, scopes[0].entries) = (true, vec![]);
    let anew = Answer { verdicts: vec![], scopes, authors: vec![], receipt: code, ..none };
    pinned("answer_anew", &anew.to_bytes());
}
