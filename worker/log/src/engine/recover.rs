//! What the volume holds: the checkpoint, the groups after it, and where the batches of all files lie.

use std::collections::BTreeMap;

use units::{Incarnation, Offset, TimestampMs};

use crate::{
    Disk, OpenError, Recovered, TopicPartitionId,
    batch::BatchView,
    checkpoint::{self, Checkpoint},
    codec::{Fields, Malformed},
    partition::{
        Partition, decode_config,
        index::{IndexEntry, Location},
    },
    rules::Rules,
    wal::{
        files::UsedFile,
        layout::{self, Entry, EntryKind, GroupHeader},
        recovery::{FileBytes, Group, decode_summary},
    },
};

/// What recovery found.
pub(crate) struct Recovery {
    /// The incarnation of the checkpoint; 0 on a volume that has none.
    pub(crate) incarnation: Incarnation,
    pub(crate) next_seq: u64,
    pub(crate) partitions: BTreeMap<TopicPartitionId, Partition>,
    pub(crate) removed: Vec<TopicPartitionId>,
    /// Files that hold batches.
    pub(crate) used: BTreeMap<u32, UsedFile>,
    /// Files that hold nothing, with their lengths.
    pub(crate) free: Vec<(u32, u64)>,
    /// A number above that of every file.
    pub(crate) next_file: u32,
    pub(crate) report: Recovered,
}

/// Reads back what `disk` holds. Changes nothing.
///
/// # Errors
/// [`OpenError::Corrupt`] and [`OpenError::CorruptFile`], naming what does not verify although it was acknowledged.
pub(crate) fn recover(disk: &dyn Disk, rules: Rules, now: TimestampMs) -> Result<Recovery, OpenError> {
    let failed = |action: &'static str, name: &str| {
        let name = name.to_owned();
        move |source| OpenError::Disk { action, name, source }
    };
    let mut numbers: Vec<u32> =
        disk.list("wal").map_err(failed("list", "wal"))?.iter().filter_map(|name| layout::file_number(name)).collect();
    numbers.sort_unstable();
    let saved = disk.read(checkpoint::NAME).map_err(failed("read", checkpoint::NAME))?;
    let checkpoint = match saved {
        Some(bytes) => checkpoint::decode(&bytes).map_err(|malformed| corrupt_file(checkpoint::NAME, malformed.0))?,
        None => nothing_yet(disk, &numbers, rules)?,
    };
    let mut replay = Replay::new(checkpoint, rules, now);
    let start = replay.location.file;
    for number in numbers.iter().copied().filter(|number| *number < start) {
        replay.load_old(disk, number)?;
    }
    replay.replay(disk, &numbers)?;
    replay.check_reach()?;
    replay.finish(disk, &numbers)
}

fn corrupt_file(name: &str, reason: &str) -> OpenError {
    OpenError::CorruptFile { name: name.to_owned(), reason: reason.to_owned() }
}

/// A volume on which nothing was ever acknowledged: the first checkpoint is written before the first request is taken.
fn nothing_yet(disk: &dyn Disk, numbers: &[u32], rules: Rules) -> Result<Checkpoint, OpenError> {
    for number in numbers {
        if FileBytes::read(disk, *number, rules)?.group(0, None).is_some() {
            return Err(corrupt_file(checkpoint::NAME, "it is missing, and the log has groups"));
        }
    }
    Ok(Checkpoint {
        incarnation: Incarnation(0),
        location: Location { file: 0, position: 0 },
        next_seq: 1,
        is_last: true,
        partitions: BTreeMap::new(),
        removed: Vec::new(),
    })
}

/// Four groups of half a file each may be under way at once.
const FILES_IN_FLIGHT: usize = 3;

struct Replay {
    incarnation: Incarnation,
    location: Location,
    next_seq: u64,
    is_last: bool,
    partitions: BTreeMap<TopicPartitionId, Partition>,
    removed: Vec<TopicPartitionId>,
    /// Batches of files that have no summary yet.
    batches: BTreeMap<u32, Option<Vec<(TopicPartitionId, IndexEntry)>>>,
    rules: Rules,
    now: TimestampMs,
    report: Recovered,
}

impl Replay {
    fn new(checkpoint: Checkpoint, rules: Rules, now: TimestampMs) -> Self {
        Self {
            incarnation: checkpoint.incarnation,
            location: checkpoint.location,
            next_seq: checkpoint.next_seq,
            is_last: checkpoint.is_last,
            partitions: checkpoint.partitions,
            removed: checkpoint.removed,
            batches: BTreeMap::new(),
            rules,
            now,
            report: Recovered::default(),
        }
    }

    /// Learns where the batches of a file before the checkpoint lie.
    fn load_old(&mut self, disk: &dyn Disk, number: u32) -> Result<(), OpenError> {
        let name = layout::summary_name(number);
        let summary = disk.read(&name).map_err(|source| OpenError::Disk { action: "read", name, source })?;
        if let Some(Ok(batches)) = summary.map(|bytes| decode_summary(number, &bytes)) {
            check_length(disk, number, &batches)?;
            for (id, entry) in batches {
                self.remember(id, entry);
            }
            self.batches.insert(number, None);
            return Ok(());
        }
        let file = FileBytes::read(disk, number, self.rules)?;
        self.report.scanned_bytes += file.len() as u64;
        let mut found = Vec::new();
        for group in file.groups() {
            list_batches(number, &group, &mut found).map_err(|malformed| corrupt_file(&layout::file_name(number), malformed.0))?;
        }
        for (id, entry) in &found {
            self.remember(*id, *entry);
        }
        self.batches.insert(number, Some(found));
        Ok(())
    }

    /// Adds a batch that the checkpoint counts in to its partition's index, which has no gaps.
    fn remember(&mut self, id: TopicPartitionId, entry: IndexEntry) {
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        if entry.end() > partition.log_end {
            return;
        }
        let follows = partition.index.last_end().is_none_or(|end| end == entry.base);
        if !follows {
            partition.index.clear();
        }
        partition.index.push(entry);
    }

    fn replay(&mut self, disk: &dyn Disk, numbers: &[u32]) -> Result<(), OpenError> {
        let mut ahead = numbers.iter().copied().filter(|number| *number >= self.location.file).collect::<Vec<_>>().into_iter();
        let mut position = u64::from(self.location.position);
        let start = self.location;
        if self.incarnation == Incarnation(0) {
            return Ok(());
        }
        if !numbers.contains(&start.file) {
            return Err(corrupt_file(&layout::file_name(start.file), "it is missing"));
        }
        while let Some(number) = ahead.next() {
            let file = FileBytes::read(disk, number, self.rules)?;
            let mut found = Vec::new();
            if number == start.file {
                self.load_prefix(&file, start, &mut found)?;
                self.drop_stale();
            } else {
                position = 0;
            }
            if self.is_last && number == start.file {
                self.batches.insert(number, Some(found));
                return Ok(());
            }
            let replayed = self.report.groups;
            self.replay_file(&file, &mut position, &mut found)?;
            self.report.scanned_bytes += position;
            if number == start.file || self.report.groups > replayed {
                self.batches.insert(number, Some(found));
            }
            let next = ahead.clone().next();
            if !self.goes_on_in(disk, next)? {
                return self.cut(disk, &file, position, ahead.as_slice());
            }
        }
        Ok(())
    }

    /// The batches before the checkpoint's place in its own file.
    fn load_prefix(&mut self, file: &FileBytes, start: Location, found: &mut Vec<(TopicPartitionId, IndexEntry)>) -> Result<(), OpenError> {
        let mut position = 0;
        for group in file.groups() {
            if position >= u64::from(start.position) {
                break;
            }
            position += group.header.stride();
            list_batches(file.number, &group, found).map_err(|malformed| corrupt_file(&layout::file_name(file.number), malformed.0))?;
        }
        if position < u64::from(start.position) {
            let acked_through = self.next_seq - 1;
            return Err(OpenError::Corrupt { file: file.number, position, seq: acked_through, acked_through });
        }
        for (id, entry) in found.iter() {
            self.remember(*id, *entry);
        }
        Ok(())
    }

    /// An index that does not reach the log end is of batches that nobody needs, or of a partition that was made anew.
    fn drop_stale(&mut self) {
        for partition in self.partitions.values_mut() {
            if partition.index.last_end() != Some(partition.log_end) {
                partition.index.clear();
            }
        }
    }

    fn replay_file(
        &mut self,
        file: &FileBytes,
        position: &mut u64,
        found: &mut Vec<(TopicPartitionId, IndexEntry)>,
    ) -> Result<(), OpenError> {
        loop {
            let group = file.group(*position, Some(self.incarnation));
            let Some(group) = group.filter(|group| group.header.seq == self.next_seq || self.may_skip_to(group.header.seq)) else {
                if self.rules.cut_drops_what_follows || *position >= file.len() as u64 {
                    return Ok(());
                }
                *position += crate::disk::BLOCK_BYTES as u64;
                continue;
            };
            let name = layout::file_name(file.number);
            self.apply(file.number, &group, found).map_err(|malformed| corrupt_file(&name, malformed.0))?;
            self.next_seq = group.header.seq + 1;
            *position += group.header.stride();
            self.report.groups += 1;
        }
    }

    fn may_skip_to(&self, seq: u64) -> bool {
        !self.rules.cut_drops_what_follows && seq > self.next_seq
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
                    self.removed.push(entry.partition);
                }
                EntryKind::LogStart => {
                    let offset = Offset(Fields::new(entry.bytes).i64()?);
                    if let Some(partition) = self.partitions.get_mut(&entry.partition) {
                        partition.raise_log_start(offset.min(partition.log_end));
                    }
                }
            }
        }
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
        let mut at = 0;
        for view in BatchView::parse_all(entry.bytes)? {
            if view.base != partition.log_end {
                return Err(Malformed("a batch does not follow the one before"));
            }
            let location = Location { file, position: group_at + crate::codec::length(entry.at + at) };
            let bytes = &entry.bytes[at..at + view.length];
            found.push((entry.partition, partition.take(&view, bytes, location, self.now)));
            at += view.length;
        }
        Ok(())
    }

    /// Whether the next group is the first of the next file.
    fn goes_on_in(&self, disk: &dyn Disk, next: Option<u32>) -> Result<bool, OpenError> {
        let Some(next) = next else { return Ok(false) };
        if !self.rules.cut_drops_what_follows {
            return Ok(true);
        }
        let first = first_header(disk, next)?;
        let is_ours =
            |header: &GroupHeader| !self.rules.groups_are_seeded || (header.file == next && header.incarnation == self.incarnation);
        Ok(first.filter(is_ours).is_some_and(|header| header.seq == self.next_seq))
    }

    /// The log ends before a group that does not verify: that is right, unless a later group says that it was acknowledged.
    fn cut(&mut self, disk: &dyn Disk, file: &FileBytes, position: u64, ahead: &[u32]) -> Result<(), OpenError> {
        let (seq, incarnation) = (self.next_seq, self.incarnation);
        let mut later: Vec<_> = file.headers_after(position, seq, incarnation).collect();
        for (index, number) in ahead.iter().enumerate() {
            // Groups that were under way with the missing one reach into the next files, whose first may be missing as well.
            // Further on, a file that holds an acknowledged group has an acknowledged first one.
            let is_ours = |header: GroupHeader| header.file == *number && header.incarnation == incarnation;
            if index < FILES_IN_FLIGHT || first_header(disk, *number)?.is_some_and(is_ours) {
                later.extend(FileBytes::read(disk, *number, self.rules)?.headers_after(0, seq, incarnation));
            }
        }
        let acked_through = later.iter().map(|header| header.acked_through).max().unwrap_or(0);
        if acked_through >= seq && self.rules.corruption_is_loud {
            return Err(OpenError::Corrupt { file: file.number, position, seq, acked_through });
        }
        if !later.is_empty() {
            self.report.cut =
                Some(format!("{} at byte {position}: group {seq} and {} behind it", layout::file_name(file.number), later.len()));
        }
        Ok(())
    }

    /// Everything that no manifest holds must be in the WAL.
    fn check_reach(&mut self) -> Result<(), OpenError> {
        for (id, partition) in &mut self.partitions {
            let needed = partition.needed_from(partition.shipped_to);
            let is_whole = partition.index.last_end() == Some(partition.log_end);
            if !is_whole {
                partition.index.clear();
            }
            let reaches = is_whole && partition.index.first().is_some_and(|first| first.base <= needed);
            if needed < partition.log_end && !reaches {
                let reason = format!("it holds not all offsets of {id} from {needed} to {}", partition.log_end);
                return Err(corrupt_file("wal", &reason));
            }
            partition.recovered_end = partition.log_end;
            partition.high_watermark = partition.log_end;
            partition.transactions.on_durable(partition.high_watermark);
        }
        Ok(())
    }

    fn finish(mut self, disk: &dyn Disk, numbers: &[u32]) -> Result<Recovery, OpenError> {
        let mut recovery = Recovery {
            incarnation: self.incarnation,
            next_seq: self.next_seq,
            removed: self.removed,
            used: BTreeMap::new(),
            free: Vec::new(),
            next_file: numbers.last().map_or(1, |number| number + 1),
            report: Recovered { partitions: self.partitions.len(), ..self.report },
            partitions: self.partitions,
        };
        for number in numbers {
            let name = layout::file_name(*number);
            let open = || disk.open(&name).and_then(|file| Ok((file.length()?, file)));
            let (length, file) = open().map_err(|source| OpenError::Disk { action: "open", name: name.clone(), source })?;
            let Some(batches) = self.batches.remove(number) else {
                recovery.free.push((*number, length));
                continue;
            };
            let has_summary = batches.is_none();
            let used = UsedFile { file, length, last_seq: 0, batches: batches.unwrap_or_default(), has_summary };
            recovery.used.insert(*number, used);
        }
        Ok(recovery)
    }
}

/// A file that is shorter than its batches was cut by something else than us.
fn check_length(disk: &dyn Disk, number: u32, batches: &[(TopicPartitionId, IndexEntry)]) -> Result<(), OpenError> {
    let name = layout::file_name(number);
    let length = disk.open(&name).and_then(|file| file.length());
    let length = length.map_err(|source| OpenError::Disk { action: "open", name: name.clone(), source })?;
    let end = batches.last().map_or(0, |(_, entry)| u64::from(entry.location.position) + u64::from(entry.length));
    if end > length { Err(corrupt_file(&name, &format!("it ends at byte {length}, before its last batch at {end}"))) } else { Ok(()) }
}

/// What the first group of a file says, if its header is whole.
fn first_header(disk: &dyn Disk, number: u32) -> Result<Option<GroupHeader>, OpenError> {
    let name = layout::file_name(number);
    let mut head = [0; layout::HEADER_BYTES];
    let read = disk.open(&name).and_then(|file| file.read_exact_at(0, &mut head));
    read.map_err(|source| OpenError::Disk { action: "read", name, source })?;
    Ok(GroupHeader::parse(&head))
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
