//! What the object store holds of one partition: which ranges of which segments, from where, and who may write.
//!
//! One object per partition, replaced by put-if-match: its owner is the only one who may serve the partition. It stays small:
//! the oldest references move into immutable *chunks* ([`crate::chunk`]), of which it names only the places.
//!
//! | field | bytes |
//! |---|---|
//! | magic `SWMF`, version 2 | 4, 4 |
//! | owner: broker, incarnation | 4, 4 |
//! | log start | 8 |
//! | leader epochs: count, then (epoch, first offset) | 4, n x 12 |
//! | chunks: count, then {broker, incarnation, seq, base, end, at, length} | 4, n x 44 |
//! | segments behind the last chunk: count, then references as below | 4, n x 69 |
//! | CRC-32C of all before | 4 |
//!
//! A reference: {broker, incarnation, seq, base, end, data at, data length, section at, section length, max timestamp, 1 where
//! transactions were aborted in it}. Version 1 has no chunks and no last field.

use units::{BrokerId, Incarnation, LeaderEpoch, Offset, TimestampMs};

use crate::{
    codec::{self, Fields, Malformed},
    partition::epochs::Epochs,
};

const MAGIC: u32 = u32::from_le_bytes(*b"SWMF");
const VERSION: u32 = 2;
/// What a manifest of before chunks says.
const VERSION_PLAIN: u32 = 1;
/// Length of an encoded reference.
pub(crate) const REFERENCE_BYTES: usize = 69;
const CHUNK_BYTES: usize = 44;

/// Names one mixed segment: dense in `seq` within an incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId {
    pub(crate) broker: BrokerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) seq: u64,
}

/// The part of one mixed segment that belongs to the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRef {
    pub(crate) object: ObjectId,
    /// First offset served from here.
    pub(crate) base: Offset,
    /// One past the last.
    pub(crate) end: Offset,
    pub(crate) data_at: u64,
    pub(crate) data_bytes: u64,
    pub(crate) section_at: u64,
    pub(crate) section_bytes: u32,
    pub(crate) max_timestamp: TimestampMs,
    /// Transactions were aborted in it, or it is not known whether.
    pub(crate) has_aborted: bool,
}

/// Where the references to the segments in `base..end` are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    pub(crate) object: ObjectId,
    pub(crate) base: Offset,
    pub(crate) end: Offset,
    pub(crate) at: u64,
    pub(crate) bytes: u32,
}

/// Who may write the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) broker: BrokerId,
    pub(crate) incarnation: Incarnation,
}

/// The manifest of one partition. Segments follow each other without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) owner: Owner,
    pub(crate) log_start: Offset,
    pub(crate) epochs: Epochs,
    /// Where the first of the references are kept in the store, oldest first, without gaps.
    pub(crate) chunks: Vec<ChunkRef>,
    /// All references, those in chunks included.
    pub(crate) segments: Vec<SegmentRef>,
}

impl Manifest {
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner, log_start: Offset::ZERO, epochs: Epochs::default(), chunks: Vec::new(), segments: Vec::new() }
    }

    /// One past the last offset in the store; 0 where there is none.
    pub(crate) fn end(&self) -> Offset {
        self.segments.last().map_or(Offset::ZERO, |segment| segment.end)
    }

    /// One past the last offset of which it says something: what ends there is in the store, or deleted.
    pub(crate) fn reach(&self) -> Offset {
        self.end().max(self.log_start)
    }

    /// Bytes of batches that it names.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.data_bytes).sum()
    }

    /// The segment that holds `offset`, or the first behind it.
    pub(crate) fn segment_of(&self, offset: Offset) -> Option<&SegmentRef> {
        self.from(offset).first()
    }

    /// The segments from the one that holds `offset` on.
    pub(crate) fn from(&self, offset: Offset) -> &[SegmentRef] {
        &self.segments[self.behind(offset)..]
    }

    /// Moves the log start forward and gives the segments that nothing is read from any more.
    pub(crate) fn trim(&mut self, log_start: Offset) -> Vec<SegmentRef> {
        self.log_start = self.log_start.max(log_start);
        self.chunks.drain(..self.chunks.partition_point(|chunk| chunk.end <= log_start));
        let gone = self.segments.partition_point(|segment| segment.end <= log_start);
        self.segments.drain(..gone).collect()
    }

    /// How many references the log start has passed.
    pub(crate) fn behind(&self, log_start: Offset) -> usize {
        self.segments.partition_point(|segment| segment.end <= log_start)
    }

    /// The index of the first reference that no chunk keeps.
    pub(crate) fn loose_from(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| self.segments.partition_point(|segment| segment.base < chunk.end))
    }

    /// Whether an object is named, be it by a reference or as a chunk.
    pub(crate) fn names(&self, object: ObjectId) -> bool {
        self.segments.iter().any(|segment| segment.object == object) || self.chunks.iter().any(|chunk| chunk.object == object)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.owner.broker.0.to_le_bytes());
        bytes.extend_from_slice(&self.owner.incarnation.0.to_le_bytes());
        bytes.extend_from_slice(&self.log_start.0.to_le_bytes());
        encode_epochs(&mut bytes, &self.epochs);
        bytes.extend_from_slice(&codec::length(self.chunks.len()).to_le_bytes());
        for chunk in &self.chunks {
            encode_object(&mut bytes, chunk.object);
            bytes.extend_from_slice(&chunk.base.0.to_le_bytes());
            bytes.extend_from_slice(&chunk.end.0.to_le_bytes());
            bytes.extend_from_slice(&chunk.at.to_le_bytes());
            bytes.extend_from_slice(&chunk.bytes.to_le_bytes());
        }
        encode_references(&mut bytes, &self.segments[self.loose_from()..]);
        codec::seal(bytes)
    }

    /// What one object holds: the references in its chunks are still missing, see [`Manifest::with_chunks`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(codec::unseal(bytes)?);
        let (magic, version) = (fields.u32()?, fields.u32()?);
        if magic != MAGIC || (version != VERSION && version != VERSION_PLAIN) {
            return Err(Malformed("not a manifest of this version"));
        }
        let owner = Owner { broker: BrokerId(fields.i32()?), incarnation: Incarnation(fields.u32()?) };
        let log_start = fields.offset()?;
        let epochs = decode_epochs(&mut fields)?;
        let mut chunks = Vec::new();
        if version == VERSION {
            for _ in 0..fields.count(CHUNK_BYTES)? {
                chunks.push(decode_chunk(&mut fields)?);
            }
        }
        let segments = decode_references(&mut fields, version == VERSION)?;
        if chunks.iter().any(|chunk| chunk.end <= chunk.base) || chunks.windows(2).any(|pair| pair[0].end != pair[1].base) {
            return Err(Malformed("the chunks of a manifest leave a gap"));
        }
        if let (Some(chunk), Some(first)) = (chunks.last(), segments.first())
            && chunk.end != first.base
        {
            return Err(Malformed("a manifest leaves a gap behind its chunks"));
        }
        Ok(Self { owner, log_start, epochs, chunks, segments })
    }

    /// Puts the references from its chunks before its own; those below the log start are left out.
    pub(crate) fn with_chunks(mut self, chunks: Vec<Vec<SegmentRef>>) -> Result<Self, Malformed> {
        for (chunk, references) in self.chunks.iter().zip(&chunks) {
            let range = references.first().zip(references.last()).map(|(first, last)| (first.base, last.end));
            if range != Some((chunk.base, chunk.end)) {
                return Err(Malformed("a chunk does not hold what the manifest says"));
            }
        }
        let mut segments = chunks.concat();
        // Chunks do not change: what the log start has passed in them went when it did.
        segments.drain(..segments.partition_point(|segment| segment.end <= self.log_start));
        segments.append(&mut self.segments);
        check_chain(&segments)?;
        Ok(Self { segments, ..self })
    }
}

fn check_chain(segments: &[SegmentRef]) -> Result<(), Malformed> {
    if segments.iter().any(|segment| segment.end <= segment.base) || segments.windows(2).any(|pair| pair[0].end != pair[1].base) {
        return Err(Malformed("the segments of a manifest leave a gap"));
    }
    Ok(())
}

fn encode_object(bytes: &mut Vec<u8>, object: ObjectId) {
    bytes.extend_from_slice(&object.broker.0.to_le_bytes());
    bytes.extend_from_slice(&object.incarnation.0.to_le_bytes());
    bytes.extend_from_slice(&object.seq.to_le_bytes());
}

fn decode_object(fields: &mut Fields<'_>) -> Result<ObjectId, Malformed> {
    Ok(ObjectId { broker: BrokerId(fields.i32()?), incarnation: Incarnation(fields.u32()?), seq: fields.u64()? })
}

fn decode_chunk(fields: &mut Fields<'_>) -> Result<ChunkRef, Malformed> {
    let object = decode_object(fields)?;
    Ok(ChunkRef { object, base: fields.offset()?, end: fields.offset()?, at: fields.length()?, bytes: fields.u32()? })
}

/// Offsets of a part, and where its batches and its section lie in its object: the same in manifests and in directories of objects.
pub(crate) fn encode_extent(bytes: &mut Vec<u8>, segment: &SegmentRef) {
    bytes.extend_from_slice(&segment.base.0.to_le_bytes());
    bytes.extend_from_slice(&segment.end.0.to_le_bytes());
    bytes.extend_from_slice(&segment.data_at.to_le_bytes());
    bytes.extend_from_slice(&segment.data_bytes.to_le_bytes());
    bytes.extend_from_slice(&segment.section_at.to_le_bytes());
    bytes.extend_from_slice(&segment.section_bytes.to_le_bytes());
    bytes.extend_from_slice(&segment.max_timestamp.0.to_le_bytes());
}

/// What [`encode_extent`] wrote, of a part in `object` that may hold aborted transactions.
pub(crate) fn decode_extent(fields: &mut Fields<'_>, object: ObjectId) -> Result<SegmentRef, Malformed> {
    Ok(SegmentRef {
        object,
        base: fields.offset()?,
        end: fields.offset()?,
        data_at: fields.length()?,
        data_bytes: fields.length()?,
        section_at: fields.length()?,
        section_bytes: fields.u32()?,
        max_timestamp: TimestampMs(fields.i64()?),
        has_aborted: true,
    })
}

/// References behind their count.
pub(crate) fn encode_references(bytes: &mut Vec<u8>, references: &[SegmentRef]) {
    bytes.extend_from_slice(&codec::length(references.len()).to_le_bytes());
    for segment in references {
        encode_object(bytes, segment.object);
        encode_extent(bytes, segment);
        bytes.push(u8::from(segment.has_aborted));
    }
}

/// What [`encode_references`] wrote; they follow each other.
pub(crate) fn decode_references(fields: &mut Fields<'_>, has_flags: bool) -> Result<Vec<SegmentRef>, Malformed> {
    let count = fields.count(if has_flags { REFERENCE_BYTES } else { REFERENCE_BYTES - 1 })?;
    let mut one = || {
        let object = decode_object(fields)?;
        let extent = decode_extent(fields, object)?;
        Ok(SegmentRef { has_aborted: !has_flags || fields.u8()? != 0, ..extent })
    };
    let references = (0..count).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
    check_chain(&references)?;
    Ok(references)
}

pub(crate) fn encode_epochs(bytes: &mut Vec<u8>, epochs: &Epochs) {
    bytes.extend_from_slice(&codec::length(epochs.entries().len()).to_le_bytes());
    for (epoch, start) in epochs.entries() {
        bytes.extend_from_slice(&epoch.0.to_le_bytes());
        bytes.extend_from_slice(&start.0.to_le_bytes());
    }
}

pub(crate) fn decode_epochs(fields: &mut Fields<'_>) -> Result<Epochs, Malformed> {
    let mut epochs = Epochs::default();
    for _ in 0..fields.count(12)? {
        epochs.assign(LeaderEpoch(fields.i32()?), Offset(fields.i64()?));
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let segment = |seq, base, end| SegmentRef {
            object: ObjectId { broker: BrokerId(1), incarnation: Incarnation(2), seq },
            base: Offset(base),
            end: Offset(end),
            data_at: 32,
            data_bytes: 100,
            section_at: 132,
            section_bytes: 64,
            max_timestamp: TimestampMs(5),
            has_aborted: false,
        };
        let mut epochs = Epochs::default();
        epochs.assign(LeaderEpoch(2), Offset(3));
        Manifest {
            owner: Owner { broker: BrokerId(1), incarnation: Incarnation(2) },
            log_start: Offset(3),
            epochs,
            chunks: Vec::new(),
            segments: vec![segment(0, 3, 10), segment(1, 10, 11), segment(4, 11, 30)],
        }
    }

    #[test]
    fn a_manifest_reads_back_as_written_and_no_flipped_bit_passes() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped).is_err());
        }
        assert!(Manifest::decode(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn offsets_are_found_and_trimmed_by_segment() {
        let mut manifest = manifest();
        assert_eq!(manifest.segment_of(Offset(10)).map(|segment| segment.object.seq), Some(1));
        assert_eq!(manifest.segment_of(Offset(30)), None);
        let gone: Vec<_> = manifest.trim(Offset(11)).iter().map(|segment| segment.object.seq).collect();
        assert_eq!(gone, [0, 1]);
        assert_eq!((manifest.log_start, manifest.end(), manifest.bytes()), (Offset(11), Offset(30), 100));
    }

    #[test]
    fn references_in_chunks_come_back_in_their_place() {
        let whole = manifest();
        let object = ObjectId { broker: BrokerId(1), incarnation: Incarnation(2), seq: 9 };
        let chunk = ChunkRef { object, base: Offset(3), end: Offset(11), at: 24, bytes: 7 };
        let chunked = Manifest { chunks: vec![chunk], ..whole.clone() };
        assert_eq!(chunked.loose_from(), 2);
        let root = Manifest::decode(&chunked.encode()).unwrap();
        assert_eq!((root.segments.len(), root.chunks.len()), (1, 1));
        let read = root.clone().with_chunks(vec![whole.segments[..2].to_vec()]).unwrap();
        assert_eq!(read, chunked);
        assert!(root.clone().with_chunks(vec![whole.segments[..1].to_vec()]).is_err(), "a chunk that is not whole");
        assert!(chunked.names(object) && !whole.names(object));
        let mut trimmed = read;
        trimmed.trim(Offset(10));
        assert_eq!((trimmed.chunks.len(), trimmed.segments.len()), (1, 2));
        assert_eq!(Manifest::decode(&trimmed.encode()).unwrap().with_chunks(vec![whole.segments[..2].to_vec()]).unwrap(), trimmed);
        trimmed.trim(Offset(11));
        assert_eq!((trimmed.chunks.len(), trimmed.segments.len()), (0, 1));
    }
}
