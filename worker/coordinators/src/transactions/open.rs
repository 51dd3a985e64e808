//! AddPartitionsToTxn, AddOffsetsToTxn and their verification: what belongs to the open transaction.

use std::collections::BTreeSet;

use units::{GroupId, PartitionId, TimestampMs, TopicPartition, TransactionalId};

use super::{AddGroup, AddPartitions, Producer, Response, Rule, Step, Stored, Timer, TransactionState, Transactions, Version};
use crate::{Refusal, Token, partition_for, timers::after};

impl Transactions {
    pub(super) fn add_partitions(&mut self, now: TimestampMs, token: Token, add: AddPartitions) {
        let partitions: BTreeSet<_> = add.partitions.into_iter().collect();
        let added = Added { partitions, group_partitions: BTreeSet::new() };
        if let Some(result) = self.add(now, token, &add.transactional_id, add.producer, add.version, added, false) {
            self.respond(token, Response::AddPartitions(result));
        }
    }

    pub(super) fn add_group(&mut self, now: TimestampMs, token: Token, add: &AddGroup) {
        let group_partitions = BTreeSet::from([self.group_partition_of(&add.group)]);
        let added = Added { partitions: BTreeSet::new(), group_partitions };
        let result = if add.group.as_str().is_empty() {
            Some(Err(Refusal::InvalidGroupId))
        } else {
            self.add(now, token, &add.transactional_id, add.producer, add.version, added, true)
        };
        if let Some(result) = result {
            self.respond(token, Response::AddGroup(result));
        }
    }

    /// The partition of the group coordinator that keeps `group`.
    #[must_use]
    pub fn group_partition_of(&self, group: &GroupId) -> PartitionId {
        partition_for(group.as_str(), self.config.group_partition_count)
    }

    /// The answer, or `None` if it comes when the record is durable.
    #[expect(clippy::too_many_arguments, reason = "two requests that differ in what they add, and in the name of their answer")]
    fn add(
        &mut self,
        now: TimestampMs,
        token: Token,
        id: &TransactionalId,
        producer: Producer,
        version: Version,
        added: Added,
        is_group: bool,
    ) -> Option<Result<(), Refusal>> {
        let stored = match self.check_producer(id, producer) {
            Ok(stored) => stored,
            Err(refusal) => return Some(Err(refusal)),
        };
        let is_open = stored.state == TransactionState::Ongoing;
        let is_in = added.partitions.is_subset(&stored.partitions) && added.group_partitions.is_subset(&stored.group_partitions);
        if is_in && is_open || added.is_empty() {
            return Some(Ok(()));
        }
        let mut next = Stored {
            state: TransactionState::Ongoing,
            version,
            started: stored.started.filter(|_| is_open).or(Some(now)),
            updated: now,
            ..stored.clone()
        };
        next.partitions.extend(added.partitions);
        next.group_partitions.extend(added.group_partitions);
        self.append(id, next, Step::Opened { token, is_group });
        self.is_broken(Rule::AddIsDurable).then_some(Ok(()))
    }

    /// What is known of the producer, if this is its present id and epoch and nothing is on its way.
    fn check_producer(&self, id: &TransactionalId, producer: Producer) -> Result<&Stored, Refusal> {
        self.check_ready(id)?;
        let stored = self.stored(id).ok_or(Refusal::InvalidProducerIdMapping)?;
        // First, since the next id or epoch may be on its way: the producer that asks may be the one to get it.
        if self.is_busy(id) {
            return Err(Refusal::ConcurrentTransactions);
        }
        if stored.producer.id != producer.id {
            return Err(Refusal::InvalidProducerIdMapping);
        }
        if stored.producer.epoch != producer.epoch && !self.is_broken(Rule::EndChecksEpoch) {
            return Err(Refusal::ProducerFenced);
        }
        Ok(stored)
    }

    /// Whether a step of `id` is on its way, or its last transaction is not complete.
    pub(super) fn is_busy(&self, id: &TransactionalId) -> bool {
        let is_completing = self.stored(id).is_some_and(|stored| stored.decided().is_some());
        self.pending.contains(id) || is_completing && !self.is_broken(Rule::AddWaitsWhileCompleting)
    }

    /// Whether a produce to `partition` is part of the producer's open transaction (V1, KIP-890 part 1).
    ///
    /// # Errors
    /// `TransactionAbortable` if it is not (for clients that do not know it, Produce before v11: `InvalidTxnState`), `InvalidProducerEpoch`,
    /// `InvalidProducerIdMapping`, `ConcurrentTransactions`, or why this is not the coordinator.
    pub fn verify_partition(&self, id: &TransactionalId, producer: Producer, partition: &TopicPartition) -> Result<(), Refusal> {
        self.verify(id, producer, |stored| stored.partitions.contains(partition))
    }

    /// Whether offsets of `group` are part of the producer's open transaction (V1, KIP-890 part 1).
    ///
    /// # Errors
    /// As [`Transactions::verify_partition`].
    pub fn verify_group(&self, id: &TransactionalId, producer: Producer, group: &GroupId) -> Result<(), Refusal> {
        self.verify(id, producer, |stored| stored.group_partitions.contains(&self.group_partition_of(group)))
    }

    fn verify(&self, id: &TransactionalId, producer: Producer, is_in: impl Fn(&Stored) -> bool) -> Result<(), Refusal> {
        let stored = self.check_producer(id, producer).map_err(|refusal| match refusal {
            Refusal::ProducerFenced => Refusal::InvalidProducerEpoch,
            refusal => refusal,
        })?;
        if stored.state == TransactionState::Ongoing && is_in(stored) { Ok(()) } else { Err(Refusal::TransactionAbortable) }
    }

    /// The open transaction is aborted when its time is over.
    pub(super) fn set_timeout(&mut self, now: TimestampMs, id: Option<&TransactionalId>) {
        let id = id.expect("an open transaction has an id");
        let Some(stored) = self.stored(id).filter(|stored| stored.state == TransactionState::Ongoing) else { return };
        let at = after(stored.started.unwrap_or(now), stored.timeout);
        self.timers.set(Timer::Timeout(id.clone()), at);
    }
}

/// What a request adds.
struct Added {
    partitions: BTreeSet<TopicPartition>,
    group_partitions: BTreeSet<PartitionId>,
}

impl Added {
    fn is_empty(&self) -> bool {
        self.partitions.is_empty() && self.group_partitions.is_empty()
    }
}
