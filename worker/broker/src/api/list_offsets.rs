//! ListOffsets (2): the ends of a partition, and offsets by time (KIP-79, KIP-734, KIP-405).

use std::sync::Arc;

use log::{Isolation, TimedOffset, TopicPartitionId};
use units::{LeaderEpoch, Offset, TimestampMs};
use wire::{ErrorCode, ListOffsetsRequest, ListOffsetsResponse, list_offsets as l};

use crate::{dispatch::Call, errors, fetch::check_epoch, shared::Shared};

/// Times that stand for positions.
const LATEST: TimestampMs = TimestampMs(-1);
const EARLIEST: TimestampMs = TimestampMs(-2);
const MAX_TIMESTAMP: TimestampMs = TimestampMs(-3);
const EARLIEST_LOCAL: TimestampMs = TimestampMs(-4);
const LATEST_TIERED: TimestampMs = TimestampMs(-5);

pub(crate) async fn answer(call: Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            partitions.push(match one(&call, &topic.name, &wanted, isolation).await {
                Ok(found) => l::ListOffsetsPartitionResponse {
                    partition_index: wanted.partition_index,
                    error_code: ErrorCode::None,
                    timestamp: found.timestamp,
                    offset: found.offset,
                    leader_epoch: found.leader_epoch,
                },
                Err(error_code) => {
                    l::ListOffsetsPartitionResponse { partition_index: wanted.partition_index, error_code, ..Default::default() }
                }
            });
        }
        topics.push(l::ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

/// No record answers the question.
const NOTHING: TimedOffset = TimedOffset { offset: Offset(-1), timestamp: TimestampMs::NONE, leader_epoch: LeaderEpoch(-1) };

async fn one(call: &Call, topic: &str, wanted: &l::ListOffsetsPartition, isolation: Isolation) -> Result<TimedOffset, ErrorCode> {
    let shared = &call.shared;
    let catalogue = shared.topics.now();
    let partition =
        catalogue.get(topic).and_then(|topic| topic.partition(wanted.partition_index)).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    check_epoch(Some(wanted.current_leader_epoch).filter(|epoch| *epoch != LeaderEpoch(-1)), shared.leader_epoch())?;
    let offsets = shared.log.offsets(partition).map_err(|error| errors::of_read(&error))?;
    let at = |offset| Ok(TimedOffset { offset, timestamp: TimestampMs::NONE, leader_epoch: shared.leader_epoch() });
    match wanted.timestamp {
        LATEST => at(if isolation == Isolation::ReadCommitted { offsets.last_stable_offset } else { offsets.high_watermark }),
        // What is in the object store alone is served like the rest, so the local start is the start.
        EARLIEST | EARLIEST_LOCAL => at(offsets.log_start),
        LATEST_TIERED => Ok(NOTHING),
        time if time < LATEST_TIERED => Err(ErrorCode::InvalidRequest),
        time => by_time(shared, partition, time, isolation).await,
    }
}

/// Looks into batches, which may be on the disk or in the object store.
async fn by_time(
    shared: &Arc<Shared>,
    partition: TopicPartitionId,
    time: TimestampMs,
    isolation: Isolation,
) -> Result<TimedOffset, ErrorCode> {
    let log = shared.log.clone();
    let looked = shared.lookups.run(move |_| match time {
        MAX_TIMESTAMP => log.offset_of_max_timestamp(partition, isolation),
        time => log.offset_at_time(partition, time, isolation),
    });
    let found = looked.await.map_err(|_| ErrorCode::UnknownServerError)?.map_err(|error| errors::of_read(&error))?;
    Ok(found.unwrap_or(NOTHING))
}
