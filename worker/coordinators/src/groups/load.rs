//! How a partition of the group coordinator is taken up, given up, and written down whole.

use units::{GroupId, Offset, PartitionId, TimestampMs};

use super::{Groups, JoinRefused, Response, Step, Timer, group::Group, record};
use crate::{CorruptRecord, Refusal, timers::after};

impl Groups {
    /// Takes up a partition: until [`Groups::finish_load`] requests for its groups are refused with `CoordinatorLoadInProgress`.
    ///
    /// The shell reads the partition's log only when none of its own appends to it is on its way any more.
    pub fn begin_load(&mut self, partition: PartitionId) {
        self.unload(partition);
        self.journal.begin_load(partition);
        self.stores.insert(partition, super::Store::default());
    }

    /// Folds in one record of the partition's log; call it for each, in order.
    ///
    /// # Errors
    /// [`CorruptRecord`] where the record is not of this format: the partition cannot be loaded by this broker.
    pub fn replay(&mut self, partition: PartitionId, at: Offset, key: &[u8], value: Option<&[u8]>) -> Result<(), CorruptRecord> {
        let change = record::read(key, value)?;
        if self.journal.count_replayed(partition) {
            self.apply(partition, &[change], at);
        }
        Ok(())
    }

    /// Begins to serve the partition. Members have their whole session to show themselves.
    pub fn finish_load(&mut self, partition: PartitionId, now: TimestampMs) {
        self.journal.finish_load(partition);
        let Some(store) = self.stores.get(&partition) else { return };
        for id in store.group_ids() {
            let group = store.group(&id).map_or_else(|| Group::new(now), Group::restored);
            for member in group.members.values() {
                self.timers.set(Timer::Session(id.clone(), member.id.clone()), after(now, member.session_timeout));
            }
            self.groups.insert(id, group);
        }
        if !self.timers.is_set(&Timer::Expiry) {
            self.timers.set(Timer::Expiry, after(now, self.config.offsets_check_interval));
        }
        self.write_due_snapshot(partition);
    }

    /// Gives up a partition: everything that waits in it is answered `NotCoordinator`.
    pub fn unload(&mut self, partition: PartitionId) {
        for then in self.journal.unload(partition) {
            self.refuse(then.step);
        }
        self.stores.remove(&partition);
        let gone: Vec<GroupId> = self.groups.keys().filter(|id| self.partition_of(id) == partition).cloned().collect();
        for id in gone {
            let Some(group) = self.groups.remove(&id) else { continue };
            self.timers.clear(&Timer::Rebalance(id.clone()));
            self.timers.clear(&Timer::SyncDue(id.clone()));
            for member in group.promised {
                self.timers.clear(&Timer::Promise(id.clone(), member));
            }
            for member in group.members.into_values() {
                self.timers.clear(&Timer::Session(id.clone(), member.id.clone()));
                self.refuse_waiting(member, Refusal::NotCoordinator);
            }
        }
    }

    fn refuse(&mut self, step: Step) {
        let refusal = Refusal::NotCoordinator;
        let (token, response) = match step {
            Step::Emptied | Step::Assigned(_) | Step::Expired(_) | Step::Forgotten => return,
            Step::Returned { token, answer } => (token, Response::Join(Err(JoinRefused { refusal, member: answer.member }))),
            Step::Committed { token, .. } => (token, Response::CommitOffsets(Err(refusal))),
            Step::Staged { token, .. } => (token, Response::StageOffsets(Err(refusal))),
            Step::OffsetsDeleted { token, .. } => (token, Response::DeleteOffsets(Err(refusal))),
            Step::GroupDeleted { token } => (token, Response::DeleteGroup(Err(refusal))),
            Step::TransactionEnded { token } => (token, Response::EndTransaction(Err(refusal))),
        };
        self.respond(token, response);
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
        let skip_staged = self.is_broken(super::Rule::SnapshotContainsStaged);
        let Some(store) = self.stores.get(&partition) else { return };
        if self.journal.is_snapshot_due(partition, store.keys()) {
            let state = store.snapshot().filter(|change| !(skip_staged && matches!(change, record::Change::Staged(..))));
            self.journal.write_snapshot(partition, state);
        }
    }
}
