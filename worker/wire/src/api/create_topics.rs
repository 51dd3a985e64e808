//! CreateTopics (19): make topics (KIP-464, KIP-525).

use units::{BrokerId, PartitionId, TopicId};

use crate::{ErrorCode, Str};

message! {
    /// Asks for new topics.
    request CreateTopicsRequest: CreateTopics -> CreateTopicsResponse {
        /// The topics.
        topics: Vec<CreatableTopic>,
        /// Milliseconds that the broker may take.
        timeout_ms: i32 = 60_000,
        /// Whether only to say what would happen.
        validate_only: bool,
    }

    /// One new topic.
    struct CreatableTopic {
        /// Name of the topic.
        name: Str,
        /// How many partitions; -1 for the cluster's default.
        num_partitions: i32,
        /// How many copies; -1 for the cluster's default.
        replication_factor: i16,
        /// The brokers wanted, by partition; empty leaves it to the cluster.
        assignments: Vec<CreatableReplicaAssignment>,
        /// The settings.
        configs: Vec<CreatableTopicConfig>,
    }

    /// The brokers wanted for one partition.
    struct CreatableReplicaAssignment {
        /// The partition.
        partition_index: PartitionId,
        /// The brokers.
        broker_ids: Vec<BrokerId>,
    }

    /// One setting.
    struct CreatableTopicConfig {
        /// Name of the setting.
        name: Str,
        /// The value; null for none, or for not told.
        value: Option<Str>,
    }
}

message! {
    /// What became of them.
    response CreateTopicsResponse: CreateTopics {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        topics: Vec<CreatableTopicResult>,
    }

    /// What became of one topic.
    struct CreatableTopicResult {
        /// Name of the topic.
        name: Str,
        /// Id of the topic (KIP-516).
        topic_id: TopicId [7..],
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str>,
        /// Why the settings are not told.
        topic_config_error_code: ErrorCode [5.., tag 0],
        /// How many partitions; -1 for not told.
        num_partitions: i32 [5..] = -1,
        /// How many copies; -1 for not told.
        replication_factor: i16 [5..] = -1,
        /// The settings in force; null where the client may not know them.
        configs: Option<Vec<CreatableTopicConfigs>> [5..],
    }

    /// One setting that is in force.
    struct CreatableTopicConfigs {
        /// Name of the setting.
        name: Str,
        /// The value; null for none, or for not told.
        value: Option<Str>,
        /// Whether it cannot be changed.
        read_only: bool,
        /// Where the value comes from: 1 topic, 2 broker, 3 brokers' default, 4 file, 5 built in.
        config_source: i8 = -1,
        /// Whether the value is a secret.
        is_sensitive: bool,
    }
}
