//! What can go wrong at a store, by what the caller does about it.

use crate::{Key, Version, WriteId};

/// A store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no object under this key.
    #[error("object {key} does not exist")]
    NotFound {
        /// The key that was asked for.
        key: Key,
    },
    /// The object ends before the range that was asked for.
    #[error("object {key} has {size} bytes, {wanted} were asked for")]
    Truncated {
        /// The key that was asked for.
        key: Key,
        /// Bytes the object has.
        size: u64,
        /// End of the range that was asked for, exclusive.
        wanted: u64,
    },
    /// What is stored is not what was written.
    #[error("object {key} is damaged: {what}")]
    Corrupt {
        /// The key that was asked for.
        key: Key,
        /// What does not hold.
        what: String,
    },
    /// No room for the object. Nothing was changed; worth another try when room was made.
    #[error("no room to store {key}")]
    Full {
        /// The key that was to be put.
        key: Key,
    },
    /// The store does not answer now, or asks for patience (503, a broken connection). Worth another try after a pause.
    #[error("store is unavailable: {reason}")]
    Unavailable {
        /// What the store or the network said.
        reason: String,
    },
    /// The store refuses us: credentials or rights. Worth another try, since both are mended while we run.
    #[error("the store denies access: {reason}")]
    Denied {
        /// What was asked, and what the store said.
        reason: String,
    },
    /// The store does not know how to do this.
    #[error("the store cannot do this: {reason}")]
    Unsupported {
        /// What was asked, and what the store said.
        reason: String,
    },
    /// The store cannot do this, and will not later: configuration, a broken folder.
    #[error("{action}")]
    Failed {
        /// What was tried, in words: `read object a/b`.
        action: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same call may succeed later: by itself, after room was made, or after rights were given. Nothing that is
    /// stored is in question.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. } | Self::Denied { .. })
    }
}

/// A put did not end with an object known to be there.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The condition did not hold: the key has another object, or none where one was expected.
    #[error("another write came first")]
    Lost {
        /// The object that is there; `None` where there is none, or where the store did not say.
        current: Option<Version>,
        /// Who wrote it; `None` where there is no object, or where the store did not say.
        write_id: Option<WriteId>,
    },
    /// The answer was lost: the put happened, or did not, or will yet.
    #[error("the answer to a put was lost")]
    Unknown,
    /// The put did not happen, and will not.
    #[error(transparent)]
    Other(#[from] StoreError),
}
