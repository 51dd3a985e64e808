//! The custom resources of `streamwright.dev/v1alpha1`: their types, their definitions, and the gate that manifests pass.
//!
//! - one file per kind ([`cluster`], [`topic`], [`retention`], [`pipeline`]) with what they share beside them; doc comments are `kubectl explain`;
//! - [`definition`] gives the YAML that is applied to a cluster (`crdgen` writes it beside the sources);
//! - [`manifest`] reads YAML files of users and knows where each field stands in them;
//! - [`admission`] does to a manifest what the API server would: defaults, unknown fields, bounds, and the rules in CEL.
//!
//! Pure: no files, no network, no clock. What does not work yet is refused by a rule with a sentence (a gate), never silently ignored.

pub mod admission;
pub mod cluster;
pub mod conditions;
pub mod definition;
pub mod kind;
pub mod manifest;
pub mod path;
pub mod pipeline;
pub mod pod;
pub mod quantity;
pub mod reference;
pub mod retention;
pub mod schema;
pub mod topic;
pub mod version;

/// The default of every `spec.replicas`.
fn one_replica() -> i32 {
    1
}

pub use cluster::{Cluster, ClusterSpec, ClusterStatus};
pub use conditions::{Condition, ConditionStatus, ConditionType, Reason};
pub use kind::{GROUP, Kind, NotServed, VERSION};
pub use path::FieldPath;
pub use pipeline::{Pipeline, PipelineSpec, PipelineStatus};
pub use pod::Pod;
pub use quantity::{Duration, Quantity};
pub use reference::{ClusterRef, ConfigMapKeyRef, LocalRef};
pub use retention::{Retention, RetentionPolicy, RetentionPolicyStatus};
pub use schema::TopicSchema;
pub use topic::{Topic, TopicSpec, TopicStatus};
pub use version::Version;

/// The time type of status, and the one that makes it.
pub use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
/// The metadata of every object.
pub use kube::core::ObjectMeta;
