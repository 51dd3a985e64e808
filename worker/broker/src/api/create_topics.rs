//! CreateTopics (19): a topic that belongs to no manifest.

use wire::{CreateTopicsRequest, CreateTopicsResponse, ErrorCode, Str, create_topics as c};

use std::{collections::BTreeMap, sync::Arc};
use units::TopicName;

use crate::{
    catalogue::{Catalogue, Change, described},
    dispatch::Call,
    errors,
};

/// `config_source` of a setting of the topic itself, and of a default.
pub(crate) const SOURCE_TOPIC: i8 = 1;
pub(crate) const SOURCE_DEFAULT: i8 = 5;

pub(crate) async fn answer(call: Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut named: BTreeMap<Str, usize> = BTreeMap::new();
    request.topics.iter().for_each(|topic| *named.entry(topic.name.clone()).or_default() += 1);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name = topic.name.clone();
        let created = if named[&name] > 1 {
            Err((ErrorCode::InvalidRequest, Str::from_static("the request names this topic twice")))
        } else {
            create(&call, topic, request.validate_only).await
        };
        topics.push(created.unwrap_or_else(|(error_code, message)| c::CreatableTopicResult {
            name,
            error_code,
            error_message: Some(message),
            configs: Some(Vec::new()),
            ..c::CreatableTopicResult::default()
        }));
    }
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

async fn create(call: &Call, wanted: c::CreatableTopic, validate_only: bool) -> Result<c::CreatableTopicResult, (ErrorCode, Str)> {
    let name = TopicName::new(&wanted.name).map_err(|reason| (ErrorCode::InvalidTopicException, Str::from(reason.to_string())))?;
    let partitions = partitions(call, &wanted)?;
    let config = wanted.configs.iter().map(|entry| (entry.name.to_string(), entry.value.as_deref().map(String::from))).collect();
    let catalogue = change(call, Change::Create { name: name.clone(), partitions, config }, validate_only).await?;
    let topic = catalogue.get(name.as_str()).ok_or((ErrorCode::UnknownServerError, Str::EMPTY))?;
    let setting = |(known, value, is_default): (&crate::catalogue::Known, String, bool)| c::CreatableTopicConfigs {
        name: Str::from_static(known.name),
        value: Some(value.into()),
        config_source: if is_default { SOURCE_DEFAULT } else { SOURCE_TOPIC },
        ..c::CreatableTopicConfigs::default()
    };
    Ok(c::CreatableTopicResult {
        name: wanted.name,
        topic_id: topic.id,
        num_partitions: topic.partitions,
        replication_factor: 1,
        configs: Some(described(&topic.retention, &topic.config).into_iter().map(setting).collect()),
        ..c::CreatableTopicResult::default()
    })
}

/// How many partitions are wanted: said by number, by assignment, or left to us. There is one copy of each.
fn partitions(call: &Call, wanted: &c::CreatableTopic) -> Result<i32, (ErrorCode, Str)> {
    if !wanted.assignments.is_empty() {
        let ours = [call.shared.broker()];
        if wanted.assignments.iter().any(|assignment| assignment.broker_ids != ours) {
            return Err((ErrorCode::InvalidReplicaAssignment, Str::from(format!("the only broker is {}", call.shared.broker()))));
        }
        return Ok(i32::try_from(wanted.assignments.len()).unwrap_or(i32::MAX));
    }
    if !matches!(wanted.replication_factor, -1 | 1) {
        let message = format!(
            "replication factor {}: data is kept once on the volume and once in the object store; use 1",
            wanted.replication_factor
        );
        return Err((ErrorCode::InvalidReplicationFactor, message.into()));
    }
    Ok(if wanted.num_partitions == -1 { call.shared.config.default_partitions } else { wanted.num_partitions })
}

/// Does `change` off the network threads, since it waits for the disk.
pub(crate) async fn change(call: &Call, change: Change, validate_only: bool) -> Result<Arc<Catalogue>, (ErrorCode, Str)> {
    let shared = Arc::clone(&call.shared);
    let changed = tokio::task::spawn_blocking(move || shared.topics.change(&change, validate_only)).await;
    match changed {
        Ok(changed) => changed.map_err(|error| errors::of_topics(&error)),
        Err(_) => Err((ErrorCode::UnknownServerError, Str::from_static("the change failed inside"))),
    }
}
