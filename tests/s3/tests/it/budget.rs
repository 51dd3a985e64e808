//! What is under way at once is bounded.

use crate::kit::{body, key, store_with};
use std::time::Duration;
use store::{LaneLimits, ObjectStore, WriteIds};
use streamwright_tests_s3::{Fault, Injection, Operation, Server};

#[test]
fn no_more_requests_are_made_at_once_than_the_lane_has() {
    let server = Server::start();
    let store = store_with(&server, |limits| limits.reads = LaneLimits { requests_max: 3, bytes_max: 1 << 20 });
    server.put("main/a", body(100).to_bytes());
    server.inject(Injection::next(Operation::GetObject, Fault::Delay(Duration::from_millis(20))).times(1000));
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| store.get_range(&key("a"), 0..10).unwrap());
        }
    });
    assert_eq!(server.requests().at_once_max, 3);
}

#[test]
fn no_more_bytes_are_under_way_than_the_lane_has_and_a_larger_body_goes_alone() {
    let server = Server::start();
    let store = store_with(&server, |limits| limits.writes = LaneLimits { requests_max: 100, bytes_max: 1 << 20 });
    server.inject(Injection::next(Operation::PutObject, Fault::Delay(Duration::from_millis(20))).times(1000));
    let ids = WriteIds::random();
    std::thread::scope(|scope| {
        let put = |number: usize, len| store.put_if_absent(&key(format!("a/{number}")), body(len), ids.next()).unwrap();
        for number in 0..12 {
            scope.spawn(move || put(number, 400 << 10));
        }
        scope.spawn(move || put(100, 3 << 20));
    });
    assert_eq!(server.requests().at_once_max, 2, "two of 400 KiB fit into a MiB");
}

#[test]
fn uploads_do_not_wait_for_reads() {
    let server = Server::start();
    let store = store_with(&server, |limits| {
        limits.reads = LaneLimits { requests_max: 1, bytes_max: 1 << 20 };
        limits.stall_timeout = Duration::from_secs(60);
        limits.hedge_percent = 0;
    });
    server.put("main/slow", body(10).to_bytes());
    server.inject(Injection::next(Operation::GetObject, Fault::Stall(1)));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| store.get(&key("slow")).unwrap_err());
        scope.spawn(|| tell.send(store.put_if_absent(&key("a"), body(10), WriteIds::random().next())).unwrap());
        told.recv_timeout(Duration::from_secs(30)).expect("the put does not wait for the read").unwrap();
        server.away(true); // which ends the read
    });
}
