//! The process of a broker's pod.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use control::{Actual, Desired, DesiredBroker, ObjectRef, ProposalKind, grpc::CallError};
use futures::StreamExt;

use crate::{
    kit::text,
    pod::{Namespace, Pod, cluster, free_port, kafka, listener, produce, read, topic},
};

fn state(generation: u64, port: u16, tls: Option<&str>) -> DesiredBroker {
    DesiredBroker {
        topics: vec![topic("orders", 1)],
        listeners: vec![listener("any", port, tls)],
        ..DesiredBroker::new(generation, cluster())
    }
}

#[tokio::test]
async fn what_was_pushed_last_is_in_force_after_sigkill_without_an_operator() {
    let namespace = Namespace::new();
    let (config, port) = (namespace.broker(""), free_port());
    let pod = config.start();
    config.wait_for("/readyz", |status, body| status == 503 && body.contains("operator"));
    let actual = namespace.push_broker(&config, state(7, port, None)).await;
    assert_eq!((actual.generation, actual.topics.len(), actual.listeners.len(), actual.problems.len()), (7, 1, 1, 0), "{actual:#?}");
    config.wait_until_ready();
    let client = kafka(port, None).await;
    produce(&client, "orders", (0..10).map(|index| format!("row {index}"))).await;
    pod.kill();
    let pod = config.start();
    config.wait_until_ready();
    assert_eq!(read(&kafka(port, None).await, "orders").await.len(), 10, "what was acknowledged is there");
    // Whoever comes back with an older state changes nothing.
    let older = DesiredBroker { topics: Vec::new(), listeners: Vec::new(), ..state(6, port, None) };
    let actual = namespace.push_broker(&config, older).await;
    assert_eq!((actual.generation, actual.incarnation.0, actual.listeners.len()), (7, 2, 1));
    let (status, said) = pod.terminate();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[tokio::test]
async fn probes_and_metrics_say_how_it_is() {
    let namespace = Namespace::new();
    let (config, port) = (namespace.broker(""), free_port());
    let _pod = config.start();
    config.wait_for("/livez", |status, _| status == 200);
    namespace.push_broker(&config, state(1, port, None)).await;
    config.wait_until_ready();
    produce(&kafka(port, None).await, "orders", ["x".to_owned()]).await;
    let metrics = config.wait_for("/metrics", |status, body| status == 200 && body.contains("api=\"Produce\""));
    for line in [
        "streamwright_broker_desired_generation 1.0",
        "streamwright_broker_requests_total{api=\"Produce\"} 1.0",
        "streamwright_topic_records_appended_total{topic=\"orders\"} 2.0",
        "streamwright_volume_failed 0.0",
        "streamwright_log_flush_seconds{quantile=\"0.99\"} ",
        "streamwright_object_store_at_risk_bytes ",
    ] {
        assert!(metrics.lines().any(|one| one.starts_with(line)), "no {line} in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(config.get("/anything").map(|(status, _)| status), Some(404));
}

#[tokio::test]
async fn kcat_speaks_tls_and_is_refused_in_plain_text() {
    let namespace = Namespace::new();
    let (config, port) = (namespace.broker(""), free_port());
    let _pod = config.start();
    let actual = namespace.push_broker(&config, state(1, port, Some("outside"))).await;
    assert_eq!(actual.listener_problems.len(), 0, "{actual:#?}");
    let authority = format!("ssl.ca.location={}", namespace.path("tls/outside/ca.crt").display());
    let address = format!("localhost:{port}");
    let kcat = |more: &[&str]| {
        let mut command = Command::new("kcat");
        command.args(["-b", &address, "-X", "broker.address.family=v4", "-m", "10"]).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("kcat is installed")
    };
    let secure = ["-X", "security.protocol=ssl", "-X", authority.as_str()];
    let mut producer = kcat(&[&secure[..], &["-P", "-t", "orders"]].concat());
    producer.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    let produced = producer.wait_with_output().unwrap();
    assert!(produced.status.success(), "{}", text(&produced.stderr));
    let consumed = kcat(&[&secure[..], &["-C", "-t", "orders", "-o", "beginning", "-e", "-q"]].concat()).wait_with_output().unwrap();
    assert_eq!(text(&consumed.stdout), "one\ntwo\n", "{}", text(&consumed.stderr));
    let plain = kcat(&["-L"]).wait_with_output().unwrap();
    assert!(!plain.status.success(), "plain text on a TLS port: {}", text(&plain.stdout));
    // Certificates are replaced while it runs.
    let client = kafka(port, Some(&namespace.path("tls/outside"))).await;
    namespace.issue("tls/outside", "localhost");
    tokio::time::timeout(Duration::from_secs(20), produce(&client, "orders", ["three".to_owned()])).await.unwrap();
    assert_eq!(read(&kafka(port, Some(&namespace.path("tls/outside"))).await, "orders").await, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_clients_topic_goes_through_the_operator_by_kafkas_own_tools() {
    let namespace = Namespace::new();
    let (config, port) = (namespace.broker(""), free_port());
    let _pod = config.start();
    namespace.push_broker(&config, state(1, port, None)).await;
    let operator = namespace.operator(&config).await;
    let mut watch = operator.watch().await.unwrap();
    let admin = client::Admin::new(kafka(port, None).await);
    let wanted =
        client::NewTopic { name: units::TopicName::new("mine").unwrap(), partitions: 3, replication_factor: -1, configs: Vec::new() };
    let creating = tokio::spawn(async move { admin.create_topic(&wanted).await });
    // The operator hears of it, and declares it.
    let asked = loop {
        let Actual::Broker(actual) = watch.next().await.unwrap().unwrap() else { panic!("a broker answers") };
        if let Some(asked) = actual.proposals.into_iter().next() {
            break asked;
        }
    };
    assert_eq!((asked.kind, asked.topic.as_str(), asked.partitions), (ProposalKind::Create, "mine", 3));
    let mut next = state(2, port, None);
    next.topics.push(control::DesiredTopic { retention: asked.retention, ..topic("mine", asked.partitions) });
    next.client_topics.insert(asked.topic.clone());
    namespace.push_broker(&config, next).await;
    assert!(creating.await.unwrap().unwrap(), "it was made now");
    // One of a manifest is not a client's to delete.
    let refused = client::Admin::new(kafka(port, None).await).delete_topic(&units::TopicName::new("orders").unwrap()).await.unwrap_err();
    assert_eq!(refused.code(), Some(wire::ErrorCode::PolicyViolation), "{refused}");
}

#[tokio::test]
async fn what_is_meant_for_others_is_refused() {
    let namespace = Namespace::new();
    let config = namespace.broker("");
    let _pod = config.start();
    let other = ObjectRef { namespace: "streaming".into(), name: "other".into() };
    namespace.push_broker(&config, state(1, free_port(), None)).await;
    let refused = namespace.operator(&config).await.push(Desired::Broker(DesiredBroker::new(2, other))).await.unwrap_err();
    assert_eq!(refused, CallError::Refused("this is a broker of Cluster streaming/main, not of streaming/other".into()));
}

#[test]
fn what_it_cannot_start_with_is_said_with_a_way_out() {
    let namespace = Namespace::new();
    let says = |pod: &Pod, words: &str| {
        let from = std::time::Instant::now();
        // Its last words come through a pipe.
        while !pod.said().contains(words) {
            assert!(from.elapsed() < crate::kit::PATIENCE, "{words} is not in {}", pod.said());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    };
    let ends = |more: &str, words: &str| {
        let mut pod = namespace.broker(more).start();
        assert_eq!(pod.wait().code(), Some(1));
        says(&pod, words);
    };
    let nowhere = namespace.path("none");
    let bucket = format!("bucket: acme, region: us-east-1, endpoint: 'http://127.0.0.1:1', credentialsDir: {}", nowhere.display());
    // What may come yet is waited for, and said: here the credentials, of which the empty volume needs some.
    let pod = namespace.broker(&format!("objectStore: {{s3: {{{bucket}}}}}")).start();
    says(&pod, "waiting for the object store");
    says(&pod, "AWS_ACCESS_KEY_ID is missing or empty");
    assert_eq!(pod.terminate().0.code(), Some(0));
    ends("objectStore: {}", "one kind: s3, or folder");
    ends("brokerId: many", "brokerId");
    std::fs::remove_file(namespace.path("control/tls.key")).unwrap();
    ends("", "control/tls.key");
}
