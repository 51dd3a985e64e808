//! DeleteTopics (20): of topics that belong to no manifest.

use std::time::Duration;

use units::{TopicId, TopicName};
use wire::{DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, Str, delete_topics as d};

use super::create_topics::{change, each, patience};
use crate::{catalogue::Change, dispatch::Call};

pub(crate) async fn answer(call: Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = |name| d::DeleteTopicState { name: Some(name), topic_id: TopicId::ZERO };
    let wanted = request.topics.into_iter().chain(request.topic_names.into_iter().map(by_name));
    let patience = patience(request.timeout_ms);
    let call = &call;
    let one = |topic: d::DeleteTopicState| async move {
        let result = delete(call, &topic, patience).await;
        let (error_code, error_message) = result.map_or_else(|(code, message)| (code, Some(message)), |()| (ErrorCode::None, None));
        d::DeletableTopicResult { name: topic.name, topic_id: topic.topic_id, error_code, error_message }
    };
    let responses = each(call, wanted.collect(), one).await;
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

async fn delete(call: &Call, wanted: &d::DeleteTopicState, patience: Duration) -> Result<(), (ErrorCode, Str)> {
    let name = match &wanted.name {
        Some(name) => TopicName::new(name).map_err(|reason| (ErrorCode::InvalidTopicException, Str::from(reason.to_string())))?,
        None => {
            let catalogue = call.shared.topics.now();
            let topic = catalogue.by_id(wanted.topic_id).ok_or((ErrorCode::UnknownTopicId, Str::from_static("no topic has this id")))?;
            topic.name.clone()
        }
    };
    change(call, Change::Delete { name: name.clone() }, Some(patience)).await?;
    call.shared.groups.act(move |groups| groups.on_topics_deleted(&[name]));
    Ok(())
}
