//! What is observed, what is remembered, what comes out.

use control::{ActualBroker, ActualPipeline, DesiredBroker, DesiredPipeline, ObjectRef};
use crds::{Cluster, Kind, Pipeline, RetentionPolicy, Topic};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{Deployment, Report, TopicChange};

/// Where the objects live, and so what a missing Cluster means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Kubernetes cluster: a clusterRef names a Cluster object.
    Kubernetes,
    /// One process with one broker: a clusterRef that names no Cluster means that broker.
    Process {
        /// The name the broker goes by where there is no Cluster manifest.
        broker: ObjectRef,
    },
}

/// Everything as it was observed at one time. Objects are as admission left them, with the status that was written last; an object with
/// `metadata.deletionTimestamp` is on its way out and stays here until its report says that it is gone.
#[derive(Clone, Debug)]
pub struct World {
    /// Where this is.
    pub place: Place,
    /// Every Cluster.
    pub clusters: Vec<Cluster>,
    /// Every RetentionPolicy.
    pub policies: Vec<RetentionPolicy>,
    /// Every Topic.
    pub topics: Vec<Topic>,
    /// Every Pipeline.
    pub pipelines: Vec<Pipeline>,
    /// The `data` of ConfigMaps.
    pub config_maps: BTreeMap<ObjectRef, BTreeMap<String, String>>,
    /// The labels of namespaces; `kubernetes.io/metadata.name` need not be among them.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// What brokers say, by their Cluster. A Cluster that is not here does not serve (yet).
    pub brokers: BTreeMap<ObjectRef, ActualBroker>,
    /// Brokers whose log is not open ([`ActualBroker::closed`]), by their Cluster. None of them is in `brokers`.
    pub closed: BTreeMap<ObjectRef, ActualBroker>,
    /// What pipelines say.
    pub running: BTreeMap<ObjectRef, ActualPipeline>,
    /// The folder that a Pipeline may read files from, where there is one.
    pub files_roots: BTreeMap<ObjectRef, PathBuf>,
    /// In Kubernetes: what there is of pods, Services and volumes for a Cluster or a Pipeline.
    pub deployments: BTreeMap<(Kind, ObjectRef), Deployment>,
    /// Objects that are there but of a shape that this program cannot read: nothing that is theirs is touched.
    pub unreadable: BTreeSet<(Kind, ObjectRef)>,
    /// The namespaces that are looked at; `None`: every one. What belongs to an object of another namespace is left as it is.
    pub watched: Option<BTreeSet<String>>,
}

impl World {
    /// Nothing, in this place.
    #[must_use]
    pub fn empty(place: Place) -> Self {
        Self {
            place,
            clusters: Vec::new(),
            policies: Vec::new(),
            topics: Vec::new(),
            pipelines: Vec::new(),
            config_maps: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            brokers: BTreeMap::new(),
            closed: BTreeMap::new(),
            running: BTreeMap::new(),
            files_roots: BTreeMap::new(),
            deployments: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            watched: None,
        }
    }
}

/// What was decided last. The caller keeps it durably and gives it back; losing it restarts numbering and forgets which query was running
/// where the present one is bad, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The desired state of each broker.
    pub brokers: BTreeMap<ObjectRef, DesiredBroker>,
    /// What was decided for each pipeline.
    pub pipelines: Vec<AppliedPipeline>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    brokers: Vec<(ObjectRef, DesiredBroker)>,
    pipelines: Vec<AppliedPipeline>,
}

impl Serialize for Memory {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Kept { brokers: self.brokers.clone().into_iter().collect(), pipelines: self.pipelines.clone() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Kept::deserialize(deserializer)?;
        Ok(Self { brokers: kept.brokers.into_iter().collect(), pipelines: kept.pipelines })
    }
}

/// What was decided for a pipeline: the version that runs, or will once its topics are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPipeline {
    /// What its pods are told.
    pub desired: DesiredPipeline,
    /// `metadata.generation` of the Pipeline that this came from.
    pub object_generation: i64,
    /// The Cluster it runs on.
    pub cluster: ObjectRef,
    /// Hash of the part of the plan that has state: equal means that the state fits.
    pub state_hash: String,
    /// Names of the operators with state.
    pub stateful: Vec<String>,
    /// Internal topics of layouts given up, deleted once nobody uses them.
    pub left_behind: Vec<units::TopicName>,
}

/// A Pipeline's dead letters, for which a Topic is to be made: beside it, owned by nobody, so that it outlives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// The Pipeline.
    pub pipeline: ObjectRef,
    /// The Cluster it runs on.
    pub cluster: ObjectRef,
}

/// What is to be done, and what is to be said.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// For each broker that serves, what it is to hold.
    pub brokers: BTreeMap<ObjectRef, DesiredBroker>,
    /// Every pipeline that is to run, hold still, or leave: sorted by namespace and name. One that is not here and runs is to be stopped.
    pub pipelines: Vec<DesiredPipeline>,
    /// For each object, its status and what is wrong with it. An object about which nothing can be said yet (its query is being planned) is
    /// not here.
    pub reports: Vec<Report>,
    /// Pipelines whose dead letters have no Topic object yet. Only in Kubernetes.
    pub dead_letters: Vec<DeadLetters>,
    /// Changes of Topic objects that Kafka clients asked for. Only in Kubernetes.
    pub topic_changes: Vec<TopicChange>,
    /// To be kept for the next time.
    pub memory: Memory,
}
