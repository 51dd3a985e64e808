//! [`validate_produced`]: what a broker checks before it takes a producer's batch.

use units::{ProducerEpoch, ProducerId};

use crate::{Attributes, BatchError, BatchHeader, header::verify_crc};

/// Checks that `records` is exactly one batch that a producer may send, by its header and CRC and without decompressing it.
///
/// Guaranteed on return: all bytes are there and undamaged; at least one record, and as many as offsets; a codec that is known;
/// a producer id has an epoch and a sequence, and a transactional batch has a producer id (without one, epoch and sequence mean nothing
/// and are not looked at: some clients leave 0 there); not a control batch. That sequences follow on each other is for the one who
/// knows the producer's state; the number of records *inside* is believed, as only the readers of this very producer could be harmed.
///
/// # Errors
/// [`BatchError`]; see [`BatchError::is_invalid_record`] for the code to answer with.
pub fn validate_produced(records: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = verify_crc(records)?;
    if header.total_bytes() != records.len() {
        return Err(BatchError::Several { batch: header.total_bytes(), more: records.len() - header.total_bytes() });
    }
    header.attributes.compression()?;
    let not_allowed = |is_wrong: bool, what| if is_wrong { Err(BatchError::NotAllowed(what)) } else { Ok(()) };
    not_allowed(header.record_count == 0, "has no record")?;
    not_allowed(
        i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1,
        "has another number of records than of offsets",
    )?;
    not_allowed(header.attributes.is_control(), "is a control batch, which only brokers write")?;
    not_allowed(header.attributes.has_unknown_bits(), "has attributes that are not known")?;
    not_allowed(header.attributes.has_delete_horizon(), "has a delete horizon, which only brokers set")?;
    not_allowed(header.attributes.0 & Attributes::APPEND_TIME != 0, "says LogAppendTime, which only brokers do")?;
    validate_producer(&header)
}

fn validate_producer(header: &BatchHeader) -> Result<BatchHeader, BatchError> {
    let absent = header.producer_id == ProducerId::NONE;
    if absent && header.attributes.is_transactional() {
        return Err(BatchError::NotAllowed("is transactional and has no producer id"));
    }
    if !absent && (header.producer_id < ProducerId(0) || header.producer_epoch < ProducerEpoch(0) || header.base_sequence.0 < 0) {
        return Err(BatchError::NotAllowed("has a producer id without epoch and sequence"));
    }
    Ok(*header)
}
