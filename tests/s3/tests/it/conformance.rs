//! What every store must do, done by a bucket.

use crate::kit::{key, store, store_with};
use std::sync::Arc;
use store::{ObjectStore, S3Config, S3Store, conformance::conforms};
use streamwright_tests_s3::{Operation, Server};

#[test]
fn a_bucket_conforms() {
    let server = Server::start();
    let store: Arc<dyn ObjectStore> = Arc::new(store(&server));
    conforms(&*store, &key("conformance/run-1"));
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[test]
fn a_bucket_conforms_with_bodies_in_parts() {
    let server = Server::start();
    let store = store_with(&server, |limits| {
        limits.multipart_above_bytes = 5;
        limits.part_bytes = 32 << 10;
    });
    conforms(&store, &key("conformance/run-1"));
    assert!(server.requests().of(Operation::CompleteMultipartUpload) > 100, "bodies went in parts");
    assert_eq!((server.keys(), server.uploads_open()), (Vec::new(), 0));
}

#[test]
fn a_bucket_without_a_prefix_conforms() {
    let server = Server::start();
    let store = S3Store::open(S3Config { prefix: String::new(), ..crate::kit::config(&server) }).unwrap();
    conforms(&store, &key("conformance/run-1"));
}

#[test]
fn a_store_may_be_used_and_dropped_in_a_runtime_of_the_callers() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = store(&server);
        assert_eq!(store.head(&key("nothing")).unwrap(), None);
    });
}
