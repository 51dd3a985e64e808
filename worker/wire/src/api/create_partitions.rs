//! CreatePartitions (37): add partitions to topics (KIP-195).

use units::BrokerId;

use crate::{ErrorCode, Str};

message! {
    /// Asks for more partitions.
    request CreatePartitionsRequest: CreatePartitions -> CreatePartitionsResponse {
        /// The topics.
        topics: Vec<CreatePartitionsTopic>,
        /// Milliseconds that the broker may take.
        timeout_ms: i32,
        /// Whether only to say what would happen.
        validate_only: bool,
    }

    /// One topic and how many it shall have.
    struct CreatePartitionsTopic {
        /// Name of the topic.
        name: Str,
        /// How many partitions the topic shall have.
        count: i32,
        /// The brokers wanted, by new partition; null leaves it to the cluster.
        assignments: Option<Vec<CreatePartitionsAssignment>>,
    }

    /// The brokers wanted for one new partition.
    struct CreatePartitionsAssignment {
        /// The brokers.
        broker_ids: Vec<BrokerId>,
    }
}

message! {
    /// What became of them.
    response CreatePartitionsResponse: CreatePartitions {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        results: Vec<CreatePartitionsTopicResult>,
    }

    /// What became of one topic.
    struct CreatePartitionsTopicResult {
        /// Name of the topic.
        name: Str,
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str>,
    }
}
