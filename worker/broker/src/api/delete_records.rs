//! DeleteRecords (21): log starts move forward, durably before the answer.

use log::{AppendError, TopicPartitionId};
use tokio::sync::oneshot;
use units::Offset;
use wire::{DeleteRecordsRequest, DeleteRecordsResponse, ErrorCode, delete_records as d};

use crate::{dispatch::Call, errors};

/// The offset that stands for "all that is readable".
const HIGH_WATERMARK: Offset = Offset(-1);

pub(crate) async fn answer(call: Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let catalogue = call.shared.topics.now();
            let partition = catalogue.get(&topic.name).and_then(|topic| topic.partition(wanted.partition_index));
            let deleted = match partition {
                Some(partition) => delete(&call, partition, wanted.offset).await,
                None => Err(ErrorCode::UnknownTopicOrPartition),
            };
            let (low_watermark, error_code) = deleted.map_or_else(|code| (Offset(-1), code), |start| (start, ErrorCode::None));
            partitions.push(d::DeleteRecordsPartitionResult { partition_index: wanted.partition_index, low_watermark, error_code });
        }
        topics.push(d::DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

async fn delete(call: &Call, partition: TopicPartitionId, before: Offset) -> Result<Offset, ErrorCode> {
    let log = &call.shared.log;
    let before =
        if before == HIGH_WATERMARK { log.offsets(partition).map_err(|error| errors::of_read(&error))?.high_watermark } else { before };
    let (sender, deleted) = oneshot::channel();
    let done = Box::new(move |start: Result<Offset, AppendError>| drop(sender.send(start)));
    log.delete_records(partition, before, done);
    deleted.await.map_err(|_| ErrorCode::NotLeaderOrFollower)?.map_err(|error| errors::of_append(&error))
}
