//! OffsetFetch (9): where groups stand; with `require_stable` never an offset that an open transaction is about to replace (KIP-447).

use coordinators::{
    Refusal,
    groups::{CommittedOffset, FetchedOffset},
};
use units::{GroupId, LeaderEpoch, Offset, PartitionId, TopicName, TopicPartition};
use wire::{ErrorCode, OffsetFetchRequest, OffsetFetchResponse, Str, offset_fetch as o};

use crate::{dispatch::Call, errors};

/// The first version that names several groups.
const NAMES_SEVERAL: i16 = 8;

/// One topic's positions, as every version has them.
type Topic = (Str, Vec<(PartitionId, FetchedOffset)>);

pub(crate) async fn answer(call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if call.version < NAMES_SEVERAL {
        let wanted = request.topics.map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        return single(fetch(&call, &request.group_id, wanted, request.require_stable).await);
    }
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        let wanted = group.topics.map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        groups.push(match fetch(&call, &group.group_id, wanted, request.require_stable).await {
            Ok(topics) => o::OffsetFetchResponseGroup {
                group_id: group.group_id,
                topics: topics.into_iter().map(in_group).collect(),
                error_code: ErrorCode::None,
            },
            Err(refusal) => {
                o::OffsetFetchResponseGroup { group_id: group.group_id, topics: Vec::new(), error_code: errors::of_refusal(refusal) }
            }
        });
    }
    OffsetFetchResponse { groups, ..OffsetFetchResponse::default() }
}

/// Positions of one group, in the order asked for; all it has for `None`.
async fn fetch(
    call: &Call,
    group: &str,
    wanted: Option<Vec<(Str, Vec<PartitionId>)>>,
    require_stable: bool,
) -> Result<Vec<Topic>, Refusal> {
    let group = GroupId::from(group);
    let partitions: Option<Vec<TopicPartition>> = wanted.as_ref().map(|topics| {
        let named = topics.iter().filter_map(|(name, partitions)| Some((TopicName::new(name).ok()?, partitions)));
        named
            .flat_map(|(topic, partitions)| {
                partitions.iter().map(move |partition| TopicPartition { topic: topic.clone(), partition: *partition })
            })
            .collect()
    });
    let looked = call.shared.groups.read(move |groups| groups.fetch_offsets(&group, partitions.as_deref(), require_stable));
    let found = looked.await.unwrap_or(Err(Refusal::CoordinatorNotAvailable))?;
    let Some(wanted) = wanted else { return Ok(by_topic(found)) };
    let mut found: std::collections::HashMap<TopicPartition, FetchedOffset> = found.into_iter().collect();
    let mut position = |name: &str, partition: PartitionId| {
        let name = TopicName::new(name).ok()?;
        found.remove(&TopicPartition { topic: name, partition })
    };
    // A name that is not legal never had a position.
    let topic = |(name, partitions): (Str, Vec<PartitionId>)| {
        let positions = partitions.into_iter().map(|partition| (partition, position(&name, partition).unwrap_or(Ok(None)))).collect();
        (name, positions)
    };
    Ok(wanted.into_iter().map(topic).collect())
}

fn by_topic(found: Vec<(TopicPartition, FetchedOffset)>) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for (partition, offset) in found {
        match topics.last_mut() {
            Some((name, positions)) if **name == *partition.topic.as_str() => positions.push((partition.partition, offset)),
            _ => topics.push((Str::from(partition.topic.as_str()), vec![(partition.partition, offset)])),
        }
    }
    topics
}

/// Offset, epoch, metadata and code of one position, as the wire says them.
fn on_wire(offset: FetchedOffset) -> (Offset, LeaderEpoch, Option<Str>, ErrorCode) {
    match offset {
        Ok(Some(CommittedOffset { offset, leader_epoch, metadata })) => {
            (offset, leader_epoch.unwrap_or(LeaderEpoch(-1)), Some(Str::from(&*metadata)), ErrorCode::None)
        }
        Ok(None) => (Offset(-1), LeaderEpoch(-1), Some(Str::EMPTY), ErrorCode::None),
        Err(refusal) => (Offset(-1), LeaderEpoch(-1), Some(Str::EMPTY), errors::of_refusal(refusal)),
    }
}

fn in_group((name, positions): Topic) -> o::OffsetFetchResponseTopics {
    let partition = |(partition_index, offset): (PartitionId, FetchedOffset)| {
        let (committed_offset, committed_leader_epoch, metadata, error_code) = on_wire(offset);
        o::OffsetFetchResponsePartitions { partition_index, committed_offset, committed_leader_epoch, metadata, error_code }
    };
    o::OffsetFetchResponseTopics { name, partitions: positions.into_iter().map(partition).collect() }
}

fn single(fetched: Result<Vec<Topic>, Refusal>) -> OffsetFetchResponse {
    let partition = |(partition_index, offset): (PartitionId, FetchedOffset)| {
        let (committed_offset, committed_leader_epoch, metadata, error_code) = on_wire(offset);
        o::OffsetFetchResponsePartition { partition_index, committed_offset, committed_leader_epoch, metadata, error_code }
    };
    match fetched {
        Ok(topics) => {
            let topic =
                |(name, positions): Topic| o::OffsetFetchResponseTopic { name, partitions: positions.into_iter().map(partition).collect() };
            OffsetFetchResponse { topics: topics.into_iter().map(topic).collect(), ..OffsetFetchResponse::default() }
        }
        Err(refusal) => OffsetFetchResponse { error_code: errors::of_refusal(refusal), ..OffsetFetchResponse::default() },
    }
}
