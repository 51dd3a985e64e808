//! Opening, verifying, ending: what is decided, and what a repeated or late request is told.

use units::PartitionId;

use super::{
    super::*,
    bench::{Bench, PARTITION, add, add_waiting, at, end, init, producer},
};
use crate::Outcome::{Abort, Commit};

#[test]
fn a_v1_transaction_commits_with_its_epoch() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V1), Ok(()));
    assert_eq!(bench.add(x, 1, Version::V1), Ok(()));
    assert_eq!(bench.add_group(x, "g"), Ok(()));
    assert_eq!(bench.transactions.list(bench.now).unwrap()[0].state, TransactionState::Ongoing);
    assert_eq!(bench.end(x, Commit, Version::V1), Ok(x));
    let markers = &bench.markers[0];
    assert_eq!((markers.outcome, markers.producer, markers.transaction_epoch), (Commit, x, x.epoch));
    assert_eq!(markers.partitions, [at(0), at(1)].into());
    assert_eq!(markers.group_partitions, [PartitionId(103 % 7)].into(), "the hash of \"g\" is 103");
    assert_eq!(bench.state(), TransactionState::CompleteCommit);
    assert_eq!(bench.end(x, Commit, Version::V1), Ok(x), "the answer was lost, it asks again");
    assert_eq!(bench.end(x, Abort, Version::V1), Err(Refusal::InvalidTxnState));
}

#[test]
fn a_v2_transaction_ends_with_the_next_epoch() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V2), Ok(()));
    let next = bench.end(x, Commit, Version::V2).unwrap();
    assert_eq!((next, bench.markers[0].producer, bench.markers[0].transaction_epoch), (producer(0, 1), next, x.epoch));
    assert_eq!(bench.end(x, Commit, Version::V2), Ok(next), "the answer was lost, it asks again");
    assert_eq!(bench.end(x, Abort, Version::V2), Err(Refusal::InvalidTxnState));
    assert_eq!(bench.add(x, 0, Version::V2), Err(Refusal::ProducerFenced), "a late produce of the transaction before");
    assert_eq!(bench.add(next, 0, Version::V2), Ok(()));
    assert_eq!(bench.end(x, Commit, Version::V2), Err(Refusal::ProducerFenced), "a late end of the transaction before");
    assert_eq!(bench.state(), TransactionState::Ongoing);
}

#[test]
fn a_v2_producer_may_abort_without_knowing_what_arrived() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.end(x, Commit, Version::V2), Err(Refusal::InvalidTxnState));
    let next = bench.end(x, Abort, Version::V2).unwrap();
    assert_eq!((next, bench.markers.len(), bench.state()), (producer(0, 1), 0, TransactionState::CompleteAbort));
    assert_eq!(bench.end(x, Abort, Version::V2), Ok(next), "again");
    assert_eq!(bench.end(next, Abort, Version::V2), Ok(producer(0, 2)), "and anew");
    assert_eq!(bench.end(producer(0, 2), Abort, Version::V1), Ok(producer(0, 2)));
}

#[test]
fn the_last_epoch_of_an_id_ends_with_another_id() {
    let mut bench = Bench::new();
    bench.init(None).unwrap();
    bench.set_epoch(i16::MAX - 1);
    let last = bench.stored().producer;
    assert_eq!(bench.add(last, 0, Version::V2), Ok(()));
    bench.holds_markers = true;
    let next = bench.end(last, Commit, Version::V2).unwrap();
    assert_eq!((next.id != last.id, next.epoch.0), (true, 0));
    assert_eq!(bench.markers[0].producer, producer(0, i16::MAX), "the epoch that no client sees");
    assert_eq!(bench.add(next, 0, Version::V2), Err(Refusal::ConcurrentTransactions), "its new id is not unknown");
    assert_eq!(bench.end(last, Commit, Version::V2), Err(Refusal::ConcurrentTransactions));
    bench.mark(MarkersWritten::All);
    assert_eq!(bench.end(last, Commit, Version::V2), Ok(next));
    assert_eq!(bench.add(next, 0, Version::V2), Ok(()));
}

#[test]
fn adds_that_would_rather_wait_are_answered_in_turn_when_the_last_transaction_is_complete() {
    let mut bench = Bench::new();
    let first = bench.init(None).unwrap();
    assert_eq!(bench.add(first, 0, Version::V2), Ok(()));
    bench.holds_markers = true;
    let next = bench.end(first, Commit, Version::V2).unwrap();
    let waiting = [next, first, next].map(|producer| bench.send(add_waiting(producer, 1, Version::V2, 1_000)));
    assert_eq!(waiting.map(|token| bench.answer(token)), [None, None, None]);
    bench.mark(MarkersWritten::All);
    let added = |result| Some(Response::AddPartitions(result));
    assert_eq!(
        waiting.map(|token| bench.answer(token)),
        [added(Ok(())), added(Err(Refusal::ProducerFenced)), added(Ok(()))],
        "each is judged when its turn comes"
    );
    assert_eq!(bench.stored().partitions, [at(1)].into());
}

#[test]
fn an_add_waits_no_longer_than_it_said() {
    let mut bench = Bench::new();
    let first = bench.init(None).unwrap();
    assert_eq!(bench.add(first, 0, Version::V2), Ok(()));
    bench.holds_markers = true;
    let next = bench.end(first, Commit, Version::V2).unwrap();
    let patient = bench.send(add_waiting(next, 1, Version::V2, 1_000));
    let hasty = bench.send(add_waiting(next, 1, Version::V2, 10));
    bench.wait(10);
    let refused = |refusal| Some(Response::AddPartitions(Err(refusal)));
    assert_eq!((bench.answer(hasty), bench.answer(patient)), (refused(Refusal::ConcurrentTransactions), None));
    bench.wait(989);
    assert_eq!(bench.answer(patient), None);
    bench.wait(1);
    assert_eq!(bench.answer(patient), refused(Refusal::ConcurrentTransactions));
    let unloaded = bench.send(add_waiting(next, 1, Version::V2, 1_000));
    bench.transactions.unload(PARTITION);
    bench.drain();
    assert_eq!(bench.answer(unloaded), refused(Refusal::NotCoordinator));
}

#[test]
fn nothing_is_answered_or_marked_before_it_is_durable() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    bench.holds_log = true;
    let added = bench.send(add(x, 0, Version::V1));
    assert_eq!(bench.answer(added), None);
    let other = bench.send(add(x, 1, Version::V1));
    assert_eq!(bench.answer(other), Some(Response::AddPartitions(Err(Refusal::ConcurrentTransactions))));
    bench.write();
    assert_eq!(bench.answer(added), Some(Response::AddPartitions(Ok(()))));
    let ended = bench.send(end(x, Commit, Version::V1));
    assert_eq!((bench.answer(ended), bench.markers.len()), (None, 0));
    bench.lose();
    assert_eq!(bench.answer(ended), Some(Response::End(Err(Refusal::CoordinatorNotAvailable))));
    assert_eq!((bench.markers.len(), bench.state()), (0, TransactionState::Ongoing));
    bench.holds_log = false;
    assert_eq!(bench.end(x, Abort, Version::V1), Ok(x), "nothing was decided, so it may decide otherwise");
}

#[test]
fn while_markers_are_missing_the_producer_waits() {
    let mut bench = Bench::new();
    bench.holds_markers = true;
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V1), Ok(()));
    assert_eq!(bench.add(x, 1, Version::V1), Ok(()));
    assert_eq!(bench.end(x, Abort, Version::V1), Ok(x));
    for refused in [bench.add(x, 0, Version::V1), bench.end(x, Abort, Version::V1).map(|_| ()), bench.init(None).map(|_| ())] {
        assert_eq!(refused, Err(Refusal::ConcurrentTransactions));
    }
    assert_eq!(bench.end(x, Commit, Version::V1), Err(Refusal::InvalidTxnState));
    bench.mark(MarkersWritten::Except { partitions: [at(1)].into(), group_partitions: [].into() });
    assert_eq!((bench.markers.len(), bench.state()), (1, TransactionState::PrepareAbort));
    bench.wait(100);
    assert_eq!((bench.markers.len(), &bench.markers[1].partitions), (2, &[at(1)].into()), "only what is missing is sent again");
    bench.mark(MarkersWritten::All);
    assert_eq!((bench.add(x, 0, Version::V1), bench.markers.len()), (Ok(()), 2));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    for version in [Version::V1, Version::V2] {
        let mut bench = Bench::new();
        let x = bench.init(None).unwrap();
        assert_eq!(bench.add(x, 0, version), Ok(()));
        bench.wait(30_000);
        assert_eq!(bench.add(x, 1, version), Ok(()), "its time counts from its begin");
        bench.wait(29_999);
        assert_eq!(bench.state(), TransactionState::Ongoing);
        bench.wait(1);
        assert_eq!((bench.state(), bench.markers[0].producer), (TransactionState::CompleteAbort, producer(0, 1)));
        for outcome in [Commit, Abort] {
            assert_eq!(bench.end(x, outcome, version), Err(Refusal::ProducerFenced));
        }
        assert_eq!(bench.init(Some(x)), Err(Refusal::ProducerFenced));
        assert_eq!(bench.init(None), Ok(producer(0, 2)));
    }
}

#[test]
fn a_timeout_that_cannot_be_written_is_tried_again() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V1), Ok(()));
    bench.holds_log = true;
    bench.wait(60_000);
    bench.lose();
    assert_eq!(bench.state(), TransactionState::Ongoing);
    bench.holds_log = false;
    bench.wait(100);
    assert_eq!(bench.state(), TransactionState::CompleteAbort);
}

#[test]
fn only_what_is_in_the_open_transaction_is_verified() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    let verify = |bench: &Bench, producer, partition| bench.transactions.verify_partition(&"x".into(), producer, &at(partition));
    assert_eq!(verify(&bench, x, 0), Err(Refusal::TransactionAbortable));
    assert_eq!(bench.add(x, 0, Version::V1), Ok(()));
    assert_eq!(bench.add_group(x, "g"), Ok(()));
    assert_eq!((verify(&bench, x, 0), verify(&bench, x, 1)), (Ok(()), Err(Refusal::TransactionAbortable)));
    assert_eq!(verify(&bench, producer(0, 1), 0), Err(Refusal::InvalidProducerEpoch));
    assert_eq!(verify(&bench, producer(1, 0), 0), Err(Refusal::InvalidProducerIdMapping));
    assert_eq!(bench.transactions.verify_group(&"x".into(), x, &"g".into()), Ok(()));
    assert_eq!(bench.transactions.verify_group(&"x".into(), x, &"h".into()), Err(Refusal::TransactionAbortable));
    assert_eq!(bench.transactions.verify_partition(&"y".into(), x, &at(0)), Err(Refusal::InvalidProducerIdMapping));
    assert_eq!(bench.end(x, Commit, Version::V1), Ok(x));
    assert_eq!(verify(&bench, x, 0), Err(Refusal::TransactionAbortable), "late of a transaction that has ended");
}

#[test]
fn adding_what_is_in_already_writes_nothing() {
    let mut bench = Bench::new();
    let x = bench.init(None).unwrap();
    assert_eq!(bench.add(x, 0, Version::V2), Ok(()));
    let records = bench.log.len();
    assert_eq!((bench.add(x, 0, Version::V2), bench.log.len()), (Ok(()), records));
}

#[test]
fn an_end_without_a_transaction_or_of_a_stranger_is_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.end(producer(0, 0), Commit, Version::V2), Err(Refusal::InvalidProducerIdMapping));
    let x = bench.init(None).unwrap();
    for outcome in [Commit, Abort] {
        assert_eq!(bench.end(x, outcome, Version::V1), Err(Refusal::InvalidTxnState));
    }
    assert_eq!(bench.end(producer(7, 0), Commit, Version::V2), Err(Refusal::InvalidProducerIdMapping));
    let waiting = bench.send(init(None));
    assert!(bench.answer(waiting).is_some());
}
