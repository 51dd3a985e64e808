//! Where the batches that a reader wants are to be found.

use std::sync::Arc;

use bytes::Bytes;
use units::Offset;

use super::Engine;
use crate::{
    Fetched, Isolation, PartitionOffsets, Read, ReadError, TopicPartitionId,
    manifest::Manifest,
    partition::{
        Partition,
        index::{IndexEntry, Location},
    },
    spans::FileMap,
};

/// Where a reader's batches are.
pub(crate) enum Found {
    /// In memory.
    Ready(Fetched),
    /// In the WAL's files.
    Wal(FileMap, Vec<IndexEntry>),
    /// In the store; with the manifest, if it is known. Nothing at or past the offset may be seen.
    Cold(Option<Arc<Manifest>>, Offset),
}

impl Engine {
    pub(crate) fn partition(&self, id: TopicPartitionId) -> Result<&Partition, ReadError> {
        self.partitions.get(&id).ok_or(ReadError::UnknownPartition(id))
    }

    pub(crate) fn find(&self, id: TopicPartitionId, read: &Read) -> Result<Found, ReadError> {
        let partition = self.partition(id)?;
        let offsets = partition.offsets();
        if read.from < offsets.log_start || read.from > offsets.log_end {
            let (got, log_start, high_watermark) = (read.from, offsets.log_start, offsets.high_watermark);
            return Err(ReadError::OffsetOutOfRange { got, log_start, high_watermark });
        }
        let end = visible_end(&offsets, read.isolation);
        if read.from >= end {
            return Ok(Found::Ready(Fetched { offsets, ..Fetched::default() }));
        }
        let mut wanted = partition.index.from(read.from).take_while(|entry| entry.end() <= end).peekable();
        let Some(first) = wanted.peek() else {
            return Ok(self.not_in_wal(partition, read, end, offsets));
        };
        if self.tail.slice(first.location, first.length).is_some() {
            return Ok(Found::Ready(self.in_memory(partition, wanted, read)));
        }
        let mut budget = Budget::new(read);
        let entries: Vec<_> = wanted.take_while(|entry| budget.takes(entry.length as usize)).copied().collect();
        if entries.is_empty() {
            return Ok(Found::Ready(Fetched { offsets, ..Fetched::default() }));
        }
        let file = |entry: &IndexEntry| Some((entry.location.file, self.wal.files.get(entry.location.file)?));
        Ok(Found::Wal(entries.iter().filter_map(file).collect(), entries))
    }

    /// A batch that begins below what may be seen but ends past it is not given; one below the WAL's first is in the store.
    fn not_in_wal(&self, partition: &Partition, read: &Read, end: Offset, offsets: PartitionOffsets) -> Found {
        if read.from < partition.shipped_to {
            Found::Cold(partition.manifest.clone(), end)
        } else {
            Found::Ready(Fetched { offsets, ..Fetched::default() })
        }
    }

    fn in_memory<'a>(&self, partition: &Partition, entries: impl Iterator<Item = &'a IndexEntry>, read: &Read) -> Fetched {
        let mut budget = Budget::new(read);
        let mut run = Run::default();
        let mut fetched = Fetched { offsets: partition.offsets(), ..Fetched::default() };
        let mut end = read.from;
        for entry in entries {
            if self.tail.slice(entry.location, entry.length).is_none() || !budget.takes(entry.length as usize) {
                break;
            }
            if !run.extend(entry) {
                fetched.batches.extend(run.slice(self));
                run = Run { at: entry.location, length: entry.length };
            }
            end = entry.end();
        }
        fetched.batches.extend(run.slice(self));
        fetched.bytes = budget.used;
        fetched.aborted = aborted(partition, read, end);
        fetched
    }

    /// A reader has read the manifest: the next one need not, unless the shipper knows better already.
    pub(crate) fn learn_manifest(&mut self, id: TopicPartitionId, manifest: &Arc<Manifest>) {
        let is_news = |partition: &Partition| partition.manifest.is_none() && manifest.end() >= partition.shipped_to;
        if self.partitions.get(&id).is_some_and(is_news) {
            self.on_manifest(id, Some(manifest.clone()));
        }
    }

    /// What cannot be read from the WAL any more may be in the store as well, also where the log does not know it: the manifest,
    /// if it is known, and the offset at and past which nothing may be seen.
    pub(crate) fn find_elsewhere(&self, id: TopicPartitionId, read: &Read) -> Result<(Option<Arc<Manifest>>, Offset), ReadError> {
        let partition = self.partition(id)?;
        Ok((partition.manifest.clone(), visible_end(&partition.offsets(), read.isolation)))
    }

    /// Why what was there when it was looked up is not any more, where the log start has passed it.
    pub(crate) fn deleted_meanwhile(&self, id: TopicPartitionId, read: &Read) -> Option<ReadError> {
        match self.partition(id) {
            Ok(partition) if read.from >= partition.log_start => None,
            Ok(partition) => {
                let (log_start, high_watermark) = (partition.log_start, partition.high_watermark);
                Some(ReadError::OffsetOutOfRange { got: read.from, log_start, high_watermark })
            }
            Err(error) => Some(error),
        }
    }

    /// Adds to batches that were read elsewhere where the partition stands now.
    pub(crate) fn fetched(&self, id: TopicPartitionId, read: &Read, batches: Vec<Bytes>, end: Offset) -> Result<Fetched, ReadError> {
        let partition = self.partition(id)?;
        let bytes = batches.iter().map(Bytes::len).sum();
        Ok(Fetched { batches, bytes, offsets: partition.offsets(), aborted: aborted(partition, read, end) })
    }
}

pub(crate) fn visible_end(offsets: &PartitionOffsets, isolation: Isolation) -> Offset {
    match isolation {
        Isolation::ReadUncommitted => offsets.high_watermark,
        Isolation::ReadCommitted => offsets.last_stable_offset,
    }
}

fn aborted(partition: &Partition, read: &Read, end: Offset) -> Vec<crate::AbortedTransaction> {
    match read.isolation {
        Isolation::ReadUncommitted => Vec::new(),
        Isolation::ReadCommitted => partition.transactions.aborted(read.from, end),
    }
}

/// Neighbouring batches, which make one slice.
#[derive(Default)]
struct Run {
    at: Location,
    length: u32,
}

impl Run {
    fn extend(&mut self, entry: &IndexEntry) -> bool {
        let follows = self.length > 0 && entry.location.file == self.at.file && entry.location.position == self.at.position + self.length;
        if follows {
            self.length += entry.length;
        }
        follows
    }

    fn slice(&self, engine: &Engine) -> Option<Bytes> {
        if self.length == 0 {
            return None;
        }
        engine.tail.slice(self.at, self.length)
    }
}

/// How many bytes a reader may still get.
pub(crate) struct Budget {
    left: usize,
    used: usize,
    takes_any: bool,
}

impl Budget {
    pub(crate) fn new(read: &Read) -> Self {
        Self { left: read.bytes_max, used: 0, takes_any: read.whole_first_batch }
    }

    /// Whether a batch of `length` bytes still fits; the first one may be larger (KIP-74).
    pub(crate) fn takes(&mut self, length: usize) -> bool {
        if length > self.left && !self.takes_any {
            return false;
        }
        self.left = self.left.saturating_sub(length);
        self.used += length;
        self.takes_any = false;
        true
    }
}
