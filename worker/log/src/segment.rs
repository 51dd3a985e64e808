//! The bytes of a mixed segment: batches of many partitions, sorted by partition and offset, and what is needed to read them.
//!
//! | part | bytes |
//! |---|---|
//! | magic `SWSG`, version, broker, incarnation, sequence | 4, 4, 4, 4, 8 |
//! | batches, partition by partition | |
//! | one section a partition, each ending in a CRC-32C | |
//! | directory: covers, count, then {topic id, partition, base, end, data at, data length, section at, section length, max timestamp}, and a CRC-32C | 8, 4, n x 72, 4 |
//! | where the directory begins, magic `SWSG` | 8, 4 |
//!
//! `covers` is the sequence of a WAL group: all batches in groups up to it are in this segment, in an earlier one of the same
//! incarnation, or lay below a log start. Recovery needs it where such a group is damaged; 0 says nothing.
//!
//! A part without a section is none: it is a chunk of a manifest ([`crate::chunk`]), an object of the same row.
//!
//! A section: batches (count, then {base, last offset delta, length, max timestamp}), transactions aborted in it, leader epochs
//! and producers as they were at its end, so that a partition is whole without the broker that wrote it.

use bytes::Bytes;
use units::{Offset, TimestampMs};

use crate::{
    AbortedTransaction, TopicPartitionId,
    checkpoint::{self, decode_id, encode_id},
    codec::{self, Fields, Malformed},
    manifest::{self, ObjectId, SegmentRef},
    partition::{epochs::Epochs, producers::Producers},
};

const MAGIC: u32 = u32::from_le_bytes(*b"SWSG");
const VERSION: u32 = 1;
/// Length of what stands at the end of a segment.
pub(crate) const TRAILER_BYTES: u64 = 12;
const DIRECTORY_ENTRY_BYTES: usize = 72;
const BATCH_BYTES: usize = 24;

/// One batch in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionBatch {
    pub(crate) base: Offset,
    pub(crate) last_delta: u32,
    pub(crate) length: u32,
    pub(crate) max_timestamp: TimestampMs,
    /// Where it begins, from the start of the partition's batches.
    pub(crate) at: u64,
}

impl SectionBatch {
    pub(crate) fn end(&self) -> Offset {
        Offset(self.base.0 + i64::from(self.last_delta) + 1)
    }
}

/// What a builder is given of one partition.
pub(crate) struct SectionInput {
    pub(crate) id: TopicPartitionId,
    /// In order of offset, without gaps: base, last offset delta, newest timestamp, bytes.
    pub(crate) batches: Vec<(Offset, u32, TimestampMs, Bytes)>,
    /// What else the section holds, encoded.
    pub(crate) state: Vec<u8>,
    /// Whether `state` lists aborted transactions.
    pub(crate) has_aborted: bool,
}

/// What a section says beside its batches.
#[derive(Debug, Default)]
pub(crate) struct SectionState {
    /// Transactions whose abort markers lie in it.
    pub(crate) aborted: Vec<AbortedTransaction>,
    /// As they were at its end.
    pub(crate) epochs: Epochs,
    /// The same.
    pub(crate) producers: Producers,
}

/// What a segment says that it holds.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The store holds all batches of WAL groups up to this one.
    pub(crate) covers: u64,
    pub(crate) parts: Vec<(TopicPartitionId, SegmentRef)>,
}

/// A whole segment in pieces, and what the manifests say of it.
pub(crate) struct Built {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) refs: Vec<(TopicPartitionId, SegmentRef)>,
}

/// Puts a segment together without copying the batches.
pub(crate) fn build(object: ObjectId, sections: &[SectionInput], covers: u64) -> Built {
    let head = head(object);
    let mut at = head.len() as u64;
    let mut built = Built { pieces: vec![head.into()], refs: Vec::new() };
    for section in sections {
        let data_at = at;
        for (.., bytes) in &section.batches {
            at += bytes.len() as u64;
            built.pieces.push(bytes.clone());
        }
        built.refs.push((section.id, reference(object, section, (data_at, at - data_at))));
    }
    let mut foot = Vec::new();
    for (section, (_, reference)) in sections.iter().zip(&mut built.refs) {
        let encoded = encode_section(section);
        reference.section_at = at + foot.len() as u64;
        reference.section_bytes = codec::length(encoded.len());
        foot.extend_from_slice(&encoded);
    }
    let directory_at = at + foot.len() as u64;
    close(&mut foot, directory_at, &built.refs, covers);
    built.pieces.push(foot.into());
    built
}

/// An object of the row that holds `body` for one partition, and no batches.
pub(crate) fn build_without_batches(
    object: ObjectId,
    (id, reference): (TopicPartitionId, SegmentRef),
    body: &[u8],
    covers: u64,
) -> Vec<u8> {
    let mut bytes = head(object);
    bytes.extend_from_slice(body);
    let directory_at = bytes.len() as u64;
    close(&mut bytes, directory_at, &[(id, reference)], covers);
    bytes
}

/// What stands before the batches.
pub(crate) fn head(object: ObjectId) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend_from_slice(&MAGIC.to_le_bytes());
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&object.broker.0.to_le_bytes());
    head.extend_from_slice(&object.incarnation.0.to_le_bytes());
    head.extend_from_slice(&object.seq.to_le_bytes());
    head
}

fn close(bytes: &mut Vec<u8>, directory_at: u64, refs: &[(TopicPartitionId, SegmentRef)], covers: u64) {
    bytes.extend_from_slice(&encode_directory(refs, covers));
    bytes.extend_from_slice(&directory_at.to_le_bytes());
    bytes.extend_from_slice(&MAGIC.to_le_bytes());
}

fn reference(object: ObjectId, section: &SectionInput, (data_at, data_bytes): (u64, u64)) -> SegmentRef {
    let (first, last) = (section.batches.first().expect("a section has a batch"), section.batches.last().expect("and a last one"));
    SegmentRef {
        object,
        base: first.0,
        end: Offset(last.0.0 + i64::from(last.1) + 1),
        data_at,
        data_bytes,
        section_at: 0,
        section_bytes: 0,
        max_timestamp: section.batches.iter().map(|batch| batch.2).max().unwrap_or(TimestampMs::NONE),
        has_aborted: section.has_aborted,
    }
}

fn encode_section(section: &SectionInput) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + section.batches.len() * BATCH_BYTES + section.state.len() + 4);
    bytes.extend_from_slice(&codec::length(section.batches.len()).to_le_bytes());
    for (base, last_delta, max_timestamp, batch) in &section.batches {
        bytes.extend_from_slice(&base.0.to_le_bytes());
        bytes.extend_from_slice(&last_delta.to_le_bytes());
        bytes.extend_from_slice(&codec::length(batch.len()).to_le_bytes());
        bytes.extend_from_slice(&max_timestamp.0.to_le_bytes());
    }
    bytes.extend_from_slice(&section.state);
    codec::seal(bytes)
}

/// The state of a section as it is encoded.
pub(crate) fn encode_state(aborted: &[AbortedTransaction], epochs: &Epochs, producers: &Producers) -> Vec<u8> {
    let mut state = Vec::new();
    checkpoint::encode_aborted(&mut state, aborted.iter());
    manifest::encode_epochs(&mut state, epochs);
    checkpoint::encode_producers(&mut state, producers);
    state
}

/// The batches that a section lists.
pub(crate) fn decode_section(bytes: &[u8]) -> Result<Vec<SectionBatch>, Malformed> {
    decode_batches(&mut Fields::new(codec::unseal(bytes)?))
}

/// The batches that a section lists, and what else it says.
pub(crate) fn decode_whole_section(bytes: &[u8]) -> Result<(Vec<SectionBatch>, SectionState), Malformed> {
    let mut fields = Fields::new(codec::unseal(bytes)?);
    let batches = decode_batches(&mut fields)?;
    let state = SectionState {
        aborted: checkpoint::decode_aborted(&mut fields)?,
        epochs: manifest::decode_epochs(&mut fields)?,
        producers: checkpoint::decode_producers(&mut fields)?,
    };
    Ok((batches, state))
}

fn decode_batches(fields: &mut Fields<'_>) -> Result<Vec<SectionBatch>, Malformed> {
    let count = fields.count(BATCH_BYTES)?;
    let mut batches = Vec::with_capacity(count);
    let mut at = 0;
    for _ in 0..count {
        let base = fields.offset()?;
        let (last_delta, length) = (fields.u32()?, fields.u32()?);
        batches.push(SectionBatch { base, last_delta, length, max_timestamp: TimestampMs(fields.i64()?), at });
        at += u64::from(length);
    }
    Ok(batches)
}

fn encode_directory(refs: &[(TopicPartitionId, SegmentRef)], covers: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + refs.len() * DIRECTORY_ENTRY_BYTES);
    bytes.extend_from_slice(&covers.to_le_bytes());
    bytes.extend_from_slice(&codec::length(refs.len()).to_le_bytes());
    for (id, reference) in refs {
        encode_id(&mut bytes, *id);
        manifest::encode_extent(&mut bytes, reference);
    }
    codec::seal(bytes)
}

/// Where the directory begins, by the last [`TRAILER_BYTES`] of a segment.
pub(crate) fn decode_trailer(bytes: &[u8]) -> Result<u64, Malformed> {
    let mut fields = Fields::new(bytes);
    let at = fields.u64()?;
    if fields.u32()? == MAGIC { Ok(at) } else { Err(Malformed("not a segment")) }
}

/// The partitions in a segment; `bytes` run from where the directory begins to the trailer.
pub(crate) fn decode_directory(object: ObjectId, bytes: &[u8]) -> Result<Directory, Malformed> {
    let mut fields = Fields::new(codec::unseal(bytes)?);
    let covers = fields.u64()?;
    let count = fields.count(DIRECTORY_ENTRY_BYTES)?;
    let mut one = || {
        let id = decode_id(&mut fields)?;
        Ok((id, manifest::decode_extent(&mut fields, object)?))
    };
    Ok(Directory { covers, parts: (0..count).map(|_| one()).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{BrokerId, Incarnation, PartitionId, TopicId};

    #[test]
    fn a_segment_reads_back_from_its_end() {
        let object = ObjectId { broker: BrokerId(1), incarnation: Incarnation(2), seq: 3 };
        let id = |partition| TopicPartitionId { topic: TopicId([4; 16]), partition: PartitionId(partition) };
        let batch = |base: i64, bytes: &'static [u8]| (Offset(base), 1, TimestampMs(base * 10), Bytes::from_static(bytes));
        let sections = [
            SectionInput { id: id(0), batches: vec![batch(0, b"aaaa"), batch(2, b"bb")], state: vec![9], has_aborted: true },
            SectionInput { id: id(7), batches: vec![batch(40, b"ccc")], state: Vec::new(), has_aborted: true },
        ];
        let built = build(object, &sections, 17);
        let bytes = built.pieces.concat();

        let at = decode_trailer(&bytes[bytes.len() - 12..]).unwrap();
        let directory = decode_directory(object, &bytes[usize::try_from(at).unwrap()..bytes.len() - 12]).unwrap();
        assert_eq!((directory.covers, &directory.parts), (17, &built.refs));
        let directory = directory.parts;
        let reference = directory[0].1;
        assert_eq!((reference.base, reference.end, reference.max_timestamp), (Offset(0), Offset(4), TimestampMs(20)));
        let slice = |at: u64, length: u64| &bytes[usize::try_from(at).unwrap()..usize::try_from(at + length).unwrap()];
        assert_eq!(slice(reference.data_at, reference.data_bytes), b"aaaabb");
        let batches = decode_section(slice(reference.section_at, u64::from(reference.section_bytes))).unwrap();
        assert_eq!(batches.iter().map(|batch| (batch.base.0, batch.end().0, batch.at)).collect::<Vec<_>>(), [(0, 2, 0), (2, 4, 4)]);
        assert_eq!(slice(directory[1].1.data_at, directory[1].1.data_bytes), b"ccc");
    }
}
