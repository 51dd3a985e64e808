//! DescribeProducers (61): the producers that a partition knows (KIP-664).

use units::{Offset, PartitionId, ProducerId, Sequence, TimestampMs};

use crate::{ErrorCode, Str};

message! {
    /// Asks for producers.
    request DescribeProducersRequest: DescribeProducers -> DescribeProducersResponse {
        /// The topics.
        topics: Vec<TopicRequest>,
    }

    /// The partitions of one topic.
    struct TopicRequest {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partition_indexes: Vec<PartitionId>,
    }
}

message! {
    /// The producers.
    response DescribeProducersResponse: DescribeProducers {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        topics: Vec<TopicResponse>,
    }

    /// The producers of one topic.
    struct TopicResponse {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<PartitionResponse>,
    }

    /// The producers of one partition.
    struct PartitionResponse {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str>,
        /// The producers.
        active_producers: Vec<ProducerState>,
    }

    /// One producer.
    struct ProducerState {
        /// The producer id.
        producer_id: ProducerId,
        /// The epoch of the producer id.
        producer_epoch: i32,
        /// Sequence of its last record; -1 for none.
        last_sequence: Sequence = Sequence::NONE,
        /// Time of its last record; -1 for none.
        last_timestamp: TimestampMs = TimestampMs::NONE,
        /// Epoch of the coordinator that wrote its last marker.
        coordinator_epoch: i32,
        /// First offset of its open transaction; -1 for none.
        current_txn_start_offset: Offset = Offset(-1),
    }
}
