//! [`Partitions`]: what is read, from where, and what stands against it. Facts only; the tasks act on them.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;
use units::{BrokerId, LeaderEpoch, Offset, TopicId, TopicPartition};

use super::{
    Position,
    session::{Key, Wanted},
};
use crate::Leader;

/// All that is assigned.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    entries: HashMap<TopicPartition, Entry>,
    next_seek: u64,
}

/// One partition that is assigned.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Number of the assignment: what was fetched under another is stale.
    pub(super) seek: u64,
    pub(super) next: Offset,
    /// Epoch of the last batch passed; -1 where not known.
    pub(super) last_epoch: LeaderEpoch,
    pub(super) topic_id: Option<TopicId>,
    pub(super) state: State,
    is_paused: bool,
    /// Marks of the last answer: high watermark, last stable offset, log start.
    pub(super) marks: Option<[Offset; 3]>,
}

/// What can be done with a partition now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody is known to lead it, since then.
    Leaderless(Instant),
    /// It can be read from its leader.
    Ready(Leader),
    /// An error was given out.
    Failed,
}

impl Partitions {
    pub(super) fn assign(&mut self, position: Position) {
        self.next_seek += 1;
        let is_paused = self.entries.get(&position.partition).is_some_and(|entry| entry.is_paused);
        let entry = Entry {
            seek: self.next_seek,
            next: position.offset,
            last_epoch: position.leader_epoch,
            topic_id: None,
            state: State::Leaderless(Instant::now()),
            is_paused,
            marks: None,
        };
        self.entries.insert(position.partition, entry);
    }

    pub(super) fn revoke(&mut self, partition: &TopicPartition) {
        self.entries.remove(partition);
    }

    pub(super) fn set_paused(&mut self, partition: &TopicPartition, is_paused: bool) {
        if let Some(entry) = self.entries.get_mut(partition) {
            entry.is_paused = is_paused;
        }
    }

    pub(super) fn seek_of(&self, partition: &TopicPartition) -> Option<u64> {
        self.entries.get(partition).map(|entry| entry.seek)
    }

    /// The entry of `partition`, if it is still that of the assignment `seek`.
    pub(super) fn entry(&mut self, partition: &TopicPartition, seek: u64) -> Option<&mut Entry> {
        self.entries.get_mut(partition).filter(|entry| entry.seek == seek)
    }

    /// Partitions that want a leader, with since when.
    pub(super) fn leaderless(&self) -> Vec<(TopicPartition, Entry)> {
        let is_leaderless = |(_, entry): &(&TopicPartition, &Entry)| matches!(entry.state, State::Leaderless(_));
        self.entries.iter().filter(is_leaderless).map(|(partition, entry)| (partition.clone(), entry.clone())).collect()
    }

    /// The brokers that lead anything that is assigned.
    pub(super) fn leaders(&self) -> Vec<BrokerId> {
        let leader = |entry: &Entry| match entry.state {
            State::Ready(leader) => Some(leader.broker),
            State::Leaderless(_) | State::Failed => None,
        };
        self.entries.values().filter_map(leader).collect()
    }

    /// What is to be asked of `broker` now, and which assignment each is of.
    pub(super) fn wanted(&self, broker: BrokerId, bytes_max: i32) -> (BTreeMap<Key, Wanted>, HashMap<Key, (TopicPartition, u64)>) {
        let (mut wanted, mut asked) = (BTreeMap::new(), HashMap::new());
        for (partition, entry) in &self.entries {
            let State::Ready(leader) = entry.state else { continue };
            if leader.broker == broker && !entry.is_paused {
                let key = (leader.topic_id, partition.partition);
                wanted.insert(key, Wanted { offset: entry.next, leader_epoch: leader.epoch, bytes_max });
                asked.insert(key, (partition.clone(), entry.seek));
            }
        }
        (wanted, asked)
    }

    /// Nobody is known to lead what `broker` led.
    pub(super) fn lose(&mut self, broker: BrokerId) {
        for entry in self.entries.values_mut() {
            if matches!(entry.state, State::Ready(leader) if leader.broker == broker) {
                entry.state = State::Leaderless(Instant::now());
            }
        }
    }
}
