//! What a transaction coordinator answers.

use std::collections::BTreeSet;

use units::{DurationMs, PartitionId, TimestampMs, TopicPartition, TransactionalId};

use super::Producer;
use crate::Refusal;

/// The answer to a [`super::Request`], of the variant with the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To [`super::Request::InitProducer`]: the id and epoch to use from now on.
    InitProducer(Result<Producer, Refusal>),
    /// To [`super::Request::AddPartitions`]: holds for all of them or none.
    AddPartitions(Result<(), Refusal>),
    /// To [`super::Request::AddGroup`].
    AddGroup(Result<(), Refusal>),
    /// To [`super::Request::End`]: the decision is durable; its markers follow. Carries what the producer goes on with: with V1 what it
    /// had, with V2 the next epoch, or a new id at epoch 0 when the epochs of the old one are used up.
    End(Result<Producer, Refusal>),
}

/// Where a transactional id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionState {
    /// No transaction since the producer got its id.
    Empty,
    /// Open.
    Ongoing,
    /// Decided; markers are on their way.
    PrepareCommit,
    /// Decided; markers are on their way.
    PrepareAbort,
    /// Every marker is written.
    CompleteCommit,
    /// Every marker is written.
    CompleteAbort,
}

impl TransactionState {
    /// The name in DescribeTransactions and ListTransactions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

/// One transactional id in DescribeTransactions (KIP-664).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// Its name.
    pub transactional_id: TransactionalId,
    /// Where it stands.
    pub state: TransactionState,
    /// Its producer.
    pub producer: Producer,
    /// After how long the coordinator aborts by itself.
    pub timeout: DurationMs,
    /// When the open or ending transaction began.
    pub started: Option<TimestampMs>,
    /// The partitions in it.
    pub partitions: BTreeSet<TopicPartition>,
    /// The partitions of the group coordinator in it (`__consumer_offsets` where Kafka lists them).
    pub group_partitions: BTreeSet<PartitionId>,
}

/// One transactional id in ListTransactions (KIP-664).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionListing {
    /// Its name.
    pub transactional_id: TransactionalId,
    /// Where it stands.
    pub state: TransactionState,
    /// Its producer.
    pub producer: Producer,
    /// How long ago the open or ending transaction began; `None` where there is none.
    pub open_for: Option<DurationMs>,
}
