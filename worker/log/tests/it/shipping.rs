//! From the WAL to the object store and back to a reader; and what happens when there is no room.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use store::{MemoryStore, ObjectStore, Plan, WriteIds};
use streamwright_log::{
    AppendError, Isolation, Log, LogConfig, OpenError, PartitionConfig, Read, ReadError, ReadOutcome, Ship, SimulatedDisk, VolumeHealth,
};
use units::{BrokerId, ByteCount, Offset, TimestampMs};

use crate::helpers::{PLAIN, answer, append, batch, config, fetch, open_with, partition, values};

/// Nothing is claimed of how fast things happen: this only ends a test whose log does nothing any more.
const PATIENCE: Duration = Duration::from_secs(600);

fn small(folder: &std::path::Path) -> LogConfig {
    LogConfig {
        wal_file_bytes: 64 << 10,
        group_bytes_max: 16 << 10,
        wal_target_bytes: 256 << 10,
        tail_bytes_max: 32 << 10,
        segment_bytes_max: 64 << 10,
        checkpoint_interval: Duration::from_millis(20),
        retention_interval: Duration::from_millis(20),
        object_grace: Duration::ZERO,
        manifest_parts_max: 1,
        merge_bytes: 0,
        ..config(folder)
    }
}

/// Looks again until `is_so`.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}

fn write(log: &Log, number: i32, count: i64) {
    for index in 0..count {
        let value = format!("{index} {}", "y".repeat(1000));
        append(log, partition(number), batch(&[&value], index, None), PLAIN).unwrap();
    }
}

/// Keys of the segments that the one manifest in `store` names, read by its layout: a head of 24 bytes, leader epochs of 12
/// bytes each behind their count, chunks of 44 behind theirs, segments of 69 behind theirs, of which the first 16 say broker,
/// incarnation and sequence.
fn named(store: &MemoryStore) -> BTreeSet<String> {
    let Some(key) = store.keys().into_iter().find(|key| key.name() == "manifest") else { return BTreeSet::new() };
    let bytes = store.get(&key).unwrap().bytes;
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let chunks_at = 28 + number(24) as usize * 12;
    let segments_at = chunks_at + 4 + number(chunks_at) as usize * 44;
    let segment = |index: u32| {
        let at = segments_at + 4 + index as usize * 69;
        let seq = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap());
        format!("{}/{:010}/{seq:020}", number(at), number(at + 4))
    };
    (0..number(segments_at)).map(segment).collect()
}

/// Keys of all objects in the rows of `store`, from the broker's number on.
fn segments(store: &MemoryStore) -> BTreeSet<String> {
    let keys = store.keys().into_iter().filter(|key| !key.as_str().contains("/brokers/") && key.name() != "manifest");
    keys.map(|key| key.segments().skip(2).collect::<Vec<_>>().join("/")).collect()
}

#[test]
fn what_the_wal_has_let_go_of_is_read_from_the_store_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    for number in 0..2 {
        log.create_partition(partition(number), PartitionConfig::default()).unwrap();
    }
    for _ in 0..10 {
        write(&log, 0, 100);
        write(&log, 1, 20);
    }
    eventually("recycling", || log.usage(partition(0)).unwrap().local_bytes < ByteCount(600 << 10));
    let usage = log.usage(partition(0)).unwrap();
    assert_eq!(usage.records, 1000);
    assert!(usage.object_bytes > ByteCount(400 << 10), "{usage:?}");
    let all = values(&log, partition(0), 0, Isolation::ReadUncommitted);
    assert_eq!(all.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
    assert!(all.iter().enumerate().all(|(index, (_, value))| value.starts_with(&format!("{} ", index % 100))));
    let found = log.offset_at_time(partition(0), TimestampMs(50), Isolation::ReadUncommitted).unwrap().unwrap();
    assert_eq!((found.offset, found.timestamp), (Offset(50), TimestampMs(50)));
    log.close();

    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted), all);
    assert_eq!(log.ship_now(), Ok(()));
    assert_eq!(log.stats().at_risk_bytes, 0);
    assert_eq!(values(&log, partition(1), 0, Isolation::ReadUncommitted).len(), 200);
    for number in 0..2 {
        log.delete_partition(partition(number)).unwrap();
    }
    // The fence of the first incarnation stays, and the newest object of the second.
    eventually("deletion", || segments(&store).len() <= 2 && !store.keys().iter().any(|key| key.name() == "manifest"));
    log.close();
}

#[test]
fn retention_moves_the_log_start_and_objects_follow() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let config = LogConfig { ship: Ship::Every(Duration::from_millis(5)), ..small(folder.path()) };
    let (log, _) = open_with(config.clone(), store.clone()).unwrap();
    let id = partition(0);
    log.create_partition(id, PartitionConfig { total_bytes: Some(ByteCount(100 << 10)), ..PartitionConfig::default() }).unwrap();
    write(&log, 0, 1000);
    assert_eq!(log.ship_now(), Ok(()));
    eventually("retention", || {
        log.usage(id).unwrap().object_bytes <= ByteCount(200 << 10) && log.offsets(id).unwrap().log_start >= Offset(800)
    });
    // How many segments a thousand records make is up to the disk; which of them are left is not.
    eventually("deletion of objects", || segments(&store) == named(&store));
    let start = log.offsets(id).unwrap().log_start;
    log.close();
    assert!(!segments(&store).contains("1/0000000001/00000000000000000000"), "the first is gone");

    let (log, _) = open_with(LogConfig { retention_interval: Duration::from_secs(3600), ..config }, store).unwrap();
    assert!(log.offsets(id).unwrap().log_start >= start);
    let start = log.offsets(id).unwrap().log_start;
    assert!(fetch(&log, id, start.0 - 1, 100, Isolation::ReadUncommitted).is_err());
    assert_eq!(values(&log, id, start.0, Isolation::ReadUncommitted).len() as i64, 1000 - start.0);
    log.close();
}

#[test]
fn what_is_deleted_at_once_never_becomes_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let config = LogConfig { wal_target_bytes: 1 << 30, ..small(folder.path()) };
    let (log, _) = open_with(config, store.clone()).unwrap();
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    for _ in 0..30 {
        write(&log, 0, 50);
        let end = log.offsets(id).unwrap().high_watermark;
        answer(|done| log.delete_records(id, end, done)).unwrap();
    }
    assert_eq!(log.ship_now(), Ok(()));
    eventually("the claim", || log.stats().is_claimed);
    assert_eq!((log.usage(id).unwrap().object_bytes, segments(&store).len()), (ByteCount(0), 0));
    let puts = store.requests().puts;
    assert!(puts <= 3, "only the claim and the roster were put, in {puts}");
    log.close();
}

#[test]
fn a_full_volume_refuses_appends_serves_reads_and_heals() {
    let disk = SimulatedDisk::new(1 << 20);
    let store = Arc::new(MemoryStore::new());
    let config = LogConfig { disk_reserve_bytes: 64 << 10, ..small(std::path::Path::new("/")) };
    let config = LogConfig { broker: BrokerId(1), ..config };
    let (log, _) = Log::open(config, Arc::new(disk.clone()), store.clone()).unwrap();
    store.plan(Some(Plan { unavailable: 1000, ..Plan::default() }));
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    let value = "z".repeat(4000);
    let mut acked = 0;
    let refused = loop {
        match append(&log, id, batch(&[&value], acked, None), PLAIN) {
            Ok(_) => acked += 1,
            Err(error) => break error,
        }
        assert!(acked < 1000, "a volume of 1 MiB is never full");
    };
    assert_eq!(refused, AppendError::DiskFull);
    assert_eq!(log.stats().volume, VolumeHealth::Full);
    assert_eq!(values(&log, id, 0, Isolation::ReadUncommitted).len() as i64, acked);
    assert_eq!(answer(|done| log.delete_records(id, Offset(3), done)), Ok(Offset(3)));

    store.calm();
    store.plan(None);
    eventually("healing", || append(&log, id, batch(&[&value], acked, None), PLAIN).is_ok());
    // Files are freed one after the other: what is healed may be full once more before the last of them is.
    eventually("health", || log.stats().volume == VolumeHealth::Healthy);
    assert_eq!(values(&log, id, 3, Isolation::ReadUncommitted).len() as i64, acked + 1 - 3);
    log.close();
}

#[test]
fn appends_wait_for_shipping_at_the_bound_of_the_wal_and_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = LogConfig { wal_bytes_max: 320 << 10, ..small(folder.path()) };
    let (log, _) = open_with(config, Arc::new(MemoryStore::new())).unwrap();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    eventually("the claim", || log.stats().is_claimed);
    for _ in 0..10 {
        write(&log, 0, 200);
        let bytes = log.stats().wal_bytes;
        assert!(bytes <= 320 << 10, "the WAL has {bytes} bytes");
    }
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted).len(), 2000);
    log.close();
}

#[test]
fn shipping_costs_one_put_a_segment_and_few_bytes_more_than_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let config = LogConfig { wal_file_bytes: 8 << 20, segment_bytes_max: 8 << 20, wal_target_bytes: 1 << 30, ..config(folder.path()) };
    let (log, _) = open_with(config, store.clone()).unwrap();
    for number in 0..4 {
        log.create_partition(partition(number), PartitionConfig::default()).unwrap();
    }
    let value = "v".repeat(100 << 10);
    for index in 0..120 {
        append(&log, partition(index % 4), batch(&[&value], 1, None), PLAIN).unwrap();
    }
    assert_eq!(log.ship_now(), Ok(()));
    let (requests, segments) = (store.requests(), log.stats().segments);
    let produced = log.stats().appended_bytes;
    assert!(segments <= produced / (8 << 20) + 1, "{segments} segments for {produced} bytes");
    assert!(requests.puts <= 3 + segments, "{} puts: a claim, the roster, the segments", requests.puts);
    assert!(requests.bytes_put < produced + produced / 50, "{} bytes put for {produced}", requests.bytes_put);
    log.close();
}

#[test]
fn a_wal_file_cut_short_is_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open_with(small(folder.path()), Arc::new(MemoryStore::new())).unwrap();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    write(&log, 0, 20);
    log.close();
    let wal = std::fs::read_dir(folder.path().join("wal")).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    std::fs::File::options().write(true).open(&wal).unwrap().set_len(8192).unwrap();
    let error = open_with(small(folder.path()), Arc::new(MemoryStore::new())).err().unwrap();
    assert!(matches!(&error, OpenError::CorruptFile { name, .. } if name == "wal/0000000001"), "{error}");
}

#[test]
fn a_damaged_segment_is_named_by_the_reader() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    for _ in 0..10 {
        write(&log, 0, 100);
    }
    eventually("recycling", || log.usage(partition(0)).unwrap().local_bytes < ByteCount(600 << 10));
    for key in store.keys().iter().filter(|key| !key.as_str().contains("/brokers/") && key.name() != "manifest") {
        assert!(store.flip_bit(key, 8 * 100));
    }
    let refused = fetch(&log, partition(0), 0, 1 << 20, Isolation::ReadUncommitted);
    assert!(matches!(refused, Err(ReadError::Corrupt { offset: Offset(0), .. })), "{refused:?}");
    log.close();
}

#[test]
fn a_manifest_that_the_store_has_lost_is_made_again_from_the_row_of_segments() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let id = partition(0);
    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    log.create_partition(id, PartitionConfig::default()).unwrap();
    write(&log, 0, 300);
    eventually("recycling", || log.usage(id).unwrap().local_bytes < ByteCount(280 << 10));
    let all = values(&log, id, 0, Isolation::ReadUncommitted);
    log.close();
    let manifest = store.keys().into_iter().find(|key| key.name() == "manifest").unwrap();
    store.delete(&manifest).unwrap();

    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    assert_eq!(values(&log, id, 0, Isolation::ReadUncommitted), all);
    write(&log, 0, 100);
    assert_eq!(log.ship_now(), Ok(()));
    assert_eq!(values(&log, id, 0, Isolation::ReadUncommitted).len(), 400);
    assert!(store.keys().contains(&manifest));
    log.close();
}

#[test]
fn a_partition_whose_manifest_is_damaged_is_set_aside_by_name_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    for number in [0, 1] {
        log.create_partition(partition(number), PartitionConfig::default()).unwrap();
        write(&log, number, 50);
    }
    assert_eq!(log.ship_now(), Ok(()));
    log.close();
    let is_of_first = |key: &store::Key| key.name() == "manifest" && key.segments().rev().nth(1) == Some("0");
    let key = store.keys().into_iter().find(is_of_first).unwrap();
    let replace = |bytes: Bytes| {
        let version = store.head(&key).unwrap().unwrap().version;
        store.put_if_match(&key, vec![bytes].into(), &version, WriteIds::random().next()).unwrap();
    };
    let whole = store.get(&key).unwrap().bytes;
    replace(Bytes::from_static(b"somebody's notes"));

    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    write(&log, 0, 10);
    write(&log, 1, 10);
    assert!(log.ship_now().is_err_and(|reason| reason.contains("damaged; all others are shipped")));
    assert_eq!(log.stats().set_aside, [partition(0)]);
    assert!(log.stats().at_risk_bytes > 0, "what came to it since is on the volume alone");
    replace(whole);
    assert_eq!(log.ship_now(), Ok(()));
    assert_eq!((log.stats().set_aside, log.stats().at_risk_bytes), (Vec::new(), 0));
    log.close();
}

#[test]
fn what_is_deleted_before_it_is_read_is_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let (log, _) = open_with(small(folder.path()), store.clone()).unwrap();
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    write(&log, 0, 300);
    eventually("recycling", || log.usage(id).unwrap().local_bytes < ByteCount(280 << 10));
    let read = Read { from: Offset(0), bytes_max: 1000, whole_first_batch: true, isolation: Isolation::ReadUncommitted };
    let ReadOutcome::Blocking(job) = log.read(id, read).unwrap() else { panic!("the store holds it") };
    let end = log.offsets(id).unwrap().high_watermark;
    answer(|done| log.delete_records(id, end, done)).unwrap();
    eventually("deletion of all but the newest", || segments(&store).len() <= 1);
    let refused = job.run();
    assert!(matches!(refused, Err(ReadError::OffsetOutOfRange { got: Offset(0), .. })), "{refused:?}");
    log.close();
}

#[test]
fn after_a_failed_flush_nothing_is_acknowledged_and_reads_go_on() {
    let disk = SimulatedDisk::new(64 << 20);
    let store = Arc::new(MemoryStore::new());
    let (log, _) = Log::open(small(std::path::Path::new("/")), Arc::new(disk.clone()), store.clone()).unwrap();
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    append(&log, id, batch(&["kept"], 1, None), PLAIN).unwrap();
    disk.fail_after(Some(0));
    assert!(matches!(append(&log, id, batch(&["lost"], 1, None), PLAIN), Err(AppendError::VolumeFailed(_))));
    disk.fail_after(None);
    assert!(matches!(append(&log, id, batch(&["late"], 1, None), PLAIN), Err(AppendError::VolumeFailed(_))));
    assert_eq!(values(&log, id, 0, Isolation::ReadUncommitted), [(0, "kept".into())]);
    assert!(matches!(log.stats().volume, VolumeHealth::Failed(_)));
    log.close();
}

#[test]
fn a_volume_that_is_not_the_newest_is_refused_by_name() {
    let store = Arc::new(MemoryStore::new());
    let (newest, older) = (SimulatedDisk::new(64 << 20), SimulatedDisk::new(64 << 20));
    let open = |disk: &SimulatedDisk, store: Arc<MemoryStore>| Log::open(small(std::path::Path::new("/")), Arc::new(disk.clone()), store);
    for _ in 0..2 {
        let (log, _) = open(&newest, store.clone()).unwrap();
        eventually("the claim", || log.stats().is_claimed);
        log.close();
    }
    open(&older, Arc::new(MemoryStore::new())).unwrap().0.close();
    let refused = open(&older, store);
    assert!(matches!(refused.err(), Some(OpenError::VolumeIsBehind { store: 2, volume: 1, .. })));
}
