//! What a restart keeps and goes on with, and how the log stays short.

use super::{
    super::*,
    bench::{Bench, PARTITION, add, at, producer},
};
use crate::Outcome::Commit;

#[test]
fn a_decided_transaction_sends_its_markers_again_after_a_restart() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V2), Ok(()));
    bench.holds_markers = true;
    let next = bench.end(x, Commit, Version::V2).unwrap();
    let before = bench.markers[0].clone();
    bench.restart();
    assert_eq!(bench.markers.len(), 2);
    let again = &bench.markers[1];
    assert_eq!((&again.partitions, again.outcome, again.producer), (&before.partitions, Commit, next));
    assert!(again.coordinator_epoch > before.coordinator_epoch, "who took over says so");
    bench.mark(MarkersWritten::All);
    assert_eq!((bench.state(), bench.end(x, Commit, Version::V2)), (TransactionState::CompleteCommit, Ok(next)));
}

#[test]
fn an_open_transaction_goes_on_after_a_restart_until_its_time_is_over() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V1), Ok(()));
    bench.wait(40_000);
    bench.restart();
    assert_eq!(bench.transactions.verify_partition(&"x".into(), x, &at(0)), Ok(()));
    bench.wait(20_000);
    assert_eq!((bench.state(), bench.stored().producer), (TransactionState::CompleteAbort, producer(0, 1)));
}

#[test]
fn a_completion_that_is_not_written_is_tried_again_without_markers() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V1), Ok(()));
    bench.holds_markers = true;
    assert_eq!(bench.end(x, Commit, Version::V1), Ok(x));
    bench.holds_log = true;
    bench.mark(MarkersWritten::All);
    bench.lose();
    assert_eq!(bench.state(), TransactionState::PrepareCommit);
    bench.holds_log = false;
    bench.wait(100);
    assert_eq!((bench.state(), bench.markers.len()), (TransactionState::CompleteCommit, 1));
}

#[test]
fn a_coordinator_that_is_fenced_gives_the_partition_up() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V1), Ok(()));
    bench.holds_markers = true;
    assert_eq!(bench.end(x, Commit, Version::V1), Ok(x));
    bench.mark(MarkersWritten::Fenced);
    assert_eq!(bench.init(None), Err(Refusal::NotCoordinator));
}

#[test]
fn giving_up_a_partition_answers_everyone_who_waits() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    bench.holds_log = true;
    let token = bench.send(add(x, 0, Version::V1));
    bench.transactions.unload(PARTITION);
    bench.drain();
    assert_eq!(bench.answer(token), Some(Response::AddPartitions(Err(Refusal::NotCoordinator))));
}

#[test]
fn the_log_stays_short_by_itself_and_holds_everything() {
    let mut bench = Bench::with(|config| config.snapshot_records = 10);
    let mut x = bench.init(None).unwrap();
    for _ in 0..200 {
        assert_eq!(bench.add(x, 0, Version::V2), Ok(()));
        x = bench.end(x, Commit, Version::V2).unwrap();
    }
    assert!(bench.log.len() - bench.trimmed < 20, "{} records are kept", bench.log.len() - bench.trimmed);
    let stored = bench.stored();
    bench.restart();
    assert_eq!(bench.stored(), stored);
    assert_eq!(bench.add(x, 0, Version::V2), Ok(()));
}
