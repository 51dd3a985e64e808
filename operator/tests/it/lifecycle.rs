//! What becomes of objects of users, from apply to delete, and that a world at rest is written no more.

use crds::Kind;
use operator::resource::{Key, Resource};
use serde_json::json;
use std::time::Duration;

use crate::kit::World;

pub(crate) const CLUSTER: &str = "
apiVersion: streamwright.dev/v1alpha1
kind: Cluster
metadata: {name: default}
spec: {objectStore: {s3: {bucket: streams}}}
";

pub(crate) const TOPICS: &str = "
apiVersion: streamwright.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: month}
spec: {total: {time: 720h}}
---
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: orders}
spec: {partitions: 6, retentionPolicyRef: {name: month}, schema: {columns: [{name: a, type: INT}]}}
---
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: totals}
spec: {partitions: 2, deletionPolicy: Delete, schema: {columns: [{name: a, type: INT}]}}
";

pub(crate) const PIPELINE: &str = "
apiVersion: streamwright.dev/v1alpha1
kind: Pipeline
metadata: {name: sums}
spec: {query: FROM orders INTO totals STATE sum}
";

#[tokio::test(start_paused = true)]
async fn a_whole_platform_comes_up_and_says_so_and_is_written_no_more() {
    let mut world = World::new();
    world.apply(PIPELINE);
    world.apply(TOPICS);
    world.rest().await;
    assert_eq!(world.ready(Kind::Topic, "orders"), "False/ClusterNotFound");
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "False/DependencyMissing");
    world.apply(CLUSTER);
    world.rest().await;
    assert_eq!(world.ready(Kind::Cluster, "default"), "True/Available");
    assert_eq!(world.ready(Kind::Topic, "orders"), "True/Available");
    assert_eq!(world.ready(Kind::RetentionPolicy, "month"), "True/Available");
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "True/Available");
    let topics = world.workers.topics("default");
    assert!(topics.contains(&"orders x6 Topic default/orders 720h".into()), "{topics:?}");
    assert!(topics.contains(&"sums-dead-letters x1 Topic default/sums-dead-letters 168h".into()), "{topics:?}");
    assert!(topics.iter().any(|topic| topic.starts_with("_sw.default.sums.")), "{topics:?}");
    let status = world.get(Kind::Cluster, "default").unwrap()["status"].clone();
    assert_eq!((&status["version"], &status["bootstrapServers"]), (&json!("0.1.0"), &json!("default-bootstrap:9092")));

    let (writes, words) = (world.fake.writes(), world.workers.words());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!((world.fake.writes(), world.workers.words()), (writes, words), "{:#?}", world.last_writes());
    // A new operator finds everything as it should be; the broker alone is told once more, in words that change nothing.
    world.start();
    world.rest().await;
    assert_eq!(world.fake.writes(), writes, "{:#?}", world.last_writes());
    assert!(world.workers.words() <= words + 1);
}

#[tokio::test(start_paused = true)]
async fn a_topic_grows_keeps_its_data_when_it_goes_and_takes_it_back() {
    let mut world = World::new();
    world.apply(CLUSTER);
    world.apply(TOPICS);
    world.rest().await;
    world.apply(&TOPICS.replace("partitions: 6", "partitions: 8"));
    world.rest().await;
    assert_eq!(world.workers.topics("default")[0], "orders x8 Topic default/orders 720h");
    assert!(world.events().contains(&"PartitionsChanged: partitions 6 -> 8: spec.partitions".into()), "{:?}", world.events());

    assert!(world.get(Kind::Topic, "orders").unwrap()["metadata"]["finalizers"].is_null(), "data that stays needs no finalizer");
    world.delete(Kind::Topic, "orders");
    world.delete(Kind::Topic, "totals");
    world.rest().await;
    assert_eq!((world.get(Kind::Topic, "orders"), world.get(Kind::Topic, "totals")), (None, None));
    assert_eq!(world.workers.topics("default"), ["orders x8 nobody 720h"]);
    assert_eq!(world.workers.deleted(), ["totals"]);
    world.apply(TOPICS);
    world.rest().await;
    assert_eq!(world.workers.topics("default"), ["orders x8 Topic default/orders 720h", "totals x2 Topic default/totals 168h"]);
    assert_eq!(world.ready(Kind::Topic, "totals"), "True/Available");
}

#[tokio::test(start_paused = true)]
async fn of_two_topics_of_one_name_the_older_has_it_and_the_other_says_so() {
    let mut world = World::new();
    world.apply(&CLUSTER.replace("spec: {", "spec: {allowedNamespaces: {from: All}, "));
    world.apply("{apiVersion: streamwright.dev/v1alpha1, kind: Topic, metadata: {name: z}, spec: {topicName: t, partitions: 1}}");
    world.apply("{apiVersion: streamwright.dev/v1alpha1, kind: Topic, metadata: {name: a}, spec: {topicName: t, partitions: 2}}");
    world.rest().await;
    assert_eq!(world.ready(Kind::Topic, "z"), "True/Available");
    assert_eq!(world.says(Kind::Topic, "a", "Stalled"), "True/Conflict");
    assert_eq!(world.workers.topics("default"), ["t x1 Topic default/z 168h"]);
    world.delete(Kind::Topic, "z");
    world.rest().await;
    assert_eq!(world.ready(Kind::Topic, "a"), "True/Available");
    assert_eq!(world.workers.topics("default"), ["t x2 Topic default/a 168h"]);
}

#[tokio::test(start_paused = true)]
async fn retention_is_shortened_by_nobody_without_consent() {
    let mut world = World::new();
    world.apply(CLUSTER);
    world.apply(TOPICS);
    world.rest().await;
    let kept = |world: &World| world.workers.topics("default")[0].rsplit(' ').next().unwrap().to_owned();
    world.delete(Kind::RetentionPolicy, "month");
    world.rest().await;
    assert_eq!((kept(&world), world.says(Kind::Topic, "orders", "RetentionResolved")), ("720h".into(), "False/PolicyNotFound".into()));
    // Another, shorter policy.
    world.apply(&TOPICS.replace("720h", "24h"));
    world.rest().await;
    assert_eq!((kept(&world), world.says(Kind::Topic, "orders", "RetentionResolved")), ("720h".into(), "False/ShrinkNotAllowed".into()));
    world.apply(&TOPICS.replace("time: 720h}", "time: 24h}, allowShrink: true"));
    world.rest().await;
    assert_eq!((kept(&world), world.says(Kind::Topic, "orders", "RetentionResolved")), ("24h".into(), "True/Resolved".into()));
    let events = world.events();
    assert!(events.contains(&"RetentionChanged: retention 720h -> 24h: RetentionPolicy/month".into()), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_query_stops_nothing_and_one_that_would_lose_state_needs_consent() {
    let mut world = World::new();
    for manifests in [CLUSTER, TOPICS, PIPELINE] {
        world.apply(manifests);
    }
    world.rest().await;
    let before = world.get(Kind::Pipeline, "sums").unwrap()["status"]["layout"].clone();
    world.apply(&PIPELINE.replace("STATE sum", "BROKEN"));
    world.rest().await;
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "False/PlanError");
    let message = world.condition(Kind::Pipeline, "sums", "Stalled").unwrap().message;
    assert_eq!(message, "line 1, column 25: this is broken; generation 1 runs on");
    assert_eq!(world.names(Resource::Pod), ["default-broker-0", "sums-pipeline-0"]);
    // An operator that never saw the good one runs it on.
    world.start();
    world.rest().await;
    assert_eq!(world.workers.pipeline("sums", |running| running.plan_hash.clone()), "33");

    world.apply(&PIPELINE.replace("STATE sum", "STATE other"));
    world.rest().await;
    assert_eq!(world.says(Kind::Pipeline, "sums", "Stalled"), "True/StateLossNotAllowed");
    assert_eq!(world.get(Kind::Pipeline, "sums").unwrap()["status"]["layout"], before);
    world.apply(&PIPELINE.replace("STATE sum", "STATE other, upgrade: {allowStateLoss: true}"));
    world.rest().await;
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "True/Available");
    let after = world.get(Kind::Pipeline, "sums").unwrap()["status"]["layout"].clone();
    assert_ne!(before, after);
    // The topics of the layout given up are gone.
    let topics = world.workers.topics("default");
    assert!(topics.iter().all(|topic| !topic.contains(before.as_str().unwrap())), "{topics:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_is_suspended_resumed_and_leaves_nothing_behind_but_its_dead_letters() {
    let mut world = World::new();
    for manifests in [CLUSTER, TOPICS, PIPELINE] {
        world.apply(manifests);
    }
    world.rest().await;
    world.apply(&PIPELINE.replace("query:", "suspend: true, query:"));
    world.rest().await;
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "True/Suspended");
    assert_eq!(world.names(Resource::Pod), ["default-broker-0"]);
    world.apply(&PIPELINE.replace("query:", "replicas: 0, suspend: false, query:"));
    world.rest().await;
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "True/Idle");
    world.apply(&PIPELINE.replace("query:", "replicas: 1, suspend: false, query:"));
    world.rest().await;
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "True/Available");
    assert_eq!(world.names(Resource::Pod), ["default-broker-0", "sums-pipeline-0"]);

    world.delete(Kind::Pipeline, "sums");
    world.rest().await;
    assert_eq!(world.get(Kind::Pipeline, "sums"), None);
    assert_eq!(world.names(Resource::Pod), ["default-broker-0"]);
    assert!(world.names(Resource::ConfigMap).is_empty(), "{:?}", world.names(Resource::ConfigMap));
    let topics = world.workers.topics("default");
    assert!(topics.iter().all(|topic| !topic.starts_with("_sw.")), "{topics:?}");
    assert!(topics.iter().any(|topic| topic.starts_with("sums-dead-letters x1 Topic")), "{topics:?}");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_goes_goes() {
    let mut world = World::new();
    for manifests in [CLUSTER, TOPICS, PIPELINE] {
        world.apply(manifests);
    }
    world.rest().await;
    // What the namespace controller does: no new objects, and each one deleted.
    world.fake.user(|store| {
        let namespace = Key::new(Resource::Namespace, "", "default");
        store.patch(&namespace, &json!({"metadata": {"finalizers": ["kubernetes"]}})).unwrap();
        store.delete(&namespace, None, false).unwrap();
        let all: Vec<Key> = store.objects.keys().filter(|key| key.namespace == "default").cloned().collect();
        all.iter().for_each(|key| drop(store.delete(key, None, false)));
    });
    world.rest().await;
    let left = world.fake.user(|store| {
        store.objects.keys().filter(|key| key.namespace == "default" && key.resource != Resource::Event).cloned().collect::<Vec<_>>()
    });
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_object_is_left_alone_and_says_so() {
    let mut world = World::new();
    world.apply(CLUSTER);
    world.apply(TOPICS);
    world.rest().await;
    world.annotate(Kind::Topic, "orders", "streamwright.dev/reconcile", json!("paused"));
    world.apply(&TOPICS.replace("partitions: 6", "partitions: 9"));
    world.rest().await;
    assert_eq!(world.workers.topics("default")[0], "orders x6 Topic default/orders 720h");
    let message = world.condition(Kind::Topic, "orders", "Ready").unwrap().message;
    assert!(message.contains("paused"), "{message}");
    world.annotate(Kind::Topic, "orders", "streamwright.dev/reconcile", json!(null));
    world.rest().await;
    assert_eq!(world.workers.topics("default")[0], "orders x9 Topic default/orders 720h");
    assert_eq!(world.ready(Kind::Topic, "orders"), "True/Available");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_stops_no_other_and_loses_nothing() {
    let mut world = World::new();
    for manifests in [CLUSTER, TOPICS, PIPELINE] {
        world.apply(manifests);
    }
    world.rest().await;
    let before = world.workers.topics("default");
    // As a newer version of the product might have written it.
    world.fake.user(|store| {
        for (kind, name) in [(Kind::Pipeline, "sums"), (Kind::Topic, "totals")] {
            let key = Key::ours(kind, &crate::kit::object(name));
            store.objects.get_mut(&key).unwrap().body["spec"]["deletionPolicy"] = json!({"inThreeDays": true});
            store.touch(&key);
        }
    });
    world.start();
    world.apply("{apiVersion: streamwright.dev/v1alpha1, kind: Topic, metadata: {name: z}, spec: {partitions: 1}}");
    world.rest().await;
    assert_eq!(world.ready(Kind::Topic, "z"), "True/Available");
    let after = world.workers.topics("default");
    assert!(before.iter().all(|topic| after.contains(topic)), "{before:?} {after:?}");
    assert_eq!(world.names(Resource::Pod), ["default-broker-0", "sums-pipeline-0"]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_upgrade_restarts_no_pod_and_workers_that_are_away_change_nothing() {
    let mut world = World::new();
    for manifests in [CLUSTER, TOPICS, PIPELINE] {
        world.apply(manifests);
    }
    world.rest().await;
    let pods = |world: &World| {
        world.fake.user(|store| {
            store
                .objects
                .iter()
                .filter(|(key, _)| key.resource == Resource::Pod)
                .map(|(_, stored)| stored.body["metadata"]["uid"].clone())
                .collect::<Vec<_>>()
        })
    };
    let (before, writes) = (pods(&world), world.fake.writes());
    world.version = "0.2.0".into();
    world.start();
    world.rest().await;
    assert_eq!((pods(&world), world.fake.writes()), (before.clone(), writes), "{:#?}", world.last_writes());
    world.workers.be_away(true);
    world.rest().await;
    assert_eq!(world.ready(Kind::Cluster, "default"), "False/BrokerNotReady");
    assert_eq!(pods(&world), before);
    world.workers.be_away(false);
    world.rest().await;
    assert_eq!(world.ready(Kind::Pipeline, "sums"), "True/Available");
    world.apply("{apiVersion: streamwright.dev/v1alpha1, kind: Cluster, metadata: {name: new}, spec: {}}");
    world.rest().await;
    assert_eq!(world.get(Kind::Cluster, "new").unwrap()["status"]["version"], "0.2.0");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_watched_is_said_where_people_look_and_waited_for() {
    let mut world = World::new();
    world.fake.state().forbidden = Some(Resource::NetworkPolicy);
    [PIPELINE, TOPICS, CLUSTER].iter().for_each(|manifests| world.apply(manifests));
    world.rest().await;
    let refused = world.health.refused();
    assert!(refused.len() == 1 && refused[0].starts_with("networkpolicies of all namespaces cannot be watched"), "{refused:?}");
    assert!(world.health.metrics.text().contains("streamwright_operator_watches_refused 1"));
    let told: Vec<_> = world.events().into_iter().filter(|event| event.starts_with("WatchRefused: networkpolicies")).collect();
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert_eq!(world.fake.writes(), 1, "nothing is decided by one who does not see: {:#?}", world.last_writes());
    world.fake.state().forbidden = None;
    world.rest().await;
    assert!(world.health.refused().is_empty());
    assert_eq!(world.ready(Kind::Cluster, "default"), "True/Available");
}
