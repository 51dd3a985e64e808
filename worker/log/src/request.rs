//! What callers hand to the log and get back: appends, reads, positions.

use std::fmt;

use bytes::Bytes;
use units::{ByteCount, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId};

use crate::ReadJob;

/// One partition, by the id of its topic: what the log keys by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartitionId {
    /// The topic's UUID.
    pub topic: TopicId,
    /// The partition in it.
    pub partition: PartitionId,
}

impl fmt::Display for TopicPartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Called once with the outcome. It may run on a thread of the log (when the outcome is durable) or on the caller's, before
/// the call returns (a refusal): it must be cheap, must not block, and must not call the log.
pub type Done<T, E> = Box<dyn FnOnce(Result<T, E>) + Send>;

/// Batches to be written at the end of a partition.
#[derive(Clone, Debug)]
pub struct Append {
    /// One or more whole v2 batches, validated and with their CRCs checked. Base offsets and leader epochs are assigned here.
    pub batches: Bytes,
    /// Who writes.
    pub origin: Origin,
    /// The leader epoch the writer believes in, where it says so.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Who writes, since rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: sequences are checked, and a transaction's first batch needs a guard (KIP-890).
    Producer {
        /// From [`Verification::Needed`], after the coordinator said that the partition belongs to the transaction.
        guard: Option<VerificationGuard>,
    },
    /// A coordinator of this broker: epochs are checked, sequences are not; its transactional batches need no guard.
    Coordinator,
}

/// Whether a producer's next transactional batch needs its coordinator's word first (KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The producer has a transaction open in this partition: append.
    Ongoing,
    /// Ask the coordinator, then append with this guard. A marker that arrives in between voids it.
    Needed(VerificationGuard),
}

/// Ties a batch to the moment before its verification was asked for. Opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(pub(crate) u32);

/// The end of a transaction in one partition, written as a control batch (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The producer whose transaction ends.
    pub producer_id: ProducerId,
    /// Its epoch; with KIP-890 already the next one, which fences the old.
    pub producer_epoch: ProducerEpoch,
    /// The transaction coordinator's epoch; one lower than the last seen for this producer is refused.
    pub coordinator_epoch: i32,
    /// How it ends.
    pub outcome: TransactionOutcome,
    /// The marker's own timestamp.
    pub timestamp: TimestampMs,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionOutcome {
    /// Its records are visible to `read_committed`.
    Commit,
    /// They never are.
    Abort,
}

/// Where an append landed. It is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record; of the original where the batch is a duplicate.
    pub base_offset: Offset,
    /// Where the partition's log starts.
    pub log_start: Offset,
    /// The sequence had been written before; `base_offset` is the original's.
    pub is_duplicate: bool,
}

/// What a reader wants.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The first offset wanted; the batch that contains it is returned whole.
    pub from: Offset,
    /// Stop before the batch that would pass this many bytes.
    pub bytes_max: usize,
    /// Return the first batch even where it is larger than `bytes_max` (KIP-74).
    pub whole_first_batch: bool,
    /// Which records may be seen.
    pub isolation: Isolation,
}

/// Which records a reader may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All that is durable: up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Up to the last stable offset, with the list of aborted transactions to leave out.
    ReadCommitted,
}

/// Either the answer, or the work that gives it.
#[derive(Debug)]
pub enum ReadOutcome {
    /// From memory, at once.
    Ready(Fetched),
    /// The disk or the store must be read: call [`ReadJob::run`] where blocking is allowed.
    Blocking(ReadJob),
}

/// Batches, and where the partition stood when they were looked up.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Slices of whole batches in order of offset, one or more batches each, uncopied where they came from memory.
    pub batches: Vec<Bytes>,
    /// Sum of their lengths.
    pub bytes: usize,
    /// The partition's offsets.
    pub offsets: PartitionOffsets,
    /// Aborted transactions that overlap `batches`; empty for [`Isolation::ReadUncommitted`].
    pub aborted: Vec<AbortedTransaction>,
}

/// A transaction whose records must not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: ProducerId,
    /// Its first offset in this partition.
    pub first_offset: Offset,
    /// Offset of its abort marker.
    pub last_offset: Offset,
}

/// Where a partition stands: `log_start <= last_stable_offset <= high_watermark <= log_end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// First offset that can be read; everything below is deleted. Only moves forward, and is durable.
    pub log_start: Offset,
    /// One past the last durable record.
    pub high_watermark: Offset,
    /// No transaction that began below it is open.
    pub last_stable_offset: Offset,
    /// One past the last record that has an offset, durable or not yet.
    pub log_end: Offset,
}

/// A record found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    /// The record.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: TimestampMs,
    /// The leader epoch it was written under.
    pub leader_epoch: LeaderEpoch,
}

/// Where a leader epoch ends (OffsetForLeaderEpoch, KIP-320).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch not above the one asked for.
    pub leader_epoch: LeaderEpoch,
    /// One past its last offset.
    pub end: Offset,
}

/// What is known of one producer in one partition (DescribeProducers, KIP-664).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its newest epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of its last record; [`Sequence::NONE`] after a marker alone.
    pub last_sequence: Sequence,
    /// When it last wrote.
    pub last_timestamp: TimestampMs,
    /// Epoch of the coordinator that last wrote a marker for it; -1 where none did.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub transaction_start: Option<Offset>,
}

/// A transaction that has written into a partition and has not ended there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Where.
    pub partition: TopicPartitionId,
    /// Whose.
    pub producer_id: ProducerId,
    /// Under which epoch.
    pub producer_epoch: ProducerEpoch,
    /// Its first offset.
    pub first_offset: Offset,
    /// When its producer last wrote here.
    pub last_timestamp: TimestampMs,
}

/// What a partition keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of its batches on the volume.
    pub local_bytes: ByteCount,
    /// Bytes of its batches in the object store.
    pub object_bytes: ByteCount,
    /// Offsets from log start to high watermark: an upper bound of its records.
    pub records: u64,
}
