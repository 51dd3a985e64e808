//! A partition that producers write to in transactions: it fences by epoch, and ends what markers end.

use std::collections::BTreeMap;

use units::{ProducerEpoch, ProducerId};

use super::oracle::Tag;
use crate::{
    Refusal,
    transactions::{Markers, Producer},
};

/// What a leader knows of each producer, and which values its open transaction has.
#[derive(Default)]
pub(super) struct Data {
    epochs: BTreeMap<ProducerId, ProducerEpoch>,
    coordinator_epochs: BTreeMap<ProducerId, i32>,
    open: BTreeMap<ProducerId, Vec<(ProducerEpoch, Tag)>>,
}

impl Data {
    pub(super) fn append(&mut self, producer: Producer, tag: Tag) -> Result<(), Refusal> {
        let known = self.epochs.entry(producer.id).or_insert(producer.epoch);
        if producer.epoch < *known {
            return Err(Refusal::InvalidProducerEpoch);
        }
        *known = producer.epoch;
        let open = self.open.entry(producer.id).or_default();
        if !open.contains(&(producer.epoch, tag)) {
            open.push((producer.epoch, tag));
        }
        Ok(())
    }

    /// Ends the transaction that the markers are of: the values that were open in it.
    pub(super) fn mark(&mut self, markers: &Markers) -> Result<Vec<Tag>, Refusal> {
        let producer = markers.producer;
        let coordinator = self.coordinator_epochs.entry(producer.id).or_insert(markers.coordinator_epoch);
        if markers.coordinator_epoch < *coordinator {
            return Err(Refusal::TransactionCoordinatorFenced);
        }
        *coordinator = markers.coordinator_epoch;
        let known = self.epochs.entry(producer.id).or_insert(producer.epoch);
        if producer.epoch < *known {
            return Ok(Vec::new()); // late: its transaction ended long ago
        }
        *known = producer.epoch;
        let open = self.open.remove(&producer.id).unwrap_or_default();
        let (ended, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|(epoch, _)| *epoch <= markers.transaction_epoch);
        self.open.insert(producer.id, later);
        Ok(ended.into_iter().map(|(_, tag)| tag).collect())
    }

    /// A value of the producer that is open at `epoch` or an earlier one.
    pub(super) fn open_of(&self, producer: ProducerId, epoch: ProducerEpoch) -> Option<Tag> {
        self.open.get(&producer)?.iter().find(|(of, _)| *of <= epoch).map(|(_, tag)| *tag)
    }

    pub(super) fn check_end(&self) {
        assert!(self.open.values().all(Vec::is_empty), "a transaction is open for ever: {:?}", self.open);
    }
}
