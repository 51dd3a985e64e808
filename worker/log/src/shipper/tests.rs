//! Claims, fences, segments and clean-up against a store that fails on demand.

use bytes::Bytes;
use store::{Fault, Injection, MemoryStore, Operation};
use units::{BrokerId, Incarnation, PartitionId, TimestampMs, TopicId};

use super::*;
use crate::{
    partition::index::{IndexEntry, Location},
    spans::FileMap,
};

fn id(partition: i32) -> TopicPartitionId {
    TopicPartitionId { topic: TopicId([2; 16]), partition: PartitionId(partition) }
}

fn keys() -> Keys {
    Keys::new("test", BrokerId(1)).unwrap()
}

fn object(incarnation: u32, seq: u64) -> ObjectId {
    ObjectId { broker: BrokerId(1), incarnation: Incarnation(incarnation), seq }
}

/// A shipper of `incarnation`; each giver is another process.
fn shipper<S: ObjectStore>(store: &Arc<S>, incarnation: u32, giver: u64) -> Shipper {
    let owner = Owner { broker: BrokerId(1), incarnation: Incarnation(incarnation) };
    Shipper::new(store.clone(), keys(), owner, WriteIds::of(giver), Rules::default())
}

fn claimed<S: ObjectStore>(store: &Arc<S>, incarnation: u32) -> Shipper {
    let mut shipper = shipper(store, incarnation, incarnation.into());
    shipper.perform(&ShipTask::Claim).unwrap();
    shipper
}

/// One record at `base` of each partition in `partitions`.
fn plan(partitions: &[i32], base: i64) -> ShipTask {
    let section = |partition: &i32| {
        let mut batch = crate::batch::tests::produced(1, b"value", 1, None).to_vec();
        records::place(&mut batch, Offset(base), units::LeaderEpoch(1));
        let length = crate::codec::length(batch.len());
        let location = Location { file: 1, position: 64 };
        PlannedSection {
            id: id(*partition),
            entries: vec![IndexEntry { base: Offset(base), last_delta: 0, length, location, max_timestamp: TimestampMs(1) }],
            in_memory: vec![Some(Bytes::from(batch))],
            log_start: Offset::ZERO,
            epochs: Epochs::default(),
            recovered_end: Offset(1000),
            state: Vec::new(),
        }
    };
    ShipTask::Segment(ShipPlan { sections: partitions.iter().map(section).collect(), files: FileMap::new(), covers: 0 })
}

fn unnamed(done: ShipDone) -> Vec<Unnamed> {
    match done {
        ShipDone::Manifests { unnamed, .. }
        | ShipDone::Forgotten(_, unnamed)
        | ShipDone::Swept { unnamed, .. }
        | ShipDone::Judged { unnamed, .. } => unnamed,
        ShipDone::Claimed | ShipDone::Deleted(_) => Vec::new(),
    }
}

/// Everything that a whole sweep finds.
fn sweep(shipper: &mut Shipper) -> Vec<Unnamed> {
    let mut found = Vec::new();
    loop {
        match shipper.perform(&ShipTask::Sweep).unwrap() {
            ShipDone::Swept { unnamed, is_done } => {
                found.extend(unnamed);
                if is_done {
                    return found;
                }
            }
            _ => panic!("a sweep sweeps"),
        }
    }
}

#[test]
fn the_fence_stands_behind_the_last_segment_also_where_the_first_are_deleted() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    for base in 0..4 {
        first.perform(&plan(&[0], base)).unwrap();
    }
    first.perform(&ShipTask::Trim(id(0), Offset(2))).unwrap();
    for seq in 0..2 {
        first.perform(&ShipTask::Delete(object(1, seq))).unwrap();
    }
    let puts = store.requests().puts;
    claimed(&store, 2);
    assert_eq!(store.requests().puts - puts, 3, "a claim, a fence, and that it is there");
    let there = |seq| store.head(&keys().segment(object(1, seq))).unwrap().map(|head| head.size > 0);
    assert_eq!([0, 1, 2, 3, 4].map(there), [None, None, Some(true), Some(true), Some(false)]);
    assert!(matches!(first.perform(&plan(&[0], 4)), Err(ShipError::Fenced { found: 2, ours: 1 })));
}

#[test]
fn of_two_processes_that_are_the_same_incarnation_the_second_is_refused() {
    let store = Arc::new(MemoryStore::new());
    let (mut one, mut other) = (shipper(&store, 1, 10), shipper(&store, 1, 11));
    one.perform(&ShipTask::Claim).unwrap();
    one.perform(&ShipTask::Claim).unwrap();
    assert!(matches!(other.perform(&ShipTask::Claim), Err(ShipError::Rival(1))));
    one.perform(&plan(&[0], 0)).unwrap();
    assert!(matches!(other.perform(&plan(&[0], 0)), Err(ShipError::Rival(1))));
}

#[test]
fn a_segment_that_is_named_halfway_is_named_on_and_not_put_again() {
    let store = Arc::new(MemoryStore::new());
    let mut shipper = claimed(&store, 1);
    store.inject(Injection::next(Operation::Put, Fault::Unavailable).of("manifest").after(1));
    let ShipDone::Manifests { manifests, is_segment: true, .. } = shipper.perform(&plan(&[0, 1, 2], 0)).unwrap() else { panic!() };
    assert_eq!(manifests.iter().map(|(id, _)| id.partition.0).collect::<Vec<_>>(), [0]);
    let ShipDone::Manifests { manifests, is_segment: false, .. } = shipper.perform(&plan(&[1, 2], 0)).unwrap() else { panic!() };
    assert_eq!(manifests.iter().map(|(id, _)| id.partition.0).collect::<Vec<_>>(), [1, 2]);
    assert!(store.head(&keys().segment(object(1, 1))).unwrap().is_none(), "one segment was put");
}

#[test]
fn a_segment_that_is_still_to_be_named_is_of_use() {
    let store = Arc::new(MemoryStore::new());
    let mut shipper = claimed(&store, 1);
    store.inject(Injection::next(Operation::Put, Fault::Unavailable).of("manifest").after(1));
    shipper.perform(&plan(&[0, 1], 0)).unwrap();
    assert_eq!(unnamed(shipper.perform(&ShipTask::Trim(id(0), Offset(1))).unwrap()), []);
    shipper.perform(&plan(&[1], 0)).unwrap();
    let gone = unnamed(shipper.perform(&ShipTask::Trim(id(1), Offset(1))).unwrap());
    assert_eq!(gone.iter().map(|unnamed| unnamed.object).collect::<Vec<_>>(), [object(1, 0)]);
}

#[test]
fn a_volume_that_is_older_than_what_was_shipped_names_nothing() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    for base in 0..3 {
        first.perform(&plan(&[0], base)).unwrap();
    }
    let mut second = claimed(&store, 2);
    let ShipTask::Segment(mut older) = plan(&[0], 1) else { panic!() };
    older.sections[0].recovered_end = Offset(1);
    let refused = second.perform(&ShipTask::Segment(older));
    assert!(matches!(refused, Err(ShipError::VolumeIsOlder { store: Offset(3), volume: Offset(1), .. })));
}

#[test]
fn a_sweep_finds_what_nothing_names_and_nothing_else() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    first.perform(&plan(&[0, 1], 0)).unwrap();
    // Put, and never named: the process ends in between.
    store.inject(Injection::next(Operation::Put, Fault::Unavailable).of("manifest"));
    first.perform(&plan(&[0, 1], 1)).unwrap();
    // Its deletion was pending when the process ended.
    let mut first = shipper(&store, 1, 1);
    first.next_seq = 2;
    first.perform(&plan(&[2], 0)).unwrap();
    first.perform(&ShipTask::Trim(id(2), Offset(1))).unwrap();

    let mut second = claimed(&store, 2);
    second.perform(&plan(&[0], 1)).unwrap();
    let found: Vec<_> = sweep(&mut second).into_iter().map(|unnamed| (unnamed.object.seq, unnamed.without_manifest)).collect();
    assert_eq!(found, [(1, vec![]), (2, vec![])]);
}

#[test]
fn a_manifest_on_its_way_from_a_dead_process_never_names_what_was_removed() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    first.perform(&plan(&[0], 0)).unwrap();
    for _ in 0..4 {
        store.inject(Injection::next(Operation::Put, Fault::Late { calls: 1000 }).of("manifest"));
    }
    first.perform(&plan(&[0], 1)).unwrap();
    let mut second = claimed(&store, 2);
    assert_eq!(sweep(&mut second).iter().map(|unnamed| unnamed.object).collect::<Vec<_>>(), [object(1, 1)]);
    store.land_late();
    let (manifest, _) = read_manifest(&*store, &keys(), id(0)).unwrap().unwrap();
    assert_eq!((manifest.owner.incarnation, manifest.end()), (Incarnation(2), Offset(1)));
}

#[test]
fn a_first_manifest_may_be_on_its_way_until_there_is_one() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    for _ in 0..4 {
        store.inject(Injection::next(Operation::Put, Fault::Late { calls: 1000 }).of("manifest"));
    }
    first.perform(&plan(&[0], 0)).unwrap();
    let mut second = claimed(&store, 2);
    let found = sweep(&mut second);
    assert_eq!(found, [Unnamed { object: object(1, 0), without_manifest: vec![id(0)] }]);
    let judged = second.perform(&ShipTask::Judge { object: object(1, 0), own: vec![id(0)] }).unwrap();
    assert_eq!(unnamed(judged), [Unnamed { object: object(1, 0), without_manifest: vec![] }]);
    store.land_late();
    assert_eq!(read_manifest(&*store, &keys(), id(0)).unwrap().unwrap().0.segments, []);
}

#[test]
fn a_sweep_passes_over_a_segment_that_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(store::FolderStore::open(root.path()).unwrap());
    let mut first = claimed(&store, 1);
    for base in 0..3 {
        first.perform(&plan(&[0], base)).unwrap();
    }
    first.perform(&ShipTask::Trim(id(0), Offset(2))).unwrap();
    let file = root.path().join(format!("objects/{}~", keys().segment(object(1, 0))));
    std::fs::File::options().write(true).open(file).unwrap().set_len(70).unwrap();
    let mut second = claimed(&store, 2);
    assert_eq!(sweep(&mut second).iter().map(|unnamed| unnamed.object).collect::<Vec<_>>(), [object(1, 1)]);
}

#[test]
fn a_sweep_asks_little() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    for base in 0..200 {
        first.perform(&plan(&[0, 1, 2], base)).unwrap();
    }
    let mut second = claimed(&store, 2);
    let before = store.requests();
    assert_eq!(sweep(&mut second), []);
    let after = store.requests();
    let asked = (after.lists - before.lists, after.heads - before.heads, after.gets - before.gets, after.puts - before.puts);
    // Two listings, the directory of one segment of two hundred, and the manifest of a partition in it.
    assert_eq!(asked, (2, 1, 3, 0));
}

#[test]
fn a_topic_goes_without_asking_for_what_is_gone() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    let partitions: Vec<_> = (0..20).collect();
    for base in 0..10 {
        first.perform(&plan(&partitions, base)).unwrap();
    }
    let mut second = claimed(&store, 2);
    let before = store.requests().gets;
    let gone: Vec<_> =
        partitions.iter().flat_map(|partition| unnamed(second.perform(&ShipTask::Forget(id(*partition))).unwrap())).collect();
    assert_eq!(gone.len(), 10, "each segment is of no use once");
    let asked = store.requests().gets - before;
    assert_eq!(asked, 20 + 2 * 10, "each manifest once, and the directory of each segment in two reads");
}

/// A file that counts the bytes that are read from it.
struct Counted(Arc<dyn crate::DiskFile>, std::sync::atomic::AtomicU64);

impl crate::DiskFile for Counted {
    fn write_durable(&self, position: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_durable(position, bytes)
    }

    fn read_exact_at(&self, position: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        self.1.fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        self.0.read_exact_at(position, bytes)
    }

    fn length(&self) -> std::io::Result<u64> {
        self.0.length()
    }
}

#[test]
fn a_file_that_many_partitions_share_is_read_once() {
    const PARTITIONS: i32 = 40;
    const ROUNDS: i64 = 20;
    let ShipTask::Segment(mut plan) = plan(&(0..PARTITIONS).collect::<Vec<_>>(), 0) else { panic!() };
    let disk = crate::SimulatedDisk::new(8 << 20);
    let file = crate::Disk::prepare(&disk, "wal/1", 1 << 20, None).unwrap();
    let mut bytes = Vec::new();
    plan.sections.iter_mut().for_each(|section| (section.entries, section.in_memory) = (Vec::new(), Vec::new()));
    for base in 0..ROUNDS {
        for section in &mut plan.sections {
            let mut batch = crate::batch::tests::produced(1, &[1; 500], 1, None).to_vec();
            records::place(&mut batch, Offset(base), units::LeaderEpoch(1));
            let location = Location { file: 1, position: crate::codec::length(bytes.len()) };
            let length = crate::codec::length(batch.len());
            section.entries.push(IndexEntry { base: Offset(base), last_delta: 0, length, location, max_timestamp: TimestampMs(1) });
            section.in_memory.push(None);
            bytes.extend_from_slice(&batch);
        }
    }
    let written = bytes.len() as u64;
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    file.write_durable(0, &bytes).unwrap();
    let counted = Arc::new(Counted(file, std::sync::atomic::AtomicU64::new(0)));
    plan.files = FileMap::from([(1, counted.clone() as Arc<dyn crate::DiskFile>)]);
    let inputs = input::inputs(&plan).unwrap();
    assert_eq!(counted.1.load(std::sync::atomic::Ordering::Relaxed), written);
    assert!(inputs.iter().all(|input| input.batches.iter().map(|batch| batch.0.0).eq(0..ROUNDS)));
}
