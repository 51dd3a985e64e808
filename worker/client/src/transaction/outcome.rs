//! [`TransactionError`]: what a code means for whoever sent a transactional request.

use units::TopicPartition;
use wire::{ApiKey, ErrorCode};

use crate::{CallError, ClientError};

/// Which identity was taken away. Whoever had it drops all that it holds; it must not register anew and go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fence {
    /// PRODUCER_FENCED, INVALID_PRODUCER_EPOCH: another process has the transactional id, or the coordinator gave the transaction up.
    #[error("another producer has this transactional id")]
    Producer,
    /// UNKNOWN_MEMBER_ID: the group dropped the member.
    #[error("the group dropped this member")]
    Member,
    /// FENCED_INSTANCE_ID: another process joined the group under the same static name.
    #[error("another process joined under this name")]
    Instance,
}

/// Why a transactional request did not do what it asked for. The difference between "not done" and "perhaps done" is what exactly-once
/// rests on, so each says which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Not done, and it was tried until `retry_timeout`: the same may be asked again.
    #[error("not now: {0}")]
    Retriable(ClientError),
    /// The answer was lost: it may have been done.
    #[error("perhaps done: {0}")]
    UnknownOutcome(ClientError),
    /// Not done: the group has another generation (ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS).
    #[error("the group has another generation")]
    Generation,
    /// Not done, and never by this process again.
    #[error("fenced: {0}")]
    Fenced(Fence),
    /// Not done, for a reason that does not pass. Where it is TRANSACTION_ABORTABLE, the transaction can be aborted and done again.
    #[error("refused: {0}")]
    Refused(ClientError),
    /// The broker lacks what exactly-once needs.
    #[error("{address} has transaction.version {level}, and 2 is needed (KIP-890, Kafka 4.0)")]
    TransactionVersion {
        /// The broker.
        address: String,
        /// Its level; 0 where it names none.
        level: i16,
    },
}

impl TransactionError {
    /// Sorts a code that stands against a request, once asking again has been tried.
    pub(super) fn of(api: ApiKey, code: ErrorCode, partition: Option<&TopicPartition>) -> Self {
        let refusal = ClientError::Refused { api, code, message: partition.map(|partition| partition.to_string().into()) };
        match code {
            ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch => Self::Fenced(Fence::Producer),
            ErrorCode::UnknownMemberId => Self::Fenced(Fence::Member),
            ErrorCode::FencedInstanceId => Self::Fenced(Fence::Instance),
            ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress => Self::Generation,
            code if is_passing(code) => Self::Retriable(refusal),
            _ => Self::Refused(refusal),
        }
    }

    /// Sorts a request that got no answer.
    pub(super) fn unanswered(error: ClientError) -> Self {
        match &error {
            ClientError::Call(call) if call.may_have_happened() => Self::UnknownOutcome(error),
            error_of_broker if error_of_broker.is_passing() => Self::Retriable(error),
            _ => Self::Refused(error),
        }
    }
}

impl From<CallError> for TransactionError {
    fn from(error: CallError) -> Self {
        Self::unanswered(error.into())
    }
}

/// Codes after which the same request is sent again: nothing was done. An UNKNOWN_TOPIC_OR_PARTITION comes from a leader that does not
/// know yet what it leads.
pub(super) fn is_passing(code: ErrorCode) -> bool {
    crate::error::is_passing(code) || code == ErrorCode::UnknownTopicOrPartition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_means_what_exactly_once_needs_it_to_mean() {
        let of = |code| TransactionError::of(ApiKey::TxnOffsetCommit, code, None);
        for code in [ErrorCode::ProducerFenced, ErrorCode::InvalidProducerEpoch] {
            assert_eq!(of(code), TransactionError::Fenced(Fence::Producer));
        }
        assert_eq!(of(ErrorCode::UnknownMemberId), TransactionError::Fenced(Fence::Member));
        assert_eq!(of(ErrorCode::FencedInstanceId), TransactionError::Fenced(Fence::Instance));
        for code in [ErrorCode::IllegalGeneration, ErrorCode::RebalanceInProgress] {
            assert_eq!(of(code), TransactionError::Generation);
        }
        for code in [ErrorCode::ConcurrentTransactions, ErrorCode::NotCoordinator, ErrorCode::NotLeaderOrFollower] {
            assert!(matches!(of(code), TransactionError::Retriable(_)), "{code}");
        }
        for code in [ErrorCode::TransactionAbortable, ErrorCode::InvalidTxnState, ErrorCode::MessageTooLarge, ErrorCode::Other(999)] {
            assert!(matches!(of(code), TransactionError::Refused(_)), "{code}");
        }
    }

    #[test]
    fn only_a_request_that_went_out_is_in_doubt() {
        let (address, api) = (std::sync::Arc::from("b:1"), ApiKey::EndTxn);
        let lost = CallError::Lost { address, api, reason: "closed".into() };
        assert!(matches!(lost.into(), TransactionError::UnknownOutcome(_)));
        let not_sent = CallError::NotSent { address: "b:1".into(), api };
        assert!(matches!(not_sent.into(), TransactionError::Retriable(_)));
        let version = CallError::Version { address: "b:1".into(), api, needed: 5 };
        assert!(matches!(version.into(), TransactionError::Refused(_)));
    }
}
