//! A store that is elsewhere: away for a while, known to somebody else, or all that is left.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use store::{MemoryStore, Plan};
use streamwright_log::{
    AppendError, Fetched, Isolation, Log, LogConfig, Marker, OpenError, Origin, PartitionConfig, Read, ReadOutcome, Ship, SimulatedDisk,
    StoreState, TransactionOutcome, Verification, VolumeHealth,
};
use units::{BrokerId, ByteCount, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::helpers::{PLAIN, answer, append, batch, config, fetch, open_with, partition, values};

/// Nothing is claimed of how fast things happen: this only ends a test whose log does nothing any more.
const PATIENCE: Duration = Duration::from_secs(600);

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}

fn small(folder: &Path) -> LogConfig {
    LogConfig {
        wal_file_bytes: 64 << 10,
        group_bytes_max: 16 << 10,
        tail_bytes_max: 32 << 10,
        segment_bytes_max: 64 << 10,
        ship: Ship::Every(Duration::from_millis(20)),
        checkpoint_interval: Duration::from_millis(20),
        retention_interval: Duration::from_millis(20),
        ..config(folder)
    }
}

fn write(log: &Log, number: i32, range: std::ops::Range<i64>) {
    for index in range {
        append(log, partition(number), batch(&[&format!("{index} {}", "y".repeat(1000))], index, None), PLAIN).unwrap();
    }
}

fn go_away(store: &MemoryStore) {
    store.plan(Some(Plan { unavailable: 1000, ..Plan::default() }));
}

fn transactional(log: &Log, number: i32, value: &str, (producer, epoch, sequence): (i64, i16, i32)) {
    let id = partition(number);
    let guard = match log.transaction_verification(id, ProducerId(producer), ProducerEpoch(epoch)).unwrap() {
        Verification::Ongoing => None,
        Verification::Needed(guard) => Some(guard),
    };
    append(log, id, batch(&[value], 1, Some((producer, epoch, sequence, true))), Origin::Producer { guard }).unwrap();
}

fn end(log: &Log, number: i32, producer: i64, epoch: i16, outcome: TransactionOutcome) {
    let marker = Marker {
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch: 1,
        outcome,
        timestamp: TimestampMs(1),
    };
    answer(|done| log.append_marker(partition(number), marker, done)).unwrap();
}

#[test]
fn a_broker_that_lost_its_volume_comes_back_with_everything_from_the_store() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let (log, _) = open_with(small(&root.path().join("first")), store.clone()).unwrap();
    let settings = PartitionConfig { total_time: Some(Duration::from_secs(1 << 40)), ..PartitionConfig::default() };
    log.put_named("catalogue", "topics".into()).unwrap();
    for number in 0..3 {
        log.create_partition(partition(number), settings.clone()).unwrap();
    }
    write(&log, 0, 0..200);
    answer(|done| log.delete_records(partition(0), Offset(30), done)).unwrap();
    for sequence in 0..3 {
        append(&log, partition(1), batch(&["idempotent"], 1, Some((7, 2, sequence, false))), PLAIN).unwrap();
    }
    transactional(&log, 2, "aborted", (8, 0, 0));
    end(&log, 2, 8, 1, TransactionOutcome::Abort);
    transactional(&log, 2, "committed", (8, 1, 0));
    end(&log, 2, 8, 2, TransactionOutcome::Commit);
    transactional(&log, 2, "open", (9, 0, 0));
    assert_eq!(log.ship_now(), Ok(()));
    assert_eq!(log.stats().at_risk_bytes, 0);
    let before = values(&log, partition(0), 30, Isolation::ReadUncommitted);
    let open = log.open_transactions();
    // This is durable on the volume alone when that is lost.
    go_away(&store);
    end(&log, 2, 9, 1, TransactionOutcome::Commit);
    assert!(log.stats().at_risk_bytes > 0);
    log.close();
    store.plan(None);

    let (log, found) = open_with(small(&root.path().join("second")), store.clone()).unwrap();
    assert!(found.restored.is_some() && found.partitions == 3, "{found:?}");
    assert_eq!(log.partitions().iter().map(|(id, config)| (id.partition.0, config.clone())).collect::<Vec<_>>().len(), 3);
    assert!(log.partitions().iter().all(|(_, config)| *config == settings));
    assert_eq!(log.named("catalogue").as_deref(), Some(&b"topics"[..]));
    let offsets = log.offsets(partition(0)).unwrap();
    assert_eq!((offsets.log_start, offsets.high_watermark), (Offset(30), Offset(200)));
    assert_eq!(values(&log, partition(0), 30, Isolation::ReadUncommitted), before);
    let again = append(&log, partition(1), batch(&["idempotent"], 1, Some((7, 2, 2, false))), PLAIN).unwrap();
    assert_eq!((again.base_offset, again.is_duplicate), (Offset(2), true));
    assert_eq!(append(&log, partition(1), batch(&["next"], 1, Some((7, 2, 3, false))), PLAIN).unwrap().base_offset, Offset(3));
    let epoch = |epoch| log.epoch_end(partition(1), LeaderEpoch(epoch)).unwrap().map(|end| (end.leader_epoch.0, end.end.0));
    assert_eq!((epoch(1), epoch(2)), (Some((1, 3)), Some((2, 4))));

    // The marker that was at risk is lost with the volume: the transaction is open again, and ends anew.
    let is_ours = |log: &Log| log.open_transactions().iter().map(|open| (open.producer_id, open.first_offset)).collect::<Vec<_>>();
    assert_eq!(is_ours(&log), open.iter().map(|open| (open.producer_id, open.first_offset)).collect::<Vec<_>>());
    assert_eq!(values(&log, partition(2), 0, Isolation::ReadCommitted), [(2, "committed".into())]);
    end(&log, 2, 9, 1, TransactionOutcome::Abort);
    assert_eq!(values(&log, partition(2), 0, Isolation::ReadCommitted), [(2, "committed".into())]);
    write(&log, 0, 200..230);
    assert_eq!(log.ship_now(), Ok(()));
    log.close();

    // And once more, from what both have left.
    let (log, _) = open_with(small(&root.path().join("third")), store).unwrap();
    assert_eq!(log.incarnation().0, 3);
    assert_eq!(values(&log, partition(0), 30, Isolation::ReadUncommitted).len(), 200);
    assert_eq!(values(&log, partition(2), 0, Isolation::ReadCommitted), [(2, "committed".into())]);
    log.close();
}

#[test]
fn an_empty_volume_does_not_start_without_the_stores_word() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    go_away(&store);
    let refused = open_with(small(root.path()), store.clone()).err().unwrap();
    assert!(matches!(&refused, OpenError::StoreNeeded { state: StoreState::Unreachable(_), .. }), "{refused}");
    store.plan(None);
    open_with(small(root.path()), store).unwrap().0.close();
}

#[test]
fn while_the_store_is_away_an_intact_volume_serves_and_starts_again_and_then_all_is_shipped() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let (log, _) = open_with(small(root.path()), store.clone()).unwrap();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    write(&log, 0, 0..20);
    assert_eq!(log.ship_now(), Ok(()));
    go_away(&store);
    log.close();
    for round in 1..4 {
        let (log, _) = open_with(small(root.path()), store.clone()).unwrap();
        write(&log, 0, round * 20..(round + 1) * 20);
        assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted).len() as i64, (round + 1) * 20);
        eventually("that it is noticed", || matches!(log.stats().store, StoreState::Unreachable(_)));
        let stats = log.stats();
        assert!(!stats.is_claimed && stats.at_risk_bytes > 20_000, "{stats:?}");
        log.close();
    }
    let (log, _) = open_with(small(root.path()), store.clone()).unwrap();
    store.plan(None);
    eventually("shipping", || log.stats().at_risk_bytes == 0);
    assert_eq!(log.stats().store, StoreState::Reachable);
    log.close();
    let (log, _) = open_with(small(&root.path().join("other")), store).unwrap();
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted).len(), 80);
    log.close();
}

#[test]
fn a_volume_that_fills_up_while_the_store_is_away_pushes_back_starts_again_and_heals() {
    let disk = SimulatedDisk::new(2 << 20);
    let store = Arc::new(MemoryStore::new());
    let settings = LogConfig { broker: BrokerId(1), ..small(Path::new("/")) };
    let open = || Log::open(settings.clone(), Arc::new(disk.clone()), store.clone()).unwrap().0;
    let log = open();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    write(&log, 0, 0..5);
    assert_eq!(log.ship_now(), Ok(()));
    go_away(&store);
    let fill = |log: &Log, from: i64| {
        let mut next = from;
        loop {
            match append(log, partition(0), batch(&[&"z".repeat(4000)], next, None), PLAIN) {
                Ok(_) => next += 1,
                Err(AppendError::DiskFull) => return next,
                Err(error) => panic!("{error}"),
            }
            assert!(next < 2000, "a volume of 2 MiB is never full");
        }
    };
    let mut end = fill(&log, 5);
    assert!(end > 100, "{end}");
    log.close();
    for _ in 0..5 {
        let log = open();
        assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted).len() as i64, end);
        end = fill(&log, end);
        assert_eq!(log.stats().volume, VolumeHealth::Full);
        log.close();
    }
    let log = open();
    store.plan(None);
    eventually("healing", || append(&log, partition(0), batch(&["healed"], 1, None), PLAIN).is_ok());
    eventually("health", || log.stats().volume == VolumeHealth::Healthy);
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted).len() as i64, end + 1);
    log.close();
}

#[test]
fn a_store_that_knows_a_later_incarnation_stops_the_broker_by_name_when_it_is_back() {
    let (ours, theirs) = (SimulatedDisk::new(64 << 20), SimulatedDisk::new(64 << 20));
    let store = Arc::new(MemoryStore::new());
    let open = |disk: &SimulatedDisk| Log::open(small(Path::new("/")), Arc::new(disk.clone()), store.clone()).unwrap().0;
    let log = open(&ours);
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    eventually("the claim", || log.stats().is_claimed);
    log.close();
    for _ in 0..2 {
        let log = open(&theirs);
        eventually("the claim", || log.stats().is_claimed);
        log.close();
    }
    go_away(&store);
    let log = open(&ours);
    write(&log, 0, 0..5);
    store.plan(None);
    eventually("the end", || matches!(log.stats().volume, VolumeHealth::Failed(_)));
    let VolumeHealth::Failed(reason) = log.stats().volume else { unreachable!() };
    assert!(reason.contains("incarnation 3 of this broker has claimed"), "{reason}");
    assert!(matches!(append(&log, partition(0), batch(&["no"], 1, None), PLAIN), Err(AppendError::VolumeFailed(_))));
    log.close();
}

#[test]
fn local_copies_go_by_policy_and_old_data_is_read_ahead_from_the_store() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let settings = LogConfig { cold_bytes_max: 600 << 10, manifest_parts_max: 4, ..small(root.path()) };
    let (log, _) = open_with(settings.clone(), store.clone()).unwrap();
    let local = PartitionConfig { local_bytes: Some(ByteCount(50 << 10)), ..PartitionConfig::default() };
    log.create_partition(partition(0), local).unwrap();
    write(&log, 0, 0..1000);
    eventually("that local copies go", || log.usage(partition(0)).unwrap().local_bytes <= ByteCount(52 << 10));
    eventually("that their files go", || log.stats().wal_bytes <= 6 * (64 << 10) + (1 << 20));
    let usage = log.usage(partition(0)).unwrap();
    assert!(usage.object_bytes > ByteCount(950 << 10) && usage.records == 1000, "{usage:?}");

    let before = store.requests();
    let mut next = 0;
    while next < 900 {
        let fetched = fetch(&log, partition(0), next, 8 << 10, Isolation::ReadUncommitted).unwrap();
        for piece in fetched.batches.into_iter().flat_map(records::split) {
            let (header, _) = piece.unwrap();
            assert_eq!(header.base_offset.0, next);
            next = header.next_offset().0;
        }
        assert!(log.stats().cold_bytes <= 800 << 10, "{} bytes ahead", log.stats().cold_bytes);
    }
    let after = store.requests();
    let got = after.bytes_got - before.bytes_got;
    assert!(got < 1_300_000, "{got} bytes were got for about a million");
    log.close();
    let (log, _) = open_with(settings, store).unwrap();
    assert_eq!(values(&log, partition(0), 0, Isolation::ReadUncommitted).len(), 1000);
    log.close();
}

#[test]
fn a_read_of_the_store_goes_on_through_small_segments_while_somebody_wants_it() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let asked = LogConfig { ship: Ship::WhenAsked, ..small(&root.path().join("first")) };
    let (log, _) = open_with(asked, store.clone()).unwrap();
    log.create_partition(partition(0), PartitionConfig::default()).unwrap();
    for from in [0, 4, 8] {
        write(&log, 0, from..from + 4);
        assert_eq!(log.ship_now(), Ok(()));
    }
    log.close();
    let (log, _) = open_with(small(&root.path().join("second")), store.clone()).unwrap();
    let job = |bytes_max| {
        let read = Read { from: Offset(2), bytes_max, whole_first_batch: true, isolation: Isolation::ReadUncommitted };
        match log.read(partition(0), read).unwrap() {
            ReadOutcome::Blocking(job) if job.is_cold() => job,
            outcome => panic!("it is in the store alone, not {outcome:?}"),
        }
    };
    let count = |fetched: &Fetched| fetched.batches.iter().map(|bytes| records::split(bytes.clone()).count()).sum::<usize>();
    let before = store.requests().gets;
    assert_eq!(count(&job(64 << 10).run_while(&|| false).unwrap()), 0);
    assert_eq!(store.requests().gets, before, "nobody waits for it");
    assert_eq!(count(&job(64 << 10).run().unwrap()), 10, "of three segments");
    assert_eq!(count(&job(5000).run().unwrap()), 4, "two of the first and two of the next are less than five thousand bytes");
    let questions = std::cell::Cell::new(0);
    let once = || questions.replace(questions.get() + 1) == 0;
    assert_eq!(count(&job(64 << 10).run_while(&once).unwrap()), 2, "who goes away after the first segment gets no more");
}
