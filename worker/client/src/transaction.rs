//! [`TransactionalProducer`]: one transactional id, one call for each request, honest outcomes.
//!
//! It needs `transaction.version=2` (KIP-890): partitions join a transaction by being written to, and every end of a transaction
//! comes with the next epoch, so that nothing that was late can fall into the next one.

mod burst;
mod outcome;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use futures::future::join_all;
use units::{BrokerId, GroupId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition, TransactionalId};
use wire::{
    ApiKey, EndTxnRequest, ErrorCode, InitProducerIdRequest, ProduceRequest, ProduceResponse, Request, Str, TxnOffsetCommitRequest,
    produce::{PartitionProduceData, TopicProduceData},
    txn_offset_commit::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
};

use crate::{CallError, ClientError, Cluster, Connection, CoordinatorKey, Generation, Leader, Pending, patience::Patience};
pub use burst::Batch;
use burst::{Burst, Sequences};
pub use outcome::{Fence, TransactionError};

/// Requests to one broker whose answers are due; a broker remembers as many batches of a producer to tell one that comes again (KIP-98).
const IN_FLIGHT_MAX: usize = 5;
/// Produce in this version adds partitions to the transaction by itself, and names topics by their ids from the next one on (KIP-890).
const PRODUCE_TV2: i16 = 12;
/// TxnOffsetCommit in this version adds the group to the transaction by itself (KIP-890).
const TXN_OFFSET_COMMIT_TV2: i16 = 5;
/// EndTxn in this version answers with the next epoch (KIP-890).
const END_TXN_TV2: i16 = 5;
/// The last transaction is still ending: that takes milliseconds (KAFKA-18654 asks not to wait longer).
const CONCURRENT_PAUSE: Duration = Duration::from_millis(5);

/// Who a producer is to brokers. Every end of a transaction gives a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// The producer id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// A group's position to commit with a transaction.
#[derive(Clone, Debug)]
pub struct GroupOffset {
    /// The partition. It need not be one that exists: positions of anything can be named so.
    pub partition: TopicPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read; -1 where not known.
    pub leader_epoch: LeaderEpoch,
    /// What to store with it; brokers allow 4 KiB.
    pub metadata: Str,
}

/// The one sender of a transactional id. Calls are made one after the other.
#[derive(Debug)]
pub struct TransactionalProducer {
    cluster: Cluster,
    id: TransactionalId,
    key: CoordinatorKey,
    transaction_timeout: Duration,
    identity: ProducerIdentity,
    sequences: Sequences,
    coordinator: Option<Connection>,
    leaders: HashMap<BrokerId, Connection>,
}

impl TransactionalProducer {
    /// Registers under `id` (InitProducerId): whoever had it before is fenced, and the transaction it left open is ended, before this returns.
    ///
    /// # Errors
    /// [`TransactionError::TransactionVersion`] where the cluster lacks KIP-890; else as it comes. Registering twice is harmless, so
    /// lost answers are asked for again.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the id registered for nobody.
    pub async fn register(cluster: Cluster, id: TransactionalId, transaction_timeout: Duration) -> Result<Self, TransactionError> {
        let key = CoordinatorKey::Transaction(id.clone());
        let identity = ProducerIdentity { id: ProducerId::NONE, epoch: ProducerEpoch(-1) };
        let mut producer = Self {
            cluster,
            id,
            key,
            transaction_timeout,
            identity,
            sequences: Sequences::new(),
            coordinator: None,
            leaders: HashMap::new(),
        };
        producer.init(identity).await?;
        Ok(producer)
    }

    /// Has whatever transaction is open decided, and goes on under the next epoch (InitProducerId naming the present one, KIP-360): an
    /// open transaction is aborted, one whose end was asked for ends so. A producer that was replaced meanwhile learns it here instead of
    /// fencing its successor.
    ///
    /// # Errors
    /// [`TransactionError::Fenced`] where it was replaced. Lost answers are asked for again.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the epoch in doubt; call it again.
    pub async fn settle(&mut self) -> Result<(), TransactionError> {
        self.init(self.identity).await
    }

    /// Who this producer is now.
    #[must_use]
    pub fn identity(&self) -> ProducerIdentity {
        self.identity
    }

    async fn init(&mut self, known: ProducerIdentity) -> Result<(), TransactionError> {
        let request = InitProducerIdRequest {
            transactional_id: Some((&self.id).into()),
            transaction_timeout_ms: i32::try_from(self.transaction_timeout.as_millis()).unwrap_or(i32::MAX),
            producer_id: known.id,
            producer_epoch: known.epoch,
        };
        let response = self.ask_coordinator(&request, 3, true, |response| response.error_code).await?;
        self.become_identity(ProducerIdentity { id: response.producer_id, epoch: response.producer_epoch });
        Ok(())
    }

    /// Sequences start at 0 under every epoch.
    fn become_identity(&mut self, identity: ProducerIdentity) {
        self.identity = identity;
        self.sequences.clear();
    }

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
            let is_concurrent =
                matches!(&refusal, TransactionError::Retriable(error) if error.code() == Some(ErrorCode::ConcurrentTransactions));
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

    /// Names positions of a group in the transaction (TxnOffsetCommit). With the member's generation, a member that the group has dropped
    /// or moved past is refused (KIP-447). Naming the same again is harmless, so lost answers are asked for again.
    ///
    /// # Errors
    /// [`TransactionError`]; after [`TransactionError::Generation`] the same can be named under the next generation.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether they were named.
    pub async fn commit_offsets(
        &mut self,
        group: &GroupId,
        generation: &Generation,
        offsets: &[GroupOffset],
    ) -> Result<(), TransactionError> {
        let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
        for offset in offsets {
            let name = Str::from(&offset.partition.topic);
            let partition = TxnOffsetCommitRequestPartition {
                partition_index: offset.partition.partition,
                committed_offset: offset.offset,
                committed_leader_epoch: offset.leader_epoch,
                committed_metadata: Some(offset.metadata.clone()),
            };
            match topics.iter_mut().find(|topic| topic.name == name) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(TxnOffsetCommitRequestTopic { name, partitions: vec![partition] }),
            }
        }
        let request = TxnOffsetCommitRequest {
            transactional_id: (&self.id).into(),
            group_id: group.into(),
            producer_id: self.identity.id,
            producer_epoch: self.identity.epoch,
            generation_id: generation.generation_id,
            member_id: generation.member_id.clone(),
            group_instance_id: generation.instance_id.clone(),
            topics,
        };
        self.name_offsets(group, &request).await
    }

    /// This goes to the coordinator of the group, not to that of the transaction.
    async fn name_offsets(&self, group: &GroupId, request: &TxnOffsetCommitRequest) -> Result<(), TransactionError> {
        let key = CoordinatorKey::Group(group.clone());
        let mut patience = self.cluster.patience();
        loop {
            let asked = async {
                let broker = self.cluster.coordinator(&key).await?;
                let connection = self.cluster.shared(broker).await?;
                Ok::<_, ClientError>(connection.call_from(request, TXN_OFFSET_COMMIT_TV2, Duration::ZERO).await?)
            };
            let error = match asked.await {
                Ok(response) => {
                    let results = response.topics.iter().flat_map(|topic| &topic.partitions);
                    match results.map(|result| result.error_code).find(|code| !code.is_ok()) {
                        None => return Ok(()),
                        Some(code) => TransactionError::of(ApiKey::TxnOffsetCommit, code, None),
                    }
                }
                Err(error) => TransactionError::unanswered(error),
            };
            if !self.pause_after(&error, &key, &mut patience).await {
                return Err(error);
            }
        }
    }

    /// Ends the transaction (EndTxn), and goes on under the epoch that comes with the answer.
    ///
    /// # Errors
    /// [`TransactionError::UnknownOutcome`] where the answer was lost: it is *not* asked for again, since only the positions that a commit
    /// carries can tell what became of it. [`TransactionalProducer::settle`], then read them.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the outcome unknown: settle.
    pub async fn end(&mut self, commit: bool) -> Result<(), TransactionError> {
        let request = EndTxnRequest {
            transactional_id: (&self.id).into(),
            producer_id: self.identity.id,
            producer_epoch: self.identity.epoch,
            committed: commit,
        };
        let response = self.ask_coordinator(&request, END_TXN_TV2, false, |response| response.error_code).await?;
        let is_told = response.producer_id >= ProducerId(0) && response.producer_epoch >= ProducerEpoch(0);
        if is_told {
            self.become_identity(ProducerIdentity { id: response.producer_id, epoch: response.producer_epoch });
        }
        Ok(())
    }

    /// Asks the transaction's coordinator, wherever it is, until it does not answer "not now". A lost answer is asked for again only where
    /// doing twice `is_harmless`.
    async fn ask_coordinator<R: Request>(
        &mut self,
        request: &R,
        needed: i16,
        is_harmless: bool,
        code: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, TransactionError> {
        let mut patience = self.cluster.patience();
        loop {
            let error = match self.connect_coordinator().await? {
                Err(error) => error,
                Ok(connection) => match connection.call_from(request, needed, Duration::ZERO).await {
                    Ok(response) if code(&response).is_ok() => return Ok(response),
                    Ok(response) => TransactionError::of(R::API, code(&response), None),
                    Err(error) => error.into(),
                },
            };
            if matches!(error, TransactionError::UnknownOutcome(_)) && !is_harmless {
                self.coordinator = None;
                self.cluster.forget_coordinator(&self.key);
                return Err(error);
            }
            if !self.pause_after(&error, &self.key, &mut patience).await {
                return Err(error);
            }
            if !is_concurrent(&error) {
                self.coordinator = None;
            }
        }
    }

    /// The coordinator's connection; the inner error is one that passes.
    async fn connect_coordinator(&mut self) -> Result<Result<Connection, TransactionError>, TransactionError> {
        if let Some(open) = self.coordinator.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Ok(open.clone()));
        }
        let opened = async { Ok::<_, ClientError>(self.cluster.open(self.cluster.coordinator(&self.key).await?).await?) };
        match opened.await {
            Ok(connection) => {
                require_transaction_version(&connection)?;
                Ok(Ok(self.coordinator.insert(connection).clone()))
            }
            Err(error) => Ok(Err(TransactionError::unanswered(error))),
        }
    }

    /// Waits before the same is asked again; false where it is not to be.
    async fn pause_after(&self, error: &TransactionError, key: &CoordinatorKey, patience: &mut Patience) -> bool {
        match error {
            TransactionError::Retriable(_) | TransactionError::UnknownOutcome(_) => {
                if !is_concurrent(error) {
                    self.cluster.forget_coordinator(key);
                }
                pause(patience, is_concurrent(error)).await
            }
            _ => false,
        }
    }
}

fn is_concurrent(error: &TransactionError) -> bool {
    matches!(error, TransactionError::Retriable(error) if error.code() == Some(ErrorCode::ConcurrentTransactions))
}

async fn pause(patience: &mut Patience, is_concurrent: bool) -> bool {
    if is_concurrent { patience.pause_for(CONCURRENT_PAUSE).await } else { patience.pause().await }
}

fn require_transaction_version(connection: &Connection) -> Result<(), TransactionError> {
    let level = connection.feature("transaction.version").unwrap_or(0);
    if level < 2 {
        return Err(TransactionError::TransactionVersion { address: connection.address().to_string(), level });
    }
    Ok(())
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
