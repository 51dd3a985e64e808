//! [`BatchHeader`]: the 61 bytes in front of every batch.

use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use crate::{BatchError, Compression};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 61;

/// Where the length starts to count: it leaves out the base offset and itself.
pub(crate) const LENGTH_COUNTS_FROM: usize = 12;
pub(crate) const LEADER_EPOCH_AT: usize = 12;
pub(crate) const CRC_AT: usize = 17;
/// Where the bytes start that the CRC covers.
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
pub(crate) const PRODUCER_ID_AT: usize = 43;
pub(crate) const MAGIC: i8 = 2;

/// What the timestamps of a batch's records mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Each record has the time its producer gave it.
    CreateTime,
    /// All records have the time at which the broker appended them: the header's max timestamp.
    LogAppendTime,
}

/// The bits that say how a batch is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub u16);

impl Attributes {
    const COMPRESSION: u16 = 0b111;
    pub(crate) const APPEND_TIME: u16 = 1 << 3;
    pub(crate) const TRANSACTIONAL: u16 = 1 << 4;
    pub(crate) const CONTROL: u16 = 1 << 5;
    const DELETE_HORIZON: u16 = 1 << 6;
    const KNOWN: u16 = (1 << 7) - 1;

    /// How the records are compressed.
    ///
    /// # Errors
    /// [`BatchError::Compression`] for bits that stand for no codec.
    pub fn compression(self) -> Result<Compression, BatchError> {
        Compression::from_bits((self.0 & Self::COMPRESSION) as u8)
    }

    /// What the timestamps mean.
    #[must_use]
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the batch belongs to a transaction (KIP-98).
    #[must_use]
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch was written by the broker for readers' libraries, and is never shown to users (KIP-98).
    #[must_use]
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time at which tombstones may go (KIP-534).
    #[must_use]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// Whether a bit is set that has no meaning here.
    #[must_use]
    pub fn has_unknown_bits(self) -> bool {
        self.0 & !Self::KNOWN != 0
    }
}

/// What stands in front of a batch. Sizes and counts are not below zero; the batch's bytes need not be there, nor its CRC be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record that was ever in the batch (compaction may have taken it away).
    pub base_offset: Offset,
    /// Leadership under which the batch was appended; -1 as produced.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of the batch from its attributes on.
    pub crc: u32,
    /// How the batch is to be read.
    pub attributes: Attributes,
    /// Offset of the last record that was ever in the batch, less the base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to.
    pub base_timestamp: TimestampMs,
    /// Greatest timestamp of a record.
    pub max_timestamp: TimestampMs,
    /// Producer id; [`ProducerId::NONE`] without idempotence.
    pub producer_id: ProducerId,
    /// Epoch of the producer id; -1 without idempotence.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record; [`Sequence::NONE`] without idempotence.
    pub base_sequence: Sequence,
    /// How many records the batch has; 0 where compaction has kept only the header.
    pub record_count: u32,
    total_bytes: u32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    /// [`BatchError::Truncated`], [`BatchError::Magic`], [`BatchError::Header`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated { wanted: HEADER_BYTES, left: bytes.len() });
        };
        // The magic byte says whether the rest means what we think, so it comes first.
        let magic = header[16] as i8;
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let length = i32_at(header, 8);
        let total_bytes = u32::try_from(length).ok().map(|length| length + LENGTH_COUNTS_FROM as u32);
        let total_bytes = total_bytes.filter(|total| *total as usize >= HEADER_BYTES);
        let wrong = |field, value: i64| BatchError::Header { field, value };
        let last_offset_delta = i32_at(header, 23);
        if last_offset_delta < 0 {
            return Err(wrong("last offset delta", last_offset_delta.into()));
        }
        Ok(Self {
            base_offset: Offset(i64_at(header, 0)),
            leader_epoch: LeaderEpoch(i32_at(header, LEADER_EPOCH_AT)),
            crc: i32_at(header, CRC_AT) as u32,
            attributes: Attributes(u16::from_be_bytes([header[ATTRIBUTES_AT], header[ATTRIBUTES_AT + 1]])),
            last_offset_delta,
            base_timestamp: TimestampMs(i64_at(header, 27)),
            max_timestamp: TimestampMs(i64_at(header, MAX_TIMESTAMP_AT)),
            producer_id: ProducerId(i64_at(header, PRODUCER_ID_AT)),
            producer_epoch: ProducerEpoch(i16::from_be_bytes([header[51], header[52]])),
            base_sequence: Sequence(i32_at(header, 53)),
            record_count: u32::try_from(i32_at(header, 57)).map_err(|_| wrong("record count", i32_at(header, 57).into()))?,
            total_bytes: total_bytes.ok_or_else(|| wrong("batch length", length.into()))?,
        })
    }

    /// Offset of the last record that was ever in the batch.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(self.last_offset_delta.into()))
    }

    /// The offset to read after this batch: just past its last record, also where compaction has taken that away.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// Sequence of the last record.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        if self.base_sequence == Sequence::NONE { Sequence::NONE } else { self.base_sequence.after(self.last_offset_delta as u32) }
    }

    /// Bytes of the whole batch, header included; at least [`HEADER_BYTES`].
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.total_bytes as usize
    }
}

/// Checks the CRC of the batch at the start of `bytes`, which must hold all of it.
///
/// # Errors
/// [`BatchError::Crc`], or what [`BatchHeader::parse`] says; [`BatchError::Truncated`] where bytes are missing.
pub fn verify_crc(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    let batch = bytes.get(..header.total_bytes()).ok_or(BatchError::Truncated { wanted: header.total_bytes(), left: bytes.len() })?;
    let computed = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    if computed != header.crc {
        return Err(BatchError::Crc { stored: header.crc, computed });
    }
    Ok(header)
}

fn i32_at(header: &[u8; HEADER_BYTES], at: usize) -> i32 {
    i32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes inside of the header"))
}

fn i64_at(header: &[u8; HEADER_BYTES], at: usize) -> i64 {
    i64::from_be_bytes(header[at..at + 8].try_into().expect("eight bytes inside of the header"))
}
