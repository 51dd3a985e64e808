//! Lists of batches in sections, kept after they were read.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::{TopicPartitionId, manifest::ObjectId, segment::SectionBatch};

/// Batches listed in sections that are kept: 40 bytes each.
const BATCHES_KEPT: usize = 100_000;

/// The batches of one partition in one segment.
pub(crate) type Section = Arc<Vec<SectionBatch>>;

/// The sections that were read last.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    known: HashMap<(ObjectId, TopicPartitionId), Section>,
    /// In the order in which they came.
    order: VecDeque<(ObjectId, TopicPartitionId)>,
    batches: usize,
}

impl Sections {
    pub(crate) fn get(&self, object: ObjectId, id: TopicPartitionId) -> Option<Section> {
        self.known.get(&(object, id)).cloned()
    }

    pub(crate) fn insert(&mut self, object: ObjectId, id: TopicPartitionId, section: Section) {
        self.batches += section.len();
        match self.known.insert((object, id), section) {
            Some(before) => self.batches -= before.len(),
            None => self.order.push_back((object, id)),
        }
        while self.batches > BATCHES_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.batches -= self.known.remove(&oldest).map_or(0, |section| section.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use units::{BrokerId, Incarnation, Offset, PartitionId, TimestampMs, TopicId};

    use super::*;

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let batch = SectionBatch { base: Offset(0), last_delta: 0, length: 1, max_timestamp: TimestampMs(0), at: 0 };
        let section = Arc::new(vec![batch; BATCHES_KEPT / 2]);
        let object = |seq| ObjectId { broker: BrokerId(1), incarnation: Incarnation(1), seq };
        let id = TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(0) };
        let mut sections = Sections::default();
        for seq in [0, 1, 1, 2] {
            sections.insert(object(seq), id, section.clone());
        }
        assert_eq!([0, 1, 2].map(|seq| sections.get(object(seq), id).is_some()), [false, true, true]);
    }
}
