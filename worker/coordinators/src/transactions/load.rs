//! How a partition of the transaction coordinator is taken up, given up, written down whole, and cleared of what is long unused.

use units::{Offset, PartitionId, TimestampMs, TransactionalId};

use super::{Decider, Response, Rule, Step, Store, Then, Timer, TransactionState, Transactions, record, record::Change};
use crate::{
    CorruptRecord, Refusal,
    timers::{after, elapsed},
};

impl Transactions {
    /// Takes up a partition: until [`Transactions::finish_load`] requests for its ids are refused with `CoordinatorLoadInProgress`.
    ///
    /// The shell reads the partition's log only when none of its own appends to it is on its way any more.
    pub fn begin_load(&mut self, partition: PartitionId) {
        self.unload(partition);
        self.journal.begin_load(partition);
        self.stores.insert(partition, Store::default());
    }

    /// Folds in one record of the partition's log; call it for each, in order.
    ///
    /// # Errors
    /// [`CorruptRecord`] where the record is not of this format: the partition cannot be loaded by this broker.
    pub fn replay(&mut self, partition: PartitionId, _at: Offset, key: &[u8], value: Option<&[u8]>) -> Result<(), CorruptRecord> {
        let change = record::read(key, value)?;
        if self.journal.count_replayed(partition)
            && let Some(store) = self.stores.get_mut(&partition)
        {
            store.apply(&change);
        }
        Ok(())
    }

    /// Begins to serve the partition: decided transactions send their markers again, open ones go on until their time is over.
    pub fn finish_load(&mut self, partition: PartitionId, now: TimestampMs) {
        self.journal.finish_load(partition);
        let Some(store) = self.stores.get(&partition) else { return };
        let ids: Vec<TransactionalId> = store.transactions.keys().cloned().collect();
        for id in ids {
            self.set_timeout(now, Some(&id));
            if !self.is_broken(Rule::LoadResumesMarkers) {
                self.begin_markers(now, &id);
            }
        }
        if !self.timers.is_set(&Timer::Expiry) {
            self.timers.set(Timer::Expiry, after(now, self.config.id_check_interval));
        }
        self.write_due_snapshot(partition);
    }

    /// Gives up a partition: everything that waits in it is answered `NotCoordinator`.
    pub fn unload(&mut self, partition: PartitionId) {
        for then in self.journal.unload(partition) {
            self.refuse(then);
        }
        if partition == self.config.producer_id_partition {
            self.producer_ids.forget();
            self.refuse_waiting(Refusal::CoordinatorNotAvailable);
        }
        for id in self.stores.remove(&partition).unwrap_or_default().transactions.into_keys() {
            self.pending.remove(&id);
            if let Some(round) = self.marking.remove(&id).and_then(|marking| marking.round()) {
                self.rounds.remove(&round);
            }
            self.refuse_parked(&id, Refusal::NotCoordinator);
            self.timers.clear(&Timer::Timeout(id.clone()));
            self.timers.clear(&Timer::Retry(id));
        }
    }

    fn refuse(&mut self, then: Then) {
        let refusal = Refusal::NotCoordinator;
        if let Some(id) = &then.id {
            self.pending.remove(id);
            self.refuse_parked(id, refusal);
        }
        match then.step {
            Step::Initialised { token, .. } => self.respond(token, Response::InitProducer(Err(refusal))),
            Step::Opened { token, is_group: true } => self.respond(token, Response::AddGroup(Err(refusal))),
            Step::Opened { token, is_group: false } => self.respond(token, Response::AddPartitions(Err(refusal))),
            Step::Decided { answer: Some(Decider::End(token, _)) } => self.respond(token, Response::End(Err(refusal))),
            Step::Decided { answer: Some(Decider::Init(token)) } => self.respond(token, Response::InitProducer(Err(refusal))),
            Step::Decided { answer: None } | Step::Completed | Step::Reserved(_) | Step::Forgotten => {}
        }
    }

    /// Writes the partition's whole state again, as soon as nothing else is on its way; [`super::Intention::Trim`] follows.
    ///
    /// The coordinator does so by itself after [`super::Config::snapshot_records`]; a shell asks where it wants the log short, as before a
    /// clean stop.
    pub fn snapshot(&mut self, partition: PartitionId) {
        self.journal.want_snapshot(partition);
        self.write_due_snapshot(partition);
    }

    pub(super) fn write_due_snapshot(&mut self, partition: PartitionId) {
        let Some(store) = self.stores.get(&partition) else { return };
        if self.journal.is_snapshot_due(partition, store.keys()) {
            self.journal.write_snapshot(partition, store.snapshot());
        }
    }

    /// Forgets transactional ids that were not used for long and have nothing open.
    pub(super) fn expire(&mut self, now: TimestampMs) {
        let retention = self.config.id_retention;
        let mut expired = Vec::new();
        for partition in self.journal.ready() {
            for (id, stored) in self.stores.get(&partition).into_iter().flat_map(|store| &store.transactions) {
                let is_idle =
                    matches!(stored.state, TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort);
                if is_idle && elapsed(stored.updated, now) >= retention && !self.pending.contains(id) {
                    expired.push((partition, id.clone()));
                }
            }
        }
        for (partition, id) in expired {
            self.pending.insert(id.clone());
            self.journal.append(partition, vec![Change::Transaction(id.clone(), None)], Then { id: Some(id), step: Step::Forgotten });
        }
        self.timers.set(Timer::Expiry, after(now, self.config.id_check_interval));
    }
}
