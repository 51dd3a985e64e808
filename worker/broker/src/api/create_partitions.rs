//! CreatePartitions (37): more partitions for topics that belong to no manifest.

use std::time::Duration;

use units::TopicName;
use wire::{CreatePartitionsRequest, CreatePartitionsResponse, ErrorCode, Str, create_partitions as c};

use super::create_topics::{change, each, patience};
use crate::{catalogue::Change, dispatch::Call};

pub(crate) async fn answer(call: Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let patience = (!request.validate_only).then(|| patience(request.timeout_ms));
    let call = &call;
    let one = |topic: c::CreatePartitionsTopic| async move {
        let grown = grow(call, &topic, patience).await;
        let (error_code, error_message) = grown.map_or_else(|(code, message)| (code, Some(message)), |()| (ErrorCode::None, None));
        c::CreatePartitionsTopicResult { name: topic.name, error_code, error_message }
    };
    let results = each(call, request.topics, one).await;
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

async fn grow(call: &Call, wanted: &c::CreatePartitionsTopic, patience: Option<Duration>) -> Result<(), (ErrorCode, Str)> {
    let name = TopicName::new(&wanted.name).map_err(|reason| (ErrorCode::InvalidTopicException, Str::from(reason.to_string())))?;
    change(call, Change::Grow { name, partitions: wanted.count }, patience).await.map(|_| ())
}
