//! Reading what only the object store holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use store::{ObjectStore, StoreError};
use units::{Incarnation, Offset};

use crate::{
    Read, ReadError, TopicPartitionId,
    ahead::Ahead,
    batch,
    engine::read::Budget,
    keys::Keys,
    manifest::{Manifest, ObjectId, Owner, SegmentRef},
    sections::{Section, Sections},
    segment::{self, SectionBatch},
    shipper::{self, ShipError},
};

/// One read of batches, unless the first batch is larger.
pub(crate) const READ_BYTES_MAX: usize = 4 << 20;
/// Whoever takes so much at once is not looking around: more is wanted, also of one who is seen for the first time.
const DRAIN_BYTES: u64 = 256 << 10;

/// The store, as readers see it. Shared by all of them.
pub(crate) struct Cold {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    sections: Mutex<Sections>,
    /// Where something is read ahead.
    ahead: Option<Ahead>,
}

impl Cold {
    /// Reads exactly what it is asked for.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, keys: Keys) -> Self {
        Self { store, keys, sections: Mutex::default(), ahead: None }
    }

    /// Reads ahead within `bytes_max` of memory.
    pub(crate) fn reading_ahead(self, bytes_max: usize) -> Self {
        let start = || Ahead::start(self.store.clone(), self.keys.clone(), bytes_max);
        Self { ahead: (bytes_max > 0).then(start), ..self }
    }

    /// Bytes that were read ahead, in memory or on their way.
    pub(crate) fn ahead_bytes(&self) -> u64 {
        self.ahead.as_ref().map_or(0, Ahead::bytes)
    }

    /// The manifest of a partition that has one; with what earlier incarnations have put and not named, where `is_caught_up` is
    /// false.
    pub(crate) fn manifest(&self, id: TopicPartitionId, is_caught_up: bool) -> Result<Arc<Manifest>, ReadError> {
        let corrupt = |place: String| ReadError::Corrupt { partition: id, offset: Offset::ZERO, place };
        let read = || {
            let named = shipper::read_manifest(&*self.store, &self.keys, id)?.map(|(manifest, _)| manifest);
            if is_caught_up {
                return Ok(named);
            }
            let owner = Owner { broker: self.keys.broker(), incarnation: Incarnation(0) };
            let parts = shipper::pending_parts(&*self.store, &self.keys, Incarnation(u32::MAX), 1)?;
            Ok(parts.over(id, named, || Manifest::new(owner)))
        };
        match read() {
            Ok(Some(manifest)) => Ok(Arc::new(manifest)),
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
        self.read_while(id, manifest, read, end, &|| true)
    }

    /// The same; nothing where it is not `is_wanted` any more.
    ///
    /// # Errors
    /// As [`Cold::read`].
    pub(crate) fn read_while(
        &self,
        id: TopicPartitionId,
        manifest: &Manifest,
        read: &Read,
        end: Offset,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<(Vec<Bytes>, Offset), ReadError> {
        let Some(segment) = manifest.segment_of(read.from).filter(|segment| segment.base <= read.from) else {
            if read.from < manifest.log_start {
                // Deleted, by a process that was this broker before: the log follows.
                return Err(ReadError::OffsetOutOfRange { got: read.from, log_start: manifest.log_start, high_watermark: end });
            }
            return Err(ReadError::Corrupt { partition: id, offset: read.from, place: self.keys.manifest(id).to_string() });
        };
        let Some(section) = self.section_while(id, segment, is_wanted)? else { return Ok((Vec::new(), read.from)) };
        let mut budget = Budget::new(read);
        let first = section.partition_point(|batch| batch.end() <= read.from);
        let mut wanted: Vec<SectionBatch> = Vec::new();
        for batch in section[first..].iter().take_while(|batch| batch.end() <= end) {
            let start = wanted.first().map_or(batch.at, |first| first.at);
            let is_far = !wanted.is_empty() && batch.at + u64::from(batch.length) - start > READ_BYTES_MAX as u64;
            if is_far || !budget.takes(batch.length as usize) {
                break;
            }
            wanted.push(*batch);
        }
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok((Vec::new(), read.from)) };
        let (start, end_of_last) = (first.at, last.at + u64::from(last.length));
        if end_of_last > segment.data_bytes {
            return Err(self.corrupt(id, segment.object, last.base));
        }
        let range = segment.data_at + start..segment.data_at + end_of_last;
        let blocks = match &self.ahead {
            Some(ahead) if ahead.goes_on(id, read.from) || range.end - range.start >= DRAIN_BYTES => {
                let is_known = |segment: &SegmentRef| self.sections().get(segment.object, id).is_some();
                let blocks = ahead.read(segment, range, manifest.from(segment.end), is_known, is_wanted);
                let Some(blocks) = blocks.map_err(|source| ReadError::Store { partition: id, source })? else {
                    return Ok((Vec::new(), read.from));
                };
                blocks
            }
            _ => vec![(range.start, self.get(id, segment.object, range)?)],
        };
        if let Some(ahead) = &self.ahead {
            ahead.has_read(id, read.from, last.end());
        }
        let mut found = Slices::default();
        for wanted in &wanted {
            let bytes = found.add(&blocks, segment.data_at + wanted.at, wanted.length as usize);
            if !batch::BatchView::parse(&bytes).is_ok_and(|view| view.base == wanted.base) || !batch::is_intact(&bytes) {
                return Err(self.corrupt(id, segment.object, wanted.base));
            }
        }
        Ok((found.finish(), last.end()))
    }

    /// The batches of one partition in one segment.
    pub(crate) fn section(&self, id: TopicPartitionId, segment: &SegmentRef) -> Result<Section, ReadError> {
        self.section_while(id, segment, &|| true).map(|section| section.expect("somebody waits"))
    }

    /// The same; `None` where it is not `is_wanted` any more.
    fn section_while(
        &self,
        id: TopicPartitionId,
        segment: &SegmentRef,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Section>, ReadError> {
        if let Some(section) = self.sections().get(segment.object, id) {
            return Ok(Some(section));
        }
        let bytes = match &self.ahead {
            Some(ahead) => ahead.section(segment, is_wanted).map_err(|source| ReadError::Store { partition: id, source })?,
            None => Some(self.get(id, segment.object, segment.section_at..segment.section_at + u64::from(segment.section_bytes))?),
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let section = segment::decode_section(&bytes).map_err(|_| self.corrupt(id, segment.object, segment.base))?;
        let section = Arc::new(section);
        self.sections().insert(segment.object, id, section.clone());
        Ok(Some(section))
    }

    fn sections(&self) -> MutexGuard<'_, Sections> {
        self.sections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: TopicPartitionId, object: ObjectId, range: std::ops::Range<u64>) -> Result<Bytes, ReadError> {
        self.store.get_range(&self.keys.segment(object), range).map_err(|source: StoreError| ReadError::Store { partition: id, source })
    }

    fn corrupt(&self, partition: TopicPartitionId, object: ObjectId, offset: Offset) -> ReadError {
        ReadError::Corrupt { partition, offset, place: self.keys.segment(object).to_string() }
    }
}

/// Batches cut out of blocks: neighbours in one block make one slice, only one that lies across two is copied.
#[derive(Default)]
struct Slices {
    done: Vec<Bytes>,
    /// The block that the run lies in, and where in it the run begins and ends.
    run: Option<(Bytes, usize, usize)>,
}

impl Slices {
    /// Adds the `length` bytes at `at`, which `blocks` hold, and gives them.
    fn add(&mut self, blocks: &[(u64, Bytes)], at: u64, length: usize) -> Bytes {
        let index = blocks.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        let (start, block) = &blocks[index];
        let from = usize::try_from(at - start).expect("within a block");
        if from + length > block.len() {
            self.end_run();
            let copied = copy(&blocks[index..], from, length);
            self.done.push(copied.clone());
            return copied;
        }
        match &mut self.run {
            Some((run, _, end)) if run.as_ptr() == block.as_ptr() && *end == from => *end += length,
            _ => {
                self.end_run();
                self.run = Some((block.clone(), from, from + length));
            }
        }
        block.slice(from..from + length)
    }

    fn end_run(&mut self) {
        if let Some((block, from, end)) = self.run.take() {
            self.done.push(block.slice(from..end));
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.end_run();
        self.done
    }
}

/// Bytes that lie across blocks which follow each other.
fn copy(blocks: &[(u64, Bytes)], mut from: usize, length: usize) -> Bytes {
    let mut copied = BytesMut::with_capacity(length);
    for (_, block) in blocks {
        let take = (length - copied.len()).min(block.len() - from);
        copied.extend_from_slice(&block[from..from + take]);
        from = 0;
    }
    copied.freeze()
}
