//! The properties, and for each rule a seed that fails without it.

use super::run;
use crate::rules::Rules;

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SW_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SW_SEEDS").unwrap_or(300),
    }
}

#[test]
fn whatever_happens_what_was_acknowledged_is_there_once_in_order_and_nothing_else() {
    for seed in seeds() {
        if let Err(reason) = run(seed, Rules::default()) {
            panic!("seed {seed} fails (SW_SEED={seed} replays it): {reason}");
        }
    }
}

#[test]
fn damage_is_repaired_from_the_store_before_the_checkpoint_and_behind_it() {
    let repairs = || (0..RULE_SEEDS).flat_map(|seed| run(seed, Rules::default()).map(|(repaired, _)| repaired).unwrap_or_default());
    let is_behind = |repaired: &String| repaired.starts_with("groups");
    assert!(repairs().any(|repaired| is_behind(&repaired)), "no seed damages a group behind the checkpoint that was shipped");
    assert!(repairs().any(|repaired| !is_behind(&repaired)), "no seed damages one before it");
}

#[test]
fn runs_come_by_what_they_are_made_for() {
    let sights: Vec<_> = (0..60).filter_map(|seed| run(seed, Rules::default()).ok()).map(|(_, sights)| sights).collect();
    let count = |is_seen: fn(&super::Sights) -> bool| sights.iter().filter(|sights| is_seen(sights)).count();
    let counts = [
        ("volumes that came back", count(|sights| sights.is_restored)),
        ("with records", count(|sights| sights.is_restored_with_records)),
        ("processes of before that were refused", count(|sights| sights.is_zombie_refused)),
        ("starts without the store", count(|sights| sights.is_opened_alone)),
        ("merges", count(|sights| sights.is_merged)),
        ("chunks", count(|sights| sights.is_chunked)),
        ("cold reads", count(|sights| sights.is_cold)),
    ];
    assert!(counts.iter().all(|(_, count)| *count >= 3), "{counts:?}");
}

/// Seeds that are tried without a rule.
const RULE_SEEDS: u64 = 8000;

/// Some seed must fail when `switch` turns a rule off: else the rule is not needed, or not tested.
fn is_needed(name: &str, switch: impl Fn(&mut Rules)) {
    let mut rules = Rules::default();
    switch(&mut rules);
    let failing = (0..RULE_SEEDS).find_map(|seed| {
        let reason = run(seed, rules).err()?;
        // What fails with the rule, too, says nothing of it.
        run(seed, Rules::default()).is_ok().then_some((seed, reason))
    });
    match failing {
        Some((seed, reason)) => println!("without {name} seed {seed} fails: {reason}"),
        None => panic!("no seed fails without {name}"),
    }
}

/// One test a rule, named by what the rule says.
macro_rules! rules {
    ($($name:ident),+ $(,)?) => {
        mod without {
            use super::is_needed;
            $(#[test]
            fn $name() {
                is_needed(stringify!($name), |rules| rules.$name = false);
            })+
        }
    };
}

// `newest_is_kept` is not among them: it matters where a process that was succeeded puts once more just after the newest object went, which no
// seed comes by; the shipper's tests show it.
rules!(
    acks_in_order,
    acked_through_is_honest,
    corruption_is_loud,
    gaps_are_in_manifests,
    holes_hold_batches_alone,
    holes_are_covered,
    judging_takes_over,
    cut_drops_what_follows,
    groups_are_seeded,
    groups_are_sealed,
    watermark_is_durable,
    log_start_is_durable,
    recycling_waits_for_checkpoint,
    recycling_waits_for_manifests,
    checkpoint_is_durable,
    checkpoint_keeps_producers,
    duplicates_wait,
    failed_flush_is_fatal,
    predecessors_are_fenced,
    row_is_read_again,
    restored_is_taken_over,
    names_before_data,
    sections_end_exactly,
    empty_volumes_are_restored
);
