//! What is in an object, and where.

use crate::{
    Claim, HashPartition, Life, Malformed, OperatorId,
    codec::{Fields, put_count},
    manifest::{Holders, Ownership, Place},
};
use bytes::Bytes;
use units::Offset;

/// The sections of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Index {
    pub(crate) sections: Vec<Section>,
}

/// Sorted rows of one operator and hash partition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Section {
    pub(crate) hash: HashPartition,
    pub(crate) operator: OperatorId,
    /// Fingerprint of the columns.
    pub(crate) schema: u64,
    /// One behind the other in the object, in the order of hashes.
    pub(crate) blocks: Vec<BlockEntry>,
}

/// One block of a section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BlockEntry {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) rows: u32,
    pub(crate) first_hash: u64,
    pub(crate) last_hash: u64,
}

/// What an object says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Footer {
    pub(crate) ownership: Ownership,
    pub(crate) index: Place,
    pub(crate) manifests: Vec<(HashPartition, Place)>,
}

impl Index {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_count(&mut out, self.sections.len());
        for section in &self.sections {
            out.extend(section.hash.0.to_le_bytes());
            out.extend(section.operator.0.to_le_bytes());
            out.extend(section.schema.to_le_bytes());
            put_count(&mut out, section.blocks.len());
            section.blocks.iter().for_each(|block| block.encode(&mut out));
        }
        out.into()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        const SECTION_BYTES_MIN: usize = 4 + 8 + 8 + 4;
        let mut fields = Fields::new(bytes, "index of runs");
        let sections = fields.list(SECTION_BYTES_MIN, |fields| {
            Ok(Section {
                hash: HashPartition(fields.u32()?),
                operator: OperatorId(fields.u64()?),
                schema: fields.u64()?,
                blocks: fields.list(BlockEntry::BYTES, BlockEntry::decode)?,
            })
        })?;
        fields.end()?;
        Ok(Self { sections })
    }
}

impl Section {
    pub(crate) fn rows(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.rows)).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.len)).sum()
    }
}

impl BlockEntry {
    const BYTES: usize = 8 + 4 + 4 + 8 + 8;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.offset.to_le_bytes());
        out.extend(self.len.to_le_bytes());
        out.extend(self.rows.to_le_bytes());
        out.extend(self.first_hash.to_le_bytes());
        out.extend(self.last_hash.to_le_bytes());
    }

    fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        let (offset, len, rows) = (fields.u64()?, fields.u32()?, fields.u32()?);
        if offset.checked_add(len.into()).is_none() {
            return Err(fields.malformed("has a block where none can be"));
        }
        Ok(Self { offset, len, rows, first_hash: fields.u64()?, last_hash: fields.u64()? })
    }

    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.len)
    }
}

impl Footer {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        self.ownership.life.encode(&mut out);
        put_count(&mut out, self.ownership.holders.len());
        for (hash, claim) in &self.ownership.holders {
            out.extend(hash.0.to_le_bytes());
            out.extend(claim.0.0.to_le_bytes());
        }
        put_place(&mut out, self.index);
        put_count(&mut out, self.manifests.len());
        for (hash, place) in &self.manifests {
            out.extend(hash.0.to_le_bytes());
            put_place(&mut out, *place);
        }
        out.into()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, "footer of runs");
        let life = Life::decode(&mut fields)?;
        let holders: Holders =
            fields.list(12, |fields| Ok((HashPartition(fields.u32()?), Claim(Offset(fields.i64()?)))))?.into_iter().collect();
        let index = place(&mut fields)?;
        let manifests = fields.list(20, |fields| Ok((HashPartition(fields.u32()?), place(fields)?)))?;
        fields.end()?;
        Ok(Self { ownership: Ownership { life, holders }, index, manifests })
    }
}

fn put_place(out: &mut Vec<u8>, place: Place) {
    out.extend(place.offset.to_le_bytes());
    out.extend(place.len.to_le_bytes());
    out.extend(place.crc.to_le_bytes());
}

fn place(fields: &mut Fields) -> Result<Place, Malformed> {
    Ok(Place { offset: fields.u64()?, len: fields.u32()?, crc: fields.u32()? })
}
