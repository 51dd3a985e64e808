//! The process of a pipeline's pod, against the process of a broker's.

use std::{fs, time::Duration};

use client::Cluster;
use control::{
    Actual, ActualPipeline, Column, ColumnSource, Desired, DesiredBroker, DesiredPipeline, Format, InternalTopic, InternalUse, Layout,
    Life, ObjectRef, Phase, StartFrom, Table, grpc::CallError,
};
use units::{DurationMs, GroupId, TopicName};

use crate::{
    kit::PATIENCE,
    pod::{Namespace, PodConfig, cluster, free_port, kafka, listener, produce, read, topic},
};

fn table(name: &str) -> Table {
    let column = Column { name: "id".into(), data_type: "INT".into(), from: ColumnSource::Value };
    Table {
        name: name.into(),
        topic: TopicName::new(name).unwrap(),
        partitions: 1,
        format: Format::Json,
        columns: vec![column],
        key: Vec::new(),
        event_time: None,
    }
}

/// `copies` gets twice each number of `orders`.
fn doubling(generation: u64) -> DesiredPipeline {
    let layout = Layout::new("1c9e04d7", 1, 8).unwrap();
    let prefix = format!("_sw.shop.doubling.{layout}");
    let state = TopicName::new(&format!("{prefix}.state")).unwrap();
    DesiredPipeline {
        generation,
        pipeline: ObjectRef { namespace: "shop".into(), name: "doubling".into() },
        uid: "1c9e04d7-0000-0000-0000-000000000000".into(),
        store_prefix: format!("pipelines/shop/doubling/{layout}"),
        layout,
        life: Life::Run,
        replicas: 1,
        query: "INSERT INTO copies SELECT id * 2 AS id FROM orders".into(),
        tables: vec![table("copies"), table("orders")],
        plan_hash: "00".into(),
        group: GroupId::from(prefix.as_str()),
        transactional_id_prefix: prefix,
        internal_topics: vec![InternalTopic { name: state, purpose: InternalUse::State, partitions: 1 }],
        dead_letters: TopicName::new("doubling-dead-letters").unwrap(),
        commit_interval: DurationMs(20),
        start_from: StartFrom::Earliest,
        files_root: None,
    }
}

fn topics(port: u16) -> DesiredBroker {
    let pipeline = doubling(1);
    let names = ["orders", "copies", pipeline.dead_letters.as_str(), pipeline.internal_topics[0].name.as_str()];
    DesiredBroker {
        topics: names.map(|name| topic(name, 1)).to_vec(),
        listeners: vec![listener("internal", port, Some("outside"))],
        ..DesiredBroker::new(1, cluster())
    }
}

fn pipeline_config(namespace: &Namespace, port: u16) -> PodConfig {
    fs::write(namespace.path("desired.json"), serde_json::to_vec(&doubling(1)).unwrap()).unwrap();
    let authority = namespace.path("tls/outside");
    namespace.pipeline("doubling", &format!("{{bootstrapServers: 'localhost:{port}', caDir: {}}}", authority.display()), "")
}

async fn actual(namespace: &Namespace, config: &PodConfig, desired: DesiredPipeline) -> ActualPipeline {
    match namespace.push(config, Desired::Pipeline(desired)).await {
        Actual::Pipeline(actual) => actual,
        Actual::Broker(_) => panic!("a broker answers"),
    }
}

async fn until_copied(cluster: &Cluster, count: usize) -> Vec<String> {
    let from = std::time::Instant::now();
    loop {
        let copies = read(cluster, "copies").await;
        if copies.len() >= count {
            return copies;
        }
        assert!(from.elapsed() < PATIENCE, "{} copies of {count}", copies.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn results_are_there_exactly_once_although_each_process_is_killed_again_and_again() {
    let namespace = Namespace::new();
    let port = free_port();
    let broker_config = namespace.broker("");
    let mut broker = broker_config.start();
    namespace.push_broker(&broker_config, topics(port)).await;
    let config = pipeline_config(&namespace, port);
    let mut pipeline = config.start();
    config.wait_until_ready();
    let authority = namespace.path("tls/outside");
    let rounds = 6;
    for round in 0..rounds {
        let client = kafka(port, Some(&authority)).await;
        produce(&client, "orders", (round * 500..round * 500 + 500).map(|id| format!("{{\"id\":{id}}}"))).await;
        // At whatever point it is: in the middle of commits, mostly.
        if round % 2 == 0 {
            pipeline.kill();
            pipeline = config.start();
        } else {
            broker.kill();
            broker = broker_config.start();
            broker_config.wait_until_ready();
        }
    }
    let client = kafka(port, Some(&authority)).await;
    let mut copies: Vec<i64> = until_copied(&client, rounds * 500)
        .await
        .iter()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap()["id"].as_i64().unwrap())
        .collect();
    copies.sort_unstable();
    assert_eq!(copies, (0..i64::try_from(rounds).unwrap() * 500).map(|id| id * 2).collect::<Vec<_>>());
    let (status, said) = pipeline.terminate();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopped") && !said.contains("takes longer"), "{said}");
}

#[tokio::test]
async fn it_follows_the_operator_and_says_where_it_stands() {
    let namespace = Namespace::new();
    let port = free_port();
    let broker_config = namespace.broker("");
    let _broker = broker_config.start();
    let config = pipeline_config(&namespace, port);
    // It begins although nobody serves yet, and says so.
    let pod = config.start();
    config.wait_for("/livez", |status, _| status == 200);
    config.wait_for("/readyz", |status, body| status == 503 && body.contains("ClusterNotReady"));
    namespace.push_broker(&broker_config, topics(port)).await;
    config.wait_until_ready();
    let client = kafka(port, Some(&namespace.path("tls/outside"))).await;
    produce(&client, "orders", ["{\"id\":1}".to_owned()]).await;
    until_copied(&client, 1).await;
    let metrics = config.wait_for("/metrics", |_, body| body.contains("streamwright_pipeline_rows_in_total 1.0"));
    assert!(metrics.contains("streamwright_pipeline_phase{phase=\"Running\"} 1.0"), "{metrics}");
    // Suspended, it holds still; an older state does not wake it; a newer one does.
    let suspended = DesiredPipeline { life: Life::Suspend, ..doubling(2) };
    actual(&namespace, &config, suspended).await;
    config.wait_for("/metrics", |_, body| body.contains("streamwright_pipeline_phase{phase=\"Suspended\"} 1.0"));
    produce(&client, "orders", ["{\"id\":2}".to_owned()]).await;
    let stale = actual(&namespace, &config, doubling(1)).await;
    assert_eq!((stale.generation, stale.phase), (2, Phase::Suspended));
    actual(&namespace, &config, doubling(3)).await;
    assert_eq!(until_copied(&client, 2).await, ["{\"id\":2}", "{\"id\":4}"]);
    let other = DesiredPipeline { pipeline: ObjectRef { namespace: "shop".into(), name: "other".into() }, ..doubling(4) };
    let refused = namespace.operator(&config).await.push(Desired::Pipeline(other)).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(_)), "{refused}");
    let (status, said) = pod.terminate();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn what_it_cannot_start_with_is_said() {
    let namespace = Namespace::new();
    let config = namespace.pipeline("doubling", "{bootstrapServers: 'localhost:1'}", "");
    let mut pod = config.start();
    assert_eq!(pod.wait().code(), Some(1));
    let from = std::time::Instant::now();
    while !pod.said().contains("desired.json") {
        assert!(from.elapsed() < PATIENCE, "{}", pod.said());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
