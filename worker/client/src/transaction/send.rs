//! Sending a burst: which connection, how many requests under way, and what their answers mean.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use futures::future::join_all;
use units::{BrokerId, Offset, TopicPartition};
use wire::{
    ApiKey, ErrorCode, ProduceRequest, ProduceResponse, Str,
    produce::{PartitionProduceData, TopicProduceData},
};

use super::{
    Batch, TransactionError, TransactionalProducer,
    burst::Burst,
    coordinator::{is_concurrent, pause, require_transaction_version},
};
use crate::{CallError, ClientError, Connection, Leader, Pending};

/// Requests to one broker whose answers are due; a broker remembers as many batches of a producer to tell one that comes again (KIP-98).
const IN_FLIGHT_MAX: usize = 5;
/// Produce in this version adds partitions to the transaction by itself (KIP-890); from the next one on topics go by their ids.
const PRODUCE_TV2: i16 = 12;

impl TransactionalProducer {
    /// Sends batches in the open transaction, or opens one with them, and returns when each of them is durable: the base offset of each,
    /// in the order given. The batches of a partition are written in that order. Up to five requests for each broker are under way.
    ///
    /// The batches keep what was stamped into them, and can be given to a later call as they are: it stamps them anew.
    ///
    /// # Errors
    /// After any error the transaction can only be aborted, or settled. [`TransactionError::UnknownOutcome`] means that some may have
    /// been written to the transaction that is still open, which nobody gets to see unless it is committed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open what was written: settle.
    pub async fn send(&mut self, batches: &mut [Batch]) -> Result<Vec<Offset>, TransactionError> {
        let not_a_batch = |error: records::BatchError| {
            let message = Some(error.to_string().into());
            TransactionError::Refused(ClientError::Refused { api: ApiKey::Produce, code: ErrorCode::InvalidRecord, message })
        };
        let identity = (self.identity.id, self.identity.epoch);
        let mut burst = Burst::stamp(batches, identity, &mut self.sequences).map_err(not_a_batch)?;
        let mut patience = self.cluster.patience();
        loop {
            let open = burst.open_partitions();
            if open.is_empty() {
                return Ok(burst.into_offsets());
            }
            let mut leaders = HashMap::new();
            for partition in &open {
                let leader = self.cluster.leader(partition).await.map_err(TransactionError::unanswered)?;
                leaders.insert(partition.clone(), leader);
            }
            self.send_round(&mut burst, &leaders).await?;
            let still_open = burst.open_partitions();
            let Some(refusal) = burst.last_refusal() else { continue };
            let is_concurrent = is_concurrent(&refusal);
            if !is_concurrent {
                still_open.iter().for_each(|partition| self.cluster.forget_topic(&partition.topic));
            }
            if !pause(&mut patience, is_concurrent).await {
                return Err(refusal);
            }
        }
    }

    /// Sends what is open once, to all leaders at the same time, and takes in what they say.
    async fn send_round(&mut self, burst: &mut Burst, leaders: &HashMap<TopicPartition, Leader>) -> Result<(), TransactionError> {
        let brokers = leaders.iter().map(|(partition, leader)| (partition.clone(), leader.broker)).collect();
        let round = burst.round(&brokers);
        for broker in round.keys() {
            if self.leaders.get(broker).is_none_or(|connection| !connection.is_open())
                && let Ok(opened) = self.cluster.open(*broker).await
            {
                require_transaction_version(&opened)?;
                self.leaders.insert(*broker, opened);
            }
        }
        let sends = round.into_iter().map(|(broker, requests)| {
            let connection = self.leaders.get(&broker).cloned();
            let requests: Vec<_> = requests.into_iter().map(|indexes| (self.produce_request(burst, &indexes, leaders), indexes)).collect();
            send_in_order(connection, broker, requests)
        });
        let answers: Vec<_> = join_all(sends).await.into_iter().flatten().collect();
        let mut first_refusal = Ok(());
        for (indexes, answer) in answers {
            match answer {
                Ok(response) => first_refusal = first_refusal.and(take_in(burst, &indexes, leaders, &response)),
                Err(error) => {
                    let error = TransactionError::from(error);
                    if matches!(error, TransactionError::Refused(_)) {
                        first_refusal = first_refusal.and(Err(error.clone()));
                    }
                    indexes.iter().for_each(|index| burst.unanswered(*index, error.clone()));
                }
            }
        }
        first_refusal
    }

    fn produce_request(&self, burst: &Burst, indexes: &[usize], leaders: &HashMap<TopicPartition, Leader>) -> ProduceRequest {
        let mut topics: Vec<TopicProduceData> = Vec::new();
        for index in indexes {
            let (partition, bytes) = burst.batch(*index);
            let name = Str::from(&partition.topic);
            let data = PartitionProduceData { index: partition.partition, records: Some(bytes.clone()) };
            match topics.iter_mut().find(|topic| topic.name == name) {
                Some(topic) => topic.partition_data.push(data),
                None => topics.push(TopicProduceData { name, topic_id: leaders[partition].topic_id, partition_data: vec![data] }),
            }
        }
        let timeout_ms = i32::try_from(self.cluster.options().request_timeout.as_millis()).unwrap_or(i32::MAX);
        ProduceRequest { transactional_id: Some((&self.id).into()), acks: -1, timeout_ms, topic_data: topics }
    }
}

/// One broker's share of a round: its requests, each with the batches it holds, and what it answered to each.
type Share = Vec<(Vec<usize>, Result<ProduceResponse, CallError>)>;

/// Sends requests in order, with up to five under way.
async fn send_in_order(connection: Option<Connection>, broker: BrokerId, requests: Vec<(ProduceRequest, Vec<usize>)>) -> Share {
    let no_connection = || CallError::Connect { address: format!("broker {broker}").into(), reason: "it cannot be reached".into() };
    let mut answers = Share::with_capacity(requests.len());
    let mut under_way: VecDeque<(Vec<usize>, Pending<ProduceResponse>)> = VecDeque::new();
    for (request, indexes) in requests {
        if under_way.len() == IN_FLIGHT_MAX
            && let Some((indexes, oldest)) = under_way.pop_front()
        {
            answers.push((indexes, oldest.await));
        }
        let waits = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let sent = match &connection {
            Some(connection) => connection.send(&request, PRODUCE_TV2, waits).await,
            None => Err(no_connection()),
        };
        match sent {
            Ok(pending) => under_way.push_back((indexes, pending)),
            Err(error) => {
                drain(&mut under_way, &mut answers).await;
                answers.push((indexes, Err(error)));
            }
        }
    }
    drain(&mut under_way, &mut answers).await;
    answers
}

/// Answers are taken in the order of their requests.
async fn drain(under_way: &mut VecDeque<(Vec<usize>, Pending<ProduceResponse>)>, answers: &mut Share) {
    while let Some((indexes, pending)) = under_way.pop_front() {
        answers.push((indexes, pending.await));
    }
}

/// Tells the burst what a broker said of the batches of one request.
fn take_in(
    burst: &mut Burst,
    indexes: &[usize],
    leaders: &HashMap<TopicPartition, Leader>,
    response: &ProduceResponse,
) -> Result<(), TransactionError> {
    let mut outcome = Ok(());
    for index in indexes {
        let (partition, _) = burst.batch(*index);
        let leader = leaders[partition];
        let topic = response.responses.iter().find(|topic| topic.topic_id == leader.topic_id || topic.name == partition.topic.as_str());
        let told = topic.and_then(|topic| topic.partition_responses.iter().find(|told| told.index == partition.partition));
        match told {
            Some(told) => outcome = outcome.and(burst.settle(*index, told.error_code, told.base_offset)),
            None => burst.unanswered(*index, TransactionError::UnknownOutcome(ClientError::Incomplete(ApiKey::Produce))),
        }
    }
    outcome
}
