//! What Kubernetes says of the pods that serve a Cluster or a Pipeline, as far as conditions and status rest on it.

use control::DesiredListener;
use crds::{Reason, cluster::ListenerStatus};

/// The Kubernetes side of a Cluster or a Pipeline. Worker's own words are in [`crate::World::brokers`] and [`crate::World::running`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// Version of the data plane that its pods shall have: `spec.version`, else the one recorded in status, else the operator's.
    pub version: String,
    /// Labels of its pods, as text, for `/scale`.
    pub selector: String,
    /// Pods that there are, whatever their state.
    pub pods: u32,
    /// Those that Kubernetes calls ready.
    pub pods_ready: u32,
    /// Where clients inside the Kubernetes cluster start.
    pub bootstrap_servers: Option<String>,
    /// Where clients of each listener start.
    pub listeners: Vec<ListenerStatus>,
    /// Of a Cluster: what its broker shall listen on, and what clients are told; as far as addresses are known.
    pub broker_listeners: Vec<DesiredListener>,
    /// What is being changed in it: a reason of `Reconciling`, and a sentence.
    pub progress: Option<(Reason, String)>,
    /// Why pods do not come up, or why an object of it cannot be written, in a sentence.
    pub problem: Option<String>,
    /// An object of the name that is needed belongs to somebody else.
    pub conflict: Option<String>,
    /// A listener that is reached from outside the cluster and is not encrypted.
    pub plaintext: Option<String>,
}
