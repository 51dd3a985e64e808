//! TxnOffsetCommit (28): store a group's positions when the transaction commits (KIP-98, KIP-447).

use units::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId};

use crate::{ErrorCode, Str};

message! {
    /// Stores positions that count once the transaction commits. With member and generation it fences members that are gone (KIP-447).
    request TxnOffsetCommitRequest: TxnOffsetCommit -> TxnOffsetCommitResponse {
        /// The transactional id.
        transactional_id: Str,
        /// The group.
        group_id: Str,
        /// The producer id.
        producer_id: ProducerId,
        /// The epoch of the producer id.
        producer_epoch: ProducerEpoch,
        /// The generation.
        generation_id: i32 [3..; strict] = -1,
        /// The member; empty outside of group membership.
        member_id: Str [3..; strict],
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str> [3..; strict],
        /// The topics.
        topics: Vec<TxnOffsetCommitRequestTopic>,
    }

    /// The positions in one topic.
    struct TxnOffsetCommitRequestTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<TxnOffsetCommitRequestPartition>,
    }

    /// The position in one partition.
    struct TxnOffsetCommitRequestPartition {
        /// The partition.
        partition_index: PartitionId,
        /// The next offset to read; -1 for none.
        committed_offset: Offset,
        /// Epoch of the last batch read; -1 for not known (KIP-320).
        committed_leader_epoch: LeaderEpoch [2..] = LeaderEpoch(-1),
        /// The client's own note.
        committed_metadata: Option<Str>,
    }
}

message! {
    /// What became of the positions.
    response TxnOffsetCommitResponse: TxnOffsetCommit {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        topics: Vec<TxnOffsetCommitResponseTopic>,
    }

    /// What became of the positions in one topic.
    struct TxnOffsetCommitResponseTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<TxnOffsetCommitResponsePartition>,
    }

    /// What became of the position in one partition.
    struct TxnOffsetCommitResponsePartition {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
