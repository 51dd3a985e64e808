//! A broker: the topics it shall hold, and what it says of itself.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use units::{BrokerId, ByteCount, Incarnation, PartitionId, TopicName};

use crate::{ActualTopic, DesiredTopic, ObjectRef, ProposalRefusal, ReleasedTopic, TopicProblem, TopicProposal};

/// All that a broker is to do. A topic that is neither in `topics` nor in `released` is left exactly as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredBroker {
    /// Number of this state; a broker applies the highest it has seen and keeps it on its volume.
    pub generation: u64,
    /// The Cluster it belongs to: named in messages and policy errors.
    pub cluster: ObjectRef,
    /// Kafka's cluster id, which never changes; `None`: the broker makes one and reports it.
    pub cluster_id: Option<String>,
    /// Topics that shall exist, sorted by name; no name twice.
    pub topics: Vec<DesiredTopic>,
    /// Topics whose owner went; stays listed until the broker no longer reports them as owned.
    pub released: Vec<ReleasedTopic>,
    /// Whether Metadata and Produce for an unknown name make the topic. CreateTopics works in either case.
    pub auto_create_topics: bool,
    /// How long an object stays after nothing names it any more.
    pub object_delete_grace: units::DurationMs,
    /// Where clients find it, beyond an address of the broker's own configuration; each is opened, told anew or closed while it runs. No name
    /// twice.
    #[serde(default)]
    pub listeners: Vec<DesiredListener>,
    /// Topics among `topics` whose Topic object was made because a client asked for it: clients may change and delete them, by proposals.
    /// Every other declared topic is changed in its manifest only (POLICY_VIOLATION).
    #[serde(default)]
    pub client_topics: BTreeSet<TopicName>,
    /// Answers to proposals that shall not come into force; each stays listed until the broker no longer holds the proposal.
    #[serde(default)]
    pub refused_proposals: Vec<ProposalRefusal>,
}

impl DesiredBroker {
    /// One without topics and listeners, of this generation: where building starts.
    #[must_use]
    pub fn new(generation: u64, cluster: ObjectRef) -> Self {
        Self {
            generation,
            cluster,
            cluster_id: None,
            topics: Vec::new(),
            released: Vec::new(),
            auto_create_topics: false,
            object_delete_grace: units::DurationMs(24 * 60 * 60 * 1000),
            listeners: Vec::new(),
            client_topics: BTreeSet::new(),
            refused_proposals: Vec::new(),
        }
    }
}

/// A port that clients connect to, and what those who came in by it are told to connect to next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredListener {
    /// `spec.listeners[].name`.
    pub name: String,
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// Host that clients of this listener are told.
    pub advertised_host: String,
    /// Port that clients of this listener are told; 0: the one that is listened on.
    pub advertised_port: u16,
    /// Folder with `tls.crt` and `tls.key` below the broker's TLS folder; `None`: plain text. Never both on one port.
    #[serde(default)]
    pub tls: Option<String>,
}

/// An address on which a broker answers now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `spec.listeners[].name`, or `internal`.
    pub name: String,
    /// `host:port` that clients are told.
    pub address: String,
}

/// The broker's volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStorage {
    /// Size of the file system.
    pub capacity: ByteCount,
    /// Bytes of ours on it.
    pub used: ByteCount,
    /// Bytes free on it.
    pub free: ByteCount,
    /// Whether it takes what is written.
    pub health: VolumeHealth,
}

/// Whether a broker's volume takes what is written. What it holds is read in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VolumeHealth {
    /// It does.
    #[default]
    Healthy,
    /// It is full: records are refused until there is room, then it goes on by itself.
    Full,
    /// A write failed, or another process has taken over: nothing is acknowledged until the broker starts anew.
    Failed,
}

/// How the object store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StoreHealth {
    /// None is configured: a folder on the volume stands for it.
    NotConfigured,
    /// It answers.
    Reachable,
    /// Nothing was asked of it since the broker started.
    Unasked,
    /// It does not; shipping waits.
    Unreachable,
    /// It does not arbitrate conditional writes; it is not used.
    RefusedNoConditionalWrites,
    /// It refuses our credentials.
    AccessDenied,
}

/// What the broker keeps in the object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectStoreUse {
    /// How it answers.
    pub health: StoreHealth,
    /// Bytes in objects.
    pub bytes: ByteCount,
    /// Bytes acknowledged that are on the volume alone.
    pub bytes_at_risk: ByteCount,
}

/// A partition of which the object store has something damaged: nothing of it is shipped until that is whole again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DamagedPartition {
    /// Its topic.
    pub topic: TopicName,
    /// Its number in the topic.
    pub partition: PartitionId,
}

impl fmt::Display for DamagedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What a broker says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualBroker {
    /// The highest [`DesiredBroker::generation`] that was gone through; topics in it may still be among `problems`. 0 before the first.
    pub generation: u64,
    /// Its id.
    pub broker: BrokerId,
    /// How often it has started: the unit of fencing.
    pub incarnation: Incarnation,
    /// Version of the program.
    pub version: String,
    /// Kafka's cluster id.
    pub cluster_id: String,
    /// Whether it serves clients.
    pub ready: bool,
    /// Where it answers.
    pub listeners: Vec<Listener>,
    /// Its volume.
    pub storage: BrokerStorage,
    /// Its objects.
    pub object_store: ObjectStoreUse,
    /// What is damaged in the object store, as far as it was come by, in order.
    #[serde(default)]
    pub damaged: Vec<DamagedPartition>,
    /// Every topic it has, internal ones included, sorted by name.
    pub topics: Vec<ActualTopic>,
    /// Desired topics that are not in force, whether they exist or not, and why.
    pub problems: BTreeMap<TopicName, TopicProblem>,
    /// Desired listeners that are not as desired, by name, and why: a port that is taken, certificates that cannot be used.
    #[serde(default)]
    pub listener_problems: BTreeMap<String, String>,
    /// What clients asked for and is not answered yet, oldest first.
    #[serde(default)]
    pub proposals: Vec<TopicProposal>,
    /// Why its log is not open (yet, or any more), in a sentence. Then nothing is known of what it holds, least of all that it holds nothing:
    /// of all the rest only `object_store.health` counts, and nothing is pushed to it.
    #[serde(default)]
    pub closed: Option<String>,
}

impl ActualBroker {
    /// One that was told nothing yet, has nothing and serves nobody.
    #[must_use]
    pub fn new(broker: BrokerId, incarnation: Incarnation) -> Self {
        Self {
            generation: 0,
            broker,
            incarnation,
            version: env!("CARGO_PKG_VERSION").into(),
            cluster_id: String::new(),
            ready: false,
            listeners: Vec::new(),
            storage: BrokerStorage::default(),
            object_store: ObjectStoreUse { health: StoreHealth::NotConfigured, bytes: ByteCount(0), bytes_at_risk: ByteCount(0) },
            damaged: Vec::new(),
            topics: Vec::new(),
            problems: BTreeMap::new(),
            listener_problems: BTreeMap::new(),
            proposals: Vec::new(),
            closed: None,
        }
    }
}
