//! Why the log refuses: one enum per kind of call.

use std::io;

use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::TopicPartitionId;

/// Why a log does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The volume failed.
    #[error("{action} {name}: {source}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file.
        name: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process holds the folder.
    #[error("{folder} is in use by process {holder}; stop it first")]
    InUse {
        /// The folder.
        folder: String,
        /// Its process id, or a question mark.
        holder: String,
    },
    /// A group was acknowledged and does not verify.
    #[error(
        "wal file {file} is corrupt at byte {position}: group {seq} was acknowledged (all through {acked_through} were), does not verify, and {reason}; put back a copy of the volume that is not older than this one"
    )]
    Corrupt {
        /// The file's number.
        file: u32,
        /// Where the bad range starts.
        position: u64,
        /// The group that is missing.
        seq: u64,
        /// Through which group acknowledgements had gone out.
        acked_through: u64,
        /// Why the object store cannot stand in.
        reason: String,
    },
    /// What a file held does not verify, and the object store cannot stand in.
    #[error("{name} is corrupt: {reason}; put back a copy of the volume that is not older than this one")]
    CorruptFile {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The store knows a later incarnation than the volume: this volume is not the broker's newest.
    #[error(
        "the object store knows incarnation {store} of broker {broker}, this volume only {volume}: another volume has served since; start from that one"
    )]
    VolumeIsBehind {
        /// The broker.
        broker: units::BrokerId,
        /// What the store knows.
        store: u32,
        /// What the volume knows.
        volume: u32,
    },
    /// The volume is empty, and only the store can say whether it is all there is of this broker. Starting again once the store
    /// answers is right.
    #[error("the object store is needed for a start on an empty volume: {reason}")]
    StoreNeeded {
        /// How the store answers.
        state: crate::StoreState,
        /// What it said.
        reason: String,
    },
    /// A setting is out of its bounds.
    #[error("log setting {name} is {value}; {rule}")]
    Config {
        /// The field of `LogConfig`.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
}

/// Why an append, a marker or a change of log start is refused. Each variant is another Kafka error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("partition {0} is not here")]
    UnknownPartition(TopicPartitionId),
    /// FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH, by comparison.
    #[error("leader epoch {got} is not the current {current}")]
    LeaderEpoch {
        /// What the writer believes.
        got: LeaderEpoch,
        /// What holds.
        current: LeaderEpoch,
    },
    /// INVALID_PRODUCER_EPOCH (PRODUCER_FENCED for older clients).
    #[error("producer {producer_id} epoch {got} is behind {current}")]
    ProducerFenced {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch of the batch.
        got: ProducerEpoch,
        /// The epoch known.
        current: ProducerEpoch,
    },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error("producer {producer_id} sends sequence {got} where {expected} is next")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// First sequence of the batch.
        got: Sequence,
        /// The one that would follow.
        expected: Sequence,
    },
    /// INVALID_TXN_STATE: a transactional batch without verification, or a plain one inside a transaction.
    #[error("producer {producer_id}: {reason}")]
    InvalidTransactionState {
        /// The producer.
        producer_id: ProducerId,
        /// What is wrong.
        reason: &'static str,
    },
    /// TRANSACTION_COORDINATOR_FENCED.
    #[error("coordinator epoch {got} is behind {current}")]
    CoordinatorFenced {
        /// The marker's.
        got: i32,
        /// The last seen.
        current: i32,
    },
    /// RECORD_LIST_TOO_LARGE: more bytes than one group can hold.
    #[error("an append of {bytes} bytes is larger than {bytes_max}")]
    TooLarge {
        /// Length of the batches.
        bytes: usize,
        /// What fits.
        bytes_max: usize,
    },
    /// CORRUPT_MESSAGE: the bytes are not whole v2 batches.
    #[error("the bytes are not whole record batches: {0}")]
    Malformed(&'static str),
    /// OFFSET_OUT_OF_RANGE: records can be deleted up to the high watermark only.
    #[error("offset {got} is not within {log_start} to {high_watermark}")]
    OffsetOutOfRange {
        /// What was asked for.
        got: Offset,
        /// Where the log starts.
        log_start: Offset,
        /// Up to where records are durable.
        high_watermark: Offset,
    },
    /// KAFKA_STORAGE_ERROR, until space is freed.
    #[error("the volume is full; free space, shorten retention or enlarge it")]
    DiskFull,
    /// KAFKA_STORAGE_ERROR, until the broker starts anew.
    #[error("the volume has failed: {0}")]
    VolumeFailed(String),
    /// NOT_LEADER_OR_FOLLOWER: the log is closing.
    #[error("the log is closed")]
    Closed,
}

/// Why a read is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("partition {0} is not here")]
    UnknownPartition(TopicPartitionId),
    /// OFFSET_OUT_OF_RANGE.
    #[error("offset {got} is not within {log_start} to {high_watermark}")]
    OffsetOutOfRange {
        /// What was asked for.
        got: Offset,
        /// Where the log starts.
        log_start: Offset,
        /// Where what is durable ends.
        high_watermark: Offset,
    },
    /// KAFKA_STORAGE_ERROR: what was acknowledged does not verify.
    #[error("{partition} offset {offset} in {place} does not verify")]
    Corrupt {
        /// The partition.
        partition: TopicPartitionId,
        /// The batch.
        offset: Offset,
        /// The file or object.
        place: String,
    },
    /// KAFKA_STORAGE_ERROR: the volume could not be read.
    #[error("read the log of {partition}: {source}")]
    Disk {
        /// The partition.
        partition: TopicPartitionId,
        /// Why.
        source: io::Error,
    },
    /// KAFKA_STORAGE_ERROR: the store could not be read; asking again may help.
    #[error("read the objects of {partition}: {source}")]
    Store {
        /// The partition.
        partition: TopicPartitionId,
        /// Why.
        source: store::StoreError,
    },
}

/// Why a partition is not made, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// There is none of this id.
    #[error("partition {0} is not here")]
    Unknown(TopicPartitionId),
    /// The change could not be made durable.
    #[error("write the change: {0}")]
    Write(#[from] AppendError),
}
