//! OffsetForLeaderEpoch (23): where an epoch ended, so that a reader finds out that its past was cut (KIP-101, KIP-320).

use units::{LeaderEpoch, Offset};
use wire::{ErrorCode, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, offset_for_leader_epoch as o};

use crate::{dispatch::Call, errors, fetch::check_epoch};

pub(crate) async fn answer(call: Call, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let answered = |topic: o::OffsetForLeaderTopic| {
        let partitions = topic.partitions.iter().map(|partition| match end(&call, &topic.topic, partition) {
            Ok((leader_epoch, end_offset)) => {
                o::EpochEndOffset { error_code: ErrorCode::None, partition: partition.partition, leader_epoch, end_offset }
            }
            Err(error_code) => o::EpochEndOffset { error_code, partition: partition.partition, ..o::EpochEndOffset::default() },
        });
        o::OffsetForLeaderTopicResult { partitions: partitions.collect(), topic: topic.topic.clone() }
    };
    OffsetForLeaderEpochResponse { topics: request.topics.into_iter().map(answered).collect(), ..OffsetForLeaderEpochResponse::default() }
}

fn end(call: &Call, topic: &str, wanted: &o::OffsetForLeaderPartition) -> Result<(LeaderEpoch, Offset), ErrorCode> {
    let catalogue = call.shared.topics.now();
    let partition = catalogue.get(topic).and_then(|topic| topic.partition(wanted.partition)).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    check_epoch(Some(wanted.current_leader_epoch).filter(|epoch| *epoch != LeaderEpoch(-1)), call.shared.leader_epoch())?;
    let end = call.shared.log.epoch_end(partition, wanted.leader_epoch).map_err(|error| errors::of_read(&error))?;
    Ok(end.map_or((LeaderEpoch(-1), Offset(-1)), |end| (end.leader_epoch, end.end)))
}
