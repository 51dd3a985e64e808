//! The store of a pipeline that has none: queries without state never ask it, and state stays in the log.

use std::ops::Range;

use bytes::Bytes;
use store::{Body, Head, Key, Listed, Object, ObjectStore, Prefix, PutError, StoreError, Version, WriteId};

/// Has nothing and takes nothing.
#[derive(Debug)]
pub(super) struct NoStore;

fn refused(key: &Key) -> PutError {
    let source = "the Cluster has no objectStore that this pipeline may use; state stays in the log until it has".into();
    PutError::Other(StoreError::Failed { action: format!("keep {key}"), source })
}

impl ObjectStore for NoStore {
    fn get(&self, key: &Key) -> Result<Object, StoreError> {
        Err(StoreError::NotFound { key: key.clone() })
    }

    fn get_range(&self, key: &Key, _range: Range<u64>) -> Result<Bytes, StoreError> {
        Err(StoreError::NotFound { key: key.clone() })
    }

    fn head(&self, _key: &Key) -> Result<Option<Head>, StoreError> {
        Ok(None)
    }

    fn put_if_absent(&self, key: &Key, _body: Body, _write_id: WriteId) -> Result<Version, PutError> {
        Err(refused(key))
    }

    fn put_if_match(&self, key: &Key, _body: Body, _expected: &Version, _write_id: WriteId) -> Result<Version, PutError> {
        Err(refused(key))
    }

    fn list(&self, _prefix: &Prefix, _after: Option<&Key>, _limit: usize) -> Result<Vec<Listed>, StoreError> {
        Ok(Vec::new())
    }

    fn delete(&self, _key: &Key) -> Result<(), StoreError> {
        Ok(())
    }
}
