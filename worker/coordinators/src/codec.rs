//! Bytes of the coordinators' records: fixed-width big-endian numbers, and lengths that are checked against the bytes there are.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use units::{PartitionId, TopicName, TopicPartition};

/// A record of a coordinator's partition cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorruptRecord {
    /// The record ends before its contents do.
    #[error("coordinator record is cut short")]
    CutShort,
    /// There are bytes after the record's end.
    #[error("coordinator record has {0} bytes after its end")]
    Trailing(usize),
    /// A newer version of Streamwright wrote it.
    #[error("coordinator record of version {version}, kind {kind} is newer than this broker; start a broker at least as new as its writer")]
    Newer {
        /// The format's version.
        version: u8,
        /// The kind of record within it.
        kind: u8,
    },
    /// A field has a value it cannot have.
    #[error("coordinator record has an impossible {0}")]
    Impossible(&'static str),
}

/// Writes the fields of a record one after another.
pub(crate) struct Writer(BytesMut);

impl Writer {
    /// A record that begins with its format's version and its kind.
    pub(crate) fn new(version: u8, kind: u8) -> Self {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_u8(version);
        bytes.put_u8(kind);
        Self(bytes)
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.put_u8(value);
        self
    }

    pub(crate) fn i16(&mut self, value: i16) -> &mut Self {
        self.0.put_i16(value);
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.0.put_i32(value);
        self
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.0.put_i64(value);
        self
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.count(value.len());
        self.0.put_slice(value);
        self
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    pub(crate) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            None => self.u8(0),
            Some(text) => self.u8(1).text(text),
        }
    }

    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.0.put_u32(u32::try_from(count).expect("a record is far smaller than 4 GiB: its parts came in requests"));
        self
    }

    pub(crate) fn topic_partition(&mut self, partition: &TopicPartition) -> &mut Self {
        self.text(partition.topic.as_str()).i32(partition.partition.0)
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

/// Reads the fields of a record; never takes more than there is.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads the version and the kind, and refuses a version that is not `version`.
    pub(crate) fn new(bytes: &'a [u8], version: u8) -> Result<(u8, Self), CorruptRecord> {
        let mut reader = Self(bytes);
        let (found, kind) = (reader.u8()?, reader.u8()?);
        if found != version {
            return Err(CorruptRecord::Newer { version: found, kind });
        }
        Ok((kind, reader))
    }

    /// Bytes without a version and a kind in front.
    pub(crate) fn bare(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CorruptRecord> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(CorruptRecord::CutShort)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn slice(&mut self, length: usize) -> Result<&'a [u8], CorruptRecord> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(CorruptRecord::CutShort)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CorruptRecord> {
        Ok(self.take::<1>()?[0])
    }

    pub(crate) fn i16(&mut self) -> Result<i16, CorruptRecord> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, CorruptRecord> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, CorruptRecord> {
        self.take().map(i64::from_be_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CorruptRecord> {
        let length = self.take().map(u32::from_be_bytes)? as usize;
        self.slice(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, CorruptRecord> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CorruptRecord::Impossible("text"))
    }

    pub(crate) fn shared_text(&mut self) -> Result<Arc<str>, CorruptRecord> {
        self.text().map(Arc::from)
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<&'a str>, CorruptRecord> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(CorruptRecord::Impossible("mark of an optional text")),
        }
    }

    /// How many items follow. Says nothing of whether they are there: read them one by one, reserve nothing.
    pub(crate) fn count(&mut self) -> Result<u32, CorruptRecord> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn topic_partition(&mut self) -> Result<TopicPartition, CorruptRecord> {
        let topic = TopicName::new(self.text()?).map_err(|_| CorruptRecord::Impossible("topic name"))?;
        Ok(TopicPartition { topic, partition: PartitionId(self.i32()?) })
    }

    pub(crate) fn finish(self) -> Result<(), CorruptRecord> {
        if self.0.is_empty() { Ok(()) } else { Err(CorruptRecord::Trailing(self.0.len())) }
    }
}
