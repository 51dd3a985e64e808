//! Produce (0): append batches to partitions.

use bytes::Bytes;
use units::{BrokerId, LeaderEpoch, Offset, PartitionId, TimestampMs, TopicId};

use crate::{ErrorCode, Str};

message! {
    /// Appends batches; with `acks` 0 no answer is sent.
    request ProduceRequest: Produce -> ProduceResponse {
        /// Set where the batches belong to a transaction.
        transactional_id: Option<Str>,
        /// 0: send no answer; 1 or -1: answer when it is durable.
        acks: i16,
        /// Milliseconds that the broker may take.
        timeout_ms: i32,
        /// The topics.
        topic_data: Vec<TopicProduceData>,
    }

    /// The batches for one topic.
    struct TopicProduceData {
        /// Name of the topic.
        name: Str [..=12],
        /// Id of the topic (KIP-516).
        topic_id: TopicId [13..],
        /// The partitions.
        partition_data: Vec<PartitionProduceData>,
    }

    /// The batches for one partition.
    struct PartitionProduceData {
        /// The partition.
        index: PartitionId,
        /// Batches back to back (record batch format 2); null is refused.
        records: Option<Bytes>,
    }
}

message! {
    /// What became of the batches.
    response ProduceResponse: Produce {
        /// The topics.
        responses: Vec<TopicProduceResponse>,
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// Where the leaders named above listen.
        node_endpoints: Vec<NodeEndpoint> [10.., tag 0],
    }

    /// What became of the batches for one topic.
    struct TopicProduceResponse {
        /// Name of the topic.
        name: Str [..=12],
        /// Id of the topic (KIP-516).
        topic_id: TopicId [13..],
        /// The partitions.
        partition_responses: Vec<PartitionProduceResponse>,
    }

    /// What became of the batches for one partition.
    struct PartitionProduceResponse {
        /// The partition.
        index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
        /// Offset of the first record; -1 where something went wrong.
        base_offset: Offset,
        /// The broker's time that the records carry; -1 where they keep the producer's.
        log_append_time_ms: TimestampMs = TimestampMs::NONE,
        /// First offset that is still there; -1 for not known.
        log_start_offset: Offset [5..] = Offset(-1),
        /// The records that made the batch be refused.
        record_errors: Vec<BatchIndexAndErrorMessage> [8..],
        /// What went wrong, in words.
        error_message: Option<Str> [8..],
        /// Who leads now, where that is what went wrong.
        current_leader: LeaderIdAndEpoch [10.., tag 0],
    }

    /// One record that made its batch be refused (KIP-467).
    struct BatchIndexAndErrorMessage {
        /// The record's place in the batch, from 0.
        batch_index: i32,
        /// What is wrong with it.
        batch_index_error_message: Option<Str>,
    }

    /// Who leads the partition now (KIP-951).
    struct LeaderIdAndEpoch {
        /// The leader; -1 for none, or not known.
        leader_id: BrokerId = BrokerId(-1),
        /// Epoch of the leader; -1 for not known.
        leader_epoch: LeaderEpoch = LeaderEpoch(-1),
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
