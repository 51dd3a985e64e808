//! Topics: names, owners, Clusters, deletion.

use control::Release;
use crds::{ConditionType, Kind};
use units::DurationMs;

use crate::house::{House, object, topic};

const ORDERS: &str = "apiVersion: streamwright.dev/v1alpha1\nkind: Topic\nmetadata: {name: orders}\nspec: {partitions: 6}\n";

fn of(kind: &str, name: &str, spec: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    format!("---\napiVersion: streamwright.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n")
}

#[test]
fn a_topic_of_two_lines_is_made_and_kept_for_a_week() {
    let mut house = House::process(ORDERS);
    house.look();
    let wanted = &house.last.brokers[&object("default")].topics[0];
    assert_eq!((wanted.name.as_str(), wanted.partitions, wanted.retention.total_time), ("orders", 6, Some(DurationMs(604_800_000))));
    assert_eq!(house.ready(Kind::Topic, "orders"), "False/Creating");
    assert_eq!(house.says(Kind::Topic, "orders", ConditionType::Reconciling), "True/Creating");
    house.converge();
    assert_eq!(house.ready(Kind::Topic, "orders"), "True/Available");
    assert_eq!(house.says(Kind::Topic, "orders", ConditionType::RetentionResolved), "True/Default");
    assert!(house.condition(Kind::Topic, "orders", ConditionType::Reconciling).is_none());
    let status = house.world.topics[0].status.clone().unwrap();
    assert_eq!(status.storage.unwrap().local_bytes, 12_000, "to two digits");
    assert_eq!((status.retention.unwrap().summary.as_str(), status.partitions), ("168h", Some(6)));
    assert!(status.topic_id.is_some());
}

#[test]
fn a_world_at_rest_is_written_nothing() {
    let mut house = House::process(&(ORDERS.to_owned() + &of("RetentionPolicy", "month", "{total: {time: 720h}}")));
    house.converge();
    let (brokers, reports, memory) = (house.last.brokers.clone(), house.last.reports.clone(), house.memory.clone());
    house.look();
    assert_eq!(house.last.brokers, brokers, "the same generation");
    assert_eq!(house.last.reports, reports, "not even a transition time");
    assert_eq!(house.memory, memory);
}

#[test]
fn a_change_is_a_new_generation_and_told_as_altering() {
    let mut house = House::process(ORDERS);
    house.converge();
    let before = house.last.brokers[&object("default")].generation;
    house.apply(&of("Topic", "orders", "{partitions: 7, config: [{name: max.message.bytes, value: '1000'}]}"));
    house.look();
    assert_eq!(house.last.brokers[&object("default")].generation, before + 1);
    assert_eq!(house.ready(Kind::Topic, "orders"), "False/Altering");
    house.converge();
    assert_eq!(house.ready(Kind::Topic, "orders"), "True/Available");
}

#[test]
fn of_two_topics_of_one_name_the_older_wins() {
    let mut house = House::process(
        &(of("Topic", "zebra", "{partitions: 1, topicName: same}") + &of("Topic", "ant", "{partitions: 2, topicName: same}")),
    );
    house.converge();
    assert_eq!(house.ready(Kind::Topic, "zebra"), "True/Available");
    assert_eq!(house.ready(Kind::Topic, "ant"), "False/Conflict");
    assert_eq!(house.says(Kind::Topic, "ant", ConditionType::Stalled), "True/Conflict");
    assert!(house.condition(Kind::Topic, "ant", ConditionType::Ready).unwrap().message.contains("default/zebra"));
    house.delete(Kind::Topic, "zebra");
    house.converge();
    assert_eq!(house.ready(Kind::Topic, "ant"), "True/Available", "it inherits the name");
}

#[test]
fn deleting_a_topic_retains_its_data_unless_told_otherwise() {
    for (policy, left) in [("Retain", vec!["orders"]), ("Delete", vec![])] {
        let mut house = House::process(&of("Topic", "orders", &format!("{{partitions: 1, deletionPolicy: {policy}}}")));
        house.converge();
        house.delete(Kind::Topic, "orders");
        house.look();
        assert_eq!(house.last.brokers[&object("default")].released.len(), 1);
        assert!(!house.report(Kind::Topic, "orders").is_gone, "not before the broker has let go");
        assert_eq!(house.ready(Kind::Topic, "orders"), "False/Deleting");
        house.converge();
        assert!(house.world.topics.is_empty());
        assert_eq!(house.topic_names(), left, "{policy}");
    }
}

#[test]
fn a_retained_topic_is_taken_back_with_its_id() {
    let mut house = House::process(ORDERS);
    house.converge();
    let id = house.world.brokers[&object("default")].topics[0].topic_id;
    house.delete(Kind::Topic, "orders");
    house.converge();
    assert!(house.world.brokers[&object("default")].topics[0].owner.is_none());
    house.apply(ORDERS);
    house.converge();
    assert_eq!(house.world.brokers[&object("default")].topics[0].topic_id, id);
    assert_eq!(house.ready(Kind::Topic, "orders"), "True/Available");
}

#[test]
fn a_deletion_names_the_topic_by_id() {
    let mut house = House::process(&of("Topic", "orders", "{partitions: 1, deletionPolicy: Delete}"));
    house.converge();
    let actual = house.world.brokers[&object("default")].topics[0].clone();
    house.delete(Kind::Topic, "orders");
    house.look();
    let released = &house.last.brokers[&object("default")].released[0];
    assert_eq!((released.topic_id, released.release), (actual.topic_id, Release::Delete));
}

#[test]
fn deletion_waits_for_a_broker_that_is_away_unless_forced() {
    let mut house = House::process(ORDERS);
    house.converge();
    house.world.brokers.clear();
    house.delete(Kind::Topic, "orders");
    house.look();
    assert!(!house.report(Kind::Topic, "orders").is_gone);
    house.world.topics[0].metadata.annotations = Some([("streamwright.dev/force-delete".to_owned(), "true".to_owned())].into());
    house.look();
    assert!(house.report(Kind::Topic, "orders").is_gone);
}

#[test]
fn an_observed_topic_is_not_touched() {
    let mut house = House::process(&of("Topic", "theirs", "{managementPolicy: Observe, schema: {columns: [{name: a, type: INT}]}}"));
    house.look();
    assert!(house.last.brokers[&object("default")].topics.is_empty());
    assert_eq!(house.ready(Kind::Topic, "theirs"), "False/NotReconciled");
}

#[test]
fn a_wrong_type_is_found_at_its_column() {
    let mut house =
        House::process(&of("Topic", "orders", "{partitions: 1, schema: {columns: [{name: a, type: INT}, {name: b, type: INTT}]}}"));
    house.converge();
    let report = house.report(Kind::Topic, "orders");
    assert_eq!(report.findings[0].path.to_string(), "spec.schema.columns[1].type");
    assert!(report.findings[0].message.contains("INTT"), "{:?}", report.findings);
    assert_eq!(house.ready(Kind::Topic, "orders"), "False/InvalidConfig");
    assert_eq!(house.topic_names(), ["orders"], "bytes can be written all the same");
}

#[test]
fn what_the_broker_refuses_is_told_in_its_words() {
    let mut house = House::process(&of("Topic", "orders", "{partitions: 1, config: [{name: x, value: z}]}"));
    let problem = control::TopicProblem { reason: control::TopicReason::InvalidConfig, message: "x is unknown".into() };
    house.world.brokers.get_mut(&object("default")).unwrap().problems.insert(topic("orders"), problem);
    house.look();
    assert_eq!(house.says(Kind::Topic, "orders", ConditionType::Stalled), "True/InvalidConfig");
    assert_eq!(house.condition(Kind::Topic, "orders", ConditionType::Ready).unwrap().message, "x is unknown");
}

#[test]
fn in_kubernetes_a_cluster_must_be_there_and_let_the_namespace_in() {
    let mut house = House::kubernetes(&of("Topic", "shop/orders", "{partitions: 1, clusterRef: {name: main, namespace: streaming}}"));
    house.look();
    assert_eq!(house.ready(Kind::Topic, "shop/orders"), "False/ClusterNotFound");
    house.apply(&of("Cluster", "streaming/main", "{}"));
    house.look();
    assert_eq!(house.says(Kind::Topic, "shop/orders", ConditionType::ClusterResolved), "False/NotAllowed");
    house.apply(&of("Cluster", "streaming/main", "{allowedNamespaces: {from: Selector, selector: {matchLabels: {team: a}}}}"));
    house.look();
    assert_eq!(house.ready(Kind::Topic, "shop/orders"), "False/NotAllowed");
    house.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n");
    house.look();
    assert_eq!(house.ready(Kind::Topic, "shop/orders"), "False/ClusterNotReady");
    assert_eq!(house.ready(Kind::Cluster, "streaming/main"), "False/BrokerNotReady");
    house.serve("streaming/main");
    house.converge();
    assert_eq!(house.ready(Kind::Topic, "shop/orders"), "True/Available");
    assert_eq!(house.ready(Kind::Cluster, "streaming/main"), "True/Available");
    assert_eq!(house.says(Kind::Cluster, "streaming/main", ConditionType::ObjectStoreReady), "True/NotConfigured");
}

#[test]
fn a_volume_that_takes_nothing_is_told_with_what_to_do() {
    let mut house = House::process(&of("Cluster", "default", "{}"));
    for (health, ready, words) in [
        (control::VolumeHealth::Full, "False/BrokerNotReady", "is full"),
        (control::VolumeHealth::Failed, "False/BrokerNotReady", "failed"),
        (control::VolumeHealth::Healthy, "True/Available", "serving"),
    ] {
        house.world.brokers.get_mut(&object("default")).unwrap().storage.health = health;
        house.look();
        assert_eq!(house.ready(Kind::Cluster, "default"), ready);
        let message = &house.condition(Kind::Cluster, "default", ConditionType::Ready).unwrap().message;
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_volume_with_much_that_is_in_no_object_yet_is_told_and_does_not_come_and_go() {
    let mut house = House::process(&of("Cluster", "default", "{}"));
    for (health, at_risk, is_told) in [
        (control::StoreHealth::Reachable, 25, false),
        (control::StoreHealth::Reachable, 26, true),
        (control::StoreHealth::Reachable, 13, true),
        (control::StoreHealth::Reachable, 12, false),
        (control::StoreHealth::Reachable, 13, false),
        (control::StoreHealth::NotConfigured, 90, false),
    ] {
        let broker = house.world.brokers.get_mut(&object("default")).unwrap();
        broker.storage.capacity = units::ByteCount(100);
        broker.object_store = control::ObjectStoreUse { health, bytes: units::ByteCount(0), bytes_at_risk: units::ByteCount(at_risk) };
        house.look();
        let told = house.condition(Kind::Cluster, "default", ConditionType::Degraded).map(|one| one.reason.clone());
        assert_eq!(told.as_deref() == Some("BytesAtRiskHigh"), is_told, "{health:?} {at_risk}: {told:?}");
    }
}

#[test]
fn a_pipeline_whose_cluster_is_not_there_waits() {
    let mut house = House::kubernetes(&of("Pipeline", "p", "{query: FROM a INTO b, clusterRef: {name: nowhere}}"));
    house.look();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/DependencyMissing");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::DependenciesReady), "False/ClusterNotReady");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::QueryValid), "Unknown/PlanError");
}

#[test]
fn in_a_process_any_cluster_means_the_one_broker() {
    let mut house = House::process(&of("Topic", "shop/orders", "{partitions: 1, clusterRef: {name: nowhere}}"));
    house.converge();
    assert_eq!(house.ready(Kind::Topic, "shop/orders"), "True/Available");
}

#[test]
fn the_examples_topics_all_come_into_being() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut house = House::process(&[read("cluster.yaml"), read("retention.yaml"), read("topics.yaml")].join("---\n"));
    house.converge();
    for name in ["flights", "late-departures", "delay-by-carrier-hour", "worst-hour-by-airport"] {
        assert_eq!(house.ready(Kind::Topic, name), "True/Available");
    }
    assert_eq!(house.ready(Kind::RetentionPolicy, "month"), "True/Available");
    assert_eq!(house.ready(Kind::Cluster, "default"), "True/Available");
}
