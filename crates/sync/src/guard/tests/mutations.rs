//! Chance against the guard: honest changes with some bytes altered and the checksum repaired, as an attacker would.

use super::world::{World, body, seal};
use crate::document::DocumentKey;
use crate::guard::Verdict;
use crate::testing::{GRID, NOW, Random, fact_id, household, visit, visit_at, visits};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::{MemberPath, RecordPath};
use gridwork_domain::id::ResidentId;
use gridwork_domain::visit::{Fact, FactBody};
use std::collections::BTreeMap;

const MUTANTS: usize = 10_000;

#[test]
fn no_altered_change_panics_and_whatever_is_merged_loads_forks_and_reads() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut world = World::new();
    let mut seeds = honest(&mut world);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut merged = 0;
    for round in 0..MUTANTS {
        let (key, bytes) = random.pick(&seeds).clone();
        let mut mutant = body(&bytes).to_vec();
        for _ in 0..1 + random.below(3) {
            alter(&mut random, &mut mutant);
        }
        let mutant = seal(1, &mutant);
        let verdict = world.registry.judge(world.stranger.staff, GRID, key, &mutant);
        let word = match &verdict {
            Verdict::Known(_) => "known".to_owned(),
            Verdict::Merge(_) => "merged".to_owned(),
            Verdict::Hold(_, missing) => missing.word().to_owned(),
            Verdict::Quarantine(refusal) => format!("{} {}", refusal.code.step(), refusal.code.word()),
        };
        assert_ne!(word, "5 trial", "what steps 1 to 4 let through applies: {verdict:?}");
        *outcomes.entry(word).or_default() += 1;
        if matches!(verdict, Verdict::Merge(_)) {
            merged += 1;
            world.offer(key, &mutant);
            world.assert_sound(&format!("mutant {round}"));
            world.stranger.replicas.clear();
            for key in [household(), visits()] {
                world.stranger.replicas.insert(key, world.registry.load(&key));
            }
            if merged % 10 == 0 {
                world = World::new(); // documents stay small, so that mutants stay many
            }
            seeds = honest(&mut world);
        }
    }
    println!("{outcomes:#?}");
    world.assert_sound("the end");
    assert!(merged > 20 && outcomes.keys().filter(|word| word.starts_with('4')).count() >= 5, "they reach all steps");
}

/// One honest change of each sort by the stranger, not handed in.
fn honest(world: &mut World) -> Vec<(DocumentKey, Vec<u8>)> {
    let base = world.stranger.base(household());
    let resident = ResidentId::from_bytes([0x66; 16]);
    let home = crate::testing::HOME;
    let attributes = Fields::new().with("purpose", "送餐").with("basis", "consent").with("sensitivity", 1);
    let new = Fields::new().with("name", "李四").with("phone", "13712345678").with("occupation", "教师");
    let edits = [
        vec![Write::Put(RecordPath::household(), Fields::new().with("contact_phone", "13712345678"))],
        vec![Write::Make(RecordPath::resident(resident), new)],
        vec![Write::Affirm(MemberPath::need_of_household(home, "low_income"), attributes)],
        vec![Write::Withdraw(MemberPath::need_of_resident(super::world::GRANDMOTHER, "meal_service"))],
    ];
    let mut seeds = Vec::new();
    for writes in edits {
        if let Ok(change) = world.stranger.draft(household(), &base, &writes) {
            seeds.push((household(), change.bytes));
        }
    }
    let base = world.stranger.base(visits());
    let number = 10_000 + base.heads[0].largest_op;
    let correction = FactBody::Correction { corrects: fact_id(1), reason: "记错了".into(), visit: visit_at(NOW) };
    let correction = Fact { id: fact_id(number + 1), household: home, body: correction };
    for fact in [visit(number, NOW), correction] {
        seeds.push((visits(), crate::change::record_fact(&base, &visits(), &fact, NOW).bytes));
    }
    seeds
}

fn alter(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => bytes[at] = *random.pick(&[0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xff]),
        3 => bytes.insert(at, random.below(256) as u8),
        4 => drop(bytes.remove(at)),
        5 => bytes[at] = bytes[at].wrapping_add(1),
        _ => {
            let from = random.below(bytes.len());
            bytes[at] = bytes[from];
        }
    }
}
