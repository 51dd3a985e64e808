//! Where each batch lies in the WAL: 32 bytes a batch, in order of offset.

use std::collections::VecDeque;

use units::{Offset, TimestampMs};

/// A place in the WAL: a file's number and a byte in it. Ordered as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) file: u32,
    pub(crate) position: u32,
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) base: Offset,
    /// Offset of the last record less `base`.
    pub(crate) last_delta: u32,
    pub(crate) length: u32,
    pub(crate) location: Location,
    pub(crate) max_timestamp: TimestampMs,
}

impl IndexEntry {
    /// One past the last record.
    pub(crate) fn end(&self) -> Offset {
        Offset(self.base.0 + i64::from(self.last_delta) + 1)
    }
}

/// The batches of one partition that the WAL holds, without gaps.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: VecDeque<IndexEntry>,
    bytes: u64,
}

impl Index {
    pub(crate) fn push(&mut self, entry: IndexEntry) {
        self.bytes += u64::from(entry.length);
        self.entries.push_back(entry);
    }

    /// Bytes of all batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many batches.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All batches, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &IndexEntry> {
        self.entries.iter()
    }

    pub(crate) fn first(&self) -> Option<&IndexEntry> {
        self.entries.front()
    }

    pub(crate) fn last(&self) -> Option<&IndexEntry> {
        self.entries.back()
    }

    /// One past the last record of the last batch.
    pub(crate) fn last_end(&self) -> Option<Offset> {
        self.last().map(IndexEntry::end)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn position(&self, offset: Offset) -> usize {
        self.entries.partition_point(|entry| entry.end() <= offset)
    }

    /// The batches from the one that contains `offset` on; empty where `offset` lies before the first or past the last.
    pub(crate) fn from(&self, offset: Offset) -> impl Iterator<Item = &IndexEntry> {
        let start = match self.entries.front() {
            Some(first) if first.base <= offset => self.position(offset),
            _ => self.entries.len(),
        };
        self.entries.range(start..)
    }

    /// The batches that end past `offset`, also where the first of them begins later.
    pub(crate) fn past(&self, offset: Offset) -> impl Iterator<Item = &IndexEntry> {
        self.entries.range(self.position(offset)..)
    }

    /// Forgets the batches that end at or before `offset`.
    pub(crate) fn trim(&mut self, offset: Offset) {
        self.drop_first(self.position(offset));
    }

    /// Forgets the batches in files numbered below `file`.
    pub(crate) fn drop_files_below(&mut self, file: u32) {
        self.drop_first(self.entries.partition_point(|entry| entry.location.file < file));
    }

    fn drop_first(&mut self, count: usize) {
        for entry in self.entries.drain(..count) {
            self.bytes -= u64::from(entry.length);
        }
        if self.entries.len() * 4 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }
}
