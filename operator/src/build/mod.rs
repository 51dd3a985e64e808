//! From a Cluster or a Pipeline to the Kubernetes objects that carry it: pure, no clock, no I/O.
//!
//! [`cluster()`] and [`pipeline()`] give [`Objects`] in the order in which they are applied: identity and configuration first, who may talk to whom
//! before there is anybody to talk to, the pods last. The same input gives the same objects, byte for byte: a converged object is not written.
//!
//! ```text
//! Cluster  main   ServiceAccount main-broker, ConfigMap main-broker (broker.yaml), NetworkPolicy, PodDisruptionBudget main-broker,
//!                 Services main-brokers (headless), main-bootstrap, and for each listener outside: main-bootstrap-<listener> and
//!                 main-broker-<id>-<listener>; StatefulSet main-broker
//! Pipeline totals the same, all called totals-pipeline (headless Service included); ConfigMap with pipeline.yaml and desired.json
//! ```
//!
//! Beside what shall be there, four decisions on what is there: [`roll`] (which pod is deleted next), [`growth`] (which claim grows),
//! [`listeners`] (what clients are told), and [`pods_wanted`].
//!
//! Who must roll is a number, not a difference of templates: [`ROLL_HASH`] covers what a process reads only when it starts, and no more. A
//! newer operator that writes templates differently restarts no pod.

mod cluster;
mod config;
mod dead_letters;
pub mod growth;
mod labels;
pub mod listeners;
mod names;
mod network;
mod object;
mod pipeline;
mod pod;
pub mod roll;
mod roll_hash;
mod services;
mod stateful_set;
mod store;

pub use cluster::cluster;
pub(crate) use cluster::{Ports, listeners as cluster_listeners, names as cluster_names, ports as cluster_ports};
pub use config::{BrokerConfig, Endpoint, HealthEndpoint, KafkaSection, PipelineConfig, S3Section, StoreSection};
pub use dead_letters::dead_letter_topic;
pub use labels::{CLUSTER_LABEL, PIPELINE_LABEL, ROLL_HASH, broker_selector, pipeline_selector, selector_text};
pub(crate) use names::hash;
pub use names::{ClusterNames, PipelineNames};
pub use object::{Object, Objects};
pub use pipeline::{TooLarge, pipeline, pods_wanted};
pub use roll_hash::{cluster_roll_hash, pipeline_roll_hash};

use control::DesiredPipeline;
use crds::{Cluster, Version};

/// What is the same for every object: who this operator is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its namespace: only from there may anybody reach the control port of a worker.
    pub namespace: String,
    /// Repository of the data plane's image, without tag.
    pub image: String,
    /// Its own version: the data plane's for objects that name none and have none recorded.
    pub version: String,
}

/// What [`cluster()`] needs beside the Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInputs {
    /// Who this operator is.
    pub operator: Operator,
    /// Certificates (PEM) that vouch for listeners with a certificate of the operator's own; public. Empty before there are any.
    pub authorities: String,
}

/// What [`pipeline()`] needs beside the Pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineInputs {
    /// Who this operator is.
    pub operator: Operator,
    /// The Cluster that the Pipeline runs on, which lets its namespace in.
    pub cluster: Cluster,
    /// What its pods are told: the first state of a new pod, and what says whether it runs at all.
    pub desired: DesiredPipeline,
    /// Whether every source is bounded, was read to its end, and all is committed: then there is no pod.
    pub is_finished: bool,
    /// Certificates (PEM) that vouch for listeners with a certificate of the operator's own; public.
    pub authorities: String,
}

/// The version of the data plane: as the spec says, else as recorded in status when the object was made, else the operator's.
#[must_use]
pub fn version<'a>(spec: Option<&'a Version>, recorded: Option<&'a str>, operator: &'a Operator) -> &'a str {
    spec.map(|version| version.0.as_str()).or(recorded).unwrap_or(&operator.version)
}
