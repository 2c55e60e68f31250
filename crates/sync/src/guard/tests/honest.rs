//! Random honest histories: all that devices build is merged, and whoever holds the same changes reads the same.

use crate::change::{Base, BuildError, RawChange};
use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use crate::genesis;
use crate::guard::{Effect, Verdict};
use crate::reading::{Reading, read_facts, read_household};
use crate::testing::{
    Device, GRID, HOME, NOW, Random, Registry, apply_bytes, fact_id, household, visit, visit_at, visits,
};
use automerge::{Automerge, ChangeHash as Hash};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::{MemberPath, RecordPath};
use gridwork_domain::id::{MembershipId, ResidentId};
use gridwork_domain::need::{Basis, Need};
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::visit::{Fact, FactBody};
use std::collections::BTreeSet;

const PHONES: [&str; 4] = ["13812345678", "13912345678", "02488886666", "13712345678"];
const KINDS: [&str; 3] = ["meal_service", "elder_alone", "home_repair"];

#[test]
fn every_honest_change_of_a_household_is_merged_and_all_replicas_read_the_same() {
    let seed = 0x6b8b_4567_327b_23c6;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let (mut merged, mut stale, mut conflicts, mut replayed) = (0, 0, 0, 0);
    for history in 0..30 {
        let mut registry = Registry::new(&SCHEMA_1);
        let mut devices: Vec<Device> =
            (1..=2 + history % 3).map(|number| Device::enrol(&mut registry, number, GRID, &SCHEMA_1)).collect();
        let mut opened: Vec<Vec<Hash>> = devices.iter_mut().map(|one| one.replica(household()).get_heads()).collect();
        for _ in 0..150 {
            let number = random.below(devices.len());
            let device = &mut devices[number];
            match random.below(10) {
                0 => {
                    merged += device.push(&mut registry);
                    device.pull(&registry);
                }
                1 => opened[number] = device.replica(household()).get_heads(),
                2 => {
                    let actor = ActorId(random.bytes());
                    registry.owners.insert(actor, device.staff);
                    let seen = Base::seen(device.replica(household()), actor, &opened[number]).expect("it was read");
                    let writes = random_writes(&mut random, number as u8, &reading(device));
                    match device.draft(household(), &seen, &writes) {
                        Ok(change) => {
                            stale += 1;
                            device.keep(household(), change);
                        }
                        Err(BuildError::Exists(_)) => replayed += usize::from(replay(device, &writes)),
                        Err(_) => {}
                    }
                }
                _ => {
                    let writes = random_writes(&mut random, number as u8, &reading(device));
                    let _ = device.write(household(), &writes);
                }
            }
        }
        for device in &mut devices {
            merged += device.push(&mut registry);
        }
        devices.iter_mut().for_each(|device| device.pull(&registry));
        let log = &registry.documents[&household()].log;
        let expected = reading(&mut devices[0]);
        conflicts += expected.conflicts.len();
        for device in &mut devices {
            assert_eq!(reading(device), expected);
        }
        for _ in 0..2 {
            let document = in_any_order(&mut random, log, genesis::begin(&SCHEMA_1, &household()));
            assert_eq!(read_household(&SCHEMA_1, &household(), &document).as_ref(), Ok(&expected));
            assert_heads_are_the_rule(&registry, &household(), &document);
            let loaded = Automerge::load(&document.save_nocompress()).expect("it loads");
            assert_eq!(read_household(&SCHEMA_1, &household(), &loaded).as_ref(), Ok(&expected));
        }
    }
    println!("{merged} merged, {stale} on stale heads, {conflicts} conflicts left open, {replayed} makes replayed");
    assert!(merged > 2_000 && stale > 150 && conflicts > 10 && replayed > 0);
}

/// The edit of a record that exists by now, made again as puts of its fields.
fn replay(device: &mut Device, writes: &[Write]) -> bool {
    let puts: Vec<Write> = writes
        .iter()
        .map(|write| match write {
            Write::Make(path, fields) => Write::Put(path.clone(), fields.clone()),
            other => other.clone(),
        })
        .collect();
    device.write(household(), &puts).is_ok()
}

fn reading(device: &mut Device) -> Reading {
    read_household(&SCHEMA_1, &household(), device.replica(household())).expect("it reads")
}

fn random_writes(random: &mut Random, device: u8, now: &Reading) -> Vec<Write> {
    let residents: Vec<ResidentId> = now.household.residents().map(|(id, _)| id).collect();
    let phone = *random.pick(&PHONES);
    let subject = |random: &mut Random, kind: &str| match residents.as_slice() {
        [] => MemberPath::need_of_household(HOME, kind),
        some => MemberPath::need_of_resident(*random.pick(some), kind),
    };
    match random.below(9) {
        0 => vec![Write::Put(RecordPath::household(), Fields::new().with("contact_phone", phone))],
        1 => vec![Write::Put(RecordPath::household(), Fields::new().cleared("contact_phone").with("status", "living"))],
        2 => {
            let fields = Fields::new().with("floor", random.below(9) as i64).with("door", *random.pick(&["1", "2"]));
            vec![Write::Put(RecordPath::dwelling(), fields)]
        }
        3 => {
            // Few ids, so that now and then a form that was opened early makes a record that exists by now.
            let number = device * 32 + random.below(8) as u8;
            let resident = ResidentId::from_bytes([number; 16]);
            let stay = Fields::new().with("resident", resident.to_string().as_str()).with("relation", "02");
            vec![
                Write::Make(RecordPath::resident(resident), Fields::new().with("name", "王小明").with("phone", phone)),
                Write::Make(RecordPath::membership(MembershipId::from_bytes([number; 16])), stay),
            ]
        }
        4 | 5 => match residents.as_slice() {
            [] => vec![],
            some => {
                let fields = Fields::new().with("phone", phone).with("occupation", *random.pick(&["农民", "教师"]));
                vec![Write::Put(RecordPath::resident(*random.pick(some)), fields)]
            }
        },
        6 => {
            let need =
                Need { purpose: "送餐".into(), basis: Basis::Consent, sensitivity: 1, expires: None, note: None };
            let kind = *random.pick(&KINDS);
            vec![Write::Affirm(subject(random, kind), need.fields())]
        }
        7 => {
            let kind = *random.pick(&KINDS);
            vec![Write::Withdraw(subject(random, kind))]
        }
        _ => match now.conflicts.as_slice() {
            [] => vec![],
            some => {
                let conflict = random.pick(some);
                // As often as not for the value that is shown already.
                let value = random.pick(&conflict.alternatives).value.clone();
                vec![Write::Decide(conflict.path.clone(), value)]
            }
        },
    }
}

/// Applies changes in a random order in which each follows what it depends on.
fn in_any_order(random: &mut Random, log: &[RawChange], mut document: Automerge) -> Automerge {
    let mut known: BTreeSet<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
    let mut left: Vec<&RawChange> = log.iter().collect();
    while !left.is_empty() {
        let ready: Vec<usize> =
            (0..left.len()).filter(|at| left[*at].dependencies.iter().all(|one| known.contains(one))).collect();
        let change = left.swap_remove(*random.pick(&ready));
        apply_bytes(&mut document, &change.bytes);
        known.insert(change.hash);
    }
    document
}

fn assert_heads_are_the_rule(registry: &Registry, key: &DocumentKey, document: &Automerge) {
    let heads: BTreeSet<ChangeHash> = document.get_heads().into_iter().map(Into::into).collect();
    assert_eq!(registry.documents[key].heads, heads);
}

#[test]
fn every_honest_fact_is_merged_without_loading_and_the_loaded_document_agrees() {
    let seed = 0x1f12_3bb5_159a_55e5;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let (mut merged, mut repeated) = (0, 0);
    for _ in 0..12 {
        let mut registry = with_household(&mut random);
        let mut devices: Vec<Device> =
            (1..=4).map(|number| Device::enrol(&mut registry, number, GRID, &SCHEMA_1)).collect();
        let keys = [visits(), DocumentId::visits(HOME, 2025).into()];
        let times = [NOW, NOW.plus_ms(-365 * 24 * 3_600_000)];
        let mut next_fact = 0;
        let mut recorded: Vec<Option<(DocumentKey, Fact)>> = vec![None; devices.len()];
        let record = |device: &mut Device, key, fact: Fact, last: &mut Option<(DocumentKey, Fact)>| {
            device.record(key, &fact);
            *last = Some((key, fact));
        };
        for _ in 0..160 {
            let number = random.below(devices.len());
            let device = &mut devices[number];
            let which = random.below(2);
            let (key, at) = (keys[which], times[which]);
            match random.below(8) {
                0 => {
                    merged += device.push(&mut registry);
                    device.pull(&registry);
                }
                1 => {
                    // Installed anew before the verdict came: the same edit under a new actor.
                    let Some((key, change)) = device.outbox.pop() else { continue };
                    merged += device.push(&mut registry);
                    let lost = registry.offer(device.staff, GRID, key, &change.bytes);
                    assert!(matches!(lost, Verdict::Merge(_)), "{lost:?}");
                    device.reinstall(&mut registry, ActorId(random.bytes()));
                    if random.one_in(2) {
                        device.pull(&registry);
                    }
                    let (_, fact) = recorded[number].clone().expect("it recorded what is in its outbox");
                    let again = device.record(key, &fact);
                    let (_, again) = device.outbox.pop().filter(|(_, kept)| kept.hash == again.hash).expect("kept");
                    let verdict = registry.offer(device.staff, GRID, key, &again.bytes);
                    let Verdict::Merge(merge) = verdict else { panic!("{verdict:?}") };
                    assert!(matches!(merge.effect, Effect::Facts(new) if new.is_empty()), "it brings no new row");
                    (merged, repeated) = (merged + 2, repeated + 1);
                }
                2 => {
                    let known: Vec<_> = read_facts(device.replica(key)).expect("facts").into_iter().collect();
                    let is_visit = |id, bytes: &[u8]| {
                        let fact = crate::fact::decode(id, bytes, &key).expect("a fact");
                        matches!(fact.body, FactBody::Visit(_))
                    };
                    let of_visits: Vec<_> = known.iter().filter(|(id, bytes, _)| is_visit(*id, bytes)).collect();
                    if of_visits.is_empty() {
                        continue;
                    }
                    let corrects = random.pick(&of_visits).0;
                    let body = FactBody::Correction { corrects, reason: "记错了".into(), visit: visit_at(at) };
                    next_fact += 1;
                    let fact = Fact { id: fact_id(next_fact), household: HOME, body };
                    record(device, key, fact, &mut recorded[number]);
                }
                3 => {
                    next_fact += 1;
                    let body = FactBody::Note { text: "门口堆物".into(), written_at: at };
                    let fact = Fact { id: fact_id(next_fact), household: HOME, body };
                    record(device, key, fact, &mut recorded[number]);
                }
                _ => {
                    next_fact += 1;
                    record(device, key, visit(next_fact, at), &mut recorded[number]);
                }
            }
        }
        for device in &mut devices {
            merged += device.push(&mut registry);
        }
        for key in keys {
            let kept = &registry.documents[&key];
            let document = in_any_order(&mut random, &kept.log, genesis::begin(&SCHEMA_1, &key));
            let loaded = Automerge::load(&document.save_nocompress()).expect("it loads");
            let facts = read_facts(&loaded).expect("it reads");
            assert!(facts.iter().map(|(id, bytes, _)| (id, bytes)).eq(&kept.facts), "judged unseen, read the same");
            assert_heads_are_the_rule(&registry, &key, &loaded);
        }
    }
    println!("{merged} merged, {repeated} of them known by another change");
    assert!(merged > 1_000 && repeated > 20);
}

fn with_household(random: &mut Random) -> Registry {
    let mut registry = Registry::new(&SCHEMA_1);
    let mut centre = Device::enrol(&mut registry, 200, GRID, &SCHEMA_1);
    centre.actor = ActorId(random.bytes());
    registry.owners.insert(centre.actor, centre.staff);
    let fields = Fields::new().with("status", "living");
    centre.write(household(), &[Write::Put(RecordPath::household(), fields)]).expect("a change");
    centre.push(&mut registry);
    registry
}
