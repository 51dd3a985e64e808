//! What is done at the store, and what it must hold.

use std::collections::BTreeSet;

use super::*;

/// Attempts of a put whose answers are all lost, after which nobody tries again.
const PUT_ATTEMPTS: usize = 4;

impl World {
    pub(super) fn ship(&mut self) -> Outcome {
        if self.random.chance(20) {
            self.live().engine.ship_all();
        }
        for _ in 0..=self.random.below(4) {
            if !self.ship_once()? {
                break;
            }
        }
        Ok(())
    }

    /// Does the next thing at the store; false where there is none.
    fn ship_once(&mut self) -> Result<bool, String> {
        let now = self.clock();
        let live = self.live();
        let Ok(task) = live.engine.poll_ship(now) else { return Ok(false) };
        let is_merge = matches!(task, crate::engine::ship::ShipTask::Merge(..));
        match live.shipper.perform(&task) {
            Ok(ShipDone::SetAside(id, reason) | ShipDone::Unmergeable(id, reason)) => return Err(format!("{id} is set aside: {reason}")),
            Ok(ShipDone::CaughtUp { aside, .. }) if !aside.is_empty() => return Err(format!("set aside: {aside:?}")),
            Ok(done) => {
                if let ShipDone::Manifests { manifests, .. } = &done {
                    self.seen.is_merged |= is_merge;
                    self.seen.is_chunked |= manifests.iter().flat_map(|(_, manifest)| manifest).any(|manifest| !manifest.chunks.is_empty());
                }
                self.live().engine.on_shipped(done, now);
            }
            Err(error) if error.is_fatal() => return Err(error.to_string()),
            Err(error @ (ShipError::Local(_) | ShipError::Damaged { .. } | ShipError::Corrupt(..))) => return Err(error.to_string()),
            Err(error) => live.engine.on_ship_failed(&error, now),
        }
        self.restart_if_failed()?;
        Ok(true)
    }

    /// The process ends while a manifest that it has put is on its way: it arrives later, in the life of the next.
    pub(super) fn leave_on_the_way(&mut self) {
        let (calls, skip) = (1 + self.random.below(150), self.random.below(3));
        for _ in 0..PUT_ATTEMPTS {
            let late = Fault::Late { calls: u32::try_from(calls).expect("few") };
            self.store.inject(Injection::next(Operation::Put, late).of("manifest").after(u32::try_from(skip).expect("few")));
        }
        let now = self.clock();
        let live = self.live();
        live.engine.ship_all();
        if let Ok(task) = live.engine.poll_ship(now) {
            drop(live.shipper.perform(&task));
        }
    }

    /// The manifests as the store has them, with what was put and not named.
    fn manifests(&mut self) -> Result<BTreeMap<TopicPartitionId, Manifest>, String> {
        self.store.plan(None);
        let keys = Keys::new("sim", BrokerId(1)).expect("a name");
        let read = || -> Result<BTreeMap<_, _>, ShipError> {
            let parts = shipper::pending_parts(&*self.store, &keys, Incarnation(u32::MAX), 1)?;
            let mut manifests = BTreeMap::new();
            for partition in (0..PARTITIONS).map(id) {
                let named = shipper::read_manifest(&*self.store, &keys, partition)?.map(|(manifest, _)| manifest);
                let owner = Owner { broker: BrokerId(1), incarnation: Incarnation(0) };
                manifests.extend(parts.over(partition, named, || Manifest::new(owner)).map(|manifest| (partition, manifest)));
            }
            Ok(manifests)
        };
        let manifests = read().map_err(|error| error.to_string());
        self.trouble();
        manifests
    }

    /// Every name reachable from a manifest exists, be it in the store or in the log's memory.
    pub(super) fn check_names(&mut self) -> Outcome {
        let keys = Keys::new("sim", BrokerId(1)).expect("a name");
        let there: BTreeSet<_> = self.store.keys().into_iter().collect();
        let mut manifests: Vec<_> = self.manifests()?.into_values().map(Arc::new).collect();
        manifests.extend(self.live().engine.partitions.values().filter_map(|partition| partition.manifest.clone()));
        for manifest in manifests {
            let chunks = manifest.chunks.iter().map(|chunk| chunk.object);
            let start = manifest.log_start;
            for object in manifest.segments.iter().filter(|segment| segment.end > start).map(|segment| segment.object).chain(chunks) {
                let key = keys.segment(object);
                if !there.contains(&key) {
                    return Err(format!("a manifest names {key}, which does not exist"));
                }
            }
        }
        Ok(())
    }

    /// With time and a store without faults, everything of use stays, and nothing else of earlier incarnations does.
    pub(super) fn clean_up(&mut self) -> Outcome {
        self.is_store_faulty = false;
        self.zombie = None;
        self.store.plan(None);
        let is_quiet = self.random.chance(50);
        if is_quiet {
            self.calm();
        }
        self.crash(false)?;
        // Longer than every grace and pause: two seconds of pace at most.
        let mut idle = 0;
        while idle < 150 {
            self.drain()?;
            self.now += Duration::from_millis(20);
            idle = if self.ship_once()? { 0 } else { idle + 1 };
            self.hear()?;
        }
        self.check_names()?;
        self.store.land_late();
        self.check_names()?;
        if is_quiet { self.check_garbage() } else { Ok(()) }
    }

    fn check_garbage(&mut self) -> Outcome {
        let keys = Keys::new("sim", BrokerId(1)).expect("a name");
        // As the store has them: what is pending may have passed what they still name.
        let named = |partition| shipper::read_manifest(&*self.store, &keys, id(partition)).map_err(|error| error.to_string());
        let stored = (0..PARTITIONS).map(named).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().map(|(manifest, _)| manifest);
        let manifests: Vec<_> = stored.chain(self.manifests()?.into_values()).collect();
        let segments = manifests.iter().flat_map(|manifest| &manifest.segments).map(|segment| segment.object);
        let named: BTreeSet<_> = segments.chain(manifests.iter().flat_map(|manifest| &manifest.chunks).map(|chunk| chunk.object)).collect();
        let ours = self.live().engine.incarnation;
        for listed in self.store.list(&keys.segments(), None, usize::MAX).map_err(|error| error.to_string())? {
            let object = keys.object(&listed.key).ok_or(format!("{} is no segment", listed.key))?;
            if object.incarnation < ours && listed.size > 0 && !named.contains(&object) {
                return Err(format!("nothing names {}, and it is not removed", listed.key));
            }
        }
        Ok(())
    }

    /// Whether the store holds all batches that lie in the group, which a checkpoint counts in.
    pub(super) fn is_in_store(&mut self, file: u32, range: std::ops::Range<u32>) -> Result<bool, String> {
        let held: BTreeMap<_, _> = self.manifest_ends()?;
        let live = self.live();
        let is_saved = Location { file, position: range.start } < live.engine.upkeep.saved;
        let is_inside = |entry: &&IndexEntry| entry.location.file == file && range.contains(&entry.location.position);
        let is_held = live.engine.partitions.iter().all(|(id, partition)| {
            let end = held.get(id).copied().unwrap_or(Offset::ZERO);
            partition.index.past(Offset::ZERO).filter(is_inside).all(|entry| entry.end() <= end)
        });
        Ok(is_saved && is_held)
    }

    fn manifest_ends(&mut self) -> Result<BTreeMap<TopicPartitionId, Offset>, String> {
        Ok(self.manifests()?.into_iter().map(|(id, manifest)| (id, manifest.end())).collect())
    }
}
