//! What the object store holds of one partition: which ranges of which mixed segments, from where, and who may write.
//!
//! One object per partition, replaced by put-if-match: its owner is the only one who may serve the partition.
//!
//! | field | bytes |
//! |---|---|
//! | magic `SWMF`, version | 4, 4 |
//! | owner: broker, incarnation | 4, 4 |
//! | log start | 8 |
//! | leader epochs: count, then (epoch, first offset) | 4, n x 12 |
//! | segments: count, then {broker, incarnation, seq, base, end, data at, data length, section at, section length, max timestamp} | 4, n x 68 |
//! | CRC-32C of all before | 4 |

use units::{BrokerId, Incarnation, LeaderEpoch, Offset, TimestampMs};

use crate::{
    codec::{self, Fields, Malformed},
    partition::epochs::Epochs,
};

const MAGIC: u32 = u32::from_le_bytes(*b"SWMF");
const VERSION: u32 = 1;
const SEGMENT_BYTES: usize = 68;

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
    pub(crate) segments: Vec<SegmentRef>,
}

impl Manifest {
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner, log_start: Offset::ZERO, epochs: Epochs::default(), segments: Vec::new() }
    }

    /// One past the last offset in the store; 0 where there is none.
    pub(crate) fn end(&self) -> Offset {
        self.segments.last().map_or(Offset::ZERO, |segment| segment.end)
    }

    /// Bytes of batches that it names.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.data_bytes).sum()
    }

    /// The segment that holds `offset`, or the first behind it.
    pub(crate) fn segment_of(&self, offset: Offset) -> Option<&SegmentRef> {
        self.segments.get(self.segments.partition_point(|segment| segment.end <= offset))
    }

    /// Moves the log start forward and gives the segments that nothing is read from any more.
    pub(crate) fn trim(&mut self, log_start: Offset) -> Vec<SegmentRef> {
        self.log_start = self.log_start.max(log_start);
        let gone = self.segments.partition_point(|segment| segment.end <= log_start);
        self.segments.drain(..gone).collect()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.owner.broker.0.to_le_bytes());
        bytes.extend_from_slice(&self.owner.incarnation.0.to_le_bytes());
        bytes.extend_from_slice(&self.log_start.0.to_le_bytes());
        encode_epochs(&mut bytes, &self.epochs);
        bytes.extend_from_slice(&codec::length(self.segments.len()).to_le_bytes());
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.object.broker.0.to_le_bytes());
            bytes.extend_from_slice(&segment.object.incarnation.0.to_le_bytes());
            bytes.extend_from_slice(&segment.object.seq.to_le_bytes());
            bytes.extend_from_slice(&segment.base.0.to_le_bytes());
            bytes.extend_from_slice(&segment.end.0.to_le_bytes());
            bytes.extend_from_slice(&segment.data_at.to_le_bytes());
            bytes.extend_from_slice(&segment.data_bytes.to_le_bytes());
            bytes.extend_from_slice(&segment.section_at.to_le_bytes());
            bytes.extend_from_slice(&segment.section_bytes.to_le_bytes());
            bytes.extend_from_slice(&segment.max_timestamp.0.to_le_bytes());
        }
        codec::seal(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(codec::unseal(bytes)?);
        if (fields.u32()?, fields.u32()?) != (MAGIC, VERSION) {
            return Err(Malformed("not a manifest of this version"));
        }
        let owner = Owner { broker: BrokerId(fields.i32()?), incarnation: Incarnation(fields.u32()?) };
        let log_start = fields.offset()?;
        let epochs = decode_epochs(&mut fields)?;
        let count = fields.count(SEGMENT_BYTES)?;
        let segments = (0..count).map(|_| decode_segment(&mut fields)).collect::<Result<Vec<_>, _>>()?;
        if segments.iter().any(|segment| segment.end <= segment.base) || segments.windows(2).any(|pair| pair[0].end != pair[1].base) {
            return Err(Malformed("the segments of a manifest leave a gap"));
        }
        Ok(Self { owner, log_start, epochs, segments })
    }
}

fn decode_segment(fields: &mut Fields<'_>) -> Result<SegmentRef, Malformed> {
    Ok(SegmentRef {
        object: ObjectId { broker: BrokerId(fields.i32()?), incarnation: Incarnation(fields.u32()?), seq: fields.u64()? },
        base: fields.offset()?,
        end: fields.offset()?,
        data_at: fields.length()?,
        data_bytes: fields.length()?,
        section_at: fields.length()?,
        section_bytes: fields.u32()?,
        max_timestamp: TimestampMs(fields.i64()?),
    })
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
        };
        let mut epochs = Epochs::default();
        epochs.assign(LeaderEpoch(2), Offset(3));
        Manifest {
            owner: Owner { broker: BrokerId(1), incarnation: Incarnation(2) },
            log_start: Offset(3),
            epochs,
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
}
