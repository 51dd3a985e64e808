//! Every store is put through the same suite.

use std::sync::Arc;
use streamwright_store::{FolderStore, Key, MemoryStore, ObjectStore, conformance::conforms};

fn folder() -> Key {
    Key::new("conformance/run-1").unwrap()
}

#[test]
fn the_folder_store_conforms() {
    let root = tempfile::tempdir().unwrap();
    conforms(&FolderStore::open(root.path()).unwrap(), &folder());
}

#[test]
fn the_memory_store_conforms() {
    conforms(&MemoryStore::new(), &folder());
}

#[test]
fn a_store_is_shared_as_a_trait_object() {
    let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
    conforms(&*store, &folder());
}
