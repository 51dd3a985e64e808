//! Who may make, change and delete topics, and what is told about them.

use control::{DesiredTopic, ObjectRef, Owner, OwnerKind, Retention, TopicReason};
use units::{Offset, PartitionId, TopicId};
use wire::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeConfigsRequest, ErrorCode,
    IncrementalAlterConfigsRequest, MetadataRequest, create_partitions, create_topics, delete_records, delete_topics, describe_configs,
    incremental_alter_configs, metadata,
};

use crate::kit::{Batch, Peer, Served, desired, name, values};

pub fn declared(topic: &str, partitions: i32) -> DesiredTopic {
    DesiredTopic {
        name: name(topic),
        topic_id: None,
        partitions,
        retention: Retention::default(),
        config: Vec::new(),
        owner: Owner { kind: OwnerKind::Topic, object: ObjectRef { namespace: "default".into(), name: topic.into() } },
        internal: false,
    }
}

fn delete(peer: &mut Peer, topic: &str) -> (ErrorCode, String) {
    let topics = vec![delete_topics::DeleteTopicState { name: Some(topic.into()), topic_id: TopicId::ZERO }];
    let answer = peer.ask(&DeleteTopicsRequest { topics, ..Default::default() });
    (answer.responses[0].error_code, answer.responses[0].error_message.as_deref().unwrap_or_default().to_owned())
}

#[test]
fn a_declared_topic_is_there_and_no_client_changes_it() {
    let served = Served::start();
    served.apply(control::DesiredBroker { topics: vec![declared("orders", 3)], ..desired(1) });
    let mut peer = served.peer();
    let topics = vec![metadata::MetadataRequestTopic { name: Some("orders".into()), ..Default::default() }];
    let answer = peer.ask(&MetadataRequest { topics: Some(topics), ..Default::default() });
    assert_eq!(answer.topics[0].partitions.len(), 3);
    let (code, message) = delete(&mut peer, "orders");
    assert_eq!((code, message.as_str()), (ErrorCode::PolicyViolation, "topic orders is declared by Topic default/orders; change it there"));
    let actual = served.broker().actual();
    assert_eq!((actual.generation, actual.topics.len(), actual.problems.len()), (1, 1, 0));
}

#[test]
fn what_cannot_be_brought_about_is_a_problem_and_not_a_failure() {
    let served = Served::start();
    served.apply(control::DesiredBroker { topics: vec![declared("orders", 3)], ..desired(1) });
    served.apply(control::DesiredBroker { topics: vec![declared("orders", 2), declared("other", 1)], ..desired(2) });
    let actual = served.broker().actual();
    assert_eq!(actual.problems[&name("orders")].reason, TopicReason::PartitionsAboveSpec);
    assert!(actual.topics.iter().any(|topic| topic.name == name("other")));
}

#[test]
fn an_unknown_topic_is_said_to_be_unknown_unless_topics_are_made_by_asking() {
    let served = Served::start();
    let mut peer = served.peer();
    let ask = |topic: &str| MetadataRequest {
        topics: Some(vec![metadata::MetadataRequestTopic { name: Some(topic.into()), ..Default::default() }]),
        ..Default::default()
    };
    assert_eq!(peer.ask(&ask("nobody")).topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    served.apply(control::DesiredBroker { auto_create_topics: true, ..desired(1) });
    assert_eq!(peer.ask(&ask("somebody")).topics[0].error_code, ErrorCode::None);
    assert_eq!(peer.ask(&ask("_sw.inside")).topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(peer.ask(&ask("no/name")).topics[0].error_code, ErrorCode::InvalidTopicException);
}

#[test]
fn a_clients_own_topic_can_be_made_grown_configured_and_deleted() {
    let mut served = Served::start();
    let mut peer = served.peer();
    peer.create("own", 1);
    let again = create_topics::CreatableTopic { name: "own".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    assert_eq!(
        peer.ask(&CreateTopicsRequest { topics: vec![again.clone()], ..Default::default() }).topics[0].error_code,
        ErrorCode::TopicAlreadyExists
    );
    let copies = create_topics::CreatableTopic { name: "copied".into(), replication_factor: 3, ..again };
    assert_eq!(
        peer.ask(&CreateTopicsRequest { topics: vec![copies], ..Default::default() }).topics[0].error_code,
        ErrorCode::InvalidReplicationFactor
    );
    let grow = create_partitions::CreatePartitionsTopic { name: "own".into(), count: 4, assignments: None };
    assert_eq!(peer.ask(&CreatePartitionsRequest { topics: vec![grow], ..Default::default() }).results[0].error_code, ErrorCode::None);
    let set = |name: &str, value: &str| incremental_alter_configs::AlterableConfig {
        name: name.into(),
        config_operation: 0,
        value: Some(value.into()),
    };
    let mut alter = |configs| {
        let resource = incremental_alter_configs::AlterConfigsResource { resource_type: 2, resource_name: "own".into(), configs };
        peer.ask(&IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }).responses[0].error_code
    };
    assert_eq!(alter(vec![set("retention.ms", "1234567")]), ErrorCode::None);
    assert_eq!(alter(vec![set("cleanup.policy", "compact")]), ErrorCode::InvalidConfig);
    served.restart();
    let mut peer = served.peer();
    let resource = describe_configs::DescribeConfigsResource {
        resource_type: 2,
        resource_name: "own".into(),
        configuration_keys: Some(vec!["retention.ms".into()]),
    };
    let described = peer.ask(&DescribeConfigsRequest { resources: vec![resource], ..Default::default() });
    assert_eq!(described.results[0].configs[0].value.as_deref(), Some("1234567"));
    assert_eq!(served.broker().actual().topics[0].partitions, 4);
    assert_eq!(delete(&mut peer, "own").0, ErrorCode::None);
    assert_eq!(delete(&mut peer, "own").0, ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn deleted_records_stay_deleted() {
    let mut served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    for value in ["a", "b", "c"] {
        peer.produce(topic, &Batch::of(&[value]));
    }
    let mut delete = |offset| {
        let partition = delete_records::DeleteRecordsPartition { partition_index: PartitionId(0), offset: Offset(offset) };
        let wanted = delete_records::DeleteRecordsTopic { name: "orders".into(), partitions: vec![partition] };
        let answer = peer.ask(&DeleteRecordsRequest { topics: vec![wanted], timeout_ms: 1_000 });
        (answer.topics[0].partitions[0].error_code, answer.topics[0].partitions[0].low_watermark)
    };
    assert_eq!(delete(9), (ErrorCode::OffsetOutOfRange, Offset(-1)));
    assert_eq!(delete(2), (ErrorCode::None, Offset(2)));
    assert_eq!(delete(1), (ErrorCode::None, Offset(2)), "the log start never goes back");
    served.restart();
    let mut peer = served.peer();
    assert_eq!(peer.fetch(topic, 0, |_| {}).error_code, ErrorCode::OffsetOutOfRange);
    assert_eq!(values(&peer.fetch(topic, 2, |_| {})), ["c"]);
}

#[test]
fn a_pipelines_inside_is_shown_only_to_those_who_name_it() {
    let served = Served::start();
    let inside = DesiredTopic { name: name("_sw.shop.totals.state"), internal: true, ..declared("x", 1) };
    served.apply(control::DesiredBroker { topics: vec![inside, declared("orders", 1)], ..desired(1) });
    let mut peer = served.peer();
    let all: Vec<_> =
        peer.ask(&MetadataRequest { topics: None, ..Default::default() }).topics.into_iter().filter_map(|topic| topic.name).collect();
    assert_eq!(all.iter().map(|name| name.to_string()).collect::<Vec<_>>(), ["orders"]);
    assert_eq!(delete(&mut peer, "_sw.shop.totals.state").0, ErrorCode::InvalidTopicException);
    let described = peer.ask(&wire::DescribeLogDirsRequest { topics: None });
    assert_eq!(described.results[0].topics.iter().map(|topic| topic.name.to_string()).collect::<Vec<_>>(), ["orders"]);
    // Its producers, too; who asks for one by its id is told.
    let producer = peer.init_producer(Some("_sw.shop.totals.1c9e04d7-1-64.0")).producer_id;
    peer.init_producer(Some("mine"));
    let mut list = |request: wire::ListTransactionsRequest| {
        peer.ask(&request).transaction_states.into_iter().map(|state| state.transactional_id.to_string()).collect::<Vec<_>>()
    };
    let all = wire::ListTransactionsRequest { duration_filter: -1, ..Default::default() };
    assert_eq!(list(all.clone()), ["mine"]);
    assert_eq!(list(wire::ListTransactionsRequest { producer_id_filters: vec![producer], ..all }).len(), 1);
}
