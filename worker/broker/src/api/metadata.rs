//! Metadata (3): this broker, and the topics with this broker as the leader of every partition.

use units::{PartitionId, TopicId, TopicName};
use wire::{ErrorCode, MetadataRequest, MetadataResponse, Str, metadata as m};

use std::time::Duration;

use crate::{
    catalogue::{Change, Topic},
    config::ClientChanges,
    dispatch::Call,
};

/// How long a topic that was asked for by its name alone is proposed to the operator.
const PROPOSED_FOR: Duration = Duration::from_secs(30);

pub(crate) async fn answer(call: Call, request: MetadataRequest) -> MetadataResponse {
    let shared = &call.shared;
    let wants_all = request.topics.as_ref().is_none_or(|topics| call.version == 0 && topics.is_empty());
    let topics = if wants_all {
        // A Pipeline's inside is shown only to those who know its name.
        shared.topics.now().topics().filter(|topic| !topic.internal).map(|topic| described(&call, topic)).collect()
    } else {
        let mut described = Vec::new();
        for wanted in request.topics.unwrap_or_default() {
            described.push(one(&call, wanted, request.allow_auto_topic_creation).await);
        }
        described
    };
    let advertised = call.advertised();
    let broker = m::MetadataResponseBroker {
        node_id: shared.broker(),
        host: Str::from(advertised.host.as_str()),
        port: i32::from(advertised.port),
        rack: None,
    };
    MetadataResponse {
        brokers: vec![broker],
        cluster_id: Some(Str::from(shared.topics.cluster_id())),
        controller_id: shared.broker(),
        topics,
        ..MetadataResponse::default()
    }
}

async fn one(call: &Call, wanted: m::MetadataRequestTopic, may_create: bool) -> m::MetadataResponseTopic {
    let shared = &call.shared;
    let refused =
        |error_code, name, topic_id| m::MetadataResponseTopic { error_code, name, topic_id, ..m::MetadataResponseTopic::default() };
    let Some(text) = wanted.name else {
        return match shared.topics.now().by_id(wanted.topic_id) {
            Some(topic) => described(call, topic),
            None => refused(ErrorCode::UnknownTopicId, None, wanted.topic_id),
        };
    };
    if let Some(topic) = shared.topics.now().get(&text) {
        return described(call, topic);
    }
    let Ok(name) = TopicName::new(&text) else { return refused(ErrorCode::InvalidTopicException, Some(text), TopicId::ZERO) };
    if may_create && !name.is_internal() && shared.topics.creates_automatically() {
        return create(call, name).await.unwrap_or_else(|code| refused(code, Some(text), TopicId::ZERO));
    }
    shared.unknown_topics.asked(&text);
    refused(ErrorCode::UnknownTopicOrPartition, Some(text), TopicId::ZERO)
}

async fn create(call: &Call, name: TopicName) -> Result<m::MetadataResponseTopic, ErrorCode> {
    let change = Change::Create { name: name.clone(), partitions: call.shared.config.default_partitions, config: Vec::new() };
    if call.shared.config.client_changes == ClientChanges::Proposed {
        // Clients ask again on their own until it is there: they are not to wait here, where many others do.
        call.shared.proposals.ask_for_later(&call.shared.topics, change, &call.client_id, PROPOSED_FOR);
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    match super::create_topics::change(call, change, Some(Duration::ZERO)).await {
        // Somebody else may have been faster: then it exists all the same.
        Ok(_) | Err((ErrorCode::TopicAlreadyExists, _)) => {}
        Err((code, _)) => return Err(code),
    }
    call.shared.topics.now().get(name.as_str()).map(|topic| described(call, topic)).ok_or(ErrorCode::UnknownTopicOrPartition)
}

fn described(call: &Call, topic: &Topic) -> m::MetadataResponseTopic {
    let shared = &call.shared;
    let leader_epoch = shared.leader_epoch();
    let partition = |index| m::MetadataResponsePartition {
        partition_index: PartitionId(index),
        leader_id: shared.broker(),
        leader_epoch,
        replica_nodes: vec![shared.broker()],
        isr_nodes: vec![shared.broker()],
        ..m::MetadataResponsePartition::default()
    };
    m::MetadataResponseTopic {
        name: Some(Str::from(topic.name.as_str())),
        topic_id: topic.id,
        is_internal: topic.internal,
        partitions: (0..topic.partitions).map(partition).collect(),
        ..m::MetadataResponseTopic::default()
    }
}
