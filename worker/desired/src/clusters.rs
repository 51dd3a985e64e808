//! Which Cluster an object belongs to, whether it may, and what is told to its broker.

use control::{ActualBroker, ActualTopic, DesiredBroker, ObjectRef, StoreHealth, VolumeHealth};
use crds::{
    Cluster, ClusterRef, ClusterStatus, Condition, ConditionStatus, ConditionType, Kind, Reason, Timestamp,
    cluster::{BrokerStatus, ClusterStorage, ListenerStatus, NamespacesFrom, ObjectStoreStatus},
};
use std::collections::BTreeMap;
use units::DurationMs;

use crate::{
    Deployment, Memory, Place, Report, Status, TopicChange, World,
    lookup::Lookup,
    orphans::Owners,
    pipelines::ResolvedPipeline,
    proposals,
    report::{Conditions, is_deleted, is_paused, object_ref, paused},
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
    lookup: Lookup<'a>,
}

impl<'a> Clusters<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let declared = world.clusters.iter().map(|cluster| (object_ref(&cluster.metadata), cluster)).collect();
        Self { world, declared, lookup: Lookup::new(world) }
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

    /// The topic of this name on the Cluster's broker, whoever governs it.
    pub(crate) fn actual(&self, cluster: &ObjectRef, name: &units::TopicName) -> Option<&'a ActualTopic> {
        self.lookup.topic(cluster, name)
    }

    /// Whether there is such an object, one that cannot be read included.
    pub(crate) fn is_declared(&self, cluster: &ObjectRef) -> bool {
        self.declared.contains_key(cluster) || self.world.unreadable.contains(&(Kind::Cluster, cluster.clone()))
    }

    /// Whether this is Kubernetes.
    pub(crate) fn is_kubernetes(&self) -> bool {
        self.world.place == Place::Kubernetes
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
    ) -> (BTreeMap<ObjectRef, DesiredBroker>, Vec<TopicChange>) {
        let owners = self.is_kubernetes().then(|| Owners::new(world));
        let mut changes = Vec::new();
        let mut one = |(cluster, actual): (&ObjectRef, &ActualBroker)| {
            let (mut wanted, mut released) = (topics.wanted(cluster), topics.released(cluster));
            let mut refused = Vec::new();
            for pipeline in pipelines.iter().filter(|pipeline| pipeline.cluster.as_ref() == Some(cluster)) {
                pipeline.add_topics(self, &mut wanted, &mut released);
            }
            if let Some(owners) = &owners {
                let decided = proposals::decide(cluster, &actual.proposals, self, topics);
                changes.extend(decided.changes);
                refused = decided.refused;
                released.extend(decided.released);
                released.extend(actual.topics.iter().filter_map(|topic| owners.release(cluster, topic)));
                released.sort_by(|left, right| left.name.cmp(&right.name));
                released.dedup_by(|left, right| left.name == right.name);
            }
            let wanted = DesiredBroker {
                client_topics: topics.of_clients(cluster),
                topics: wanted.into_values().collect(),
                released,
                refused_proposals: refused,
                ..DesiredBroker::new(0, cluster.clone())
            };
            (cluster.clone(), self.desired(actual, memory.brokers.get(cluster), wanted))
        };
        let brokers = world.brokers.iter().map(&mut one).collect();
        (brokers, changes)
    }

    /// With what the Cluster itself says, and a number.
    fn desired(&self, actual: &ActualBroker, before: Option<&DesiredBroker>, wanted: DesiredBroker) -> DesiredBroker {
        let spec = self.declared.get(&wanted.cluster).map(|cluster| &cluster.spec);
        let deployment = self.world.deployments.get(&(Kind::Cluster, wanted.cluster.clone()));
        let grace = spec.and_then(|spec| spec.object_store.as_ref()).and_then(|store| store.delete_grace_period.millis().ok());
        let wanted = DesiredBroker {
            generation: before.map_or(0, |before| before.generation),
            listeners: deployment.map(|deployment| deployment.broker_listeners.clone()).unwrap_or_default(),
            auto_create_topics: spec.is_some_and(|spec| spec.auto_create_topics),
            object_delete_grace: DurationMs(grace.unwrap_or(OBJECT_DELETE_GRACE_MS)),
            ..wanted
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
        if is_paused(&cluster.metadata) {
            return paused(Kind::Cluster, name.clone(), Status::Cluster(before));
        }
        let actual = self.broker(name);
        let closed = self.world.closed.get(name);
        let mut conditions = Conditions::new(Kind::Cluster, &cluster.metadata, now);
        let deployment = self.world.deployments.get(&(Kind::Cluster, name.clone()));
        add_ready(actual.or(closed), deployment, &before.conditions, &mut conditions);
        if let Some(actual) = actual.or(closed.filter(|closed| closed.object_store.health != StoreHealth::NotConfigured)) {
            let (holds, reason, message) = store_condition(actual.object_store.health);
            conditions.add(ConditionType::ObjectStoreReady, holds, reason, message);
            if actual.object_store.health == StoreHealth::RefusedNoConditionalWrites {
                conditions.add_true(ConditionType::Stalled, Reason::StoreRefused, message);
            }
        } else {
            let message = "not known: there is no broker to ask";
            conditions.add(ConditionType::ObjectStoreReady, ConditionStatus::Unknown, Reason::Unreachable, message);
        }
        let conditions = conditions.finish(&before.conditions);
        let mut status = actual.map_or_else(|| unserved(&before), |actual| status(name, actual));
        if let Some(deployment) = deployment {
            deployed(&mut status, &before, deployment);
        }
        status.observed_generation = cluster.metadata.generation;
        status.conditions = conditions;
        let is_gone = is_deleted(&cluster.metadata);
        Report { kind: Kind::Cluster, object: name.clone(), status: Status::Cluster(status), findings: Vec::new(), is_gone }
    }
}

/// Whether it serves, and why not: what the broker says where there is one, else what Kubernetes says.
fn add_ready(actual: Option<&ActualBroker>, deployment: Option<&Deployment>, before: &[Condition], conditions: &mut Conditions) {
    let (ready, reconciling) = (ConditionType::Ready, ConditionType::Reconciling);
    let conflict = deployment.and_then(|deployment| deployment.conflict.as_ref());
    let is_refused = actual.is_some_and(|actual| actual.object_store.health == StoreHealth::RefusedNoConditionalWrites);
    let trouble = deployment.and_then(|deployment| deployment.problem.as_deref());
    match obstacle(actual, deployment) {
        _ if conflict.is_some() => {
            let message = conflict.cloned().unwrap_or_default();
            conditions.add(ready, ConditionStatus::False, Reason::Conflict, message.clone());
            conditions.add_true(ConditionType::Stalled, Reason::Conflict, message);
        }
        _ if is_refused => {
            let (_, _, message) = store_condition(StoreHealth::RefusedNoConditionalWrites);
            conditions.add(ready, ConditionStatus::False, Reason::StoreRefused, message);
        }
        None => conditions.add(ready, ConditionStatus::True, Reason::Available, "serving"),
        Some((reason, what)) => {
            // Where the broker itself says why, that is nearer to the cause.
            let says_why = actual.is_some_and(|actual| actual.closed.is_some());
            conditions.add(ready, ConditionStatus::False, reason, trouble.filter(|_| !says_why).unwrap_or(what));
        }
    }
    if let Some((reason, message)) = deployment.and_then(|deployment| deployment.progress.clone()) {
        conditions.add_true(reconciling, reason, message);
    }
    let is_away = |health: StoreHealth| matches!(health, StoreHealth::Unreachable | StoreHealth::AccessDenied);
    if let Some(actual) = actual.filter(|actual| is_away(actual.object_store.health)) {
        let (_, _, message) = store_condition(actual.object_store.health);
        conditions.add_true(ConditionType::Degraded, Reason::StoreAway, message);
    } else if let Some(message) = actual.and_then(damage) {
        conditions.add_true(ConditionType::Degraded, Reason::StoreDamaged, message);
    } else if actual.is_some_and(|actual| has_much_at_risk(actual, before)) {
        conditions.add_true(ConditionType::Degraded, Reason::BytesAtRiskHigh, BYTES_AT_RISK);
    } else if let Some(message) = deployment.and_then(|deployment| deployment.plaintext.clone()) {
        conditions.add_true(ConditionType::Degraded, Reason::PlaintextListener, message);
    }
}

/// Partitions that are named in a message; of more than these it says how many.
const NAMED_MAX: usize = 5;

/// What is damaged in the object store, in a sentence.
fn damage(actual: &ActualBroker) -> Option<String> {
    let named: Vec<String> = actual.damaged.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = match actual.damaged.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!named.is_empty()).then(|| {
        format!(
            "what the object store has of {}{more} is damaged: what came to them since is on the volume alone, and they are shipped again by \
             themselves once it is whole; the broker's log names the objects",
            named.join(", ")
        )
    })
}

const BYTES_AT_RISK: &str = "more than a quarter of the volume is acknowledged and in no object yet: were the volume lost, so were they; \
                             the object store is slower than what is written (status.objectStore.bytesAtRisk)";

/// Whether a quarter of the volume is on it alone although the object store answers; once so, until it is less than an eighth, so that it does
/// not come and go.
fn has_much_at_risk(actual: &ActualBroker, before: &[Condition]) -> bool {
    let was_so = before.iter().any(|one| one.is(ConditionType::Degraded) && one.reason == Reason::BytesAtRiskHigh.as_str());
    let (capacity, share) = (actual.storage.capacity.0, if was_so { 8 } else { 4 });
    actual.object_store.health == StoreHealth::Reachable && capacity > 0 && actual.object_store.bytes_at_risk.0 > capacity / share
}

/// What Kubernetes knows better than the broker: addresses, pods, the version that is asked for.
fn deployed(status: &mut ClusterStatus, before: &ClusterStatus, deployment: &Deployment) {
    status.version = Some(deployment.version.clone());
    status.selector = Some(deployment.selector.clone()).filter(|selector| !selector.is_empty()).or(before.selector.clone());
    status.replicas = i32::try_from(deployment.pods).ok();
    status.bootstrap_servers = deployment.bootstrap_servers.clone().or(before.bootstrap_servers.clone());
    status.listeners.clone_from(&deployment.listeners);
    status.listeners.sort_by(|left, right| left.name.cmp(&right.name));
    if deployment.pods_ready == 0 {
        *status = unserved(status);
    }
}

/// The status of brokers of which none is reached.
fn unserved(status: &ClusterStatus) -> ClusterStatus {
    let brokers = status.brokers.iter().map(|broker| BrokerStatus { ready: false, ..broker.clone() }).collect();
    ClusterStatus { ready_replicas: status.replicas.and(Some(0)), brokers, ..status.clone() }
}

/// Why a broker does not serve, or not all that is asked of it, or is not reached.
fn obstacle<'a>(actual: Option<&'a ActualBroker>, deployment: Option<&Deployment>) -> Option<(Reason, &'a str)> {
    let not_ready = |what| Some((Reason::BrokerNotReady, what));
    let Some(actual) = actual else { return not_ready("there is no broker yet") };
    if let Some(closed) = &actual.closed {
        let needs_store = actual.object_store.health != StoreHealth::NotConfigured;
        return Some((if needs_store { Reason::StoreUnavailable } else { Reason::BrokerNotReady }, closed));
    }
    match actual.storage.health {
        _ if !actual.ready => not_ready("the broker does not serve clients yet"),
        VolumeHealth::Healthy if deployment.is_some_and(|deployment| deployment.pods_ready == 0) => {
            not_ready("the broker serves, and its pod is not ready: its Services do not lead there yet")
        }
        VolumeHealth::Healthy => None,
        VolumeHealth::Full => not_ready(
            "the broker's volume is full: records are refused, reads go on; shorten retention or enlarge the volume, and it goes on by itself",
        ),
        VolumeHealth::Failed => {
            not_ready("a write to the broker's volume failed: nothing is acknowledged until it starts anew, reads go on")
        }
    }
}

fn store_condition(health: StoreHealth) -> (ConditionStatus, Reason, &'static str) {
    use ConditionStatus::{False, True, Unknown};
    match health {
        StoreHealth::NotConfigured => (True, Reason::NotConfigured, "there is no object store; a folder on the volume stands for it"),
        StoreHealth::Reachable => (True, Reason::Reachable, "the object store answers"),
        StoreHealth::Unasked => (Unknown, Reason::Unreachable, "the broker has not asked the object store yet"),
        StoreHealth::Unreachable => (False, Reason::Unreachable, "the object store does not answer; shipping waits"),
        StoreHealth::RefusedNoConditionalWrites => {
            (False, Reason::RefusedNoConditionalWrites, "the object store does not honour conditional writes and is not used")
        }
        StoreHealth::AccessDenied => (False, Reason::AccessDenied, "the object store refuses the credentials"),
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
