//! Which certificates a Cluster, a Pipeline and the operator need.

use crds::{Cluster, Pipeline, cluster::ListenerType};
use std::collections::{BTreeMap, BTreeSet};

use super::{DAY, Identity, Usage, broker_control, listener, pipeline_control};
use crate::build::{self, ClusterNames, PipelineNames};

/// Life of the certificate of a control endpoint: the operator may be away for more than two days before workers cannot be told anything.
const CONTROL_DAYS: i64 = 7;
/// Life of a listener's certificate: the operator may be away for a month before clients notice.
const LISTENER_DAYS: i64 = 90;

/// The certificates of a Cluster's brokers. `outside` are the hosts and addresses of each listener outside, as far as they are known
/// ([`crate::build::listeners::Resolved::hosts`]).
#[must_use]
pub fn of_cluster(cluster: &Cluster, outside: &BTreeMap<String, BTreeSet<String>>) -> Vec<Identity> {
    if cluster.spec.external.is_some() {
        return Vec::new();
    }
    let names = build::cluster_names(cluster);
    let pods = format!("*.{}.{}.svc", names.headless(), names.namespace());
    let control =
        Identity { place: broker_control(&names), names: BTreeSet::from([pods]), usage: Usage::Server, life_seconds: CONTROL_DAYS * DAY };
    let listeners = build::cluster_listeners(&cluster.spec);
    let ours = listeners.iter().filter(|listener| listener.tls.as_ref().is_some_and(|tls| tls.certificate_secret_ref.is_none()));
    let of_listener = ours.map(|one| {
        let mut hosts = inside(&names);
        if one.listener_type != ListenerType::Internal {
            hosts.extend(services(&names, cluster.spec.replicas, &one.name));
        }
        hosts.extend(one.advertised_host.clone());
        hosts.extend(outside.get(&one.name).into_iter().flatten().cloned());
        Identity { place: listener(&names, &one.name), names: hosts, usage: Usage::Server, life_seconds: LISTENER_DAYS * DAY }
    });
    std::iter::once(control).chain(of_listener).collect()
}

/// Hosts by which any listener is reached from inside the Kubernetes cluster.
fn inside(names: &ClusterNames) -> BTreeSet<String> {
    let (bootstrap, headless, namespace) = (names.bootstrap(), names.headless(), names.namespace());
    let mut hosts = BTreeSet::from([bootstrap.clone(), format!("{bootstrap}.{namespace}")]);
    for suffix in ["svc", "svc.cluster.local"] {
        hosts.insert(format!("{bootstrap}.{namespace}.{suffix}"));
        hosts.insert(format!("*.{headless}.{namespace}.{suffix}"));
    }
    hosts
}

/// The Services of a listener outside, which are reached from inside as well.
fn services(names: &ClusterNames, brokers: i32, listener: &str) -> Vec<String> {
    let each = (0..brokers).map(|broker| names.outside_broker(broker, listener));
    std::iter::once(names.outside_bootstrap(listener)).chain(each).map(|service| format!("{service}.{}.svc", names.namespace())).collect()
}

/// The certificate of a Pipeline's pods.
#[must_use]
pub fn of_pipeline(pipeline: &Pipeline) -> Identity {
    let namespace = pipeline.metadata.namespace.as_deref().unwrap_or("default");
    let names = PipelineNames::new(namespace, pipeline.metadata.name.as_deref().unwrap_or_default());
    let pods = format!("*.{}.{namespace}.svc", names.stateful_set());
    Identity { place: pipeline_control(&names), names: BTreeSet::from([pods]), usage: Usage::Server, life_seconds: CONTROL_DAYS * DAY }
}

/// The certificate by which workers know the operator. It is in no Secret: whoever holds the authority makes it at its start.
#[must_use]
pub fn operator() -> Identity {
    Identity {
        place: super::Place::whole(""),
        names: BTreeSet::from(["streamwright-operator".to_owned()]),
        usage: Usage::Client,
        life_seconds: CONTROL_DAYS * DAY,
    }
}
