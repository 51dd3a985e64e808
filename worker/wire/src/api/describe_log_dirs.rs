//! DescribeLogDirs (35): bytes that partitions take (KIP-113, KIP-827).

use units::PartitionId;

use crate::{ErrorCode, Str};

message! {
    /// Asks for sizes.
    request DescribeLogDirsRequest: DescribeLogDirs -> DescribeLogDirsResponse {
        /// The topics; null for all.
        topics: Option<Vec<DescribableLogDirTopic>>,
    }

    /// The partitions of one topic.
    struct DescribableLogDirTopic {
        /// Name of the topic.
        topic: Str,
        /// The partitions.
        partitions: Vec<PartitionId>,
    }
}

message! {
    /// The sizes.
    response DescribeLogDirsResponse: DescribeLogDirs {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong.
        error_code: ErrorCode [3..],
        /// The folders.
        results: Vec<DescribeLogDirsResult>,
    }

    /// One folder and what is in it.
    struct DescribeLogDirsResult {
        /// What went wrong.
        error_code: ErrorCode,
        /// Path of the folder.
        log_dir: Str,
        /// The topics.
        topics: Vec<DescribeLogDirsTopic>,
        /// Bytes of the volume; -1 for not known.
        total_bytes: i64 [4..] = -1,
        /// Bytes free on the volume; -1 for not known.
        usable_bytes: i64 [4..] = -1,
    }

    /// The partitions of one topic.
    struct DescribeLogDirsTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<DescribeLogDirsPartition>,
    }

    /// The size of one partition.
    struct DescribeLogDirsPartition {
        /// The partition.
        partition_index: PartitionId,
        /// Bytes that the partition takes.
        partition_size: i64,
        /// Records by which it lags behind the leader.
        offset_lag: i64,
        /// Whether it is a copy on its way to another folder.
        is_future_key: bool,
    }
}
