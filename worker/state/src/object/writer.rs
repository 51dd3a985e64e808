//! Building an object in memory, section by section.

use super::{BlockEntry, Footer, Index, MAGIC, Section};
use crate::{
    Claim, HashPartition, Life, OperatorSchema,
    block::encode_block,
    manifest::{Holders, ObjectRef, Ownership, Place},
    schema::rows_bytes,
};
use arrow::array::RecordBatch;
use bytes::Bytes;
use store::{Body, Key};

/// An object being built.
pub(crate) struct ObjectWriter {
    body: Body,
    index: Index,
    holders: Holders,
    /// Columns of the section that is open.
    schema: Option<OperatorSchema>,
    block_bytes: u64,
}

/// An object that lacks only its manifests and footer: those name the object, whose name may still change.
pub(crate) struct FinishedObject {
    body: Body,
    ownership: Ownership,
    index_place: Place,
}

impl ObjectWriter {
    /// An empty object whose blocks hold about `block_bytes` decompressed bytes.
    pub(crate) fn new(block_bytes: u64) -> Self {
        let body = Body::from(MAGIC.as_slice());
        Self { body, index: Index::default(), holders: Holders::new(), schema: None, block_bytes }
    }

    /// Begins a section and gives its number.
    pub(crate) fn begin(&mut self, hash: HashPartition, claim: Claim, schema: &OperatorSchema) -> u32 {
        self.hold(hash, claim);
        let section = Section { hash, operator: schema.operator(), schema: schema.fingerprint(), blocks: Vec::new() };
        self.index.sections.push(section);
        self.schema = Some(schema.clone());
        self.index.sections.len() as u32 - 1
    }

    /// Says that the object holds something of `hash`, as claimed by its writer.
    pub(crate) fn hold(&mut self, hash: HashPartition, claim: Claim) {
        self.holders.insert(hash, claim);
    }

    /// Cuts rows into what fits a block each.
    pub(crate) fn cut(&self, batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + use<> {
        let (rows, batch) = (batch.num_rows(), batch.clone());
        let blocks = rows_bytes(&batch).div_ceil(self.block_bytes).clamp(1, rows.max(1) as u64) as usize;
        let rows_each = rows.div_ceil(blocks).max(1);
        (0..rows).step_by(rows_each).map(move |from| batch.slice(from, rows_each.min(rows - from)))
    }

    /// Appends a block of rows, which continue the order of the open section, to it.
    pub(crate) fn push(&mut self, batch: &RecordBatch) {
        let schema = self.schema.as_ref().expect("a section is open");
        let hashes = schema.hashes(batch).values();
        let (first_hash, last_hash) = (hashes[0], hashes[hashes.len() - 1]);
        let section = self.index.sections.last_mut().expect("a section is open");
        assert!(section.blocks.last().is_none_or(|before| before.last_hash <= first_hash), "rows come in the order of their hashes");
        let bytes = encode_block(batch);
        let (offset, len, rows) = (self.body.len(), bytes.len() as u32, batch.num_rows() as u32);
        section.blocks.push(BlockEntry { offset, len, rows, first_hash, last_hash });
        self.body.push(bytes);
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.body.len()
    }

    /// The section of this number, as it stands.
    pub(crate) fn section(&self, number: u32) -> &Section {
        &self.index.sections[number as usize]
    }

    /// Closes the last section and writes the index.
    pub(crate) fn finish(self, life: Life) -> FinishedObject {
        let Self { mut body, index, holders, .. } = self;
        let index_place = append(&mut body, index.encode());
        FinishedObject { body, ownership: Ownership { life, holders }, index_place }
    }
}

impl FinishedObject {
    /// The object's bytes with these manifests, and the place of each.
    pub(crate) fn with_manifests(
        &self,
        manifests: impl IntoIterator<Item = (HashPartition, Bytes)>,
    ) -> (Body, Vec<(HashPartition, Place)>) {
        let mut body = self.body.clone();
        let manifests: Vec<_> = manifests.into_iter().map(|(hash, bytes)| (hash, append(&mut body, bytes))).collect();
        let footer = Footer { ownership: self.ownership.clone(), index: self.index_place, manifests: manifests.clone() };
        let place = append(&mut body, footer.encode());
        let mut trailer = Vec::with_capacity(super::TRAILER_BYTES as usize);
        trailer.extend(place.len.to_le_bytes());
        trailer.extend(place.crc.to_le_bytes());
        trailer.extend(MAGIC);
        body.push(trailer.into());
        (body, manifests)
    }

    /// How manifests name it once it lies under `key`.
    pub(crate) fn named(&self, key: Key) -> ObjectRef {
        ObjectRef { key, size: self.body.len(), index: self.index_place }
    }

    /// Who has something in it.
    pub(crate) fn ownership(&self) -> &Ownership {
        &self.ownership
    }
}

fn append(body: &mut Body, bytes: Bytes) -> Place {
    let len = u32::try_from(bytes.len()).expect("an index or manifest is smaller than 4 GiB");
    let place = Place { offset: body.len(), len, crc: crc32c::crc32c(&bytes) };
    body.push(bytes);
    place
}
