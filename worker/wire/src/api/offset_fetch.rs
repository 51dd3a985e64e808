//! OffsetFetch (9): read groups' positions (KIP-709: several groups from version 8 on).

use units::{LeaderEpoch, Offset, PartitionId};

use crate::{ErrorCode, Str};

message! {
    /// Asks for positions: of one group up to version 7, of several from version 8 on.
    request OffsetFetchRequest: OffsetFetch -> OffsetFetchResponse {
        /// The group (up to version 7).
        group_id: Str [..=7; strict],
        /// The topics (up to version 7); null for all.
        topics: Option<Vec<OffsetFetchRequestTopic>> [..=7, nullable 2..],
        /// The groups (from version 8 on).
        groups: Vec<OffsetFetchRequestGroup> [8..; strict],
        /// Whether to wait for open transactions instead of answering with the position before them (KIP-447).
        require_stable: bool [7..; strict],
    }

    /// The partitions of one topic (up to version 7).
    struct OffsetFetchRequestTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partition_indexes: Vec<PartitionId>,
    }

    /// One group and the topics wanted of it (from version 8 on).
    struct OffsetFetchRequestGroup {
        /// The group.
        group_id: Str,
        /// The member in the KIP-848 protocol.
        member_id: Option<Str> [9..],
        /// Epoch of the member in the KIP-848 protocol; -1 for none.
        member_epoch: i32 [9..] = -1,
        /// The topics; null for all.
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    }

    /// The partitions of one topic (from version 8 on).
    struct OffsetFetchRequestTopics {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partition_indexes: Vec<PartitionId>,
    }
}

message! {
    /// Positions: of one group up to version 7, of several from version 8 on.
    response OffsetFetchResponse: OffsetFetch {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [3..],
        /// The topics (up to version 7).
        topics: Vec<OffsetFetchResponseTopic> [..=7],
        /// What went wrong (up to version 7).
        error_code: ErrorCode [2..=7],
        /// The groups (from version 8 on).
        groups: Vec<OffsetFetchResponseGroup> [8..],
    }

    /// The positions in one topic (up to version 7).
    struct OffsetFetchResponseTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<OffsetFetchResponsePartition>,
    }

    /// The position in one partition (up to version 7).
    struct OffsetFetchResponsePartition {
        /// The partition.
        partition_index: PartitionId,
        /// The next offset to read; -1 for none.
        committed_offset: Offset,
        /// Epoch of the last batch read; -1 for not known (KIP-320).
        committed_leader_epoch: LeaderEpoch [5..] = LeaderEpoch(-1),
        /// The client's own note.
        metadata: Option<Str>,
        /// What went wrong.
        error_code: ErrorCode,
    }

    /// The positions of one group (from version 8 on).
    struct OffsetFetchResponseGroup {
        /// The group.
        group_id: Str,
        /// The topics.
        topics: Vec<OffsetFetchResponseTopics>,
        /// What went wrong.
        error_code: ErrorCode,
    }

    /// The positions in one topic (from version 8 on).
    struct OffsetFetchResponseTopics {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<OffsetFetchResponsePartitions>,
    }

    /// The position in one partition (from version 8 on).
    struct OffsetFetchResponsePartitions {
        /// The partition.
        partition_index: PartitionId,
        /// The next offset to read; -1 for none.
        committed_offset: Offset,
        /// Epoch of the last batch read; -1 for not known (KIP-320).
        committed_leader_epoch: LeaderEpoch = LeaderEpoch(-1),
        /// The client's own note.
        metadata: Option<Str>,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
