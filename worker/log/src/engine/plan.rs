//! What the next segment holds: the oldest WAL files first, whole, so that they can be recycled.

use std::collections::BTreeMap;

use bytes::Bytes;
use units::{Offset, TimestampMs};

use super::{Engine, Now, ship::ShipTask};
use crate::{
    Ship, TopicPartitionId,
    partition::{Partition, epochs::Epochs, index::IndexEntry, producers::Producers},
    spans::FileMap,
};

/// A mixed segment to be built.
#[derive(Debug)]
pub(crate) struct ShipPlan {
    pub(crate) sections: Vec<PlannedSection>,
    pub(crate) files: FileMap,
    /// With this segment, the store holds all batches of WAL groups up to this one that no log start has passed.
    pub(crate) covers: u64,
    pub(crate) now: TimestampMs,
}

impl std::fmt::Debug for dyn crate::DiskFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiskFile")
    }
}

/// One partition's part.
#[derive(Debug)]
pub(crate) struct PlannedSection {
    pub(crate) id: TopicPartitionId,
    pub(crate) entries: Vec<IndexEntry>,
    /// Those of the entries that are in memory.
    pub(crate) in_memory: Vec<Option<Bytes>>,
    pub(crate) log_start: Offset,
    /// Where the partition ended when this incarnation began: no earlier one can have shipped more.
    pub(crate) recovered_end: Offset,
    /// As they are now, which says nothing of the section's end: empty but where a rule is broken.
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
}

impl Engine {
    /// The oldest WAL files whose batches only the volume holds, if it is time for them to leave.
    pub(super) fn poll_segment(&mut self, now: Now) -> Option<ShipTask> {
        let is_time = matches!(self.config.ship, Ship::Every(interval) if now.monotonic >= self.shipping.shipped_at + interval);
        let takes_current = is_time || self.shipping.is_all_wanted;
        if !takes_current && !self.shipping.is_asked && !self.is_segment_full() {
            return None;
        }
        // Manifests may reach further than the log knew at a crash: what they hold is not shipped again.
        for partition in self.partitions.values_mut() {
            partition.aside_until = partition.aside_until.filter(|until| now.monotonic < *until);
        }
        let is_news = |partition: &Partition| {
            partition.recovered_end > Offset::ZERO && !partition.is_manifest_known && partition.aside_until.is_none()
        };
        // What was damaged is looked at again also where nothing came since: it may be whole.
        let is_wanted = |partition: &Partition| partition.is_damaged || partition.unshipped().next().is_some();
        let unknown = self.partitions.iter().find(|(_, partition)| is_news(partition) && is_wanted(partition));
        if let Some((id, _)) = unknown {
            return Some(ShipTask::Load(*id));
        }
        let last_file = self.last_file_of_segment(takes_current);
        let sections = last_file.map(|last_file| self.sections(last_file)).unwrap_or_default();
        if sections.is_empty() {
            self.shipping.is_asked = false;
            self.shipping.is_all_wanted = false;
            self.shipping.shipped_at = now.monotonic;
            return None;
        }
        // What came in since is for the next time: whoever went on until nothing is left would never be done while anybody produces.
        self.shipping.reaches = (takes_current && last_file == Some(self.wal.files.current())).then_some(now.monotonic);
        let numbers = sections.iter().flat_map(|section| &section.entries).map(|entry| entry.location.file);
        let files = numbers.filter_map(|number| Some((number, self.wal.files.get(number)?))).collect();
        let covers = last_file.map_or(0, |last_file| self.covers(last_file));
        Some(ShipTask::Segment(ShipPlan { sections, files, covers, now: now.wall }))
    }

    /// Whether whole files hold as much as a segment takes, where shipping never stops: what is full leaves at once, so that it leaves as
    /// evenly as it comes in.
    fn is_segment_full(&mut self) -> bool {
        let current = self.wal.files.current();
        if self.config.ship == Ship::WhenAsked || self.shipping.looked_at_file == current {
            return false;
        }
        let whole = |partition: &Partition| -> u64 {
            partition.unshipped().take_while(|entry| entry.location.file < current).map(|entry| u64::from(entry.length)).sum()
        };
        let whole_partitions = self.partitions.values().filter(|partition| partition.aside_until.is_none());
        let bytes: u64 = whole_partitions.map(whole).sum();
        let is_full = bytes + self.config.wal_file_bytes / 2 >= self.config.segment_bytes_max;
        if !is_full {
            self.shipping.looked_at_file = current;
        }
        is_full
    }

    /// Whole files, the oldest first, up to the size of a segment but at least one.
    fn last_file_of_segment(&self, takes_current: bool) -> Option<u32> {
        let current = self.wal.files.current();
        let mut bytes = BTreeMap::<u32, u64>::new();
        for entry in self.partitions.values().filter(|partition| partition.aside_until.is_none()).flat_map(Partition::unshipped) {
            if takes_current || entry.location.file < current {
                *bytes.entry(entry.location.file).or_default() += u64::from(entry.length);
            }
        }
        let mut total = 0;
        let fits = |(_, bytes): &(u32, u64)| {
            let is_first = total == 0;
            total += bytes;
            is_first || total <= self.config.segment_bytes_max
        };
        bytes.into_iter().take_while(fits).last().map(|(file, _)| file)
    }

    /// Through which group the store holds all batches once the files up to `last_file` have left. Files of earlier incarnations
    /// say nothing: a group of theirs is never replayed again.
    fn covers(&self, last_file: u32) -> u64 {
        if self.partitions.values().any(|partition| partition.aside_until.is_some()) {
            return 0;
        }
        let last_seq = self.wal.files.used.get(&last_file).map_or(0, |file| file.last_seq);
        last_seq.min(self.wal.acked_through())
    }

    fn sections(&self, last_file: u32) -> Vec<PlannedSection> {
        let section = |(id, partition): (&TopicPartitionId, &Partition)| {
            let entries: Vec<_> = partition.unshipped().take_while(|entry| entry.location.file <= last_file).copied().collect();
            if entries.is_empty() || partition.aside_until.is_some() {
                return None;
            }
            let (epochs, producers) = match self.rules.sections_end_exactly {
                true => Default::default(),
                false => (partition.epochs.clone(), partition.producers.clone()),
            };
            Some(PlannedSection {
                id: *id,
                in_memory: entries.iter().map(|entry| self.tail.slice(entry.location, entry.length)).collect(),
                entries,
                log_start: partition.log_start,
                recovered_end: partition.recovered_end,
                epochs,
                producers,
            })
        };
        self.partitions.iter().filter_map(section).collect()
    }
}
