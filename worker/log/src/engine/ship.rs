//! What is done at the object store, and when: claims, segments, manifests, deletions, and the search for what nothing names.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use units::{Incarnation, Offset};

use super::{
    Engine, Now, Request,
    names::{Mark, NamesTask, SEGMENTS_BETWEEN},
    pace::{Need, Pace},
    plan::ShipPlan,
};
use crate::{
    Ship, StoreState, TopicPartitionId, VolumeHealth,
    manifest::{Manifest, ObjectId, SegmentRef},
    merge,
    partition::Partition,
    shipper::{ShipError, Unnamed},
};

/// After a failure the store is left alone this long, doubled each time up to the largest.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Between two steps of the search for segments that nothing names: it is in no hurry, and requests cost money.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// A store that does not arbitrate is tried again after this long: its owner may have changed it.
const REFUSED_RETRY: Duration = Duration::from_secs(60);
/// What is damaged in the store of one partition is looked at again after this long.
const ASIDE: Duration = Duration::from_secs(60);

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
    /// What earlier incarnations have put is in the manifests.
    is_caught_up: bool,
    store: StoreState,
    merge_at: Duration,
    /// Partitions whose manifests say a later log start than is known here.
    ahead: Vec<TopicPartitionId>,
    pub(super) is_asked: bool,
    /// Everything is wanted in the store, not only whole files.
    pub(super) is_all_wanted: bool,
    has_moved: bool,
    pub(super) shipped_at: Duration,
    /// When the segment under way was planned, if it holds all that there was then.
    pub(super) reaches: Option<Duration>,
    pace: Pace,
    /// The WAL's file that took groups when a full segment was looked for last.
    pub(super) looked_at_file: u32,
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

    /// The claim was made when the log was opened, and the manifests hold all there is.
    pub(crate) fn note_restored(&mut self) {
        (self.is_claimed, self.is_caught_up, self.store) = (true, true, StoreState::Reachable);
        self.sweep_at = Some(SWEEP_PAUSE);
    }

    pub(crate) fn is_caught_up(&self) -> bool {
        self.is_caught_up
    }

    pub(crate) fn store(&self) -> &StoreState {
        &self.store
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
    /// Name what earlier incarnations have put and not named, for these partitions, which are in order.
    CatchUp(Vec<TopicPartitionId>),
    /// Put named objects.
    Names(NamesTask),
    /// Put a mixed segment, and name it in the manifests whose time has come.
    Segment(ShipPlan),
    /// Read a manifest that is not known yet.
    Load(TopicPartitionId),
    /// Move the log start in a manifest.
    Trim(TopicPartitionId, Offset),
    /// Make one segment of these.
    Merge(TopicPartitionId, Vec<SegmentRef>),
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
    /// The manifests that name more now, and those that are damaged.
    CaughtUp {
        manifests: Vec<(TopicPartitionId, Option<Arc<Manifest>>)>,
        aside: Vec<(TopicPartitionId, String)>,
    },
    Named(Mark),
    /// What the store has of this partition is damaged, in words. Nothing was done.
    SetAside(TopicPartitionId, String),
    /// The same of segments that were to be merged.
    Unmergeable(TopicPartitionId, String),
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

impl ShipTask {
    /// Bytes of batches that it moves, if that is what it does.
    fn bytes(&self) -> Option<u64> {
        match self {
            Self::Segment(plan) => {
                Some(plan.sections.iter().flat_map(|section| &section.entries).map(|entry| u64::from(entry.length)).sum())
            }
            Self::Merge(_, references) => Some(references.iter().map(|reference| reference.data_bytes).sum()),
            _ => None,
        }
    }
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
        if !self.shipping.is_caught_up {
            return Ok(ShipTask::CatchUp(self.partitions.keys().copied().collect()));
        }
        if let Some(id) = self.shipping.removed.first() {
            return Ok(ShipTask::Forget(*id));
        }
        let need = self.need();
        self.shipping.pace.see(self.counters.appended_bytes, now.monotonic);
        let paced = self.shipping.pace.may_begin(need, now.monotonic);
        let task = match paced.is_ok().then(|| self.poll_segment(now)).flatten() {
            Some(ShipTask::Segment(_)) if self.names_come_first() => Some(self.names_task()),
            task => task,
        };
        let task = task.or_else(|| self.poll_names(now)).or_else(|| self.poll_trim());
        let task = task.or_else(|| paced.is_ok().then(|| self.poll_merge(now)).flatten());
        if let Some(bytes) = task.as_ref().and_then(ShipTask::bytes) {
            self.shipping.pace.begin(bytes, need, now.monotonic);
        }
        let next = paced.err().map_or(idle, |at| at.clamp(now.monotonic, idle));
        task.or_else(|| self.poll_cleanup(now)).ok_or_else(|| self.next_ship(now, idle).min(next))
    }

    /// How urgent it is that data leaves.
    fn need(&self) -> Need {
        if self.shipping.is_all_wanted || self.is_starved() || self.health == VolumeHealth::Full || self.is_short_of_room() {
            return Need::AtOnce;
        }
        let share = |is: u64, target: u64, bound: u64| is.saturating_sub(target) as f64 / bound.saturating_sub(target).max(1) as f64;
        let bytes = share(self.wal.files.bytes(), self.config.wal_target_bytes, self.config.wal_bytes_max);
        let entries = share(self.index_entries(), self.config.wal_entries_max, 2 * self.config.wal_entries_max);
        let backlog = match self.config.ship {
            Ship::Every(interval) => Some((self.partitions.values().map(Partition::at_risk_bytes).sum(), interval)),
            Ship::WhenAsked => None,
        };
        Need::Share { urgency: bytes.max(entries), backlog }
    }

    fn next_ship(&self, now: Now, idle: Duration) -> Duration {
        let interval = match self.config.ship {
            Ship::Every(interval) => self.shipping.shipped_at + interval,
            Ship::WhenAsked => idle,
        };
        let doomed = self.shipping.doomed.front().map_or(idle, |(at, _)| *at);
        let sweep = self.shipping.sweep_at.unwrap_or(idle);
        let names = self.next_names().unwrap_or(idle);
        interval.min(doomed).min(sweep).min(names).clamp(now.monotonic + Duration::from_millis(10), idle)
    }

    /// A task came to its end.
    pub(crate) fn on_shipped(&mut self, done: ShipDone, now: Now) {
        self.shipping.failures = 0;
        self.shipping.store = StoreState::Reachable;
        match done {
            ShipDone::Claimed => {
                self.shipping.is_claimed = true;
                self.shipping.is_caught_up = self.incarnation <= Incarnation(1) || !self.rules.row_is_read_again;
                self.shipping.sweep_at = (self.incarnation > Incarnation(1)).then(|| now.monotonic + SWEEP_PAUSE);
            }
            ShipDone::CaughtUp { manifests, aside } => {
                self.shipping.is_caught_up = true;
                manifests.into_iter().for_each(|(id, manifest)| self.on_manifest(id, manifest));
                aside.into_iter().for_each(|(id, reason)| self.set_aside(id, &reason, now));
                self.follow_log_starts(now);
            }
            ShipDone::Named(mark) => self.on_named(mark, now),
            ShipDone::SetAside(id, reason) => self.set_aside(id, &reason, now),
            ShipDone::Unmergeable(id, reason) => {
                tracing::warn!(partition = %id, reason, "segments that were to be merged are left as they are");
                if let Some(partition) = self.partitions.get_mut(&id) {
                    partition.is_unmergeable = true;
                }
            }
            ShipDone::Manifests { manifests, unnamed, is_segment } => {
                self.counters.segments += u64::from(is_segment);
                if let Some(at) = self.shipping.reaches.take().filter(|_| is_segment) {
                    self.shipping.shipped_at = at;
                }
                if is_segment && self.counters.segments.is_multiple_of(SEGMENTS_BETWEEN) {
                    self.names.note_start();
                }
                for (id, manifest) in manifests {
                    self.on_manifest(id, manifest);
                }
                self.follow_log_starts(now);
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
        (partition.aside_until, partition.is_damaged) = (None, false);
        if manifest.is_none() {
            partition.object_bytes_saved = 0;
        }
        if manifest.as_ref().is_some_and(|manifest| manifest.log_start > partition.log_start_next) {
            self.shipping.ahead.push(id);
        }
        partition.manifest = manifest;
    }

    /// A manifest may know of a deletion that the volume does not: of a process that was this broker before.
    fn follow_log_starts(&mut self, now: Now) {
        for partition in std::mem::take(&mut self.shipping.ahead) {
            let Some(known) = self.partitions.get(&partition) else { continue };
            let before = known.manifest.as_ref().map_or(Offset::ZERO, |manifest| manifest.log_start).min(known.high_watermark);
            self.submit(Request::LogStart { partition, before, done: None }, now);
        }
    }

    fn set_aside(&mut self, id: TopicPartitionId, reason: &str, now: Now) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            if partition.aside_until.is_none() {
                tracing::error!(partition = %id, reason, "nothing of this partition is shipped until the store has it whole again");
            }
            (partition.aside_until, partition.is_damaged) = (Some(now.monotonic + ASIDE), true);
        }
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
    pub(crate) fn on_ship_failed(&mut self, error: &ShipError, now: Now) {
        let wait = match error {
            ShipError::DoesNotArbitrate(_) => REFUSED_RETRY,
            _ => RETRY.saturating_mul(1 << self.shipping.failures.min(10)).min(RETRY_MAX),
        };
        self.shipping.failures += 1;
        self.shipping.retry_at = now.monotonic + wait;
        if let Some(state) = error.state() {
            self.shipping.store = state;
        }
    }

    /// How often the store has failed in a row.
    pub(crate) fn ship_failures(&self) -> u32 {
        self.shipping.failures
    }

    /// Wants everything in the store that is durable.
    pub(crate) fn ship_all(&mut self) {
        self.shipping.is_all_wanted = true;
        self.names.is_wanted = true;
        self.shipping.retry_at = Duration::ZERO;
        for partition in self.partitions.values_mut().filter(|partition| partition.aside_until.is_some()) {
            partition.aside_until = Some(Duration::ZERO);
        }
    }

    /// Whether everything that was wanted in the store is there.
    pub(crate) fn is_all_shipped(&self) -> bool {
        self.partitions.values().all(|partition| partition.unshipped().next().is_none()) && self.are_names_put()
    }

    /// The same, but for partitions that are not shipped since what the store has of them is damaged.
    pub(crate) fn are_others_shipped(&self) -> bool {
        let others = || self.partitions.values().filter(|partition| partition.aside_until.is_none());
        others().all(|partition| partition.unshipped().next().is_none()) && self.are_names_put()
    }

    /// A partition that is not shipped since what the store has of it is damaged.
    pub(crate) fn first_aside(&self) -> Option<TopicPartitionId> {
        let is_aside = |partition: &Partition| partition.aside_until.is_some_and(|until| until > Duration::ZERO);
        self.partitions.iter().find(|(_, partition)| is_aside(partition)).map(|(id, _)| *id)
    }

    /// Small segments of a partition that are worth a larger one.
    fn poll_merge(&mut self, now: Now) -> Option<ShipTask> {
        if self.config.merge_bytes == 0 || now.monotonic < self.shipping.merge_at {
            return None;
        }
        let found = self.partitions.iter().filter(|(_, partition)| !partition.is_unmergeable).find_map(|(id, partition)| {
            let manifest = partition.manifest.as_ref()?;
            let run = merge::run(manifest, self.config.merge_bytes, self.config.merge_pieces_min)?;
            Some(ShipTask::Merge(*id, manifest.segments[run].to_vec()))
        });
        if found.is_none() {
            self.shipping.merge_at = now.monotonic + self.config.retention_interval;
        }
        found
    }

    /// Manifests that name what lies below a log start, and those that retention needs and nobody has read.
    fn poll_trim(&self) -> Option<ShipTask> {
        let is_whole = |(_, partition): &(&TopicPartitionId, &Partition)| partition.aside_until.is_none();
        self.partitions.iter().filter(is_whole).find_map(|(id, partition)| match &partition.manifest {
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
