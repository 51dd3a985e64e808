//! What is done at the object store, and when: claims, segments, manifests, deletions, and the search for what nothing names.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use units::{Incarnation, Offset};

use super::{Engine, Now, plan::ShipPlan};
use crate::{
    Ship, TopicPartitionId,
    manifest::{Manifest, ObjectId},
    shipper::{ShipError, Unnamed},
};

/// After a failure the store is left alone this long, doubled each time up to the largest.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Between two steps of the search for segments that nothing names: it is in no hurry, and requests cost money.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// Where shipping stands.
#[derive(Debug, Default)]
pub(crate) struct Shipping {
    /// Removed partitions whose objects are still to go.
    pub(crate) removed: Vec<TopicPartitionId>,
    /// Objects that nothing names any more, and when they may go.
    doomed: VecDeque<(Duration, ObjectId)>,
    /// Objects that nothing names yet, and living partitions that need a manifest of ours before that is final.
    contested: VecDeque<(ObjectId, Vec<TopicPartitionId>)>,
    /// When the search through the segments of earlier incarnations goes on; it is made once.
    sweep_at: Option<Duration>,
    is_claimed: bool,
    pub(super) is_asked: bool,
    /// Everything is wanted in the store, not only whole files.
    pub(super) is_all_wanted: bool,
    has_moved: bool,
    pub(super) shipped_at: Duration,
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

    pub(crate) fn note_unsaved(&mut self) {
        self.has_moved = true;
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
    /// Look on for segments of earlier incarnations that nothing names.
    Sweep,
    /// Ask once more whether nothing names an object, once these partitions have a manifest of ours.
    Judge { object: ObjectId, own: Vec<TopicPartitionId> },
}

/// How a task went.
pub(crate) enum ShipDone {
    Claimed,
    /// The manifests as they are now, and objects that nothing names any more.
    Manifests {
        manifests: Vec<(TopicPartitionId, Option<Arc<Manifest>>)>,
        unnamed: Vec<Unnamed>,
        is_segment: bool,
    },
    Forgotten(TopicPartitionId, Vec<Unnamed>),
    Deleted(ObjectId),
    Swept {
        unnamed: Vec<Unnamed>,
        is_done: bool,
    },
    Judged {
        object: ObjectId,
        unnamed: Vec<Unnamed>,
    },
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
        let task = self.poll_segment(now).or_else(|| self.poll_trim()).or_else(|| self.poll_cleanup(now));
        task.ok_or_else(|| self.next_ship(now, idle))
    }

    fn next_ship(&self, now: Now, idle: Duration) -> Duration {
        let interval = match self.config.ship {
            Ship::Every(interval) => self.shipping.shipped_at + interval,
            Ship::WhenAsked => idle,
        };
        let doomed = self.shipping.doomed.front().map_or(idle, |(at, _)| *at);
        let sweep = self.shipping.sweep_at.unwrap_or(idle);
        interval.min(doomed).min(sweep).clamp(now.monotonic + Duration::from_millis(10), idle)
    }

    /// A task came to its end.
    pub(crate) fn on_shipped(&mut self, done: ShipDone, now: Now) {
        self.shipping.failures = 0;
        match done {
            ShipDone::Claimed => {
                self.shipping.is_claimed = true;
                self.shipping.sweep_at = (self.incarnation > Incarnation(1)).then(|| now.monotonic + SWEEP_PAUSE);
            }
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
            ShipDone::Deleted(object) => drop(self.shipping.doomed.pop_front_if(|(_, doomed)| *doomed == object)),
            ShipDone::Swept { mut unnamed, is_done } => {
                self.shipping.sweep_at = (!is_done).then(|| now.monotonic + SWEEP_PAUSE);
                unnamed.retain(|unnamed| self.shipping.doomed.iter().all(|(_, doomed)| *doomed != unnamed.object));
                self.doom(unnamed, now);
            }
            ShipDone::Judged { object, unnamed } => {
                self.shipping.contested.retain(|(contested, _)| *contested != object);
                self.doom(unnamed, now);
            }
        }
    }

    /// What is known of the store moves with its manifest.
    pub(super) fn on_manifest(&mut self, id: TopicPartitionId, manifest: Option<Arc<Manifest>>) {
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let end = manifest.as_ref().map_or(Offset::ZERO, |manifest| manifest.end());
        if end > partition.high_watermark {
            let (partition, store, volume) = (id, end, partition.high_watermark);
            return self.fail(ShipError::VolumeIsOlder { partition, store, volume }.to_string());
        }
        if end > partition.shipped_to {
            partition.shipped_to = end;
            self.shipping.has_moved = true;
        }
        if manifest.is_none() && partition.shipped_to > partition.log_start {
            tracing::error!(partition = %id, shipped_to = %partition.shipped_to, "the object store has lost the manifest: what it held cannot be read");
        }
        partition.is_manifest_known = true;
        if manifest.is_none() {
            partition.object_bytes_saved = 0;
        }
        partition.manifest = manifest;
    }

    /// Objects that nothing names are deleted after a grace, since readers may still hold a manifest that did.
    fn doom(&mut self, unnamed: Vec<Unnamed>, now: Now) {
        let at = now.monotonic + self.config.object_grace;
        for Unnamed { object, without_manifest } in unnamed {
            let alive: Vec<_> = without_manifest.into_iter().filter(|id| self.partitions.contains_key(id)).collect();
            if alive.is_empty() {
                self.shipping.doomed.push_back((at, object));
            } else {
                self.shipping.contested.push_back((object, alive));
            }
        }
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
                (is_wanted && partition.shipped_to > Offset::ZERO && !partition.is_manifest_known).then(|| ShipTask::Load(*id))
            }
        })
    }

    fn poll_cleanup(&self, now: Now) -> Option<ShipTask> {
        if let Some((object, own)) = self.shipping.contested.front() {
            return Some(ShipTask::Judge { object: *object, own: own.clone() });
        }
        let doomed = self.shipping.doomed.front().filter(|(at, _)| now.monotonic >= *at);
        let is_sweep_due = self.shipping.sweep_at.is_some_and(|at| now.monotonic >= at);
        doomed.map(|(_, object)| ShipTask::Delete(*object)).or(is_sweep_due.then_some(ShipTask::Sweep))
    }
}
