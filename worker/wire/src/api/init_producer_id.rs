//! InitProducerId (22): get a producer id and epoch (KIP-98, KIP-360, KIP-588).

use units::{ProducerEpoch, ProducerId};

use crate::{ErrorCode, Str};

message! {
    /// Asks for a producer id and epoch. With a transactional id, whoever had it before is fenced and its transaction ended.
    request InitProducerIdRequest: InitProducerId -> InitProducerIdResponse {
        /// The transactional id; null for idempotence only.
        transactional_id: Option<Str>,
        /// Milliseconds after which an open transaction is aborted.
        transaction_timeout_ms: i32,
        /// The producer id to go on with; -1 for none (KIP-360).
        producer_id: ProducerId [3..; strict] = ProducerId::NONE,
        /// The epoch to go on from; -1 for none (KIP-360).
        producer_epoch: ProducerEpoch [3..; strict] = ProducerEpoch(-1),
    }
}

message! {
    /// The producer id and epoch.
    response InitProducerIdResponse: InitProducerId {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong.
        error_code: ErrorCode,
        /// The producer id.
        producer_id: ProducerId = ProducerId::NONE,
        /// The epoch of the producer id.
        producer_epoch: ProducerEpoch,
    }
}
