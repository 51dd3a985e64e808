//! The files before the checkpoint: what they say is in the checkpoint, only where their batches lie is to be learned.

use std::fmt;

use units::Offset;

use super::{Held, Replay, held::note_shipped};
use crate::{
    Disk, OpenError, TopicPartitionId,
    batch::BatchView,
    codec::Malformed,
    partition::index::{IndexEntry, Location},
    wal::{
        layout::{self, EntryKind},
        recovery::{FileBytes, Group, decode_summary},
    },
};

/// Where on the volume the batches of a partition should go on and do not, in that file or the next.
pub(super) type Gaps = std::collections::BTreeMap<TopicPartitionId, Location>;

/// Offsets of a partition that neither the volume nor a manifest holds.
struct Lost {
    id: TopicPartitionId,
    from: Offset,
    to: Offset,
    place: Option<Location>,
}

impl Replay {
    /// Learns where the batches of the files before the checkpoint lie.
    pub(super) fn load_files_before(&mut self, disk: &dyn Disk, numbers: &[u32]) -> Result<(), OpenError> {
        let start = self.location.file;
        numbers.iter().filter(|number| **number < start).try_for_each(|number| self.load_old(disk, *number))
    }

    fn load_old(&mut self, disk: &dyn Disk, number: u32) -> Result<(), OpenError> {
        let name = layout::summary_name(number);
        let summary = disk.read(&name).map_err(|source| OpenError::Disk { action: "read", name, source })?;
        if let Some(Ok(batches)) = summary.map(|bytes| decode_summary(number, &bytes)) {
            let length = length(disk, number)?;
            // A file that is shorter than its batches was cut by something else than us.
            let is_there = |entry: &IndexEntry| u64::from(entry.location.position) + u64::from(entry.length) <= length;
            for (id, entry) in batches.into_iter().filter(|(_, entry)| is_there(entry)) {
                self.remember(id, entry);
            }
            self.batches.insert(number, None);
            return Ok(());
        }
        let file = FileBytes::read(disk, number, self.seal, self.rules)?;
        self.report.scanned_bytes += file.len() as u64;
        let mut found = Vec::new();
        let end = self.eras.end_of(number);
        for group in file.groups().take_while(|group| group.header.seq < end) {
            list_batches(number, &group, &mut found).map_err(|malformed| super::corrupt_file(&layout::file_name(number), malformed.0))?;
        }
        for (id, entry) in &found {
            self.remember(*id, *entry);
        }
        self.batches.insert(number, Some(found));
        Ok(())
    }

    /// The batches before the checkpoint's place in its own file.
    pub(super) fn load_prefix(&mut self, file: &FileBytes, found: &mut Vec<(TopicPartitionId, IndexEntry)>) -> Result<(), OpenError> {
        let end = self.location.position;
        for group in file.groups().take_while(|group| group.position < end) {
            list_batches(file.number, &group, found)
                .map_err(|malformed| super::corrupt_file(&layout::file_name(file.number), malformed.0))?;
        }
        for (id, entry) in found.iter() {
            self.remember(*id, *entry);
        }
        self.drop_stale();
        Ok(())
    }

    /// Adds a batch that the checkpoint counts in to its partition's index, which has no gaps.
    fn remember(&mut self, id: TopicPartitionId, entry: IndexEntry) {
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        if entry.end() > partition.log_end {
            return;
        }
        if let Some(last) = partition.index.last()
            && last.end() != entry.base
        {
            self.gaps.insert(id, behind(last));
            partition.index.clear();
        }
        partition.index.push(entry);
    }

    /// An index that does not reach the log end is of batches that nobody needs, or of a partition that was made anew, or damaged.
    fn drop_stale(&mut self) {
        for (id, partition) in &mut self.partitions {
            if let Some(last) = partition.index.last()
                && last.end() != partition.log_end
            {
                self.gaps.insert(*id, behind(last));
                partition.index.clear();
            }
        }
    }

    /// Everything that no manifest holds must be in the WAL.
    pub(super) fn check_reach(&mut self, held: &Held) -> Result<(), OpenError> {
        let mut lost = Vec::new();
        for (id, partition) in &mut self.partitions {
            if partition.index.last_end() != Some(partition.log_end) {
                partition.index.clear();
            }
            let from = partition.needed_from(partition.shipped_to);
            let first = partition.index.first();
            let to = first.map_or(partition.log_end, |first| first.base);
            let place = self.gaps.get(id).copied().or(first.map(|first| first.location));
            if from < to && self.rules.gaps_are_in_manifests {
                let missing = Lost { id: *id, from, to, place };
                match held.range(*id, from..to) {
                    Ok(Some(manifest)) if manifest.end() <= partition.log_end => {
                        self.repaired.push(missing.to_string());
                        note_shipped(partition, manifest);
                    }
                    Ok(_) => lost.push(missing),
                    Err(error) => {
                        let store = format!("cannot be asked whether it holds them ({error}): start again when it can");
                        return Err(refuse(&[missing], &store));
                    }
                }
            }
            partition.recovered_end = partition.log_end;
            partition.high_watermark = partition.log_end;
            partition.transactions.on_durable(partition.high_watermark);
        }
        if lost.is_empty() { Ok(()) } else { Err(refuse(&lost, "does not hold them")) }
    }

    /// What was damaged and is in the store, in words.
    pub(super) fn repairs(&self) -> Option<String> {
        (!self.repaired.is_empty()).then(|| self.repaired.join(", "))
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} to {}", self.id, self.from, self.to)
    }
}

/// Names what is missing, and where it should be.
fn refuse(lost: &[Lost], store: &str) -> OpenError {
    const SHOWN: usize = 5;
    let place = lost.iter().find_map(|lost| lost.place);
    let mut shown: Vec<_> = lost.iter().take(SHOWN).map(ToString::to_string).collect();
    if lost.len() > SHOWN {
        shown.push(format!("and {} more partitions", lost.len() - SHOWN));
    }
    let near = place.map_or(String::new(), |place| format!(" near byte {}", place.position));
    let reason = format!("it is damaged{near}, offsets of {} are not on the volume, and the object store {store}", shown.join(", "));
    super::corrupt_file(&place.map_or("wal".into(), |place| layout::file_name(place.file)), &reason)
}

fn behind(entry: &IndexEntry) -> Location {
    Location { position: entry.location.position + entry.length, ..entry.location }
}

fn length(disk: &dyn Disk, number: u32) -> Result<u64, OpenError> {
    let name = layout::file_name(number);
    disk.open(&name).and_then(|file| file.length()).map_err(|source| OpenError::Disk { action: "open", name, source })
}

fn list_batches(number: u32, group: &Group<'_>, found: &mut Vec<(TopicPartitionId, IndexEntry)>) -> Result<(), Malformed> {
    for entry in layout::entries(group.body) {
        let entry = entry?;
        if entry.kind != EntryKind::Batches {
            continue;
        }
        let mut at = 0;
        for view in BatchView::parse_all(entry.bytes)? {
            let position = group.position + crate::codec::length(entry.at + at);
            let listed = IndexEntry {
                base: view.base,
                last_delta: view.last_delta,
                length: crate::codec::length(view.length),
                location: Location { file: number, position },
                max_timestamp: view.max_timestamp,
            };
            found.push((entry.partition, listed));
            at += view.length;
        }
    }
    Ok(())
}
