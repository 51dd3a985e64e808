//! [`Records`]: a batch, opened.

use bytes::Bytes;
use units::{Offset, TimestampMs};

use crate::{BatchError, BatchHeader, Compression, HEADER_BYTES, TimestampType, varint};

/// The records of one batch, decompressed. Iterating takes no memory: each record is slices of one buffer.
#[derive(Clone, Debug)]
pub struct Records {
    header: BatchHeader,
    payload: Bytes,
}

impl Records {
    /// Opens the batch at the start of `batch`; its CRC is not checked (see [`crate::verify_crc`]).
    ///
    /// An uncompressed batch is not copied. A compressed one is given up as soon as it yields more than `decompressed_bytes_max` bytes;
    /// no more than about twice that is ever taken.
    ///
    /// # Errors
    /// [`BatchError`] where the bytes are no batch, its codec finds them damaged, or the limit is passed.
    pub fn decode(batch: &Bytes, decompressed_bytes_max: usize) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(batch)?;
        if header.total_bytes() > batch.len() {
            return Err(BatchError::Truncated { wanted: header.total_bytes(), left: batch.len() });
        }
        let stored = batch.slice(HEADER_BYTES..header.total_bytes());
        let payload = match header.attributes.compression()? {
            Compression::None => stored,
            // What compaction has emptied has nothing to open.
            _ if header.record_count == 0 => Bytes::new(),
            codec => codec.decompress(&stored, decompressed_bytes_max)?.into(),
        };
        Ok(Self { header, payload })
    }

    /// The header of the batch.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records in order. After an error comes nothing more.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { header: &self.header, left: &self.payload, index: 0, last_delta: -1 }
    }

    /// Bytes of the records, decompressed.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.payload.len()
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// One record, as slices of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// Its time: the producer's, or the broker's where the batch says LogAppendTime.
    pub timestamp: TimestampMs,
    /// Its key; `None` for none, which is not the same as an empty one.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` for none (a tombstone on a compacted topic).
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// The headers of a record in their order; a name may come several times, as Kafka allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    count: u32,
    left: &'a [u8],
}

impl Headers<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        // The record was checked when it was read, so the fallback is never taken.
        take_header(&mut self.left)
    }
}

/// Iterator over the records of a batch.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    header: &'a BatchHeader,
    left: &'a [u8],
    index: u32,
    last_delta: i32,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.header.record_count {
            let is_done = self.left.is_empty();
            self.left = &[];
            return (!is_done).then_some(Err(BatchError::Record { index: self.index, problem: "is one more than the header says" }));
        }
        match self.take_record() {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(problem) => {
                let index = self.index;
                self.index = self.header.record_count;
                self.left = &[];
                Some(Err(BatchError::Record { index, problem }))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A record takes at least seven bytes, whatever the header says.
        (0, Some((self.left.len() / 7 + 1).min((self.header.record_count - self.index) as usize + 1)))
    }
}

impl std::iter::FusedIterator for Iter<'_> {}

impl<'a> Iter<'a> {
    fn take_record(&mut self) -> Result<Record<'a>, &'static str> {
        let body = take_sized(&mut self.left).flatten().ok_or("is longer than its batch")?;
        let (_attributes, mut body) = body.split_first().ok_or("is empty")?;
        let body = &mut body;
        let timestamp_delta = varint::take(body).ok_or("has no timestamp")?;
        let offset_delta = varint::take_i32(body).ok_or("has no offset")?;
        let key = take_sized(body).ok_or("has a key longer than itself")?;
        let value = take_sized(body).ok_or("has a value longer than itself")?;
        let headers = take_headers(body).ok_or("has headers that cannot be read")?;
        if !body.is_empty() {
            return Err("is longer than its parts");
        }
        if offset_delta <= self.last_delta || offset_delta > self.header.last_offset_delta {
            return Err("has an offset outside of its batch, or not above the one before");
        }
        self.last_delta = offset_delta;
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => TimestampMs(self.header.base_timestamp.0.wrapping_add(timestamp_delta)),
            TimestampType::LogAppendTime => self.header.max_timestamp,
        };
        Ok(Record { offset: Offset(self.header.base_offset.0.saturating_add(offset_delta.into())), timestamp, key, value, headers })
    }
}

/// Takes a length and as many bytes. Outer `None`: they are not there. Inner `None`: the length is -1, so there is no value.
fn take_sized<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::take_i32(bytes)?;
    if length == -1 {
        return Some(None);
    }
    let (value, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Some(value))
}

fn take_headers<'a>(bytes: &mut &'a [u8]) -> Option<Headers<'a>> {
    let count = u32::try_from(varint::take_i32(bytes)?).ok()?;
    let headers = Headers { count, left: bytes };
    for _ in 0..count {
        take_header(bytes)?;
    }
    Some(Headers { left: &headers.left[..headers.left.len() - bytes.len()], ..headers })
}

fn take_header<'a>(bytes: &mut &'a [u8]) -> Option<(&'a str, Option<&'a [u8]>)> {
    let name = std::str::from_utf8(take_sized(bytes)??).ok()?;
    Some((name, take_sized(bytes)?))
}
