//! [`BatchBuilder`]: records to one batch, in one pass.

use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use crate::{
    Attributes, Compression, HEADER_BYTES,
    header::{ATTRIBUTES_AT, LENGTH_COUNTS_FROM, MAGIC},
    patch, varint,
};

/// Collects records straight into the bytes of their batch; only compression copies them once more.
///
/// What comes out has offset 0, no leader epoch and no producer: [`crate::place`] and [`crate::stamp`] give those.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    attributes: u16,
    /// The header's place, then the records, not compressed.
    bytes: Vec<u8>,
    record_count: i32,
    base_timestamp: TimestampMs,
    max_timestamp: TimestampMs,
}

impl BatchBuilder {
    /// A batch without records.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            attributes: compression.bits(),
            bytes: vec![0; HEADER_BYTES],
            record_count: 0,
            base_timestamp: TimestampMs::NONE,
            max_timestamp: TimestampMs::NONE,
        }
    }

    /// A control batch: for markers only.
    pub(crate) fn control() -> Self {
        let mut builder = Self::new(Compression::None);
        builder.attributes |= Attributes::CONTROL;
        builder
    }

    /// Appends a record at the next offset, and returns how many bytes the batch has now, not compressed.
    ///
    /// # Panics
    /// Where the batch would pass 2 GiB: whoever collects looks at the size long before.
    pub fn push<'a, H>(&mut self, timestamp: TimestampMs, key: Option<&[u8]>, value: Option<&[u8]>, headers: H) -> usize
    where
        H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
        H::IntoIter: Clone + ExactSizeIterator,
    {
        let headers = headers.into_iter();
        if self.record_count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.0.wrapping_sub(self.base_timestamp.0);
        let offset_delta = i64::from(self.record_count);
        let length = 1
            + varint::size(timestamp_delta)
            + varint::size(offset_delta)
            + sized(key)
            + sized(value)
            + varint::size(headers.len() as i64)
            + headers.clone().map(|(name, value)| sized(Some(name.as_bytes())) + sized(value)).sum::<usize>();
        assert!(self.bytes.len() + length + 5 <= i32::MAX as usize, "a batch stays below 2 GiB");
        self.bytes.reserve(length + 5);
        varint::put(&mut self.bytes, length as i64);
        self.bytes.push(0);
        varint::put(&mut self.bytes, timestamp_delta);
        varint::put(&mut self.bytes, offset_delta);
        self.put_sized(key);
        self.put_sized(value);
        varint::put(&mut self.bytes, headers.len() as i64);
        for (name, value) in headers {
            self.put_sized(Some(name.as_bytes()));
            self.put_sized(value);
        }
        self.record_count += 1;
        self.bytes.len()
    }

    /// Appends a record without headers; see [`BatchBuilder::push`].
    pub fn push_plain(&mut self, timestamp: TimestampMs, key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
        self.push(timestamp, key, value, [])
    }

    /// Bytes the batch has now, not compressed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many records there are.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        self.record_count as u32
    }

    /// Whether there is no record. Such a batch must not be finished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// The bytes of the batch.
    ///
    /// # Panics
    /// Where there is no record: no broker takes such a batch.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        assert!(!self.is_empty(), "a batch has at least one record");
        let mut batch = if self.compression == Compression::None {
            self.bytes
        } else {
            let mut compressed = Vec::with_capacity(HEADER_BYTES + self.bytes.len() / 2);
            compressed.resize(HEADER_BYTES, 0);
            self.compression.compress(&self.bytes[HEADER_BYTES..], &mut compressed);
            compressed
        };
        let length = i32::try_from(batch.len() - LENGTH_COUNTS_FROM).expect("a batch stays below 2 GiB");
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&Offset::ZERO.0.to_be_bytes());
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&LeaderEpoch(-1).0.to_be_bytes());
        header.extend_from_slice(&MAGIC.to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        debug_assert_eq!(header.len(), ATTRIBUTES_AT);
        header.extend_from_slice(&self.attributes.to_be_bytes());
        header.extend_from_slice(&(self.record_count - 1).to_be_bytes());
        header.extend_from_slice(&self.base_timestamp.0.to_be_bytes());
        header.extend_from_slice(&self.max_timestamp.0.to_be_bytes());
        header.extend_from_slice(&ProducerId::NONE.0.to_be_bytes());
        header.extend_from_slice(&ProducerEpoch(-1).0.to_be_bytes());
        header.extend_from_slice(&Sequence::NONE.0.to_be_bytes());
        header.extend_from_slice(&self.record_count.to_be_bytes());
        batch[..HEADER_BYTES].copy_from_slice(&header);
        patch::seal(&mut batch);
        batch
    }

    fn put_sized(&mut self, value: Option<&[u8]>) {
        match value {
            None => varint::put(&mut self.bytes, -1),
            Some(value) => {
                varint::put(&mut self.bytes, value.len() as i64);
                self.bytes.extend_from_slice(value);
            }
        }
    }
}

/// Bytes that a length and a value take.
fn sized(value: Option<&[u8]>) -> usize {
    value.map_or(1, |value| varint::size(value.len() as i64) + value.len())
}
