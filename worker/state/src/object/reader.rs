//! Reading sections back, block by block, and no more of them than is asked for.

use super::{BlockEntry, Footer, Index, MAGIC, Section, TRAILER_BYTES};
use crate::{
    HashRange, OperatorSchema, ReadError,
    block::decode_block,
    manifest::{Manifest, ObjectRef, Part, Place, Run, read_place},
    merge::SortedRows,
};
use arrow::array::RecordBatch;
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};
use store::{Key, ObjectStore, StoreError};

/// Reads sections of objects; remembers the indexes that it has read. Share one over all hash partitions of a restore.
pub(crate) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    indexes: Mutex<HashMap<Key, Arc<Index>>>,
    /// Most bytes of one read, where blocks lie side by side.
    read_bytes: u64,
}

impl ObjectReader {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, read_bytes: u64) -> Arc<Self> {
        Arc::new(Self { store, indexes: Mutex::default(), read_bytes })
    }

    fn index(&self, object: &ObjectRef) -> Result<Arc<Index>, ReadError> {
        let known = || self.indexes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(index) = known().get(&object.key) {
            return Ok(index.clone());
        }
        let bytes = read_place(&*self.store, &object.key, object.index)?;
        let index = Index::decode(bytes).map_err(|error| ReadError::damaged(&object.key, error.0))?;
        let index = Arc::new(index);
        known().insert(object.key.clone(), index.clone());
        Ok(index)
    }

    /// The rows of `part`, one of `manifest`, whose hash is in `range`: batches in order, read when they are asked for.
    fn part(self: &Arc<Self>, manifest: &Manifest, part: &Part, schema: &OperatorSchema, range: &HashRange) -> PartRows {
        let object = manifest.objects[part.object as usize].clone();
        let (section, hash) = (part.section as usize, manifest.hash);
        PartRows {
            reader: self.clone(),
            schema: schema.clone(),
            range: range.clone(),
            find: Some(Box::new(move |reader| {
                let index = reader.index(&object)?;
                let found = index.sections.get(section).filter(|section| section.hash == hash);
                found
                    .cloned()
                    .ok_or_else(|| ReadError::damaged(&object.key, format!("it has no section {section} of hash partition {hash}")))
            })),
            object: manifest.objects[part.object as usize].key.clone(),
            blocks: VecDeque::new(),
            read: Read::default(),
            last_hash: 0,
        }
    }

    /// The rows of `run`, part by part; see [`ObjectReader::part`].
    pub(crate) fn run(self: &Arc<Self>, manifest: &Manifest, run: &Run, schema: &OperatorSchema, range: &HashRange) -> SortedRows<'static> {
        let wanted = run.parts.iter().filter(|part| part.overlaps(range));
        let parts: Vec<_> = wanted.map(|part| self.part(manifest, part, schema, range)).collect();
        Box::new(parts.into_iter().flatten())
    }

    fn read(&self, object: &Key, blocks: &VecDeque<BlockEntry>) -> Result<Read, ReadError> {
        let from = blocks[0].offset;
        let side_by_side = blocks.iter().zip(blocks.iter().skip(1)).take_while(|(one, next)| one.end() == next.offset);
        let fits = |end: &u64| end - from <= self.read_bytes;
        let end = side_by_side.map(|(_, next)| next.end()).take_while(fits).last().unwrap_or(blocks[0].end());
        Ok(Read { from, bytes: self.store.get_range(object, from..end)? })
    }
}

type Find = Box<dyn FnOnce(&ObjectReader) -> Result<Section, ReadError> + Send>;

/// Rows of one part, in order.
pub(crate) struct PartRows {
    reader: Arc<ObjectReader>,
    schema: OperatorSchema,
    range: HashRange,
    object: Key,
    /// Finds the section; taken by the first read.
    find: Option<Find>,
    blocks: VecDeque<BlockEntry>,
    read: Read,
    last_hash: u64,
}

/// Bytes of an object that were read ahead.
#[derive(Default)]
struct Read {
    from: u64,
    bytes: Bytes,
}

impl Read {
    fn block(&self, block: &BlockEntry) -> Option<Bytes> {
        let from = block.offset.checked_sub(self.from)?;
        (block.end() - self.from <= self.bytes.len() as u64).then(|| self.bytes.slice(from as usize..from as usize + block.len as usize))
    }
}

impl PartRows {
    fn advance(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        if let Some(find) = self.find.take() {
            let section = find(&self.reader)?;
            if section.operator != self.schema.operator() || section.schema != self.schema.fingerprint() {
                return Err(ReadError::damaged(
                    &self.object,
                    format!("a section is not of the columns of operator {}", self.schema.operator()),
                ));
            }
            let wanted = |block: &BlockEntry| block.first_hash <= *self.range.end() && block.last_hash >= *self.range.start();
            self.blocks = section.blocks.into_iter().filter(wanted).collect();
        }
        let Some(block) = self.blocks.front().copied() else { return Ok(None) };
        let bytes = match self.read.block(&block) {
            Some(bytes) => bytes,
            None => {
                self.read = self.reader.read(&self.object, &self.blocks)?;
                self.read.block(&block).expect("a read begins with the block that it is for")
            }
        };
        self.blocks.pop_front();
        let batch = decode_block(&bytes, &self.schema).map_err(|error| ReadError::damaged(&self.object, error.0))?;
        self.check(&block, &batch)?;
        Ok(Some(self.schema.within(&batch, &self.range)))
    }

    /// What is read must be in order, or it would be merged wrongly.
    fn check(&mut self, block: &BlockEntry, batch: &RecordBatch) -> Result<(), ReadError> {
        let hashes = self.schema.hashes(batch).values();
        let ends = hashes.first().copied().zip(hashes.last().copied());
        let is_as_said = batch.num_rows() == block.rows as usize && ends == Some((block.first_hash, block.last_hash));
        if !is_as_said || !hashes.is_sorted() || block.first_hash < self.last_hash {
            return Err(ReadError::damaged(&self.object, format!("the block at {} is not what its index says", block.offset)));
        }
        self.last_hash = block.last_hash;
        Ok(())
    }
}

impl Iterator for PartRows {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// Reads what an object says of itself.
pub(crate) fn read_footer<S: ObjectStore + ?Sized>(store: &S, object: &Key) -> Result<Footer, ReadError> {
    let head = store.head(object)?.ok_or_else(|| StoreError::NotFound { key: object.clone() })?;
    let damaged = |what: &str| ReadError::damaged(object, what);
    let trailer_at = head.size.checked_sub(TRAILER_BYTES).ok_or_else(|| damaged("it is shorter than its trailer"))?;
    let trailer = store.get_range(object, trailer_at..head.size)?;
    let number = |at: usize| u32::from_le_bytes(trailer[at..at + 4].try_into().expect("four bytes"));
    let (len, crc) = (number(0), number(4));
    if trailer[8..] != MAGIC[..] {
        return Err(damaged("it does not end as an object of runs"));
    }
    let offset = trailer_at.checked_sub(len.into()).ok_or_else(|| damaged("its footer is longer than it is"))?;
    let bytes = read_place(store, object, Place { offset, len, crc })?;
    Footer::decode(bytes).map_err(|error| damaged(&error.0))
}
