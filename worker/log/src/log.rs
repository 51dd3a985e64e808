//! The handle that the broker holds.

use std::sync::Arc;

use store::ObjectStore;
use units::{Incarnation, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::{
    Append, AppendError, Appended, Disk, Done, EpochEnd, Fetched, Isolation, LogConfig, Marker, OpenError, OpenTransaction,
    PartitionConfig, PartitionError, PartitionOffsets, ProducerState, Read, ReadError, ReadOutcome, Recovered, Stats, TimedOffset,
    TopicPartitionId, Usage, Verification,
};

/// Called when a partition's high watermark, last stable offset or log start moved: wakes long polls. Runs on a thread of
/// the log; must be cheap and must not call the log.
pub type AdvanceListener = Arc<dyn Fn(TopicPartitionId, PartitionOffsets) + Send + Sync>;

/// The log of one broker. Clones share it.
#[derive(Clone)]
pub struct Log {}

/// Reads from the volume or the object store on the thread that runs it.
#[derive(Debug)]
pub struct ReadJob {}

impl ReadJob {
    /// Does the I/O.
    ///
    /// # Errors
    /// See [`ReadError`]; the partition's start may have moved past the wanted offset meanwhile.
    pub fn run(self) -> Result<Fetched, ReadError> {
        panic!("filled next")
    }
}

#[allow(unused_variables, clippy::needless_pass_by_value)]
impl Log {
    /// Recovers what the volume holds, claims the next incarnation and starts the log's threads.
    ///
    /// # Errors
    /// See [`OpenError`]. A store that cannot be reached is no error: the claim is made later, and shipping waits for it.
    pub fn open(config: LogConfig, disk: Arc<dyn Disk>, store: Arc<dyn ObjectStore>) -> Result<(Self, Recovered), OpenError> {
        panic!("filled next")
    }

    /// Which start of the broker this is; also the leader epoch of all that it writes.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        panic!("filled next")
    }

    /// Makes a partition; one that exists gets the new settings. Blocks until durable.
    ///
    /// # Errors
    /// [`PartitionError::Write`].
    pub fn create_partition(&self, partition: TopicPartitionId, config: PartitionConfig) -> Result<(), PartitionError> {
        panic!("filled next")
    }

    /// Changes a partition's settings. Blocks until durable.
    ///
    /// # Errors
    /// See [`PartitionError`].
    pub fn configure_partition(&self, partition: TopicPartitionId, config: PartitionConfig) -> Result<(), PartitionError> {
        panic!("filled next")
    }

    /// Removes a partition and, after a grace, its objects; one that does not exist is fine. Blocks until durable.
    ///
    /// # Errors
    /// [`PartitionError::Write`].
    pub fn delete_partition(&self, partition: TopicPartitionId) -> Result<(), PartitionError> {
        panic!("filled next")
    }

    /// All partitions and their settings, in order.
    #[must_use]
    pub fn partitions(&self) -> Vec<(TopicPartitionId, PartitionConfig)> {
        panic!("filled next")
    }

    /// Checks epochs and sequences, assigns offsets in the order of the calls and copies the bytes into the open group. `done`
    /// is called when they are durable, in the order of a partition's appends; a duplicate is answered with its original's
    /// offset, once that is durable.
    pub fn append(&self, partition: TopicPartitionId, append: Append, done: Done<Appended, AppendError>) {
        panic!("filled next")
    }

    /// Ends a producer's transaction in a partition. `done` is called when the marker is durable.
    pub fn append_marker(&self, partition: TopicPartitionId, marker: Marker, done: Done<Appended, AppendError>) {
        panic!("filled next")
    }

    /// Whether the producer's next transactional batch needs its coordinator's word first (KIP-890).
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn transaction_verification(
        &self,
        partition: TopicPartitionId,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
    ) -> Result<Verification, ReadError> {
        panic!("filled next")
    }

    /// Batches from `read.from` on. Never blocks: what is not in memory comes back as a [`ReadJob`].
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`], [`ReadError::OffsetOutOfRange`].
    pub fn read(&self, partition: TopicPartitionId, read: Read) -> Result<ReadOutcome, ReadError> {
        panic!("filled next")
    }

    /// Where the partition stands.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn offsets(&self, partition: TopicPartitionId) -> Result<PartitionOffsets, ReadError> {
        panic!("filled next")
    }

    /// The first record whose timestamp is not before `time`, visible under `isolation`; `None` where there is no such record.
    /// May read the volume or the store on the calling thread.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_at_time(
        &self,
        partition: TopicPartitionId,
        time: TimestampMs,
        isolation: Isolation,
    ) -> Result<Option<TimedOffset>, ReadError> {
        panic!("filled next")
    }

    /// The first of the records with the largest timestamp (KIP-734); `None` where the partition is empty. May read the
    /// volume or the store on the calling thread.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_of_max_timestamp(&self, partition: TopicPartitionId, isolation: Isolation) -> Result<Option<TimedOffset>, ReadError> {
        panic!("filled next")
    }

    /// Where `epoch`, or the largest one below it, ends; `None` where there is none (OffsetForLeaderEpoch).
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn epoch_end(&self, partition: TopicPartitionId, epoch: LeaderEpoch) -> Result<Option<EpochEnd>, ReadError> {
        panic!("filled next")
    }

    /// Deletes what lies below `before`; `done` gets the new log start when that is durable. An offset below the log start
    /// changes nothing.
    pub fn delete_records(&self, partition: TopicPartitionId, before: Offset, done: Done<Offset, AppendError>) {
        panic!("filled next")
    }

    /// What is known of the partition's producers (DescribeProducers), in order of their ids.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn producers(&self, partition: TopicPartitionId) -> Result<Vec<ProducerState>, ReadError> {
        panic!("filled next")
    }

    /// Transactions that are open in any partition.
    #[must_use]
    pub fn open_transactions(&self) -> Vec<OpenTransaction> {
        panic!("filled next")
    }

    /// What the partition keeps.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn usage(&self, partition: TopicPartitionId) -> Result<Usage, ReadError> {
        panic!("filled next")
    }

    /// How the log is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        panic!("filled next")
    }

    /// Adds a listener.
    pub fn on_advance(&self, listener: AdvanceListener) {
        panic!("filled next")
    }

    /// Moves all that is durable into the object store and waits for it.
    ///
    /// # Errors
    /// What went wrong, in words; shipping goes on by itself where that makes sense.
    pub fn ship_now(&self) -> Result<(), String> {
        panic!("filled next")
    }

    /// Refuses new appends, makes those it has durable, saves the state and joins the threads. Other handles stay valid and refuse.
    pub fn close(self) {
        panic!("filled next")
    }
}
