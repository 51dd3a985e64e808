//! A seeded simulation of both coordinators with the clients, logs and network around them.
//!
//! `SW_SEEDS` says how many seeds run (300 if it is not set), `SW_SEED` runs one alone. A seed that fails is printed, and fails again.

mod client;
mod data;
mod log;
mod oracle;
mod rng;
mod world;

use std::{collections::BTreeSet, panic};

use units::{DurationMs, ProducerEpoch, ProducerId, TimestampMs};

use self::{client::Client, rng::Rng, world::World};
use crate::{
    groups::{self, Rule as GroupRule},
    journal::Change as _,
    partition_for,
    timers::after,
    transactions::{self, Producer, Rule as TransactionRule, TransactionState, Version, record},
};

fn group_config(rng: &mut Rng) -> groups::Config {
    groups::Config {
        partition_count: world::GROUP_PARTITIONS,
        initial_rebalance_delay: DurationMs([0, 0, 500][rng.below(3) as usize]),
        session_timeout_min: DurationMs(1_000),
        new_member_join_timeout: DurationMs(20_000),
        offsets_retention: DurationMs(1_500),
        offsets_check_interval: DurationMs(400),
        producer_retention: DurationMs(60_000),
        snapshot_records: 10 + rng.below(100),
        ..groups::Config::default()
    }
}

fn transaction_config(rng: &mut Rng) -> transactions::Config {
    transactions::Config {
        partition_count: 2,
        group_partition_count: world::GROUP_PARTITIONS,
        producer_id_block: 1 + rng.below(5) as i64,
        snapshot_records: 5 + rng.below(50),
        id_check_interval: DurationMs(5_000),
        ..transactions::Config::default()
    }
}

/// Ids that have nearly used up their epochs (KIP-890: the first client id to reach 32,766 is given another producer id).
fn preset(world: &mut World, name: &str, number: i64) {
    let producer = Producer { id: ProducerId(900_000 + number), epoch: ProducerEpoch(32_760) };
    let stored = record::Stored {
        producer,
        previous: None,
        next_id: None,
        transaction_epoch: producer.epoch,
        timeout: DurationMs(2_000),
        state: TransactionState::Empty,
        version: Version::V2,
        started: None,
        updated: TimestampMs(1_000_000),
        partitions: BTreeSet::new(),
        group_partitions: BTreeSet::new(),
    };
    let change = record::Change::Transaction(name.into(), Some(stored));
    world.preset(partition_for(name, 2).0, change.record());
}

/// One history; panics where a rule is broken. Returns how many transactions clients saw end.
fn run(seed: u64, broken: (Option<GroupRule>, Option<TransactionRule>)) -> u64 {
    let mut world = World::new(seed, broken);
    let has_few_epochs = world.rng.percent(50);
    for number in 0..5 {
        let name = format!("pod-{number}");
        if has_few_epochs {
            preset(&mut world, &name, number);
        }
        let version = if world.rng.percent(70) { Version::V2 } else { Version::V1 };
        let (is_member, is_static) = (number < 3 || world.rng.percent(30), world.rng.percent(40));
        let group = if is_member { ["g", "h"][usize::from(world.rng.percent(20))] } else { "simple" };
        world.add_client(Client::new(&name, group, is_member, is_static, version));
    }
    world.start();
    let storm = after(world.now, DurationMs(20_000));
    for _ in 0..world.rng.below(5) {
        let at = after(world.now, DurationMs(world.rng.between(1, 20_000)));
        world.crash_at(at);
    }
    world.run_until(storm);
    world.is_calm = true;
    world.run_until(after(storm, DurationMs(90_000)));
    world.check_end();
    world.done
}

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    number("SW_SEED").map_or_else(|| (0..number("SW_SEEDS").unwrap_or(300)).collect(), |seed| vec![seed])
}

/// Runs `seed`; the message of the panic if a rule is broken.
fn try_run(seed: u64, broken: (Option<GroupRule>, Option<TransactionRule>)) -> Result<u64, String> {
    panic::catch_unwind(|| run(seed, broken)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

#[test]
fn every_seed_keeps_every_rule() {
    let mut transactions = 0;
    for seed in seeds() {
        match try_run(seed, (None, None)) {
            Ok(done) => transactions += done,
            Err(message) => panic!("SW_SEED={seed} fails: {message}"),
        }
    }
    assert!(transactions > 0, "the clients did nothing");
    println!("{transactions} transactions");
}

/// A rule that is broken on purpose is noticed by one of the first seeds.
#[track_caller]
fn is_noticed(broken: (Option<GroupRule>, Option<TransactionRule>)) {
    let noticed = (0..400).find_map(|seed| try_run(seed, broken).err().map(|message| (seed, message)));
    let (seed, message) = noticed.unwrap_or_else(|| panic!("no seed notices that {broken:?} is broken"));
    println!("{broken:?} is noticed by seed {seed}: {message}");
}

macro_rules! noticed {
    ($($name:ident: $core:ident::$rule:ident;)*) => { $(noticed!(@ $name $core $rule);)* };
    (@ $name:ident GroupRule $rule:ident) => {
        #[test]
        fn $name() {
            is_noticed((Some(GroupRule::$rule), None));
        }
    };
    (@ $name:ident TransactionRule $rule:ident) => {
        #[test]
        fn $name() {
            is_noticed((None, Some(TransactionRule::$rule)));
        }
    };
}

noticed! {
    a_commit_of_an_old_generation_is_noticed: GroupRule::CommitChecksGeneration;
    a_staged_offset_of_an_old_generation_is_noticed: GroupRule::StageChecksGeneration;
    a_staged_offset_of_an_old_epoch_is_noticed: GroupRule::StageChecksEpoch;
    a_stage_after_the_end_of_what_verified_it_is_noticed: GroupRule::StageChecksTicket;
    an_assignment_before_it_is_durable_is_noticed: GroupRule::AssignmentWaitsForDurability;
    an_offset_answered_before_it_is_durable_is_noticed: GroupRule::OffsetWaitsForDurability;
    a_static_member_that_is_not_fenced_is_noticed: GroupRule::StaticMemberIsFenced;
    two_assignments_in_one_generation_are_noticed: GroupRule::NewGenerationGetsNewNumber;
    a_stable_fetch_that_is_not_is_noticed: GroupRule::StableFetchSeesStaged;
    a_snapshot_without_staged_offsets_is_noticed: GroupRule::SnapshotContainsStaged;
    a_staged_offset_that_expires_is_noticed: GroupRule::StagedOffsetsNeverExpire;
    an_earlier_offset_that_wins_is_noticed: GroupRule::LaterLogPositionWins;
    a_late_marker_that_ends_the_next_transaction_is_noticed: GroupRule::MarkerEndsOnlyItsTransaction;
    a_marker_before_its_decision_is_noticed: TransactionRule::MarkersWaitForDecision;
    a_completion_before_its_markers_is_noticed: TransactionRule::CompleteWaitsForMarkers;
    an_end_by_a_fenced_producer_is_noticed: TransactionRule::EndChecksEpoch;
    an_end_that_keeps_its_epoch_is_noticed: TransactionRule::EndBumpsEpoch;
    an_init_that_leaves_a_transaction_open_is_noticed: TransactionRule::InitAbortsOpen;
    an_add_while_completing_is_noticed: TransactionRule::AddWaitsWhileCompleting;
    a_start_that_forgets_markers_is_noticed: TransactionRule::LoadResumesMarkers;
    a_producer_id_given_twice_is_noticed: TransactionRule::IdsAreReserved;
    a_timeout_that_does_not_fence_is_noticed: TransactionRule::TimeoutFences;
    an_add_answered_before_it_is_durable_is_noticed: TransactionRule::AddIsDurable;
}
