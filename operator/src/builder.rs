//! The seam to the pure functions that turn a Cluster or a Pipeline into Kubernetes objects.

use control::{ActualBroker, DesiredListener, DesiredPipeline};
use crds::{Cluster, Pipeline, Reason, cluster::ListenerStatus};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::{
    cache::{NodeFact, PodFact},
    certificates::Identity,
    object::Object,
    resource::Key,
};

/// What is the same for every object.
#[derive(Clone, Debug)]
pub struct Site {
    /// The data plane's image, without a tag.
    pub image: String,
    /// The operator's version, which new objects get.
    pub version: String,
    /// The operator's namespace.
    pub namespace: String,
}

/// What is known when a Cluster's or a Pipeline's objects are built.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// What is the same for every object.
    pub site: &'a Site,
    /// The version that its pods shall have.
    pub version: &'a str,
    /// When this is; certificates rest on it.
    pub now: crds::Timestamp,
    /// What there is of its objects.
    pub objects: Vec<&'a Object>,
    /// Its pods.
    pub pods: BTreeMap<&'a Key, &'a PodFact>,
    /// The nodes, where they are looked at.
    pub nodes: &'a BTreeMap<&'a String, &'a NodeFact>,
    /// Certificates (PEM) that vouch for what has one of ours; empty before there are any.
    pub authorities: &'a str,
}

/// A Cluster whose objects are to be built.
#[derive(Debug)]
pub struct ClusterInput<'a> {
    /// It.
    pub cluster: &'a Cluster,
    /// What its broker says, where it serves.
    pub broker: Option<&'a ActualBroker>,
    /// What is around it.
    pub around: Surroundings<'a>,
}

/// A Pipeline whose objects are to be built.
#[derive(Debug)]
pub struct PipelineInput<'a> {
    /// It.
    pub pipeline: &'a Pipeline,
    /// What its pods are told, as it was decided and recorded.
    pub desired: &'a DesiredPipeline,
    /// The Cluster it runs on.
    pub cluster: &'a Cluster,
    /// Whether every source is bounded and was read to its end, and all is committed: then there is no pod.
    pub is_finished: bool,
    /// Whether its worker is silent: [`crate::workers::Workers::is_silent`].
    pub is_silent: bool,
    /// What is around it.
    pub around: Surroundings<'a>,
}

/// An object as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Which.
    pub key: Key,
    /// All that we say of it, owner and labels included.
    pub body: Value,
}

/// Something to be done to what is there, rather than an object that shall be.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Delete a pod, so that it comes back as its StatefulSet now says, or elsewhere.
    DeletePod {
        /// The pod.
        pod: Key,
        /// Its identity.
        uid: String,
        /// Whether its node is gone, so that no kubelet will say that it ended. Never for a broker.
        is_forced: bool,
        /// Why, for the Event.
        why: String,
    },
    /// Enlarge a volume claim.
    GrowClaim {
        /// The claim.
        claim: Key,
        /// Its `resourceVersion` when this was decided.
        version: u64,
        /// `storage` as it shall be.
        size: String,
    },
    /// Delete a StatefulSet from around its pods, so that it can be made anew with other templates.
    OrphanStatefulSet {
        /// It.
        key: Key,
        /// Its identity.
        uid: String,
        /// Why, for the Event.
        why: String,
    },
}

/// Everything that a Cluster or a Pipeline shall have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// Objects, in the order in which they are to be applied.
    pub objects: Vec<Wanted>,
    /// Objects that stay as they are: neither applied nor taken away.
    pub kept: Vec<Key>,
    /// Certificates that it needs of ours.
    pub identities: Vec<Identity>,
    /// Steps, to be done once the objects are as they shall be, one a look.
    pub steps: Vec<Step>,
    /// Labels of its pods, as text.
    pub selector: String,
    /// Where clients inside the Kubernetes cluster start.
    pub bootstrap_servers: Option<String>,
    /// Where clients of each listener start.
    pub listeners: Vec<ListenerStatus>,
    /// Of a Cluster: what its broker shall listen on and what clients are told, as far as addresses are known.
    pub broker_listeners: Vec<DesiredListener>,
    /// What is being changed: a reason of `Reconciling`, and a sentence.
    pub progress: Option<(Reason, String)>,
    /// A listener that is reached from outside and is not encrypted, in a sentence.
    pub plaintext: Option<String>,
    /// What in the spec cannot be built, in a sentence.
    pub problem: Option<String>,
    /// Where the operator finds its worker: `host:port`, and the name in its certificate.
    pub worker: Option<(String, String)>,
}

impl Built {
    /// All but the objects, of which each is several kilobytes.
    #[must_use]
    pub fn without_objects(&self) -> Self {
        Self {
            objects: Vec::new(),
            kept: Vec::new(),
            steps: Vec::new(),
            identities: self.identities.clone(),
            selector: self.selector.clone(),
            bootstrap_servers: self.bootstrap_servers.clone(),
            listeners: self.listeners.clone(),
            broker_listeners: self.broker_listeners.clone(),
            progress: self.progress.clone(),
            plaintext: self.plaintext.clone(),
            problem: self.problem.clone(),
            worker: self.worker.clone(),
        }
    }
}

/// Builds objects. Pure: the same input gives the same objects, byte for byte.
pub trait Builder: Send + Sync {
    /// All that a Cluster shall have.
    fn cluster(&self, input: &ClusterInput<'_>) -> Built;
    /// All that a Pipeline shall have.
    fn pipeline(&self, input: &PipelineInput<'_>) -> Built;
    /// The Topic of a Pipeline's dead letters: made once, and the user's from then on.
    fn dead_letters(&self, pipeline: &Pipeline, cluster: &Cluster) -> Option<Wanted>;
}
