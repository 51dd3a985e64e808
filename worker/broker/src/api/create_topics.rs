//! CreateTopics (19): a topic that belongs to no manifest, made here or asked for.

use wire::{CreateTopicsRequest, CreateTopicsResponse, ErrorCode, Str, create_topics as c};

use std::{collections::BTreeMap, sync::Arc, time::Duration};
use units::TopicName;

use crate::{
    catalogue::{Catalogue, Change, described},
    config::ClientChanges,
    dispatch::Call,
    errors,
    topics::TopicsError,
};

/// `config_source` of a setting of the topic itself, and of a default.
pub(crate) const SOURCE_TOPIC: i8 = 1;
pub(crate) const SOURCE_DEFAULT: i8 = 5;

pub(crate) async fn answer(call: Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut named: BTreeMap<Str, usize> = BTreeMap::new();
    request.topics.iter().for_each(|topic| *named.entry(topic.name.clone()).or_default() += 1);
    let patience = (!request.validate_only).then(|| patience(request.timeout_ms));
    let one = |topic: c::CreatableTopic| {
        let (call, name, is_named_once) = (&call, topic.name.clone(), named[&topic.name] == 1);
        async move {
            let created = if is_named_once {
                create(call, topic, patience).await
            } else {
                Err((ErrorCode::InvalidRequest, Str::from_static("the request names this topic twice")))
            };
            created.unwrap_or_else(|(error_code, message)| c::CreatableTopicResult {
                name,
                error_code,
                error_message: Some(message),
                configs: Some(Vec::new()),
                ..c::CreatableTopicResult::default()
            })
        }
    };
    let topics = each(&call, request.topics, one).await;
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

/// How long a client waits at most, as it says itself.
pub(crate) fn patience(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}

/// What becomes of each, in order. Where changes wait for the operator they wait together.
pub(crate) async fn each<T, F: Future>(call: &Call, wanted: Vec<T>, one: impl Fn(T) -> F) -> Vec<F::Output> {
    let mut answers = Vec::with_capacity(wanted.len());
    if call.shared.config.client_changes == ClientChanges::Proposed {
        return futures::future::join_all(wanted.into_iter().map(one)).await;
    }
    for wanted in wanted {
        answers.push(one(wanted).await);
    }
    answers
}

async fn create(call: &Call, wanted: c::CreatableTopic, patience: Option<Duration>) -> Result<c::CreatableTopicResult, (ErrorCode, Str)> {
    let name = TopicName::new(&wanted.name).map_err(|reason| (ErrorCode::InvalidTopicException, Str::from(reason.to_string())))?;
    let partitions = partitions(call, &wanted)?;
    let config = wanted.configs.iter().map(|entry| (entry.name.to_string(), entry.value.as_deref().map(String::from))).collect();
    let catalogue = change(call, Change::Create { name: name.clone(), partitions, config }, patience).await?;
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

/// Brings `change` about, or asks for it and waits at most for `patience`; with `None` only says whether it could be.
pub(crate) async fn change(call: &Call, change: Change, patience: Option<Duration>) -> Result<Arc<Catalogue>, (ErrorCode, Str)> {
    let shared = Arc::clone(&call.shared);
    if shared.config.client_changes == ClientChanges::Proposed {
        return match patience {
            Some(patience) => shared.proposals.ask(&shared.topics, change, &call.client_id, patience).await,
            None => match shared.topics.propose(&change) {
                Ok((_, next)) => Ok(Arc::new(next)),
                Err(refused) => Err(errors::of_topics(&TopicsError::Refused(refused))),
            },
        };
    }
    // Off the network threads, since it waits for the disk.
    let changed = tokio::task::spawn_blocking(move || shared.topics.change(&change, patience.is_none())).await;
    match changed {
        Ok(changed) => changed.map_err(|error| errors::of_topics(&error)),
        Err(_) => Err((ErrorCode::UnknownServerError, Str::from_static("the change failed inside"))),
    }
}
