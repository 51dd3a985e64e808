//! ListOffsets (2): offsets by time, and the ends of the log.

use units::{BrokerId, LeaderEpoch, Offset, PartitionId, TimestampMs};

use crate::{ErrorCode, Str};

message! {
    /// Asks for offsets by time.
    request ListOffsetsRequest: ListOffsets -> ListOffsetsResponse {
        /// The follower that asks; -1 for a consumer.
        replica_id: BrokerId,
        /// 0: read_uncommitted; 1: read_committed (KIP-98).
        isolation_level: i8 [2..; strict],
        /// The topics.
        topics: Vec<ListOffsetsTopic>,
        /// Milliseconds to wait for storage that is remote.
        timeout_ms: i32 [10..],
    }

    /// The partitions of one topic.
    struct ListOffsetsTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<ListOffsetsPartition>,
    }

    /// One partition, and the time to look for.
    struct ListOffsetsPartition {
        /// The partition.
        partition_index: PartitionId,
        /// The epoch the client thinks the leader has; -1 for no check (KIP-320).
        current_leader_epoch: LeaderEpoch [4..] = LeaderEpoch(-1),
        /// A time in milliseconds; -1 the end, -2 the start, -3 the record of the greatest time, -4 the start on local disk, -5 the end in remote storage.
        timestamp: TimestampMs,
    }
}

message! {
    /// Offsets by time.
    response ListOffsetsResponse: ListOffsets {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [2..],
        /// The topics.
        topics: Vec<ListOffsetsTopicResponse>,
    }

    /// The offsets for one topic.
    struct ListOffsetsTopicResponse {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<ListOffsetsPartitionResponse>,
    }

    /// The offset for one partition.
    struct ListOffsetsPartitionResponse {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
        /// Time of the record found; -1 for none.
        timestamp: TimestampMs = TimestampMs::NONE,
        /// Offset found; -1 for none.
        offset: Offset = Offset(-1),
        /// Epoch of the leader; -1 for not known.
        leader_epoch: LeaderEpoch [4..] = LeaderEpoch(-1),
    }
}
