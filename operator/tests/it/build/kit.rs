//! Manifests in, objects out.

use control::{DesiredPipeline, Layout, Life, ObjectRef, StartFrom};
use crds::{Cluster, Pipeline};
use operator::build::{self, ClusterInputs, Objects, Operator, PipelineInputs};
use serde::Deserialize;
use units::{DurationMs, GroupId};

pub(crate) fn operator() -> Operator {
    Operator { namespace: "streamwright-system".into(), image: "registry.example.com/streamwright".into(), version: "0.3.0".into() }
}

const AUTHORITIES: &str = "-----BEGIN CERTIFICATE-----\n(public)\n-----END CERTIFICATE-----\n";

pub(crate) fn cluster_inputs() -> ClusterInputs {
    ClusterInputs { operator: operator(), authorities: AUTHORITIES.into() }
}

/// A manifest as the API server stores it: what is absent has the default of its type.
pub(crate) fn cluster(yaml: &str) -> Cluster {
    serde_yaml::from_str(yaml).expect("a Cluster")
}

pub(crate) fn pipeline(yaml: &str) -> Pipeline {
    serde_yaml::from_str(yaml).expect("a Pipeline")
}

/// What a Pipeline's pods are told, as far as objects depend on it.
pub(crate) fn desired(pipeline: &Pipeline) -> DesiredPipeline {
    let name = pipeline.metadata.name.clone().unwrap();
    let namespace = pipeline.metadata.namespace.clone().unwrap();
    let group = format!("_sw.{namespace}.{name}.1c9e04d7-1-64");
    let reference = pipeline.spec.cluster_ref.clone();
    let cluster = ObjectRef { namespace: reference.namespace.unwrap_or_else(|| namespace.clone()), name: reference.name };
    let object = ObjectRef { namespace: namespace.clone(), name: name.clone() };
    DesiredPipeline {
        generation: 1,
        dead_letters: ::desired::dead_letters(&object, &cluster),
        pipeline: object,
        uid: "1c9e04d7-0000-4000-8000-000000000002".into(),
        layout: Layout::new("1c9e04d7", 1, 64).unwrap(),
        life: if pipeline.spec.suspend || pipeline.spec.replicas == 0 { Life::Suspend } else { Life::Run },
        replicas: pipeline.spec.replicas.try_into().unwrap(),
        query: pipeline.spec.query.clone().unwrap_or_default(),
        tables: Vec::new(),
        plan_hash: "91ac".into(),
        group: GroupId::from(group.as_str()),
        transactional_id_prefix: group,
        internal_topics: Vec::new(),
        commit_interval: DurationMs(200),
        start_from: StartFrom::Earliest,
        files_root: None,
        store_prefix: format!("pipelines/{namespace}/{name}/1c9e04d7-1-64"),
    }
}

pub(crate) fn pipeline_inputs(pipeline: &Pipeline, cluster: &Cluster) -> PipelineInputs {
    PipelineInputs {
        operator: operator(),
        cluster: cluster.clone(),
        desired: desired(pipeline),
        is_finished: false,
        authorities: AUTHORITIES.into(),
    }
}

/// Everything built from the manifests of a case: each Cluster, and each Pipeline (with its dead letters) on the first of them.
pub(crate) fn build_all(manifests: &str) -> Objects {
    let (mut clusters, mut pipelines) = (Vec::<Cluster>::new(), Vec::<Pipeline>::new());
    for document in serde_yaml::Deserializer::from_str(manifests) {
        let value = serde_json::Value::deserialize(document).expect("YAML");
        match value["kind"].as_str() {
            Some("Cluster") => clusters.push(serde_json::from_value(value).expect("a Cluster")),
            Some("Pipeline") => pipelines.push(serde_json::from_value(value).expect("a Pipeline")),
            other => panic!("a case holds Clusters and Pipelines, not {other:?}"),
        }
    }
    let mut objects = Objects::default();
    for cluster in &clusters {
        objects.0.extend(build::cluster(cluster, &cluster_inputs()).0);
    }
    for pipeline in &pipelines {
        objects.0.push(build::dead_letter_topic(pipeline, &clusters[0]).into());
        objects.0.extend(build::pipeline(pipeline, &pipeline_inputs(pipeline, &clusters[0])).expect("it fits").0);
    }
    objects
}
