//! What a Kafka client asked of a broker and only a custom resource can bring about.
//!
//! The broker holds the client's request and shows it as a [`TopicProposal`] until it is in force. That is level-triggered: whoever makes the
//! desired state lets it say what the proposal says, and the broker, once that is applied, answers the client by itself. What shall not be
//! is answered by a [`ProposalRefusal`]. A client that waited as long as it wished gets REQUEST_TIMED_OUT, and the proposal is gone.

use serde::{Deserialize, Serialize};
use units::{TopicId, TopicName};

use crate::{ConfigEntry, Retention};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProposalKind {
    /// CreateTopics, or a name that was asked for where topics are made by asking.
    Create,
    /// CreatePartitions.
    Grow,
    /// IncrementalAlterConfigs and AlterConfigs.
    Configure,
    /// DeleteTopics.
    Delete,
}

/// A change of one topic that waits to come into force. It says how the topic shall be as a whole, so that nothing needs to be known of what
/// it was. In force means, by kind: a topic of the name is there; it has as many partitions; its retention and settings are these; no topic
/// has the id any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicProposal {
    /// Names this proposal, among all of this broker in all its incarnations.
    pub id: String,
    /// What is asked for.
    pub kind: ProposalKind,
    /// Kafka's name of the topic.
    pub topic: TopicName,
    /// The topic that is meant; `None` for one that is to be made.
    pub topic_id: Option<TopicId>,
    /// Number of partitions, as it shall be.
    pub partitions: i32,
    /// The retention, as it shall be.
    pub retention: Retention,
    /// Settings that differ from their defaults, as they shall be, sorted by name.
    pub config: Vec<ConfigEntry>,
    /// What the client calls itself: for messages, nothing rests on it.
    #[serde(default)]
    pub client_id: String,
}

/// Why a proposal is refused: each is another error code for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefusalReason {
    /// POLICY_VIOLATION: a manifest, or the Cluster, says otherwise.
    Policy,
    /// INVALID_CONFIG.
    InvalidConfig,
    /// INVALID_PARTITIONS.
    InvalidPartitions,
    /// TOPIC_ALREADY_EXISTS: an object of that name is there, or on its way.
    Exists,
}

/// The answer to a proposal that shall not come into force.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProposalRefusal {
    /// [`TopicProposal::id`].
    pub id: String,
    /// The reason.
    pub reason: RefusalReason,
    /// One sentence that the client gets: what stands against it, and where to change that.
    pub message: String,
}
