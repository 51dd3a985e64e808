//! What clients and brokers ask of a transaction coordinator (KIP-98, 360, 447, 890).

use units::{DurationMs, GroupId, ProducerEpoch, ProducerId, TopicPartition, TransactionalId};

use crate::Outcome;

/// A request that changes something, and is answered by [`super::Intention::Respond`].
///
/// What only reads is answered at once: [`super::Transactions::verify_partition`], [`super::Transactions::verify_group`],
/// [`super::Transactions::describe`], [`super::Transactions::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// InitProducerId (22).
    InitProducer(InitProducer),
    /// AddPartitionsToTxn (24), and the first produce of a TV2 transaction to a partition.
    AddPartitions(AddPartitions),
    /// AddOffsetsToTxn (25), and the first TxnOffsetCommit (v5) of a TV2 transaction for a group.
    AddGroup(AddGroup),
    /// EndTxn (26).
    End(End),
}

/// Which protocol of transactions the client speaks (KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Partitions are added beforehand, the epoch stays (EndTxn up to v4).
    V1,
    /// Partitions are added by producing to them, each end bumps the epoch (EndTxn v5, Produce v12, TxnOffsetCommit v5).
    V2,
}

/// A producer id and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// The id.
    pub id: ProducerId,
    /// The epoch.
    pub epoch: ProducerEpoch,
}

/// A producer wants an id; with a transactional id it fences all earlier ones and ends what they left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitProducer {
    /// None for a producer that is idempotent only.
    pub transactional_id: Option<TransactionalId>,
    /// After how long the coordinator aborts a transaction by itself. Ignored without a transactional id.
    pub timeout: DurationMs,
    /// What the producer has now, if it wants to go on with it (v3, KIP-360).
    pub current: Option<Producer>,
}

/// Partitions become part of the producer's transaction, and begin it where none is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPartitions {
    /// Whose.
    pub transactional_id: TransactionalId,
    /// Its producer id and epoch.
    pub producer: Producer,
    /// What to add.
    pub partitions: Vec<TopicPartition>,
    /// V2 where a produce adds its own partition.
    pub version: Version,
    /// How long it may wait while the coordinator is busy with the id, rather than be refused with `ConcurrentTransactions`.
    pub patience: DurationMs,
}

/// A group's offsets become part of the producer's transaction, and begin it where none is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddGroup {
    /// Whose.
    pub transactional_id: TransactionalId,
    /// Its producer id and epoch.
    pub producer: Producer,
    /// The group.
    pub group: GroupId,
    /// V2 where a TxnOffsetCommit adds its own group.
    pub version: Version,
    /// As in [`AddPartitions::patience`].
    pub patience: DurationMs,
}

/// The producer commits or aborts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Whose.
    pub transactional_id: TransactionalId,
    /// Its producer id and epoch.
    pub producer: Producer,
    /// How it is to end.
    pub outcome: Outcome,
    /// V2 from EndTxn v5 on: the answer carries what the producer goes on with.
    pub version: Version,
}
