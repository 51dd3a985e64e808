//! Fetch (1): read batches, waiting for some to come (KIP-74, KIP-227, KIP-516).

use units::{BrokerId, LeaderEpoch, Offset, PartitionId, ProducerId, TopicId};

use crate::{ErrorCode, RecordSet, Str};

message! {
    /// Asks for batches from given positions on.
    request FetchRequest: Fetch -> FetchResponse {
        /// Set by followers.
        cluster_id: Option<Str> [12.., tag 0],
        /// The follower that asks; -1 for a consumer.
        replica_id: BrokerId [..=14; strict] = BrokerId(-1),
        /// The follower that asks.
        replica_state: ReplicaState [15.., tag 1],
        /// Milliseconds to wait for `min_bytes`.
        max_wait_ms: i32,
        /// Bytes to wait for.
        min_bytes: i32,
        /// Bytes wanted at most; one batch may exceed them (KIP-74).
        max_bytes: i32 = i32::MAX,
        /// 0: read_uncommitted; 1: read_committed (KIP-98).
        isolation_level: i8,
        /// The fetch session (KIP-227); 0 for none.
        session_id: i32 [7..],
        /// Number of this request in the session; 0 makes a session, -1 ends it or asks for none.
        session_epoch: i32 [7..] = -1,
        /// Partitions that are new in the session or changed; all of them without a session.
        topics: Vec<FetchTopic>,
        /// What leaves the session.
        forgotten_topics_data: Vec<ForgottenTopic> [7..; strict],
        /// Rack of the one who asks (KIP-392).
        rack_id: Str [11..],
    }

    /// Which follower asks (KIP-903); a consumer is -1.
    struct ReplicaState {
        /// The follower that asks; -1 for a consumer.
        replica_id: BrokerId = BrokerId(-1),
        /// The follower's epoch; -1 for none.
        replica_epoch: i64 = -1,
    }

    /// The partitions of one topic to read.
    struct FetchTopic {
        /// Name of the topic.
        topic: Str [..=12],
        /// Id of the topic (KIP-516).
        topic_id: TopicId [13..],
        /// The partitions.
        partitions: Vec<FetchPartition>,
    }

    /// One partition to read, and from where.
    struct FetchPartition {
        /// The partition.
        partition: PartitionId,
        /// The epoch the client thinks the leader has; -1 for no check (KIP-320).
        current_leader_epoch: LeaderEpoch [9..] = LeaderEpoch(-1),
        /// The first offset wanted.
        fetch_offset: Offset,
        /// Epoch of the last batch read; -1 for none (KIP-595).
        last_fetched_epoch: LeaderEpoch [12..; strict] = LeaderEpoch(-1),
        /// The follower's log start; -1 for a consumer.
        log_start_offset: Offset [5..] = Offset(-1),
        /// Bytes wanted of this partition; one batch may exceed them (KIP-74).
        partition_max_bytes: i32,
        /// The follower's folder (KIP-853).
        replica_directory_id: [u8; 16] [17.., tag 0],
    }

    /// Partitions that leave the fetch session.
    struct ForgottenTopic {
        /// Name of the topic.
        topic: Str [..=12],
        /// Id of the topic (KIP-516).
        topic_id: TopicId [13..],
        /// The partitions.
        partitions: Vec<PartitionId>,
    }
}

message! {
    /// Batches, or what stood against them.
    response FetchResponse: Fetch {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong with the whole request.
        error_code: ErrorCode [7..],
        /// The fetch session (KIP-227); 0 for none.
        session_id: i32 [7..],
        /// The topics.
        responses: Vec<FetchableTopicResponse>,
        /// Where the leaders named above listen.
        node_endpoints: Vec<NodeEndpoint> [16.., tag 0],
    }

    /// The batches of one topic.
    struct FetchableTopicResponse {
        /// Name of the topic.
        topic: Str [..=12],
        /// Id of the topic (KIP-516).
        topic_id: TopicId [13..],
        /// The partitions.
        partitions: Vec<PartitionData>,
    }

    /// The batches of one partition.
    struct PartitionData {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
        /// First offset that is not yet readable.
        high_watermark: Offset,
        /// First offset that a read_committed reader must wait for; -1 for not known.
        last_stable_offset: Offset = Offset(-1),
        /// First offset that is still there; -1 for not known.
        log_start_offset: Offset [5..] = Offset(-1),
        /// Set where the logs part.
        diverging_epoch: EpochEndOffset [12.., tag 0],
        /// Who leads now, where that is what went wrong.
        current_leader: LeaderIdAndEpoch [12.., tag 1],
        /// Set where a snapshot is to be read instead.
        snapshot_id: SnapshotId [12.., tag 2],
        /// Aborted transactions in the range; null for read_uncommitted.
        aborted_transactions: Option<Vec<AbortedTransaction>>,
        /// The broker to read from instead; -1 for this one.
        preferred_read_replica: BrokerId [11..] = BrokerId(-1),
        /// Batches back to back (record batch format 2).
        records: RecordSet,
    }

    /// Where the reader's log and this one part (KIP-595).
    struct EpochEndOffset {
        /// The epoch; -1 for none.
        epoch: LeaderEpoch = LeaderEpoch(-1),
        /// The offset just past its last record; -1 for none.
        end_offset: Offset = Offset(-1),
    }

    /// Who leads the partition now (KIP-951).
    struct LeaderIdAndEpoch {
        /// The leader; -1 for none, or not known.
        leader_id: BrokerId = BrokerId(-1),
        /// Epoch of the leader; -1 for not known.
        leader_epoch: LeaderEpoch = LeaderEpoch(-1),
    }

    /// A snapshot to read instead (KIP-630); never from us.
    struct SnapshotId {
        /// End of the snapshot; -1 for none.
        end_offset: Offset = Offset(-1),
        /// The epoch; -1 for none.
        epoch: LeaderEpoch = LeaderEpoch(-1),
    }

    /// A transaction in the answer's range whose records a read_committed reader drops.
    struct AbortedTransaction {
        /// The producer id.
        producer_id: ProducerId,
        /// First offset of the transaction.
        first_offset: Offset,
    }

    /// Where a broker that leads now listens (KIP-951).
    struct NodeEndpoint {
        /// Id of the broker.
        node_id: BrokerId,
        /// Name or address it listens on.
        host: Str,
        /// Port it listens on.
        port: i32,
        /// Rack it is in.
        rack: Option<Str>,
    }
}
