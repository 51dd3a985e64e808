//! RetentionPolicy: how long data is kept. Its `spec` is the type of `Topic.spec.retention`: one type, one set of rules.

#![expect(clippy::duplicated_attributes, reason = "every printed column has a type and a path")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, Duration, Quantity};

/// How long data is kept, and what happens to it then.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "streamwright.dev",
    version = "v1alpha1",
    kind = "RetentionPolicy",
    plural = "retentionpolicies",
    shortname = "swr",
    category = "streamwright",
    namespaced,
    status = "RetentionPolicyStatus",
    derive = "PartialEq",
    doc = "How long data lives hot, how long cold; in force on every Topic that names it.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Cleanup", type_ = "string", json_path = ".spec.cleanup"),
    printcolumn(name = "Total", type_ = "string", json_path = ".spec.total.time"),
    printcolumn(name = "Local", type_ = "string", json_path = ".spec.local.time"),
    printcolumn(name = "Topics", type_ = "integer", json_path = ".status.boundTopics"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!(has(self.local) && has(self.local.time) && has(self.total) && has(self.total.time)) || duration(self.local.time) <= duration(self.total.time)", "local.time is longer than total.time"),
    validation = ("!(has(self.local) && has(self.local.sizePerPartition) && has(self.total) && has(self.total.sizePerPartition)) || quantity(self.local.sizePerPartition).compareTo(quantity(self.total.sizePerPartition)) <= 0", "local.sizePerPartition is larger than total.sizePerPartition"),
    validation = ("self.allowShrink || !(has(self.total) && has(self.total.time)) || (has(oldSelf.total) && has(oldSelf.total.time) && duration(self.total.time) >= duration(oldSelf.total.time))", "a shorter total.time deletes data: set allowShrink: true"),
    validation = ("self.allowShrink || !(has(self.total) && has(self.total.sizePerPartition)) || (has(oldSelf.total) && has(oldSelf.total.sizePerPartition) && quantity(self.total.sizePerPartition).compareTo(quantity(oldSelf.total.sizePerPartition)) >= 0)", "a smaller total.sizePerPartition deletes data: set allowShrink: true"),
    validation = ("self.allowShrink || self.cleanup == oldSelf.cleanup || oldSelf.cleanup == 'CompactAndDelete' && self.cleanup == 'Compact'", "this change of cleanup deletes data: set allowShrink: true"),
    validation = ("self.cleanup != 'Compact' || !has(self.total)", "total deletes by age or size: use CompactAndDelete"),
    validation = ("self.cleanup == 'Delete'", "cleanup Compact and CompactAndDelete are not served by this version")
)]
pub struct Retention {
    /// What happens to old data: Delete (default) by age and size, Compact keeps the last record of each key, CompactAndDelete does both.
    /// This version serves Delete.
    #[serde(default)]
    pub cleanup: Cleanup,
    /// After this, data is deleted (Kafka's retention.ms and retention.bytes). Absent = kept for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Bound>,
    /// After this, only the object store has the data (Kafka's local.retention.*). Absent = kept on the volume as long as there is room.
    /// No effect without an object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Bound>,
    /// Consent to delete data that the policy now in force keeps. Set it for one change, then take it away.
    #[serde(default)]
    pub allow_shrink: bool,
}

/// What happens to old data.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cleanup {
    /// It goes by age and size.
    #[default]
    Delete,
    /// The last record of each key stays.
    Compact,
    /// Both.
    CompactAndDelete,
}

/// A bound by age, by size, or by both: what comes first counts.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// By age, by the records' timestamps, for example `720h`. Absent = no bound by age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
    /// By size, per partition, for example `50Gi`. Absent = no bound by size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_per_partition: Option<Quantity>,
}

/// What is known of a RetentionPolicy.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionPolicyStatus {
    /// The `metadata.generation` that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Number of Topics that name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_topics: Option<i32>,
    /// Ready; Reconciling and Stalled where true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}
