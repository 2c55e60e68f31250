//! The world holds; the same seed gives the same trace; and each rule that is broken is told by an oracle.

use super::*;

/// Schedules of one run of the tests.
const SCHEDULES: u64 = if cfg!(debug_assertions) { 500 } else { 20_000 };

#[expect(clippy::disallowed_methods, reason = "which schedules to run is asked from outside")]
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_doubled_or_overwritten() {
    let (first, schedules) = (number("GRIDWORK_SEED", 1), number("GRIDWORK_SCHEDULES", SCHEDULES));
    let sum = run_many(first..first + schedules).unwrap_or_else(|finding| panic!("{finding}"));
    println!("{schedules} schedules from seed {first}: {sum:?}");
    assert!(
        sum.merged > 0 && sum.exchanges > 0 && sum.faults > 0 && sum.crashes > 0 && sum.hostile > 0,
        "the world is one in which things happen: {sum:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    for seed in 1..=20 {
        let (one, again) = (run(seed, None), run(seed, None));
        assert_eq!(one, again, "seed {seed}");
        assert_ne!(one.map(|told| told.trace), run(seed + 1_000, None).map(|told| told.trace));
    }
}

/// The first finding with a rule broken.
fn finding(broken: Broken) -> Option<Finding> {
    (1..=3_000).find_map(|seed| run(seed, Some(broken)).err())
}

macro_rules! told_by {
    ($($test:ident: $broken:ident is told by $($oracle:ident)|+;)*) => {$(
        #[test]
        fn $test() {
            let finding = finding(Broken::$broken).expect("some oracle tells");
            println!("{finding}");
            assert!(matches!(finding.oracle, $(Oracle::$oracle)|+), "{finding}");
        }
    )*};
}

told_by! {
    a_guard_without_the_rule_of_the_previous_change: NoPreviousDependency is told by Rebuild | NoPanic;
    a_change_known_by_its_hash_alone: HashWithoutDocument is told by Rebuild | NoPanic;
    an_epoch_that_is_believed: TrustedEpoch is told by Rebuild;
    predecessors_compared_with_what_stands_now: CurrentPredecessors is told by HonestWork;
    echo_suppressed_by_actor: EchoByActor is told by Convergence;
    all_marked_as_sent_after_a_push: MarkAllSent is told by NothingLost | Convergence;
    what_is_set_aside_forgotten: AsideForgotten is told by NothingLost;
    what_is_set_aside_never_made_again: NeverMadeAgain is told by Rest;
    a_genesis_that_all_documents_share: SharedGenesis is told by HonestWork;
    what_an_author_saw_ignored: SeenIgnored is told by NothingOverwritten;
    a_cursor_handed_out_before_the_commit: CursorBeforeCommit is told by Convergence | NothingLost | Rest;
    positions_drawn_from_a_sequence: PositionFromSequence is told by ExactlyOnce | Convergence;
    an_acknowledgement_before_the_commit: AcknowledgeBeforeCommit is told by Acknowledged | HonestWork | Rest;
    a_snapshot_saved_before_the_log: SnapshotBeforeLog is told by Rebuild | NoPanic;
    an_answer_for_every_grid: EveryScope is told by PermittedViews;
    a_held_change_told_to_be_merged: HeldToldMerged is told by Acknowledged;
}
