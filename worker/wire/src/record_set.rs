//! [`RecordSet`]: the batches of one partition in a Fetch answer, as the slices they were read as.

use bytes::{Bytes, BytesMut};

/// Batches back to back, in any number of slices; encoding copies none of them. Null and empty are the same.
#[derive(Clone, Debug, Default)]
pub struct RecordSet {
    first: Bytes,
    more: Vec<Bytes>,
}

impl RecordSet {
    /// Adds `slice` at the end; an empty one changes nothing.
    pub fn push(&mut self, slice: Bytes) {
        if slice.is_empty() {
        } else if self.first.is_empty() {
            self.first = slice;
        } else {
            self.more.push(slice);
        }
    }

    /// Bytes in all slices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slices().map(Bytes::len).sum()
    }

    /// Whether there is not a byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The slices in order, none of them empty.
    pub fn slices(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.more).filter(|slice| !slice.is_empty())
    }

    /// All bytes as one slice: no copy where there is one slice only, as after decoding.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        let mut joined = BytesMut::with_capacity(self.len());
        self.slices().for_each(|slice| joined.extend_from_slice(slice));
        joined.freeze()
    }
}

impl From<Bytes> for RecordSet {
    fn from(first: Bytes) -> Self {
        Self { first, more: Vec::new() }
    }
}

impl FromIterator<Bytes> for RecordSet {
    fn from_iter<I: IntoIterator<Item = Bytes>>(slices: I) -> Self {
        let mut set = Self::default();
        slices.into_iter().for_each(|slice| set.push(slice));
        set
    }
}

/// Equal bytes, however they are cut.
impl PartialEq for RecordSet {
    fn eq(&self, other: &Self) -> bool {
        self.slices().flatten().eq(other.slices().flatten())
    }
}
