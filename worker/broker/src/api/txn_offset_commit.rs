//! TxnOffsetCommit (28): a group's positions, visible if and when the transaction commits; fenced by the group's generation (KIP-447).

use coordinators::{
    Refusal,
    groups::{Generation, InstanceId, MemberId, Request, Response, StageOffsets, StageTicket},
    transactions::{AddGroup, Producer, Request as TransactionRequest, Response as TransactionResponse, Version},
};
use units::{GroupId, TransactionalId};
use wire::{TxnOffsetCommitRequest, TxnOffsetCommitResponse, txn_offset_commit as t};

use super::{
    offset_commit::{Position, codes, known},
    verification::ADD_PATIENCE,
};
use crate::dispatch::Call;

/// The first version that adds its group to the transaction by itself (KIP-890).
const IMPLICIT_ADD_VERSION: i16 = 5;

pub(crate) async fn answer(call: Call, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let positions: Vec<Position> =
        request.topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| position(topic, partition))).collect();
    let (offsets, named) = known(&call.shared.topics.now(), &positions);
    let group = GroupId::from(&*request.group_id);
    let transactional_id = TransactionalId::from(&*request.transactional_id);
    let producer = Producer { id: request.producer_id, epoch: request.producer_epoch };
    let answer = match belongs(&call, &group, &transactional_id, producer).await {
        Err(refusal) => Err(refusal),
        Ok(ticket) => {
            let stage = StageOffsets {
                group,
                transactional_id,
                producer: producer.id,
                epoch: producer.epoch,
                generation: Generation(request.generation_id),
                member: MemberId::from(&*request.member_id),
                instance: request.group_instance_id.as_deref().map(InstanceId::from),
                ticket,
                offsets,
            };
            match call.shared.groups.request(Request::StageOffsets(stage)).await {
                Some(Response::StageOffsets(answer)) => answer,
                _ => Err(Refusal::CoordinatorNotAvailable),
            }
        }
    };
    let mut codes = codes(&named, answer).into_iter();
    let topic = |topic: &t::TxnOffsetCommitRequestTopic| t::TxnOffsetCommitResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .zip(&mut codes)
            .map(|(partition, error_code)| t::TxnOffsetCommitResponsePartition { partition_index: partition.partition_index, error_code })
            .collect(),
    };
    TxnOffsetCommitResponse { topics: request.topics.iter().map(topic).collect(), ..TxnOffsetCommitResponse::default() }
}

/// Makes the group part of the producer's open transaction; before version 5 only checks that it is, and gives a ticket so that an end
/// which comes between the check and the stage is noticed.
async fn belongs(
    call: &Call,
    group: &GroupId,
    transactional_id: &TransactionalId,
    producer: Producer,
) -> Result<Option<StageTicket>, Refusal> {
    let (transactions, groups) = (&call.shared.transactions, &call.shared.groups);
    let (transactional_id, group) = (transactional_id.clone(), group.clone());
    if call.version >= IMPLICIT_ADD_VERSION {
        let add = AddGroup { transactional_id, producer, group, version: Version::V2, patience: ADD_PATIENCE };
        return match transactions.request(TransactionRequest::AddGroup(add)).await {
            Some(TransactionResponse::AddGroup(added)) => added.map(|()| None),
            _ => Err(Refusal::CoordinatorNotAvailable),
        };
    }
    let asked = group.clone();
    let ticket = groups.read(move |groups| groups.stage_ticket(&asked, producer.id)).await.ok_or(Refusal::CoordinatorNotAvailable)?;
    let verified = transactions.read(move |transactions| transactions.verify_group(&transactional_id, producer, &group)).await;
    verified.unwrap_or(Err(Refusal::CoordinatorNotAvailable)).map(|()| Some(ticket))
}

fn position(topic: &t::TxnOffsetCommitRequestTopic, partition: &t::TxnOffsetCommitRequestPartition) -> Position {
    Position {
        topic: topic.name.clone(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone(),
    }
}
