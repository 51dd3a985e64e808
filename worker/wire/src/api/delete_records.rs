//! DeleteRecords (21): move log starts forward (KIP-107).

use units::{Offset, PartitionId};

use crate::{ErrorCode, Str};

message! {
    /// Asks for log starts to move.
    request DeleteRecordsRequest: DeleteRecords -> DeleteRecordsResponse {
        /// The topics.
        topics: Vec<DeleteRecordsTopic>,
        /// Milliseconds that the broker may take.
        timeout_ms: i32,
    }

    /// The partitions of one topic.
    struct DeleteRecordsTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<DeleteRecordsPartition>,
    }

    /// One partition and its new log start.
    struct DeleteRecordsPartition {
        /// The partition.
        partition_index: PartitionId,
        /// The new log start; -1 for the high watermark.
        offset: Offset,
    }
}

message! {
    /// The log starts.
    response DeleteRecordsResponse: DeleteRecords {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        topics: Vec<DeleteRecordsTopicResult>,
    }

    /// The log starts in one topic.
    struct DeleteRecordsTopicResult {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<DeleteRecordsPartitionResult>,
    }

    /// The log start of one partition.
    struct DeleteRecordsPartitionResult {
        /// The partition.
        partition_index: PartitionId,
        /// First offset that is still there; -1 where something went wrong.
        low_watermark: Offset,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
