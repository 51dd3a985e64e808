//! What is known of a partition at the end of a section: exactly that, however much was written or ended since.
//!
//! The engine knows its producers as they are now. A section needs them as they were where it ends: a transaction that has
//! ended since is open there, and whoever rebuilds the partition from it must know. So the batches that are shipped are followed
//! on their way out, from one section to the next.

use units::{Offset, TimestampMs};

use super::{Policy, ShipError, Shipper};
use crate::{
    AbortedTransaction, TopicPartitionId,
    batch::BatchView,
    engine::plan::ShipPlan,
    manifest::Manifest,
    partition::{self, Change, epochs::Epochs, producers::Producers},
    segment::{self, SectionInput, SectionState},
    shipper::input,
};

/// Producers and epochs of one partition behind all that was shipped.
#[derive(Clone, Debug, Default)]
pub(super) struct SectionTail {
    pub(super) epochs: Epochs,
    pub(super) producers: Producers,
}

impl SectionTail {
    /// Follows one batch. Says which transaction it aborts.
    pub(super) fn follow(&mut self, view: &BatchView, bytes: &[u8], now: TimestampMs) -> Option<AbortedTransaction> {
        match partition::follow((&mut self.producers, &mut self.epochs), (view, bytes), view.base, now) {
            Change::Ended { first, is_abort: true } => {
                Some(AbortedTransaction { producer_id: view.producer_id, first_offset: first, last_offset: view.base })
            }
            _ => None,
        }
    }

    fn forget(&mut self, log_start: Offset, now: TimestampMs, policy: &Policy) {
        self.epochs.trim(log_start);
        let expiration = i64::try_from(policy.producer_expiration.as_millis()).unwrap_or(i64::MAX);
        self.producers.expire(TimestampMs(now.0.saturating_sub(expiration)), policy.producers_max);
    }
}

/// What lies behind the sections of a plan.
pub(super) type Tails = Vec<(TopicPartitionId, SectionTail)>;

impl Shipper {
    /// Learns what the last section of a partition says, once.
    pub(super) fn load_tail(&mut self, id: TopicPartitionId, manifest: Option<&Manifest>) -> Result<(), ShipError> {
        if self.tails.contains_key(&id) {
            return Ok(());
        }
        let mut tail =
            SectionTail { epochs: manifest.map(|manifest| manifest.epochs.clone()).unwrap_or_default(), ..SectionTail::default() };
        if let Some(last) = manifest.and_then(|manifest| manifest.segments.last()) {
            match segment_state(&*self.store, &self.keys, last) {
                Ok(state) => tail = SectionTail { epochs: state.epochs, producers: state.producers },
                // Its batches may be whole. What follows is worth more than what producers did before it.
                Err(error) if error.is_lasting() => tracing::warn!(%id, %error, "what producers did is not known in the store"),
                Err(error) => return Err(error),
            }
        }
        self.tails.insert(id, tail);
        Ok(())
    }

    /// The sections of `plan`, each with its state at its end, and the tails behind them.
    pub(super) fn sections(&self, plan: &ShipPlan) -> Result<(Vec<SectionInput>, Tails), ShipError> {
        let mut inputs = input::inputs(plan)?;
        let mut tails = Vec::with_capacity(inputs.len());
        for (input, section) in inputs.iter_mut().zip(&plan.sections) {
            let mut tail = self.tails.get(&input.id).cloned().unwrap_or_default();
            let mut aborted = Vec::new();
            for (.., bytes) in &input.batches {
                let view = BatchView::parse(bytes).expect("a batch that was read back whole");
                aborted.extend(tail.follow(&view, bytes, plan.now));
            }
            if self.rules.sections_end_exactly {
                tail.forget(section.log_start, plan.now, &self.policy);
            } else {
                tail = SectionTail { epochs: section.epochs.clone(), producers: section.producers.clone() };
            }
            input.state = segment::encode_state(&aborted, &tail.epochs, &tail.producers);
            input.has_aborted = !aborted.is_empty();
            tails.push((input.id, tail));
        }
        Ok((inputs, tails))
    }
}

/// What the section of one reference says beside its batches.
pub(crate) fn segment_state(
    store: &dyn store::ObjectStore,
    keys: &crate::keys::Keys,
    reference: &crate::manifest::SegmentRef,
) -> Result<SectionState, ShipError> {
    let key = keys.segment(reference.object);
    let bytes = store.get_range(&key, reference.section_at..reference.section_at + u64::from(reference.section_bytes))?;
    let (_, state) = segment::decode_whole_section(&bytes).map_err(|malformed| ShipError::Corrupt(key, malformed.0))?;
    Ok(state)
}
