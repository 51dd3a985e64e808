//! Questions that are answered from memory.

use units::{LeaderEpoch, ProducerEpoch, ProducerId};

use super::Engine;
use crate::{EpochEnd, OpenTransaction, ReadError, Stats, TopicPartitionId, Verification, VerificationGuard};

impl Engine {
    pub(crate) fn verification(
        &self,
        id: TopicPartitionId,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
    ) -> Result<Verification, ReadError> {
        Ok(match self.partition(id)?.producers.verification(producer_id, epoch) {
            Ok(()) => Verification::Ongoing,
            Err(markers) => Verification::Needed(VerificationGuard(markers)),
        })
    }

    pub(crate) fn epoch_end(&self, id: TopicPartitionId, epoch: LeaderEpoch) -> Result<Option<EpochEnd>, ReadError> {
        let partition = self.partition(id)?;
        Ok(partition.epochs.end_of(epoch, partition.log_end))
    }

    pub(crate) fn open_transactions(&self) -> Vec<OpenTransaction> {
        let mut open = Vec::new();
        for (id, partition) in &self.partitions {
            open.extend(partition.producers.states().into_iter().filter_map(|state| {
                Some(OpenTransaction {
                    partition: *id,
                    producer_id: state.producer_id,
                    producer_epoch: state.producer_epoch,
                    first_offset: state.transaction_start?,
                    last_timestamp: state.last_timestamp,
                })
            }));
        }
        open
    }

    /// All but the flush times, which the shell measures.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            at_risk_bytes: self.partitions.values().map(crate::partition::Partition::at_risk_bytes).sum(),
            free_disk_bytes: self.counters.free_disk_bytes,
            wal_bytes: self.wal.files.bytes(),
            tail_bytes: self.tail.bytes() as u64,
            groups: self.counters.groups,
            appended_bytes: self.counters.appended_bytes,
            segments: self.counters.segments,
            volume: self.health.clone(),
            is_claimed: self.shipping.is_claimed(),
            store: self.shipping.store().clone(),
            index_entries: self.index_entries(),
            set_aside: self.partitions.iter().filter(|(_, partition)| partition.is_damaged).map(|(id, _)| *id).collect(),
            ..Stats::default()
        }
    }
}
