//! What Kubernetes says of the pods of each Cluster and Pipeline, put together for the resolver.

use control::ObjectRef;
use crds::Kind;
use desired::Deployment;
use std::collections::BTreeMap;

use crate::{
    builder::Built,
    cache::{Cache, PodFact},
    resource::Key,
};

/// Pods by what they serve.
pub type Pods<'a> = BTreeMap<(Kind, ObjectRef), Vec<(&'a Key, &'a PodFact)>>;

/// The pods of ours, by what they serve.
#[must_use]
pub fn pods(cache: &Cache) -> Pods<'_> {
    let mut pods = Pods::new();
    for (key, fact) in cache.pods() {
        if let Some((kind, name)) = &fact.serves {
            let object = ObjectRef { namespace: key.namespace.clone(), name: name.clone() };
            pods.entry((*kind, object)).or_default().push((key, fact));
        }
    }
    pods
}

/// The version that the pods of an object shall have: what it says, else what was recorded when it was made, else the operator's own.
#[must_use]
pub fn version<'a>(spec: Option<&'a crds::Version>, recorded: Option<&'a String>, own: &'a str) -> &'a str {
    spec.map(|version| version.0.as_str()).or(recorded.map(String::as_str)).unwrap_or(own)
}

/// What there is of one object. `conflict` is what stands in its way; `failed` is why something of it could not be written.
#[must_use]
pub fn deployment(
    version: &str,
    built: Option<&Built>,
    pods: &[(&Key, &PodFact)],
    conflict: Option<String>,
    failed: Option<&str>,
) -> Deployment {
    let alive = || pods.iter().filter(|(_, pod)| !pod.has_ended);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let trouble = pods.iter().find_map(|(_, pod)| pod.problem.clone());
    Deployment {
        version: version.into(),
        selector: built.map(|built| built.selector.clone()).unwrap_or_default(),
        pods: count(alive().count()),
        pods_ready: count(alive().filter(|(_, pod)| pod.is_ready && !pod.is_deleted).count()),
        bootstrap_servers: built.and_then(|built| built.bootstrap_servers.clone()),
        listeners: built.map(|built| built.listeners.clone()).unwrap_or_default(),
        broker_listeners: built.map(|built| built.broker_listeners.clone()).unwrap_or_default(),
        progress: built.and_then(|built| built.progress.clone()),
        problem: built.and_then(|built| built.problem.clone()).or(failed.map(str::to_owned)).or(trouble),
        conflict,
        plaintext: built.and_then(|built| built.plaintext.clone()),
    }
}
