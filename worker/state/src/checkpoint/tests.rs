//! A pod's state through commits, checkpoints and restores, against a model of it.

use super::*;
use crate::{
    ALL_HASHES, Content, Delta, HashRange, Readback, Restored, StateReader, StateRecord, Step,
    testing::{Chance, Change, K, Model, OPERATOR, apply, as_model, delta, life, mark, position, schema, schemas, seeds},
};
use bytes::Bytes;
use store::{Injection, MemoryStore, ObjectStore, Operation, WriteIds};

const LAYOUT: &str = "0a1b2c3d-1-64";
const GRACE: Duration = Duration::from_secs(600);

/// A pod with one hash partition, its state partition, and what its state should be.
struct Pod {
    memory: Arc<MemoryStore>,
    store: Arc<dyn ObjectStore>,
    write_ids: WriteIds,
    checkpoints: Checkpoints,
    limits: SealLimits,
    log: Vec<Bytes>,
    life: i64,
    number: u64,
    horizon_ms: i64,
    model: Model,
}

fn small() -> SealLimits {
    SealLimits { object_bytes: 4000, block_bytes: 500, read_bytes: 1500 }
}

fn names() -> StateNames {
    StateNames::new("ns", "delays", LAYOUT).unwrap()
}

impl Pod {
    fn new(limits: SealLimits) -> Self {
        let memory = Arc::new(MemoryStore::new());
        let checkpoints = Checkpoints::new(names(), life(0), schemas(), limits.clone(), GRACE);
        let mut pod = Self {
            store: memory.clone(),
            memory,
            write_ids: WriteIds::of(1),
            checkpoints,
            limits,
            log: Vec::new(),
            life: 0,
            number: 0,
            horizon_ms: 0,
            model: Model::new(),
        };
        pod.restart();
        pod
    }

    fn append(&mut self, content: Content) -> Offset {
        let record = StateRecord { layout: LAYOUT.into(), hash: K, commit: mark(self.life, self.number), content };
        self.log.push(record.encode());
        Offset(self.log.len() as i64 - 1)
    }

    /// Commits these changes.
    fn commit(&mut self, changes: &[Change]) {
        self.number += 1;
        let change = Delta { positions: vec![position(self.number as i64)], operators: vec![delta(changes, self.horizon_ms)] };
        for encoded in change.encode(2000) {
            self.append(Content::Delta(encoded));
        }
        self.checkpoints.committed(K, mark(self.life, self.number), &change.positions, change.operators);
        apply(&mut self.model, changes, self.horizon_ms);
    }

    fn due(&self) -> [CheckpointDue; 1] {
        [CheckpointDue { hash: K, floor: Offset(self.log.len() as i64) }]
    }

    /// Seals, and tells the outcome.
    fn seal(&mut self, merge: bool) -> Result<(), SealError> {
        let Some(job) = self.checkpoints.seal(&self.due(), merge) else { return Ok(()) };
        let sealed = job.run(&self.store, &self.write_ids);
        match sealed {
            Ok(sealed) => {
                self.checkpoints.sealed(Ok(sealed));
                Ok(())
            }
            Err(error) => {
                self.checkpoints.sealed(Err(&error));
                Err(error)
            }
        }
    }

    /// Commits the manifest that waits.
    fn commit_manifest(&mut self, now: Instant) {
        if let Some(record) = self.checkpoints.manifest_record(K) {
            self.number += 1;
            self.append(Content::Manifest(record));
            self.checkpoints.manifest_committed(K, now);
        }
    }

    /// Claims, and reads back up to that.
    fn claim(&mut self) -> Restored {
        self.number += 1;
        self.append(Content::Claim);
        let mut readback = Readback::new(LAYOUT, K, mark(self.life, self.number));
        let mut records = self.log.iter().zip(0..).map(|(record, offset)| (Offset(offset), record.clone()));
        let is_own = |(offset, record): &(Offset, Bytes)| readback.push(*offset, record.clone()).unwrap() == Step::Complete;
        let (offset, _) = records.find(is_own).expect("the own claim is in the log");
        readback.complete(offset)
    }

    fn read_back(&mut self) -> RestoredState {
        let readback = self.claim();
        RestoredState::load(&*self.store, readback, &schemas()).unwrap()
    }

    /// Dies, comes back, claims and restores.
    fn restart(&mut self) {
        self.life += 1;
        let restored = self.read_back();
        self.checkpoints = Checkpoints::new(names(), life(self.life), schemas(), self.limits.clone(), GRACE);
        self.checkpoints.adopt(restored);
    }

    fn restored(&mut self, range: &HashRange) -> Model {
        let mut state = self.read_back();
        let reader = StateReader::new(self.store.clone());
        as_model(state.rows(&reader, &schema(), range))
    }

    fn expected(&self, range: &HashRange) -> Model {
        self.model.iter().filter(|((hash, ..), _)| range.contains(hash)).map(|(key, count)| (key.clone(), *count)).collect()
    }

    fn assert_restores(&mut self) {
        let (low, high) = (u64::MAX / 13 * 4, u64::MAX / 13 * 9);
        for range in [ALL_HASHES, 0..=low, low..=high, high..=u64::MAX, 5..=5] {
            assert_eq!(self.restored(&range), self.expected(&range), "hashes {range:?}");
        }
    }
}

fn change(slice_end: i64, name: &str, count: i64) -> Change {
    (slice_end, name.into(), Some(count))
}

#[test]
fn state_is_what_commits_made_it_through_checkpoints_and_restarts() {
    for seed in 0..seeds(60) {
        let mut chance = Chance(seed);
        let mut pod = Pod::new(if chance.one_in(2) { small() } else { SealLimits::default() });
        let now = Instant::now();
        for _ in 0..60 {
            match chance.below(20) {
                0..10 => {
                    let count = 1 + chance.below(40);
                    let changes = chance.changes(count, pod.horizon_ms);
                    pod.commit(&changes);
                }
                10..12 => pod.horizon_ms += 10,
                12..15 => pod.seal(chance.one_in(2)).unwrap_or_else(|error| panic!("seed {seed}: {error}")),
                15..18 => pod.commit_manifest(now),
                18 => pod.restart(),
                _ => pod.assert_restores(),
            }
        }
        pod.assert_restores();
    }
}

#[test]
fn a_checkpoint_is_due_by_bytes_alone() {
    const MIB: u64 = 1 << 20;
    assert!(!checkpoint_is_due(64 * MIB - 1, 0));
    assert!(checkpoint_is_due(64 * MIB, 0));
    assert!(!checkpoint_is_due(64 * MIB, 1024 * MIB));
    assert!(checkpoint_is_due(256 * MIB, 1024 * MIB));
}

#[test]
fn large_state_is_cut_into_objects_and_parts_and_read_by_range() {
    let mut pod = Pod::new(small());
    let changes: Vec<Change> = (0..2000).map(|row| change(row % 7 * 10, &format!("name {row}"), row)).collect();
    pod.commit(&changes);
    pod.seal(true).unwrap();
    pod.commit_manifest(Instant::now());
    let manifest = pod.checkpoints.hashes[&K].current.clone().unwrap();
    assert!(manifest.objects.len() > 5, "{} objects", manifest.objects.len());
    assert_eq!((manifest.operators[0].runs.len(), manifest.rows()), (1, 2000));
    pod.assert_restores();

    let before = pod.memory.requests();
    let hash = u64::MAX / 13 * 3;
    assert!(!pod.restored(&(hash..=hash)).is_empty());
    let read = pod.memory.requests().bytes_got - before.bytes_got;
    assert!(read < manifest.bytes() / 3, "{read} of {} bytes were read for a thirteenth of the state", manifest.bytes());
}

#[test]
fn what_a_failed_checkpoint_held_is_in_the_next_one() {
    let mut pod = Pod::new(small());
    pod.commit(&[change(10, "a", 1), change(10, "b", 1)]);
    pod.memory.plan(Some(store::Plan { unavailable: 1000, ..Default::default() }));
    let job = pod.checkpoints.seal(&pod.due(), true).unwrap();
    let error = job.run(&pod.store, &pod.write_ids).unwrap_err();
    pod.memory.calm();
    // Commits went on while the job was at work.
    pod.commit(&[change(10, "b", 2), change(10, "c", 2)]);
    pod.checkpoints.sealed(Err(&error));
    assert!(pod.checkpoints.manifest_record(K).is_none());
    pod.seal(true).unwrap();
    pod.commit_manifest(Instant::now());
    assert_eq!(pod.read_back().manifest.unwrap().rows(), 3);
    pod.assert_restores();
}

#[test]
fn commits_made_while_a_checkpoint_is_sealed_are_not_lost() {
    let mut pod = Pod::new(small());
    pod.commit(&[change(10, "a", 1)]);
    let job = pod.checkpoints.seal(&pod.due(), true).unwrap();
    assert!(pod.checkpoints.seal(&pod.due(), true).is_none(), "one at a time");
    pod.commit(&[change(10, "a", 2), change(10, "b", 2)]);
    pod.checkpoints.sealed(Ok(job.run(&pod.store, &pod.write_ids).unwrap()));
    pod.commit_manifest(Instant::now());
    pod.assert_restores();
    assert_eq!(pod.read_back().manifest.unwrap().rows(), 1, "the manifest holds what was there when it was begun");
    pod.seal(true).unwrap();
    pod.commit_manifest(Instant::now());
    pod.assert_restores();
}

#[test]
fn a_job_of_an_earlier_claim_does_not_count() {
    let mut pod = Pod::new(small());
    pod.commit(&[change(10, "a", 1)]);
    let job = pod.checkpoints.seal(&pod.due(), true).unwrap();
    let sealed = job.run(&pod.store, &pod.write_ids).unwrap();
    // Lost and claimed again, by the same life.
    pod.checkpoints.release(K);
    let restored = pod.read_back();
    pod.checkpoints.adopt(restored);
    pod.checkpoints.sealed(Ok(sealed));
    assert!(pod.checkpoints.manifest_record(K).is_none());
    pod.seal(true).unwrap();
    assert!(pod.checkpoints.manifest_record(K).is_some());
}

#[test]
fn dead_runs_are_dropped_without_being_read() {
    let mut pod = Pod::new(SealLimits::default());
    let old: Vec<Change> = (0..500).map(|row| change(10, &format!("old {row}"), row)).collect();
    pod.commit(&old);
    pod.seal(false).unwrap();
    pod.commit_manifest(Instant::now());
    pod.horizon_ms = 20;
    pod.commit(&[change(30, "new", 1)]);
    let before = pod.memory.requests();
    pod.seal(true).unwrap();
    assert_eq!(pod.memory.requests().gets, before.gets, "nothing was read");
    pod.commit_manifest(Instant::now());
    assert_eq!(pod.read_back().manifest.unwrap().rows(), 1);
    pod.assert_restores();
}

#[test]
fn deletions_vanish_with_what_they_hide() {
    let mut pod = Pod::new(SealLimits::default());
    for round in 0..4 {
        let name = format!("key {round}");
        pod.commit(&[change(10, &name, round)]);
        if round > 0 {
            pod.commit(&[(10, format!("key {}", round - 1), None)]);
        }
        pod.seal(true).unwrap();
        pod.commit_manifest(Instant::now());
    }
    let manifest = pod.read_back().manifest.unwrap();
    assert_eq!(manifest.operators[0].runs.len(), 1, "four runs were merged");
    assert_eq!(manifest.rows(), 1, "three keys and their deletions are gone");
    pod.assert_restores();
}

#[test]
fn an_object_that_is_mostly_dead_is_given_up_by_the_last_that_needs_it() {
    let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
    let (ids, limits) = (WriteIds::of(1), SealLimits { block_bytes: 2000, ..SealLimits::default() });
    let mut pod = Checkpoints::new(names(), life(1), schemas(), limits, GRACE);
    let (large, small) = (HashPartition(1), HashPartition(2));
    for hash in [large, small] {
        let readback = Restored { hash, claim: Claim(Offset(0)), manifest: None, deltas: [].into(), positions: Vec::new(), last: None };
        pod.adopt(RestoredState { readback, manifest: None, folds: BTreeMap::new() });
    }
    let many = |round| (0..1000).map(|row| change(90, &format!("key {row}"), round)).collect::<Vec<_>>();
    let mut checkpoint = |number: u64, due: &[HashPartition]| {
        for hash in due {
            let changes = if *hash == large { many(number as i64) } else { vec![change(90, "few", number as i64)] };
            pod.committed(*hash, mark(1, number), &[], vec![delta(&changes, 0)]);
        }
        let due: Vec<CheckpointDue> = due.iter().map(|hash| CheckpointDue { hash: *hash, floor: Offset(0) }).collect();
        let sealed = pod.seal(&due, true).unwrap().run(&store, &ids).unwrap();
        pod.sealed(Ok(sealed));
        due.iter().for_each(|due| pod.manifest_committed(due.hash, Instant::now()));
        pod.hashes[&small].names()
    };
    let first = checkpoint(1, &[large, small]);
    for number in 2..=4 {
        checkpoint(number, &[large]);
    }
    assert_eq!(checkpoint(5, &[large]), first, "who is not due keeps what it has");
    assert!(checkpoint(6, &[small]).is_disjoint(&first), "a few bytes do not keep a large object");
}

#[test]
fn a_name_that_is_taken_is_passed_over() {
    let mut pod = Pod::new(SealLimits::default());
    let taken = names().object(life(pod.life), 0);
    pod.store.put_if_absent(&taken, store::Body::empty(), WriteIds::of(99).next()).unwrap();
    pod.commit(&[change(10, "a", 1)]);
    pod.seal(true).unwrap();
    pod.commit_manifest(Instant::now());
    assert_eq!(pod.checkpoints.hashes[&K].current_at.clone().unwrap().object, names().object(life(pod.life), 1));
    pod.assert_restores();
}

#[test]
fn lost_answers_do_not_make_a_checkpoint_fail() {
    for fault in [store::Fault::AnswerLost, store::Fault::RequestLost, store::Fault::Late { calls: 1 }] {
        let mut pod = Pod::new(SealLimits::default());
        pod.commit(&[change(10, "a", 1)]);
        pod.memory.inject(Injection::next(Operation::Put, fault));
        pod.seal(true).unwrap();
        pod.commit_manifest(Instant::now());
        pod.assert_restores();
    }
}

#[test]
fn damage_is_named_when_it_is_read() {
    let mut pod = Pod::new(SealLimits::default());
    pod.commit(&[change(10, "a", 1), change(20, "b", 2)]);
    pod.seal(true).unwrap();
    pod.commit_manifest(Instant::now());
    pod.restart();
    let object = pod.memory.keys()[0].clone();
    let size = pod.store.head(&object).unwrap().unwrap().size;
    let readback = pod.claim();
    let mut seen = 0;
    for bit in 64..size * 8 {
        pod.memory.flip_bit(&object, bit);
        let rows = RestoredState::load(&*pod.store, readback.clone(), &schemas())
            .and_then(|mut state| state.rows(&StateReader::new(pod.store.clone()), &schema(), &ALL_HASHES).collect::<Result<Vec<_>, _>>());
        match rows {
            Err(error) => {
                assert!(matches!(&error, crate::ReadError::Damaged { place, .. } if place.contains("pod/")), "bit {bit}: {error}");
                seen += 1;
            }
            // The footer is for collectors; three bytes of a block say nothing.
            Ok(rows) => assert_eq!(as_model(rows.into_iter().map(Ok::<_, ()>)), pod.model, "bit {bit}"),
        }
        pod.memory.flip_bit(&object, bit);
    }
    assert!(seen > size * 6, "{seen} of {} flipped bits were seen", size * 8);
}

#[test]
fn state_of_an_operator_that_the_plan_does_not_know_is_carried_on() {
    let mut pod = Pod::new(SealLimits::default());
    pod.commit(&[change(10, "a", 1)]);
    pod.seal(true).unwrap();
    pod.commit_manifest(Instant::now());
    let restored = pod.read_back();
    assert_eq!(restored.unknown_operators(&BTreeMap::new()), [OPERATOR].into());

    let mut without = Checkpoints::new(names(), life(77), Arc::default(), SealLimits::default(), GRACE);
    without.adopt(restored);
    without.committed(K, mark(77, pod.number + 1), &[position(9)], Vec::new());
    let sealed = without.seal(&pod.due(), true).unwrap().run(&pod.store, &pod.write_ids).unwrap();
    assert_eq!(sealed.manifests[0].1.rows(), 1);
}
