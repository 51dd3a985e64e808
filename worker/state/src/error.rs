//! What can go wrong with kept state, by what the caller does about it.

use store::{PutError, StoreError};

/// Bytes that are not what they should be: written by something else, damaged, or of a version that this one does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// State could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store could not be asked, or has not what a manifest names. Worth another try where
    /// [`StoreError::is_transient`] says so; state is lost where the object does not exist.
    #[error("read state")]
    Store(#[from] StoreError),
    /// An object is there but is not what was written.
    #[error("state in {place} is damaged: {what}")]
    Damaged {
        /// The object, or the state partition and offset.
        place: String,
        /// What does not hold.
        what: String,
    },
}

impl ReadError {
    pub(crate) fn damaged(place: impl std::fmt::Display, what: impl Into<String>) -> Self {
        Self::Damaged { place: place.to_string(), what: what.into() }
    }

    /// Whether the same read may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

/// A checkpoint did not reach the store. Nothing refers to what it left there; a later owner removes it.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// What it merges could not be read.
    #[error("read runs to merge")]
    Read(#[from] ReadError),
    /// An object could not be put, or its answer was lost for good.
    #[error("put state object {object}")]
    Put {
        /// Its key.
        object: store::Key,
        /// Why.
        source: PutError,
    },
}
