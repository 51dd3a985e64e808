//! AddOffsetsToTxn (25): a transaction will commit a group's positions (KIP-98).

use units::{ProducerEpoch, ProducerId};

use crate::{ErrorCode, Str};

message! {
    /// Adds a group's positions to a transaction.
    request AddOffsetsToTxnRequest: AddOffsetsToTxn -> AddOffsetsToTxnResponse {
        /// The transactional id.
        transactional_id: Str,
        /// The producer id.
        producer_id: ProducerId,
        /// The epoch of the producer id.
        producer_epoch: ProducerEpoch,
        /// The group.
        group_id: Str,
    }
}

message! {
    /// What became of it.
    response AddOffsetsToTxnResponse: AddOffsetsToTxn {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
