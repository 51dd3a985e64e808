//! What makes a pod roll: a hash of exactly what a process reads when it starts and never again.
//!
//! It covers the version, the user's `pod`, the restart annotation, what is mounted and where the object store is. It covers neither the
//! template as this operator writes it nor the image's repository, so that a newer operator, or one that pulls from a mirror, restarts
//! nothing. The numbers are held by a test: if they change between releases, every pod of every user rolls.

use crds::{Cluster, ObjectMeta, Pipeline, Pod, cluster::S3};
use serde::Serialize;
use std::collections::BTreeMap;

use super::{ClusterInputs, PipelineInputs, cluster, labels::RESTART_AT, names, pipeline, version};

#[derive(Serialize)]
struct Rolls<'a> {
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a Pod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a S3>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<&'a str>,
    /// Where certificates are mounted from: for each listener the user's Secret, or nothing for the operator's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tls: BTreeMap<&'a str, Option<&'a str>>,
    /// Ports of control and health, where a listener took the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<(i32, i32)>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    low_ports: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    brokers: Option<&'a str>,
}

impl Rolls<'_> {
    fn hash(&self) -> String {
        names::hash(&serde_json::to_vec(self).expect("plain data with text as keys"), 8)
    }
}

/// The roll hash of a Cluster's pods: 16 hex.
#[must_use]
pub fn cluster_roll_hash(cluster: &Cluster, inputs: &ClusterInputs) -> String {
    let spec = &cluster.spec;
    let recorded = cluster.status.as_ref().and_then(|status| status.version.as_deref());
    let listeners = cluster::listeners(spec);
    let secret = |listener: &crds::cluster::Listener| {
        listener.tls.as_ref().map(|tls| tls.certificate_secret_ref.as_ref().map(|secret| secret.name.clone()))
    };
    let tls: Vec<_> = listeners.iter().filter_map(|listener| Some((listener.name.clone(), secret(listener)?))).collect();
    let ports = cluster::ports(&listeners);
    Rolls {
        version: version(spec.version.as_ref(), recorded, &inputs.operator),
        pod: spec.pod.as_ref(),
        restart_at: restart_at(&cluster.metadata),
        store: spec.object_store.as_ref().map(|store| &store.s3),
        credentials: None,
        tls: tls.iter().map(|(name, secret)| (name.as_str(), secret.as_deref())).collect(),
        ports: (ports != cluster::Ports::USUAL).then_some((ports.control, ports.health)),
        low_ports: cluster::has_low_port(&listeners),
        brokers: None,
    }
    .hash()
}

/// The roll hash of a Pipeline's pods: 16 hex. The query is not part of it: a new one is pushed.
#[must_use]
pub fn pipeline_roll_hash(pipeline: &Pipeline, inputs: &PipelineInputs) -> String {
    let recorded = pipeline.status.as_ref().and_then(|status| status.version.as_deref());
    let store = pipeline::store_access(pipeline, &inputs.cluster);
    let brokers = pipeline::kafka(&inputs.cluster);
    Rolls {
        version: version(pipeline.spec.version.as_ref(), recorded, &inputs.operator),
        pod: pipeline.spec.pod.as_ref(),
        restart_at: restart_at(&pipeline.metadata),
        store: store.map(|store| store.s3),
        credentials: store.and_then(|store| store.credentials).map(|secret| secret.name.as_str()),
        tls: BTreeMap::new(),
        ports: None,
        low_ports: false,
        brokers: Some(&brokers.bootstrap_servers),
    }
    .hash()
}

fn restart_at(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(RESTART_AT).map(String::as_str)
}
