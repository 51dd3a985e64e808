//! ListTransactions (66): names and states of the transactions that a broker coordinates (KIP-664, KIP-994).

use units::ProducerId;

use crate::{ErrorCode, Str};

message! {
    /// Asks for transactions.
    request ListTransactionsRequest: ListTransactions -> ListTransactionsResponse {
        /// States wanted; empty for all.
        state_filters: Vec<Str>,
        /// Producer ids wanted; empty for all.
        producer_id_filters: Vec<ProducerId>,
        /// Milliseconds that a transaction must have been open; -1 for any.
        duration_filter: i64 [1..; strict] = -1,
    }
}

message! {
    /// The transactions.
    response ListTransactionsResponse: ListTransactions {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong.
        error_code: ErrorCode,
        /// States asked for that there are not.
        unknown_state_filters: Vec<Str>,
        /// The transactions.
        transaction_states: Vec<TransactionState>,
    }

    /// One transaction.
    struct TransactionState {
        /// The transactional id.
        transactional_id: Str,
        /// The producer id.
        producer_id: ProducerId,
        /// State, as Kafka names it: `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort`.
        transaction_state: Str,
    }
}
