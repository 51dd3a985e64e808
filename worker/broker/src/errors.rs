//! From refusals of the rooms below to Kafka's error codes.

use coordinators::Refusal;
use log::{AppendError, ReadError};
use wire::{ErrorCode, Str};

use crate::{catalogue::ChangeError, topics::TopicsError};

/// The code for a refused append, marker or deletion.
pub(crate) fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::UnknownPartition(_) => ErrorCode::UnknownTopicOrPartition,
        AppendError::LeaderEpoch { got, current } if got < current => ErrorCode::FencedLeaderEpoch,
        AppendError::LeaderEpoch { .. } => ErrorCode::UnknownLeaderEpoch,
        AppendError::ProducerFenced { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidTransactionState { .. } => ErrorCode::InvalidTxnState,
        AppendError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        AppendError::TooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Malformed(_) => ErrorCode::CorruptMessage,
        AppendError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        AppendError::DiskFull | AppendError::VolumeFailed(_) => ErrorCode::KafkaStorageError,
        AppendError::Closed => ErrorCode::NotLeaderOrFollower,
    }
}

/// The code for a refused read; what is not the reader's fault goes to the broker's log, too.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::UnknownPartition(_) => ErrorCode::UnknownTopicOrPartition,
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Corrupt { .. } | ReadError::Disk { .. } | ReadError::Store { .. } => {
            tracing::error!(%error, "a read failed");
            ErrorCode::KafkaStorageError
        }
    }
}

/// The code for a coordinator's refusal.
pub(crate) fn of_refusal(refusal: Refusal) -> ErrorCode {
    ErrorCode::from_code(refusal.code())
}

/// Code and sentence for a change of topics that did not come into force.
pub(crate) fn of_topics(error: &TopicsError) -> (ErrorCode, Str) {
    let code = match error {
        TopicsError::Refused(ChangeError::Exists(_)) => ErrorCode::TopicAlreadyExists,
        TopicsError::Refused(ChangeError::Unknown(_)) => ErrorCode::UnknownTopicOrPartition,
        TopicsError::Refused(ChangeError::Internal(_)) => ErrorCode::InvalidTopicException,
        TopicsError::Refused(ChangeError::Declared { .. }) => ErrorCode::PolicyViolation,
        TopicsError::Refused(ChangeError::Partitions(_)) => ErrorCode::InvalidPartitions,
        TopicsError::Refused(ChangeError::Config(_)) => ErrorCode::InvalidConfig,
        TopicsError::File(_) | TopicsError::Log(_) => {
            tracing::error!(%error, "a change of topics failed");
            ErrorCode::KafkaStorageError
        }
    };
    (code, Str::from(error.to_string()))
}
