//! Which small segments of a partition are worth one larger one.
//!
//! A merge costs a get for each piece, two puts, and its bytes once more; it gives readers one range instead of many, and lets
//! mixed segments go. So pieces that are large enough for readers stay as they are, and so do pieces so small that their gets
//! would cost more than all that.

use std::ops::Range;

use crate::manifest::Manifest;

/// So many times more pieces than must make one segment at least may make one at most.
const PIECES_SPREAD: u64 = 16;

/// The oldest run of references in `manifest` that is worth a segment of about `merge_bytes`, 0 for none, made of `pieces_min`
/// pieces at least.
pub(crate) fn run(manifest: &Manifest, merge_bytes: u64, pieces_min: u64) -> Option<Range<usize>> {
    let (piece_max, average_min) = (merge_bytes / pieces_min, (merge_bytes / pieces_min / PIECES_SPREAD).max(1));
    let (mut start, mut bytes) = (manifest.loose_from(), 0);
    for (index, segment) in manifest.segments.iter().enumerate().skip(start) {
        if segment.data_bytes > piece_max {
            (start, bytes) = (index + 1, 0);
            continue;
        }
        bytes += segment.data_bytes;
        if bytes >= merge_bytes {
            let pieces = (index + 1 - start) as u64;
            if bytes / pieces >= average_min {
                return Some(start..index + 1);
            }
            (start, bytes) = (index + 1, 0);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ObjectId, Owner, SegmentRef};
    use units::{BrokerId, Incarnation, Offset, TimestampMs};

    fn manifest(sizes: impl IntoIterator<Item = u64>) -> Manifest {
        let owner = Owner { broker: BrokerId(1), incarnation: Incarnation(1) };
        let reference = |(index, data_bytes): (u64, u64)| SegmentRef {
            object: ObjectId { broker: BrokerId(1), incarnation: Incarnation(1), seq: index },
            base: Offset(i64::try_from(index).unwrap()),
            end: Offset(i64::try_from(index).unwrap() + 1),
            data_at: 24,
            data_bytes,
            section_at: 0,
            section_bytes: 8,
            max_timestamp: TimestampMs(1),
            has_aborted: false,
        };
        Manifest { segments: (0..).zip(sizes).map(reference).collect(), ..Manifest::new(owner) }
    }

    const MERGE: u64 = 8 << 20;

    #[test]
    fn small_pieces_are_merged_once_they_make_a_segment() {
        assert_eq!(run(&manifest(vec![900 << 10; 9]), MERGE, 8), None);
        assert_eq!(run(&manifest(vec![900 << 10; 12]), MERGE, 8), Some(0..10));
    }

    #[test]
    fn pieces_that_are_large_enough_stay_and_end_a_run() {
        assert_eq!(run(&manifest(vec![2 << 20; 100]), MERGE, 8), None);
        let sizes = std::iter::once(16 << 20).chain(vec![800 << 10; 11]).chain([2 << 20]);
        assert_eq!(run(&manifest(sizes), MERGE, 8), Some(1..12));
    }

    #[test]
    fn what_would_cost_more_gets_than_it_is_worth_stays() {
        assert_eq!(run(&manifest(vec![10 << 10; 2000]), MERGE, 8), None);
        assert_eq!(run(&manifest(vec![10 << 10; 2000]), 0, 8), None);
    }
}
