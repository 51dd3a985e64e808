//! What a group coordinator answers.

use std::sync::Arc;

use bytes::Bytes;
use units::{GroupId, LeaderEpoch, Offset, TopicPartition};

use super::{Generation, InstanceId, MemberId};
use crate::Refusal;

/// What came of each partition, in the order of the request.
pub type PerPartition = Vec<(TopicPartition, Result<(), Refusal>)>;

/// The answer to a [`super::Request`], of the variant with the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To [`super::Request::Join`].
    Join(Result<Joined, JoinRefused>),
    /// To [`super::Request::Sync`].
    Sync(Result<Synced, Refusal>),
    /// To [`super::Request::Heartbeat`].
    Heartbeat(Result<(), Refusal>),
    /// To [`super::Request::Leave`]: each leaver in the order of the request.
    Leave(Result<Vec<Left>, Refusal>),
    /// To [`super::Request::CommitOffsets`]: durable and visible.
    CommitOffsets(Result<PerPartition, Refusal>),
    /// To [`super::Request::StageOffsets`]: durable, not yet visible.
    StageOffsets(Result<PerPartition, Refusal>),
    /// To [`super::Request::DeleteOffsets`].
    DeleteOffsets(Result<PerPartition, Refusal>),
    /// To [`super::Request::DeleteGroup`].
    DeleteGroup(Result<(), Refusal>),
    /// To [`super::Request::EndTransaction`]: durable, and its offsets visible.
    EndTransaction(Result<(), Refusal>),
}

/// A member of a new generation (or of the present one, where nothing changed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: Generation,
    /// The group's protocol type.
    pub protocol_type: Arc<str>,
    /// The strategy that all members support and most prefer.
    pub protocol_name: Arc<str>,
    /// Who assigns.
    pub leader: MemberId,
    /// True for a static leader that came back while nothing changed: the assignment stands (v9, KIP-814).
    pub skip_assignment: bool,
    /// The id of the member that joined.
    pub member: MemberId,
    /// For the leader: everybody. Empty for the others.
    pub members: Vec<JoinedMember>,
}

/// What the leader learns of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// A join was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefused {
    /// Why.
    pub refusal: Refusal,
    /// With MEMBER_ID_REQUIRED the id to join again with; else the id of the request.
    pub member: MemberId,
}

/// A member's part of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Arc<str>,
    /// The generation's protocol.
    pub protocol_name: Arc<str>,
    /// What the leader gave it; empty if it gave nothing.
    pub assignment: Bytes,
}

/// What came of one leaver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// As asked.
    pub member: MemberId,
    /// As asked.
    pub instance: Option<InstanceId>,
    /// Gone, or why not.
    pub result: Result<(), Refusal>,
}

/// An offset that is durable and visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// The leader epoch given with it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The text given with it.
    pub metadata: Arc<str>,
}

/// What [`super::Groups::fetch_offsets`] found for one partition: `Ok(None)` where nothing was ever committed (-1 on the wire).
pub type FetchedOffset = Result<Option<CommittedOffset>, Refusal>;

/// Where a classic group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members; offsets may remain.
    Empty,
    /// Members are joining a new generation.
    PreparingRebalance,
    /// The generation is settled, the leader's assignment is not there yet.
    CompletingRebalance,
    /// Everybody has an assignment.
    Stable,
    /// Gone.
    Dead,
}

impl GroupState {
    /// The name in DescribeGroups and ListGroups.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// One group in ListGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// Its name.
    pub group: GroupId,
    /// Its protocol type; empty for one that only commits offsets.
    pub protocol_type: Arc<str>,
    /// Where it stands.
    pub state: GroupState,
}

/// One group in DescribeGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub group: GroupId,
    /// Where it stands.
    pub state: GroupState,
    /// Its protocol type; empty for one that only commits offsets.
    pub protocol_type: Arc<str>,
    /// Its protocol; empty unless Stable.
    pub protocol_name: Arc<str>,
    /// Its generation.
    pub generation: Generation,
    /// Its members, by id.
    pub members: Vec<MemberDescription>,
}

/// One member in DescribeGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// The client id it gave.
    pub client_id: Arc<str>,
    /// Where it came from.
    pub client_host: Arc<str>,
    /// Its metadata for the group's protocol; empty unless Stable.
    pub metadata: Bytes,
    /// Its assignment; empty unless Stable.
    pub assignment: Bytes,
}
