//! What clients ask for and a custom resource must bring about, from the client's request to its answer.

use std::{collections::BTreeSet, thread, time::Duration};

use control::{
    ConfigEntry, DesiredBroker, DesiredTopic, ProposalKind, ProposalRefusal, RefusalReason, Release, ReleasedTopic, TopicProposal,
};
use streamwright_broker::{BrokerConfig, ClientChanges};
use units::{DurationMs, TopicId};
use wire::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, ErrorCode, IncrementalAlterConfigsRequest, MetadataRequest,
    create_partitions, create_topics, delete_topics, incremental_alter_configs, metadata,
};

use crate::{
    kit::{Served, desired, name},
    topics::declared,
};

fn served() -> Served {
    Served::start_with(|config| BrokerConfig { client_changes: ClientChanges::Proposed, ..config })
}

fn creation(topic: &str, partitions: i32, timeout_ms: i32) -> CreateTopicsRequest {
    let config = create_topics::CreatableTopicConfig { name: "max.message.bytes".into(), value: Some("99".into()) };
    let topic = create_topics::CreatableTopic {
        name: topic.into(),
        num_partitions: partitions,
        replication_factor: -1,
        configs: vec![config],
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms, validate_only: false }
}

/// What an operator sees, once there is as much.
fn proposals(served: &Served, count: usize) -> Vec<TopicProposal> {
    let from = std::time::Instant::now();
    loop {
        let held = served.broker().actual().proposals;
        if held.len() == count {
            return held;
        }
        assert!(from.elapsed() < Duration::from_secs(20), "{count} proposals: {held:#?}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// The topic that an operator declares for a proposal.
fn granted(proposal: &TopicProposal) -> DesiredTopic {
    DesiredTopic {
        partitions: proposal.partitions,
        retention: proposal.retention,
        config: proposal.config.clone(),
        topic_id: proposal.topic_id,
        ..declared(proposal.topic.as_str(), 1)
    }
}

fn state(generation: u64, topics: Vec<DesiredTopic>) -> DesiredBroker {
    let client_topics = topics.iter().map(|topic| topic.name.clone()).collect();
    DesiredBroker { topics, client_topics, ..desired(generation) }
}

#[test]
fn a_topic_that_a_client_creates_grows_configures_and_deletes_goes_through_the_operator() {
    let served = served();
    let mut peer = served.peer();
    let mut generation = 0;
    // The client asks; the operator declares what is proposed; the client is answered.
    peer.send(7, &creation("orders", 3, 30_000));
    let asked = proposals(&served, 1).remove(0);
    let wanted = (ProposalKind::Create, "orders", 3, None);
    assert_eq!((asked.kind, asked.topic.as_str(), asked.partitions, asked.topic_id), wanted);
    assert_eq!(asked.config, [ConfigEntry { name: "max.message.bytes".into(), value: "99".into() }]);
    assert_eq!(asked.retention.total_time, Some(DurationMs(604_800_000)));
    let mut grant = |served: &Served, asked: &TopicProposal| {
        generation += 1;
        served.apply(state(generation, vec![granted(asked)]));
        assert_eq!(served.broker().actual().proposals, [], "what is in force is not asked for any more");
    };
    grant(&served, &asked);
    let created = peer.receive::<CreateTopicsRequest>(7).topics.remove(0);
    assert_eq!((created.error_code, created.num_partitions), (ErrorCode::None, 3), "{:?}", created.error_message);
    // More partitions.
    let grow = create_partitions::CreatePartitionsTopic { name: "orders".into(), count: 5, assignments: None };
    peer.send(3, &CreatePartitionsRequest { topics: vec![grow], timeout_ms: 30_000, validate_only: false });
    let asked = proposals(&served, 1).remove(0);
    assert_eq!((asked.kind, asked.partitions, asked.topic_id), (ProposalKind::Grow, 5, Some(created.topic_id)));
    grant(&served, &asked);
    assert_eq!(peer.receive::<CreatePartitionsRequest>(3).results[0].error_code, ErrorCode::None);
    // Another retention; the setting from before stays.
    let set = incremental_alter_configs::AlterableConfig { name: "retention.ms".into(), config_operation: 0, value: Some("1234".into()) };
    let resource = incremental_alter_configs::AlterConfigsResource { resource_type: 2, resource_name: "orders".into(), configs: vec![set] };
    peer.send(1, &IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false });
    let asked = proposals(&served, 1).remove(0);
    assert_eq!((asked.kind, asked.retention.total_time, asked.config.len()), (ProposalKind::Configure, Some(DurationMs(1234)), 1));
    grant(&served, &asked);
    assert_eq!(peer.receive::<IncrementalAlterConfigsRequest>(1).responses[0].error_code, ErrorCode::None);
    // And away with it.
    let topics = vec![delete_topics::DeleteTopicState { name: Some("orders".into()), topic_id: TopicId::ZERO }];
    peer.send(6, &DeleteTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() });
    let asked = proposals(&served, 1).remove(0);
    assert_eq!((asked.kind, asked.topic_id), (ProposalKind::Delete, Some(created.topic_id)));
    let released = vec![ReleasedTopic { name: name("orders"), topic_id: created.topic_id, release: Release::Delete }];
    served.apply(DesiredBroker { released, ..desired(9) });
    assert_eq!(peer.receive::<DeleteTopicsRequest>(6).responses[0].error_code, ErrorCode::None);
    assert_eq!(served.broker().actual().topics, []);
}

#[test]
fn a_topic_of_a_manifest_is_changed_there_only() {
    let served = served();
    served.apply(DesiredBroker { client_topics: BTreeSet::new(), ..state(1, vec![declared("orders", 1)]) });
    let mut peer = served.peer();
    let grow = create_partitions::CreatePartitionsTopic { name: "orders".into(), count: 5, assignments: None };
    let answer = peer.ask(&CreatePartitionsRequest { topics: vec![grow], timeout_ms: 30_000, validate_only: false }).results.remove(0);
    assert_eq!(answer.error_code, ErrorCode::PolicyViolation);
    assert!(answer.error_message.is_some_and(|message| message.contains("Topic default/orders")));
    assert_eq!(served.broker().actual().proposals, []);
}

#[test]
fn what_nobody_brings_about_times_out_and_is_no_longer_asked_for() {
    let served = served();
    let mut peer = served.peer();
    let revision = served.broker().revision();
    let answer = peer.ask(&creation("orders", 3, 300)).topics.remove(0);
    assert_eq!(answer.error_code, ErrorCode::RequestTimedOut);
    let actual = served.broker().actual();
    assert_eq!((actual.proposals.len(), actual.topics.len()), (0, 0), "nothing half done");
    assert_ne!(served.broker().revision(), revision, "the operator hears that it is over");
    // Its name is one of this incarnation: it is never taken for one of another.
    peer.send(7, &creation("orders", 3, 200_000));
    proposals(&served, 1);
    let id = proposals(&served, 1)[0].id.clone();
    assert_eq!(id.split('-').next(), Some(served.broker().actual().incarnation.to_string().as_str()), "{id}");
}

#[test]
fn a_refusal_reaches_the_client_in_the_operators_words() {
    let served = served();
    let mut peer = served.peer();
    peer.send(7, &creation("orders", 3, 30_000));
    let asked = proposals(&served, 1).remove(0);
    let refusal = ProposalRefusal { id: asked.id, reason: RefusalReason::Policy, message: "Cluster streaming/main is full".into() };
    served.apply(DesiredBroker { refused_proposals: vec![refusal], ..desired(1) });
    let answer = peer.receive::<CreateTopicsRequest>(7).topics.remove(0);
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (ErrorCode::PolicyViolation, Some("Cluster streaming/main is full")));
    assert_eq!(served.broker().actual().proposals, []);
}

#[test]
fn what_could_never_be_is_refused_at_once() {
    let served = served();
    let mut peer = served.peer();
    for (request, code) in [
        (creation("orders", 0, 30_000), ErrorCode::InvalidPartitions),
        (creation("_sw.a.b", 1, 30_000), ErrorCode::InvalidTopicException),
        (CreateTopicsRequest { validate_only: true, ..creation("orders", 3, 30_000) }, ErrorCode::None),
    ] {
        assert_eq!(peer.ask(&request).topics[0].error_code, code);
    }
    let topics = vec![delete_topics::DeleteTopicState { name: Some("nobody".into()), topic_id: TopicId::ZERO }];
    let answer = peer.ask(&DeleteTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() });
    assert_eq!(answer.responses[0].error_code, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(served.broker().actual().proposals, []);
}

#[test]
fn many_topics_of_one_request_wait_together() {
    let served = served();
    let mut peer = served.peer();
    let mut request = creation("topic-0", 1, 30_000);
    request.topics = (0..50)
        .map(|index| create_topics::CreatableTopic { name: format!("topic-{index}").as_str().into(), ..request.topics[0].clone() })
        .collect();
    peer.send(7, &request);
    let asked = proposals(&served, 50);
    served.apply(state(1, asked.iter().map(granted).collect()));
    let answer = peer.receive::<CreateTopicsRequest>(7);
    assert!(answer.topics.iter().all(|topic| topic.error_code == ErrorCode::None));
    assert_eq!(answer.topics[49].name.to_string(), "topic-49", "answers are in the order of the request");
}

#[test]
fn a_name_that_is_asked_for_is_proposed_once_and_the_client_asks_again() {
    let served = served();
    served.apply(DesiredBroker { auto_create_topics: true, ..desired(1) });
    let mut peer = served.peer();
    let topics = vec![metadata::MetadataRequestTopic { name: Some("orders".into()), ..Default::default() }];
    let ask = MetadataRequest { topics: Some(topics), allow_auto_topic_creation: true, ..Default::default() };
    for _ in 0..3 {
        assert_eq!(peer.ask(&ask).topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    }
    let asked = proposals(&served, 1);
    served.apply(DesiredBroker { auto_create_topics: true, ..state(2, asked.iter().map(granted).collect()) });
    assert_eq!(peer.ask(&ask).topics[0].error_code, ErrorCode::None);
    assert_eq!(served.broker().actual().proposals, []);
}
