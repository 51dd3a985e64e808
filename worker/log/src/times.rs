//! Finding records by time: the batch from the indexes, the record by opening that one batch.

use std::sync::Arc;

use bytes::Bytes;
use records::{BatchHeader, Skim};
use units::{Offset, TimestampMs};

use crate::{
    Isolation, ReadError, TimedOffset, TopicPartitionId,
    engine::read::visible_end,
    job::{first_batch, known_manifest},
    manifest::{Manifest, SegmentRef},
    shell::Shared,
};

/// A batch is looked through as far as this. It takes time and no memory.
const PLAIN_BYTES_MAX: usize = 256 << 20;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The first record not before this time.
    NotBefore(TimestampMs),
    /// The first of the records with the largest timestamp.
    Largest,
}

/// What a partition has in its WAL, and what lies before it.
struct Outline {
    /// Where the search begins: at the log start or behind it.
    from: Offset,
    end: Offset,
    shipped_to: Offset,
    manifest: Option<Arc<Manifest>>,
    /// Base offset and newest timestamp of the candidate in the WAL.
    local: Option<(Offset, TimestampMs)>,
    local_from: Option<Offset>,
}

/// Looks through the store first, where it holds older batches, then the WAL.
pub(crate) fn find(
    shared: &Arc<Shared>,
    id: TopicPartitionId,
    wanted: Wanted,
    isolation: Isolation,
) -> Result<Option<TimedOffset>, ReadError> {
    let mut from = Offset::ZERO;
    loop {
        let outline = outline(shared, id, wanted, (from, isolation))?;
        let Some((base, newest)) = candidate(shared, id, &outline, wanted)? else { return Ok(None) };
        let Some(batch) = first_batch(shared, id, base.max(outline.from), isolation)? else { return Ok(None) };
        let time = if let Wanted::NotBefore(time) = wanted { time } else { newest };
        if let Some(found) = record(&batch, time, outline.from) {
            return with_epoch(shared, id, found).map(Some);
        }
        // The record that the batch is known for was deleted with those before it: the search goes on behind the batch.
        match BatchHeader::parse(&batch) {
            Ok(header) if header.next_offset() > from => from = header.next_offset(),
            _ => return Ok(None),
        }
    }
}

/// Base offset and newest timestamp of the batch that holds what is wanted, unless it was deleted.
fn candidate(
    shared: &Arc<Shared>,
    id: TopicPartitionId,
    outline: &Outline,
    wanted: Wanted,
) -> Result<Option<(Offset, TimestampMs)>, ReadError> {
    Ok(match (cold_candidate(shared, id, outline, wanted)?, outline.local) {
        (Some(cold), Some(local)) if wanted == Wanted::Largest && local.1 > cold.1 => Some(local),
        (Some(cold), _) => Some(cold),
        (None, local) => local,
    })
}

fn with_epoch(shared: &Arc<Shared>, id: TopicPartitionId, (offset, timestamp): (Offset, TimestampMs)) -> Result<TimedOffset, ReadError> {
    let leader_epoch = shared.with(|engine| engine.partition(id).map(|partition| partition.epochs.of(offset)))?;
    Ok(TimedOffset { offset, timestamp, leader_epoch })
}

/// What there is from `from` on.
fn outline(
    shared: &Arc<Shared>,
    id: TopicPartitionId,
    wanted: Wanted,
    (from, isolation): (Offset, Isolation),
) -> Result<Outline, ReadError> {
    shared.with(|engine| {
        let partition = engine.partition(id)?;
        let offsets = partition.offsets();
        let end = visible_end(&offsets, isolation);
        let from = offsets.log_start.max(from);
        let mut visible = partition.index.past(from).take_while(|entry| entry.end() <= end);
        let pair = |entry: &crate::partition::index::IndexEntry| (entry.base, entry.max_timestamp);
        let local = match wanted {
            Wanted::NotBefore(time) => visible.find(|entry| entry.max_timestamp >= time).map(pair),
            Wanted::Largest => visible.map(pair).reduce(|best, next| if next.1 > best.1 { next } else { best }),
        };
        Ok(Outline {
            from,
            end,
            shipped_to: partition.shipped_to,
            manifest: partition.manifest.clone(),
            local,
            local_from: partition.index.first().map(|first| first.base),
        })
    })
}

/// The batch wanted among those that only the store holds.
fn cold_candidate(
    shared: &Arc<Shared>,
    id: TopicPartitionId,
    outline: &Outline,
    wanted: Wanted,
) -> Result<Option<(Offset, TimestampMs)>, ReadError> {
    let cold_end = outline.local_from.unwrap_or(outline.shipped_to).min(outline.end);
    if cold_end <= outline.from {
        return Ok(None);
    }
    let manifest = known_manifest(shared, id, outline.manifest.clone())?;
    let held = manifest.segments.iter().filter(|segment| segment.end > outline.from && segment.base < cold_end);
    let inside = |segment: &SegmentRef| -> Result<Option<(Offset, TimestampMs)>, ReadError> {
        let section = shared.cold.section(id, segment)?;
        let mut batches = section.iter().filter(|batch| batch.end() > outline.from && batch.end() <= cold_end);
        let pair = |batch: &crate::segment::SectionBatch| (batch.base, batch.max_timestamp);
        Ok(match wanted {
            Wanted::NotBefore(time) => batches.find(|batch| batch.max_timestamp >= time).map(pair),
            Wanted::Largest => batches.map(pair).reduce(|best, next| if next.1 > best.1 { next } else { best }),
        })
    };
    let mut best: Option<(Offset, TimestampMs)> = None;
    for segment in held {
        let may_hold = match wanted {
            Wanted::NotBefore(time) => segment.max_timestamp >= time,
            Wanted::Largest => best.is_none_or(|best| segment.max_timestamp > best.1),
        };
        let Some(found) = may_hold.then(|| inside(segment)).transpose()?.flatten() else { continue };
        if matches!(wanted, Wanted::NotBefore(_)) {
            return Ok(Some(found));
        }
        if best.is_none_or(|best| found.1 > best.1) {
            best = Some(found);
        }
    }
    Ok(best)
}

/// The first record of `batch` not before `time` and not below `from`. One that cannot be looked through answers for itself.
fn record(batch: &Bytes, time: TimestampMs, from: Offset) -> Option<(Offset, TimestampMs)> {
    let header = BatchHeader::parse(batch).ok()?;
    let itself = (header.base_offset.max(from), header.max_timestamp);
    let Ok(records) = Skim::new(batch, PLAIN_BYTES_MAX) else { return Some(itself) };
    for record in records {
        match record {
            Ok(record) if record.timestamp >= time && record.offset >= from => return Some((record.offset, record.timestamp)),
            Ok(_) => {}
            Err(_) => return Some(itself),
        }
    }
    None
}
