//! The engine by hand: nobody flushes, keeps or ships but the test.

use std::sync::Arc;

use store::{MemoryStore, ObjectStore, WriteIds};
use units::{BrokerId, PartitionId, TopicId};

use super::{
    chores::ChorePoll,
    ship::{ShipDone, ShipTask},
    *,
};
use crate::{Append, Origin, PartitionConfig, SimulatedDisk, open, wal::FlushPoll};

const FILE_BYTES: u64 = 64 << 10;

fn id() -> TopicPartitionId {
    TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(0) }
}

/// An engine that has claimed the store, and one partition.
fn engine(disk: &SimulatedDisk) -> Engine {
    let config = LogConfig {
        wal_file_bytes: FILE_BYTES,
        group_bytes_max: 16 << 10,
        disk_reserve_bytes: FILE_BYTES,
        ..LogConfig::new(BrokerId(1), "test", "/")
    };
    let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
    let opened = open::open(config, Rules::default(), disk, store, (WriteIds::of(1), TimestampMs(0))).unwrap();
    let (mut engine, mut shipper) = (opened.engine, opened.shipper);
    let claim = engine.poll_ship(Now::default()).unwrap();
    engine.on_shipped(shipper.perform(&claim).unwrap(), Now::default());
    let done = Box::new(|made: Result<(), AppendError>| made.unwrap());
    engine.submit(Request::Configure { partition: id(), config: PartitionConfig::default(), may_create: true, done }, Now::default());
    engine
}

fn append(engine: &mut Engine) {
    let append =
        Append { batches: crate::batch::tests::produced(1, &[1; 10_000], 1, None), origin: Origin::Coordinator, leader_epoch: None };
    let done = Box::new(|appended: Result<Appended, AppendError>| assert!(appended.is_ok()));
    engine.submit(Request::Append { partition: id(), append, done }, Now::default());
}

fn flush(engine: &mut Engine) {
    while let FlushPoll::Write(job) = engine.poll_flush(Now { monotonic: Duration::from_secs(1), ..Now::default() }) {
        let group = job.seal();
        group.write().unwrap();
        engine.on_flushed(group.seq, Ok(group.bytes));
    }
}

#[test]
fn what_is_damaged_is_said_until_it_is_whole_also_while_it_is_tried_again() {
    let disk = SimulatedDisk::new(16 << 20);
    let mut engine = engine(&disk);
    engine.partitions.get_mut(&id()).unwrap().recovered_end = Offset(1);
    let done = |engine: &mut Engine, done| engine.on_shipped(done, Now::default());
    done(&mut engine, ShipDone::SetAside(id(), "notes".into()));
    assert_eq!(engine.stats().set_aside, [id()]);
    let later = Now { monotonic: Duration::from_secs(61), ..Now::default() };
    engine.ship_all();
    let task = engine.poll_ship(later);
    assert!(matches!(task, Ok(ShipTask::Load(found)) if found == id()), "nothing came since, and it is looked at again: {task:?}");
    assert_eq!(engine.stats().set_aside, [id()], "it is not whole because it is tried again");
    done(&mut engine, ShipDone::Manifests { manifests: vec![(id(), None)], unnamed: Vec::new(), is_segment: false });
    assert_eq!(engine.stats().set_aside, []);
}

#[test]
fn that_an_append_waits_for_a_slow_volume_is_no_reason_to_ship() {
    let disk = SimulatedDisk::new(16 << 20);
    let mut engine = engine(&disk);
    for _ in 0..40 {
        append(&mut engine);
        flush(&mut engine);
        // The keeper is slow: it looks only where an append waits already.
        if engine.is_starved() {
            let ChorePoll::Do(chore) = engine.poll_chore(8 << 20, Now::default()) else { panic!("a file is wanted") };
            engine.on_chore(chore.perform(&disk).unwrap(), Now::default());
        }
    }
    assert!(engine.wal.files.used.len() > 3);
    let task = engine.poll_ship(Now::default());
    assert!(!matches!(task, Ok(ShipTask::Segment(_))), "{task:?}");
}
