//! OffsetDelete (47): a group forgets positions of topics it does not read (KIP-496).

use coordinators::{
    Refusal,
    groups::{DeleteOffsets, Request, Response},
};
use units::{GroupId, TopicName, TopicPartition};
use wire::{ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse, offset_delete as o};

use super::offset_commit::codes;
use crate::{dispatch::Call, errors};

pub(crate) async fn answer(call: Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let named = |topic: &o::OffsetDeleteRequestTopic, partition: &o::OffsetDeleteRequestPartition| {
        Some(TopicPartition { topic: TopicName::new(&topic.name).ok()?, partition: partition.partition_index })
    };
    let named: Vec<_> =
        request.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |partition| named(topic, partition))).collect();
    let delete = DeleteOffsets { group: GroupId::from(&*request.group_id), partitions: named.iter().flatten().cloned().collect() };
    let answer = match call.shared.groups.request(Request::DeleteOffsets(delete)).await {
        Some(Response::DeleteOffsets(Ok(results))) => results,
        Some(Response::DeleteOffsets(Err(refusal))) => {
            return OffsetDeleteResponse { error_code: errors::of_refusal(refusal), ..OffsetDeleteResponse::default() };
        }
        _ => {
            return OffsetDeleteResponse {
                error_code: errors::of_refusal(Refusal::CoordinatorNotAvailable),
                ..OffsetDeleteResponse::default()
            };
        }
    };
    let mut codes = codes(&named, Ok(answer)).into_iter();
    let topic = |topic: &o::OffsetDeleteRequestTopic| o::OffsetDeleteResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .zip(&mut codes)
            .map(|(partition, error_code)| o::OffsetDeleteResponsePartition { partition_index: partition.partition_index, error_code })
            .collect(),
    };
    OffsetDeleteResponse {
        error_code: ErrorCode::None,
        topics: request.topics.iter().map(topic).collect(),
        ..OffsetDeleteResponse::default()
    }
}
