//! What can go wrong with one request, and with a task made of several.

use std::sync::Arc;

use units::{TopicName, TopicPartition};
use wire::{ApiKey, DecodeError, EncodeError, ErrorCode, Str};

/// One request got no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection could be opened; nothing was sent.
    #[error("connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: Arc<str>,
        /// What the system, or the other side's first answer, said.
        reason: String,
    },
    /// The connection closed before the request went out: it was not done.
    #[error("the connection to {address} closed before {api} was sent")]
    NotSent {
        /// The other side.
        address: Arc<str>,
        /// The request.
        api: ApiKey,
    },
    /// The request went out, wholly or in part, and no answer came: it may have been done.
    #[error("the answer to {api} from {address} was lost: {reason}")]
    Lost {
        /// The other side.
        address: Arc<str>,
        /// The request.
        api: ApiKey,
        /// Why none will come.
        reason: Arc<str>,
    },
    /// The two sides share no version that can say what is asked.
    #[error("{address} does not have {api} in version {needed} or above that this client has too")]
    Version {
        /// The other side.
        address: Arc<str>,
        /// The request.
        api: ApiKey,
        /// The lowest version that would do.
        needed: i16,
    },
    /// The request cannot be written: nothing was sent.
    #[error("write {api}: {source}")]
    Encode {
        /// The request.
        api: ApiKey,
        /// Why.
        source: EncodeError,
    },
    /// The answer cannot be read: the request may have been done.
    #[error("read the answer to {api}: {source}")]
    Decode {
        /// The request.
        api: ApiKey,
        /// Why.
        source: DecodeError,
    },
}

impl CallError {
    /// Whether the request may have been done although there is no answer.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Decode { .. })
    }

    /// Whether the same request may succeed on another connection.
    #[must_use]
    pub fn is_about_the_connection(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::NotSent { .. } | Self::Lost { .. })
    }
}

/// A task that takes several requests was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A request got no usable answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The broker refused.
    #[error("{api}: {code}{}", .message.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// The request.
        api: ApiKey,
        /// Why.
        code: ErrorCode,
        /// Why, in the broker's words.
        message: Option<Str>,
    },
    /// The cluster has no such topic.
    #[error("topic {0} does not exist")]
    UnknownTopic(TopicName),
    /// The topic has no such partition.
    #[error("partition {0} does not exist")]
    UnknownPartition(TopicPartition),
    /// The partition has had no leader for as long as was waited.
    #[error("partition {0} has no leader")]
    NoLeader(TopicPartition),
    /// The answer leaves out what was asked.
    #[error("the answer to {0} leaves out what was asked")]
    Incomplete(ApiKey),
}

impl ClientError {
    pub(crate) fn refused(api: ApiKey, code: ErrorCode) -> Self {
        Self::Refused { api, code, message: None }
    }

    /// The code that the broker refused with.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Call(error) => error.is_about_the_connection(),
            Self::Refused { code, .. } => is_passing(*code),
            Self::NoLeader(_) => true,
            Self::UnknownTopic(_) | Self::UnknownPartition(_) | Self::Incomplete(_) => false,
        }
    }
}

/// Codes that say "not now" or "not here": look again where it should go, and ask again.
pub(crate) fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::LeaderNotAvailable
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::RequestTimedOut
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::NetworkException
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::NotController
            | ErrorCode::KafkaStorageError
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::OffsetNotAvailable
            | ErrorCode::UnstableOffsetCommit
            | ErrorCode::ThrottlingQuotaExceeded
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
            | ErrorCode::ConcurrentTransactions
    )
}
