//! Credentials that change while the store is open.

use crate::kit::{body, config, key, store};
use std::path::Path;
use store::{ObjectStore, PutError, S3Config, S3Credentials, S3Store, StoreError, WriteIds};
use streamwright_tests_s3::{Fault, Injection, Operation, Server};

fn write(folder: &Path, id: &str, secret: &str) {
    std::fs::write(folder.join("AWS_ACCESS_KEY_ID"), id).unwrap();
    std::fs::write(folder.join("AWS_SECRET_ACCESS_KEY"), secret).unwrap();
}

#[test]
fn a_secret_that_is_rotated_needs_no_restart() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), server.access_key_id(), server.secret_access_key());
    let store = S3Store::open(S3Config { credentials: S3Credentials::Folder(folder.path().into()), ..config(&server) }).unwrap();
    let ids = WriteIds::random();
    store.put_if_absent(&key("a"), body(1), ids.next()).unwrap();

    server.rotate_keys("AKIANEW", "new-secret-nobody-may-see");
    let put = store.put_if_absent(&key("b"), body(1), ids.next());
    let Err(PutError::Other(denied @ StoreError::Denied { .. })) = put else { panic!("{put:?}") };
    let said = format!("{denied} {denied:?} {store:?}");
    assert!(said.contains("InvalidAccessKeyId"), "{said}");
    assert!(!said.contains(server.secret_access_key()) && !said.contains("nobody-may-see"), "{said}");

    write(folder.path(), "AKIANEW", "new-secret-nobody-may-see");
    store.put_if_absent(&key("b"), body(1), ids.next()).unwrap();
}

#[test]
fn credentials_that_expired_in_the_midst_of_a_call_are_taken_up_anew() {
    let server = Server::start();
    let store = store(&server);
    server.inject(Injection::next(Operation::PutObject, Fault::Refuse(400, "ExpiredToken")));
    store.put_if_absent(&key("a"), body(1), WriteIds::random().next()).unwrap();
    server.inject(Injection::next(Operation::PutObject, Fault::Refuse(400, "ExpiredToken")).times(100));
    server.forget_requests();
    let put = store.put_if_absent(&key("b"), body(1), WriteIds::random().next());
    assert!(matches!(&put, Err(PutError::Other(StoreError::Denied { reason })) if reason.contains("ExpiredToken")), "{put:?}");
    assert_eq!(server.requests().of(Operation::PutObject), 3, "an identity that stays expired is not argued with");
}

#[test]
fn a_folder_without_credentials_is_named() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let store = S3Store::open(S3Config { credentials: S3Credentials::Folder(folder.path().into()), ..config(&server) }).unwrap();
    let get = store.get(&key("a"));
    let Err(denied @ StoreError::Denied { .. }) = get else { panic!("{get:?}") };
    assert!(denied.to_string().contains("AWS_ACCESS_KEY_ID is missing"), "{denied}");
    assert_eq!(server.requests().all(), 0, "nothing is asked without a name");
}

#[test]
fn a_wrong_secret_is_denied() {
    let server = Server::start();
    let keys = S3Credentials::Keys { access_key_id: server.access_key_id().into(), secret_access_key: "wrong".into() };
    let store = S3Store::open(S3Config { credentials: keys, ..config(&server) }).unwrap();
    assert!(matches!(store.get(&key("a")), Err(StoreError::Denied { .. })));
    assert!(matches!(store.head(&key("a")), Err(StoreError::Denied { .. })));
}
