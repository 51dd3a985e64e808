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
    let mut batches = Vec::with_capacity(entries.len());
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let count = span(rest);
        let (now, later) = rest.split_at(count);
        let last = now.last().expect("a span has a batch");
        let length = (last.location.position - first.location.position + last.length) as usize;
        let mut bytes = vec![0; length];
        let file = files.get(&first.location.file).ok_or_else(|| SpanError::Disk(io::ErrorKind::NotFound.into()))?;
        file.read_exact_at(u64::from(first.location.position), &mut bytes).map_err(SpanError::Disk)?;
        let bytes = Bytes::from(bytes);
        for entry in now {
            let at = (entry.location.position - first.location.position) as usize;
            batches.push(check(*entry, bytes.slice(at..at + entry.length as usize))?);
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
