//! Reading what only the object store holds.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use store::{ObjectStore, StoreError};
use units::Offset;

use crate::{
    Read, ReadError, TopicPartitionId, batch,
    engine::read::Budget,
    keys::Keys,
    manifest::{Manifest, ObjectId, SegmentRef},
    segment::{self, SectionBatch},
    shipper::{self, ShipError},
};

/// Batches listed in sections that are kept after they were read: 40 bytes each.
const BATCHES_KEPT: usize = 100_000;
/// One read of a segment's batches, unless the first batch is larger.
const READ_BYTES_MAX: u64 = 4 << 20;

type Section = Arc<Vec<SectionBatch>>;

/// The store, as readers see it. Shared by all of them.
pub(crate) struct Cold {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    sections: Mutex<VecDeque<((ObjectId, TopicPartitionId), Section)>>,
}

impl Cold {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, keys: Keys) -> Self {
        Self { store, keys, sections: Mutex::new(VecDeque::new()) }
    }

    /// The manifest of a partition that has one.
    pub(crate) fn manifest(&self, id: TopicPartitionId) -> Result<Arc<Manifest>, ReadError> {
        let corrupt = |place: String| ReadError::Corrupt { partition: id, offset: Offset::ZERO, place };
        match shipper::read_manifest(&*self.store, &self.keys, id) {
            Ok(Some((manifest, _))) => Ok(Arc::new(manifest)),
            Ok(None) => Err(corrupt(self.keys.manifest(id).to_string())),
            Err(ShipError::Store(source)) => Err(ReadError::Store { partition: id, source }),
            Err(_) => Err(corrupt(self.keys.manifest(id).to_string())),
        }
    }

    /// Batches from `read.from` on and below `end`, from one segment, and where they end.
    ///
    /// # Errors
    /// Also where the manifest does not name what it should: a reader must not be led past it.
    pub(crate) fn read(
        &self,
        id: TopicPartitionId,
        manifest: &Manifest,
        read: &Read,
        end: Offset,
    ) -> Result<(Vec<Bytes>, Offset), ReadError> {
        let Some(segment) = manifest.segment_of(read.from).filter(|segment| segment.base <= read.from) else {
            return Err(ReadError::Corrupt { partition: id, offset: read.from, place: self.keys.manifest(id).to_string() });
        };
        let section = self.section(id, segment)?;
        let mut budget = Budget::new(read);
        let first = section.partition_point(|batch| batch.end() <= read.from);
        let mut wanted: Vec<SectionBatch> = Vec::new();
        for batch in section[first..].iter().take_while(|batch| batch.end() <= end) {
            let start = wanted.first().map_or(batch.at, |first| first.at);
            let is_far = !wanted.is_empty() && batch.at + u64::from(batch.length) - start > READ_BYTES_MAX;
            if is_far || !budget.takes(batch.length as usize) {
                break;
            }
            wanted.push(*batch);
        }
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok((Vec::new(), read.from)) };
        let range = segment.data_at + first.at..segment.data_at + last.at + u64::from(last.length);
        let bytes = self.get(id, segment.object, range)?;
        for wanted in &wanted {
            let from = usize::try_from(wanted.at - first.at).expect("bounded by one read");
            let is_right =
                |bytes: &[u8]| batch::BatchView::parse(bytes).is_ok_and(|view| view.base == wanted.base) && batch::is_intact(bytes);
            if !bytes.get(from..from + wanted.length as usize).is_some_and(is_right) {
                return Err(self.corrupt(id, segment.object, wanted.base));
            }
        }
        Ok((vec![bytes], last.end()))
    }

    /// The batches of one partition in one segment.
    pub(crate) fn section(&self, id: TopicPartitionId, segment: &SegmentRef) -> Result<Section, ReadError> {
        let name = (segment.object, id);
        let known = self.sections.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|(key, _)| *key == name).cloned();
        if let Some((_, section)) = known {
            return Ok(section);
        }
        let range = segment.section_at..segment.section_at + u64::from(segment.section_bytes);
        let bytes = self.get(id, segment.object, range)?;
        let section = segment::decode_section(&bytes).map_err(|_| self.corrupt(id, segment.object, segment.base))?;
        let section = Arc::new(section);
        let mut sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        sections.push_back((name, section.clone()));
        let mut kept: usize = sections.iter().map(|(_, section)| section.len()).sum();
        while kept > BATCHES_KEPT
            && let Some((_, oldest)) = sections.pop_front()
        {
            kept -= oldest.len();
        }
        Ok(section)
    }

    fn get(&self, id: TopicPartitionId, object: ObjectId, range: std::ops::Range<u64>) -> Result<Bytes, ReadError> {
        self.store.get_range(&self.keys.segment(object), range).map_err(|source: StoreError| ReadError::Store { partition: id, source })
    }

    fn corrupt(&self, partition: TopicPartitionId, object: ObjectId, offset: Offset) -> ReadError {
        ReadError::Corrupt { partition, offset, place: self.keys.segment(object).to_string() }
    }
}
