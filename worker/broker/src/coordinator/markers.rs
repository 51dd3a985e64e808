//! Ends a decided transaction everywhere: a marker into each of its partitions, and one round for the group coordinator's.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use coordinators::{
    Outcome, Refusal,
    groups::{EndTransaction, Request, Response},
    transactions::{MarkerToken, Markers, MarkersWritten},
};
use log::{AppendError, Appended, Log, Marker, TopicPartitionId, TransactionOutcome};
use units::{PartitionId, TopicPartition};

use super::{Groups, Transactions, actor::WeakTransactions};
use crate::{clock, topics::Topics};

/// Writes markers and reports to the transaction coordinator when all of a round are settled.
#[derive(Clone)]
pub(crate) struct MarkerWriter {
    log: Log,
    topics: Weak<Topics>,
    groups: Groups,
    transactions: WeakTransactions,
    runtime: tokio::runtime::Handle,
}

/// One round of markers on its way.
struct Round {
    token: MarkerToken,
    transactions: WeakTransactions,
    left: Mutex<Left>,
}

#[derive(Default)]
struct Left {
    unsettled: usize,
    failed: BTreeSet<TopicPartition>,
    failed_groups: BTreeSet<PartitionId>,
    is_fenced: bool,
}

/// What came of one marker.
enum Settled {
    Written,
    Failed,
    Fenced,
}

impl MarkerWriter {
    pub(crate) fn new(log: Log, topics: Weak<Topics>, groups: Groups, runtime: tokio::runtime::Handle) -> Self {
        Self { log, topics, groups, transactions: Arc::new(OnceLock::new()), runtime }
    }

    /// Says where to report; before the first round.
    pub(crate) fn report_to(&self, transactions: &Transactions) {
        let _ = self.transactions.set(transactions.weak());
    }

    /// Sends the markers of one transaction on their way.
    pub(super) fn write(&self, markers: Markers) {
        let Some(topics) = self.topics.upgrade() else { return };
        let catalogue = topics.now();
        // One more than there are markers: the round is not over before the last is sent.
        let left = Left { unsettled: markers.partitions.len() + markers.group_partitions.len() + 1, ..Left::default() };
        let round = Arc::new(Round { token: markers.token, transactions: Arc::clone(&self.transactions), left: Mutex::new(left) });
        for name in &markers.partitions {
            // A partition that does not exist any more needs no marker.
            match catalogue.get(name.topic.as_str()).and_then(|topic| topic.partition(name.partition)) {
                Some(partition) => self.mark(&markers, name.clone(), partition, Arc::clone(&round)),
                None => round.settle(|_| {}),
            }
        }
        for partition in &markers.group_partitions {
            self.end_in_groups(&markers, *partition, Arc::clone(&round));
        }
        round.settle(|_| {});
    }

    fn mark(&self, markers: &Markers, name: TopicPartition, partition: TopicPartitionId, round: Arc<Round>) {
        let marker = Marker {
            producer_id: markers.producer.id,
            producer_epoch: markers.producer.epoch,
            coordinator_epoch: markers.coordinator_epoch,
            outcome: match markers.outcome {
                Outcome::Commit => TransactionOutcome::Commit,
                Outcome::Abort => TransactionOutcome::Abort,
            },
            timestamp: clock::now(),
        };
        let done = Box::new(move |appended: Result<Appended, AppendError>| {
            let settled = match appended {
                Ok(_) | Err(AppendError::UnknownPartition(_)) => Settled::Written,
                Err(AppendError::CoordinatorFenced { .. }) => Settled::Fenced,
                Err(error) => {
                    tracing::warn!(%error, partition = %name, "a transaction's marker was refused; it is tried again");
                    Settled::Failed
                }
            };
            round.settle(|left| match settled {
                Settled::Written => {}
                Settled::Fenced => left.is_fenced = true,
                Settled::Failed => drop(left.failed.insert(name)),
            });
        });
        self.log.append_marker(partition, marker, done);
    }

    fn end_in_groups(&self, markers: &Markers, partition: PartitionId, round: Arc<Round>) {
        let end = EndTransaction {
            partition,
            producer: markers.producer.id,
            epoch: markers.producer.epoch,
            transaction_epoch: markers.transaction_epoch,
            coordinator_epoch: markers.coordinator_epoch,
            outcome: markers.outcome,
        };
        let ended = self.groups.request(Request::EndTransaction(end));
        self.runtime.spawn(async move {
            let answer = ended.await;
            round.settle(|left| match answer {
                // An epoch that has been left behind: this transaction ended long ago, as a marker that is sent again may find.
                Some(Response::EndTransaction(Ok(()) | Err(Refusal::InvalidProducerEpoch))) => {}
                Some(Response::EndTransaction(Err(Refusal::TransactionCoordinatorFenced))) => left.is_fenced = true,
                _ => drop(left.failed_groups.insert(partition)),
            });
        });
    }
}

impl Round {
    fn settle(&self, note: impl FnOnce(&mut Left)) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut left);
        left.unsettled -= 1;
        if left.unsettled > 0 {
            return;
        }
        let left = std::mem::take(&mut *left);
        let written = if left.is_fenced {
            MarkersWritten::Fenced
        } else if left.failed.is_empty() && left.failed_groups.is_empty() {
            MarkersWritten::All
        } else {
            MarkersWritten::Except { partitions: left.failed, group_partitions: left.failed_groups }
        };
        if let Some(transactions) = self.transactions.get() {
            transactions.on_markers(self.token, written);
        }
    }
}
