//! What shipping costs: puts and bytes of three typical loads, held to a figure per GiB. Requests are what a bucket is paid for.

use std::{sync::Arc, time::Duration};

use store::{MemoryStore, ObjectStore, Requests, WriteIds};
use units::{BrokerId, PartitionId, TopicId};

use super::{chores::ChorePoll, *};
use crate::{Append, Origin, PartitionConfig, Ship, SimulatedDisk, open, shipper::Shipper, wal::FlushPoll};

const INTERVAL: Duration = Duration::from_secs(10);
const GIB: f64 = (1u64 << 30) as f64;

fn id(partition: i32) -> TopicPartitionId {
    TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(partition) }
}

/// A broker by hand, whose clock moves only where the test says so.
struct Broker {
    engine: Engine,
    shipper: Shipper,
    disk: SimulatedDisk,
    store: Arc<MemoryStore>,
    now: Duration,
    appended: u64,
}

impl Broker {
    fn new(partitions: i32) -> Self {
        let (disk, store) = (SimulatedDisk::new(4 << 30), Arc::new(MemoryStore::new()));
        let config = LogConfig {
            ship: Ship::Every(INTERVAL),
            wal_file_bytes: 4 << 20,
            wal_target_bytes: 32 << 20,
            ..LogConfig::new(BrokerId(1), "test", "/")
        };
        let shared: Arc<dyn ObjectStore> = store.clone();
        let opened = open::open(config, Rules::default(), &disk, shared, (WriteIds::of(1), TimestampMs(0))).unwrap();
        let mut broker = Self { engine: opened.engine, shipper: opened.shipper, disk, store, now: Duration::ZERO, appended: 0 };
        for partition in 0..partitions {
            let done = Box::new(|made: Result<(), AppendError>| made.unwrap());
            let config = PartitionConfig::default();
            broker.submit(Request::Configure { partition: id(partition), config, may_create: true, done });
        }
        broker.settle();
        broker
    }

    fn now(&self) -> Now {
        Now { monotonic: self.now, wall: TimestampMs(i64::try_from(self.now.as_millis()).unwrap()) }
    }

    fn submit(&mut self, request: Request) {
        let now = self.now();
        self.engine.submit(request, now);
    }

    fn append(&mut self, partition: i32, bytes: usize) {
        let batches = crate::batch::tests::produced(1, &vec![7; bytes], 1, None);
        self.appended += batches.len() as u64;
        let done = Box::new(|appended: Result<Appended, AppendError>| assert!(appended.is_ok()));
        self.submit(Request::Append {
            partition: id(partition),
            append: Append { batches, origin: Origin::Coordinator, leader_epoch: None },
            done,
        });
    }

    fn delete_all(&mut self, partition: i32) {
        let before = self.engine.partitions[&id(partition)].high_watermark;
        self.submit(Request::LogStart { partition: id(partition), before, done: None });
    }

    /// Everything that is due is done, at no time at all.
    fn settle(&mut self) {
        let now = self.now();
        loop {
            let mut has_moved = false;
            while let FlushPoll::Write(job) = self.engine.poll_flush(now) {
                let group = job.seal();
                group.write().unwrap();
                self.engine.on_flushed(group.seq, Ok(group.bytes));
                has_moved = true;
            }
            while let ChorePoll::Do(chore) = self.engine.poll_chore(1 << 30, now) {
                let done = chore.perform(&self.disk).unwrap();
                self.engine.on_chore(done, now);
                has_moved = true;
            }
            while let Ok(task) = self.engine.poll_ship(now) {
                let done = self.shipper.perform(&task).unwrap();
                self.engine.on_shipped(done, now);
                has_moved = true;
            }
            for ready in self.engine.take_ready() {
                match ready {
                    Ready::Appended(done, outcome) => done(outcome),
                    Ready::LogStart(done, outcome) => done(outcome),
                    Ready::Changed(done, outcome) => done(outcome),
                    Ready::Advanced(..) => {}
                }
            }
            if !has_moved {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.settle();
    }

    /// Puts, and bytes put for each byte appended, of a GiB of this load.
    fn cost_since(&self, before: &Requests) -> (f64, f64) {
        let after = self.store.requests();
        let (puts, bytes) = ((after.puts - before.puts) as f64, (after.bytes_put - before.bytes_put) as f64);
        (puts / self.appended as f64 * GIB, bytes / self.appended as f64)
    }
}

#[test]
fn one_busy_topic_costs_a_put_a_segment_and_few_manifests() {
    let mut broker = Broker::new(6);
    let before = broker.store.requests();
    // 12 MiB in each of ten seconds' intervals would be slow; here each is full after a second.
    for _ in 0..16 {
        for index in 0..120 {
            broker.append(index % 6, 100 << 10);
            broker.settle();
        }
        broker.pass(INTERVAL);
    }
    let (puts, bytes) = broker.cost_since(&before);
    println!("one busy topic: {puts:.0} puts and {bytes:.3} bytes a byte of a GiB");
    assert!(puts < 400.0, "{puts} puts");
    assert!(bytes < 1.02, "{bytes} bytes a byte");
}

#[test]
fn a_load_that_never_pauses_costs_no_put_for_every_little_that_came_meanwhile() {
    let mut broker = Broker::new(6);
    broker.pass(INTERVAL);
    let before = broker.store.requests();
    // 4 MiB a second for a minute.
    for step in 0..600 {
        for partition in 0..4 {
            broker.append((step + partition) % 6, 100 << 10);
        }
        broker.pass(Duration::from_millis(100));
    }
    let (puts, bytes) = broker.cost_since(&before);
    println!("a load that never pauses: {puts:.0} puts and {bytes:.3} bytes a byte of a GiB");
    assert!(puts < 400.0, "{puts} puts");
    assert!(bytes < 1.1, "{bytes} bytes a byte");
}

#[test]
fn a_thousand_slow_partitions_cost_no_put_each_every_time() {
    let mut broker = Broker::new(1000);
    broker.pass(INTERVAL);
    let before = broker.store.requests();
    // A hundred bytes a second each, for about eleven minutes.
    for _ in 0..64 {
        (0..1000).for_each(|partition| broker.append(partition, 1000));
        broker.pass(INTERVAL);
    }
    let (puts, bytes) = broker.cost_since(&before);
    println!("a thousand slow partitions: {puts:.0} puts and {bytes:.3} bytes a byte of a GiB");
    // Named every time, they would cost a million.
    assert!(puts < 60_000.0, "{puts} puts");
    assert!(bytes < 2.0, "{bytes} bytes a byte");
}

#[test]
fn what_is_trimmed_at_once_costs_a_roster_at_most() {
    let mut broker = Broker::new(8);
    broker.pass(INTERVAL);
    let before = broker.store.requests();
    for _ in 0..40 {
        for partition in 0..8 {
            (0..20).for_each(|_| broker.append(partition, 10_000));
        }
        broker.settle();
        (0..8).for_each(|partition| broker.delete_all(partition));
        broker.settle();
        broker.pass(INTERVAL);
    }
    let puts = broker.store.requests().puts - before.puts;
    let (per_gib, bytes) = broker.cost_since(&before);
    println!("internal topics: {per_gib:.0} puts and {bytes:.4} bytes a byte of a GiB");
    assert!(puts <= 41, "{puts} puts in forty intervals");
    assert!(bytes < 0.001, "{bytes} bytes a byte");
    assert_eq!(broker.engine.stats().at_risk_bytes, 0);
}
