//! OffsetCommit (8): a group's positions, durable before the answer.

use coordinators::{
    Refusal,
    groups::{CommitOffsets, Generation, InstanceId, MemberId, OffsetToKeep, Request, Response},
};
use units::{GroupId, LeaderEpoch, Offset, PartitionId, TopicName, TopicPartition};
use wire::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse, Str, offset_commit as o};

use crate::{catalogue::Catalogue, dispatch::Call, errors};

/// One position as it came, and the place of its answer.
pub(crate) struct Position {
    pub(crate) topic: Str,
    pub(crate) partition: PartitionId,
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) metadata: Option<Str>,
}

/// What can be kept, and for each position whether it is among it.
pub(crate) fn known(catalogue: &Catalogue, positions: &[Position]) -> (Vec<OffsetToKeep>, Vec<Option<TopicPartition>>) {
    let mut kept = Vec::with_capacity(positions.len());
    let named = positions.iter().map(|position| {
        catalogue.get(&position.topic)?.partition(position.partition)?;
        let partition = TopicPartition { topic: TopicName::new(&position.topic).ok()?, partition: position.partition };
        kept.push(OffsetToKeep {
            partition: partition.clone(),
            offset: position.offset,
            leader_epoch: Some(position.leader_epoch).filter(|epoch| *epoch != LeaderEpoch(-1)),
            metadata: position.metadata.as_deref().unwrap_or_default().into(),
        });
        Some(partition)
    });
    let named = named.collect();
    (kept, named)
}

/// What a coordinator says of each position.
type Answer = Result<Vec<(TopicPartition, Result<(), Refusal>)>, Refusal>;

/// The code of each position: of the coordinator where it was asked, else that there is no such partition.
pub(crate) fn codes(named: &[Option<TopicPartition>], answer: Answer) -> Vec<ErrorCode> {
    let code = |name: &TopicPartition| match &answer {
        Err(refusal) => errors::of_refusal(*refusal),
        Ok(results) => results
            .iter()
            .find(|(partition, _)| partition == name)
            .map_or(ErrorCode::UnknownServerError, |(_, result)| result.map_or_else(errors::of_refusal, |()| ErrorCode::None)),
    };
    named.iter().map(|name| name.as_ref().map_or(ErrorCode::UnknownTopicOrPartition, code)).collect()
}

pub(crate) fn answer(call: Call, request: OffsetCommitRequest) -> impl Future<Output = OffsetCommitResponse> + Send + 'static {
    let positions: Vec<Position> =
        request.topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| position(&topic.name, partition))).collect();
    let (offsets, named) = known(&call.shared.topics.now(), &positions);
    let commit = CommitOffsets {
        group: GroupId::from(&*request.group_id),
        generation: Generation(request.generation_id_or_member_epoch),
        member: MemberId::from(&*request.member_id),
        instance: request.group_instance_id.as_deref().map(InstanceId::from),
        offsets,
    };
    let committing = call.shared.groups.request(Request::CommitOffsets(commit));
    async move {
        let answer = match committing.await {
            Some(Response::CommitOffsets(answer)) => answer,
            _ => Err(Refusal::CoordinatorNotAvailable),
        };
        let mut codes = codes(&named, answer).into_iter();
        let topic = |topic: &o::OffsetCommitRequestTopic| o::OffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .zip(&mut codes)
                .map(|(partition, error_code)| o::OffsetCommitResponsePartition { partition_index: partition.partition_index, error_code })
                .collect(),
        };
        OffsetCommitResponse { topics: request.topics.iter().map(topic).collect(), ..OffsetCommitResponse::default() }
    }
}

fn position(topic: &Str, partition: &o::OffsetCommitRequestPartition) -> Position {
    Position {
        topic: topic.clone(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone(),
    }
}
