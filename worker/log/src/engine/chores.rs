//! What keeps the log going beside its writes: files ahead, summaries, checkpoints, recycling, forgetting, retention.

use std::time::Duration;

use units::TimestampMs;

pub(crate) use super::chore::{Chore, ChoreDone, ChorePoll, Image};
use super::{Engine, Now, Request};
use crate::{VolumeHealth, checkpoint, partition::index::Location, wal::recovery::encode_summary};

/// While the volume is full, room is looked for this often.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// Where the chores stand.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// Where the last durable checkpoint says that recovery begins.
    pub(crate) saved: Location,
    saved_seq: u64,
    saved_at: Duration,
    saved_bytes: u64,
    /// A checkpoint that waits for the groups it counts in.
    pending: Option<Image>,
    is_checkpoint_wanted: bool,
    /// The volume had no room for the last checkpoint.
    is_refused: bool,
    looked_at: Duration,
    full_at: Option<Duration>,
}

impl Engine {
    /// Whether the keeper has something to do before its time.
    pub(crate) fn wants_keeper(&self) -> bool {
        let is_short = self.wal.files.spares.len() < self.config.wal_spare_files && self.upkeep.full_at.is_none();
        let waits = self.upkeep.pending.as_ref().is_some_and(|image| image.next_seq <= self.wal.acked_through() + 1);
        let is_much = self.counters.appended_bytes >= self.upkeep.saved_bytes + self.config.checkpoint_bytes;
        is_short || waits || is_much || self.upkeep.is_checkpoint_wanted || self.is_closing || self.is_starved()
    }

    /// The next chore, if one is due. One at a time.
    pub(crate) fn poll_chore(&mut self, free_bytes: u64, now: Now) -> ChorePoll {
        self.counters.free_disk_bytes = free_bytes;
        if self.has_failed() {
            return ChorePoll::At(now.monotonic + self.config.checkpoint_interval);
        }
        if now.monotonic >= self.upkeep.looked_at + self.config.retention_interval {
            self.upkeep.looked_at = now.monotonic;
            self.forget(now);
        }
        let chore = self.chore_files(free_bytes, now).or_else(|| self.chore_summary()).or_else(|| self.chore_checkpoint(now));
        match chore {
            Some(chore) => ChorePoll::Do(chore),
            None => ChorePoll::At(self.next_look(now)),
        }
    }

    fn next_look(&self, now: Now) -> Duration {
        // Overdue, and nothing has changed since: that is looked at now and then, not all the time.
        let again = now.monotonic + self.config.checkpoint_interval / 10;
        let checkpoint = (self.upkeep.saved_at + self.config.checkpoint_interval).max(again);
        let retention = self.upkeep.looked_at + self.config.retention_interval;
        let full = self.upkeep.full_at.map_or(Duration::MAX, |at| at + FULL_RETRY);
        checkpoint.min(retention).min(full)
    }

    /// A chore came to its end.
    pub(crate) fn on_chore(&mut self, done: ChoreDone, now: Now) {
        match done {
            ChoreDone::Prepared(spare) => {
                self.upkeep.full_at = None;
                self.wal.files.spares.push_back(spare);
                if self.health == VolumeHealth::Full {
                    tracing::info!("the volume has room again");
                    self.health = VolumeHealth::Healthy;
                }
                self.unpark(now);
            }
            ChoreDone::NoRoom => self.on_no_room(now),
            ChoreDone::NotSaved => {
                self.upkeep.is_refused = true;
                self.shipping.note_unsaved();
                self.on_no_room(now);
            }
            ChoreDone::Summarised(number) => {
                if let Some(file) = self.wal.files.used.get_mut(&number) {
                    file.has_summary = true;
                    file.batches = Vec::new();
                }
            }
            ChoreDone::Checkpointed(image) => self.on_checkpointed(image, now),
            ChoreDone::Removed => {}
        }
    }

    fn on_no_room(&mut self, now: Now) {
        self.upkeep.full_at = Some(now.monotonic);
        self.upkeep.saved_at = now.monotonic;
        self.shipping.ask();
        if self.wal.files.spares.is_empty() && self.health != VolumeHealth::Full {
            tracing::warn!(free_bytes = self.counters.free_disk_bytes, "the volume is full: appends are refused, reads go on");
            self.on_full();
        }
    }

    /// Keeps spare files ahead: new ones up to the target, since what is in the store is read from here as long as it may stay;
    /// then recycled ones.
    fn chore_files(&mut self, free_bytes: u64, now: Now) -> Option<Chore> {
        let recyclable = self.recyclable();
        let wanted = self.wal.files.spares.len() < self.config.wal_spare_files;
        let entries = self.index_entries();
        let is_above_target = self.wal.files.bytes() > self.config.wal_target_bytes || entries > self.config.wal_entries_max;
        let has_room = free_bytes >= self.config.wal_file_bytes + self.reserve_bytes;
        if let Some(old) = recyclable
            && (is_above_target || self.is_unwanted(old) || (wanted && !has_room))
        {
            return Some(self.reuse(old, wanted));
        }
        if !wanted {
            return None;
        }
        let is_at_bound = self.wal.files.bytes() >= self.config.wal_bytes_max || entries >= 2 * self.config.wal_entries_max;
        if self.frees_by_checkpoint() {
            self.upkeep.is_checkpoint_wanted |= is_above_target || self.is_starved();
        } else if is_above_target || is_at_bound {
            // That an append waits for a file is no reason: a slow volume is not a small one.
            self.shipping.ask();
        }
        let is_retry_early = self.upkeep.full_at.is_some_and(|at| now.monotonic < at + FULL_RETRY);
        if is_retry_early || (is_at_bound && self.shipping.is_working()) {
            return None;
        }
        if !has_room || entries >= 4 * self.config.wal_entries_max {
            self.upkeep.is_checkpoint_wanted |= self.frees_by_checkpoint();
            self.on_no_room(now);
            return None;
        }
        let number = self.next_file_number();
        Some(Chore::Prepare { number, recycled: None, bytes: self.config.wal_file_bytes })
    }

    /// Whether the volume had no room when it was last asked for some.
    pub(crate) fn is_short_of_room(&self) -> bool {
        self.upkeep.full_at.is_some()
    }

    /// Batches that the index of the WAL lists.
    pub(crate) fn index_entries(&self) -> u64 {
        self.partitions.values().map(|partition| partition.index.len() as u64).sum()
    }

    /// Whether no partition reads from `file`: all it held is deleted, or local retention has let go of it.
    fn is_unwanted(&self, file: u32) -> bool {
        self.partitions.values().all(|partition| partition.index.first().is_none_or(|first| first.location.file > file))
    }

    fn next_file_number(&mut self) -> u32 {
        let number = self.wal.files.next;
        self.wal.files.next += 1;
        number
    }

    fn reuse(&mut self, old: u32, is_wanted: bool) -> Chore {
        let file = self.wal.files.used.remove(&old).expect("just found");
        for partition in self.partitions.values_mut() {
            partition.index.drop_files_below(old + 1);
        }
        if is_wanted && file.length == self.config.wal_file_bytes {
            Chore::Prepare { number: self.next_file_number(), recycled: Some(old), bytes: file.length }
        } else {
            Chore::Remove { number: old }
        }
    }

    /// The oldest file, if nothing in it is needed and nobody reads it.
    fn recyclable(&self) -> Option<u32> {
        let (number, file) = self.wal.files.used.first_key_value()?;
        let is_behind = *number < self.upkeep.saved.file || !self.rules.recycling_waits_for_checkpoint;
        let is_current = *number == self.wal.files.current();
        let is_acked = file.last_seq <= self.wal.acked_through();
        let is_read = std::sync::Arc::strong_count(&file.file) > 1;
        (is_behind && !is_current && is_acked && !is_read && self.first_needed_file(true) > *number).then_some(*number)
    }

    /// The first file with a batch that is in no manifest; as the last checkpoint has it, or as it is.
    fn first_needed_file(&self, as_saved: bool) -> u32 {
        if !self.rules.recycling_waits_for_manifests {
            return u32::MAX;
        }
        let first = |partition: &crate::partition::Partition| {
            let shipped = if as_saved { partition.shipped_saved } else { partition.shipped_to };
            partition.index.past(partition.needed_from(shipped)).next().map(|entry| entry.location.file)
        };
        self.partitions.values().filter_map(first).min().unwrap_or(u32::MAX)
    }

    /// Whether a new checkpoint would let the oldest file be recycled.
    fn frees_by_checkpoint(&self) -> bool {
        let Some((&oldest, _)) = self.wal.files.used.first_key_value() else { return false };
        oldest < self.wal.files.current() && self.first_needed_file(false) > oldest
    }

    fn chore_summary(&self) -> Option<Chore> {
        let number = self.wal.file_to_summarise()?;
        Some(Chore::Summarise { number, bytes: encode_summary(number, &self.wal.files.used[&number].batches) })
    }

    fn chore_checkpoint(&mut self, now: Now) -> Option<Chore> {
        if self.upkeep.pending.is_none() && self.is_checkpoint_due(now) {
            self.upkeep.pending = Some(self.image());
        }
        let is_durable = |image: &mut Image| image.next_seq <= self.wal.acked_through() + 1 || !self.rules.checkpoint_is_durable;
        self.upkeep.pending.take_if(is_durable).map(Chore::Checkpoint)
    }

    fn is_checkpoint_due(&self, now: Now) -> bool {
        let has_changed = self.wal.last_seq() + 1 != self.upkeep.saved_seq || self.shipping.has_moved();
        let is_time = now.monotonic >= self.upkeep.saved_at + self.config.checkpoint_interval;
        let is_much = self.counters.appended_bytes >= self.upkeep.saved_bytes + self.config.checkpoint_bytes;
        self.upkeep.is_checkpoint_wanted || (has_changed && (is_time || is_much))
    }

    /// The state after all that was ever pushed, and where recovery would go on from it.
    pub(crate) fn image(&mut self) -> Image {
        self.upkeep.is_checkpoint_wanted = false;
        self.upkeep.saved_bytes = self.counters.appended_bytes;
        self.shipping.note_saved();
        let (location, next_seq) = self.wal.close();
        let bytes = self.encode_image(location, next_seq);
        let shipped = self.partitions.iter().map(|(id, partition)| (*id, partition.shipped_to)).collect();
        Image { bytes, location, next_seq, shipped }
    }

    fn encode_image(&mut self, location: Location, next_seq: u64) -> Vec<u8> {
        let mut kept = Vec::new();
        if !self.rules.checkpoint_keeps_producers {
            kept = self.partitions.values_mut().map(|partition| std::mem::take(&mut partition.producers)).collect();
        }
        let is_last = self.is_closing && self.wal.is_idle();
        let volume = (self.incarnation, self.wal.seal(), &self.wal.eras().clone());
        let bytes = checkpoint::encode(volume, (location, next_seq, is_last), &self.partitions, &self.shipping.removed);
        for (partition, producers) in self.partitions.values_mut().zip(kept) {
            partition.producers = producers;
        }
        bytes
    }

    fn on_checkpointed(&mut self, image: Image, now: Now) {
        self.upkeep.is_refused = false;
        self.upkeep.saved = image.location;
        self.upkeep.saved_seq = image.next_seq;
        self.upkeep.saved_at = now.monotonic;
        for (id, shipped_to) in image.shipped {
            if let Some(partition) = self.partitions.get_mut(&id) {
                partition.shipped_saved = shipped_to;
            }
        }
    }

    /// Asks for a checkpoint as soon as may be.
    pub(crate) fn want_checkpoint(&mut self) {
        self.upkeep.is_checkpoint_wanted = true;
        self.upkeep.is_refused = false;
    }

    /// Whether the last checkpoint holds all there is.
    pub(crate) fn is_saved(&self) -> bool {
        self.wal.is_idle() && self.wal.last_seq() + 1 == self.upkeep.saved_seq && !self.shipping.has_moved()
    }

    /// Whether the volume had no room for the checkpoint that was asked for: the next start reads more of the WAL instead.
    pub(crate) fn is_save_refused(&self) -> bool {
        self.upkeep.is_refused
    }

    /// Producers long silent, and batches past their retention.
    fn forget(&mut self, now: Now) {
        let expiration = i64::try_from(self.config.producer_expiration.as_millis()).unwrap_or(i64::MAX);
        let before = TimestampMs(now.wall.0.saturating_sub(expiration));
        let mut starts = Vec::new();
        for (id, partition) in &mut self.partitions {
            partition.producers.expire(before, self.config.producers_per_partition_max);
            starts.extend(crate::retention::log_start(partition, now.wall).map(|start| (*id, start)));
            if crate::retention::is_local_exceeded(partition, now.wall) {
                self.shipping.ask();
            }
            if let Some(start) = crate::retention::local_start(partition, now.wall) {
                partition.index.trim(start);
            }
        }
        for (partition, before) in starts {
            self.submit(Request::LogStart { partition, before, done: None }, now);
        }
    }
}
