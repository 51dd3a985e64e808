//! Large bodies, and what may befall each step on their way.

use crate::kit::{body, key, store_with};
use std::time::Duration;
use store::{ObjectStore, PutError, S3Store, StoreError, WriteIds};
use streamwright_tests_s3::{Conduct, Fault, Injection, Operation, Server};

const LEN: usize = 300_000;

fn parts(server: &Server) -> S3Store {
    let store = store_with(server, |limits| {
        limits.multipart_above_bytes = 100_000;
        limits.part_bytes = 64_000;
    });
    // Whether the store arbitrates parts is asked once; what follows counts requests of its own.
    store.put_if_absent(&key("warm"), body(LEN), WriteIds::random().next()).unwrap();
    server.forget_requests();
    store
}

#[test]
fn every_step_survives_what_befalls_it() {
    use Operation::{CompleteMultipartUpload, CreateMultipartUpload, UploadPart};
    for step in [CreateMultipartUpload, UploadPart, CompleteMultipartUpload] {
        for fault in [
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::Refuse(503, "SlowDown"),
            Fault::Refuse(500, "InternalError"),
            Fault::RefuseAfter(500, "InternalError"),
            Fault::Refuse(409, "ConditionalRequestConflict"),
        ] {
            let server = Server::start();
            let (store, ids) = (parts(&server), WriteIds::random());
            server.inject(Injection::next(step, fault.clone()));
            let made =
                store.put_if_absent(&key("a"), body(LEN), ids.next()).unwrap_or_else(|error| panic!("{step:?} {fault:?}: {error:?}"));
            let object = store.get(&key("a")).unwrap();
            assert_eq!((&object.bytes, &object.version), (&body(LEN).to_bytes(), &made), "{step:?} {fault:?}");
            server.inject(Injection::next(step, fault.clone()));
            store.put_if_match(&key("a"), body(LEN + 1), &made, ids.next()).unwrap_or_else(|error| panic!("{step:?} {fault:?}: {error:?}"));
            assert_eq!(store.get(&key("a")).unwrap().bytes.len(), LEN + 1);
            // Only an upload whose very making was answered by nothing can stay, twice here; nobody knows its id.
            let lost = step == CreateMultipartUpload && matches!(fault, Fault::CutAfter | Fault::RefuseAfter(..));
            assert_eq!(server.uploads_open(), if lost { 2 } else { 0 }, "{step:?} {fault:?}");
        }
    }
}

#[test]
fn a_conflict_at_the_last_step_sends_the_parts_again() {
    let server = Server::start();
    let store = parts(&server);
    server.inject(Injection::next(Operation::CompleteMultipartUpload, Fault::Refuse(409, "ConditionalRequestConflict")));
    store.put_if_absent(&key("a"), body(LEN), WriteIds::random().next()).unwrap();
    assert_eq!(server.requests().of(Operation::UploadPart), 10, "five parts, twice");
}

#[test]
fn a_put_that_loses_leaves_no_parts() {
    let server = Server::start();
    let (store, ids) = (parts(&server), WriteIds::random());
    let first = ids.next();
    store.put_if_absent(&key("a"), body(LEN), first).unwrap();
    let lost = store.put_if_absent(&key("a"), body(LEN + 1), ids.next());
    assert!(matches!(lost, Err(PutError::Lost { write_id: Some(winner), .. }) if winner == first), "{lost:?}");
    assert_eq!((store.get(&key("a")).unwrap().bytes.len(), server.uploads_open()), (LEN, 0));
}

#[test]
fn a_part_that_is_refused_ends_the_put_and_leaves_nothing() {
    let server = Server::start();
    let store = parts(&server);
    server.inject(Injection::next(Operation::UploadPart, Fault::Refuse(403, "AccessDenied")).after(1));
    let put = store.put_if_absent(&key("a"), body(LEN), WriteIds::random().next());
    assert!(matches!(&put, Err(PutError::Other(StoreError::Denied { reason })) if reason.contains("UploadPart")), "{put:?}");
    assert_eq!((store.head(&key("a")).unwrap(), server.uploads_open()), (None, 0));
}

#[test]
fn parts_that_do_not_get_through_are_not_a_doubt() {
    let server = Server::start();
    let store = parts(&server);
    server.inject(Injection::next(Operation::UploadPart, Fault::CutBefore).times(1000));
    let put = store.put_if_absent(&key("a"), body(LEN), WriteIds::random().next());
    assert!(matches!(put, Err(PutError::Other(StoreError::Unavailable { .. }))), "nothing can have happened: {put:?}");
}

#[test]
fn uploads_that_a_dead_process_left_are_aborted_when_they_are_old() {
    let server = Server::start();
    let store = parts(&server);
    server.inject(Injection::next(Operation::UploadPart, Fault::Refuse(403, "AccessDenied")));
    server.inject(Injection::next(Operation::AbortMultipartUpload, Fault::Refuse(403, "AccessDenied")));
    store.put_if_absent(&key("a"), body(LEN), WriteIds::random().next()).unwrap_err();
    assert_eq!(server.uploads_open(), 1);
    assert_eq!(store.abort_stale_uploads(Duration::from_secs(86_400)).unwrap(), 0, "it may be somebody's at work");
    assert_eq!((store.abort_stale_uploads(Duration::ZERO).unwrap(), server.uploads_open()), (1, 0));
}

#[test]
fn where_the_last_step_does_not_arbitrate_large_bodies_go_whole() {
    let server = Server::start();
    server.conduct(Conduct::IgnoresConditionsOfParts);
    let (store, ids) = (parts(&server), WriteIds::random());
    store.put_if_absent(&key("a"), body(LEN), ids.next()).unwrap();
    assert!(matches!(store.put_if_absent(&key("a"), body(LEN + 1), ids.next()), Err(PutError::Lost { .. })));
    assert_eq!(store.get(&key("a")).unwrap().bytes.len(), LEN);
    assert_eq!(server.requests().of(Operation::CompleteMultipartUpload), 0);
    assert_eq!((server.keys(), server.uploads_open()), (vec!["main/a".to_owned(), "main/warm".into()], 0), "the question left nothing");
}
