//! A volume that was damaged while nobody ran: what the store holds is served from there, the rest is named.

use std::{os::unix::fs::FileExt, path::Path, sync::Arc, time::Duration};

use store::{MemoryStore, Plan};
use streamwright_log::{Isolation, Log, LogConfig, OpenError, PartitionConfig, SimulatedDisk};
use units::{BrokerId, Offset};

use crate::helpers::{PLAIN, answer, append, batch, config, open_with, partition, values};

/// Checkpoints only when the log is opened and closed, so that a test says what lies behind one.
fn settings(folder: &Path) -> LogConfig {
    LogConfig {
        wal_file_bytes: 64 << 10,
        group_bytes_max: 16 << 10,
        checkpoint_interval: Duration::from_secs(3600),
        retention_interval: Duration::from_secs(3600),
        ..config(folder)
    }
}

/// One record a group, each group one block of 4096 bytes.
fn write(log: &Log, number: i32, values: std::ops::Range<i64>) {
    for value in values {
        append(log, partition(number), batch(&[&format!("{number} {value}")], value, None), PLAIN).unwrap();
    }
}

fn expected(number: i32, values: std::ops::Range<i64>) -> Vec<(i64, String)> {
    values.map(|value| (value, format!("{number} {value}"))).collect()
}

/// Flips a bit in block `block` of WAL file `file`.
fn flip(folder: &Path, file: u32, block: u64) {
    let path = folder.join(format!("wal/{file:010}"));
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, block * 4096 + 70).unwrap();
    file.write_all_at(&[byte[0] ^ 1], block * 4096 + 70).unwrap();
}

/// Two partitions, ten records each, the volume as a power cut would leave it: no checkpoint since the start.
fn write_and_lose_power(folder: &Path, store: &Arc<MemoryStore>, is_shipped: bool) -> i64 {
    let (log, _) = open_with(settings(folder), store.clone()).unwrap();
    for number in 0..2 {
        log.create_partition(partition(number), PartitionConfig::default()).unwrap();
    }
    for value in 0..10 {
        write(&log, 0, value..value + 1);
        write(&log, 1, value..value + 1);
    }
    if is_shipped {
        assert_eq!(log.ship_now(), Ok(()));
    }
    write(&log, 0, 10..12);
    let end = log.offsets(partition(0)).unwrap().log_end.0;
    copy_away(folder, log);
    end
}

/// The volume as it is now stays; what closing the log would add does not.
fn copy_away(folder: &Path, log: Log) {
    let aside = folder.with_extension("aside");
    copy(folder, &aside);
    log.close();
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::rename(aside, folder).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_damaged_group_behind_the_checkpoint_is_served_by_the_store_that_holds_it() {
    let root = tempfile::tempdir().unwrap();
    let (folder, store) = (root.path().join("volume"), Arc::new(MemoryStore::new()));
    write_and_lose_power(&folder, &store, true);
    // Two groups make the partitions, then they take turns: this is offset 3 of partition 0.
    flip(&folder, 1, 8);
    let (log, found) = open_with(settings(&folder), store.clone()).unwrap();
    assert!(found.repaired.as_ref().is_some_and(|repaired| repaired.contains("wal/0000000001")), "{found:?}");
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted), expected(0, 0..12));
    assert_eq!(values(&log, partition(1), 0, Isolation::ReadUncommitted), expected(1, 0..10));
    write(&log, 0, 12..14);
    assert_eq!(log.ship_now(), Ok(()));
    log.close();

    let (log, found) = open_with(settings(&folder), store).unwrap();
    assert_eq!(found.repaired, None);
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted), expected(0, 0..14));
    log.close();
}

#[test]
fn producers_of_a_group_that_the_store_gives_are_known_as_before() {
    let root = tempfile::tempdir().unwrap();
    let (folder, store) = (root.path().join("volume"), Arc::new(MemoryStore::new()));
    let (log, _) = open_with(settings(&folder), store.clone()).unwrap();
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    let produced = |sequence| batch(&["idempotent"], 1, Some((7, 0, sequence, false)));
    for sequence in 0..3 {
        append(&log, id, produced(sequence), PLAIN).unwrap();
    }
    assert_eq!(log.ship_now(), Ok(()));
    write(&log, 0, 3..5);
    copy_away(&folder, log);
    flip(&folder, 1, 3);
    let (log, _) = open_with(settings(&folder), store).unwrap();
    let again = append(&log, id, produced(2), PLAIN).unwrap();
    assert_eq!((again.base_offset, again.is_duplicate), (Offset(2), true));
    assert_eq!(append(&log, id, produced(3), PLAIN).unwrap().base_offset, Offset(5));
    log.close();
}

#[test]
fn a_damaged_group_behind_the_checkpoint_that_no_store_holds_stops_the_start_by_name() {
    let root = tempfile::tempdir().unwrap();
    let (folder, store) = (root.path().join("volume"), Arc::new(MemoryStore::new()));
    write_and_lose_power(&folder, &store, false);
    flip(&folder, 1, 8);
    let refused = open_with(settings(&folder), store.clone()).err().unwrap();
    assert!(matches!(refused, OpenError::Corrupt { file: 1, position: 32768, .. }), "{refused}");
    assert!(refused.to_string().contains("does not hold what it held"), "{refused}");
    flip(&folder, 1, 8);
    open_with(settings(&folder), store).unwrap().0.close();
}

#[test]
fn a_damaged_group_that_was_shipped_only_in_part_stops_the_start() {
    let root = tempfile::tempdir().unwrap();
    let (folder, store) = (root.path().join("volume"), Arc::new(MemoryStore::new()));
    let end = write_and_lose_power(&folder, &store, true);
    // Sixteen groups fill a file: this is the last but one, written after the segment.
    flip(&folder, 2, 6);
    let refused = open_with(settings(&folder), store).err().unwrap();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "offset {} of partition 0: {refused}", end - 2);
}

#[test]
fn a_damaged_group_that_changed_more_than_batches_stops_the_start_by_name() {
    let root = tempfile::tempdir().unwrap();
    let (folder, store) = (root.path().join("volume"), Arc::new(MemoryStore::new()));
    let (log, _) = open_with(settings(&folder), store.clone()).unwrap();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    write(&log, 0, 0..5);
    answer(|done| log.delete_records(partition(0), Offset(2), done)).unwrap();
    write(&log, 0, 5..8);
    assert_eq!(log.ship_now(), Ok(()));
    write(&log, 0, 8..10);
    copy_away(&folder, log);
    flip(&folder, 1, 6);
    let refused = open_with(settings(&folder), store).err().unwrap();
    assert!(refused.to_string().contains("settings, partitions or log starts"), "{refused}");
}

#[test]
fn a_store_that_does_not_answer_is_said_to_be_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let (folder, store) = (root.path().join("volume"), Arc::new(MemoryStore::new()));
    write_and_lose_power(&folder, &store, true);
    flip(&folder, 1, 8);
    store.plan(Some(Plan { unavailable: 1000, ..Plan::default() }));
    let refused = open_with(settings(&folder), store.clone()).err().unwrap();
    assert!(refused.to_string().contains("cannot be asked"), "{refused}");
    store.plan(None);
    let (log, _) = open_with(settings(&folder), store).unwrap();
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted), expected(0, 0..12));
    log.close();
}

#[test]
fn damage_before_the_checkpoint_is_served_by_the_store_or_named_with_its_offsets() {
    for is_shipped in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let (folder, store) = (root.path().join("volume"), Arc::new(MemoryStore::new()));
        write_and_lose_power(&folder, &store, is_shipped);
        // Started and ended: all of it lies before a checkpoint now, which knows of no manifest.
        let (log, _) = open_with(settings(&folder), Arc::new(MemoryStore::new())).unwrap();
        log.close();
        std::fs::remove_dir_all(folder.join("index")).unwrap();
        flip(&folder, 1, 8);
        let opened = open_with(settings(&folder), store);
        if is_shipped {
            let (log, found) = opened.unwrap();
            assert!(found.repaired.is_some_and(|repaired| repaired.contains("from 0 to 4")));
            assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted), expected(0, 0..12));
            log.close();
        } else {
            let refused = opened.err().unwrap();
            assert!(matches!(&refused, OpenError::CorruptFile { name, .. } if name == "wal/0000000001"), "{refused}");
            assert!(refused.to_string().contains("0 from 0 to 4"), "{refused}");
        }
    }
}

#[test]
fn a_log_on_a_volume_that_fills_up_still_closes() {
    let disk = SimulatedDisk::new(1 << 20);
    let config = LogConfig { disk_reserve_bytes: 64 << 10, broker: BrokerId(1), ..settings(Path::new("/")) };
    let (log, _) = Log::open(config.clone(), Arc::new(disk.clone()), Arc::new(MemoryStore::new())).unwrap();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    write(&log, 0, 0..5);
    disk.set_capacity(disk.used_bytes());
    log.close();
    disk.set_capacity(1 << 20);
    let (log, _) = Log::open(config, Arc::new(disk), Arc::new(MemoryStore::new())).unwrap();
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted), expected(0, 0..5));
    log.close();
}
