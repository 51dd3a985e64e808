//! The objects of the product: [`crate::build`] and [`crate::certificates`] behind the seam.

use control::{DesiredListener, Life};
use crds::{Cluster, Pipeline, Reason};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Node, PersistentVolumeClaim, Service},
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

use crate::{
    build::{
        self, ClusterInputs, ClusterNames, Operator, PipelineInputs, PipelineNames, growth,
        listeners::{self, Observed},
        roll::{self, Identity, NodeState, ObservedPod},
    },
    builder::{Builder, Built, ClusterInput, PipelineInput, Step, Surroundings, Wanted},
    cache::{NodeFact, PodFact},
    certificates,
    resource::{Key, Resource},
};

/// Builds what the product is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Product;

fn operator(around: &Surroundings<'_>) -> Operator {
    let site = around.site;
    Operator { namespace: site.namespace.clone(), image: site.image.clone(), version: site.version.clone() }
}

fn wanted(object: &build::Object) -> Option<Wanted> {
    let body = object.to_value();
    let resource = Resource::of(body["apiVersion"].as_str()?, body["kind"].as_str()?)?;
    let namespace = object.metadata().namespace.clone().unwrap_or_default();
    Some(Wanted { key: Key::new(resource, namespace, object.name()), body })
}

/// What there is of a resource, typed; what cannot be read is left out.
fn typed<K: DeserializeOwned>(around: &Surroundings<'_>, resource: Resource) -> Vec<(Key, u64, K)> {
    let of_it = around.objects.iter().filter(|object| object.key.resource == resource);
    of_it.filter_map(|object| Some((object.key.clone(), object.version, serde_json::from_value(object.body()).ok()?))).collect()
}

impl Builder for Product {
    fn cluster(&self, input: &ClusterInput<'_>) -> Built {
        let (cluster, around) = (input.cluster, &input.around);
        let inputs = ClusterInputs { operator: operator(around), authorities: around.authorities.into() };
        let objects = build::cluster(cluster, &inputs);
        let name = cluster.metadata.name.clone().unwrap_or_default();
        let namespace = cluster.metadata.namespace.clone().unwrap_or_default();
        let names = ClusterNames::new(&namespace, &name);
        let resolved = listeners::resolve(cluster, &observed(around, cluster.spec.replicas, &names));
        let mut built = Built {
            objects: objects.0.iter().filter_map(wanted).collect(),
            selector: build::selector_text(&build::broker_selector(&name)),
            bootstrap_servers: Some(resolved.bootstrap_servers.clone()),
            listeners: resolved.status.clone(),
            broker_listeners: resolved.brokers.get(&0).into_iter().flatten().map(desired_listener).collect(),
            plaintext: resolved.insecure.first().cloned(),
            identities: certificates::of_cluster(cluster, &resolved.hosts),
            worker: Some(worker(names.host(0), build::cluster_ports(&build::cluster_listeners(&cluster.spec)).control)),
            ..Built::default()
        };
        if let Some(set) = objects.stateful_set() {
            grow(&mut built, set, around);
        }
        let hash = build::cluster_roll_hash(cluster, &inputs);
        let identity = |pod: &ObservedPod| identity(pod, cluster, input);
        match roll::brokers(&pods(around, false), &hash, cluster.spec.replicas, identity) {
            Some(roll::Intention::Wait(why)) => built.progress = built.progress.or(Some((Reason::RollingUpdate, why))),
            Some(intention) => {
                built.progress = built.progress.or(Some((Reason::RollingUpdate, "a broker pod is replaced".into())));
                built.steps.extend(step(&namespace, intention));
            }
            None => {}
        }
        built.problem = resolved.waiting.first().cloned();
        built
    }

    fn pipeline(&self, input: &PipelineInput<'_>) -> Built {
        let (pipeline, around) = (input.pipeline, &input.around);
        let inputs = PipelineInputs {
            operator: operator(around),
            cluster: input.cluster.clone(),
            desired: input.desired.clone(),
            is_finished: input.is_finished,
            authorities: around.authorities.into(),
        };
        let name = pipeline.metadata.name.clone().unwrap_or_default();
        let namespace = pipeline.metadata.namespace.clone().unwrap_or_default();
        let names = PipelineNames::new(&namespace, &name);
        let mut built = Built {
            selector: build::selector_text(&build::pipeline_selector(&name)),
            identities: vec![certificates::of_pipeline(pipeline)],
            worker: Some(worker(names.host(0), build::Ports::USUAL.control)),
            ..Built::default()
        };
        match build::pipeline(pipeline, &inputs) {
            Ok(objects) => built.objects = objects.0.iter().filter_map(wanted).collect(),
            Err(error) => {
                // What runs goes on as it is; what is to leave has nothing any more.
                let is_leaving = matches!(input.desired.life, Life::Drain | Life::Stop);
                built.kept = around.objects.iter().filter(|_| !is_leaving).map(|object| object.key.clone()).collect();
                built.problem = Some(error.to_string());
            }
        }
        let intentions = roll::pipelines(around.now, &pods(around, input.is_silent), &build::pipeline_roll_hash(pipeline, &inputs));
        built.steps = intentions.into_iter().filter_map(|intention| step(&namespace, intention)).collect();
        built
    }

    fn dead_letters(&self, pipeline: &Pipeline, cluster: &Cluster) -> Option<Wanted> {
        wanted(&build::Object::from(build::dead_letter_topic(pipeline, cluster)))
    }
}

/// The control endpoint of a pod.
fn worker(host: String, port: i32) -> (String, String) {
    (format!("{host}:{port}"), host)
}

fn desired_listener(address: &listeners::ListenerAddress) -> DesiredListener {
    DesiredListener {
        name: address.name.clone(),
        port: address.port,
        advertised_host: address.advertised_host.clone(),
        advertised_port: address.advertised_port,
        tls: address.tls.clone(),
    }
}

/// Volumes that grow; a StatefulSet that cannot be applied as it is wanted stays until it is made anew.
fn grow(built: &mut Built, wanted: &StatefulSet, around: &Surroundings<'_>) {
    let live =
        typed::<StatefulSet>(around, Resource::StatefulSet).into_iter().find(|(_, _, set)| set.metadata.name == wanted.metadata.name);
    let claims = typed::<PersistentVolumeClaim>(around, Resource::PersistentVolumeClaim);
    let (keys, bodies): (Vec<_>, Vec<_>) = claims.into_iter().map(|(key, version, claim)| ((key, version), claim)).unzip();
    let growth = growth::decide(wanted, live.as_ref().map(|(_, _, set)| set), &bodies);
    if !growth.may_apply {
        built.kept.extend(built.objects.extract_if(.., |wanted| wanted.key.resource == Resource::StatefulSet).map(|wanted| wanted.key));
    }
    for intention in growth.intentions {
        match intention {
            growth::Intention::GrowClaim { name, size } => {
                let found = keys.iter().find(|(key, _)| key.name == name);
                let grow = |(claim, version): &(Key, u64)| Step::GrowClaim { claim: claim.clone(), version: *version, size };
                built.steps.extend(found.map(grow));
            }
            growth::Intention::RemakeStatefulSet { uid, .. } => {
                let why = "its volumes have grown, and its template of claims cannot change".to_owned();
                built.steps.extend(live.as_ref().map(|(key, _, _)| Step::OrphanStatefulSet { key: key.clone(), uid, why }));
            }
        }
        built.progress.get_or_insert((Reason::VolumeResizing, "volumes grow to spec.storage.size".into()));
    }
    if let Some(waiting) = growth.waiting.into_iter().next() {
        built.progress.get_or_insert((Reason::VolumeResizing, waiting));
    }
}

fn step(namespace: &str, intention: roll::Intention) -> Option<Step> {
    let (name, uid, why, is_forced) = match intention {
        roll::Intention::Delete { name, uid, why } => (name, uid, why, false),
        roll::Intention::ForceDelete { name, uid, why } => (name, uid, why, true),
        roll::Intention::Wait(_) => return None,
    };
    Some(Step::DeletePod { pod: Key::new(Resource::Pod, namespace, name), uid, is_forced, why })
}

fn pods(around: &Surroundings<'_>, is_silent: bool) -> Vec<ObservedPod> {
    let observed = |(key, fact): (&&Key, &&PodFact)| ObservedPod {
        name: key.name.clone(),
        uid: fact.uid.clone(),
        ordinal: ordinal(&key.name),
        roll_hash: fact.roll_hash.clone(),
        is_ready: fact.is_ready,
        deleted_by: fact.deleted_by,
        node: node(around, fact),
        is_silent,
    };
    around.pods.iter().map(observed).collect()
}

fn ordinal(pod: &str) -> i32 {
    pod.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(-1)
}

fn node(around: &Surroundings<'_>, fact: &PodFact) -> NodeState {
    match around.nodes.get(&fact.node) {
        _ if around.nodes.is_empty() || fact.node.is_empty() => NodeState::Unknown,
        None => NodeState::Gone,
        Some(node) if node.is_ready => NodeState::Ready,
        Some(_) => NodeState::NotReady,
    }
}

fn identity(pod: &ObservedPod, cluster: &Cluster, input: &ClusterInput<'_>) -> Identity {
    let recorded = cluster.status.iter().flat_map(|status| &status.brokers).find(|broker| broker.pod == pod.name);
    Identity {
        says: input.broker.map(|broker| (broker.broker.0, i64::from(broker.incarnation.0))),
        recorded: recorded.map(|broker| (broker.id, broker.incarnation)),
    }
}

/// Services, and how the nodes of brokers are reached.
fn observed(around: &Surroundings<'_>, replicas: i32, names: &ClusterNames) -> Observed {
    let services = typed::<Service>(around, Resource::Service).into_iter().map(|(key, _, service)| (key.name, service)).collect();
    let host = |broker: i32| {
        let (_, pod) = around.pods.iter().find(|(key, _)| key.name == names.pod(broker))?;
        let node = around.nodes.get(&pod.node).map(|node| listeners::hosts_of_node(&as_node(node))).unwrap_or_default();
        let by_pod = pod.host_address.clone().into_iter().collect();
        Some((broker, if node.is_empty() { by_pod } else { node }))
    };
    Observed { services, hosts: (0..replicas).filter_map(host).collect::<BTreeMap<_, _>>() }
}

fn as_node(fact: &NodeFact) -> Node {
    let addresses = fact.addresses.iter().map(|(kind, address)| serde_json::json!({"type": kind, "address": address})).collect::<Vec<_>>();
    serde_json::from_value(serde_json::json!({"metadata": {}, "status": {"addresses": addresses}})).unwrap_or_default()
}
