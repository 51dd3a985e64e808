//! What a transaction coordinator wants its shell to do.

use std::collections::BTreeSet;

use units::{Offset, PartitionId, ProducerEpoch, TopicPartition, TransactionalId};

use super::{Producer, Response};
use crate::{AppendToken, Outcome, Record, Token};

/// Names one round of markers; given back with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkerToken(pub u64);

/// Something for the shell to do; taken with [`super::Transactions::poll`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intention {
    /// Answer the request `token`.
    Respond {
        /// Which request.
        token: Token,
        /// With what.
        response: Response,
    },
    /// Append `records` as *one* batch to this coordinator's partition, and say when it is durable or will never be: `on_appended`.
    ///
    /// Appends of one partition are put into its log in the order in which they were handed out.
    Append {
        /// To which partition.
        partition: PartitionId,
        /// What, in this order.
        records: Vec<Record>,
        /// Given back to [`super::Transactions::on_appended`].
        token: AppendToken,
    },
    /// All that lies before `below` is contained in a snapshot that is durable: DeleteRecords may take it. No answer is expected.
    Trim {
        /// Of which partition.
        partition: PartitionId,
        /// The first offset to keep.
        below: Offset,
    },
    /// Write the markers of a transaction whose decision is durable.
    WriteMarkers(Markers),
}

/// Markers to write: one into each partition, and one [`crate::groups::EndTransaction`] for each partition of the group coordinator.
///
/// May be asked for again, also by a later incarnation: the same marker twice must do no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// Given back to [`super::Transactions::on_markers`].
    pub token: MarkerToken,
    /// Whose transaction, for messages.
    pub transactional_id: TransactionalId,
    /// The producer id of the transaction, and the epoch of the marker: with V2 one above that of its records.
    pub producer: Producer,
    /// The epoch of the transaction's records; a marker must not end what a higher one wrote (KIP-1228).
    pub transaction_epoch: ProducerEpoch,
    /// Our incarnation: a partition that has seen a higher one from this producer refuses.
    pub coordinator_epoch: i32,
    /// How it ended.
    pub outcome: Outcome,
    /// The partitions it wrote to.
    pub partitions: BTreeSet<TopicPartition>,
    /// The partitions of the group coordinator it staged offsets in.
    pub group_partitions: BTreeSet<PartitionId>,
}

/// What came of [`Markers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkersWritten {
    /// Each is durable and in force, or its partition does not exist any more.
    All,
    /// These are not, or it is not known; they are tried again after [`super::Config::retry_backoff`].
    Except {
        /// Partitions still without their marker.
        partitions: BTreeSet<TopicPartition>,
        /// Partitions of the group coordinator still without theirs.
        group_partitions: BTreeSet<PartitionId>,
    },
    /// A partition has seen a higher coordinator epoch: this coordinator is not one any more, and gives the partition up.
    Fenced,
}
