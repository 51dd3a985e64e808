//! What both coordinators exchange with the shell around them, beside their own requests and responses.

use std::fmt;

use bytes::Bytes;

/// Names one request; chosen by the caller, unique among those unanswered, given back with the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names one append that a coordinator asked for; given back with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendToken(pub u64);

/// One record for a coordinator's partition: bytes in this crate's own versioned format.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What the record is about.
    pub key: Bytes,
    /// What now holds; `None` takes the key away.
    pub value: Option<Bytes>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record {{ key: {} B, value: {:?} B }}", self.key.len(), self.value.as_ref().map(Bytes::len))
    }
}

/// An append was not done, and its records will *never* be in the log.
///
/// Where that is not known, the shell must not say so: it unloads the partition and replays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendFailed {
    /// The records are larger than the log accepts in one batch.
    #[error("records are too large for one batch")]
    TooLarge,
    /// The log accepts nothing now.
    #[error("log accepts nothing now")]
    Unavailable,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All its records and offsets become visible.
    Commit,
    /// None of them ever do.
    Abort,
}
