//! AddPartitionsToTxn (24): partitions become part of the transaction, for clients before KIP-890; from version 4 on also a broker's check.

use coordinators::{
    Refusal,
    transactions::{AddPartitions, Producer, Request, Response, Version},
};
use units::{DurationMs, PartitionId, TopicName, TopicPartition, TransactionalId};
use wire::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ErrorCode, add_partitions_to_txn as a};

use crate::{dispatch::Call, errors};

/// The first version that names several transactions.
const NAMES_SEVERAL: i16 = 4;

pub(crate) async fn answer(call: Call, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    if call.version < NAMES_SEVERAL {
        let transaction = a::AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        return AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: one(&call, &transaction).await,
            ..AddPartitionsToTxnResponse::default()
        };
    }
    let mut results_by_transaction = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        let topic_results = one(&call, &transaction).await;
        results_by_transaction.push(a::AddPartitionsToTxnResult { transactional_id: transaction.transactional_id, topic_results });
    }
    AddPartitionsToTxnResponse { results_by_transaction, ..AddPartitionsToTxnResponse::default() }
}

/// All partitions of one transaction, or none of them.
async fn one(call: &Call, transaction: &a::AddPartitionsToTxnTransaction) -> Vec<a::AddPartitionsToTxnTopicResult> {
    let catalogue = call.shared.topics.now();
    let named = |topic: &str, partition: PartitionId| {
        catalogue.get(topic)?.partition(partition)?;
        Some(TopicPartition { topic: TopicName::new(topic).ok()?, partition })
    };
    let all: Vec<Option<TopicPartition>> =
        transaction.topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| named(&topic.name, *partition))).collect();
    let known: Option<Vec<TopicPartition>> = all.iter().cloned().collect();
    let result = match known {
        Some(partitions) => Some(add(call, transaction, partitions).await),
        None => None,
    };
    let mut all = all.into_iter();
    let mut code = move || match (&result, all.next().flatten()) {
        (Some(result), _) => result.map_or_else(errors::of_refusal, |()| ErrorCode::None),
        (None, None) => ErrorCode::UnknownTopicOrPartition,
        (None, Some(_)) => ErrorCode::OperationNotAttempted,
    };
    let topic = |topic: &a::AddPartitionsToTxnTopic| a::AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic
            .partitions
            .iter()
            .map(|partition| a::AddPartitionsToTxnPartitionResult { partition_index: *partition, partition_error_code: code() })
            .collect(),
    };
    transaction.topics.iter().map(topic).collect()
}

async fn add(call: &Call, transaction: &a::AddPartitionsToTxnTransaction, partitions: Vec<TopicPartition>) -> Result<(), Refusal> {
    let transactional_id = TransactionalId::from(&*transaction.transactional_id);
    let producer = Producer { id: transaction.producer_id, epoch: transaction.producer_epoch };
    let transactions = &call.shared.transactions;
    if transaction.verify_only {
        let verify = move |core: &coordinators::transactions::Transactions| {
            partitions.iter().try_for_each(|partition| core.verify_partition(&transactional_id, producer, partition))
        };
        return transactions.read(verify).await.unwrap_or(Err(Refusal::CoordinatorNotAvailable));
    }
    let add = AddPartitions { transactional_id, producer, partitions, version: Version::V1, patience: DurationMs(0) };
    match transactions.request(Request::AddPartitions(add)).await {
        Some(Response::AddPartitions(added)) => added,
        _ => Err(Refusal::CoordinatorNotAvailable),
    }
}
