//! Batches read from the WAL: neighbours in one read, each checked against its own checksum.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::Bytes;

use crate::{DiskFile, batch, partition::index::IndexEntry};

/// Batches of others that are read along rather than skipped.
const GAP_BYTES: u32 = 64 << 10;
/// One read.
const SPAN_BYTES_MAX: u32 = 4 << 20;

/// Why batches cannot be read.
#[derive(Debug)]
pub(crate) enum SpanError {
    Disk(io::Error),
    Corrupt(IndexEntry),
}

/// The files that batches lie in. While it lives, none of them is recycled.
pub(crate) type FileMap = BTreeMap<u32, Arc<dyn DiskFile>>;

/// The bytes of each of `entries`, which are in the order of the WAL.
pub(crate) fn read(files: &FileMap, entries: &[IndexEntry]) -> Result<Vec<Bytes>, SpanError> {
    read_by(files, entries, |file, position, length| {
        let mut bytes = vec![0; length];
        file.read_exact_at(position, &mut bytes)?;
        Ok(bytes.into())
    })
}

/// The same of what nobody will want again soon.
pub(crate) fn read_once(files: &FileMap, entries: &[IndexEntry]) -> Result<Vec<Bytes>, SpanError> {
    read_by(files, entries, |file, position, length| file.read_once(position, length))
}

fn read_by(
    files: &FileMap,
    entries: &[IndexEntry],
    read: impl Fn(&dyn DiskFile, u64, usize) -> io::Result<Bytes>,
) -> Result<Vec<Bytes>, SpanError> {
    let mut batches = Vec::with_capacity(entries.len());
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let count = span(rest);
        let (now, later) = rest.split_at(count);
        let last = now.last().expect("a span has a batch");
        let length = (last.location.position - first.location.position + last.length) as usize;
        let file = files.get(&first.location.file).ok_or_else(|| SpanError::Disk(io::ErrorKind::NotFound.into()))?;
        let bytes = read(&**file, u64::from(first.location.position), length).map_err(SpanError::Disk)?;
        // Slices keep the whole read in memory: where most of it belongs to others, copies do not.
        let wanted: usize = now.iter().map(|entry| entry.length as usize).sum();
        let is_sparse = wanted < length / 2;
        for entry in now {
            let at = (entry.location.position - first.location.position) as usize;
            let batch = bytes.slice(at..at + entry.length as usize);
            batches.push(check(*entry, if is_sparse { Bytes::copy_from_slice(&batch) } else { batch })?);
        }
        rest = later;
    }
    Ok(batches)
}

/// How many of `entries` one read covers.
fn span(entries: &[IndexEntry]) -> usize {
    let first = entries[0].location;
    let follows = |pair: &[IndexEntry]| {
        let (last, next) = (&pair[0], &pair[1]);
        next.location.file == first.file
            && next.location.position - (last.location.position + last.length) <= GAP_BYTES
            && next.location.position + next.length - first.position <= SPAN_BYTES_MAX
    };
    1 + entries.windows(2).take_while(|pair| follows(pair)).count()
}

/// The batch, if it is the one that was written here.
fn check(entry: IndexEntry, bytes: Bytes) -> Result<Bytes, SpanError> {
    let is_right = batch::BatchView::parse(&bytes).is_ok_and(|view| view.base == entry.base && view.length == bytes.len());
    if is_right && batch::is_intact(&bytes) { Ok(bytes) } else { Err(SpanError::Corrupt(entry)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disk, SimulatedDisk, partition::index::Location};
    use units::{Offset, TimestampMs};

    /// A file with a batch of some hundred bytes every `stride` bytes, and where they lie.
    fn file(stride: u32) -> (FileMap, Vec<IndexEntry>) {
        let disk = SimulatedDisk::new(1 << 20);
        let file = disk.prepare("wal/1", 1 << 20, None).unwrap();
        let mut entries = Vec::new();
        let mut bytes = vec![0; 1 << 20];
        for index in 0..8u32 {
            let batch = crate::batch::tests::produced(1, &[7; 300], 1, None);
            let mut batch = batch.to_vec();
            records::place(&mut batch, Offset(i64::from(index)), units::LeaderEpoch(1));
            let position = index * stride.max(crate::codec::length(batch.len()));
            bytes[position as usize..position as usize + batch.len()].copy_from_slice(&batch);
            let location = Location { file: 1, position };
            let length = crate::codec::length(batch.len());
            entries.push(IndexEntry { base: Offset(i64::from(index)), last_delta: 0, length, location, max_timestamp: TimestampMs(1) });
        }
        file.write_durable(0, &bytes).unwrap();
        (FileMap::from([(1, file)]), entries)
    }

    #[test]
    fn batches_among_those_of_others_keep_only_themselves_in_memory() {
        let (files, entries) = file(50_000);
        let batches = read(&files, &entries).unwrap();
        assert_eq!(batches.len(), 8);
        assert!(batches.iter().all(Bytes::is_unique), "each is a copy of its own");
    }

    #[test]
    fn neighbours_are_slices_of_one_read() {
        let (files, entries) = file(0);
        let batches = read(&files, &entries).unwrap();
        assert!(batches.iter().all(|batch| !batch.is_unique()), "none is copied");
        assert_eq!(batches[7].as_ptr().addr() - batches[0].as_ptr().addr(), entries[7].location.position as usize);
    }
}
