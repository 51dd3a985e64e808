//! Pods, state partitions, a store and somebody who takes snapshots; and chance, which decides what happens next.

use super::{
    Switches,
    pod::{GRACE, Pod, Sealing},
};
use crate::{
    ALL_HASHES, CheckpointDue, CommitMark, Content, Delta, HashPartition, Manifest, ManifestRef, Readback, RestoredState, StateNames,
    StateReader, StateRecord, Step,
    pin::PinJob,
    testing::{Chance, Model, apply, as_model, delta, position, schema, schemas},
    unpin,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};
use store::{Key, MemoryStore, ObjectStore, Plan, WriteId};
use units::Offset;

const LAYOUT: &str = "0a1b2c3d-1-64";
const PARTITIONS: u32 = 3;
const PODS: usize = 3;

pub(super) struct World {
    chance: Chance,
    switches: Switches,
    memory: Arc<MemoryStore>,
    store: Arc<dyn ObjectStore>,
    names: StateNames,
    now: Instant,
    partitions: BTreeMap<HashPartition, Partition>,
    pods: Vec<Pod>,
    lives: i64,
    snapshot: Option<Snapshot>,
    steps: u64,
    /// Pins that stand, and what they promise.
    pins: BTreeMap<String, BTreeSet<Key>>,
    pins_made: u64,
}

/// A state partition, and what is true of it.
#[derive(Default)]
struct Partition {
    log: VecDeque<Bytes>,
    log_start: i64,
    owner: Option<usize>,
    model: Model,
    horizon_ms: i64,
    manifest: Option<(ManifestRef, Manifest)>,
}

/// A snapshot being taken.
struct Snapshot {
    sleeps_until: u64,
    name: String,
    objects: BTreeSet<Key>,
    job: PinJob,
}

impl World {
    pub(super) fn new(seed: u64, switches: Switches) -> Self {
        let memory = Arc::new(MemoryStore::new());
        let names = StateNames::new("ns", "sim", LAYOUT).expect("names");
        let mut world = Self {
            chance: Chance(seed),
            switches,
            store: memory.clone(),
            memory,
            partitions: (0..PARTITIONS).map(|k| (HashPartition(k), Partition::default())).collect(),
            pods: Vec::new(),
            lives: 0,
            names,
            now: Instant::now(),
            snapshot: None,
            steps: 0,
            pins: BTreeMap::new(),
            pins_made: 0,
        };
        for _ in 0..PODS {
            let pod = world.new_pod();
            world.pods.push(pod);
        }
        world.foul_weather();
        world
    }

    fn new_pod(&mut self) -> Pod {
        self.lives += 1;
        Pod::new(self.lives, &self.names, self.switches)
    }

    fn foul_weather(&mut self) {
        let rate = *self.chance.pick(&[0, 0, 10, 40]);
        self.memory.plan(Some(Plan {
            seed: self.chance.below(u64::MAX),
            answer_lost: rate,
            request_lost: rate,
            late: rate,
            unavailable: rate,
        }));
    }

    /// One thing happens; then everything that is needed must be there.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        let pod = self.somebody();
        match self.chance.below(100) {
            0..20 => self.commit(pod)?,
            20..28 => self.ask_for_checkpoint(pod),
            28..42 => self.go_on_sealing(pod),
            42..44 if self.chance.one_in(2) || self.partitions.values().any(|partition| partition.owner.is_none()) => {
                self.take_over(pod)?
            }
            44..45 if self.chance.one_in(4) => self.kill(pod),
            45..70 => self.go_on_collecting(pod),
            70..80 => self.now += GRACE / 4 * self.chance.below(6) as u32,
            80..90 => self.go_on_with_snapshot(),
            90..96 => self.drop_a_pin(),
            96..97 => self.memory.land_late(),
            97..98 => self.foul_weather(),
            98..99 => self.audit()?,
            _ => {}
        }
        self.check_names()
    }

    /// A pod: mostly one that owns something, and sometimes one that only thinks so.
    fn somebody(&mut self) -> usize {
        let hash = HashPartition(self.chance.below(PARTITIONS.into()) as u32);
        let owner = self.partitions[&hash].owner.filter(|_| !self.chance.one_in(4));
        owner.unwrap_or_else(|| self.chance.below(PODS as u64) as usize)
    }

    /// The pod commits changes, and manifests that wait. The log refuses it where another has claimed meanwhile; then it learns
    /// that it is fenced.
    fn commit(&mut self, pod: usize) -> Result<(), String> {
        let owns: Vec<HashPartition> = self.pods[pod].owns.iter().copied().filter(|_| !self.chance.one_in(3)).collect();
        if owns.is_empty() {
            return Ok(());
        }
        let records: BTreeMap<_, _> =
            owns.iter().filter_map(|hash| Some((*hash, self.pods[pod].checkpoints.manifest_record(*hash)?))).collect();
        if !self.switches.after_commit {
            records.keys().for_each(|hash| self.pods[pod].checkpoints.manifest_committed(*hash, self.now));
            if self.chance.one_in(2) {
                return Ok(()); // it has not sent it yet, after all
            }
        }
        if owns.iter().any(|hash| self.partitions[hash].owner != Some(pod)) {
            self.pods[pod].drop_everything();
            self.disown(pod);
            return Ok(());
        }
        self.pods[pod].number += 1;
        let mark = self.mark(pod);
        for hash in owns {
            let partition = self.partitions.get_mut(&hash).expect("there are so many");
            if self.chance.one_in(8) {
                partition.horizon_ms += 10;
            }
            let count = self.chance.below(6);
            let changes = self.chance.changes(count, partition.horizon_ms);
            apply(&mut partition.model, &changes, partition.horizon_ms);
            let change = Delta { positions: vec![position(mark.number as i64)], operators: vec![delta(&changes, partition.horizon_ms)] };
            for encoded in change.encode(1500) {
                partition.append(hash, mark, Content::Delta(encoded));
            }
            if let Some(record) = records.get(&hash) {
                partition.append(hash, mark, Content::Manifest(record.clone()));
                let manifest = self.fair(|world| Manifest::load(&*world.store, &record.manifest));
                let manifest = manifest.map_err(|error| format!("a manifest that was sealed cannot be read: {error:?}"))?;
                let partition = self.partitions.get_mut(&hash).expect("there are so many");
                partition.manifest = Some((record.manifest.clone(), manifest));
                if self.chance.one_in(2) {
                    partition.trim(record.floor);
                }
                self.pods[pod].checkpoints.manifest_committed(hash, self.now);
            }
            self.pods[pod].checkpoints.committed(hash, mark, &change.positions, change.operators);
        }
        Ok(())
    }

    fn mark(&self, pod: usize) -> CommitMark {
        CommitMark { life: self.pods[pod].life, number: self.pods[pod].number }
    }

    fn ask_for_checkpoint(&mut self, pod: usize) {
        if self.pods[pod].sealing.is_some() {
            return;
        }
        let due = |hash: &HashPartition| CheckpointDue { hash: *hash, floor: self.partitions[hash].log_end() };
        let due: Vec<CheckpointDue> = self.pods[pod].owns.iter().map(due).filter(|_| !self.chance.one_in(4)).collect();
        let merge = !self.chance.one_in(4);
        self.pods[pod].sealing = self.pods[pod].checkpoints.seal(&due, merge).map(Sealing::Asked);
    }

    fn go_on_sealing(&mut self, pod: usize) {
        let pod = &mut self.pods[pod];
        pod.sealing = match pod.sealing.take() {
            Some(Sealing::Asked(job)) => Some(Sealing::Ended(job.run(&self.store, &pod.write_ids))),
            Some(Sealing::Ended(Ok(sealed))) => {
                pod.checkpoints.sealed(Ok(sealed));
                None
            }
            Some(Sealing::Ended(Err(error))) => {
                pod.checkpoints.sealed(Err(&error));
                None
            }
            None => None,
        };
    }

    /// The pod claims some hash partitions and restores them; whoever had them is not told.
    fn take_over(&mut self, pod: usize) -> Result<(), String> {
        let takes_all = self.chance.one_in(2);
        let wanted: Vec<HashPartition> = self
            .partitions
            .keys()
            .copied()
            .filter(|hash| takes_all || self.partitions[hash].owner.is_none() || self.chance.one_in(2))
            .collect();
        let numbers = self.pods.iter().map(|pod| pod.number).max();
        self.pods[pod].number = numbers.unwrap_or(0) + 1;
        for hash in wanted {
            let restored = self.claim(pod, hash)?;
            self.pods[pod].checkpoints.release(hash);
            self.pods[pod].checkpoints.adopt(restored);
            self.pods[pod].owns.insert(hash);
        }
        Ok(())
    }

    fn claim(&mut self, pod: usize, hash: HashPartition) -> Result<RestoredState, String> {
        let mark = self.mark(pod);
        let partition = self.partitions.get_mut(&hash).expect("there are so many");
        partition.owner = Some(pod);
        partition.append(hash, mark, Content::Claim);
        self.restore(hash, mark)
    }

    /// Restores a hash partition up to a claim, and holds it against what was committed.
    fn restore(&mut self, hash: HashPartition, own: CommitMark) -> Result<RestoredState, String> {
        let partition = &self.partitions[&hash];
        let mut readback = Readback::new(LAYOUT, hash, own);
        let mut end = None;
        for (record, offset) in partition.log.iter().zip(partition.log_start..) {
            if readback.push(Offset(offset), record.clone()).map_err(|error| error.to_string())? == Step::Complete {
                end = Some(Offset(offset));
                break;
            }
        }
        let readback = readback.complete(end.ok_or("the own claim is not in the log")?);
        self.fair(|world| {
            let failed = |error: crate::ReadError| format!("hash partition {hash} cannot be restored: {error:?}");
            let mut state = RestoredState::load(&*world.store, readback, &schemas()).map_err(failed)?;
            let rows: Result<Vec<_>, _> = state.rows(&StateReader::new(world.store.clone()), &schema(), &ALL_HASHES).collect();
            let restored = as_model(rows.map_err(failed)?.into_iter().map(Ok::<_, ()>));
            if restored != world.partitions[&hash].model {
                return Err(format!("hash partition {hash} restores to {restored:?} instead of {:?}", world.partitions[&hash].model));
            }
            Ok(state)
        })
    }

    /// Does something while the store has no faults; what is on its way stays there.
    fn fair<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        self.memory.plan(None);
        let done = act(self);
        self.foul_weather();
        done
    }

    fn disown(&mut self, pod: usize) {
        for partition in self.partitions.values_mut().filter(|partition| partition.owner == Some(pod)) {
            partition.owner = None;
        }
    }

    fn kill(&mut self, pod: usize) {
        self.disown(pod);
        let number = self.pods[pod].number;
        self.pods[pod] = self.new_pod();
        self.pods[pod].number = number;
    }

    /// Until which step somebody sleeps: often not at all, sometimes for long.
    fn sleep(&mut self) -> u64 {
        self.steps + if self.chance.one_in(4) { self.chance.below(150) } else { 0 }
    }

    fn go_on_collecting(&mut self, pod: usize) {
        let sleeps_until = self.sleep();
        let (now, steps, pod) = (self.now, self.steps, &mut self.pods[pod]);
        if pod.sleeps_until > steps {
            return;
        }
        pod.sleeps_until = sleeps_until;
        for _ in 0..=self.chance.below(6) {
            let Some(mut job) = pod.collecting.take().or_else(|| pod.checkpoints.collect(now)) else { return };
            if job.step(&*self.store) {
                pod.checkpoints.collected(job.finished(), now);
            } else {
                pod.collecting = Some(job);
            }
        }
    }

    fn go_on_with_snapshot(&mut self) {
        let Some(mut snapshot) = self.snapshot.take() else {
            self.snapshot = if self.chance.one_in(2) { self.new_snapshot() } else { None };
            return;
        };
        if snapshot.sleeps_until <= self.steps {
            snapshot.sleeps_until = self.sleep();
            for _ in 0..=self.chance.below(10) {
                match snapshot.job.step(&*self.store) {
                    Ok(true) => {
                        self.pins.insert(snapshot.name, snapshot.objects);
                        return;
                    }
                    Ok(false) => {}
                    Err(_) => return, // it does not stand, and nothing may be relied on
                }
            }
        }
        self.snapshot = Some(snapshot);
    }

    fn new_snapshot(&mut self) -> Option<Snapshot> {
        let manifests: Vec<&(ManifestRef, Manifest)> =
            self.partitions.values().filter_map(|partition| partition.manifest.as_ref()).collect();
        self.pins_made += 1;
        let name = format!("snapshot-{}", self.pins_made);
        let objects = manifests.iter().flat_map(|(at, manifest)| names(at, manifest)).collect();
        let id = WriteId(u128::from(self.pins_made) << 64);
        let job = PinJob::new(&self.names, &name, id, manifests.into_iter().map(|(at, manifest)| (at, manifest))).ok()?;
        Some(Snapshot { sleeps_until: self.sleep(), name, objects, job })
    }

    fn drop_a_pin(&mut self) {
        let Some(name) = self.pins.keys().next().cloned() else { return };
        self.pins.remove(&name);
        let _ = unpin(&*self.store, &self.names, &name); // a pin that stays keeps too much, and is dropped in the end
    }

    /// Everything that a committed manifest or a pin names exists.
    fn check_names(&self) -> Result<(), String> {
        let existing: BTreeSet<Key> = self.memory.keys().into_iter().collect();
        for (hash, partition) in &self.partitions {
            let named: BTreeSet<Key> = partition.manifest.iter().flat_map(|(at, manifest)| names(at, manifest)).collect();
            if let Some(missing) = named.difference(&existing).next() {
                return Err(format!("{missing} is gone, which the manifest of hash partition {hash} names"));
            }
        }
        for (pin, named) in &self.pins {
            if let Some(missing) = named.difference(&existing).next() {
                return Err(format!("{missing} is gone, which {pin} holds"));
            }
        }
        Ok(())
    }

    /// A reader who claims nothing finds the committed state.
    fn audit(&mut self) -> Result<(), String> {
        let reader = CommitMark { life: crate::testing::life(i64::MAX), number: u64::MAX };
        for hash in self.partitions.keys().copied().collect::<Vec<_>>() {
            self.partitions.get_mut(&hash).expect("there are so many").append(hash, reader, Content::Claim);
            let restored = self.restore(hash, reader);
            self.partitions.get_mut(&hash).expect("there are so many").log.pop_back();
            restored?;
        }
        Ok(())
    }

    /// Faults end, one new pod takes everything over and collects; then only what is named is left.
    pub(super) fn calm_down(&mut self) -> Result<(), String> {
        self.memory.calm();
        self.snapshot = None;
        for pin in 1..=self.pins_made {
            unpin(&*self.store, &self.names, &format!("snapshot-{pin}")).map_err(|error| error.to_string())?;
        }
        self.pins.clear();
        let numbers = self.pods.iter().map(|pod| pod.number).max();
        let mut last = self.new_pod();
        last.number = numbers.unwrap_or(0) + 1;
        self.pods = vec![last];
        for hash in self.partitions.keys().copied().collect::<Vec<_>>() {
            let restored = self.claim(0, hash)?;
            self.pods[0].checkpoints.adopt(restored);
            self.pods[0].owns.insert(hash);
        }
        self.memory.calm();
        for _ in 0..4 {
            while let Some(job) = self.pods[0].checkpoints.collect(self.now) {
                let collected = job.run(&*self.store);
                if let Some(error) = &collected.error {
                    return Err(format!("collecting fails without faults: {error:?}"));
                }
                self.pods[0].checkpoints.collected(collected, self.now);
            }
            self.now += GRACE;
        }
        self.check_names()?;
        let named = |partition: &Partition| partition.manifest.iter().flat_map(|(at, manifest)| names(at, manifest)).collect::<Vec<_>>();
        let named: BTreeSet<Key> = self.partitions.values().flat_map(named).collect();
        match self.memory.keys().into_iter().find(|key| !named.contains(key)) {
            Some(left) => Err(format!("{left} is left over")),
            None => Ok(()),
        }
    }
}

impl Partition {
    fn log_end(&self) -> Offset {
        Offset(self.log_start + self.log.len() as i64)
    }

    /// Deletes the records below `floor`.
    fn trim(&mut self, floor: Offset) {
        while self.log_start < floor.0 && self.log.pop_front().is_some() {
            self.log_start += 1;
        }
    }

    fn append(&mut self, hash: HashPartition, commit: CommitMark, content: Content) {
        self.log.push_back(StateRecord { layout: LAYOUT.into(), hash, commit, content }.encode());
    }
}

fn names(at: &ManifestRef, manifest: &Manifest) -> Vec<Key> {
    std::iter::once(&at.object).chain(manifest.objects()).cloned().collect()
}
