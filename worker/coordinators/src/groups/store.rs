//! The durable state of one partition of the group coordinator: the fold of its log.

use std::collections::{BTreeMap, BTreeSet};

use units::{GroupId, Offset, ProducerId, TimestampMs, TopicPartition};

use super::record::{Change, OWN_OFFSET, StagedOffset, StoredGroup, StoredOffset, StoredProducer};
use crate::Outcome;

/// What holds in one partition. Live and replayed states are made by the same [`Store::apply`], so they are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    groups: BTreeMap<GroupId, StoredGroup>,
    offsets: BTreeMap<GroupId, BTreeMap<TopicPartition, StoredOffset>>,
    staged: BTreeMap<ProducerId, BTreeMap<(GroupId, TopicPartition), StagedOffset>>,
    producers: BTreeMap<ProducerId, StoredProducer>,
    /// Which producers have staged an offset of a group's partition: the other direction of `staged`.
    stagers: BTreeMap<GroupId, BTreeMap<TopicPartition, BTreeSet<ProducerId>>>,
    keys: usize,
}

/// Whether a change took hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Yes,
    /// A higher epoch of the producer is in the log before it: it changed nothing.
    ProducerFenced,
    /// A higher epoch of the transaction coordinator is in the log before it: it changed nothing.
    CoordinatorFenced,
}

impl Store {
    /// Folds in one change that is in the log at `at`.
    pub(crate) fn apply(&mut self, change: &Change, at: Offset) -> Applied {
        match change {
            Change::Group(group, Some(stored)) => {
                self.groups.insert(group.clone(), stored.clone());
            }
            Change::Group(group, None) => self.remove_group(group),
            Change::Offset(group, partition, Some(offset)) => self.put_offset(group, partition, placed(offset, at)),
            Change::Offset(group, partition, None) => self.remove_offset(group, partition),
            Change::Staged(producer, group, partition, Some(staged)) => return self.stage(*producer, group, partition, staged, at),
            Change::Staged(producer, group, partition, None) => self.unstage(*producer, group, partition),
            Change::Producer(producer, Some(stored)) => return self.end(*producer, stored),
            Change::Producer(producer, None) => {
                self.producers.remove(producer);
            }
        }
        Applied::Yes
    }

    fn put_offset(&mut self, group: &GroupId, partition: &TopicPartition, offset: StoredOffset) {
        let offsets = self.offsets.entry(group.clone()).or_default();
        match offsets.get_mut(partition) {
            // The later position in the log wins: a transaction's offset was written when it was staged, not when it ended.
            Some(present) if present.written_at > offset.written_at => {}
            Some(present) => *present = offset,
            None => {
                offsets.insert(partition.clone(), offset);
                self.keys += 1;
            }
        }
    }

    fn remove_offset(&mut self, group: &GroupId, partition: &TopicPartition) {
        let Some(offsets) = self.offsets.get_mut(group) else { return };
        self.keys -= usize::from(offsets.remove(partition).is_some());
        if offsets.is_empty() {
            self.offsets.remove(group);
        }
    }

    fn stage(&mut self, producer: ProducerId, group: &GroupId, partition: &TopicPartition, staged: &StagedOffset, at: Offset) -> Applied {
        let known = self.producers.entry(producer).or_insert_with(|| StoredProducer {
            epoch: staged.epoch,
            coordinator_epoch: -1,
            ended: None,
            at: staged.offset.committed,
        });
        if staged.epoch < known.epoch {
            return Applied::ProducerFenced;
        }
        (known.epoch, known.at) = (staged.epoch, known.at.max(staged.offset.committed));
        let placed = StagedOffset { epoch: staged.epoch, offset: placed(&staged.offset, at) };
        let before = self.staged.entry(producer).or_default().insert((group.clone(), partition.clone()), placed);
        self.keys += usize::from(before.is_none());
        self.stagers.entry(group.clone()).or_default().entry(partition.clone()).or_default().insert(producer);
        Applied::Yes
    }

    fn unstage(&mut self, producer: ProducerId, group: &GroupId, partition: &TopicPartition) {
        if let Some(staged) = self.staged.get_mut(&producer) {
            self.keys -= usize::from(staged.remove(&(group.clone(), partition.clone())).is_some());
            if staged.is_empty() {
                self.staged.remove(&producer);
            }
        }
        self.forget_stager(producer, group, partition);
    }

    fn forget_stager(&mut self, producer: ProducerId, group: &GroupId, partition: &TopicPartition) {
        let Some(partitions) = self.stagers.get_mut(group) else { return };
        if let Some(producers) = partitions.get_mut(partition) {
            producers.remove(&producer);
            if producers.is_empty() {
                partitions.remove(partition);
            }
        }
        if partitions.is_empty() {
            self.stagers.remove(group);
        }
    }

    fn end(&mut self, producer: ProducerId, stored: &StoredProducer) -> Applied {
        if let Some(known) = self.producers.get(&producer) {
            if stored.epoch < known.epoch {
                return Applied::ProducerFenced;
            }
            if stored.coordinator_epoch < known.coordinator_epoch {
                return Applied::CoordinatorFenced;
            }
        }
        self.producers.insert(producer, StoredProducer { ended: None, ..stored.clone() });
        let Some((outcome, epoch)) = stored.ended else { return Applied::Yes };
        let staged = self.staged.remove(&producer).unwrap_or_default();
        // A marker that comes twice must not end the transaction after its own, whose epoch is higher (KIP-890).
        let (ended, later) = staged.into_iter().partition::<BTreeMap<_, _>, _>(|(_, staged)| staged.epoch <= epoch);
        if !later.is_empty() {
            self.staged.insert(producer, later);
        }
        for ((group, partition), staged) in ended {
            self.keys -= 1;
            self.forget_stager(producer, &group, &partition);
            if outcome == Outcome::Commit {
                self.put_offset(&group, &partition, staged.offset);
            }
        }
        Applied::Yes
    }

    fn remove_group(&mut self, group: &GroupId) {
        self.groups.remove(group);
        self.keys -= self.offsets.remove(group).map_or(0, |offsets| offsets.len());
        let stagers = self.stagers.remove(group).unwrap_or_default();
        for (partition, producers) in stagers {
            for producer in producers {
                self.unstage(producer, group, &partition);
            }
        }
    }

    /// The changes that make this state out of nothing.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Change> + '_ {
        let producers = self.producers.iter().map(|(id, stored)| Change::Producer(*id, Some(stored.clone())));
        let groups = self.groups.iter().map(|(id, stored)| Change::Group(id.clone(), Some(stored.clone())));
        let offsets = self.offsets.iter().flat_map(|(group, offsets)| {
            offsets.iter().map(|(partition, offset)| Change::Offset(group.clone(), partition.clone(), Some(offset.clone())))
        });
        let staged = self.staged.iter().flat_map(|(producer, staged)| {
            staged
                .iter()
                .map(|((group, partition), staged)| Change::Staged(*producer, group.clone(), partition.clone(), Some(staged.clone())))
        });
        producers.chain(groups).chain(offsets).chain(staged)
    }

    /// How many records a snapshot has.
    pub(crate) fn keys(&self) -> usize {
        self.keys + self.groups.len() + self.producers.len()
    }

    pub(crate) fn group(&self, group: &GroupId) -> Option<&StoredGroup> {
        self.groups.get(group)
    }

    /// Every group that has a generation, an offset or a staged offset.
    pub(crate) fn group_ids(&self) -> BTreeSet<GroupId> {
        self.groups.keys().chain(self.offsets.keys()).chain(self.stagers.keys()).cloned().collect()
    }

    pub(crate) fn offsets(&self, group: &GroupId) -> impl Iterator<Item = (&TopicPartition, &StoredOffset)> {
        self.offsets.get(group).into_iter().flatten()
    }

    pub(crate) fn offset(&self, group: &GroupId, partition: &TopicPartition) -> Option<&StoredOffset> {
        self.offsets.get(group)?.get(partition)
    }

    /// The group's partitions that have an offset in an open transaction, each with the producers.
    pub(crate) fn staged(&self, group: &GroupId) -> impl Iterator<Item = (&TopicPartition, &BTreeSet<ProducerId>)> {
        self.stagers.get(group).into_iter().flatten()
    }

    pub(crate) fn is_staged(&self, group: &GroupId, partition: &TopicPartition) -> bool {
        self.stagers.get(group).is_some_and(|partitions| partitions.contains_key(partition))
    }

    pub(crate) fn has_offsets(&self, group: &GroupId) -> bool {
        self.offsets.contains_key(group) || self.stagers.contains_key(group)
    }

    pub(crate) fn producer(&self, producer: ProducerId) -> Option<&StoredProducer> {
        self.producers.get(&producer)
    }

    /// Producers that have staged nothing and were last heard of at or before `limit`.
    pub(crate) fn idle_producers(&self, limit: TimestampMs) -> impl Iterator<Item = ProducerId> + '_ {
        let idle = move |(id, stored): (&ProducerId, &StoredProducer)| (stored.at <= limit && !self.staged.contains_key(id)).then_some(*id);
        self.producers.iter().filter_map(idle)
    }
}

fn placed(offset: &StoredOffset, at: Offset) -> StoredOffset {
    let written_at = if offset.written_at == OWN_OFFSET { at } else { offset.written_at };
    StoredOffset { written_at, ..offset.clone() }
}
