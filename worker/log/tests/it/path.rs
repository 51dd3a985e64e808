//! Append, acknowledge, read, close, open again.

use std::sync::{Arc, Mutex};

use records::{BatchBuilder, Compression};
use streamwright_log::{
    Append, AppendError, Isolation, Marker, OpenError, Origin, PartitionConfig, ReadError, TransactionOutcome, Verification,
};
use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::helpers::{PLAIN, answer, append, batch, config, fetch, memory, open, open_with, partition, values};

#[test]
fn what_was_appended_is_read_back_in_order_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (id, other) = (partition(0), partition(1));
    let log = open(folder.path());
    for id in [id, other] {
        log.create_partition(id, PartitionConfig::default()).unwrap();
    }
    let bases: Vec<_> = (0..50).map(|index| append(&log, id, batch(&["a", "b"], index, None), PLAIN).unwrap().base_offset.0).collect();
    assert_eq!(bases, (0..50).map(|index| index * 2).collect::<Vec<_>>());
    append(&log, other, batch(&["other"], 1, None), PLAIN).unwrap();
    let before = values(&log, id, 0, Isolation::ReadUncommitted);
    assert_eq!(before.len(), 100);
    assert_eq!(before.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    log.close();

    let log = open(folder.path());
    assert_eq!(values(&log, id, 0, Isolation::ReadUncommitted), before);
    assert_eq!(values(&log, other, 0, Isolation::ReadUncommitted), [(0, "other".into())]);
    assert_eq!(append(&log, id, batch(&["later"], 60, None), PLAIN).unwrap().base_offset, Offset(100));
    assert_eq!(log.incarnation().0, 2);
    let epoch = |epoch| log.epoch_end(id, LeaderEpoch(epoch)).unwrap().map(|end| (end.leader_epoch.0, end.end.0));
    assert_eq!((epoch(0), epoch(1), epoch(2)), (None, Some((1, 100)), Some((2, 101))));
    log.close();
}

#[test]
fn a_fetch_inside_a_batch_returns_the_whole_batch_and_the_first_one_whatever_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    for _ in 0..3 {
        append(&log, id, batch(&["x", "y", "z"], 1, None), PLAIN).unwrap();
    }
    let fetched = fetch(&log, id, 4, 1, Isolation::ReadUncommitted).unwrap();
    let headers: Vec<_> = fetched.batches.iter().map(|bytes| records::BatchHeader::parse(bytes).unwrap().base_offset.0).collect();
    assert_eq!(headers, [3]);
    assert_eq!(fetched.offsets.high_watermark, Offset(9));
    assert!(fetch(&log, id, 9, 100, Isolation::ReadUncommitted).unwrap().batches.is_empty());
    assert!(matches!(fetch(&log, id, 10, 100, Isolation::ReadUncommitted), Err(ReadError::OffsetOutOfRange { .. })));
    assert!(matches!(fetch(&log, partition(9), 0, 100, Isolation::ReadUncommitted), Err(ReadError::UnknownPartition(_))));
    log.close();
}

#[test]
fn a_duplicate_gets_the_original_offset_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    let first = batch(&["a", "b"], 1, Some((7, 0, 0, false)));
    let second = batch(&["c"], 2, Some((7, 0, 2, false)));
    assert_eq!(append(&log, id, first.clone(), PLAIN).unwrap().base_offset, Offset(0));
    assert_eq!(append(&log, id, second.clone(), PLAIN).unwrap().base_offset, Offset(2));
    let again = append(&log, id, first.clone(), PLAIN).unwrap();
    assert_eq!((again.base_offset, again.is_duplicate), (Offset(0), true));
    log.close();

    let log = open(folder.path());
    let again = append(&log, id, second, PLAIN).unwrap();
    assert_eq!((again.base_offset, again.is_duplicate), (Offset(2), true));
    let gap = append(&log, id, batch(&["e"], 3, Some((7, 0, 4, false))), PLAIN);
    assert!(matches!(gap, Err(AppendError::OutOfOrderSequence { .. })));
    assert_eq!(values(&log, id, 0, Isolation::ReadUncommitted).len(), 3);
    log.close();
}

#[test]
fn read_committed_never_shows_an_aborted_record_and_stops_at_an_open_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    let guarded = |producer| match log.transaction_verification(id, ProducerId(producer), ProducerEpoch(0)).unwrap() {
        Verification::Ongoing => PLAIN,
        Verification::Needed(guard) => Origin::Producer { guard: Some(guard) },
    };
    let end = |producer, outcome| {
        let marker = Marker {
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(0),
            coordinator_epoch: 1,
            outcome,
            timestamp: TimestampMs(9),
        };
        answer(|done| log.append_marker(id, marker, done)).unwrap()
    };
    let transactional = |producer, value| batch(&[value], 1, Some((producer, 0, 0, true)));
    let unverified = append(&log, id, transactional(1, "x"), PLAIN);
    assert!(matches!(unverified, Err(AppendError::InvalidTransactionState { .. })));
    append(&log, id, transactional(1, "aborted"), guarded(1)).unwrap();
    append(&log, id, transactional(2, "committed"), guarded(2)).unwrap();
    append(&log, id, batch(&["plain"], 1, None), PLAIN).unwrap();
    assert_eq!(values(&log, id, 0, Isolation::ReadCommitted), []);
    assert_eq!(log.open_transactions().len(), 2);
    end(1, TransactionOutcome::Abort);
    assert_eq!(log.offsets(id).unwrap().last_stable_offset, Offset(1));
    end(2, TransactionOutcome::Commit);
    let committed = [(1, "committed".to_owned()), (2, "plain".to_owned())];
    assert_eq!(values(&log, id, 0, Isolation::ReadCommitted), committed);
    append(&log, id, transactional(3, "open"), guarded(3)).unwrap();
    log.close();

    let log = open(folder.path());
    assert_eq!(values(&log, id, 0, Isolation::ReadCommitted), committed);
    assert_eq!(log.open_transactions().iter().map(|open| open.first_offset.0).collect::<Vec<_>>(), [5]);
    log.close();
}

#[test]
fn deleted_records_stay_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    for index in 0..10 {
        append(&log, id, batch(&["a"], index, None), PLAIN).unwrap();
    }
    assert!(matches!(answer(|done| log.delete_records(id, Offset(11), done)), Err(AppendError::OffsetOutOfRange { .. })));
    assert_eq!(answer(|done| log.delete_records(id, Offset(4), done)), Ok(Offset(4)));
    assert_eq!(answer(|done| log.delete_records(id, Offset(2), done)), Ok(Offset(4)));
    drop(log);

    let log = reopen(folder.path());
    assert_eq!(log.offsets(id).unwrap().log_start, Offset(4));
    assert!(matches!(fetch(&log, id, 3, 100, Isolation::ReadUncommitted), Err(ReadError::OffsetOutOfRange { .. })));
    assert_eq!(values(&log, id, 4, Isolation::ReadUncommitted).len(), 6);
    log.close();
}

/// Opens a folder whose last holder is just letting go of it.
fn reopen(folder: &std::path::Path) -> streamwright_log::Log {
    loop {
        match open_with(config(folder), memory()) {
            Ok((log, _)) => return log,
            Err(OpenError::InUse { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn records_are_found_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    assert_eq!(log.offset_of_max_timestamp(id, Isolation::ReadUncommitted).unwrap(), None);
    for timestamp in [100, 50, 200] {
        append(&log, id, batch(&["a", "b", "c"], timestamp, None), PLAIN).unwrap();
    }
    let at = |time| {
        log.offset_at_time(id, TimestampMs(time), Isolation::ReadUncommitted).unwrap().map(|found| (found.offset.0, found.timestamp.0))
    };
    assert_eq!(at(0), Some((0, 100)));
    assert_eq!(at(101), Some((1, 101)));
    assert_eq!(at(103), Some((6, 200)));
    assert_eq!(at(202), Some((8, 202)));
    assert_eq!(at(203), None);
    let newest = log.offset_of_max_timestamp(id, Isolation::ReadUncommitted).unwrap().unwrap();
    assert_eq!((newest.offset, newest.leader_epoch), (Offset(8), LeaderEpoch(1)));
    log.close();
}

#[test]
fn a_search_by_time_does_not_walk_the_log_batch_by_batch() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    let mut newest_first = BatchBuilder::new(Compression::None);
    for timestamp in [500, 1] {
        newest_first.push_plain(TimestampMs(timestamp), None, Some(b"x"));
    }
    append(&log, id, newest_first.finish().into(), PLAIN).unwrap();
    let older = batch(&["x"], 1, None);
    for _ in 0..30_000 {
        log.append(id, Append { batches: older.clone(), origin: PLAIN, leader_epoch: None }, Box::new(|outcome| assert!(outcome.is_ok())));
    }
    append(&log, id, batch(&["x"], 450, None), PLAIN).unwrap();
    answer(|done| log.delete_records(id, Offset(1), done)).unwrap();
    let at = |time| log.offset_at_time(id, TimestampMs(time), Isolation::ReadUncommitted).unwrap().map(|found| found.offset.0);
    assert_eq!(at(400), Some(30_002));
    assert_eq!(at(480), None);
    log.close();
}

#[test]
fn listeners_hear_of_each_advance_and_a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = heard.clone();
    log.on_advance(Arc::new(move |id, offsets| ears.lock().unwrap().push((id, offsets.high_watermark.0))));
    log.create_partition(id, PartitionConfig::default()).unwrap();
    for _ in 0..3 {
        append(&log, id, batch(&["a"], 1, None), PLAIN).unwrap();
    }
    assert!(
        matches!(open_with(config(folder.path()), memory()), Err(OpenError::InUse { holder, .. }) if holder == std::process::id().to_string())
    );
    log.clone().close();
    assert_eq!(heard.lock().unwrap().last(), Some(&(id, 3)));
    assert!(matches!(append(&log, id, batch(&["a"], 1, None), PLAIN), Err(AppendError::Closed)));
}

#[test]
fn a_partition_that_is_removed_is_gone_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let id = partition(0);
    log.create_partition(id, PartitionConfig::default()).unwrap();
    append(&log, id, batch(&["a"], 1, None), PLAIN).unwrap();
    log.delete_partition(id).unwrap();
    assert!(matches!(append(&log, id, batch(&["a"], 1, None), PLAIN), Err(AppendError::UnknownPartition(_))));
    log.close();

    let log = open(folder.path());
    assert_eq!(log.partitions(), []);
    log.close();
}
