//! What clients ask of a group coordinator (KIP-98, 345, 394, 429, 447, 496, 814).

use std::sync::Arc;

use bytes::Bytes;
use units::{DurationMs, GroupId, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicPartition, TransactionalId};

use super::{Generation, InstanceId, MemberId};
use crate::Outcome;

/// A request that changes something, and is answered by [`super::Intention::Respond`].
///
/// What only reads is answered at once: [`super::Groups::fetch_offsets`], [`super::Groups::describe`], [`super::Groups::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// JoinGroup (11).
    Join(Join),
    /// SyncGroup (14).
    Sync(Sync),
    /// Heartbeat (12).
    Heartbeat(Heartbeat),
    /// LeaveGroup (13).
    Leave(Leave),
    /// OffsetCommit (8).
    CommitOffsets(CommitOffsets),
    /// TxnOffsetCommit (28).
    StageOffsets(StageOffsets),
    /// OffsetDelete (47).
    DeleteOffsets(DeleteOffsets),
    /// One group of DeleteGroups (42).
    DeleteGroup(GroupId),
    /// A marker for one partition of this coordinator: WriteTxnMarkers (27), or the transaction coordinator of the same broker.
    EndTransaction(EndTransaction),
}

/// One assignment strategy a member can work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name, such as `range` or `cooperative-sticky`.
    pub name: Arc<str>,
    /// What the leader needs to know of this member; for consumers a `ConsumerProtocolSubscription`.
    pub metadata: Bytes,
}

/// A client wants to be a member of the next generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The group.
    pub group: GroupId,
    /// The id it has, or none.
    pub member: MemberId,
    /// Its static name, if it has one (v5).
    pub instance: Option<InstanceId>,
    /// The client id of the request's header; the made member id begins with it.
    pub client_id: Arc<str>,
    /// Where the request came from, for DescribeGroups.
    pub client_host: Arc<str>,
    /// After how long without a heartbeat the member is gone.
    pub session_timeout: DurationMs,
    /// How long a rebalance waits for this member to join again (v1; v0: the session timeout).
    pub rebalance_timeout: DurationMs,
    /// `consumer`, `connect`, … ; one per group.
    pub protocol_type: Arc<str>,
    /// Strategies, the most wanted first.
    pub protocols: Vec<Protocol>,
    /// Whether a first join without an id is answered MEMBER_ID_REQUIRED (v4, KIP-394).
    pub requires_known_member_id: bool,
    /// Whether a static leader that comes back may be told to skip the assignment (v9, KIP-814).
    pub can_skip_assignment: bool,
}

/// A member asks for its assignment; the leader brings those of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The group.
    pub group: GroupId,
    /// The generation it joined.
    pub generation: Generation,
    /// The member.
    pub member: MemberId,
    /// Its static name, if it has one (v3).
    pub instance: Option<InstanceId>,
    /// If given (v5), must be the group's.
    pub protocol_type: Option<Arc<str>>,
    /// If given (v5), must be the generation's.
    pub protocol_name: Option<Arc<str>>,
    /// From the leader: what each member is to do. Empty from the others.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// A member says that it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The group.
    pub group: GroupId,
    /// The generation it is in.
    pub generation: Generation,
    /// The member.
    pub member: MemberId,
    /// Its static name, if it has one (v3).
    pub instance: Option<InstanceId>,
}

/// Members go, or are sent away (v3 names several).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// The group.
    pub group: GroupId,
    /// Who goes.
    pub members: Vec<Leaver>,
}

/// One member that goes: by its id, or by its static name alone (KIP-345: an administrator's way).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    /// The member, or none where only the static name is known.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
}

/// One offset to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToKeep {
    /// Where in the log.
    pub partition: TopicPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// The leader epoch of the last record read (KIP-320), if the client knows it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own text, at most [`super::Config::offset_metadata_bytes_max`].
    pub metadata: Arc<str>,
}

/// OffsetCommit: by a member of the generation, or, for a group without members, by anyone with generation -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffsets {
    /// The group.
    pub group: GroupId,
    /// The generation, or [`Generation::NONE`].
    pub generation: Generation,
    /// The member, or none.
    pub member: MemberId,
    /// Its static name (v7).
    pub instance: Option<InstanceId>,
    /// What to keep.
    pub offsets: Vec<OffsetToKeep>,
}

/// Ties a stage to the moment before its verification was asked for. Opaque; good until the partition is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageTicket(pub(super) u64);

/// TxnOffsetCommit: offsets that become visible if and when the producer's transaction commits.
///
/// The shell has the transaction coordinator verify or add the group's partition first (see [`crate::transactions`]).
/// Member id, instance id and generation are checked wherever one of them is given (KIP-447).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageOffsets {
    /// The group.
    pub group: GroupId,
    /// Whose transaction.
    pub transactional_id: TransactionalId,
    /// Its producer id.
    pub producer: ProducerId,
    /// Its epoch; one lower than a marker or an earlier stage has shown is refused.
    pub epoch: ProducerEpoch,
    /// The generation, or [`Generation::NONE`].
    pub generation: Generation,
    /// The member, or none.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// For V1, from [`super::Groups::stage_ticket`] before the transaction coordinator was asked: if a transaction of the producer has
    /// ended since, its word means nothing, and the producer is to ask again. V2 needs none: each transaction has an epoch of its own.
    pub ticket: Option<StageTicket>,
    /// What to stage.
    pub offsets: Vec<OffsetToKeep>,
}

/// OffsetDelete (KIP-496).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteOffsets {
    /// The group.
    pub group: GroupId,
    /// Whose offsets to forget.
    pub partitions: Vec<TopicPartition>,
}

/// A transaction ended: what it staged in one partition of this coordinator becomes visible, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// Which partition of this coordinator (as [`crate::transactions::Markers::group_partitions`] names it).
    pub partition: PartitionId,
    /// Whose transaction.
    pub producer: ProducerId,
    /// The epoch of the marker: at least that of the transaction.
    pub epoch: ProducerEpoch,
    /// The epoch of the transaction: what was staged under a higher one belongs to a later transaction and is left alone (KIP-1228).
    pub transaction_epoch: ProducerEpoch,
    /// The sender's coordinator epoch; one lower than seen before for this producer is refused.
    pub coordinator_epoch: i32,
    /// How it ended.
    pub outcome: Outcome,
}
