//! What leaves for the object store, and when: the oldest WAL files first, whole, so that they can be recycled.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use units::Offset;

use super::{Engine, Now};
use crate::{
    Ship, TopicPartitionId, checkpoint,
    manifest::{Manifest, ObjectId, encode_epochs},
    partition::{Partition, index::IndexEntry},
    spans::FileMap,
};

/// After a failure the store is left alone this long, doubled each time up to the largest.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Where shipping stands.
#[derive(Debug, Default)]
pub(crate) struct Shipping {
    /// Removed partitions whose objects are still to go.
    pub(crate) removed: Vec<TopicPartitionId>,
    /// Objects that nothing names any more, and when they may go.
    doomed: VecDeque<(Duration, ObjectId)>,
    is_claimed: bool,
    is_asked: bool,
    /// Everything is wanted in the store, not only whole files.
    is_all_wanted: bool,
    has_moved: bool,
    shipped_at: Duration,
    failures: u32,
    retry_at: Duration,
}

impl Shipping {
    /// Nothing is claimed yet; the objects of `removed` partitions are still to go.
    pub(crate) fn new(removed: Vec<TopicPartitionId>) -> Self {
        Self { removed, ..Self::default() }
    }

    /// The WAL needs room, or local retention has passed.
    pub(crate) fn ask(&mut self) {
        self.is_asked = true;
    }

    /// Whether the store takes what is shipped.
    pub(crate) fn is_working(&self) -> bool {
        self.is_claimed && self.failures == 0
    }

    pub(crate) fn is_claimed(&self) -> bool {
        self.is_claimed
    }

    /// Whether something happened that the last checkpoint does not know.
    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved
    }

    pub(crate) fn note_saved(&mut self) {
        self.has_moved = false;
    }
}

/// Something to do at the store. Then tell [`Engine::on_shipped`] or [`Engine::on_ship_failed`].
#[derive(Debug)]
pub(crate) enum ShipTask {
    /// Claim this incarnation.
    Claim,
    /// Put a mixed segment, and name it in the manifests.
    Segment(ShipPlan),
    /// Read a manifest that is not known yet.
    Load(TopicPartitionId),
    /// Move the log start in a manifest.
    Trim(TopicPartitionId, Offset),
    /// Remove a partition's manifest.
    Forget(TopicPartitionId),
    /// Delete an object.
    Delete(ObjectId),
}

/// A mixed segment to be built.
#[derive(Debug)]
pub(crate) struct ShipPlan {
    pub(crate) sections: Vec<PlannedSection>,
    pub(crate) files: FileMap,
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
    pub(crate) epochs: crate::partition::epochs::Epochs,
    /// Encoded aborted transactions, leader epochs and producers.
    pub(crate) state: Vec<u8>,
}

/// How a task went.
pub(crate) enum ShipDone {
    Claimed,
    /// The manifests as they are now, and objects that nothing names any more.
    Manifests {
        manifests: Vec<(TopicPartitionId, Option<Arc<Manifest>>)>,
        unnamed: Vec<ObjectId>,
        is_segment: bool,
    },
    Forgotten(TopicPartitionId, Vec<ObjectId>),
    Deleted(ObjectId),
}

impl Engine {
    /// The next thing to do at the store, if one is due; else when to ask again at the latest.
    pub(crate) fn poll_ship(&mut self, now: Now) -> Result<ShipTask, Duration> {
        let idle = now.monotonic + Duration::from_secs(1);
        if self.has_failed() {
            return Err(idle);
        }
        if now.monotonic < self.shipping.retry_at {
            return Err(self.shipping.retry_at);
        }
        if !self.shipping.is_claimed {
            return Ok(ShipTask::Claim);
        }
        if let Some(id) = self.shipping.removed.first() {
            return Ok(ShipTask::Forget(*id));
        }
        let task = self.plan_segment(now).or_else(|| self.poll_trim()).or_else(|| self.poll_delete(now));
        task.ok_or_else(|| self.next_ship(now, idle))
    }

    fn next_ship(&self, now: Now, idle: Duration) -> Duration {
        let interval = match self.config.ship {
            Ship::Every(interval) => self.shipping.shipped_at + interval,
            Ship::WhenAsked => idle,
        };
        let doomed = self.shipping.doomed.front().map_or(idle, |(at, _)| *at);
        interval.min(doomed).clamp(now.monotonic + Duration::from_millis(10), idle)
    }

    /// A task came to its end.
    pub(crate) fn on_shipped(&mut self, done: ShipDone, now: Now) {
        self.shipping.failures = 0;
        match done {
            ShipDone::Claimed => self.shipping.is_claimed = true,
            ShipDone::Manifests { manifests, unnamed, is_segment } => {
                self.counters.segments += u64::from(is_segment);
                for (id, manifest) in manifests {
                    self.on_manifest(id, manifest);
                }
                self.doom(unnamed, now);
            }
            ShipDone::Forgotten(id, unnamed) => {
                self.shipping.removed.retain(|removed| *removed != id);
                self.shipping.has_moved = true;
                self.doom(unnamed, now);
            }
            ShipDone::Deleted(object) => self.shipping.doomed.retain(|(_, doomed)| *doomed != object),
        }
    }

    fn on_manifest(&mut self, id: TopicPartitionId, manifest: Option<Arc<Manifest>>) {
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let end = manifest.as_ref().map_or(Offset::ZERO, |manifest| manifest.end());
        if end > partition.shipped_to && end <= partition.high_watermark {
            partition.shipped_to = end;
            self.shipping.has_moved = true;
        }
        if manifest.is_none() {
            partition.object_bytes_saved = 0;
        }
        partition.manifest = manifest;
    }

    fn doom(&mut self, objects: Vec<ObjectId>, now: Now) {
        let at = now.monotonic + self.config.object_grace;
        self.shipping.doomed.extend(objects.into_iter().map(|object| (at, object)));
    }

    /// The store failed; it is asked again later.
    pub(crate) fn on_ship_failed(&mut self, now: Now) {
        let wait = RETRY.saturating_mul(1 << self.shipping.failures.min(10)).min(RETRY_MAX);
        self.shipping.failures += 1;
        self.shipping.retry_at = now.monotonic + wait;
    }

    /// How often the store has failed in a row.
    pub(crate) fn ship_failures(&self) -> u32 {
        self.shipping.failures
    }

    /// Wants everything in the store that is durable.
    pub(crate) fn ship_all(&mut self) {
        self.shipping.is_all_wanted = true;
        self.shipping.retry_at = Duration::ZERO;
    }

    /// Whether everything that was wanted in the store is there.
    pub(crate) fn is_all_shipped(&self) -> bool {
        self.partitions.values().all(|partition| partition.unshipped().next().is_none())
    }

    fn plan_segment(&mut self, now: Now) -> Option<ShipTask> {
        let is_time = matches!(self.config.ship, Ship::Every(interval) if now.monotonic >= self.shipping.shipped_at + interval);
        let takes_current = is_time || self.shipping.is_all_wanted;
        if !takes_current && !self.shipping.is_asked {
            return None;
        }
        let last_file = self.last_file_of_segment(takes_current);
        let sections = last_file.map(|last_file| self.sections(last_file)).unwrap_or_default();
        if sections.is_empty() {
            self.shipping.is_asked = false;
            self.shipping.is_all_wanted = false;
            self.shipping.shipped_at = now.monotonic;
            return None;
        }
        let numbers = sections.iter().flat_map(|section| &section.entries).map(|entry| entry.location.file);
        let files = numbers.filter_map(|number| Some((number, self.wal.files.get(number)?))).collect();
        Some(ShipTask::Segment(ShipPlan { sections, files }))
    }

    /// Whole files, the oldest first, up to the size of a segment but at least one.
    fn last_file_of_segment(&self, takes_current: bool) -> Option<u32> {
        let current = self.wal.files.current();
        let mut bytes = BTreeMap::<u32, u64>::new();
        for entry in self.partitions.values().flat_map(Partition::unshipped) {
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

    fn sections(&self, last_file: u32) -> Vec<PlannedSection> {
        let section = |(id, partition): (&TopicPartitionId, &Partition)| {
            let entries: Vec<_> = partition.unshipped().take_while(|entry| entry.location.file <= last_file).copied().collect();
            let end = entries.last()?.end();
            Some(PlannedSection {
                id: *id,
                in_memory: entries.iter().map(|entry| self.tail.slice(entry.location, entry.length)).collect(),
                entries,
                log_start: partition.log_start,
                epochs: partition.epochs.clone(),
                state: section_state(partition, end),
            })
        };
        self.partitions.iter().filter_map(section).collect()
    }

    /// Manifests that name what lies below a log start, and those that retention needs and nobody has read.
    fn poll_trim(&self) -> Option<ShipTask> {
        self.partitions.iter().find_map(|(id, partition)| match &partition.manifest {
            Some(manifest) => {
                let is_behind = manifest.segments.first().is_some_and(|segment| segment.end <= partition.log_start);
                is_behind.then(|| ShipTask::Trim(*id, partition.log_start))
            }
            None => {
                let is_wanted =
                    partition.config.total_time.is_some() || partition.config.total_bytes.is_some() || partition.log_start > Offset::ZERO;
                (is_wanted && partition.shipped_to > Offset::ZERO).then(|| ShipTask::Load(*id))
            }
        })
    }

    fn poll_delete(&self, now: Now) -> Option<ShipTask> {
        let (at, object) = self.shipping.doomed.front()?;
        (now.monotonic >= *at).then(|| ShipTask::Delete(*object))
    }
}

fn section_state(partition: &Partition, end: Offset) -> Vec<u8> {
    let mut state = Vec::new();
    let aborted: Vec<_> = partition.transactions.all_aborted().filter(|aborted| aborted.last_offset < end).copied().collect();
    checkpoint::encode_aborted(&mut state, aborted.iter());
    encode_epochs(&mut state, &partition.epochs);
    checkpoint::encode_producers(&mut state, &partition.producers, end);
    state
}
