//! Claims, fences, segments and clean-up against a store that fails on demand.

use bytes::Bytes;
use store::{Fault, Injection, MemoryStore, Operation};
use units::{BrokerId, Incarnation, PartitionId, TimestampMs, TopicId};

use super::*;
use crate::{
    partition::{
        epochs::Epochs,
        index::{IndexEntry, Location},
        producers::Producers,
    },
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
    lazy(store, incarnation, giver, 1)
}

/// One that names parts only once there are `parts_max` of them.
fn lazy<S: ObjectStore>(store: &Arc<S>, incarnation: u32, giver: u64, parts_max: usize) -> Shipper {
    let owner = Owner { broker: BrokerId(1), incarnation: Incarnation(incarnation) };
    let config = LogConfig { manifest_parts_max: parts_max, ..LogConfig::new(BrokerId(1), "test", "/") };
    Shipper::new(store.clone(), keys(), owner, WriteIds::of(giver), (Rules::default(), Policy::of(&config)))
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
            recovered_end: Offset(1000),
            epochs: Epochs::default(),
            producers: Producers::default(),
        }
    };
    ShipTask::Segment(ShipPlan {
        sections: partitions.iter().map(section).collect(),
        files: FileMap::new(),
        covers: 0,
        now: TimestampMs(1),
    })
}

fn unnamed(done: ShipDone) -> Vec<Unnamed> {
    match done {
        ShipDone::Manifests { unnamed, .. }
        | ShipDone::Forgotten(_, unnamed)
        | ShipDone::Swept { unnamed, .. }
        | ShipDone::Judged { unnamed, .. } => unnamed,
        _ => Vec::new(),
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
fn a_segment_costs_one_put_and_is_named_when_there_are_enough_parts() {
    let store = Arc::new(MemoryStore::new());
    let mut shipper = lazy(&store, 1, 1, 4);
    shipper.perform(&ShipTask::Claim).unwrap();
    let before = store.requests().puts;
    for base in 0..3 {
        let ShipDone::Manifests { manifests, .. } = shipper.perform(&plan(&[0], base)).unwrap() else { panic!() };
        assert_eq!(manifests[0].1.as_ref().unwrap().end(), Offset(base + 1), "readers know at once");
    }
    assert_eq!(store.requests().puts - before, 3);
    shipper.perform(&plan(&[0], 3)).unwrap();
    assert_eq!(store.requests().puts - before, 5);
    assert_eq!(read_manifest(&*store, &keys(), id(0)).unwrap().unwrap().0.end(), Offset(4));
}

#[test]
fn a_manifest_that_cannot_be_replaced_now_is_replaced_with_the_next_segment() {
    let store = Arc::new(MemoryStore::new());
    let mut shipper = claimed(&store, 1);
    store.inject(Injection::next(Operation::Put, Fault::Unavailable).of("manifest").after(1));
    shipper.perform(&plan(&[0, 1, 2], 0)).unwrap();
    let end = |partition| read_manifest(&*store, &keys(), id(partition)).unwrap().map(|(manifest, _)| manifest.end().0);
    assert_eq!([end(0), end(1), end(2)], [Some(1), None, None]);
    shipper.perform(&plan(&[1, 2], 1)).unwrap();
    assert_eq!([end(0), end(1), end(2)], [Some(1), Some(2), Some(2)]);
}

#[test]
fn what_was_put_and_not_named_is_named_by_the_next_incarnation() {
    let store = Arc::new(MemoryStore::new());
    let mut first = lazy(&store, 1, 1, 100);
    first.perform(&ShipTask::Claim).unwrap();
    for base in 0..3 {
        first.perform(&plan(&[0, 1], base)).unwrap();
    }
    let mut second = claimed(&store, 2);
    let ShipDone::CaughtUp { manifests, aside } = second.perform(&ShipTask::CatchUp(vec![id(0)])).unwrap() else { panic!() };
    assert_eq!((manifests.len(), aside.len()), (1, 0));
    assert_eq!(manifests[0].1.as_ref().unwrap().end(), Offset(3));
    assert_eq!(read_manifest(&*store, &keys(), id(0)).unwrap().unwrap().0.end(), Offset(3));
    assert!(read_manifest(&*store, &keys(), id(1)).unwrap().is_none(), "a partition that is gone stays gone");
    let before = store.requests();
    second.perform(&ShipTask::CatchUp(vec![id(0)])).unwrap();
    assert_eq!(store.requests(), before, "it is done once");
}

#[test]
fn segments_that_log_starts_have_passed_before_they_were_named_go_when_manifests_say_so() {
    let store = Arc::new(MemoryStore::new());
    let mut shipper = lazy(&store, 1, 1, 4);
    shipper.perform(&ShipTask::Claim).unwrap();
    let puts = |shipper: &mut Shipper, base| {
        let mut gone = unnamed_of(shipper.perform(&plan(&[0, 1], base)).unwrap());
        let before = store.requests().puts;
        for partition in [0, 1] {
            gone.extend(unnamed_of(shipper.perform(&ShipTask::Trim(id(partition), Offset(base + 1))).unwrap()));
        }
        (store.requests().puts - before, gone.iter().map(|object| object.seq).collect::<Vec<_>>())
    };
    for base in 0..4 {
        assert_eq!(puts(&mut shipper, base), (0, vec![]), "a successor that finds it in the row would name it");
    }
    assert_eq!(puts(&mut shipper, 4), (2, vec![]), "there are enough of them");
    assert_eq!(puts(&mut shipper, 5), (0, vec![0, 1, 2, 3, 4]));
    // What is left: a successor finds the last one, and that the log starts behind the others.
    let parts = pending_parts(&*store, &keys(), Incarnation(2), 1).unwrap();
    let named = read_manifest(&*store, &keys(), id(0)).unwrap().unwrap().0;
    let found = parts.over(id(0), Some(named), || panic!("there is one")).unwrap();
    assert_eq!(found.segments.iter().map(|segment| segment.object.seq).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_process_whose_successor_has_named_its_segment_does_not_delete_it() {
    let store = Arc::new(MemoryStore::new());
    let mut first = lazy(&store, 1, 1, 0);
    first.perform(&ShipTask::Claim).unwrap();
    first.policy.parts_max = 100;
    first.perform(&plan(&[0], 0)).unwrap();
    let mut second = claimed(&store, 2);
    second.perform(&ShipTask::CatchUp(vec![id(0)])).unwrap();
    first.policy.parts_max = 0;
    assert_eq!(unnamed(first.perform(&ShipTask::Trim(id(0), Offset(1))).unwrap()), []);
    assert!(matches!(first.perform(&ShipTask::Trim(id(0), Offset(1))), Err(ShipError::Fenced { found: 2, ours: 1 })));
    assert!(read_manifest(&*store, &keys(), id(0)).unwrap().unwrap().0.names(object(1, 0)));
}

#[test]
fn the_newest_object_of_a_row_stays_until_there_is_another() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    first.perform(&plan(&[0], 0)).unwrap();
    first.perform(&ShipTask::Delete(object(1, 0))).unwrap();
    let there = |incarnation, seq| store.head(&keys().segment(object(incarnation, seq))).unwrap().map(|head| head.size > 0);
    assert_eq!(there(1, 0), Some(true));
    let mut second = claimed(&store, 2);
    assert_eq!(there(1, 1), Some(false), "the fence lies behind it");
    assert!(matches!(first.perform(&plan(&[0], 1)), Err(ShipError::Fenced { found: 2, ours: 1 })));
    second.perform(&plan(&[0], 1)).unwrap();
    second.perform(&ShipTask::Delete(object(2, 0))).unwrap();
    second.perform(&plan(&[0], 2)).unwrap();
    assert_eq!((there(2, 0), there(2, 1)), (None, Some(true)));
}

#[test]
fn a_damaged_manifest_sets_its_partition_aside_and_nothing_else() {
    let store = Arc::new(MemoryStore::new());
    let mut first = claimed(&store, 1);
    first.perform(&plan(&[0, 1], 0)).unwrap();
    assert!(store.flip_bit(&keys().manifest(id(0)), 100));
    let mut second = claimed(&store, 2);
    assert!(matches!(second.perform(&plan(&[0, 1], 1)), Ok(ShipDone::SetAside(aside, _)) if aside == id(0)));
    assert!(matches!(second.perform(&ShipTask::Load(id(0))), Ok(ShipDone::SetAside(..))));
    assert!(matches!(second.perform(&plan(&[1], 1)), Ok(ShipDone::Manifests { .. })));
    assert!(matches!(second.perform(&ShipTask::Forget(id(0))), Ok(ShipDone::Forgotten(..))), "its topic can be removed");
}

#[test]
fn small_segments_become_one_and_readers_get_the_same() {
    let store = Arc::new(MemoryStore::new());
    let mut shipper = claimed(&store, 1);
    for base in 0..6 {
        shipper.perform(&plan(&[0, 1], base)).unwrap();
    }
    let before = read_manifest(&*store, &keys(), id(0)).unwrap().unwrap().0;
    let ShipDone::Manifests { manifests, unnamed, .. } = shipper.perform(&ShipTask::Merge(id(0), before.segments[1..5].to_vec())).unwrap()
    else {
        panic!()
    };
    assert!(unnamed.is_empty(), "the other partition still needs them");
    let after = manifests[0].1.clone().unwrap();
    let ranges: Vec<_> = after.segments.iter().map(|segment| (segment.base.0, segment.end.0)).collect();
    assert_eq!(ranges, [(0, 1), (1, 5), (5, 6)]);
    assert_eq!(after.bytes(), before.bytes());
    let cold = crate::cold::Cold::new(store.clone(), keys());
    for from in 0..6 {
        let read = crate::Read { from: Offset(from), bytes_max: 1 << 20, whole_first_batch: true, isolation: Default::default() };
        let of = |manifest: &Manifest| {
            let (batches, _) = cold.read(id(0), manifest, &read, Offset(from + 1)).unwrap();
            batches.concat()
        };
        assert_eq!(of(&before), of(&after));
    }
    let before = read_manifest(&*store, &keys(), id(1)).unwrap().unwrap().0;
    let done = shipper.perform(&ShipTask::Merge(id(1), before.segments[1..5].to_vec())).unwrap();
    let gone: Vec<_> = unnamed_of(done);
    assert_eq!(gone, (1..5).map(|seq| object(1, seq)).collect::<Vec<_>>());
}

#[test]
fn a_section_that_lists_more_than_its_part_has_is_damaged() {
    let store = Arc::new(MemoryStore::new());
    claimed(&store, 1).perform(&plan(&[0], 0)).unwrap();
    let mut manifest = read_manifest(&*store, &keys(), id(0)).unwrap().unwrap().0;
    manifest.segments[0].data_bytes -= 1;
    let read = crate::Read { from: Offset(0), bytes_max: 1 << 20, whole_first_batch: true, isolation: Default::default() };
    for cold in [0, 1 << 20].map(|ahead| crate::cold::Cold::new(store.clone(), keys()).reading_ahead(ahead)) {
        assert!(matches!(cold.read(id(0), &manifest, &read, Offset(1)), Err(crate::ReadError::Corrupt { .. })));
    }
}

fn unnamed_of(done: ShipDone) -> Vec<ObjectId> {
    unnamed(done).into_iter().map(|unnamed| unnamed.object).collect()
}

#[test]
fn a_manifest_stays_small_however_long_its_partition_lives() {
    let store = Arc::new(MemoryStore::new());
    let mut shipper = claimed(&store, 1);
    shipper.policy.references_max = 16;
    let mut largest = 0;
    for base in 0..200 {
        shipper.perform(&plan(&[0], base)).unwrap();
        largest = largest.max(store.head(&keys().manifest(id(0))).unwrap().unwrap().size);
    }
    let (manifest, _) = read_manifest(&*store, &keys(), id(0)).unwrap().unwrap();
    assert_eq!((manifest.segments.len(), manifest.end()), (200, Offset(200)));
    assert!(manifest.chunks.len() > 20 && largest < 3000, "{} chunks, {largest} bytes", manifest.chunks.len());
    // What the log start passes goes, chunks included.
    let gone = unnamed_of(shipper.perform(&ShipTask::Trim(id(0), Offset(100))).unwrap());
    assert!(gone.len() > 110, "{} objects", gone.len());
    for object in gone {
        shipper.perform(&ShipTask::Delete(object)).unwrap();
    }
    let mut second = claimed(&store, 2);
    let (manifest, _) = read_manifest(&*store, &keys(), id(0)).unwrap().unwrap();
    assert_eq!((manifest.segments.len(), manifest.segments[0].base), (100, Offset(100)));
    assert_eq!(sweep(&mut second), []);
}

#[test]
fn a_store_that_does_not_arbitrate_is_refused_before_anything_is_put() {
    let store = Arc::new(Careless(MemoryStore::new()));
    let mut shipper = shipper(&store, 1, 1);
    shipper.is_probed = false;
    let refused = shipper.perform(&ShipTask::Claim).err().unwrap();
    assert!(matches!(refused.state(), Some(StoreState::RefusedNoConditionalWrites(_))), "{refused}");
    assert!(!store.0.keys().contains(&keys().epoch()));
}

/// A store that accepts conditions and does not hold them.
struct Careless(MemoryStore);

impl ObjectStore for Careless {
    fn get(&self, key: &Key) -> Result<store::Object, StoreError> {
        self.0.get(key)
    }

    fn get_range(&self, key: &Key, range: std::ops::Range<u64>) -> Result<Bytes, StoreError> {
        self.0.get_range(key, range)
    }

    fn head(&self, key: &Key) -> Result<Option<store::Head>, StoreError> {
        self.0.head(key)
    }

    fn put_if_absent(&self, key: &Key, body: Body, write_id: store::WriteId) -> Result<Version, PutError> {
        drop(self.0.delete(key));
        self.0.put_if_absent(key, body, write_id)
    }

    fn put_if_match(&self, key: &Key, body: Body, _: &Version, write_id: store::WriteId) -> Result<Version, PutError> {
        self.put_if_absent(key, body, write_id)
    }

    fn list(&self, prefix: &store::Prefix, after: Option<&Key>, limit: usize) -> Result<Vec<store::Listed>, StoreError> {
        self.0.list(prefix, after, limit)
    }

    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.0.delete(key)
    }
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
