//! On a real API server, and on real nodes: what no imitation would tell us.

mod definitions;
mod leftovers;
mod nodes;
mod rules;

#[path = "../../crds/tests/it/cases.rs"]
mod cases;

use crds::{Kind, definition};
use serde_json::{Value, json};
use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};
use streamwright_tests::cluster::Cluster;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// The definitions are one for the whole cluster: tests that only use them share, one that changes them is alone.
static DEFINITIONS: RwLock<()> = RwLock::new(());

/// The process' API tier with our definitions, which stay as they are meanwhile.
fn with_definitions() -> (Arc<Cluster>, RwLockReadGuard<'static, ()>) {
    let guard = DEFINITIONS.read().unwrap_or_else(PoisonError::into_inner);
    let cluster = Cluster::api();
    let folder = format!("{}/../crds", env!("CARGO_MANIFEST_DIR"));
    let _ = cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &folder]);
    established(&cluster);
    (cluster, guard)
}

/// The process' API tier, of whose definitions the test may do what it likes.
fn with_definitions_to_change() -> (Arc<Cluster>, RwLockWriteGuard<'static, ()>) {
    let guard = DEFINITIONS.write().unwrap_or_else(PoisonError::into_inner);
    (Cluster::api(), guard)
}

/// Waits until every kind is served.
fn established(cluster: &Cluster) {
    let names: Vec<_> = Kind::ALL.iter().map(|kind| format!("crd/{}", definition_name(*kind))).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    cluster.wait(&names, "condition=Established", PATIENCE);
    // Established says that it will be served; the first answer says that it is.
    for kind in Kind::ALL {
        until(|| (cluster.request("GET", &path(*kind, "default"), None).code == 200).then_some(()));
    }
}

/// `topics.streamwright.dev`
fn definition_name(kind: Kind) -> String {
    definition::definition(kind)["metadata"]["name"].as_str().expect("a definition has a name").into()
}

/// Where objects of a kind lie.
fn path(kind: Kind, namespace: &str) -> String {
    let plural = definition_name(kind);
    let plural = plural.split('.').next().expect("a name has a first part");
    format!("/apis/streamwright.dev/v1alpha1/namespaces/{namespace}/{plural}")
}

fn object(kind: Kind, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "streamwright.dev/v1alpha1", "kind": kind.as_str(), "metadata": {"name": name}, "spec": spec})
}

/// Asks until there is an answer. For what nothing can be watched for: that a server has taken up a new definition.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "no answer within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
