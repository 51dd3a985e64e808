//! [`Skim`]: what a broker may want to know of the records inside a batch, read past them in little memory.

use std::io::BufRead;

use units::{Offset, TimestampMs};

use crate::{BatchError, BatchHeader, HEADER_BYTES, TimestampType};

/// One record, without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skimmed {
    /// Its place in the partition.
    pub offset: Offset,
    /// Its time, as in [`crate::Record::timestamp`].
    pub timestamp: TimestampMs,
    /// Whether it has a key; an empty one is one.
    pub has_key: bool,
}

/// Iterator over the records of a batch that holds none of them: keys and values are read past as they come out of the codec, so that
/// what is taken is the codec's own window (at most 8 MiB) and a small buffer. After an error comes nothing more.
pub struct Skim<'a> {
    header: BatchHeader,
    plain: Plain<'a>,
    index: u32,
    last_delta: i32,
}

impl<'a> Skim<'a> {
    /// Opens the batch at the start of `batch`; its CRC is not checked (see [`crate::verify_crc`]). It is given up, with
    /// [`BatchError::TooLarge`], where it yields more than `plain_bytes_max` bytes: that bounds the time it takes, not memory.
    ///
    /// # Errors
    /// [`BatchError`] where the bytes are no batch, or its codec cannot begin to read them.
    pub fn new(batch: &'a [u8], plain_bytes_max: usize) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(batch)?;
        let stored = batch
            .get(HEADER_BYTES..header.total_bytes())
            .ok_or(BatchError::Truncated { wanted: header.total_bytes(), left: batch.len() })?;
        let codec = header.attributes.compression()?;
        let damaged = BatchError::Damaged { codec };
        let plain = Plain { bytes: codec.reader(stored)?, taken: 0, bytes_max: plain_bytes_max, damaged };
        Ok(Self { header, plain, index: 0, last_delta: -1 })
    }

    fn take_record(&mut self) -> Result<Skimmed, BatchError> {
        let wrong = |problem| BatchError::Record { index: self.index, problem };
        let plain = &mut self.plain;
        let length = plain.length()?.ok_or_else(|| wrong("is longer than its batch"))?;
        let end = plain.taken.saturating_add(length);
        let _attributes = plain.byte()?;
        let timestamp_delta = plain.varint()?.ok_or_else(|| wrong("has no timestamp"))?;
        let offset_delta = plain.varint()?.and_then(|delta| i32::try_from(delta).ok()).ok_or_else(|| wrong("has no offset"))?;
        let has_key = plain.varint()?.ok_or_else(|| wrong("has a key longer than itself"))? >= 0;
        plain.skip(end.checked_sub(plain.taken).ok_or_else(|| wrong("is shorter than its parts"))?)?;
        if offset_delta <= self.last_delta || offset_delta > self.header.last_offset_delta {
            return Err(wrong("has an offset outside of its batch, or not above the one before"));
        }
        self.last_delta = offset_delta;
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => TimestampMs(self.header.base_timestamp.0.wrapping_add(timestamp_delta)),
            TimestampType::LogAppendTime => self.header.max_timestamp,
        };
        Ok(Skimmed { offset: Offset(self.header.base_offset.0.saturating_add(offset_delta.into())), timestamp, has_key })
    }
}

impl Iterator for Skim<'_> {
    type Item = Result<Skimmed, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.header.record_count {
            return None;
        }
        let record = self.take_record();
        self.index = if record.is_ok() { self.index + 1 } else { self.header.record_count };
        Some(record)
    }
}

impl std::iter::FusedIterator for Skim<'_> {}

/// What comes out of the codec, counted.
struct Plain<'a> {
    bytes: Box<dyn BufRead + Send + 'a>,
    taken: usize,
    bytes_max: usize,
    /// What is said where the codec fails, or ends too early.
    damaged: BatchError,
}

impl Plain<'_> {
    fn skip(&mut self, mut count: usize) -> Result<(), BatchError> {
        while count > 0 {
            let there = self.bytes.fill_buf().map_err(|_| self.damaged.clone())?.len().min(count);
            if there == 0 {
                return Err(self.damaged.clone());
            }
            self.consume(there)?;
            count -= there;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, BatchError> {
        let byte = self.bytes.fill_buf().ok().and_then(|there| there.first().copied()).ok_or_else(|| self.damaged.clone())?;
        self.consume(1)?;
        Ok(byte)
    }

    fn consume(&mut self, count: usize) -> Result<(), BatchError> {
        self.bytes.consume(count);
        self.taken += count;
        if self.taken > self.bytes_max { Err(BatchError::TooLarge { bytes_max: self.bytes_max }) } else { Ok(()) }
    }

    /// A zig-zag integer of up to 64 bits; `None` where there is none.
    fn varint(&mut self) -> Result<Option<i64>, BatchError> {
        let mut bytes = [0; 10];
        for index in 0..bytes.len() {
            bytes[index] = self.byte()?;
            if bytes[index] < 0x80 {
                return Ok(crate::varint::take(&mut &bytes[..=index]));
            }
        }
        Ok(None)
    }

    /// A length that is not below zero.
    fn length(&mut self) -> Result<Option<usize>, BatchError> {
        Ok(self.varint()?.and_then(|length| usize::try_from(i32::try_from(length).ok()?).ok()))
    }
}
