//! Idempotent producers of one partition: epochs, sequences and the last five batches of each (KIP-98, KIP-360, KIP-890).

use std::collections::HashMap;

use units::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use crate::{AppendError, Marker, Origin, ProducerState, batch::BatchView};

/// Batches remembered of each producer: as many as a client may have in flight.
const BATCHES_KEPT: usize = 5;

/// A batch that a retry may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchMark {
    pub(crate) first: Sequence,
    pub(crate) last: Sequence,
    pub(crate) base: Offset,
}

/// One producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: ProducerEpoch,
    /// Oldest first; only of `epoch`.
    marks: [Option<BatchMark>; BATCHES_KEPT],
    pub(crate) last_timestamp: TimestampMs,
    /// -1 before the first marker.
    pub(crate) coordinator_epoch: i32,
    pub(crate) transaction_start: Option<Offset>,
    /// Markers seen since the producer became known here: voids a verification asked for before one.
    markers: u32,
}

/// What a batch is, by its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The next one.
    New,
    /// Written before, at this offset.
    Duplicate(Offset),
}

impl Producer {
    fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            marks: [None; BATCHES_KEPT],
            last_timestamp: TimestampMs::NONE,
            coordinator_epoch: -1,
            transaction_start: None,
            markers: 0,
        }
    }

    pub(crate) fn marks(&self) -> impl Iterator<Item = &BatchMark> {
        self.marks.iter().flatten()
    }

    fn last_sequence(&self) -> Sequence {
        self.marks[BATCHES_KEPT - 1].map_or(Sequence::NONE, |mark| mark.last)
    }

    fn remember(&mut self, mark: BatchMark) {
        self.marks.rotate_left(1);
        self.marks[BATCHES_KEPT - 1] = Some(mark);
    }

    fn raise_epoch(&mut self, epoch: ProducerEpoch) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.marks = [None; BATCHES_KEPT];
        }
    }

    fn check(&self, batch: &BatchView, origin: Origin) -> Result<Standing, AppendError> {
        if batch.producer_epoch < self.epoch {
            return Err(AppendError::ProducerFenced { producer_id: batch.producer_id, got: batch.producer_epoch, current: self.epoch });
        }
        let Origin::Producer { guard } = origin else { return Ok(Standing::New) };
        let is_same_epoch = batch.producer_epoch == self.epoch;
        if let Some(mark) =
            self.marks().find(|mark| is_same_epoch && mark.first == batch.base_sequence && mark.last == batch.last_sequence())
        {
            return Ok(Standing::Duplicate(mark.base));
        }
        let expected = if is_same_epoch { self.last_sequence().after_or_first() } else { Sequence(0) };
        if batch.base_sequence != expected {
            return Err(AppendError::OutOfOrderSequence { producer_id: batch.producer_id, got: batch.base_sequence, expected });
        }
        let refuse = |reason| Err(AppendError::InvalidTransactionState { producer_id: batch.producer_id, reason });
        match (batch.is_transactional(), self.transaction_start, guard) {
            (false, Some(_), _) => refuse("a batch outside the transaction that is open"),
            (true, None, None) => refuse("the transaction was not verified for this partition"),
            (true, None, Some(guard)) if guard.0 != self.markers => refuse("a marker came after the transaction was verified"),
            _ => Ok(Standing::New),
        }
    }

    fn apply(&mut self, batch: &BatchView, base: Offset, timestamp: TimestampMs) {
        self.raise_epoch(batch.producer_epoch);
        if batch.base_sequence != Sequence::NONE {
            self.remember(BatchMark { first: batch.base_sequence, last: batch.last_sequence(), base });
        }
        self.last_timestamp = timestamp;
        if batch.is_transactional() && self.transaction_start.is_none() {
            self.transaction_start = Some(base);
        }
    }
}

trait AfterOrFirst {
    fn after_or_first(self) -> Sequence;
}

impl AfterOrFirst for Sequence {
    /// The sequence after the last one, or 0 where there is none.
    fn after_or_first(self) -> Sequence {
        if self == Sequence::NONE { Sequence(0) } else { self.after(1) }
    }
}

/// All producers of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers(HashMap<ProducerId, Producer>);

impl Producers {
    /// What the batches are, if all may be appended: the first duplicate decides for all.
    pub(crate) fn check(&self, batches: &[BatchView], origin: Origin) -> Result<Standing, AppendError> {
        let mut staged: Option<(ProducerId, Producer)> = None;
        for batch in batches.iter().filter(|batch| batch.has_producer()) {
            let known = match &staged {
                Some((id, producer)) if *id == batch.producer_id => Some(producer),
                _ => self.0.get(&batch.producer_id),
            };
            match known {
                Some(producer) => {
                    if let duplicate @ Standing::Duplicate(_) = producer.check(batch, origin)? {
                        return Ok(duplicate);
                    }
                }
                None => check_unknown(batch, origin)?,
            }
            if batches.len() > 1 {
                let mut producer = known.cloned().unwrap_or_else(|| Producer::new(batch.producer_epoch));
                producer.apply(batch, batch.base, batch.max_timestamp);
                staged = Some((batch.producer_id, producer));
            }
        }
        Ok(Standing::New)
    }

    /// Takes a batch over that has its offset. Says where a transaction began, if it is this batch that began it.
    pub(crate) fn apply(&mut self, batch: &BatchView, base: Offset, timestamp: TimestampMs) -> Option<Offset> {
        if !batch.has_producer() {
            return None;
        }
        let producer = self.0.entry(batch.producer_id).or_insert_with(|| Producer::new(batch.producer_epoch));
        let was_open = producer.transaction_start.is_some();
        producer.apply(batch, base, timestamp);
        producer.transaction_start.filter(|_| !was_open)
    }

    /// Whether a marker may be written.
    pub(crate) fn check_marker(&self, marker: &Marker) -> Result<(), AppendError> {
        let Some(producer) = self.0.get(&marker.producer_id) else { return Ok(()) };
        if marker.coordinator_epoch < producer.coordinator_epoch {
            return Err(AppendError::CoordinatorFenced { got: marker.coordinator_epoch, current: producer.coordinator_epoch });
        }
        if marker.producer_epoch < producer.epoch {
            return Err(AppendError::ProducerFenced {
                producer_id: marker.producer_id,
                got: marker.producer_epoch,
                current: producer.epoch,
            });
        }
        Ok(())
    }

    /// Takes a marker over. Says where the transaction that it ends began.
    pub(crate) fn apply_marker(&mut self, batch: &BatchView, coordinator_epoch: i32, timestamp: TimestampMs) -> Option<Offset> {
        let producer = self.0.entry(batch.producer_id).or_insert_with(|| Producer::new(batch.producer_epoch));
        producer.raise_epoch(batch.producer_epoch);
        producer.coordinator_epoch = coordinator_epoch.max(producer.coordinator_epoch);
        producer.markers = producer.markers.wrapping_add(1);
        producer.last_timestamp = timestamp;
        producer.transaction_start.take()
    }

    /// Whether `id` has a transaction open under `epoch`, else how many markers it has seen.
    pub(crate) fn verification(&self, id: ProducerId, epoch: ProducerEpoch) -> Result<(), u32> {
        match self.0.get(&id) {
            Some(producer) if producer.transaction_start.is_some() && producer.epoch == epoch => Ok(()),
            Some(producer) => Err(producer.markers),
            None => Err(0),
        }
    }

    /// Forgets producers silent since before `before`, then the longest silent above `count_max`; never one in a transaction.
    pub(crate) fn expire(&mut self, before: TimestampMs, count_max: usize) {
        self.0.retain(|_, producer| producer.transaction_start.is_some() || producer.last_timestamp >= before);
        if self.0.len() <= count_max {
            return;
        }
        let mut silent: Vec<_> = self.0.iter().filter(|(_, producer)| producer.transaction_start.is_none()).collect();
        silent.sort_unstable_by_key(|(id, producer)| (producer.last_timestamp, **id));
        let excess = self.0.len() - count_max;
        let gone: Vec<_> = silent.into_iter().take(excess).map(|(id, _)| *id).collect();
        for id in gone {
            self.0.remove(&id);
        }
    }

    /// Forgets as many as [`Producers::expire`] would once there are twice too many: whoever makes up an id for each batch must
    /// not fill the memory before the next look at what is silent.
    pub(crate) fn bound(&mut self, count_max: usize) {
        if self.0.len() >= count_max.saturating_mul(2).max(1) {
            self.expire(TimestampMs(i64::MIN), count_max);
        }
    }

    /// Puts back what a checkpoint or a segment kept.
    pub(crate) fn restore(
        &mut self,
        id: ProducerId,
        (epoch, coordinator_epoch): (ProducerEpoch, i32),
        last_timestamp: TimestampMs,
        transaction_start: Option<Offset>,
        marks: &[BatchMark],
    ) {
        let mut producer = Producer { last_timestamp, coordinator_epoch, transaction_start, ..Producer::new(epoch) };
        for mark in marks {
            producer.remember(*mark);
        }
        self.0.insert(id, producer);
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (ProducerId, &Producer)> {
        self.0.iter().map(|(id, producer)| (*id, producer))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// In order of their ids.
    pub(crate) fn states(&self) -> Vec<ProducerState> {
        let mut states: Vec<_> = self
            .iter()
            .map(|(producer_id, producer)| ProducerState {
                producer_id,
                producer_epoch: producer.epoch,
                last_sequence: producer.last_sequence(),
                last_timestamp: producer.last_timestamp,
                coordinator_epoch: producer.coordinator_epoch,
                transaction_start: producer.transaction_start,
            })
            .collect();
        states.sort_unstable_by_key(|state| state.producer_id);
        states
    }
}

/// A producer that is not known here may begin at any sequence: what was known of it may have expired (KIP-360).
fn check_unknown(batch: &BatchView, origin: Origin) -> Result<(), AppendError> {
    match origin {
        Origin::Producer { guard } if batch.is_transactional() && guard.is_none_or(|guard| guard.0 != 0) => {
            Err(AppendError::InvalidTransactionState {
                producer_id: batch.producer_id,
                reason: "the transaction was not verified for this partition",
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
