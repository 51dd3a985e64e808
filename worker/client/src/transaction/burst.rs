//! [`Burst`]: which batches go into which requests next. No I/O: leaders and answers go in, requests come out.
//!
//! A produce request holds at most one batch of a partition (Kafka's rule since batch format 2), so the batches of a partition go out one
//! after the other; sequences make it safe to send any of them again.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use records::BatchHeader;
use units::{BrokerId, Offset, ProducerEpoch, ProducerId, Sequence, TopicPartition};
use wire::{ApiKey, ErrorCode};

use super::outcome::{TransactionError, is_passing};

/// Batches to send to one partition; see [`super::TransactionalProducer::send`].
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where to.
    pub partition: TopicPartition,
    /// One whole batch, as [`records::BatchBuilder`] makes it. Sending stamps producer id, epoch and sequence into it: in place where
    /// nobody else holds these bytes, else into a copy.
    pub bytes: Bytes,
}

/// Largest number of bytes in one request; one batch may exceed it.
const REQUEST_BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
struct Slot {
    partition: TopicPartition,
    bytes: Bytes,
    base_offset: Option<Offset>,
}

/// Some batches, and how far they have got.
#[derive(Debug)]
pub(super) struct Burst {
    slots: Vec<Slot>,
    /// Of this round: partitions of which a batch was refused in passing; those behind it are refused as out of order, and go again.
    held_up: HashSet<TopicPartition>,
    last_refusal: Option<TransactionError>,
}

/// The next sequence of each partition under one producer epoch.
pub(super) type Sequences = HashMap<TopicPartition, Sequence>;

impl Burst {
    /// Stamps the batches, in order, with the sequences that come next.
    ///
    /// # Errors
    /// [`records::BatchError`] where something is not a batch; then nothing is to be sent, and no sequence was used.
    pub(super) fn stamp(
        batches: &mut [Batch],
        producer: (ProducerId, ProducerEpoch),
        sequences: &mut Sequences,
    ) -> Result<Self, records::BatchError> {
        let headers: Vec<_> = batches.iter().map(|batch| BatchHeader::parse(&batch.bytes)).collect::<Result<_, _>>()?;
        let mut slots = Vec::with_capacity(batches.len());
        for (batch, header) in batches.iter_mut().zip(headers) {
            let next = sequences.entry(batch.partition.clone()).or_default();
            let bytes = std::mem::take(&mut batch.bytes);
            let mut own = bytes.try_into_mut().unwrap_or_else(|shared| shared[..].into());
            records::stamp(&mut own, producer.0, producer.1, *next, true);
            batch.bytes = own.freeze();
            *next = next.after(header.record_count);
            slots.push(Slot { partition: batch.partition.clone(), bytes: batch.bytes.clone(), base_offset: None });
        }
        Ok(Self { slots, held_up: HashSet::new(), last_refusal: None })
    }

    /// The partitions of which something is still to be sent.
    pub(super) fn open_partitions(&self) -> HashSet<TopicPartition> {
        self.slots.iter().filter(|slot| slot.base_offset.is_none()).map(|slot| slot.partition.clone()).collect()
    }

    /// What to send now: for each broker requests in order, each a list of batches of different partitions.
    pub(super) fn round(&mut self, leaders: &HashMap<TopicPartition, BrokerId>) -> HashMap<BrokerId, Vec<Vec<usize>>> {
        self.held_up.clear();
        self.last_refusal = None;
        let mut requests: HashMap<BrokerId, Vec<(usize, Vec<usize>)>> = HashMap::new();
        // The request of a partition's latest batch: the next batch of it goes into a later one.
        let mut latest: HashMap<&TopicPartition, usize> = HashMap::new();
        for (index, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.base_offset.is_none()) {
            let Some(leader) = leaders.get(&slot.partition) else { continue };
            let of_broker = requests.entry(*leader).or_default();
            let from = latest.get(&slot.partition).map_or(0, |latest| latest + 1);
            let fits = |(bytes, _): &(usize, Vec<usize>)| bytes + slot.bytes.len() <= REQUEST_BYTES_MAX;
            let place = (from..of_broker.len()).find(|place| fits(&of_broker[*place])).unwrap_or(of_broker.len());
            if place == of_broker.len() {
                of_broker.push((0, Vec::new()));
            }
            of_broker[place].0 += slot.bytes.len();
            of_broker[place].1.push(index);
            latest.insert(&slot.partition, place);
        }
        requests.into_iter().map(|(broker, of_broker)| (broker, of_broker.into_iter().map(|(_, batches)| batches).collect())).collect()
    }

    /// One of the batches that a round names.
    pub(super) fn batch(&self, index: usize) -> (&TopicPartition, &Bytes) {
        let slot = &self.slots[index];
        (&slot.partition, &slot.bytes)
    }

    /// The broker's answer about one batch. Answers of a partition come in the order in which its batches were sent.
    ///
    /// # Errors
    /// What does not pass by asking again.
    pub(super) fn settle(&mut self, index: usize, code: ErrorCode, base_offset: Offset) -> Result<(), TransactionError> {
        let slot = &mut self.slots[index];
        match code {
            // A duplicate is what an answer that was lost becomes when the batch is sent again.
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => slot.base_offset = Some(base_offset),
            ErrorCode::OutOfOrderSequenceNumber if self.held_up.contains(&slot.partition) => {}
            code if is_passing(code) => {
                self.last_refusal = Some(TransactionError::of(ApiKey::Produce, code, Some(&slot.partition)));
                self.held_up.insert(slot.partition.clone());
            }
            code => return Err(TransactionError::of(ApiKey::Produce, code, Some(&slot.partition))),
        }
        Ok(())
    }

    /// There is no answer about one batch: it goes again, whether it was written or not.
    pub(super) fn unanswered(&mut self, index: usize, error: TransactionError) {
        self.held_up.insert(self.slots[index].partition.clone());
        self.last_refusal = Some(error);
    }

    /// What stood against the last round, for whoever gives up.
    pub(super) fn last_refusal(&mut self) -> Option<TransactionError> {
        self.last_refusal.take()
    }

    /// Base offset of each batch, in the order in which they were given; -1 where the broker named none (a duplicate of long ago).
    pub(super) fn into_offsets(self) -> Vec<Offset> {
        self.slots.into_iter().map(|slot| slot.base_offset.expect("the burst is complete")).collect()
    }
}

#[cfg(test)]
mod tests;
