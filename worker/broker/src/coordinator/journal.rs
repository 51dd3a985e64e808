//! A coordinator's partitions in the log: records out as one batch each, and back in when the broker starts.

use bytes::Bytes;
use coordinators::{AppendFailed, CorruptRecord, Record};
use log::{AppendError, Isolation, Log, Read, ReadError, ReadOutcome, TopicPartitionId};
use records::{BatchBuilder, Compression, Records};
use units::Offset;

use crate::clock;

/// Bytes read at once when a partition is loaded.
const LOAD_BYTES: usize = 1 << 20;
/// Our own batches are not compressed; this only bounds what a damaged one could ask for.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Why a coordinator's partition cannot be loaded: the broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The log does not give it.
    #[error("read a coordinator's partition: {0}")]
    Read(#[from] ReadError),
    /// A batch does not decode.
    #[error("decode a coordinator's batch at offset {offset}: {reason}")]
    Batch {
        /// Where.
        offset: Offset,
        /// What is wrong.
        reason: records::BatchError,
    },
    /// A record is not of a format that we know.
    #[error("replay a coordinator's record at offset {offset}: {reason}; start the version that wrote it")]
    Record {
        /// Where.
        offset: Offset,
        /// What is wrong.
        reason: CorruptRecord,
    },
}

/// Calls `replay` with each record of a partition, in order. Blocks.
pub(crate) fn load(
    log: &Log,
    partition: TopicPartitionId,
    mut replay: impl FnMut(Offset, &[u8], Option<&[u8]>) -> Result<(), CorruptRecord>,
) -> Result<(), LoadError> {
    let mut at = log.offsets(partition)?.log_start;
    while at < log.offsets(partition)?.high_watermark {
        let read = Read { from: at, bytes_max: LOAD_BYTES, whole_first_batch: true, isolation: Isolation::ReadUncommitted };
        let fetched = match log.read(partition, read)? {
            ReadOutcome::Ready(fetched) => fetched,
            ReadOutcome::Blocking(job) => job.run()?,
        };
        for slice in fetched.batches {
            for batch in records::split(slice) {
                let (header, batch) = batch.map_err(|reason| LoadError::Batch { offset: at, reason })?;
                let decoded = Records::decode(&batch, DECOMPRESSED_BYTES_MAX).map_err(|reason| LoadError::Batch { offset: at, reason })?;
                for record in decoded.iter() {
                    let record = record.map_err(|reason| LoadError::Batch { offset: at, reason })?;
                    if record.offset >= at {
                        replay(record.offset, record.key.unwrap_or_default(), record.value)
                            .map_err(|reason| LoadError::Record { offset: record.offset, reason })?;
                    }
                }
                at = header.last_offset().next();
            }
        }
    }
    Ok(())
}

/// The records as one batch.
pub(crate) fn batch(records: &[Record]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for record in records {
        builder.push_plain(clock::now(), Some(&record.key), record.value.as_deref());
    }
    builder.finish().into()
}

/// What a core is told of a refused append; `None` where it is not known whether the records are there: then it must not be told anything,
/// and since the log acknowledges nothing any more, nobody else is either.
pub(crate) fn failed(error: &AppendError) -> Option<AppendFailed> {
    match error {
        AppendError::TooLarge { .. } => Some(AppendFailed::TooLarge),
        AppendError::VolumeFailed(_) | AppendError::Closed => None,
        _ => Some(AppendFailed::Unavailable),
    }
}
