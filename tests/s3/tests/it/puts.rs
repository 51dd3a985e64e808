//! Conditional puts that meet one fault each.

use crate::kit::{body, key, store, store_with};
use std::time::{Duration, Instant};
use store::{ObjectStore, PutError, StoreError, WriteIds};
use streamwright_tests_s3::{Fault, Injection, Operation, Server};

fn puts(server: &Server) -> (u64, u64) {
    let requests = server.requests();
    (requests.of(Operation::PutObject), requests.of(Operation::HeadObject))
}

#[test]
fn what_the_store_did_not_do_is_done_again() {
    for fault in [
        Fault::Refuse(503, "SlowDown"),
        Fault::Refuse(409, "ConditionalRequestConflict"),
        Fault::Refuse(500, "InternalError"),
        Fault::CutBefore,
    ] {
        let server = Server::start();
        let store = store(&server);
        server.inject(Injection::next(Operation::PutObject, fault.clone()).times(2));
        let id = WriteIds::random().next();
        let version = store.put_if_absent(&key("a"), body(100_000), id).unwrap();
        assert_eq!(store.get(&key("a")).unwrap().version, version);
        assert_eq!(puts(&server).0, 3, "{fault:?}");
    }
}

#[test]
fn a_lost_answer_is_found_by_the_write_id() {
    for fault in [Fault::CutAfter, Fault::RefuseAfter(500, "InternalError"), Fault::RefuseAfter(503, "ServiceUnavailable")] {
        let server = Server::start();
        let (store, ids) = (store(&server), WriteIds::random());
        server.inject(Injection::next(Operation::PutObject, fault.clone()));
        let made = store.put_if_absent(&key("a"), body(10), ids.next()).unwrap();
        assert_eq!(puts(&server), (2, 1), "sent again, refused, and asked whose it is: {fault:?}");
        server.inject(Injection::next(Operation::PutObject, fault));
        let replaced = store.put_if_match(&key("a"), body(11), &made, ids.next()).unwrap();
        let object = store.get(&key("a")).unwrap();
        assert_eq!((object.version, object.bytes), (replaced, body(11).to_bytes()));
    }
}

#[test]
fn a_rivals_object_is_named_and_not_taken_for_ours() {
    let server = Server::start();
    let (store, ids) = (store(&server), WriteIds::random());
    let (theirs, ours) = (ids.next(), ids.next());
    let there = store.put_if_absent(&key("a"), body(1), theirs).unwrap();
    // The connection breaks before our attempt has an effect; the next attempt meets the rival.
    server.inject(Injection::next(Operation::PutObject, Fault::CutBefore));
    match store.put_if_absent(&key("a"), body(2), ours) {
        Err(PutError::Lost { current, write_id }) => assert_eq!((current, write_id), (Some(there.clone()), Some(theirs))),
        other => panic!("{other:?}"),
    }
    // On a match, ours may have been there before theirs: nobody can say.
    let stale = store.put_if_match(&key("a"), body(3), &there, theirs).map(|_| there).unwrap();
    server.inject(Injection::next(Operation::PutObject, Fault::CutBefore));
    assert!(matches!(store.put_if_match(&key("a"), body(4), &stale, ours), Err(PutError::Unknown)));
    assert!(matches!(store.put_if_match(&key("a"), body(4), &stale, ours), Err(PutError::Lost { .. })), "without doubt it has lost");
}

#[test]
fn a_put_that_never_gets_an_answer_is_unknown() {
    let server = Server::start();
    let store = store(&server);
    server.inject(Injection::next(Operation::PutObject, Fault::CutBefore).times(100));
    let id = WriteIds::random().next();
    assert!(matches!(store.put_if_absent(&key("a"), body(1), id), Err(PutError::Unknown)));
    server.calm();
    store.put_if_absent(&key("a"), body(1), id).unwrap();
}

#[test]
fn a_refusal_after_a_lost_answer_does_not_say_that_nothing_happened() {
    let server = Server::start();
    let store = store(&server);
    server.inject(Injection::next(Operation::PutObject, Fault::CutAfter));
    server.inject(Injection::next(Operation::PutObject, Fault::Refuse(403, "AccessDenied")).after(1));
    let put = store.put_if_absent(&key("a"), body(1), WriteIds::random().next());
    assert!(matches!(put, Err(PutError::Unknown)), "{put:?}");
    assert_eq!(server.keys(), ["main/a"], "indeed it did");
}

#[test]
fn what_was_certainly_not_done_is_told_as_unavailable() {
    let server = Server::start();
    let slow = store(&server);
    server.inject(Injection::next(Operation::PutObject, Fault::Refuse(503, "SlowDown")).times(100));
    let put = slow.put_if_absent(&key("a"), body(1), WriteIds::random().next());
    assert!(matches!(&put, Err(PutError::Other(StoreError::Unavailable { reason })) if reason.contains("503 SlowDown")), "{put:?}");
    assert_eq!(puts(&server).0, 5, "five attempts");

    let mut config = crate::kit::config(&server);
    config.endpoint = Some("http://127.0.0.1:1".into());
    let put = store::S3Store::open(config).unwrap().put_if_absent(&key("a"), body(1), WriteIds::random().next());
    assert!(matches!(put, Err(PutError::Other(StoreError::Unavailable { .. }))), "nobody listens there: {put:?}");
}

#[test]
fn an_error_names_what_was_asked_of_whom() {
    let server = Server::start();
    let store = store(&server);
    server.inject(Injection::next(Operation::PutObject, Fault::Refuse(403, "AccessDenied")).times(9));
    let put = store.put_if_absent(&key("a/b"), body(1), WriteIds::random().next());
    let Err(PutError::Other(denied @ StoreError::Denied { .. })) = put else { panic!("{put:?}") };
    let said = denied.to_string();
    for part in ["PutObject", "403", "AccessDenied", "request fault", "a/b", "s3://streams/main"] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
    assert!(denied.is_transient(), "rights can be given while we run");
    assert_eq!(puts(&server).0, 1, "a refusal is not argued with");
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let server = Server::start();
    let mut config = crate::kit::config(&server);
    config.bucket = "elsewhere".into();
    let store = store::S3Store::open(config).unwrap();
    let put = store.put_if_absent(&key("a"), body(1), WriteIds::random().next());
    let said = format!("{put:?}");
    assert!(said.contains("there is no such bucket") && said.contains("elsewhere"), "{said}");
}

#[test]
fn an_attempt_without_progress_ends_and_another_is_made() {
    let server = Server::start();
    let store = store_with(&server, |limits| limits.stall_timeout = Duration::from_millis(200));
    server.inject(Injection::next(Operation::PutObject, Fault::Delay(Duration::from_secs(60))));
    let started = Instant::now();
    store.put_if_absent(&key("a"), body(1), WriteIds::random().next()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(30), "it did not wait for the minute");
    assert_eq!(puts(&server).0, 2);
    assert_eq!(server.log().len(), 1, "the first attempt was never answered");
}

#[test]
fn a_store_that_went_away_is_used_again_when_it_is_back() {
    let server = Server::start();
    let store = store(&server);
    store.put_if_absent(&key("a"), body(1), WriteIds::random().next()).unwrap();
    server.away(true);
    assert!(matches!(store.get(&key("a")), Err(StoreError::Unavailable { .. })));
    server.away(false);
    assert_eq!(store.get(&key("a")).unwrap().bytes, body(1).to_bytes());
}
