//! OffsetCommit (8): store a group's positions.

use units::{LeaderEpoch, Offset, PartitionId};

use crate::{ErrorCode, Str};

message! {
    /// Stores positions.
    request OffsetCommitRequest: OffsetCommit -> OffsetCommitResponse {
        /// The group.
        group_id: Str,
        /// The generation; -1 outside of group membership.
        generation_id_or_member_epoch: i32 = -1,
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str> [7..; strict],
        /// How long to keep the positions; -1 leaves it to the broker.
        retention_time_ms: i64 [..=4] = -1,
        /// The topics.
        topics: Vec<OffsetCommitRequestTopic>,
    }

    /// The positions in one topic.
    struct OffsetCommitRequestTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<OffsetCommitRequestPartition>,
    }

    /// The position in one partition.
    struct OffsetCommitRequestPartition {
        /// The partition.
        partition_index: PartitionId,
        /// The next offset to read; -1 for none.
        committed_offset: Offset,
        /// Epoch of the last batch read; -1 for not known (KIP-320).
        committed_leader_epoch: LeaderEpoch [6..] = LeaderEpoch(-1),
        /// The client's own note.
        committed_metadata: Option<Str>,
    }
}

message! {
    /// What became of the positions.
    response OffsetCommitResponse: OffsetCommit {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [3..],
        /// The topics.
        topics: Vec<OffsetCommitResponseTopic>,
    }

    /// What became of the positions in one topic.
    struct OffsetCommitResponseTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<OffsetCommitResponsePartition>,
    }

    /// What became of the position in one partition.
    struct OffsetCommitResponsePartition {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
