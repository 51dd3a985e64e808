//! Topic: partitions, schema, durability class, retention.

#![expect(clippy::duplicated_attributes, reason = "every printed column has a type and a path")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterRef, Condition, LocalRef, Retention, TopicSchema};

/// A Kafka topic as it shall be.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "streamwright.dev",
    version = "v1alpha1",
    kind = "Topic",
    shortname = "swt",
    category = "streamwright",
    namespaced,
    status = "TopicStatus",
    derive = "PartialEq",
    doc = "A Kafka topic: partitions, schema, durability class, retention. With a schema it is a table for Pipelines.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".status.partitions"),
    printcolumn(name = "Retention", type_ = "string", json_path = ".status.retention.summary"),
    printcolumn(name = "Local", type_ = "integer", json_path = ".status.storage.localBytes", priority = 1),
    printcolumn(name = "Object", type_ = "integer", json_path = ".status.storage.objectBytes", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.managementPolicy == 'Observe' || has(self.partitions)", "partitions is required"),
    validation = ("!has(oldSelf.partitions) || has(self.partitions) && self.partitions >= oldSelf.partitions", "partitions only grow"),
    validation = ("has(self.topicName) == has(oldSelf.topicName) && (!has(self.topicName) || self.topicName == oldSelf.topicName)", "topicName is immutable"),
    validation = ("!(has(self.retention) && has(self.retentionPolicyRef))", "retention and retentionPolicyRef exclude each other"),
    validation = ("self.durability == 'Volume'", "durability Object is not served by this version")
)]
pub struct TopicSpec {
    /// The Cluster that holds the topic. Immutable.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "clusterRef is immutable"))]
    pub cluster_ref: ClusterRef,
    /// Kafka's name of the topic; absent = `metadata.name`. Immutable. Names that start with `_sw.` belong to Pipelines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]{1,249}$"))]
    #[x_kube(validation = ("self != '.' && self != '..' && !self.startsWith('_sw.')", "not a usable topic name"))]
    pub topic_name: Option<String>,
    /// Number of partitions, 1 to 10000. Required unless managementPolicy is Observe. Only grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub partitions: Option<i32>,
    /// When a write is acknowledged: Volume (default), when it is durable on the broker's volume; Object, when it is in the object store.
    /// This version serves Volume.
    #[serde(default)]
    pub durability: Durability,
    /// The RetentionPolicy, of the same namespace, that governs the topic. Absent, and no `retention`: 168h, as in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_policy_ref: Option<LocalRef>,
    /// Retention of this topic alone, instead of a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// What the records hold; makes the topic a table. Absent = bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<TopicSchema>,
    /// Further Kafka settings by their Kafka names. Retention and cleanup are not set here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub config: Vec<ConfigEntry>,
    /// Full (default): the topic is made and changed to be as declared. Observe: only the schema is used, the topic is not touched.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What becomes of the data when this object is deleted: Retain (default) or Delete.
    #[serde(default)]
    pub deletion_policy: TopicDeletionPolicy,
}

/// When a write is acknowledged.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durability {
    /// Durable on the broker's volume.
    #[default]
    Volume,
    /// In the object store.
    Object,
}

/// Whether the topic is governed or only looked at.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagementPolicy {
    /// Made and changed to be as declared.
    #[default]
    Full,
    /// Not touched.
    Observe,
}

/// What becomes of the data with the object.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopicDeletionPolicy {
    /// It stays.
    #[default]
    Retain,
    /// It goes.
    Delete,
}

/// One Kafka setting.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// Kafka's name of it, for example `max.message.bytes`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = ("!(self in ['cleanup.policy', 'retention.ms', 'retention.bytes', 'local.retention.ms', 'local.retention.bytes'])", "set this by retention or retentionPolicyRef"))]
    pub name: String,
    /// Its value, as text.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// What is known of a Topic.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// The `metadata.generation` that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Kafka's name of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 249))]
    pub topic_name: Option<String>,
    /// Kafka's UUID of the topic; checked before any change or deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    pub topic_id: Option<String>,
    /// Number of partitions that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// The retention in force, which is not always the one wished for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionInForce>,
    /// Bytes stored, to two significant digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<TopicStorage>,
    /// Ready, ClusterResolved, RetentionResolved; Reconciling and Stalled where true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// The retention in force.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionInForce {
    /// Where it comes from: `RetentionPolicy/<name>`, `Topic` or `Default`.
    #[schemars(length(max = 300))]
    pub source: String,
    /// `metadata.generation` of that object when it was taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// In a few words: `720h`, `168h, 50Gi`, `for ever`.
    #[schemars(length(max = 100))]
    pub summary: String,
}

/// Bytes of a topic.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicStorage {
    /// On the brokers' volumes.
    pub local_bytes: i64,
    /// In the object store.
    pub object_bytes: i64,
}
