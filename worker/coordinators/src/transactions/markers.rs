//! Markers: sent when the decision is durable, sent again until each partition has its own, then the transaction is complete.

use std::collections::BTreeSet;

use units::{PartitionId, TimestampMs, TopicPartition, TransactionalId};

use super::{Intention, MarkerToken, Markers, MarkersWritten, Rule, Step, Timer, Transactions};
use crate::timers::after;

/// Where markers are still missing, and which round is on its way.
#[derive(Debug)]
pub(crate) struct Marking {
    round: Option<MarkerToken>,
    partitions: BTreeSet<TopicPartition>,
    group_partitions: BTreeSet<PartitionId>,
}

impl Marking {
    /// The round on its way, if one is.
    pub(crate) fn round(&self) -> Option<MarkerToken> {
        self.round
    }
}

impl Transactions {
    /// The decision is durable: from now on its markers may be seen.
    pub(super) fn begin_markers(&mut self, now: TimestampMs, id: &TransactionalId) {
        let Some(stored) = self.stored(id).filter(|stored| stored.decided().is_some()) else { return };
        let (partitions, group_partitions) = (stored.partitions.clone(), stored.group_partitions.clone());
        self.marking.insert(id.clone(), Marking { round: None, partitions, group_partitions });
        self.resume(now, id);
    }

    /// Sends the markers that are missing, or completes the transaction where none is.
    pub(super) fn resume(&mut self, now: TimestampMs, id: &TransactionalId) {
        if self.pending.contains(id) || self.stored(id).is_none_or(|stored| stored.decided().is_none()) {
            return;
        }
        let round = MarkerToken(self.next_round);
        let Some(marking) = self.marking.get_mut(id) else { return };
        if marking.partitions.is_empty() && marking.group_partitions.is_empty() {
            return self.complete(now, id);
        }
        if let Some(earlier) = marking.round.replace(round) {
            self.rounds.remove(&earlier);
        }
        self.next_round += 1;
        self.rounds.insert(round, id.clone());
        self.send_markers(id, round);
        if self.is_broken(Rule::CompleteWaitsForMarkers) {
            self.complete(now, id);
        }
    }

    fn send_markers(&mut self, id: &TransactionalId, token: MarkerToken) {
        let (stored, marking) = (self.stored(id).expect("the caller saw it"), &self.marking[id]);
        let markers = Markers {
            token,
            transactional_id: id.clone(),
            producer: stored.producer,
            transaction_epoch: stored.transaction_epoch,
            coordinator_epoch: self.config.incarnation.leader_epoch().0,
            outcome: stored.decided().expect("the caller saw it decided"),
            partitions: marking.partitions.clone(),
            group_partitions: marking.group_partitions.clone(),
        };
        self.outputs.push_back(Intention::WriteMarkers(markers));
    }

    /// Takes what came of a round of markers.
    pub fn on_markers(&mut self, now: TimestampMs, token: MarkerToken, written: MarkersWritten) {
        let Some(id) = self.rounds.remove(&token) else { return };
        let Some(marking) = self.marking.get_mut(&id) else { return };
        marking.round = None;
        match written {
            MarkersWritten::All => {
                (marking.partitions, marking.group_partitions) = (BTreeSet::new(), BTreeSet::new());
                self.resume(now, &id);
            }
            MarkersWritten::Except { partitions, group_partitions } => {
                marking.partitions.retain(|partition| partitions.contains(partition));
                marking.group_partitions.retain(|partition| group_partitions.contains(partition));
                let at = after(now, self.config.retry_backoff);
                self.timers.set(Timer::Retry(id), at);
            }
            MarkersWritten::Fenced => self.unload(self.partition_of(&id)),
        }
    }

    fn complete(&mut self, now: TimestampMs, id: &TransactionalId) {
        let stored = self.stored(id).expect("the caller saw it");
        let complete = Self::complete_state(stored, now);
        self.append(id, complete, Step::Completed);
    }
}
