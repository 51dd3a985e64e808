//! What is forgotten with time: offsets of groups that nobody is in or that stopped reading a topic, empty groups, idle producers.

use std::collections::BTreeMap;

use units::{DurationMs, GroupId, PartitionId, TimestampMs};

use super::{
    GroupState, Groups, Rule, Step, Then, Timer,
    group::Group,
    record::{Change, StoredOffset},
    store::Store,
};
use crate::timers::{after, elapsed};

/// At most so many records go into one append.
const APPEND_RECORDS: usize = 1_000;

#[derive(Default)]
struct Forgotten {
    changes: Vec<Change>,
    groups: Vec<GroupId>,
}

impl Groups {
    /// Looks through everything, and sends what is to be forgotten on its way.
    pub(super) fn expire(&mut self, now: TimestampMs) {
        let mut forgotten: BTreeMap<PartitionId, Forgotten> = BTreeMap::new();
        let even_staged = self.is_broken(Rule::StagedOffsetsNeverExpire);
        for (id, group) in &self.groups {
            let partition = self.partition_of(id);
            let Some(store) = self.stores.get(&partition).filter(|_| !group.is_deleting) else { continue };
            forget(id, group, store, now, self.config.offsets_retention, even_staged, forgotten.entry(partition).or_default());
        }
        let limit = TimestampMs(now.0.saturating_sub(self.config.producer_retention.0));
        for partition in self.journal.ready() {
            let producers = self.stores.get(&partition).into_iter().flat_map(|store| store.idle_producers(limit));
            forgotten.entry(partition).or_default().changes.extend(producers.map(|producer| Change::Producer(producer, None)));
        }
        // A producer that is not known any more has nobody left who took a ticket.
        let stores = &self.stores;
        self.ends.retain(|(partition, producer), _| stores.get(partition).is_some_and(|store| store.producer(*producer).is_some()));
        for (partition, Forgotten { changes, groups }) in forgotten {
            self.write_forgotten(partition, changes, groups);
        }
        self.timers.set(Timer::Expiry, after(now, self.config.offsets_check_interval));
    }

    fn write_forgotten(&mut self, partition: PartitionId, mut changes: Vec<Change>, groups: Vec<GroupId>) {
        for id in &groups {
            self.groups.get_mut(id).expect("it was just looked at").is_deleting = true;
        }
        let mut groups = Some(groups);
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(APPEND_RECORDS));
            let expired = if rest.is_empty() { groups.take().unwrap_or_default() } else { Vec::new() };
            self.journal.append(partition, std::mem::replace(&mut changes, rest), Then { group: None, step: Step::Expired(expired) });
        }
    }
}

fn forget(
    id: &GroupId,
    group: &Group,
    store: &Store,
    now: TimestampMs,
    retention: DurationMs,
    even_staged: bool,
    forgotten: &mut Forgotten,
) {
    let is_old = |since: TimestampMs| elapsed(since, now) >= retention;
    let is_expired = |(partition, offset): &(&units::TopicPartition, &StoredOffset)| {
        if store.is_staged(id, partition) && !even_staged {
            return false;
        }
        match group.state {
            // A group that once had members counts from when the last one went; one that never had, from each commit.
            GroupState::Empty if group.protocol_type.is_empty() => is_old(offset.committed),
            GroupState::Empty => is_old(offset.committed.max(group.since)),
            _ => is_old(offset.committed) && group.reads(partition.topic.as_str()) == Some(false),
        }
    };
    let expired: Vec<_> = store.offsets(id).filter(is_expired).map(|(partition, _)| partition.clone()).collect();
    let keeps_offsets = store.offsets(id).count() > expired.len() || (store.staged(id).next().is_some() && !even_staged);
    if group.is_vacant() && !keeps_offsets {
        forgotten.changes.push(Change::Group(id.clone(), None));
        forgotten.groups.push(id.clone());
    } else {
        forgotten.changes.extend(expired.into_iter().map(|partition| Change::Offset(id.clone(), partition, None)));
    }
}
