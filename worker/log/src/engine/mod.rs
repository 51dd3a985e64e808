//! The log without its threads: takes requests, outcomes and the time, changes only itself, and says what to do.
//!
//! The broker's threads, or a simulation, hold it behind one lock, perform what it asks for, and tell it how that went.

mod append;
mod chore;
pub(crate) mod chores;
#[cfg(test)]
mod economy;
pub(crate) mod names;
mod pace;
pub(crate) mod plan;
mod queries;
pub(crate) mod read;
mod recover;
pub(crate) mod ship;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    time::Duration,
};

use bytes::Bytes;
use units::{Incarnation, Offset, TimestampMs};

use crate::{
    AppendError, Appended, Done, LogConfig, PartitionOffsets, TopicPartitionId, VolumeHealth,
    partition::Partition,
    rules::Rules,
    tail::Tail,
    wal::{
        Acked, FlushPoll, Start, Wal,
        files::{Files, SpareFile},
        policy::FlushPolicy,
    },
};
pub(crate) use append::Request;
use chores::Upkeep;
use names::Names;
pub(crate) use recover::{Held, NAMED, Recovery, recover};
use ship::Shipping;

/// Both clocks, as the shell reads them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    /// Since some fixed moment; never goes back.
    pub(crate) monotonic: Duration,
    /// The time of day.
    pub(crate) wall: TimestampMs,
}

/// What happens when a group is durable.
pub(crate) enum Effect {
    Appended { partition: TopicPartitionId, end: Offset, base: Offset, is_duplicate: bool, done: Done<Appended, AppendError> },
    LogStart { partition: TopicPartitionId, offset: Offset, done: Option<Done<Offset, AppendError>> },
    Changed { done: Done<(), AppendError> },
}

/// What to tell, in order, once the lock is free.
pub(crate) enum Ready {
    Appended(Done<Appended, AppendError>, Result<Appended, AppendError>),
    LogStart(Done<Offset, AppendError>, Result<Offset, AppendError>),
    Changed(Done<(), AppendError>, Result<(), AppendError>),
    Advanced(TopicPartitionId, PartitionOffsets),
}

/// Counters for status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) groups: u64,
    pub(crate) appended_bytes: u64,
    pub(crate) segments: u64,
    pub(crate) free_disk_bytes: u64,
}

/// The log.
pub(crate) struct Engine {
    pub(crate) config: LogConfig,
    pub(crate) rules: Rules,
    pub(crate) incarnation: Incarnation,
    pub(crate) partitions: BTreeMap<TopicPartitionId, Partition>,
    pub(crate) wal: Wal<Effect>,
    pub(crate) tail: Tail,
    pub(crate) health: VolumeHealth,
    pub(crate) counters: Counters,
    pub(crate) upkeep: Upkeep,
    pub(crate) shipping: Shipping,
    pub(crate) names: Names,
    /// Free bytes of the volume that WAL files leave.
    reserve_bytes: u64,
    /// Requests that wait, in order, for a WAL file to be prepared.
    parked: VecDeque<Request>,
    ready: VecDeque<Ready>,
    is_closing: bool,
}

impl Engine {
    /// A log that goes on where recovery ended, as `incarnation`, in the first of `spares`.
    pub(crate) fn start(
        config: LogConfig,
        rules: Rules,
        incarnation: Incarnation,
        recovery: Recovery,
        (spares, capacity_bytes): (VecDeque<SpareFile>, u64),
    ) -> Self {
        let next = spares.iter().map(|spare| spare.number + 1).fold(recovery.next_file, u32::max);
        let files = Files { used: recovery.used, spares, next };
        let start = Start { incarnation, seal: recovery.seal, next_seq: recovery.next_seq, files, eras: recovery.eras };
        let policy = FlushPolicy { in_flight_max: config.flushes_in_flight, linger: config.linger_max };
        Self {
            wal: Wal::new(start, policy, config.group_bytes_max, rules),
            tail: Tail::new(config.tail_bytes_max),
            reserve_bytes: reserve(&config, capacity_bytes),
            config,
            rules,
            incarnation,
            partitions: recovery.partitions,
            health: VolumeHealth::Healthy,
            counters: Counters::default(),
            upkeep: Upkeep::default(),
            shipping: Shipping::new(recovery.removed),
            names: Names::new(recovery.names),
            parked: VecDeque::new(),
            ready: VecDeque::new(),
            is_closing: false,
        }
    }
}

/// Of a small volume an eighth: what is to be left must not be more than there is.
pub(crate) fn reserve(config: &LogConfig, capacity_bytes: u64) -> u64 {
    config.disk_reserve_bytes.min(capacity_bytes / 8)
}

impl Effect {
    fn fail(self, error: AppendError) -> Option<Ready> {
        match self {
            Self::Appended { done, .. } => Some(Ready::Appended(done, Err(error))),
            Self::LogStart { done, .. } => done.map(|done| Ready::LogStart(done, Err(error))),
            Self::Changed { done } => Some(Ready::Changed(done, Err(error))),
        }
    }
}

impl Engine {
    /// What there is to tell, in order.
    pub(crate) fn take_ready(&mut self) -> VecDeque<Ready> {
        std::mem::take(&mut self.ready)
    }

    /// What to write now.
    pub(crate) fn poll_flush(&mut self, now: Now) -> FlushPoll {
        if self.has_failed() && self.rules.failed_flush_is_fatal { FlushPoll::Idle } else { self.wal.poll_flush(now.monotonic) }
    }

    /// A write came to its end.
    pub(crate) fn on_flushed(&mut self, seq: u64, outcome: Result<Bytes, io::Error>) {
        match outcome {
            Ok(_) if self.has_failed() && self.rules.failed_flush_is_fatal => {}
            Ok(bytes) => {
                for group in self.wal.on_flushed(seq, bytes) {
                    self.acknowledge(group);
                }
            }
            Err(error) if self.rules.failed_flush_is_fatal => self.fail(format!("write group {seq}: {error}")),
            Err(_) => {
                for group in self.wal.on_flushed(seq, Bytes::new()) {
                    self.acknowledge(group);
                }
            }
        }
    }

    /// Nothing is acknowledged any more, by this incarnation.
    pub(crate) fn fail(&mut self, reason: String) {
        if self.has_failed() {
            return;
        }
        tracing::error!(reason, "the log has stopped; start the broker anew once the cause is gone");
        self.health = VolumeHealth::Failed(reason.clone());
        let error = AppendError::VolumeFailed(reason);
        for effect in self.wal.fail() {
            self.ready.extend(effect.fail(error.clone()));
        }
        self.refuse_parked(&error);
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.health, VolumeHealth::Failed(_))
    }

    /// Takes no more requests.
    pub(crate) fn begin_close(&mut self) {
        self.is_closing = true;
        self.wal.hurry();
        self.refuse_parked(&AppendError::Closed);
    }

    fn refuse_parked(&mut self, error: &AppendError) {
        for request in std::mem::take(&mut self.parked) {
            self.ready.push_back(request.refuse(error.clone()));
        }
    }

    fn acknowledge(&mut self, group: Acked<Effect>) {
        self.counters.groups += 1;
        if !group.bytes.is_empty() {
            self.tail.push(group.location, group.bytes);
        }
        let mut moved = Vec::new();
        for effect in group.effects {
            self.settle(effect, &mut moved);
        }
        for id in moved {
            if let Some(partition) = self.partitions.get(&id) {
                self.ready.push_back(Ready::Advanced(id, partition.offsets()));
            }
        }
    }

    fn settle(&mut self, effect: Effect, moved: &mut Vec<TopicPartitionId>) {
        match effect {
            Effect::Appended { partition: id, end, base, is_duplicate, done } => {
                let log_start = self.raise_watermark(id, end);
                note(moved, id);
                self.ready.push_back(Ready::Appended(done, Ok(Appended { base_offset: base, log_start, is_duplicate })));
            }
            Effect::LogStart { partition: id, offset, done } => {
                let offset = self.partitions.get_mut(&id).map_or(offset, |partition| {
                    partition.raise_log_start(offset);
                    partition.log_start
                });
                self.names.note_start();
                note(moved, id);
                self.ready.extend(done.map(|done| Ready::LogStart(done, Ok(offset))));
            }
            Effect::Changed { done } => self.ready.push_back(Ready::Changed(done, Ok(()))),
        }
    }

    fn raise_watermark(&mut self, id: TopicPartitionId, end: Offset) -> Offset {
        let Some(partition) = self.partitions.get_mut(&id) else { return Offset::ZERO };
        if end <= partition.log_end {
            partition.raise_watermark(end);
        }
        partition.log_start
    }
}

/// Adds `id`, unless it was the last one added: effects of one partition mostly come in a row.
fn note(moved: &mut Vec<TopicPartitionId>, id: TopicPartitionId) {
    if moved.last() != Some(&id) {
        moved.push(id);
    }
}

#[cfg(test)]
mod tests;
