//! The fewest objects that a Cluster and a Pipeline can have: a Service and a StatefulSet, and a Pipeline's dead letters.

use control::Life;
use crds::{Cluster, Kind, ObjectMeta, Pipeline};
use operator::{
    builder::{Builder, Built, ClusterInput, PipelineInput, Wanted},
    resource::{Key, Resource},
};
use serde_json::{Value, json};

pub(crate) struct Plain;

impl Builder for Plain {
    fn cluster(&self, input: &ClusterInput<'_>) -> Built {
        let metadata = &input.cluster.metadata;
        let image = format!("{}:{}", input.around.site.image, input.around.version);
        let mut built = objects(Kind::Cluster, metadata, "broker", &image, 1);
        for listener in input.cluster.spec.listeners.iter().flatten() {
            built.objects.insert(0, service(Kind::Cluster, metadata, &format!("-broker-{}", listener.name)));
        }
        built.bootstrap_servers = Some(format!("{}-bootstrap:9092", metadata.name.as_deref().unwrap()));
        built
    }

    fn pipeline(&self, input: &PipelineInput<'_>) -> Built {
        let metadata = &input.pipeline.metadata;
        let image = format!("{}:{}", input.around.site.image, input.around.version);
        let runs = input.desired.life == Life::Run && !input.is_finished;
        objects(Kind::Pipeline, metadata, "pipeline", &image, u32::from(runs) * input.desired.replicas)
    }

    fn dead_letters(&self, pipeline: &Pipeline, _: &Cluster) -> Option<Wanted> {
        let metadata = &pipeline.metadata;
        let key = Key::new(Resource::Topic, metadata.namespace.clone()?, format!("{}-dead-letters", metadata.name.as_deref()?));
        let body = json!({
            "apiVersion": "streamwright.dev/v1alpha1",
            "kind": "Topic",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "spec": {"clusterRef": pipeline.spec.cluster_ref, "partitions": 1},
        });
        Some(Wanted { key, body })
    }
}

fn metadata(kind: Kind, owner: &ObjectMeta, name: &str) -> Value {
    let (api_version, label) = ("streamwright.dev/v1alpha1", format!("streamwright.dev/{}", kind.as_str().to_lowercase()));
    json!({
        "name": name,
        "namespace": owner.namespace,
        "labels": {"app.kubernetes.io/managed-by": "streamwright-operator", label: owner.name},
        "ownerReferences": [{"apiVersion": api_version, "kind": kind.as_str(), "name": owner.name, "uid": owner.uid, "controller": true, "blockOwnerDeletion": true}],
    })
}

fn service(kind: Kind, owner: &ObjectMeta, suffix: &str) -> Wanted {
    let name = format!("{}{suffix}", owner.name.as_deref().unwrap());
    let key = Key::new(Resource::Service, owner.namespace.clone().unwrap(), name.clone());
    let body =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(kind, owner, &name), "spec": {"ports": [{"port": 9092}]}});
    Wanted { key, body }
}

fn objects(kind: Kind, owner: &ObjectMeta, component: &str, image: &str, replicas: u32) -> Built {
    let name = format!("{}-{component}", owner.name.as_deref().unwrap());
    let key = Key::new(Resource::StatefulSet, owner.namespace.clone().unwrap(), name.clone());
    let metadata = metadata(kind, owner, &name);
    let restart = owner.annotations.as_ref().and_then(|all| all.get("streamwright.dev/restart-at")).cloned();
    let body = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"labels": metadata["labels"], "annotations": {"streamwright.dev/restart-at": restart}},
                "spec": {"containers": [{"name": component, "image": image}]},
            },
        },
    });
    let set = Wanted { key, body };
    let id = format!("{}/{}/{}", kind, owner.namespace.as_deref().unwrap(), owner.name.as_deref().unwrap());
    Built {
        objects: vec![service(kind, owner, &format!("-{component}s")), set],
        selector: format!("streamwright.dev/{}={}", kind.as_str().to_lowercase(), owner.name.as_deref().unwrap()),
        worker: Some((id, "worker".into())),
        ..Built::default()
    }
}
