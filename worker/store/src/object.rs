//! What a store says of an object: which write it is of, by whom, and how large.

use crate::Key;
use bytes::Bytes;
use std::{fmt, hash::BuildHasher, sync::Arc, sync::atomic::AtomicU64, sync::atomic::Ordering};

/// Names one state of one object: another put gives another version. Opaque, comparable for equality only (an ETag in S3).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// A version from the text in which the store writes it down.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().into())
    }

    /// The text in which the store writes it down.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

/// Names one intended write and is kept with the object: a writer that sees it knows its own first attempt from a rival's.
/// A retry of the same bytes under the same key uses the same id; nothing else ever does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u128);

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteId({self})")
    }
}

impl std::str::FromStr for WriteId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// Gives write ids that nobody else gives: 64 bits of the giver, then a counter.
#[derive(Debug)]
pub struct WriteIds {
    giver: u64,
    next: AtomicU64,
}

impl WriteIds {
    /// Ids of a giver drawn from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self::of(std::hash::RandomState::new().hash_one(std::process::id()))
    }

    /// Ids of this `giver`, the same in each run: for simulations, where each writer has its own number.
    #[must_use]
    pub fn of(giver: u64) -> Self {
        Self { giver, next: AtomicU64::new(1) }
    }

    /// Whether this giver gave `id`, or may yet.
    #[must_use]
    pub fn gave(&self, id: WriteId) -> bool {
        id.0 >> 64 == u128::from(self.giver)
    }

    /// The next id.
    pub fn next(&self) -> WriteId {
        WriteId(u128::from(self.giver) << 64 | u128::from(self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

/// A whole object, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its bytes, all of them.
    pub bytes: Bytes,
    /// Names this state of it, for [`put_if_match`](crate::ObjectStore::put_if_match).
    pub version: Version,
}

/// What is known of an object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes it has.
    pub size: u64,
    /// Names this state of it.
    pub version: Version,
    /// The write that it came from; `None` where it was put there by other means.
    pub write_id: Option<WriteId>,
}

/// One object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// Bytes it has.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_ids_are_given_once_and_survive_text() {
        let ids = WriteIds::of(7);
        let (first, second) = (ids.next(), ids.next());
        assert_ne!(first, second);
        assert!(ids.gave(first) && !ids.gave(WriteIds::of(8).next()));
        assert_eq!(first.to_string().parse::<WriteId>().unwrap(), first);
        assert_ne!(WriteIds::random().next(), WriteIds::random().next());
    }
}
