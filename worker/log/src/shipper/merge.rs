//! Small segments of one partition made into one larger one.

use bytes::Bytes;
use units::{Offset, TimestampMs};

use super::{ShipError, Shipper};
use crate::{
    TopicPartitionId, batch,
    engine::ship::ShipDone,
    manifest::{Manifest, SegmentRef},
    segment::{self, SectionInput, SectionState},
};

/// One batch of a segment: base, last offset delta, newest timestamp, bytes.
type Batch = (Offset, u32, TimestampMs, Bytes);

impl Shipper {
    /// Puts one segment that holds what `references` name, and names it instead of them. What is damaged stays as it is.
    pub(super) fn merge(&mut self, id: TopicPartitionId, references: &[SegmentRef]) -> Result<ShipDone, ShipError> {
        let input = match self.merged(id, references) {
            Err(error) if error.is_lasting() => return Ok(ShipDone::Unmergeable(id, error.to_string())),
            input => input?,
        };
        let refs = self.put_segment(&[input], self.covers)?;
        let (_, merged) = refs[0];
        let mut is_named = false;
        self.swap(id, |manifest| is_named = replace(manifest, references, merged))?;
        if is_named {
            self.suspects.extend(references.iter().map(|reference| reference.object));
        } else {
            self.suspects.insert(merged.object);
        }
        let manifests = vec![(id, self.effective(id)?)];
        Ok(ShipDone::Manifests { manifests, unnamed: self.unnamed(&[], None), is_segment: false })
    }

    fn merged(&self, id: TopicPartitionId, references: &[SegmentRef]) -> Result<SectionInput, ShipError> {
        let (mut batches, mut aborted, mut last) = (Vec::new(), Vec::new(), SectionState::default());
        for reference in references {
            let (more, mut state) = self.read_part(reference)?;
            batches.extend(more);
            aborted.append(&mut state.aborted);
            last = state;
        }
        let ends: Vec<_> = batches.iter().map(|batch: &Batch| (batch.0, Offset(batch.0.0 + i64::from(batch.1) + 1))).collect();
        let is_chain = ends.windows(2).all(|pair| pair[0].1 == pair[1].0);
        let covers = ends.first().map(|first| first.0).zip(ends.last().map(|last| last.1));
        if !is_chain || covers != references.first().map(|first| first.base).zip(references.last().map(|last| last.end)) {
            let key = self.keys.segment(references[0].object);
            return Err(ShipError::Corrupt(key, "it does not hold what the manifest says"));
        }
        let state = segment::encode_state(&aborted, &last.epochs, &last.producers);
        Ok(SectionInput { id, batches, state, has_aborted: !aborted.is_empty() })
    }

    /// The batches that one reference names, each checked, and the state behind them.
    fn read_part(&self, reference: &SegmentRef) -> Result<(Vec<Batch>, SectionState), ShipError> {
        let key = self.keys.segment(reference.object);
        let corrupt = |what| ShipError::Corrupt(key.clone(), what);
        let section = self.store.get_range(&key, reference.section_at..reference.section_at + u64::from(reference.section_bytes))?;
        let (listed, state) = segment::decode_whole_section(&section).map_err(|malformed| corrupt(malformed.0))?;
        let wanted: Vec<_> = listed.into_iter().filter(|batch| batch.base >= reference.base && batch.end() <= reference.end).collect();
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok((Vec::new(), state)) };
        let start = first.at;
        let data = self.store.get_range(&key, reference.data_at + start..reference.data_at + last.at + u64::from(last.length))?;
        let mut batches = Vec::with_capacity(wanted.len());
        for listed in wanted {
            let at = usize::try_from(listed.at - start).expect("within one segment");
            let bytes = data.slice(at..at + listed.length as usize);
            let is_right = batch::BatchView::parse(&bytes).is_ok_and(|view| view.base == listed.base) && batch::is_intact(&bytes);
            if !is_right {
                return Err(corrupt("a batch in it does not verify"));
            }
            batches.push((listed.base, listed.last_delta, listed.max_timestamp, bytes));
        }
        Ok((batches, state))
    }
}

/// Puts `merged` in the place of `references`, where they still are.
fn replace(manifest: &mut Manifest, references: &[SegmentRef], merged: SegmentRef) -> bool {
    let Some(first) = references.first() else { return false };
    let Some(at) = manifest.segments.iter().position(|segment| segment == first) else { return false };
    let is_there = manifest.segments.get(at..at + references.len()).is_some_and(|there| there == references);
    if is_there && at >= manifest.loose_from() {
        manifest.segments.splice(at..at + references.len(), [merged]);
        return true;
    }
    false
}
