//! Two versions of the schema side by side: the server has the later one, phones have either.

use super::world::{Expected, GRANDMOTHER, World, outcome};
use crate::genesis::{begin, genesis};
use crate::guard::{Merge, Verdict};
use crate::reading::read_household;
use crate::testing::{Device, GRID, HOME, Registry, SCHEMA_2, household};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::{Fields, Value};
use gridwork_domain::household::{MemberPath, RecordPath};
use gridwork_domain::schema::SCHEMA_1;

fn interest() -> Write {
    let path =
        MemberPath { container: "interests".to_owned(), subject: GRANDMOTHER.to_string(), kind: "chess".to_owned() };
    Write::Affirm(path, Fields::new().with("level", "skilled"))
}

fn former_name() -> Write {
    Write::Put(RecordPath::resident(GRANDMOTHER), Fields::new().with("former_name", "王翠花"))
}

fn contract() -> Write {
    let path = RecordPath { container: "property_contract".to_owned(), id: None };
    Write::Put(path, Fields::new().with("company", "安居物业"))
}

fn occupation(value: &str) -> Write {
    Write::Put(RecordPath::resident(GRANDMOTHER), Fields::new().with("occupation", value))
}

fn merge(registry: &mut Registry, device: &mut Device) -> Vec<Merge> {
    let outbox = std::mem::take(&mut device.outbox);
    let merge =
        |(key, change): (_, crate::change::RawChange)| match registry.offer(device.staff, GRID, key, &change.bytes) {
            Verdict::Merge(merge) => *merge,
            other => panic!("an honest change was not merged: {other:?}"),
        };
    outbox.into_iter().map(merge).collect()
}

/// A household of schema 1 on a server that now has schema 2, with a phone of each.
fn upgraded() -> (Registry, Device, Device) {
    let World { mut registry, leader: old, .. } = World::new();
    registry.schema = &SCHEMA_2;
    let mut new = Device::enrol(&mut registry, 9, GRID, &SCHEMA_2);
    new.pull(&registry);
    (registry, old, new)
}

#[test]
fn phones_of_two_schemas_share_a_household() {
    let (mut registry, mut old, mut new) = upgraded();
    new.write(household(), &[former_name(), interest(), contract()]).expect("a change");
    old.write(household(), &[occupation("农民")]).expect("a change");
    merge(&mut registry, &mut new);
    merge(&mut registry, &mut old);
    old.pull(&registry);
    new.pull(&registry);
    // The old phone writes on top of what it does not know.
    old.write(household(), &[occupation("教师")]).expect("a change");
    merge(&mut registry, &mut old);
    new.pull(&registry);

    let grandmother = RecordPath::resident(GRANDMOTHER);
    let by_old = read_household(&SCHEMA_1, &household(), old.replica(household())).expect("it reads");
    let by_new = read_household(&SCHEMA_2, &household(), new.replica(household())).expect("it reads");
    for reading in [&by_old, &by_new] {
        assert_eq!(reading.household.value(&grandmother.field("occupation")), Some(&Value::from("教师")));
        assert_eq!(reading.conflicts, []);
    }
    assert_eq!(by_old.household.value(&grandmother.field("former_name")), None, "kept and not shown");
    assert!(by_old.household.records.keys().all(|path| path.container != "property_contract"));
    assert!(by_old.household.members.keys().all(|path| path.container != "interests"));
    assert_eq!(by_new.household.value(&grandmother.field("former_name")), Some(&Value::from("王翠花")));
    let contract = RecordPath { container: "property_contract".to_owned(), id: None };
    assert_eq!(by_new.household.value(&contract.field("company")), Some(&Value::from("安居物业")));
    assert!(by_new.household.members.keys().any(|path| path.container == "interests"));
    // An upgraded old phone finds it all in what it has kept.
    let kept = read_household(&SCHEMA_2, &household(), old.replica(household())).expect("it reads");
    assert_eq!(kept, by_new);
}

#[test]
fn the_genesis_of_a_later_schema_is_reported_once_for_storing() {
    let (mut registry, mut old, mut new) = upgraded();
    let later = genesis(&SCHEMA_2, &household()).remove(1);
    old.write(household(), &[occupation("农民")]).expect("a change");
    let first = merge(&mut registry, &mut old);
    let [reported] = &first[0].genesis[..] else { panic!("one genesis change") };
    assert_eq!(reported.bytes, later.raw_bytes());
    old.write(household(), &[occupation("教师")]).expect("a change");
    assert!(merge(&mut registry, &mut old)[0].genesis.is_empty());
    new.write(household(), &[contract()]).expect("a change");
    assert!(merge(&mut registry, &mut new)[0].genesis.is_empty());
}

#[test]
fn a_household_begun_under_the_later_schema_reads_on_an_old_phone() {
    let mut registry = Registry::new(&SCHEMA_2);
    let mut new = Device::enrol(&mut registry, 9, GRID, &SCHEMA_2);
    let mut old = Device::enrol(&mut registry, 8, GRID, &SCHEMA_1);
    let fields = Fields::new().with("name", "王秀英").with("former_name", "王翠花");
    let made = Write::Make(RecordPath::resident(GRANDMOTHER), fields);
    new.write(household(), &[made, contract()]).expect("a change");
    let merged = merge(&mut registry, &mut new);
    assert!(merged[0].new_document && merged[0].genesis.len() == 1);
    old.pull(&registry);
    let reading = read_household(&SCHEMA_1, &household(), old.replica(household())).expect("it reads");
    let name = reading.household.value(&RecordPath::resident(GRANDMOTHER).field("name"));
    assert_eq!(name, Some(&Value::from("王秀英")));
    old.write(household(), &[occupation("农民")]).expect("a change");
    merge(&mut registry, &mut old);
}

#[test]
fn a_server_of_the_old_schema_holds_or_refuses_what_it_does_not_know() {
    let World { mut registry, .. } = World::new();
    let mut new = Device::enrol(&mut registry, 9, GRID, &SCHEMA_2);
    new.pull(&registry);
    let contract = new.write(household(), &[contract()]).expect("a change");
    let verdict = registry.offer(new.staff, GRID, household(), &contract.bytes);
    assert_eq!(outcome(&verdict), Some(Expected::Held("missing-change")), "until the server is upgraded");
    registry.schema = &SCHEMA_2;
    let merged = registry.offer(new.staff, GRID, household(), &contract.bytes);
    assert!(matches!(merged, Verdict::Merge(_)), "{merged:?}");
}

#[test]
fn a_document_of_facts_has_no_genesis_under_any_schema() {
    let visits = crate::document::DocumentId::visits(HOME, 2026).into();
    assert!(begin(&SCHEMA_2, &visits).get_heads().is_empty());
}
