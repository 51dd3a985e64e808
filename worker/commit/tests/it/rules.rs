//! Each rule switched off, and a seed whose schedule then breaks: a rule without one would be unnecessary or untested.

use streamwright_commit::Rules;

use crate::sim::world::{Loss, Scenario, run};

/// What breaks, for the first seed that does: `hint` is tried first, since it was found before.
fn breaks(hint: u64, scenario: &Scenario, how: &str) {
    for seed in std::iter::once(hint).chain(0..1_500) {
        if let Err(broken) = run(seed, scenario)
            && broken.contains(how)
        {
            assert!(run(seed, &Scenario { rules: Rules::default(), ..scenario.clone() }).is_ok(), "seed {seed} breaks with every rule on");
            eprintln!("seed {seed}: {broken}");
            return;
        }
    }
    panic!("no seed breaks without this rule: {:?}", scenario.rules);
}

fn several(rules: Rules) -> Scenario {
    Scenario { rules, pods: 2, scales: true, ..Scenario::default() }
}

fn alone(rules: Rules) -> Scenario {
    Scenario { rules, ..Scenario::default() }
}

#[test]
fn a_commit_that_does_not_name_its_hash_partitions_is_not_fenced() {
    let scenario = Scenario { pods: 3, evictions: true, ..several(Rules { names_hashes: false, ..Rules::default() }) };
    breaks(741, &scenario, "output twice");
}

#[test]
fn a_fenced_pod_that_goes_on_with_what_it_holds_doubles_rows() {
    breaks(110, &alone(Rules { drops_when_fenced: false, ..Rules::default() }), "output twice");
}

#[test]
fn state_restored_up_to_the_last_stable_offset_lacks_a_commit() {
    breaks(232, &several(Rules { claims: false, ..Rules::default() }), "although nothing was lost");
}

#[test]
fn a_minimum_over_the_partitions_heard_of_makes_rows_late() {
    breaks(1, &alone(Rules { every_upstream: false, ..Rules::default() }), "lacks rows");
}

#[test]
fn a_lost_answer_taken_for_an_abort_doubles_a_commit() {
    breaks(110, &alone(Rules { asks_outcome: false, ..Rules::default() }), "output twice");
}

#[test]
fn a_member_that_slept_through_a_generation_and_repeats_its_commit_breaks_another_s_state() {
    breaks(320, &several(Rules { same_member: false, ..Rules::default() }), "window (");
}

#[test]
fn a_commit_that_waits_for_a_read_never_ends() {
    breaks(0, &alone(Rules { never_waits: false, ..Rules::default() }), "no progress");
}

#[test]
fn one_witness_does_not_notice_lost_offsets() {
    breaks(109, &Scenario { loss: Loss::Offsets, ..alone(Rules { two_witnesses: false, ..Rules::default() }) }, "out of order");
}

#[test]
fn one_witness_does_not_notice_lost_state() {
    breaks(24, &Scenario { loss: Loss::StateTail, ..alone(Rules { two_witnesses: false, ..Rules::default() }) }, "lacks rows");
}
