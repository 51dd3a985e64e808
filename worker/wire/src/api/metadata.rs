//! Metadata (3): brokers, topics, partitions and who leads them.

use units::{BrokerId, LeaderEpoch, PartitionId, TopicId};

use crate::{ErrorCode, Str};

message! {
    /// Asks for brokers and topics.
    request MetadataRequest: Metadata -> MetadataResponse {
        /// The topics wanted. All: null, or empty in version 0. None: empty from version 1 on.
        topics: Option<Vec<MetadataRequestTopic>> [.., nullable 1..],
        /// Whether asking for a topic may make it.
        allow_auto_topic_creation: bool [4..; strict] = true,
        /// Whether to say what the client may do with the cluster.
        include_cluster_authorized_operations: bool [8..=10; strict],
        /// Whether to say what the client may do with the topics.
        include_topic_authorized_operations: bool [8..; strict],
    }

    /// One topic, by name or by id.
    struct MetadataRequestTopic {
        /// Id of the topic (KIP-516).
        topic_id: TopicId [10..],
        /// Name of the topic; null where the id is given.
        name: Option<Str> [.., nullable 10..],
    }
}

message! {
    /// Brokers, topics, partitions.
    response MetadataResponse: Metadata {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [3..],
        /// The brokers.
        brokers: Vec<MetadataResponseBroker>,
        /// Id of the cluster.
        cluster_id: Option<Str> [2..],
        /// The broker that is asked to create topics; -1 for none.
        controller_id: BrokerId [1..] = BrokerId(-1),
        /// The topics.
        topics: Vec<MetadataResponseTopic>,
        /// Bits of what the client may do with the cluster; the least number for not asked.
        cluster_authorized_operations: i32 [8..=10] = i32::MIN,
        /// REBOOTSTRAP_REQUIRED or none (KIP-1102).
        error_code: ErrorCode [13..],
    }

    /// One broker and where it listens.
    struct MetadataResponseBroker {
        /// Id of the broker.
        node_id: BrokerId,
        /// Name or address it listens on.
        host: Str,
        /// Port it listens on.
        port: i32,
        /// Rack it is in.
        rack: Option<Str> [1..],
    }

    /// One topic.
    struct MetadataResponseTopic {
        /// What went wrong.
        error_code: ErrorCode,
        /// Name of the topic; null where an unknown id was asked for.
        name: Option<Str> [.., nullable 12..],
        /// Id of the topic (KIP-516).
        topic_id: TopicId [10..],
        /// Whether the broker made it for itself.
        is_internal: bool [1..],
        /// The partitions.
        partitions: Vec<MetadataResponsePartition>,
        /// Bits of what the client may do with the topic; the least number for not asked.
        topic_authorized_operations: i32 [8..] = i32::MIN,
    }

    /// One partition.
    struct MetadataResponsePartition {
        /// What went wrong.
        error_code: ErrorCode,
        /// The partition.
        partition_index: PartitionId,
        /// The leader; -1 for none, or not known.
        leader_id: BrokerId,
        /// Epoch of the leader; -1 for not known.
        leader_epoch: LeaderEpoch [7..] = LeaderEpoch(-1),
        /// Brokers that hold a copy.
        replica_nodes: Vec<BrokerId>,
        /// Brokers whose copy is complete.
        isr_nodes: Vec<BrokerId>,
        /// Brokers whose copy cannot be read.
        offline_replicas: Vec<BrokerId> [5..],
    }
}
