//! Why a worker could not do what is desired: a reason from the fixed vocabulary of status, and a sentence.

use serde::{Deserialize, Serialize};

/// Why a topic is not as desired. The names are reasons of the Topic's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TopicReason {
    /// Another object, or nobody, governs the topic of this name.
    Conflict,
    /// The topic of this name has another id than the one that is meant.
    TopicIdMismatch,
    /// The topic has more partitions than are wanted; they never shrink.
    PartitionsAboveSpec,
    /// A setting is unknown or its value not possible.
    InvalidConfig,
    /// The broker could not write (disk full, volume failed); it tries again.
    BrokerUnavailable,
}

/// Why a topic is not as desired, with a sentence for status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicProblem {
    /// The reason.
    pub reason: TopicReason,
    /// One sentence for people: what is wrong and what to do. No secrets, no counters.
    pub message: String,
}

/// Why a pipeline does not run as desired. The names are reasons of the Pipeline's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PipelineReason {
    /// The worker's planner refuses the query (its version may differ from the operator's).
    PlanError,
    /// A source or sink topic is gone.
    TopicNotFound,
    /// Broker or group coordinator is not reachable; it tries again.
    ClusterNotReady,
    /// Checkpoints or their uploads fail; processing goes on from the log.
    CheckpointFailing,
    /// Log and state disagree, or data that was to be read is deleted: a person must decide. Nothing is skipped.
    DataLoss,
    /// Another process with the same transactional id took over.
    Fenced,
    /// A file or folder that the query names is missing, unreadable or outside the folder it may read.
    SourceUnavailable,
    /// A bug of ours; the message names it.
    Internal,
}

impl PipelineReason {
    /// Whether a person has to act; anything else is tried again by the worker.
    #[must_use]
    pub fn is_stalled(self) -> bool {
        matches!(self, Self::PlanError | Self::DataLoss | Self::Internal | Self::SourceUnavailable)
    }
}

/// Why a pipeline does not run as desired, with a sentence for status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineProblem {
    /// The reason.
    pub reason: PipelineReason,
    /// One sentence for people: what is wrong and what to do. Names partitions and offsets where data is concerned.
    pub message: String,
}
