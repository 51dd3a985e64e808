//! The groups after the checkpoint, one after the other, up to the first that is neither there nor was ever acknowledged.

use std::{collections::BTreeMap, io};

use units::{Incarnation, Offset, TimestampMs};

use super::{Held, corrupt_file, hole::Hole, old::Gaps};
use crate::{
    Disk, OpenError, Recovered, TopicPartitionId,
    batch::BatchView,
    checkpoint::Checkpoint,
    codec::{Fields, Malformed},
    partition::{
        Partition, decode_config,
        index::{IndexEntry, Location},
    },
    rules::Rules,
    wal::{
        eras::Eras,
        layout::{self, Entry, EntryKind, GroupHeader, Seal},
        recovery::{FileBytes, Group},
    },
};

/// The state of the checkpoint, and what the groups after it make of it.
pub(super) struct Replay {
    pub(super) incarnation: Incarnation,
    pub(super) seal: Seal,
    pub(super) eras: Eras,
    /// Where the checkpoint says that the next group is.
    pub(super) location: Location,
    pub(super) next_seq: u64,
    is_last: bool,
    pub(super) partitions: BTreeMap<TopicPartitionId, Partition>,
    pub(super) removed: Vec<TopicPartitionId>,
    /// Batches of files that have no summary yet.
    pub(super) batches: BTreeMap<u32, Option<Vec<(TopicPartitionId, IndexEntry)>>>,
    pub(super) gaps: Gaps,
    /// Up to where a partition's batches were taken from the store, since the volume's were damaged.
    pub(super) taken: BTreeMap<TopicPartitionId, Offset>,
    pub(super) repaired: Vec<String>,
    pub(super) rules: Rules,
    pub(super) now: TimestampMs,
    pub(super) report: Recovered,
}

impl Replay {
    pub(super) fn new(checkpoint: Checkpoint, rules: Rules, now: TimestampMs) -> Self {
        Self {
            incarnation: checkpoint.incarnation,
            seal: checkpoint.seal,
            eras: checkpoint.eras,
            location: checkpoint.location,
            next_seq: checkpoint.next_seq,
            is_last: checkpoint.is_last,
            partitions: checkpoint.partitions,
            removed: checkpoint.removed,
            batches: BTreeMap::new(),
            gaps: Gaps::new(),
            taken: BTreeMap::new(),
            repaired: Vec::new(),
            rules,
            now,
            report: Recovered::default(),
        }
    }

    pub(super) fn replay(&mut self, disk: &dyn Disk, numbers: &[u32], held: &Held) -> Result<(), OpenError> {
        let start = self.location;
        if self.incarnation == Incarnation(0) {
            return Ok(());
        }
        let Some(mut at) = numbers.iter().position(|number| *number == start.file) else {
            return Err(corrupt_file(&layout::file_name(start.file), "it is missing"));
        };
        let mut file = FileBytes::read(disk, start.file, self.seal, self.rules)?;
        let mut found = Vec::new();
        self.load_prefix(&file, &mut found)?;
        self.batches.insert(start.file, Some(found));
        let mut position = u64::from(start.position);
        while !self.is_last {
            self.replay_file(&file, &mut position)?;
            let ahead = &numbers[at + 1..];
            if self.goes_on_in(disk, ahead.first().copied())? {
                (at, position) = (at + 1, 0);
            } else {
                let hole = Hole::find(self, disk, (&file, position), ahead)?;
                let Some(next) = self.fill(hole, held)? else { return Ok(()) };
                at = numbers.iter().position(|number| *number == next.file).expect("a group was found in it");
                position = u64::from(next.position);
            }
            if file.number != numbers[at] {
                file = FileBytes::read(disk, numbers[at], self.seal, self.rules)?;
            }
        }
        Ok(())
    }

    fn replay_file(&mut self, file: &FileBytes, position: &mut u64) -> Result<(), OpenError> {
        let begun = *position;
        let mut found = Vec::new();
        let replayed = self.report.groups;
        loop {
            let group = file.group(*position, Some(self.incarnation));
            let Some(group) = group.filter(|group| group.header.seq == self.next_seq || self.may_skip_to(group.header.seq)) else {
                if self.rules.cut_drops_what_follows || *position >= file.len() as u64 {
                    break;
                }
                *position += crate::disk::BLOCK_BYTES as u64;
                continue;
            };
            let name = layout::file_name(file.number);
            self.apply(file.number, &group, &mut found).map_err(|malformed| corrupt_file(&name, malformed.0))?;
            self.next_seq = group.header.seq + 1;
            *position += group.header.stride();
            self.report.groups += 1;
        }
        self.report.scanned_bytes += *position - begun;
        if self.report.groups > replayed {
            self.batches.entry(file.number).or_default().get_or_insert_default().extend(found);
        }
        Ok(())
    }

    /// What the first group of a file says, if its header is whole.
    pub(super) fn first_header(&self, disk: &dyn Disk, number: u32) -> Result<Option<GroupHeader>, OpenError> {
        Ok(first_bytes(disk, number)?.and_then(|head| GroupHeader::parse(&head, self.seal)))
    }

    fn may_skip_to(&self, seq: u64) -> bool {
        !self.rules.cut_drops_what_follows && seq > self.next_seq
    }

    /// Whether the next group is the first of the next file.
    fn goes_on_in(&self, disk: &dyn Disk, next: Option<u32>) -> Result<bool, OpenError> {
        let Some(next) = next else { return Ok(false) };
        if !self.rules.cut_drops_what_follows {
            return Ok(true);
        }
        let first = self.first_header(disk, next)?;
        let is_ours =
            |header: &GroupHeader| !self.rules.groups_are_seeded || (header.file == next && header.incarnation == self.incarnation);
        Ok(first.filter(is_ours).is_some_and(|header| header.seq == self.next_seq))
    }

    fn apply(&mut self, file: u32, group: &Group<'_>, found: &mut Vec<(TopicPartitionId, IndexEntry)>) -> Result<(), Malformed> {
        for entry in layout::entries(group.body) {
            let entry = entry?;
            match entry.kind {
                EntryKind::Batches => self.apply_batches(file, group.position, &entry, found)?,
                EntryKind::Configure => {
                    let config = decode_config(entry.bytes)?;
                    self.partitions.entry(entry.partition).or_default().config = config;
                }
                EntryKind::Delete => {
                    self.partitions.remove(&entry.partition);
                    self.taken.remove(&entry.partition);
                    self.removed.push(entry.partition);
                }
                EntryKind::LogStart => self.apply_log_start(&entry)?,
            }
        }
        Ok(())
    }

    fn apply_log_start(&mut self, entry: &Entry<'_>) -> Result<(), Malformed> {
        let offset = Fields::new(entry.bytes).offset()?;
        let Some(partition) = self.partitions.get_mut(&entry.partition) else { return Ok(()) };
        if offset > partition.log_end {
            return Err(Malformed("a log start lies past the log end"));
        }
        partition.raise_log_start(offset);
        Ok(())
    }

    fn apply_batches(
        &mut self,
        file: u32,
        group_at: u32,
        entry: &Entry<'_>,
        found: &mut Vec<(TopicPartitionId, IndexEntry)>,
    ) -> Result<(), Malformed> {
        let partition = self.partitions.get_mut(&entry.partition).ok_or(Malformed("batches of a partition that was never made"))?;
        let taken = self.taken.get(&entry.partition).copied().unwrap_or(Offset::ZERO);
        let mut at = 0;
        for view in BatchView::parse_all(entry.bytes)? {
            let bytes = &entry.bytes[at..at + view.length];
            let position = group_at + crate::codec::length(entry.at + at);
            at += view.length;
            if view.base < taken {
                continue; // The store gave it before.
            }
            if view.base != partition.log_end {
                return Err(Malformed("a batch does not follow the one before"));
            }
            found.push((entry.partition, partition.take(&view, bytes, Location { file, position }, self.now)));
        }
        Ok(())
    }
}

/// Where a file's first header should be; `None` where it is shorter than that.
pub(super) fn first_bytes(disk: &dyn Disk, number: u32) -> Result<Option<[u8; layout::HEADER_BYTES]>, OpenError> {
    let name = layout::file_name(number);
    let mut head = [0; layout::HEADER_BYTES];
    match disk.open(&name).and_then(|file| file.read_exact_at(0, &mut head)) {
        Ok(()) => Ok(Some(head)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(source) => Err(OpenError::Disk { action: "read", name, source }),
    }
}
