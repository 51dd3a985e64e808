//! An object store whose reads can be held up.

use std::{
    ops::Range,
    sync::{Condvar, Mutex},
    time::Duration,
};

use bytes::Bytes;
use store::{Body, FolderStore, Head, Key, Listed, Object, ObjectStore, Prefix, PutError, StoreError, Version, WriteId};

/// A folder of objects with a gate before its reads by range, which is open at first.
pub struct Gated {
    inner: FolderStore,
    gate: Gate,
}

/// Whether reads pass, and how many wait.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    waiting: usize,
}

impl Gated {
    pub fn new(inner: FolderStore) -> Self {
        Self { inner, gate: Gate::default() }
    }

    pub fn close(&self) {
        self.gate.state.lock().expect("no test panics with it").is_closed = true;
    }

    pub fn open(&self) {
        self.gate.state.lock().expect("no test panics with it").is_closed = false;
        self.gate.changed.notify_all();
    }

    /// Comes back when so many reads are held up.
    pub fn wait_for(&self, reads: usize) {
        let state = self.gate.state.lock().expect("no test panics with it");
        let waited = self.gate.changed.wait_timeout_while(state, Duration::from_secs(20), |state| state.waiting < reads);
        assert!(!waited.expect("no test panics with it").1.timed_out(), "the store is asked");
    }

    fn pass(&self) {
        let mut state = self.gate.state.lock().expect("no test panics with it");
        state.waiting += 1;
        self.gate.changed.notify_all();
        state = self.gate.changed.wait_while(state, |state| state.is_closed).expect("no test panics with it");
        state.waiting -= 1;
    }
}

impl ObjectStore for Gated {
    fn get(&self, key: &Key) -> Result<Object, StoreError> {
        self.inner.get(key)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.pass();
        self.inner.get_range(key, range)
    }

    fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        self.inner.head(key)
    }

    fn put_if_absent(&self, key: &Key, body: Body, write_id: WriteId) -> Result<Version, PutError> {
        self.inner.put_if_absent(key, body, write_id)
    }

    fn put_if_match(&self, key: &Key, body: Body, expected: &Version, write_id: WriteId) -> Result<Version, PutError> {
        self.inner.put_if_match(key, body, expected, write_id)
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        self.inner.list(prefix, after, limit)
    }

    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.delete(key)
    }
}
