//! What hostile devices make, against the guard as a server asks it and against a phone that is sent it: nothing panics
//! outwards, nothing takes more than a second or 64 MB, nothing that is let in spoils a document, and honest work beside
//! it is merged.
//!
//! `GRIDWORK_HOSTILE=1000000 cargo test --release -p gridwork-hostile -- --nocapture` tries a million; `GRIDWORK_SEED` begins elsewhere.

mod world;

use gridwork_hostile::{Chance, Seen, forge};
use gridwork_sync::document::DocumentKey;
use gridwork_sync::guard::{Offered, Rules, Verdict, judge};
use peak_alloc::PeakAlloc;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use world::{GRID, NOW, Numbers, World};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Cases of one run.
const CASES: u64 = if cfg!(debug_assertions) { 3_000 } else { 40_000 };
/// What one case may take; a machine that does other things besides may stall for a while.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
const MOST_BYTES: usize = 64 << 20;
/// Merged changes after which the world begins anew: documents stay small, so that cases stay many.
const MOST_MERGED: usize = 20;

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn whatever_hostile_devices_hand_in_is_bounded_and_spoils_nothing() {
    let (seed, cases) = (asked("GRIDWORK_SEED", 1), asked("GRIDWORK_HOSTILE", CASES));
    println!("seed {seed}, {cases} cases");
    // A panic that the guard catches is none; what gets out ends the test.
    std::panic::set_hook(Box::new(|_| {}));
    let ended = std::panic::catch_unwind(|| run(seed, cases));
    let _ = std::panic::take_hook();
    match ended {
        Ok((outcomes, worst)) => {
            println!("{outcomes:#?}\nlongest {:?}, most memory {} kB", worst.0, worst.1 / 1_024);
            for step in ["1 ", "2 ", "3 ", "4 "] {
                let reached = outcomes.keys().filter(|word| word.starts_with(step)).count();
                assert!(reached >= 2, "cases reach step {step}: {outcomes:?}");
            }
            assert!(outcomes.contains_key("merged"), "some are wrong in nothing: {outcomes:?}");
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            panic!("{}", text.unwrap_or("a panic got out"));
        }
    }
}

type Worst = (Duration, usize);

fn run(seed: u64, cases: u64) -> (BTreeMap<String, u64>, Worst) {
    let (mut outcomes, mut worst) = (BTreeMap::<String, u64>::new(), Worst::default());
    let mut world = World::new();
    let mut merged = 0;
    for case in seed..seed + cases {
        let mut numbers = Numbers::of(case);
        let honest = world.honest();
        let (key, bytes) = &honest[numbers.below(honest.len())];
        let seen = Seen { hashes: world.hashes(), actors: world.actors() };
        let forged = forge(&mut numbers, bytes, &seen);
        let key = if numbers.below(12) == 0 { world.other_key(&mut numbers) } else { *key };

        let (word, is_merged) = bounded(case, "judging", &mut worst, || try_guard(&mut world, &key, &forged));
        *outcomes.entry(word).or_default() += 1;
        bounded(case, "a phone", &mut worst, || world.pull(case, &key, &forged));
        if is_merged {
            world.assert_sound(case);
            merged += 1;
            if merged % MOST_MERGED == 0 {
                world = World::new();
            }
        }
        if case % 1_000 == 0 {
            world.assert_honest_work_goes_on(case);
        }
    }
    world.assert_sound(seed + cases);
    (outcomes, worst)
}

/// Does something, and asserts what it took.
fn bounded<T>(case: u64, what: &str, worst: &mut Worst, work: impl FnOnce() -> T) -> T {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let begun = Instant::now();
    let done = work();
    let took = begun.elapsed();
    let memory = MEMORY.peak_usage().saturating_sub(before);
    assert!(took < LONGEST, "case {case}: {what} took {took:?}");
    assert!(memory < MOST_BYTES, "case {case}: {what} took {memory} bytes");
    *worst = (worst.0.max(took), worst.1.max(memory));
    done
}

fn try_guard(world: &mut World, key: &DocumentKey, bytes: &[u8]) -> (String, bool) {
    let offered = Offered { key: *key, scope: GRID, bytes };
    let Ok(verdict) = judge(&*world, &Rules::new(&gridwork_domain::schema::SCHEMA_1, NOW), &offered);
    match verdict {
        Verdict::Known(_) => ("known".to_owned(), false),
        Verdict::Hold(_, missing) => (missing.word().to_owned(), false),
        Verdict::Quarantine(refusal) => (format!("{} {}", refusal.code.step(), refusal.code.word()), false),
        Verdict::Merge(merge) => {
            world.merge(*key, &merge);
            ("merged".to_owned(), true)
        }
    }
}
