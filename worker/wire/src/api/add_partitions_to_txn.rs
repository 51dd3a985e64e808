//! AddPartitionsToTxn (24): which partitions a transaction writes (KIP-98, KIP-890).

use units::{PartitionId, ProducerEpoch, ProducerId};

use crate::{ErrorCode, Str};

message! {
    /// Adds partitions to transactions: of one producer up to version 3, of several (by brokers) from version 4 on.
    request AddPartitionsToTxnRequest: AddPartitionsToTxn -> AddPartitionsToTxnResponse {
        /// The transactions (from version 4 on).
        transactions: Vec<AddPartitionsToTxnTransaction> [4..; strict],
        /// The transactional id (up to version 3).
        v3_and_below_transactional_id: Str [..=3; strict],
        /// The producer id (up to version 3).
        v3_and_below_producer_id: ProducerId [..=3; strict],
        /// The epoch (up to version 3).
        v3_and_below_producer_epoch: ProducerEpoch [..=3; strict],
        /// The topics (up to version 3).
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> [..=3; strict],
    }

    /// The partitions of one transaction (from version 4 on).
    struct AddPartitionsToTxnTransaction {
        /// The transactional id.
        transactional_id: Str,
        /// The producer id.
        producer_id: ProducerId,
        /// The epoch of the producer id.
        producer_epoch: ProducerEpoch,
        /// Whether only to ask if they are in the transaction (KIP-890).
        verify_only: bool,
        /// The topics.
        topics: Vec<AddPartitionsToTxnTopic>,
    }

    /// The partitions of one topic.
    struct AddPartitionsToTxnTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<PartitionId>,
    }
}

message! {
    /// What became of them.
    response AddPartitionsToTxnResponse: AddPartitionsToTxn {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong.
        error_code: ErrorCode [4..],
        /// The transactions (from version 4 on).
        results_by_transaction: Vec<AddPartitionsToTxnResult> [4..],
        /// The topics (up to version 3).
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [..=3],
    }

    /// What became of the partitions of one transaction (from version 4 on).
    struct AddPartitionsToTxnResult {
        /// The transactional id.
        transactional_id: Str,
        /// The topics.
        topic_results: Vec<AddPartitionsToTxnTopicResult>,
    }

    /// What became of the partitions of one topic.
    struct AddPartitionsToTxnTopicResult {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
    }

    /// What became of one partition.
    struct AddPartitionsToTxnPartitionResult {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        partition_error_code: ErrorCode,
    }
}
