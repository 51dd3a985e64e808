//! Bytes that nobody of us wrote, behind a checksum that holds: no decoder panics or takes more memory than they are long.

use proptest::{collection::vec, prelude::*};
use units::{BrokerId, Incarnation};

use crate::{
    batch::{BatchView, ControlMarker},
    checkpoint, chunk, codec,
    manifest::{Manifest, ObjectId},
    partition,
    roster::Roster,
    segment,
    wal::{
        layout::{self, GroupHeader, Seal},
        recovery::decode_summary,
    },
};

const OBJECT: ObjectId = ObjectId { broker: BrokerId(1), incarnation: Incarnation(1), seq: 0 };

/// `bytes` behind the magic number and version that a decoder asks for.
fn framed(magic: [u8; 4], version: u32, bytes: &[u8]) -> Vec<u8> {
    codec::seal([&magic[..], &version.to_le_bytes(), bytes].concat())
}

proptest! {
    #[test]
    fn decoders_answer_whatever_they_are_given(bytes in vec(any::<u8>(), 0..400)) {
        drop(checkpoint::decode(&framed(*b"SWCK", 2, &bytes)));
        for version in [1, 2] {
            if let Ok(manifest) = Manifest::decode(&framed(*b"SWMF", version, &bytes)) {
                prop_assert!(manifest.segments.len() + manifest.chunks.len() <= bytes.len());
            }
        }
        if let Ok(references) = chunk::decode(&codec::seal([b"SWMC", &bytes[..]].concat())) {
            prop_assert!(references.len() <= bytes.len());
        }
        if let Ok(roster) = Roster::decode(&framed(*b"SWRO", 1, &bytes)) {
            prop_assert!(roster.partitions.len() <= bytes.len());
        }
        drop(segment::decode_whole_section(&codec::seal(bytes.clone())));
        if let Ok(batches) = decode_summary(1, &framed(*b"SWIX", 1, &bytes)) {
            prop_assert!(batches.len() <= bytes.len());
        }
        if let Ok(batches) = segment::decode_section(&codec::seal(bytes.clone())) {
            prop_assert!(batches.capacity() <= bytes.len());
        }
        drop(segment::decode_directory(OBJECT, &codec::seal(bytes.clone())));
        let _at = segment::decode_trailer(&bytes);
        drop(partition::decode_config(&bytes));
        drop(BatchView::parse_all(&bytes));
        let _marker = ControlMarker::parse(&bytes);
        if let Some(header) = GroupHeader::parse(&bytes, Seal::default()) {
            prop_assert!(!header.is_intact(&bytes, Seal::default()) || header.body_bytes as usize <= bytes.len());
        }
        let taken: usize = layout::entries(&bytes).filter_map(Result::ok).map(|entry| entry.bytes.len()).sum();
        prop_assert!(taken <= bytes.len());
    }
}
