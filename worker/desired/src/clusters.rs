//! Which Cluster an object belongs to, whether it may, and what is told to its broker.

use control::{ActualBroker, DesiredBroker, DesiredTopic, ObjectRef, ReleasedTopic, StoreHealth, VolumeHealth};
use crds::{
    Cluster, ClusterRef, ClusterStatus, ConditionStatus, ConditionType, Kind, Reason, Timestamp,
    cluster::{BrokerStatus, ClusterStorage, ListenerStatus, NamespacesFrom, ObjectStoreStatus},
};
use std::collections::BTreeMap;
use units::DurationMs;

use crate::{
    Memory, Place, Report, Status, World,
    pipelines::ResolvedPipeline,
    report::{Conditions, is_deleted, object_ref, status_of},
    rounding::two_digits,
    topics::ResolvedTopics,
};

/// One day: how long objects stay where no Cluster says otherwise.
const OBJECT_DELETE_GRACE_MS: i64 = 24 * 3600 * 1000;

/// Why an object cannot use the Cluster it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterProblem {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// The Clusters of a world, by name.
pub(crate) struct Clusters<'a> {
    world: &'a World,
    declared: BTreeMap<ObjectRef, &'a Cluster>,
}

impl<'a> Clusters<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let declared = world.clusters.iter().map(|cluster| (object_ref(&cluster.metadata), cluster)).collect();
        Self { world, declared }
    }

    /// The Cluster that an object of `namespace` means by `reference`.
    pub(crate) fn find(&self, namespace: &str, reference: &ClusterRef) -> Result<ObjectRef, ClusterProblem> {
        let named = ObjectRef { namespace: reference.namespace.clone().unwrap_or_else(|| namespace.into()), name: reference.name.clone() };
        match (self.declared.get(&named), &self.world.place) {
            (Some(cluster), _) if self.lets_in(cluster, &named, namespace) => Ok(named),
            (Some(_), _) => Err(ClusterProblem {
                reason: Reason::NotAllowed,
                message: format!("Cluster {named} does not let namespace {namespace} in: see its spec.allowedNamespaces"),
            }),
            (None, Place::Process { .. }) => Ok(self.of_process()),
            (None, Place::Kubernetes) => {
                Err(ClusterProblem { reason: Reason::ClusterNotFound, message: format!("there is no Cluster {named}") })
            }
        }
    }

    /// In a process there is one broker: that of the Cluster manifest if there is one.
    fn of_process(&self) -> ObjectRef {
        let fallback = match &self.world.place {
            Place::Process { broker } => Some(broker.clone()),
            Place::Kubernetes => None,
        };
        self.declared.keys().next().cloned().or(fallback).expect("asked only in a process")
    }

    fn lets_in(&self, cluster: &Cluster, named: &ObjectRef, namespace: &str) -> bool {
        let allowed = &cluster.spec.allowed_namespaces;
        named.namespace == namespace
            || match allowed.from {
                NamespacesFrom::Same => false,
                NamespacesFrom::All => true,
                NamespacesFrom::Selector => allowed.selector.as_ref().is_some_and(|selector| {
                    let labels = self.world.namespaces.get(namespace);
                    let has = |key: &str, value: &str| {
                        labels.and_then(|labels| labels.get(key)).is_some_and(|found| found == value)
                            || (key == "kubernetes.io/metadata.name" && value == namespace)
                    };
                    selector.match_labels.iter().all(|(key, value)| has(key, value))
                }),
            }
    }

    /// What the Cluster's broker says, where it serves.
    pub(crate) fn broker(&self, cluster: &ObjectRef) -> Option<&'a ActualBroker> {
        self.world.brokers.get(cluster)
    }

    /// Whether data goes to an object store, so that `local` retention means something.
    pub(crate) fn has_object_store(&self, cluster: &ObjectRef) -> bool {
        self.broker(cluster).is_some_and(|broker| broker.object_store.health != StoreHealth::NotConfigured)
    }

    /// Whether a pipeline's pods reach what keeps their state: always in a process, else only with an object store.
    pub(crate) fn keeps_state(&self, cluster: &ObjectRef) -> bool {
        matches!(self.world.place, Place::Process { .. })
            || self.declared.get(cluster).is_some_and(|cluster| cluster.spec.object_store.is_some())
    }

    /// The desired state of every broker that serves, numbered.
    pub(crate) fn brokers(
        &self,
        world: &World,
        memory: &Memory,
        topics: &ResolvedTopics,
        pipelines: &[ResolvedPipeline],
    ) -> BTreeMap<ObjectRef, DesiredBroker> {
        let one = |(cluster, actual): (&ObjectRef, &ActualBroker)| {
            let (mut wanted, mut released) = (topics.wanted(cluster), topics.released(cluster));
            for pipeline in pipelines.iter().filter(|pipeline| pipeline.cluster.as_ref() == Some(cluster)) {
                pipeline.add_topics(actual, &mut wanted, &mut released);
            }
            (cluster.clone(), self.desired(cluster, actual, memory.brokers.get(cluster), wanted, released))
        };
        world.brokers.iter().map(one).collect()
    }

    fn desired(
        &self,
        cluster: &ObjectRef,
        actual: &ActualBroker,
        before: Option<&DesiredBroker>,
        topics: BTreeMap<units::TopicName, DesiredTopic>,
        released: Vec<ReleasedTopic>,
    ) -> DesiredBroker {
        let spec = self.declared.get(cluster).map(|cluster| &cluster.spec);
        let grace = spec.and_then(|spec| spec.object_store.as_ref()).and_then(|store| store.delete_grace_period.millis().ok());
        let wanted = DesiredBroker {
            topics: topics.into_values().collect(),
            released,
            auto_create_topics: spec.is_some_and(|spec| spec.auto_create_topics),
            object_delete_grace: DurationMs(grace.unwrap_or(OBJECT_DELETE_GRACE_MS)),
            ..DesiredBroker::new(before.map_or(0, |before| before.generation), cluster.clone())
        };
        let is_new = before != Some(&wanted) || actual.generation > wanted.generation;
        DesiredBroker { generation: if is_new { wanted.generation.max(actual.generation) + 1 } else { wanted.generation }, ..wanted }
    }

    /// What is said of every Cluster object.
    pub(crate) fn reports(&self, now: Timestamp) -> Vec<Report> {
        self.declared.iter().map(|(name, cluster)| self.report(name, cluster, now)).collect()
    }

    fn report(&self, name: &ObjectRef, cluster: &Cluster, now: Timestamp) -> Report {
        let before = cluster.status.clone().unwrap_or_default();
        let actual = self.broker(name);
        let mut conditions = Conditions::new(Kind::Cluster, &cluster.metadata, now);
        match obstacle(actual) {
            None => conditions.add(ConditionType::Ready, ConditionStatus::True, Reason::Available, "serving"),
            Some(what) => conditions.add(ConditionType::Ready, ConditionStatus::False, Reason::BrokerNotReady, what),
        }
        if let Some(actual) = actual {
            let (holds, reason, message) = store_condition(actual.object_store.health);
            conditions.add(ConditionType::ObjectStoreReady, status_of(holds), reason, message);
            if actual.object_store.health == StoreHealth::RefusedNoConditionalWrites {
                conditions.add_true(ConditionType::Stalled, Reason::StoreRefused, message);
            }
        } else {
            let message = "not known: there is no broker to ask";
            conditions.add(ConditionType::ObjectStoreReady, ConditionStatus::Unknown, Reason::Unreachable, message);
        }
        let conditions = conditions.finish(&before.conditions);
        let mut status = actual.map_or(before.clone(), |actual| status(name, actual));
        status.observed_generation = cluster.metadata.generation;
        status.conditions = conditions;
        let is_gone = is_deleted(&cluster.metadata);
        Report { kind: Kind::Cluster, object: name.clone(), status: Status::Cluster(status), findings: Vec::new(), is_gone }
    }
}

/// Why a broker does not serve, or not all that is asked of it.
fn obstacle(actual: Option<&ActualBroker>) -> Option<&'static str> {
    let Some(actual) = actual else { return Some("there is no broker yet") };
    match actual.storage.health {
        _ if !actual.ready => Some("the broker does not serve clients yet"),
        VolumeHealth::Healthy => None,
        VolumeHealth::Full => Some(
            "the broker's volume is full: records are refused, reads go on; shorten retention or enlarge the volume, and it goes on by itself",
        ),
        VolumeHealth::Failed => Some("a write to the broker's volume failed: nothing is acknowledged until it starts anew, reads go on"),
    }
}

fn store_condition(health: StoreHealth) -> (bool, Reason, &'static str) {
    match health {
        StoreHealth::NotConfigured => (true, Reason::NotConfigured, "there is no object store; a folder on the volume stands for it"),
        StoreHealth::Reachable => (true, Reason::Reachable, "the object store answers"),
        StoreHealth::Unreachable => (false, Reason::Unreachable, "the object store does not answer; shipping waits"),
        StoreHealth::RefusedNoConditionalWrites => {
            (false, Reason::RefusedNoConditionalWrites, "the object store does not honour conditional writes and is not used")
        }
        StoreHealth::AccessDenied => (false, Reason::AccessDenied, "the object store refuses the credentials"),
    }
}

fn status(cluster: &ObjectRef, actual: &ActualBroker) -> ClusterStatus {
    let address = |name: &str| actual.listeners.iter().find(|listener| listener.name == name).or(actual.listeners.first());
    ClusterStatus {
        cluster_id: Some(actual.cluster_id.clone()),
        version: Some(actual.version.clone()),
        replicas: Some(1),
        ready_replicas: Some(i32::from(actual.ready)),
        bootstrap_servers: address("internal").map(|listener| listener.address.clone()),
        listeners: actual
            .listeners
            .iter()
            .map(|one| ListenerStatus { name: one.name.clone(), bootstrap_servers: one.address.clone() })
            .collect(),
        brokers: vec![BrokerStatus {
            id: actual.broker.0,
            incarnation: i64::from(actual.incarnation.0),
            pod: format!("{}-broker-{}", cluster.name, actual.broker),
            ready: actual.ready,
        }],
        storage: Some(ClusterStorage {
            capacity_bytes: two_digits(actual.storage.capacity.0),
            used_bytes: two_digits(actual.storage.used.0),
        }),
        object_store: Some(ObjectStoreStatus {
            bytes: two_digits(actual.object_store.bytes.0),
            bytes_at_risk: two_digits(actual.object_store.bytes_at_risk.0),
        }),
        topics: i32::try_from(actual.topics.iter().filter(|topic| !topic.internal).count()).ok(),
        ..ClusterStatus::default()
    }
}
