//! EndTxn (26): commit or abort a transaction (KIP-98; the next epoch comes back from version 5 on, KIP-890).

use units::{ProducerEpoch, ProducerId};

use crate::{ErrorCode, Str};

message! {
    /// Ends a transaction.
    request EndTxnRequest: EndTxn -> EndTxnResponse {
        /// The transactional id.
        transactional_id: Str,
        /// The producer id.
        producer_id: ProducerId,
        /// The epoch of the producer id.
        producer_epoch: ProducerEpoch,
        /// Whether to commit rather than abort.
        committed: bool,
    }
}

message! {
    /// Whether it will end so, and the epoch to go on with.
    response EndTxnResponse: EndTxn {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong.
        error_code: ErrorCode,
        /// The producer id to go on with; -1 for unchanged.
        producer_id: ProducerId [5..] = ProducerId::NONE,
        /// The epoch to go on with; -1 for unchanged.
        producer_epoch: ProducerEpoch [5..] = ProducerEpoch(-1),
    }
}
