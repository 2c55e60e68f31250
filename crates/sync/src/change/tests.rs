//! Edits become changes that are as small as can be, and that the guard lets in.

use super::{Base, BuildError, record_fact, write_household};
use crate::document::ActorId;
use crate::genesis::begin;
use crate::guard::{Verdict, decode, scan::Limits};
use crate::testing::{Device, GRID, HOME, NOW, Registry, apply_bytes, household, visit, visits};
use automerge::legacy::OpType;
use automerge::{Automerge, Change};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::{MemberPath, RecordPath};
use gridwork_domain::id::{EditId, MembershipId, ResidentId};
use gridwork_domain::schema::SCHEMA_1;

const ANNA: ActorId = ActorId([1; 16]);
const EDIT: EditId = EditId::from_bytes([9; 16]);

fn write(document: &mut Automerge, writes: &[Write]) -> Result<usize, BuildError> {
    let base = Base::current(document, ANNA);
    let change = write_household(&SCHEMA_1, document, &base, (EDIT, NOW), writes)?;
    apply_bytes(document, &change.bytes);
    Ok(Change::from_bytes(change.bytes).expect("a change").len())
}

fn own(fields: Fields) -> Write {
    Write::Put(RecordPath::household(), fields)
}

fn resident(number: u8) -> RecordPath {
    RecordPath::resident(ResidentId::from_bytes([number; 16]))
}

#[test]
fn only_what_differs_is_written() {
    let mut document = begin(&SCHEMA_1, &household());
    let fields = Fields::new().with("status", "living").with("contact_phone", "13812345678");
    assert_eq!(write(&mut document, &[own(fields.clone())]), Ok(2));
    assert_eq!(write(&mut document, &[own(fields.clone())]), Err(BuildError::Nothing));
    assert_eq!(write(&mut document, &[own(fields.with("status", "dissolved").cleared("remark"))]), Ok(1));
}

#[test]
fn a_write_to_what_is_not_there_says_so() {
    let mut document = begin(&SCHEMA_1, &household());
    let name = Fields::new().with("name", "王");
    let missing = write(&mut document, &[Write::Put(resident(1), name.clone())]);
    assert_eq!(missing, Err(BuildError::NoSuchRecord(resident(1))));
    let pets = RecordPath { container: "pets".to_owned(), id: None };
    let unknown = write(&mut document, &[Write::Put(pets, name.clone())]);
    assert_eq!(unknown, Err(BuildError::NoSuchContainer("pets".to_owned())));
    let twice = [own(Fields::new().with("remark", "一")), own(Fields::new().with("remark", "二"))];
    assert_eq!(write(&mut document, &twice), Err(BuildError::Twice("remark".to_owned())));
    let gone = Write::Withdraw(MemberPath::need_of_household(HOME, "low_income"));
    assert_eq!(write(&mut document, &[gone]), Err(BuildError::Nothing));
    assert_eq!(write(&mut document, &[Write::Make(resident(1), name.clone())]), Ok(2));
    assert_eq!(write(&mut document, &[Write::Make(resident(1), name)]), Err(BuildError::Nothing), "as it is");
}

#[test]
fn a_record_made_meanwhile_under_the_same_id_is_named_and_its_fields_can_be_put() {
    let mut document = begin(&SCHEMA_1, &household());
    let opened = document.get_heads();
    write(&mut document, &[Write::Make(resident(1), Fields::new().with("name", "王"))]).expect("a change");
    let stale = Base::seen(&document, ActorId([2; 16]), &opened).expect("it was read");
    let again = Write::Make(resident(1), Fields::new().with("name", "李"));
    let built = write_household(&SCHEMA_1, &document, &stale, (EDIT, NOW), std::slice::from_ref(&again));
    assert_eq!(built, Err(BuildError::Exists(resident(1))));
    assert_eq!(write(&mut document, &[again]), Ok(1));
    assert_eq!(Base::seen(&document, ANNA, &[automerge::ChangeHash([7; 32])]), None, "heads that it never had");
}

#[test]
fn nothing_is_said_of_a_resident_whom_the_author_did_not_see() {
    let mut document = begin(&SCHEMA_1, &household());
    let opened = document.get_heads();
    write(&mut document, &[Write::Make(resident(1), Fields::new().with("name", "王"))]).expect("a change");
    let id = ResidentId::from_bytes([1; 16]);
    let attributes = Fields::new().with("purpose", "送餐").with("basis", "consent").with("sensitivity", 1);
    let need = Write::Affirm(MemberPath::need_of_resident(id, "meal_service"), attributes.clone());
    let stay = Fields::new().with("resident", id.to_string().as_str());
    let stay = Write::Make(RecordPath::membership(MembershipId::from_bytes([1; 16])), stay);
    let ours = Write::Affirm(MemberPath::need_of_household(HOME, "low_income"), attributes);
    let stale = Base::seen(&document, ActorId([2; 16]), &opened).expect("it was read");
    let build = |write: &Write| {
        write_household(&SCHEMA_1, &document, &stale, (EDIT, NOW), std::slice::from_ref(write)).map(drop)
    };
    assert_eq!(build(&need), Err(BuildError::NoSuchRecord(resident(1))));
    assert_eq!(build(&stay), Err(BuildError::NoSuchRecord(resident(1))));
    assert_eq!(build(&ours), Ok(()));
    assert_eq!(write(&mut document, &[need, stay, ours]), Ok(4));
}

#[test]
fn deciding_for_the_value_that_is_shown_puts_it_over_all_others() {
    let mut document = begin(&SCHEMA_1, &household());
    let number = |text: &str| own(Fields::new().with("contact_phone", text));
    let both: Vec<_> = [(ANNA, "13812345678"), (ActorId([2; 16]), "13912345678")]
        .map(|(actor, text)| {
            let base = Base::current(&document, actor);
            write_household(&SCHEMA_1, &document, &base, (EDIT, NOW), &[number(text)]).expect("a change")
        })
        .into();
    both.iter().for_each(|change| apply_bytes(&mut document, &change.bytes));
    let reading = crate::reading::read_household(&SCHEMA_1, &household(), &document).expect("it reads");
    let shown = reading.conflicts[0].alternatives[0].value.clone();
    let path = RecordPath::household().field("contact_phone");
    let decide = Write::Decide(path, shown);
    let base = Base::current(&document, ANNA);
    let decided =
        write_household(&SCHEMA_1, &document, &base, (EDIT, NOW), std::slice::from_ref(&decide)).expect("a change");
    let decided = Change::from_bytes(decided.bytes).expect("a change").decode();
    assert!(matches!(decided.operations[0].action, OpType::Put(_)));
    assert_eq!(decided.operations[0].pred.len(), 2);
    // An open form of the winning value would have written nothing, and the conflict would stay.
    assert_eq!(write(&mut document, std::slice::from_ref(&decide)), Ok(1));
    assert_eq!(write(&mut document, &[decide]), Err(BuildError::Nothing));
}

#[test]
fn an_edit_that_does_not_fit_into_one_change_is_refused_before_it_is_kept() {
    let mut document = begin(&SCHEMA_1, &household());
    let fields = Fields::new()
        .with("name", "王")
        .with("sex", "1")
        .with("birth_date", "1958-03-02")
        .with("phone", "13812345678")
        .with("second_phone", "13812345679")
        .with("occupation", "农民")
        .with("employment", "37")
        .with("residence_kind", "registered")
        .with("ethnicity", "01")
        .with("guardian", "李")
        .with("died_on", "2020-01-01");
    let stay = |number: u8| {
        let id = ResidentId::from_bytes([number; 16]).to_string();
        Fields::new()
            .with("resident", id.as_str())
            .with("relation", "02")
            .with("since", "2001-05-01")
            .with("until", "2002-05-01")
    };
    let writes = |count: u8| -> Vec<Write> {
        (0..count)
            .flat_map(|number| {
                let membership = RecordPath::membership(MembershipId::from_bytes([number; 16]));
                [Write::Make(resident(number), fields.clone()), Write::Make(membership, stay(number))]
            })
            .collect()
    };
    assert!(matches!(write(&mut document, &writes(16)), Err(BuildError::TooLarge(_))), "16 residents, every field");
    let remark = own(Fields::new().with("remark", "𠮷".repeat(2_000).as_str()));
    assert!(matches!(write(&mut document, &[remark]), Err(BuildError::TooLarge(_))), "2,000 rare characters");
    assert_eq!(write(&mut document, &writes(15)), Ok(15 * 17));
}

#[test]
fn what_is_built_passes_the_scan_and_is_canonical_also_on_very_many_heads() {
    let mut registry = Registry::new(&SCHEMA_1);
    let mut device = Device::enrol(&mut registry, 1, GRID, &SCHEMA_1);
    device.write(household(), &[own(Fields::new().with("status", "living"))]).expect("a change");
    device.push(&mut registry);
    let opened = device.replica(household()).get_heads();
    for number in 0..100 {
        let actor = ActorId([100 + number; 16]);
        registry.owners.insert(actor, device.staff);
        let seen = Base::seen(device.replica(household()), actor, &opened).expect("it was read");
        let name = Fields::new().with("name", "王");
        let change = device.draft(household(), &seen, &[Write::Make(resident(number), name)]).expect("a change");
        device.keep(household(), change);
        let alone = Base { actor, heads: vec![], previous: None };
        let note = visit(u64::from(number), NOW);
        let change = record_fact(&alone, &visits(), &note, NOW);
        device.keep(visits(), change);
    }
    for _ in 0..8 {
        let floor = device.outbox.len() as i64 % 7;
        let put = Write::Put(RecordPath::dwelling(), Fields::new().with("floor", floor));
        let change = device.write(household(), &[put]).expect("a change");
        decode(&change.bytes, &Limits::DEFAULT).expect("it passes");
        let mut long = visit(1_000 + device.outbox.len() as u64, NOW);
        if let gridwork_domain::visit::FactBody::Visit(visit) = &mut long.body {
            visit.note = Some("长".repeat(2_000));
            visit.spoken_to = (0..32).map(|number| ResidentId::from_bytes([number; 16])).collect();
        }
        let change = device.record(visits(), &long);
        decode(&change.bytes, &Limits::DEFAULT).expect("it passes");
    }
    let outbox = std::mem::take(&mut device.outbox);
    assert_eq!(outbox.len(), 216);
    for (key, change) in outbox {
        let verdict = registry.offer(device.staff, GRID, key, &change.bytes);
        assert!(matches!(verdict, Verdict::Merge(_)), "{verdict:?}");
    }
    assert_eq!(registry.documents[&household()].heads.len(), 1, "they have grown together again");
}
