//! OffsetForLeaderEpoch (23): where a leader epoch ended (KIP-101, KIP-320).

use units::{BrokerId, LeaderEpoch, Offset, PartitionId};

use crate::{ErrorCode, Str};

message! {
    /// Asks where epochs ended.
    request OffsetForLeaderEpochRequest: OffsetForLeaderEpoch -> OffsetForLeaderEpochResponse {
        /// The follower that asks; -1 for a consumer, -2 for anyone.
        replica_id: BrokerId [3..] = BrokerId(-2),
        /// The topics.
        topics: Vec<OffsetForLeaderTopic>,
    }

    /// The partitions of one topic.
    struct OffsetForLeaderTopic {
        /// Name of the topic.
        topic: Str,
        /// The partitions.
        partitions: Vec<OffsetForLeaderPartition>,
    }

    /// One partition and the epoch asked about.
    struct OffsetForLeaderPartition {
        /// The partition.
        partition: PartitionId,
        /// The epoch the client thinks the leader has; -1 for no check (KIP-320).
        current_leader_epoch: LeaderEpoch = LeaderEpoch(-1),
        /// The epoch asked about.
        leader_epoch: LeaderEpoch,
    }
}

message! {
    /// Where epochs ended.
    response OffsetForLeaderEpochResponse: OffsetForLeaderEpoch {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        topics: Vec<OffsetForLeaderTopicResult>,
    }

    /// Where epochs ended in one topic.
    struct OffsetForLeaderTopicResult {
        /// Name of the topic.
        topic: Str,
        /// The partitions.
        partitions: Vec<EpochEndOffset>,
    }

    /// Where the epoch ended in one partition.
    struct EpochEndOffset {
        /// What went wrong.
        error_code: ErrorCode,
        /// The partition.
        partition: PartitionId,
        /// The greatest epoch not above the one asked about; -1 for none.
        leader_epoch: LeaderEpoch = LeaderEpoch(-1),
        /// The offset just past its last record; -1 for none.
        end_offset: Offset = Offset(-1),
    }
}
