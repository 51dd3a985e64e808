//! DescribeTransactions (65): state of transactions (KIP-664).

use units::{PartitionId, ProducerEpoch, ProducerId, TimestampMs};

use crate::{ErrorCode, Str};

message! {
    /// Asks for transactions.
    request DescribeTransactionsRequest: DescribeTransactions -> DescribeTransactionsResponse {
        /// The transactional ids.
        transactional_ids: Vec<Str>,
    }
}

message! {
    /// The transactions.
    response DescribeTransactionsResponse: DescribeTransactions {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The transactions.
        transaction_states: Vec<TransactionState>,
    }

    /// One transaction.
    struct TransactionState {
        /// What went wrong.
        error_code: ErrorCode,
        /// The transactional id.
        transactional_id: Str,
        /// State, as Kafka names it: `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort`.
        transaction_state: Str,
        /// Milliseconds after which an open transaction is aborted.
        transaction_timeout_ms: i32,
        /// When it began; -1 where none is open.
        transaction_start_time_ms: TimestampMs,
        /// The producer id.
        producer_id: ProducerId,
        /// The epoch of the producer id.
        producer_epoch: ProducerEpoch,
        /// The topics.
        topics: Vec<TopicData>,
    }

    /// The partitions of one topic that it wrote.
    struct TopicData {
        /// Name of the topic.
        topic: Str,
        /// The partitions.
        partitions: Vec<PartitionId>,
    }
}
