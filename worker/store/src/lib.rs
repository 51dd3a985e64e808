//! The seam to an object store: whole immutable objects, put only on a condition, read whole or by range.
//!
//! Everything that Streamwright keeps for longer than a broker's volume lives behind [`ObjectStore`]: a folder on one
//! machine ([`FolderStore`]), a bucket (`S3Store`, with the feature `s3`), or memory with faults on demand for simulations
//! ([`MemoryStore`]). The trait blocks its caller and knows no runtime. Three ideas carry it:
//!
//! - There is no unconditional put. A put says what it expects to find ([`put_if_absent`](ObjectStore::put_if_absent),
//!   [`put_if_match`](ObjectStore::put_if_match)); the store arbitrates between rivals, and that is all the consensus there is.
//! - An answer can be lost. [`PutError::Unknown`] says so instead of guessing, and the [`WriteId`] kept with each object
//!   lets a writer find out later whether an object is its own ([`settle`], [`put_if_absent_settled`]).
//! - A read is strongly consistent: it sees every put that was answered before it began.

mod body;
pub mod conformance;
mod error;
mod folder;
mod key;
mod memory;
mod object;
mod probe;
#[cfg(feature = "s3")]
mod s3;
mod settle;

pub use body::Body;
pub use error::{PutError, StoreError};
pub use folder::FolderStore;
pub use key::{InvalidKey, Key, Prefix};
pub use memory::{Fault, Injection, MemoryStore, Operation, Plan, Requests};
pub use object::{Head, Listed, Object, Version, WriteId, WriteIds};
pub use probe::{ProbeError, probe};
#[cfg(feature = "s3")]
pub use s3::{LaneLimits, S3Config, S3Credentials, S3Limits, S3Store};
pub use settle::{Settled, put_if_absent_settled, put_if_match_settled, settle};

use bytes::Bytes;
use std::ops::Range;

/// A place for objects, shared by every process that opens the same one. Calls block; share it as `Arc<dyn ObjectStore>`.
///
/// A put is all or nothing: whatever dies at whatever moment, a key has its old object or its new one, whole. When a put
/// is answered with a [`Version`], the object is durable and every later read sees it.
pub trait ObjectStore: Send + Sync + 'static {
    /// The whole object.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none; [`StoreError::Corrupt`] where its checksum does not hold.
    fn get(&self, key: &Key) -> Result<Object, StoreError>;

    /// The bytes `range` of the object, exactly; an empty range gives no bytes. Checksums are the caller's: a store can
    /// only check whole objects.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Truncated`] where the object ends before `range` does.
    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError>;

    /// What is known of the object without its bytes; `None` where there is none.
    ///
    /// # Errors
    /// Where the store could not be asked.
    fn head(&self, key: &Key) -> Result<Option<Head>, StoreError>;

    /// Makes the object, unless the key has one.
    ///
    /// # Errors
    /// [`PutError::Lost`] where the key has an object, which may be this writer's own first attempt: compare the write id,
    /// or use [`put_if_absent_settled`]. [`PutError::Unknown`] where the answer was lost.
    fn put_if_absent(&self, key: &Key, body: Body, write_id: WriteId) -> Result<Version, PutError>;

    /// Replaces the object, if it still is the one that `expected` names.
    ///
    /// # Errors
    /// [`PutError::Lost`] where the key has another object or none; see [`put_if_match_settled`]. [`PutError::Unknown`]
    /// where the answer was lost.
    fn put_if_match(&self, key: &Key, body: Body, expected: &Version, write_id: WriteId) -> Result<Version, PutError>;

    /// Up to `limit` objects whose keys begin with `prefix` and come after `after`, in the byte order of their keys.
    /// Fewer than `limit` means that there are no more.
    ///
    /// # Errors
    /// Where the store could not be asked.
    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, StoreError>;

    /// Removes the object. On return no read finds it; deleting what is not there is fine.
    ///
    /// # Errors
    /// Where the store could not be asked, or its answer was lost; deleting again is safe.
    fn delete(&self, key: &Key) -> Result<(), StoreError>;

    /// Removes the objects, in fewer requests than one each where the store can. On return no read finds any of them.
    ///
    /// # Errors
    /// Where the store could not be asked, or an answer was lost: some may be gone; deleting again is safe.
    fn delete_all(&self, keys: &[Key]) -> Result<(), StoreError> {
        keys.iter().try_for_each(|key| self.delete(key))
    }
}
