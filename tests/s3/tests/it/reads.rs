//! Reads that meet one fault each, and reads that are hedged.

use crate::kit::{body, key, store, store_with};
use std::time::{Duration, Instant};
use store::{ObjectStore, StoreError, WriteIds};
use streamwright_tests_s3::{Fault, Injection, Operation, Server};

fn gets(server: &Server) -> u64 {
    server.requests().of(Operation::GetObject)
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    for fault in [
        Fault::Truncate(1000),
        Fault::Truncate(0),
        Fault::Stall(1000),
        Fault::CutBefore,
        Fault::Refuse(500, "InternalError"),
        Fault::Refuse(503, "SlowDown"),
    ] {
        let server = Server::start();
        let store = store_with(&server, |limits| {
            limits.stall_timeout = Duration::from_millis(300);
            limits.hedge_percent = 0;
        });
        server.put("main/a", body(200_000).to_bytes());
        server.inject(Injection::next(Operation::GetObject, fault.clone()));
        assert_eq!(store.get(&key("a")).unwrap().bytes, body(200_000).to_bytes(), "{fault:?}");
        server.inject(Injection::next(Operation::GetObject, fault.clone()));
        assert_eq!(store.get_range(&key("a"), 5..150_000).unwrap(), body(200_000).to_bytes().slice(5..150_000), "{fault:?}");
        assert_eq!(gets(&server), 4, "{fault:?}");
    }
}

#[test]
fn a_slow_body_that_moves_is_waited_for() {
    let server = Server::start();
    let store = store_with(&server, |limits| {
        limits.stall_timeout = Duration::from_secs(1);
        limits.hedge_percent = 0;
    });
    server.put("main/a", body(100).to_bytes());
    server.inject(Injection::next(Operation::GetObject, Fault::Trickle(10, Duration::from_millis(150))));
    assert_eq!(store.get(&key("a")).unwrap().bytes, body(100).to_bytes());
    assert_eq!(gets(&server), 1);
}

#[test]
fn bytes_that_changed_are_not_given_out() {
    let server = Server::start();
    let store = store(&server);
    store.put_if_absent(&key("a"), body(5000), WriteIds::random().next()).unwrap();
    server.inject(Injection::next(Operation::GetObject, Fault::Flip));
    assert!(matches!(store.get(&key("a")), Err(StoreError::Corrupt { .. })));
    assert_eq!(store.get(&key("a")).unwrap().bytes, body(5000).to_bytes());
}

#[test]
fn objects_of_other_clients_are_read() {
    let server = Server::start();
    let store = store(&server);
    server.put("main/files/team/flights.csv", "a,b");
    server.put("main/files/team/with space.csv", "a,b");
    assert_eq!(store.get(&key("files/team/flights.csv")).unwrap().bytes, "a,b");
    let listed = store.list(&store::Prefix::new("files/").unwrap(), None, 10).unwrap();
    assert_eq!(listed.len(), 1, "what has a name that is no key is passed over: {listed:?}");
}

#[test]
fn a_read_that_is_late_gets_a_second_request_and_the_first_answer_wins() {
    let server = Server::start();
    let store = store(&server);
    server.put("main/a", body(1000).to_bytes());
    for _ in 0..30 {
        store.get_range(&key("a"), 0..10).unwrap();
    }
    server.forget_requests();
    server.inject(Injection::next(Operation::GetObject, Fault::Delay(Duration::from_secs(4))));
    let started = Instant::now();
    assert_eq!(store.get_range(&key("a"), 0..1000).unwrap(), body(1000).to_bytes());
    assert!(started.elapsed() < Duration::from_secs(3), "the second request answered: {:?}", started.elapsed());
    assert_eq!(gets(&server), 2);
}

#[test]
fn a_store_that_is_slow_for_everybody_is_not_asked_twice_for_everything() {
    const READS: u64 = 200;
    let server = Server::start();
    let store = store_with(&server, |limits| limits.hedge_percent = 5);
    server.put("main/a", body(10).to_bytes());
    // A third of reads are slow: far more than the share that may be asked for twice.
    for read in 0..READS {
        if read % 3 == 0 {
            server.inject(Injection::next(Operation::GetObject, Fault::Delay(Duration::from_millis(400))));
        }
        store.get(&key("a")).unwrap();
    }
    let hedges = gets(&server) - READS;
    assert!((1..=5 + READS * 5 / 100).contains(&hedges), "{hedges} of {READS} reads were asked for twice");
}

#[test]
fn a_missing_object_is_missing_at_once() {
    let server = Server::start();
    let store = store(&server);
    assert!(matches!(store.get(&key("a")), Err(StoreError::NotFound { .. })));
    assert!(matches!(store.get_range(&key("a"), 0..5), Err(StoreError::NotFound { .. })));
    assert_eq!(store.head(&key("a")).unwrap(), None);
    assert_eq!(server.requests().all(), 3, "no request is repeated");
}
