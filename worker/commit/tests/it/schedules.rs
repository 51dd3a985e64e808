//! Random schedules with every rule in force: nothing is lost, doubled or reordered, and everything goes on once faults stop.

use crate::sim::world::{End, Loss, Scenario, run};

/// Seeds per test: `SW_SEEDS`, 300 unless told.
pub fn seeds() -> u64 {
    std::env::var("SW_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

fn all_pass(scenario: &Scenario) {
    let mut failed = Vec::new();
    for seed in first_seed()..first_seed() + seeds() {
        if let Err(broken) = run(seed, scenario) {
            failed.push(format!("seed {seed} (replay: SW_SEED={seed} SW_SEEDS=1, more: SW_TRACE=1): {broken}"));
        }
    }
    assert!(failed.is_empty(), "{} seeds failed: {:#?}", failed.len(), &failed[..failed.len().min(10)]);
}

fn first_seed() -> u64 {
    std::env::var("SW_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[test]
fn one_pod_is_exactly_once_through_kills_pauses_twins_evictions_and_lost_answers() {
    all_pass(&Scenario::default());
}

#[test]
fn pods_that_come_and_go_are_exactly_once_together() {
    all_pass(&Scenario { pods: 2, scales: true, ..Scenario::default() });
}

#[test]
fn members_that_do_not_know_that_they_were_dropped_do_no_harm() {
    all_pass(&Scenario { pods: 3, scales: true, evictions: true, ..Scenario::default() });
}

#[test]
fn a_commit_that_takes_longer_than_the_transaction_timeout_is_given_more_time() {
    all_pass(&Scenario { burst_ms: 5_000, transaction_timeout_ms: 3_000, ..Scenario::default() });
}

#[test]
fn deltas_that_say_all_there_is_are_trimmed_and_nothing_is_lost() {
    all_pass(&Scenario { whole: true, ..Scenario::default() });
    all_pass(&Scenario { whole: true, pods: 2, scales: true, ..Scenario::default() });
}

#[test]
fn sources_that_grow_are_read_whole() {
    all_pass(&Scenario { grows: true, ..Scenario::default() });
}

#[test]
fn offsets_that_went_back_or_expired_give_way_to_the_state() {
    for loss in [Loss::Offsets, Loss::AllOffsets] {
        for seed in first_seed()..first_seed() + seeds() / 2 {
            match run(seed, &Scenario { loss, ..Scenario::default() }) {
                Ok(End::Complete { .. }) => {}
                other => panic!("seed {seed} {loss:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn state_that_lost_its_tail_stops_the_pipeline_by_name() {
    let mut stalled = 0;
    for seed in first_seed()..first_seed() + seeds() / 2 {
        match run(seed, &Scenario { loss: Loss::StateTail, ..Scenario::default() }) {
            Ok(End::Stalled(message)) => {
                assert!(message.contains("hash partition"), "{message}");
                stalled += 1;
            }
            Ok(End::Complete { .. }) => {}
            Err(broken) => panic!("seed {seed}: {broken}"),
        }
    }
    assert!(stalled > 0, "no seed lost state");
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in 0..5 {
        let scenario = Scenario { pods: 2, scales: true, ..Scenario::default() };
        assert_eq!(run(seed, &scenario), run(seed, &scenario));
    }
}
