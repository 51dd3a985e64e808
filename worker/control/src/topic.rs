//! One topic of a broker: as it is wanted, and as it is.

use serde::{Deserialize, Serialize};
use std::fmt;
use units::{ByteCount, DurationMs, TopicId, TopicName};

/// Namespace and name of a custom resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Kubernetes namespace.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What kind of object governs a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OwnerKind {
    /// A Topic: the user's declaration. A client that wants to change the topic gets POLICY_VIOLATION naming it.
    Topic,
    /// A Pipeline: one of its internal topics, or its dead letters.
    Pipeline,
}

/// The object that governs a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Its kind.
    pub kind: OwnerKind,
    /// Its namespace and name.
    pub object: ObjectRef,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.object)
    }
}

/// Kafka's `cleanup.policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cleanup {
    /// Data goes by age and size.
    #[default]
    Delete,
    /// The last record of each key stays.
    Compact,
    /// Both.
    CompactAndDelete,
}

/// The retention in force, resolved: no references, no defaults left. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Retention {
    /// `cleanup.policy`.
    pub cleanup: Cleanup,
    /// `retention.ms`: older records are deleted.
    pub total_time: Option<DurationMs>,
    /// `retention.bytes`: a partition's oldest data is deleted above this.
    pub total_size_per_partition: Option<ByteCount>,
    /// `local.retention.ms`: older records are only in the object store. No effect without one.
    pub local_time: Option<DurationMs>,
    /// `local.retention.bytes`, per partition. No effect without an object store.
    pub local_size_per_partition: Option<ByteCount>,
}

/// One Kafka topic setting, as text (`max.message.bytes` = `2097152`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// Kafka's name of the setting; never one of retention or cleanup.
    pub name: String,
    /// Its value as Kafka writes it.
    pub value: String,
}

/// A topic that shall exist, with all that governs it.
///
/// The broker makes it if there is none, grows its partitions, and sets retention and configuration; it never shrinks partitions and
/// never makes the topic anew. What it cannot do it reports in [`crate::ActualBroker::problems`] and leaves as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredTopic {
    /// Kafka's name.
    pub name: TopicName,
    /// The topic that is meant. `None`: the one of this name, made with a new id if there is none. `Some`: this one only; another id
    /// under the name is [`crate::TopicReason::TopicIdMismatch`].
    pub topic_id: Option<TopicId>,
    /// Number of partitions, 1 to 10,000.
    pub partitions: i32,
    /// The retention in force.
    pub retention: Retention,
    /// Further settings, sorted by name. A setting that is not here has its default.
    pub config: Vec<ConfigEntry>,
    /// Who governs it.
    pub owner: Owner,
    /// Belongs to a Pipeline's inside (`_sw.…`): hidden from clients' changes, trimmed by its owner, not kept for readers.
    pub internal: bool,
}

/// What becomes of a topic whose owner goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Release {
    /// The data stays and is served; the topic has no owner, but its last one is remembered, so that it may take it back.
    Retain,
    /// Topic and data are deleted.
    Delete,
}

/// A topic whose owner is gone. Checked by id, so that a topic made anew under the name is never hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedTopic {
    /// Kafka's name.
    pub name: TopicName,
    /// The topic that is meant; one with another id is left alone.
    pub topic_id: TopicId,
    /// What becomes of it.
    pub release: Release,
}

/// A topic as it is on the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualTopic {
    /// Kafka's name.
    pub name: TopicName,
    /// Its id.
    pub topic_id: TopicId,
    /// Number of partitions.
    pub partitions: i32,
    /// The retention in force.
    pub retention: Retention,
    /// Settings that differ from their defaults, sorted by name.
    pub config: Vec<ConfigEntry>,
    /// Who governs it; `None` for one that a client made (`dev`) or whose owner was released.
    pub owner: Option<Owner>,
    /// Who governed it last, where `owner` is `None`: the only one that may take it back from another namespace.
    pub last_owner: Option<Owner>,
    /// `_sw.…`: belongs to a Pipeline's inside.
    pub internal: bool,
    /// Bytes on the broker's volume, all partitions.
    pub local_bytes: ByteCount,
    /// Bytes in sealed objects, all partitions.
    pub object_bytes: ByteCount,
    /// Offsets between log start and log end, all partitions: records, and the markers of transactions.
    pub records: u64,
    /// Offsets given since this incarnation started, all partitions: the difference of two reads is a rate.
    pub records_appended: u64,
}

impl ActualTopic {
    /// One that is as it shall be, with no record in it.
    #[must_use]
    pub fn new(desired: &DesiredTopic, topic_id: TopicId) -> Self {
        Self {
            name: desired.name.clone(),
            topic_id,
            partitions: desired.partitions,
            retention: desired.retention,
            config: desired.config.clone(),
            owner: Some(desired.owner.clone()),
            last_owner: None,
            internal: desired.internal,
            local_bytes: ByteCount(0),
            object_bytes: ByteCount(0),
            records: 0,
            records_appended: 0,
        }
    }
}
