//! DescribeTransactions (65): where transactional ids stand (KIP-664).

use coordinators::{Refusal, transactions::TransactionDescription};
use units::{TimestampMs, TransactionalId};
use wire::{DescribeTransactionsRequest, DescribeTransactionsResponse, Str, describe_transactions as d};

use crate::{dispatch::Call, errors};

pub(crate) async fn answer(call: Call, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let wanted: Vec<TransactionalId> = request.transactional_ids.iter().map(|id| TransactionalId::from(&**id)).collect();
    let asked = wanted.clone();
    let looked =
        call.shared.transactions.read(move |transactions| asked.iter().map(|id| transactions.describe(id)).collect::<Vec<_>>()).await;
    let described = looked.unwrap_or_else(|| wanted.iter().map(|_| Err(Refusal::CoordinatorNotAvailable)).collect());
    let states = wanted.iter().zip(described).map(|(id, described)| one(id, described));
    DescribeTransactionsResponse { transaction_states: states.collect(), ..DescribeTransactionsResponse::default() }
}

fn one(id: &TransactionalId, described: Result<TransactionDescription, Refusal>) -> d::TransactionState {
    let nothing = d::TransactionState { transactional_id: Str::from(id.as_str()), ..d::TransactionState::default() };
    let transaction = match described {
        Ok(transaction) => transaction,
        Err(refusal) => return d::TransactionState { error_code: errors::of_refusal(refusal), ..nothing },
    };
    let mut topics: Vec<d::TopicData> = Vec::new();
    for partition in &transaction.partitions {
        match topics.last_mut() {
            Some(topic) if *topic.topic == *partition.topic.as_str() => topic.partitions.push(partition.partition),
            _ => topics.push(d::TopicData { topic: Str::from(partition.topic.as_str()), partitions: vec![partition.partition] }),
        }
    }
    if !transaction.group_partitions.is_empty() {
        topics.push(d::TopicData {
            topic: Str::from_static("__consumer_offsets"),
            partitions: transaction.group_partitions.into_iter().collect(),
        });
    }
    d::TransactionState {
        transaction_state: Str::from_static(transaction.state.name()),
        transaction_timeout_ms: i32::try_from(transaction.timeout.0).unwrap_or(i32::MAX),
        transaction_start_time_ms: transaction.started.unwrap_or(TimestampMs::NONE),
        producer_id: transaction.producer.id,
        producer_epoch: transaction.producer.epoch,
        topics,
        ..nothing
    }
}
