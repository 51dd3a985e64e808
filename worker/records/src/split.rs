//! [`split`]: the batches of a record set, one by one.

use bytes::Bytes;

use crate::{BatchError, BatchHeader};

/// Cuts `records` into its batches, each a slice of it: nothing is copied, no CRC is computed.
///
/// A set cut off inside of its last batch, as Kafka may answer a fetch, ends with [`BatchError::Truncated`]; after any error comes
/// nothing more.
#[must_use]
pub fn split(records: Bytes) -> Split {
    Split { left: records }
}

/// Iterator over the batches of a record set.
#[derive(Clone, Debug)]
pub struct Split {
    left: Bytes,
}

impl Split {
    /// What has not been cut yet.
    #[must_use]
    pub fn left(&self) -> &Bytes {
        &self.left
    }

    fn next_batch(&mut self) -> Result<(BatchHeader, Bytes), BatchError> {
        let header = BatchHeader::parse(&self.left)?;
        if header.total_bytes() > self.left.len() {
            return Err(BatchError::Truncated { wanted: header.total_bytes(), left: self.left.len() });
        }
        Ok((header, self.left.split_to(header.total_bytes())))
    }
}

impl Iterator for Split {
    type Item = Result<(BatchHeader, Bytes), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let batch = self.next_batch();
        if batch.is_err() {
            self.left.clear();
        }
        Some(batch)
    }
}

impl std::iter::FusedIterator for Split {}
