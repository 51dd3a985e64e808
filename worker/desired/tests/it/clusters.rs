//! Clusters: what is said of brokers that are not reached, or cannot start.

use control::{ActualBroker, DamagedPartition, ObjectStoreUse, StoreHealth};
use crds::{ConditionType, Kind, cluster::BrokerStatus};
use streamwright_desired::Deployment;
use units::{BrokerId, ByteCount, Incarnation, PartitionId, TopicName};

use crate::house::{House, object};

const MANIFESTS: &str = "apiVersion: streamwright.dev/v1alpha1
kind: Cluster
metadata: {name: default}
spec: {}
---
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: orders}
spec: {partitions: 6}
";

/// A Cluster in Kubernetes whose broker serves, in a pod that is ready.
fn serving() -> House {
    let mut house = House::kubernetes(MANIFESTS);
    house.serve("default");
    pods(&mut house, 1);
    house.converge();
    house
}

fn pods(house: &mut House, ready: u32) {
    let deployment = Deployment { pods: 1, pods_ready: ready, ..Deployment::default() };
    house.world.deployments.insert((Kind::Cluster, object("default")), deployment);
}

fn brokers(house: &House) -> (Option<i32>, Vec<BrokerStatus>) {
    let status = house.world.clusters[0].status.clone().unwrap();
    (status.ready_replicas, status.brokers)
}

#[test]
fn a_broker_whose_pod_is_not_ready_is_not_reached() {
    let mut house = serving();
    assert_eq!(house.ready(Kind::Cluster, "default"), "True/Available");
    assert_eq!(brokers(&house).0, Some(1));
    pods(&mut house, 0);
    house.converge();
    assert_eq!(house.ready(Kind::Cluster, "default"), "False/BrokerNotReady");
    let (ready, brokers) = brokers(&house);
    assert_eq!((ready, brokers.len(), brokers[0].ready), (Some(0), 1, false));
}

#[test]
fn a_broker_that_waits_for_the_store_says_so_and_is_told_nothing() {
    let mut house = serving();
    let before = house.world.brokers.remove(&object("default")).unwrap();
    let nothing = ActualBroker::new(BrokerId(-1), Incarnation(0));
    let closed = ActualBroker {
        closed: Some("no answer from the bucket".into()),
        object_store: ObjectStoreUse { health: StoreHealth::Unreachable, bytes: ByteCount(0), bytes_at_risk: ByteCount(0) },
        ..nothing
    };
    house.world.closed.insert(object("default"), closed);
    pods(&mut house, 0);
    house.converge();
    assert!(house.last.brokers.is_empty());
    assert_eq!(house.ready(Kind::Cluster, "default"), "False/StoreUnavailable");
    assert_eq!(house.says(Kind::Cluster, "default", ConditionType::ObjectStoreReady), "False/Unreachable");
    assert_eq!(house.says(Kind::Cluster, "default", ConditionType::Degraded), "True/StoreAway");
    assert!(house.condition(Kind::Cluster, "default", ConditionType::Ready).unwrap().message.contains("no answer from the bucket"));
    assert_eq!(house.ready(Kind::Topic, "orders"), "False/ClusterNotReady");
    assert!(!brokers(&house).1[0].ready);
    house.world.closed.clear();
    house.world.brokers.insert(object("default"), before);
    pods(&mut house, 1);
    house.converge();
    assert_eq!(house.ready(Kind::Topic, "orders"), "True/Available");
}

#[test]
fn what_is_damaged_in_the_object_store_is_said_of_the_cluster() {
    let mut house = serving();
    let orders = |partition| DamagedPartition { topic: TopicName::new("orders").unwrap(), partition: PartitionId(partition) };
    house.world.brokers.get_mut(&object("default")).unwrap().damaged = (0..7).map(orders).collect();
    house.converge();
    assert_eq!(house.ready(Kind::Cluster, "default"), "True/Available");
    assert_eq!(house.says(Kind::Cluster, "default", ConditionType::Degraded), "True/StoreDamaged");
    let message = house.condition(Kind::Cluster, "default", ConditionType::Degraded).unwrap().message.clone();
    assert!(message.contains("orders-0, orders-1, orders-2, orders-3, orders-4 and 2 more is damaged"), "{message}");
    house.world.brokers.get_mut(&object("default")).unwrap().damaged.clear();
    house.converge();
    assert!(house.condition(Kind::Cluster, "default", ConditionType::Degraded).is_none());
}

#[test]
fn a_store_that_was_not_asked_yet_is_no_trouble() {
    let mut house = serving();
    house.world.brokers.get_mut(&object("default")).unwrap().object_store.health = StoreHealth::Unasked;
    house.look();
    assert_eq!(house.says(Kind::Cluster, "default", ConditionType::ObjectStoreReady), "Unknown/Unreachable");
    assert!(house.condition(Kind::Cluster, "default", ConditionType::Degraded).is_none());
    assert_eq!(house.ready(Kind::Cluster, "default"), "True/Available");
}

#[test]
fn a_broker_that_recovers_its_log_has_no_say_about_the_store() {
    let mut house = serving();
    house.world.brokers.clear();
    let closed = ActualBroker { closed: Some("the log is being recovered".into()), ..ActualBroker::new(BrokerId(-1), Incarnation(0)) };
    house.world.closed.insert(object("default"), closed);
    house.converge();
    assert_eq!(house.ready(Kind::Cluster, "default"), "False/BrokerNotReady");
    assert_eq!(house.says(Kind::Cluster, "default", ConditionType::ObjectStoreReady), "Unknown/Unreachable");
}
