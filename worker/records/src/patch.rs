//! What is changed in a finished batch: its place, its producer, its time.

use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use crate::header::{ATTRIBUTES_AT, Attributes, CRC_AT, HEADER_BYTES, LEADER_EPOCH_AT, MAX_TIMESTAMP_AT, PRODUCER_ID_AT};

/// Gives a batch its offset and leader epoch. Both stand outside of its CRC, which stays.
///
/// # Panics
/// Where `batch` is shorter than a header: it has been parsed before.
pub fn place(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    assert!(batch.len() >= HEADER_BYTES, "a batch that was parsed has a header");
    batch[..8].copy_from_slice(&base_offset.0.to_be_bytes());
    batch[LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4].copy_from_slice(&leader_epoch.0.to_be_bytes());
}

/// Gives a batch its producer, and a new CRC. The one sender of a transaction does so just before it sends.
///
/// # Panics
/// Where `batch` is shorter than a header.
pub fn stamp(batch: &mut [u8], producer_id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence, is_transactional: bool) {
    assert!(batch.len() >= HEADER_BYTES, "a batch that was built has a header");
    let producer = &mut batch[PRODUCER_ID_AT..PRODUCER_ID_AT + 14];
    producer[..8].copy_from_slice(&producer_id.0.to_be_bytes());
    producer[8..10].copy_from_slice(&epoch.0.to_be_bytes());
    producer[10..].copy_from_slice(&base_sequence.0.to_be_bytes());
    set_attribute(batch, Attributes::TRANSACTIONAL, is_transactional);
    seal(batch);
}

/// Makes all records of a batch carry the broker's time, as a topic with LogAppendTime wants, and computes a new CRC.
///
/// # Panics
/// Where `batch` is shorter than a header.
pub fn set_append_time(batch: &mut [u8], now: TimestampMs) {
    assert!(batch.len() >= HEADER_BYTES, "a batch that was parsed has a header");
    batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&now.0.to_be_bytes());
    set_attribute(batch, Attributes::APPEND_TIME, true);
    seal(batch);
}

/// Writes the CRC of a whole batch.
pub(crate) fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

fn set_attribute(batch: &mut [u8], bit: u16, is_set: bool) {
    let bytes = [batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]];
    let attributes = u16::from_be_bytes(bytes) & !bit | if is_set { bit } else { 0 };
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
}
