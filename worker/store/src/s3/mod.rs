//! Objects in a bucket of S3, or of anything that speaks its protocol and arbitrates conditional writes.
//!
//! ```text
//! <prefix>/<key>            the object's bytes, as they were put: any S3 client can read them
//!   x-amz-meta-sw-write     the write id, 32 hexadecimal digits
//!   x-amz-meta-sw-crc32c    CRC-32C of the bytes, 8 hexadecimal digits
//! ```
//!
//! **Versions are ETags.** Where the store makes them from the bytes, bytes that come back bring their version back: what is
//! replaced on a match must carry a number that grows, as everything of ours does.
//!
//! **Retries are ours**; the SDK makes none. What was certainly not done is tried again with pauses that grow (409, `SlowDown`,
//! no connection), and so is a read. A put whose answer was lost is sent again on its condition; the write id on the object
//! that is there tells our own first attempt from a rival (`course`). What stays open is [`PutError::Unknown`].
//!
//! **What is under way is bounded**, in requests and in bytes, apart for reads and for writes: a cold reader slows no upload.
//! A read that is late gets a second request beside it (`hedging`).
//!
//! **Threads.** The trait blocks its callers; the requests run on a small runtime of the store's own. It is not the caller's, since
//! a connection lives and dies with the runtime that opened it, callers come from runtimes and from plain threads alike, and an
//! upload must go on while a broker's own runtime is busy.
//!
//! **Rights** that are needed, on the bucket: `s3:ListBucket` (without it a missing object is answered with 403, which cannot be told
//! from a missing right), `s3:ListBucketMultipartUploads`; on its objects: `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject`,
//! `s3:AbortMultipartUpload`. A TLS endpoint with a certificate authority of one's own is trusted by `SSL_CERT_FILE`.

mod bucket;
mod config;
mod course;
mod credentials;
mod hedging;
mod lane;
mod listing;
mod metadata;
mod multipart;
mod patience;
mod put;
mod read;
mod remove;
mod stream;
mod trouble;

pub use config::{LaneLimits, S3Config, S3Credentials, S3Limits};

use crate::{Body, Head, Key, Listed, Object, ObjectStore, Prefix, PutError, StoreError, Version, WriteId};
use bucket::Bucket;
use bytes::Bytes;
use course::Condition;
use std::{fmt, ops::Range, sync::Arc, sync::mpsc, time::Duration};
use tokio::runtime::Runtime;

/// An [`ObjectStore`] in a bucket. Open it once in a process and share it. Its `Debug` shows no secret.
///
/// Before anything is entrusted to a bucket, [`probe`](crate::probe()) it.
pub struct S3Store {
    /// Always there, but while the store is dropped.
    runtime: Option<Runtime>,
    bucket: Arc<Bucket>,
}

/// Threads that send and receive. Requests are I/O; what they compute is TLS.
const THREADS: usize = 2;

impl S3Store {
    /// A store in the bucket of `config`. Asks nothing of it.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the configuration names no bucket, or no threads can be had.
    pub fn open(config: S3Config) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Failed { action: "start the threads of the object store".into(), source: error.into() })?;
        let bucket = wait(&runtime, Bucket::open(config))?;
        Ok(Self { runtime: Some(runtime), bucket: Arc::new(bucket) })
    }

    /// The bucket, its prefix and its endpoint, for people.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.bucket.place
    }

    /// Aborts multipart uploads under the prefix that were begun longer ago than `age` and never completed: what a process
    /// left that died. Says how many. Others may be at work on younger ones; a day is a good age.
    ///
    /// # Errors
    /// Where the store could not be asked.
    pub fn abort_stale_uploads(&self, age: Duration) -> Result<usize, StoreError> {
        self.call(remove::abort_stale_uploads(self.bucket(), age))
    }

    fn bucket(&self) -> Arc<Bucket> {
        Arc::clone(&self.bucket)
    }

    fn call<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> T {
        wait(self.runtime.as_ref().expect("the runtime lives as long as the store"), call)
    }
}

/// Blocks the calling thread until `call` is through. Works in a thread of another runtime too, which tokio's own waits refuse.
fn wait<T: Send + 'static>(runtime: &Runtime, call: impl Future<Output = T> + Send + 'static) -> T {
    let (tell, hear) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        let _ = tell.send(call.await); // the caller waits for it
    });
    hear.recv().expect("a call to the object store does not panic")
}

impl Drop for S3Store {
    fn drop(&mut self) {
        // Without waiting: a runtime that waits for its threads may not be dropped in a thread of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3Store").field(&self.bucket.config).finish()
    }
}

impl ObjectStore for S3Store {
    fn get(&self, key: &Key) -> Result<Object, StoreError> {
        self.call(read::get(self.bucket(), key.clone()))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.call(read::get_range(self.bucket(), key.clone(), range))
    }

    fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        self.call(read::head(self.bucket(), key.clone()))
    }

    fn put_if_absent(&self, key: &Key, body: Body, write_id: WriteId) -> Result<Version, PutError> {
        self.call(put::put(self.bucket(), key.clone(), body, Condition::Absent, write_id))
    }

    fn put_if_match(&self, key: &Key, body: Body, expected: &Version, write_id: WriteId) -> Result<Version, PutError> {
        self.call(put::put(self.bucket(), key.clone(), body, Condition::Match(expected.clone()), write_id))
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        self.call(listing::list(self.bucket(), prefix.clone(), after.cloned(), limit))
    }

    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.call(remove::delete(self.bucket(), key.clone()))
    }

    fn delete_all(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.call(remove::delete_all(self.bucket(), keys.to_vec()))
    }
}
