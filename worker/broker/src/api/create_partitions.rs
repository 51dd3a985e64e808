//! CreatePartitions (37): more partitions for topics that belong to no manifest.

use units::TopicName;
use wire::{CreatePartitionsRequest, CreatePartitionsResponse, ErrorCode, Str, create_partitions as c};

use crate::{catalogue::Change, dispatch::Call};

pub(crate) async fn answer(call: Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let grown = grow(&call, &topic, request.validate_only).await;
        let (error_code, error_message) = grown.map_or_else(|(code, message)| (code, Some(message)), |()| (ErrorCode::None, None));
        results.push(c::CreatePartitionsTopicResult { name: topic.name, error_code, error_message });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

async fn grow(call: &Call, wanted: &c::CreatePartitionsTopic, validate_only: bool) -> Result<(), (ErrorCode, Str)> {
    let name = TopicName::new(&wanted.name).map_err(|reason| (ErrorCode::InvalidTopicException, Str::from(reason.to_string())))?;
    super::create_topics::change(call, Change::Grow { name, partitions: wanted.count }, validate_only).await.map(|_| ())
}
