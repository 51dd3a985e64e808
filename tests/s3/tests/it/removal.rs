//! Listings and deletions of many objects.

use crate::kit::{key, store};
use store::{Key, ObjectStore, Prefix, StoreError};
use streamwright_tests_s3::{Fault, Injection, Operation, Server};

#[test]
fn a_hundred_thousand_keys_are_listed_in_order_a_thousand_a_request() {
    const KEYS: usize = 100_000;
    let server = Server::start();
    let store = store(&server);
    for number in 0..KEYS {
        server.put(&format!("main/many/{number:06}"), "x");
    }
    server.put("main/manyfold", "x");
    let prefix = Prefix::new("many/").unwrap();
    let listed = store.list(&prefix, None, usize::MAX).unwrap();
    assert_eq!(listed.len(), KEYS);
    assert!(listed.iter().enumerate().all(|(number, listed)| listed.key == key(format!("many/{number:06}")) && listed.size == 1));
    assert_eq!(server.requests().of(Operation::ListObjectsV2), 100);
    server.forget_requests();
    let some = store.list(&prefix, Some(&key("many/000499")), 1500).unwrap();
    assert_eq!((some.len(), some[0].key.as_str(), some[1499].key.as_str()), (1500, "many/000500", "many/001999"));
    assert_eq!(server.requests().of(Operation::ListObjectsV2), 2);
}

#[test]
fn a_page_that_fails_is_asked_for_again_and_the_listing_is_whole() {
    let server = Server::start();
    let store = store(&server);
    (0..2500).for_each(|number| server.put(&format!("main/{number:04}"), "x"));
    for (nth, fault) in [Fault::CutBefore, Fault::Truncate(500), Fault::Refuse(503, "SlowDown")].into_iter().enumerate() {
        server.inject(Injection::next(Operation::ListObjectsV2, fault).after(nth as u64));
    }
    assert_eq!(store.list(&Prefix::all(), None, 10_000).unwrap().len(), 2500);
}

#[test]
fn many_are_deleted_a_thousand_a_request() {
    let server = Server::start();
    let store = store(&server);
    (0..2500).for_each(|number| server.put(&format!("main/{number:04}"), "x"));
    let keys: Vec<Key> = (0..2499).map(|number| key(format!("{number:04}"))).chain([key("absent")]).collect();
    server.inject(Injection::next(Operation::DeleteObjects, Fault::CutAfter));
    store.delete_all(&keys).unwrap();
    assert_eq!(server.keys(), ["main/2499"]);
    assert_eq!(server.requests().of(Operation::DeleteObjects), 4, "three, and one again");
    store.delete_all(&[]).unwrap();
}

#[test]
fn a_deletion_whose_answer_was_lost_is_made_again() {
    let server = Server::start();
    let store = store(&server);
    server.put("main/a", "x");
    server.inject(Injection::next(Operation::DeleteObject, Fault::CutAfter));
    store.delete(&key("a")).unwrap();
    store.delete(&key("a")).unwrap();
    server.inject(Injection::next(Operation::DeleteObject, Fault::Refuse(403, "AccessDenied")));
    assert!(matches!(store.delete(&key("a")), Err(StoreError::Denied { .. })));
}
