//! OffsetDelete (47): delete a group's positions for some topics (KIP-496).

use units::PartitionId;

use crate::{ErrorCode, Str};

message! {
    /// Asks for positions to be deleted.
    request OffsetDeleteRequest: OffsetDelete -> OffsetDeleteResponse {
        /// The group.
        group_id: Str,
        /// The topics.
        topics: Vec<OffsetDeleteRequestTopic>,
    }

    /// The partitions of one topic.
    struct OffsetDeleteRequestTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<OffsetDeleteRequestPartition>,
    }

    /// One partition.
    struct OffsetDeleteRequestPartition {
        /// The partition.
        partition_index: PartitionId,
    }
}

message! {
    /// What became of them.
    response OffsetDeleteResponse: OffsetDelete {
        /// What went wrong.
        error_code: ErrorCode,
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        topics: Vec<OffsetDeleteResponseTopic>,
    }

    /// What became of the positions in one topic.
    struct OffsetDeleteResponseTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<OffsetDeleteResponsePartition>,
    }

    /// What became of the position in one partition.
    struct OffsetDeleteResponsePartition {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
