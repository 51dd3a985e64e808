//! Stores that break one promise each, and whether the probe names it.

use super::*;
use crate::{Head, Listed, MemoryStore, Object, Prefix};
use bytes::Bytes;
use std::ops::Range;

/// What a store does wrong.
#[derive(Clone, Copy)]
enum Wrong {
    IgnoresAbsence,
    IgnoresMatch,
    ChecksThenWrites,
    OtherVersions,
    MatchesNothing,
    ForgetsWriters,
    KnowsNoConditions,
}

/// A store in memory that is wrong in one way.
struct WrongStore {
    inner: MemoryStore,
    wrong: Wrong,
    checked: Barrier,
}

impl WrongStore {
    fn new(wrong: Wrong) -> Self {
        Self { inner: MemoryStore::new(), wrong, checked: Barrier::new(RIVALS) }
    }

    fn put_anyway(&self, key: &Key, body: Body, id: WriteId) -> Result<Version, PutError> {
        loop {
            let put = match self.inner.head(key)? {
                Some(head) => self.inner.put_if_match(key, body.clone(), &head.version, id),
                None => self.inner.put_if_absent(key, body.clone(), id),
            };
            if put.is_ok() {
                return put;
            }
        }
    }
}

impl ObjectStore for WrongStore {
    fn get(&self, key: &Key) -> Result<Object, StoreError> {
        self.inner.get(key)
    }
    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.inner.get_range(key, range)
    }
    fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        let head = self.inner.head(key)?;
        Ok(head.map(|head| if matches!(self.wrong, Wrong::ForgetsWriters) { Head { write_id: None, ..head } } else { head }))
    }
    fn put_if_absent(&self, key: &Key, body: Body, id: WriteId) -> Result<Version, PutError> {
        match self.wrong {
            Wrong::IgnoresAbsence => self.put_anyway(key, body, id),
            Wrong::ChecksThenWrites => {
                let is_absent = self.inner.head(key)?.is_none();
                self.checked.wait();
                if is_absent { self.put_anyway(key, body, id) } else { Err(PutError::Lost { current: None, write_id: None }) }
            }
            Wrong::OtherVersions => self.inner.put_if_absent(key, body, id).map(|_| Version::new("another")),
            Wrong::KnowsNoConditions => Err(StoreError::Unsupported { reason: "PutObject: 501 NotImplemented".into() }.into()),
            Wrong::IgnoresMatch | Wrong::MatchesNothing | Wrong::ForgetsWriters => self.inner.put_if_absent(key, body, id),
        }
    }
    fn put_if_match(&self, key: &Key, body: Body, expected: &Version, id: WriteId) -> Result<Version, PutError> {
        match self.wrong {
            Wrong::IgnoresMatch => self.put_anyway(key, body, id),
            Wrong::MatchesNothing => Err(PutError::Lost { current: None, write_id: None }),
            _ => self.inner.put_if_match(key, body, expected, id),
        }
    }
    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        self.inner.list(prefix, after, limit)
    }
    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.delete(key)
    }
}

fn refusal(wrong: Wrong) -> String {
    let store = WrongStore::new(wrong);
    let said = probe(&store, &Key::new("probe").unwrap()).unwrap_err().to_string();
    assert_eq!(store.inner.keys(), [], "a store that is refused is left clean");
    said
}

#[test]
fn a_store_that_arbitrates_is_accepted_and_left_clean() {
    let store = MemoryStore::new();
    probe(&store, &Key::new("probe").unwrap()).unwrap();
    assert_eq!(store.keys(), []);
}

#[test]
fn a_store_that_does_not_arbitrate_is_refused_by_name() {
    assert!(refusal(Wrong::IgnoresAbsence).contains("6 of 6 rivals were told that their put if absent had won"));
    assert!(refusal(Wrong::ChecksThenWrites).contains("6 of 6 rivals were told that their put if absent had won"));
    assert!(refusal(Wrong::IgnoresMatch).contains("6 of 6 rivals were told that their put if match had won"));
    assert!(refusal(Wrong::MatchesNothing).contains("refuses every put if match"));
    assert!(refusal(Wrong::ForgetsWriters).contains("does not keep the metadata"));
    assert!(refusal(Wrong::KnowsNoConditions).contains("does not know conditional writes: PutObject: 501"));
    assert!(refusal(Wrong::OtherVersions).contains("is not the one that a read gives"));
}

#[test]
fn a_store_that_does_not_answer_is_not_called_broken() {
    let store = MemoryStore::new();
    store.plan(Some(crate::Plan { seed: 1, unavailable: 1000, ..Default::default() }));
    assert!(matches!(probe(&store, &Key::new("probe").unwrap()), Err(ProbeError::Store(StoreError::Unavailable { .. }))));
}
