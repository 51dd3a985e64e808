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
        match live.shipper.perform(&task) {
            Ok(done) => live.engine.on_shipped(done, now),
            Err(error) if error.is_fatal() => return Err(error.to_string()),
            Err(error @ (ShipError::Local(_) | ShipError::Damaged { .. } | ShipError::Corrupt(..))) => return Err(error.to_string()),
            Err(_) => live.engine.on_ship_failed(now),
        }
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

    /// The manifests as the store has them.
    fn manifests(&mut self) -> Result<Vec<Manifest>, String> {
        self.store.plan(None);
        let keys = Keys::new("sim", BrokerId(1)).expect("a name");
        let read = |partition| shipper::read_manifest(&*self.store, &keys, id(partition)).map_err(|error| error.to_string());
        let manifests = (0..PARTITIONS).map(read).collect::<Result<Vec<_>, _>>();
        self.trouble();
        Ok(manifests?.into_iter().flatten().map(|(manifest, _)| manifest).collect())
    }

    /// Every name reachable from a manifest exists.
    pub(super) fn check_names(&mut self) -> Outcome {
        let keys = Keys::new("sim", BrokerId(1)).expect("a name");
        let there: BTreeSet<_> = self.store.keys().into_iter().collect();
        for segment in self.manifests()?.iter().flat_map(|manifest| &manifest.segments) {
            let key = keys.segment(segment.object);
            if !there.contains(&key) {
                return Err(format!("a manifest names {key}, which does not exist"));
            }
        }
        Ok(())
    }

    /// With time and a store without faults, everything of use stays, and nothing else of earlier incarnations does.
    pub(super) fn clean_up(&mut self) -> Outcome {
        self.is_store_faulty = false;
        self.store.plan(None);
        let is_quiet = self.random.chance(50);
        if is_quiet {
            self.calm();
        }
        self.crash(false)?;
        // Long enough for every grace and pause.
        let mut idle = 0;
        while idle < 40 {
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
        let named: BTreeSet<_> = self.manifests()?.iter().flat_map(|manifest| &manifest.segments).map(|segment| segment.object).collect();
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
        self.store.plan(None);
        let keys = Keys::new("sim", BrokerId(1)).expect("a name");
        let mut ends = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let read = shipper::read_manifest(&*self.store, &keys, id(partition)).map_err(|error| error.to_string())?;
            ends.extend(read.map(|(manifest, _)| (id(partition), manifest.end())));
        }
        self.trouble();
        Ok(ends)
    }
}
