//! [`TransactionalProducer`]: one transactional id, one call for each request, honest outcomes.
//!
//! It needs `transaction.version=2` (KIP-890): partitions join a transaction by being written to, and every end of a transaction
//! comes with the next epoch, so that nothing that was late can fall into the next one.

mod burst;
mod coordinator;
mod outcome;
mod send;

use std::{collections::HashMap, time::Duration};

use units::{BrokerId, GroupId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition, TransactionalId};
use wire::{
    EndTxnRequest, InitProducerIdRequest, Str, TxnOffsetCommitRequest,
    txn_offset_commit::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
};

use crate::{Cluster, Connection, CoordinatorKey, Generation};
pub use burst::Batch;
use burst::Sequences;
pub use outcome::{Fence, TransactionError};

/// EndTxn in this version answers with the next epoch (KIP-890).
const END_TXN_TV2: i16 = 5;
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
    /// fencing its successor. Transactions may take `transaction_timeout` from now on.
    ///
    /// # Errors
    /// [`TransactionError::Fenced`] where it was replaced. Lost answers are asked for again.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the epoch in doubt; call it again.
    pub async fn settle(&mut self, transaction_timeout: Duration) -> Result<(), TransactionError> {
        self.transaction_timeout = transaction_timeout;
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
}
