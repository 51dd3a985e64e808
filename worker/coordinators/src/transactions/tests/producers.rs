//! InitProducerId: who gets which id and epoch.

use units::DurationMs;

use super::{
    super::*,
    bench::{Bench, PARTITION, init, producer},
};
use crate::Outcome as Decision;

#[test]
fn a_producer_without_a_transactional_id_gets_an_id_of_its_own() {
    let mut bench = Bench::with(|config| config.producer_id_block = 2);
    let request = || Request::InitProducer(InitProducer { transactional_id: None, timeout: DurationMs(0), current: None });
    let mut given = Vec::new();
    for _ in 0..5 {
        let token = bench.send(request());
        given.push(bench.answer(token));
    }
    bench.restart();
    let token = bench.send(request());
    given.push(bench.answer(token));
    let expected = [0, 1, 2, 3, 4, 6].map(|id| Some(Response::InitProducer(Ok(producer(id, 0)))));
    assert_eq!(given, expected, "ids of a block that was begun are not given after a restart");
}

#[test]
fn ids_wait_for_their_reservation_and_fail_with_it() {
    let mut bench = Bench::new();
    bench.holds_log = true;
    let tokens = [bench.send(init(None)), bench.send(init(None))];
    assert_eq!(bench.held.len(), 1, "one reservation for both");
    bench.lose();
    for token in tokens {
        assert_eq!(bench.answer(token), Some(Response::InitProducer(Err(Refusal::CoordinatorNotAvailable))));
    }
    bench.holds_log = false;
    assert_eq!(bench.init(None), Ok(producer(0, 0)));
}

#[test]
fn each_init_bumps_the_epoch_and_fences_the_one_before() {
    let mut bench = Bench::new();
    let first = bench.init(None).unwrap();
    let second = bench.init(None).unwrap();
    assert_eq!((first, second), (producer(0, 0), producer(0, 1)));
    assert_eq!(bench.add(first, 0, Version::V1), Err(Refusal::ProducerFenced));
    assert_eq!(bench.init(Some(first)), Err(Refusal::ProducerFenced));
    assert_eq!(bench.add(producer(9, 1), 0, Version::V1), Err(Refusal::InvalidProducerIdMapping));
}

#[test]
fn a_producer_that_names_what_it_has_goes_on_and_may_ask_twice() {
    let mut bench = Bench::new();
    let first = bench.init(None).unwrap();
    let second = bench.init(Some(first)).unwrap();
    assert_eq!((second, bench.init(Some(first))), (producer(0, 1), Ok(second)), "the answer was lost, it asks again");
    assert_eq!(bench.end(first, Decision::Abort, Version::V2), Err(Refusal::ProducerFenced), "its epoch was not bumped by an end");
    assert_eq!(bench.add(second, 0, Version::V1), Ok(()));
    assert_eq!(bench.end(second, Decision::Commit, Version::V1), Ok(second));
    assert_eq!(bench.init(Some(first)), Err(Refusal::ProducerFenced), "who uses the new epoch knows it");
}

#[test]
fn an_init_aborts_what_is_open_first() {
    let mut bench = Bench::new();
    let first = bench.init(None).unwrap();
    assert_eq!(bench.add(first, 0, Version::V1), Ok(()));
    bench.holds_markers = true;
    assert_eq!(bench.init(None), Err(Refusal::ConcurrentTransactions));
    let markers = bench.markers.last().unwrap().clone();
    assert_eq!((markers.outcome, markers.producer, markers.transaction_epoch), (Decision::Abort, producer(0, 1), first.epoch));
    assert_eq!(bench.init(None), Err(Refusal::ConcurrentTransactions));
    bench.mark(MarkersWritten::All);
    assert_eq!(bench.init(None), Ok(producer(0, 2)));
    assert_eq!(bench.end(first, Decision::Commit, Version::V1), Err(Refusal::ProducerFenced));
}

#[test]
fn a_fence_that_names_another_epoch_leaves_what_is_open_alone() {
    let mut bench = Bench::new();
    let old = bench.init(None).unwrap();
    let present = bench.init(None).unwrap();
    assert_eq!(bench.add(present, 0, Version::V1), Ok(()));
    assert_eq!(bench.init(Some(old)), Err(Refusal::ProducerFenced));
    assert_eq!(bench.state(), TransactionState::Ongoing);
    assert_eq!(bench.init(Some(present)), Err(Refusal::ConcurrentTransactions));
    assert_eq!(bench.state(), TransactionState::CompleteAbort);
    assert_eq!(bench.init(Some(present)), Ok(producer(0, 3)), "who was told to ask again is known by what it had (KIP-360)");
    assert_eq!(bench.end(present, Decision::Commit, Version::V2), Err(Refusal::ProducerFenced), "and what it had is fenced");
    bench.init(None).unwrap();
    assert_eq!(bench.init(Some(present)), Err(Refusal::ProducerFenced), "but not once somebody has come after it");
}

#[test]
fn an_id_whose_epochs_are_used_up_is_followed_by_another() {
    let mut bench = Bench::new();
    bench.init(None).unwrap();
    bench.set_epoch(i16::MAX - 2);
    let last = bench.init(None).unwrap();
    assert_eq!(last, producer(0, i16::MAX - 1));
    let next = bench.init(Some(last)).unwrap();
    assert_eq!((next.id != last.id, next.epoch.0), (true, 0));
    assert_eq!(bench.init(Some(last)), Ok(next), "the answer was lost, it asks again");
}

#[test]
fn timeouts_that_are_not_positive_or_too_long_and_empty_names_are_refused() {
    let mut bench = Bench::new();
    for (id, timeout, refusal) in [
        ("x", 0, Refusal::InvalidTransactionTimeout),
        ("x", 15 * 60_000 + 1, Refusal::InvalidTransactionTimeout),
        ("", 1_000, Refusal::InvalidRequest),
    ] {
        let init = InitProducer { transactional_id: Some(id.into()), timeout: DurationMs(timeout), current: None };
        let token = bench.send(Request::InitProducer(init));
        assert_eq!(bench.answer(token), Some(Response::InitProducer(Err(refusal))));
    }
}

#[test]
fn requests_are_refused_while_loading_and_where_the_id_is_elsewhere() {
    let mut bench = Bench::new();
    bench.transactions.begin_load(PARTITION);
    assert_eq!(bench.init(None), Err(Refusal::CoordinatorLoadInProgress));
    bench.transactions.unload(PARTITION);
    assert_eq!(bench.init(None), Err(Refusal::NotCoordinator));
}

#[test]
fn an_id_without_anything_open_is_forgotten_after_a_week() {
    let mut bench = Bench::new();
    let idle = bench.init(None).unwrap();
    bench.wait(7 * 24 * 3_600_000 - 1);
    assert!(bench.transactions.describe(&"x".into()).is_ok());
    bench.wait(3_600_000);
    assert_eq!(bench.transactions.describe(&"x".into()), Err(Refusal::TransactionalIdNotFound));
    assert_eq!(bench.add(idle, 0, Version::V1), Err(Refusal::InvalidProducerIdMapping));
    assert_ne!(bench.init(None).unwrap().id, idle.id, "an id is never given again");
}
