//! A record of a state partition: what one commit says about one hash partition.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `SWST` |
//! | 4..6 | format: 1 |
//! | 6 | kind: 1 claim, 2 delta, 3 manifest, 4 closed, 5 whole |
//! | 7 | zero |
//! | then | layout (text), hash partition (u32), the commit: producer id (i64), epoch (i16), number (u64) |
//! | delta, whole | positions (list), operators (list of: id (u64), horizon (i64), note (blob), block (blob, may be empty)) |
//! | manifest | covers: producer id, epoch, number; floor (i64); object (text), offset (u64), length (u32), CRC (u32); positions (list) |
//! | closed | layout that took over (text) |
//!
//! Little-endian; a text has a length of 16 bits before it, a list or blob one of 32. The record's checksum is that of the
//! batch it lies in; blocks have their own, since they outlive the record.

mod delta;

pub use delta::{Delta, OperatorDelta, Progress};

use crate::{
    CommitMark, HashPartition, Life, Malformed, Position,
    codec::{Fields, put_count, put_text},
    manifest::ManifestRef,
};
use bytes::Bytes;
use delta::EncodedOperator;
use std::sync::Arc;
use units::Offset;

const MAGIC: &[u8; 4] = b"SWST";
const FORMAT: u16 = 1;

/// One record of a state partition.
#[derive(Clone, Debug, PartialEq)]
pub struct StateRecord {
    /// The layout it was written for; another one's records do not belong here.
    pub layout: Arc<str>,
    /// The hash partition whose state partition it lies in.
    pub hash: HashPartition,
    /// The commit that wrote it.
    pub commit: CommitMark,
    /// What it says.
    pub content: Content,
}

/// What a state record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The life that made the commit takes the hash partition over: who reads this back as its own owns it.
    Claim,
    /// What the commit changed. A commit may write several, each whole in itself.
    Delta(EncodedDelta),
    /// All there is as of the commit: what was said before is not needed any more. For state that is never checkpointed.
    Whole(EncodedDelta),
    /// State up to a commit is in the object store.
    Manifest(ManifestRecord),
    /// A newer layout took over, and who reads this stops.
    Closed {
        /// That layout.
        by: Arc<str>,
    },
}

/// A delta as it lies in its record: what the operators changed is decoded only where it is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedDelta {
    /// How far each upstream partition had come with this commit.
    pub positions: Vec<Position>,
    pub(crate) operators: Vec<EncodedOperator>,
}

/// Points at a manifest, and says what a reader must know before it fetches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestRecord {
    /// The last commit whose delta the manifest holds; earlier deltas are not needed any more.
    pub covers: CommitMark,
    /// Offset in the state partition just after that delta.
    pub floor: Offset,
    /// Where the manifest lies.
    pub manifest: ManifestRef,
    /// How far each upstream partition had come with `covers`.
    pub positions: Vec<Position>,
}

impl StateRecord {
    /// The record's bytes, to be the value of a Kafka record without a key.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.layout.len());
        out.extend(MAGIC);
        out.extend(FORMAT.to_le_bytes());
        out.extend([self.content.kind(), 0]);
        put_text(&mut out, &self.layout);
        out.extend(self.hash.0.to_le_bytes());
        self.commit.encode(&mut out);
        match &self.content {
            Content::Claim => {}
            Content::Delta(delta) | Content::Whole(delta) => delta.encode(&mut out),
            Content::Manifest(manifest) => manifest.encode(&mut out),
            Content::Closed { by } => put_text(&mut out, by),
        }
        out.into()
    }

    /// Reads what [`StateRecord::encode`] wrote. Blocks are slices of `bytes`.
    ///
    /// # Errors
    /// Where the bytes are not a state record of a format that this version knows.
    pub fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, "state record");
        if fields.bytes(4)? != MAGIC[..] {
            return Err(fields.malformed("does not begin as one"));
        }
        let format = fields.u16()?;
        if format != FORMAT {
            return Err(fields.malformed(format_args!("has format {format}, this version reads {FORMAT}")));
        }
        let kind = fields.u8()?;
        fields.u8()?;
        let (layout, hash, commit) = (fields.text()?.into(), HashPartition(fields.u32()?), CommitMark::decode(&mut fields)?);
        let content = match kind {
            1 => Content::Claim,
            2 => Content::Delta(EncodedDelta::decode(&mut fields)?),
            3 => Content::Manifest(ManifestRecord::decode(&mut fields)?),
            4 => Content::Closed { by: fields.text()?.into() },
            5 => Content::Whole(EncodedDelta::decode(&mut fields)?),
            other => return Err(fields.malformed(format_args!("is of kind {other}"))),
        };
        fields.end()?;
        Ok(Self { layout, hash, commit, content })
    }
}

impl Content {
    fn kind(&self) -> u8 {
        match self {
            Self::Claim => 1,
            Self::Delta(_) => 2,
            Self::Manifest(_) => 3,
            Self::Closed { .. } => 4,
            Self::Whole(_) => 5,
        }
    }
}

impl CommitMark {
    fn encode(&self, out: &mut Vec<u8>) {
        self.life.encode(out);
        out.extend(self.number.to_le_bytes());
    }

    fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        Ok(Self { life: Life::decode(fields)?, number: fields.u64()? })
    }
}

impl ManifestRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        self.covers.encode(out);
        out.extend(self.floor.0.to_le_bytes());
        self.manifest.encode(out);
        encode_positions(&self.positions, out);
    }

    fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        Ok(Self {
            covers: CommitMark::decode(fields)?,
            floor: Offset(fields.i64()?),
            manifest: ManifestRef::decode(fields)?,
            positions: decode_positions(fields)?,
        })
    }
}

fn encode_positions(positions: &[Position], out: &mut Vec<u8>) {
    put_count(out, positions.len());
    positions.iter().for_each(|position| position.encode(out));
}

fn decode_positions(fields: &mut Fields) -> Result<Vec<Position>, Malformed> {
    fields.list(Position::BYTES_MIN, Position::decode)
}

#[cfg(test)]
mod tests;
