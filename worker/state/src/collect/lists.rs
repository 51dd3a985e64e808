//! Objects that list other objects: pins and condemnations.

use crate::ReadError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::{Body, Key, ObjectStore, Prefix, StoreError};

const FORMAT: u32 = 1;

/// Names of objects, as a pin or a condemnation keeps them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NameList {
    format: u32,
    objects: Vec<String>,
}

impl NameList {
    pub(crate) fn of<'a>(objects: impl IntoIterator<Item = &'a Key>) -> Self {
        Self { format: FORMAT, objects: objects.into_iter().map(|key| key.as_str().into()).collect() }
    }

    pub(crate) fn encode(&self) -> Body {
        serde_json::to_vec(self).expect("a list of texts is JSON").into()
    }

    /// The names in the list under `key`; `None` where the list is gone.
    pub(crate) fn read<S: ObjectStore + ?Sized>(store: &S, key: &Key) -> Result<Option<BTreeSet<Key>>, ReadError> {
        let object = match store.get(key) {
            Ok(object) => object,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let list: Self = serde_json::from_slice(&object.bytes).map_err(|error| ReadError::damaged(key, error.to_string()))?;
        if list.format != FORMAT {
            return Err(ReadError::damaged(key, format!("it has format {}, this version reads {FORMAT}", list.format)));
        }
        let names: Result<_, _> = list.objects.iter().map(Key::new).collect();
        names.map(Some).map_err(|error| ReadError::damaged(key, error.to_string()))
    }
}

/// The keys of all lists that begin with `prefix`.
pub(crate) fn list_all<S: ObjectStore + ?Sized>(store: &S, prefix: &Prefix) -> Result<Vec<Key>, StoreError> {
    const PAGE: usize = 1000;
    let mut keys: Vec<Key> = Vec::new();
    loop {
        let page = store.list(prefix, keys.last(), PAGE)?;
        let is_last = page.len() < PAGE;
        keys.extend(page.into_iter().map(|listed| listed.key));
        if is_last {
            return Ok(keys);
        }
    }
}

/// Every list that begins with `prefix`, with the names in it.
pub(crate) fn read_lists<S: ObjectStore + ?Sized>(store: &S, prefix: &Prefix) -> Result<Vec<(Key, BTreeSet<Key>)>, ReadError> {
    let mut lists = Vec::new();
    for key in list_all(store, prefix)? {
        if let Some(names) = NameList::read(store, &key)? {
            lists.push((key, names));
        }
    }
    Ok(lists)
}
