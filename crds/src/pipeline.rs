//! Pipeline: streaming SQL over topics.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterRef, Condition, ConfigMapKeyRef, Duration, LocalRef, Pod, Version};

/// A query as it shall run.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "streamwright.dev",
    version = "v1alpha1",
    kind = "Pipeline",
    shortname = "swp",
    category = "streamwright",
    namespaced,
    status = "PipelineStatus",
    derive = "PartialEq",
    doc = "Streaming SQL over Topics: exactly once, in event time, with state that survives restarts and upgrades.",
    validation = ("self.metadata.name.size() <= 40", "the name is longer than 40 characters"),
    scale(spec_replicas_path = ".spec.replicas", status_replicas_path = ".status.replicas", label_selector_path = ".status.selector"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Lag", type_ = "string", json_path = ".status.lag"),
    printcolumn(name = "Checkpoint", type_ = "date", json_path = ".status.lastCheckpointTime"),
    printcolumn(name = "Watermark", type_ = "string", json_path = ".status.watermark", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.query) != has(self.queryFrom)", "give query or queryFrom, one of them"),
    validation = ("self.replicas <= self.maxParallelism", "more replicas than maxParallelism"),
    validation = ("!has(oldSelf.restoreFrom) || !has(self.restoreFrom) || self.restoreFrom == oldSelf.restoreFrom || self.restoreFrom.generation > oldSelf.restoreFrom.generation", "a new restoreFrom needs a higher generation"),
    validation = ("self.replicas <= 1", "this version runs one pod a Pipeline"),
    validation = ("!has(self.restoreFrom)", "restoreFrom is not served by this version: there are no snapshots yet"),
    validation = ("self.deletionPolicy != 'Snapshot'", "deletionPolicy Snapshot is not served by this version")
)]
pub struct PipelineSpec {
    /// The Cluster whose topics it reads and writes. Immutable.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "clusterRef is immutable"))]
    pub cluster_ref: ClusterRef,
    /// Streaming SQL, at most 128 KiB: INSERT INTO … SELECT …, CREATE VIEW, CREATE TABLE … WITH. Either this or queryFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 131_072))]
    pub query: Option<String>,
    /// Where the query is, instead of here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_from: Option<QueryFrom>,
    /// Number of pods; 0 = idle, state kept. This version runs at most one.
    #[serde(default = "crate::one_replica")]
    #[schemars(range(min = 0, max = 1024))]
    pub replicas: i32,
    /// A last commit, then no pods; wins over replicas.
    #[serde(default)]
    pub suspend: bool,
    /// Number of hash partitions of a keyed exchange; at least replicas, best four times that. Immutable in this version.
    #[serde(default = "default_max_parallelism")]
    #[schemars(range(min = 1, max = 1024))]
    #[x_kube(validation = ("self == oldSelf", "maxParallelism is immutable in this version"))]
    pub max_parallelism: i32,
    /// Where a source without a committed position starts: Earliest (default), Latest, or a time in UTC as 2026-01-31T12:00:00Z.
    #[serde(default = "default_start_from")]
    #[schemars(
        length(max = 40),
        regex(pattern = r"^(Earliest|Latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z)$")
    )]
    pub start_from: String,
    /// Time between commits, 10ms to 60s; the pipeline lengthens it by itself when commits get dear.
    #[serde(default = "default_commit_interval")]
    #[x_kube(validation = ("duration(self) >= duration('10ms') && duration(self) <= duration('60s')", "commitInterval is 10ms to 60s"))]
    pub commit_interval: Duration,
    /// What a new query may do.
    #[serde(default)]
    pub upgrade: Upgrade,
    /// A snapshot to start from. Not served by this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_from: Option<RestoreFrom>,
    /// What happens before it goes: Drain (default), what was read is committed; Snapshot, one is kept; Immediate, nothing.
    /// This version serves Drain and Immediate.
    #[serde(default)]
    pub deletion_policy: PipelineDeletionPolicy,
    /// Version of the data plane; absent = the operator's when the Pipeline was made, kept since then (status.version).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Secret for the Cluster's object store, in the Pipeline's own namespace; keys as in the Cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_credentials_secret_ref: Option<LocalRef>,
    /// Shape of the pipeline pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
}

fn default_max_parallelism() -> i32 {
    64
}

fn default_start_from() -> String {
    "Earliest".into()
}

fn default_commit_interval() -> Duration {
    Duration::new("200ms")
}

/// Where a query is.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryFrom {
    /// A key of a ConfigMap.
    pub config_map_key_ref: ConfigMapKeyRef,
}

/// What a new query may do.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// Consent to drop state that the new query cannot keep. Set it for one change, then take it away.
    #[serde(default)]
    pub allow_state_loss: bool,
}

/// A snapshot to start from.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreFrom {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub snapshot: String,
    /// The Pipeline it was taken of; absent = this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    pub pipeline: Option<String>,
    /// Raise it to restore again.
    #[schemars(range(min = 1))]
    pub generation: i64,
}

/// What happens before a Pipeline goes.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PipelineDeletionPolicy {
    /// What was read is committed.
    #[default]
    Drain,
    /// A snapshot is kept.
    Snapshot,
    /// Nothing.
    Immediate,
}

/// What is known of a Pipeline.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineStatus {
    /// The `metadata.generation` that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Version of the data plane in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Number of pods there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Number of pods that process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Labels of the pipeline pods, as text, for /scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
    /// First 8 hex of metadata.uid, version of the plan, maxParallelism: part of every name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub layout: Option<String>,
    /// The plan, and what it keeps of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// Age of the oldest record not yet processed, in steps: 0s, 1s, 2s, 5s, 10s, 30s, 1m …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub lag: Option<String>,
    /// The same, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// Event time up to which results are final, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Time>,
    /// When the last commit succeeded, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit_time: Option<Time>,
    /// When the last checkpoint was committed, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checkpoint_time: Option<Time>,
    /// Bytes of keyed state, to two significant digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<i64>,
    /// Rows that came after their window was final, to two significant digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_rows: Option<i64>,
    /// Rows that could not be decoded or computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<DeadLetters>,
    /// Snapshots that are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub snapshots: Vec<Snapshot>,
    /// The `restoreFrom.generation` that was last done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_generation: Option<i64>,
    /// Ready, QueryValid, DependenciesReady, CheckpointHealthy; Reconciling, Stalled and Degraded where true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// The plan, and what it keeps of the one before: operators by their stable ids.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStatus {
    /// Hash of the plan, in hexadecimal.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// Operators with state that go on with it.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(max = 64)))]
    pub kept: Vec<String>,
    /// Operators whose state is computed again from the log.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(max = 64)))]
    pub rebuilt: Vec<String>,
    /// Operators whose state is given up.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(max = 64)))]
    pub dropped: Vec<String>,
}

/// Rows that could not be decoded or computed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// The topic where they are, with the reason, where they came from, and their bytes.
    #[schemars(length(max = 249))]
    pub topic: String,
    /// Their number.
    pub rows: i64,
}

/// A snapshot that is kept.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// When it was taken.
    pub time: Time,
    /// Its size.
    pub bytes: i64,
    /// Hash of the plan it was taken of.
    #[schemars(length(max = 64))]
    pub plan_hash: String,
}
