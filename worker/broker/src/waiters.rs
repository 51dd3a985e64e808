//! Who waits for which partition: an advance of the log wakes exactly those fetches that asked for the partition.

use log::TopicPartitionId;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

/// Partitions are spread over this many locks, since every group commit asks here.
const SHARDS: usize = 16;

/// The registry. One per broker.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    shards: [Mutex<HashMap<TopicPartitionId, Vec<Arc<Waiter>>>>; SHARDS],
}

/// One waiting fetch.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    moved: Mutex<BTreeSet<TopicPartitionId>>,
    notify: Notify,
}

/// A fetch's place in the registry; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    waiters: &'a Waiters,
    waiter: Arc<Waiter>,
    partitions: Vec<TopicPartitionId>,
}

fn shard_of(partition: TopicPartitionId) -> usize {
    (usize::from(partition.topic.0[0]) + partition.partition.0.unsigned_abs() as usize) % SHARDS
}

impl Waiters {
    fn shard(&self, partition: TopicPartitionId) -> std::sync::MutexGuard<'_, HashMap<TopicPartitionId, Vec<Arc<Waiter>>>> {
        self.shards[shard_of(partition)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers for `partitions`. What advances from now on is kept for the next [`Waiting::moved`], so register first and read afterwards.
    pub(crate) fn register(&self, partitions: Vec<TopicPartitionId>) -> Waiting<'_> {
        let waiter = Arc::new(Waiter::default());
        for partition in &partitions {
            self.shard(*partition).entry(*partition).or_default().push(Arc::clone(&waiter));
        }
        Waiting { waiters: self, waiter, partitions }
    }

    /// Wakes everyone who waits for `partition`. Cheap where nobody does.
    pub(crate) fn wake(&self, partition: TopicPartitionId) {
        if let Some(waiting) = self.shard(partition).get(&partition) {
            for waiter in waiting {
                waiter.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
                waiter.notify.notify_one();
            }
        }
    }
}

impl Waiting<'_> {
    /// Waits until at least one partition advanced, and gives all that did since the last call.
    ///
    /// # Cancel safety
    /// A dropped wait loses nothing: the next call gives what advanced meanwhile.
    pub(crate) async fn moved(&self) -> BTreeSet<TopicPartitionId> {
        loop {
            let moved = std::mem::take(&mut *self.waiter.moved.lock().unwrap_or_else(PoisonError::into_inner));
            if !moved.is_empty() {
                return moved;
            }
            self.waiter.notify.notified().await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        for partition in &self.partitions {
            let mut shard = self.waiters.shard(*partition);
            if let Some(waiting) = shard.get_mut(partition) {
                waiting.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
                if waiting.is_empty() {
                    shard.remove(partition);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{PartitionId, TopicId};

    fn partition(index: i32) -> TopicPartitionId {
        TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(index) }
    }

    #[tokio::test]
    async fn an_advance_before_the_wait_is_not_lost() {
        let waiters = Waiters::default();
        let waiting = waiters.register(vec![partition(1), partition(2)]);
        waiters.wake(partition(2));
        waiters.wake(partition(3));
        assert_eq!(waiting.moved().await, BTreeSet::from([partition(2)]));
    }

    #[test]
    fn a_fetch_that_leaves_is_forgotten() {
        let waiters = Waiters::default();
        drop(waiters.register(vec![partition(1)]));
        assert!(waiters.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
