//! A chunk: the oldest references of a manifest, in an immutable object of their own, so that the manifest itself stays small.
//!
//! It lies in the same row of objects as segments, fenced and swept as they are, and holds no batches:
//!
//! | part | bytes |
//! |---|---|
//! | head of a segment | 24 |
//! | magic `SWMC`, references: count, then each as in a manifest, CRC-32C | 4, 4, n x 69, 4 |
//! | directory of a segment with one part that has no section, and its trailer | |

use units::TimestampMs;

use crate::{
    TopicPartitionId,
    codec::{self, Fields, Malformed},
    manifest::{self, ChunkRef, Manifest, ObjectId, SegmentRef},
    segment,
};

const MAGIC: u32 = u32::from_le_bytes(*b"SWMC");
/// A manifest keeps at most this many references itself.
pub(crate) const LOOSE_MAX: usize = 2048;
/// As many move into a chunk at once: the oldest, which merging is done with.
const CHUNK_REFERENCES: usize = 1024;

/// The references that are to move out of `manifest`, if it keeps too many.
pub(crate) fn excess(manifest: &Manifest, loose_max: usize) -> Option<&[SegmentRef]> {
    let loose = &manifest.segments[manifest.loose_from()..];
    (loose.len() > loose_max).then(|| &loose[..CHUNK_REFERENCES.min(loose_max.div_ceil(2)).max(1)])
}

/// The object that keeps `references`, and what the manifest says of it.
pub(crate) fn build(object: ObjectId, id: TopicPartitionId, references: &[SegmentRef], covers: u64) -> (Vec<u8>, ChunkRef) {
    let mut body = MAGIC.to_le_bytes().to_vec();
    manifest::encode_references(&mut body, references);
    let body = codec::seal(body);
    let (first, last) = (references.first().expect("a chunk has a reference"), references.last().expect("and a last one"));
    let at = segment::head(object).len() as u64;
    let part = SegmentRef {
        object,
        base: first.base,
        end: last.end,
        data_at: at,
        data_bytes: body.len() as u64,
        section_at: at,
        section_bytes: 0,
        max_timestamp: references.iter().map(|segment| segment.max_timestamp).max().unwrap_or(TimestampMs::NONE),
        has_aborted: false,
    };
    let chunk = ChunkRef { object, base: first.base, end: last.end, at, bytes: codec::length(body.len()) };
    (segment::build_without_batches(object, (id, part), &body, covers), chunk)
}

/// The references in a chunk: `bytes` are what its [`ChunkRef`] says.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<SegmentRef>, Malformed> {
    let mut fields = Fields::new(codec::unseal(bytes)?);
    if fields.u32()? != MAGIC {
        return Err(Malformed("not a chunk of a manifest"));
    }
    manifest::decode_references(&mut fields, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{manifest::Owner, partition::epochs::Epochs};
    use units::{BrokerId, Incarnation, Offset, PartitionId, TopicId};

    #[test]
    fn what_moves_out_of_a_manifest_reads_back() {
        let owner = Owner { broker: BrokerId(1), incarnation: Incarnation(2) };
        let object = |seq| ObjectId { broker: BrokerId(1), incarnation: Incarnation(2), seq };
        let reference = |seq: u64| SegmentRef {
            object: object(seq),
            base: Offset(i64::try_from(seq).unwrap()),
            end: Offset(i64::try_from(seq).unwrap() + 1),
            data_at: 24,
            data_bytes: 100,
            section_at: 124,
            section_bytes: 64,
            max_timestamp: TimestampMs(5),
            has_aborted: seq.is_multiple_of(2),
        };
        let segments: Vec<_> = (0..9).map(reference).collect();
        let manifest = Manifest { segments: segments.clone(), epochs: Epochs::default(), ..Manifest::new(owner) };
        assert_eq!(excess(&manifest, 9), None);
        let moved = excess(&manifest, 8).unwrap();
        assert_eq!(moved, &segments[..4]);
        let id = TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(0) };
        let (bytes, chunk) = build(object(9), id, moved, 5);
        let range = usize::try_from(chunk.at).unwrap()..usize::try_from(chunk.at).unwrap() + chunk.bytes as usize;
        assert_eq!(decode(&bytes[range]).unwrap(), &segments[..4]);
        let end = bytes.len() - 12;
        let at = usize::try_from(segment::decode_trailer(&bytes[end..]).unwrap()).unwrap();
        let directory = segment::decode_directory(object(9), &bytes[at..end]).unwrap();
        assert_eq!((directory.covers, directory.parts[0].0, directory.parts[0].1.section_bytes), (5, id, 0));
    }
}
