//! Operator and worker over real sockets and certificates.

mod kit;

use std::time::Duration;

use futures::StreamExt;
use kit::{Home, Stub, cluster, desired, until};
use streamwright_control::{
    Actual, Desired, DesiredBroker, DesiredTopic, ObjectRef, Owner, OwnerKind, Retention,
    grpc::{CallError, Client, ClientTls},
};
use units::TopicName;

#[tokio::test]
async fn what_is_pushed_is_gone_through_once_and_what_is_comes_back() {
    let home = Home::new();
    let worker = home.serve().await;
    let client = worker.connect(&home).await.unwrap();
    let actual = client.push(desired(3)).await.unwrap();
    assert_eq!(actual.generation(), 3);
    assert_eq!(client.push(desired(2)).await.unwrap().generation(), 3, "an older state changes nothing");
    assert_eq!(client.push(desired(3)).await.unwrap().generation(), 3);
}

#[tokio::test]
async fn a_watch_says_what_is_at_once_and_then_what_changed() {
    let home = Home::new();
    let worker = home.serve().await;
    let client = worker.connect(&home).await.unwrap();
    let mut watch = client.watch().await.unwrap();
    let mut next = async || tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap().unwrap().unwrap().generation();
    assert_eq!(next().await, 0);
    client.push(desired(1)).await.unwrap();
    assert_eq!(next().await, 1);
    // Many changes are one message, or few, and the last is the newest.
    for generation in 2..=50 {
        client.push(desired(generation)).await.unwrap();
    }
    let mut messages = 1;
    while next().await < 50 {
        messages += 1;
    }
    assert!(messages < 25, "{messages} messages for 49 changes");
}

#[tokio::test]
async fn refusals_are_told_from_what_may_pass() {
    let home = Home::new();
    let worker = home.serve().await;
    let client = worker.connect(&home).await.unwrap();
    let other = ObjectRef { namespace: "elsewhere".into(), name: "main".into() };
    let refused = client.push(Desired::Broker(DesiredBroker::new(1, other))).await.unwrap_err();
    assert_eq!(refused, CallError::Refused("this is a broker of Cluster streaming/main, not of elsewhere/main".into()));
    worker.stub.fail(true);
    let failed = client.push(desired(1)).await.unwrap_err();
    assert!(failed.is_passing() && failed.to_string().contains("the volume is full"), "{failed}");
    worker.stub.fail(false);
    client.push(desired(1)).await.unwrap();
}

#[tokio::test]
async fn ten_thousand_topics_go_through_and_come_back() {
    let home = Home::new();
    let worker = home.serve().await;
    let client = worker.connect(&home).await.unwrap();
    let topic = |index: usize| DesiredTopic {
        name: TopicName::new(&format!("a-rather-long-name-of-a-topic-that-somebody-declared-{index:06}")).unwrap(),
        topic_id: None,
        partitions: 6,
        retention: Retention::default(),
        config: Vec::new(),
        owner: Owner { kind: OwnerKind::Topic, object: ObjectRef { namespace: "shop".into(), name: format!("topic-{index}") } },
        internal: false,
    };
    let topics = (0..10_000).map(topic).collect();
    let wanted = DesiredBroker { topics, ..DesiredBroker::new(1, cluster()) };
    client.push(Desired::Broker(wanted.clone())).await.unwrap();
    assert_eq!(worker.stub.last(), wanted);
}

#[tokio::test]
async fn nobody_but_the_operator_is_let_in() {
    let home = Home::new();
    let worker = home.serve().await;
    for (issuer, name) in [("another CA", "streamwright-operator"), ("", "main-broker-0"), ("", "someone")] {
        let stranger = home.client_folder(!issuer.is_empty(), name);
        let tls = ClientTls::open(stranger.path()).unwrap();
        let outcome = match Client::connect(&worker.address, Home::SERVER, &tls).await {
            Ok(client) => client.push(desired(1)).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        assert!(outcome.is_err(), "{name} of {issuer} was let in: {outcome:?}");
    }
    // A worker under another name is not the one that is meant.
    let error = Client::connect(&worker.address, "main-broker-1", &home.client_tls()).await.unwrap_err().to_string();
    assert!(error.contains("certificate not valid for name"), "{error}");
    assert_eq!(worker.stub.generation(), 0);
}

#[tokio::test]
async fn certificates_are_replaced_while_the_operator_is_connected() {
    let mut home = Home::new();
    let worker = home.serve().await;
    let client = worker.connect(&home).await.unwrap();
    let mut watch = client.watch().await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().generation(), 0);
    let old = home.client_folder(false, "streamwright-operator");
    home.rotate();
    // The connection that is open lives on.
    client.push(desired(1)).await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().generation(), 1);
    // New ones need the new certificates, on both sides.
    until("the new certificates count", async || match worker.connect(&home).await {
        Ok(client) => client.push(desired(2)).await.is_ok(),
        Err(_) => false,
    })
    .await;
    let with_old = match Client::connect(&worker.address, Home::SERVER, &ClientTls::open(old.path()).unwrap()).await {
        Ok(client) => client.push(desired(3)).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    assert!(with_old.is_err(), "the old CA still counts");
}

#[tokio::test]
async fn a_worker_that_comes_back_is_found_by_the_same_client() {
    let home = Home::new();
    let worker = home.serve().await;
    let client = worker.connect(&home).await.unwrap();
    client.push(desired(1)).await.unwrap();
    let address = worker.stop();
    let error = client.push(desired(2)).await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    let _worker = home.serve_at(Stub::new(), &address).await;
    until("it is found", async || matches!(client.push(desired(2)).await, Ok(Actual::Broker(actual)) if actual.generation == 2)).await;
}
