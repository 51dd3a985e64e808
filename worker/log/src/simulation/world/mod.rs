//! One volume, one store, the clients, and whatever goes wrong.

mod clients;
mod loss;
mod reader;
mod store;
mod transactions;
mod volume;
mod zombie;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use ::store::{Fault, Injection, MemoryStore, ObjectStore, Operation, Plan, WriteIds};
use bytes::Bytes;
use units::{BrokerId, ByteCount, Incarnation, Offset, PartitionId, ProducerEpoch, ProducerId, TimestampMs, TopicId};

use super::{
    Outcome,
    ledger::{Ledger, Seen},
    random::Random,
    transactor::{Fate, Phase, Transactor},
};
use crate::{
    Append, AppendError, Appended, Damage, Disk, Isolation, LogConfig, Marker, OpenError, Origin, PartitionConfig, Read, ReadError, Ship,
    SimulatedDisk, TopicPartitionId, TransactionOutcome, Verification, WriteMode,
    cold::Cold,
    engine::ship::ShipDone,
    engine::{Engine, Now, Ready, Request, chores::ChorePoll, read::Found},
    keys::Keys,
    manifest::{Manifest, Owner},
    open,
    partition::index::{IndexEntry, Location},
    rules::Rules,
    shipper::{self, ShipError, Shipper},
    spans::{self, SpanError},
    wal::{
        FlushPoll,
        group::SealedGroup,
        layout::{self, GroupHeader, Seal},
    },
};

use zombie::Zombie;

const PARTITIONS: i32 = 3;
/// The partition whose local copies go early.
const COLD: i32 = 1;
/// The partition that sees transactions.
const TRANSACTED: i32 = 2;
const PRODUCERS: usize = 4;
const CAPACITY_BYTES: u64 = 8 << 20;
const FILE_BYTES: u64 = 64 << 10;

/// Where the value of a group's first record begins: behind the heads of group, entry, batch and record.
const FIRST_VALUE_AT: usize = 64 + 25 + 61 + 10;

type Heard = Arc<Mutex<Vec<Answer>>>;

/// An answer to a client.
#[derive(Debug)]
enum Answer {
    Appended { producer: usize, payload: u64, outcome: Result<Appended, AppendError> },
    LogStart { partition: i32, outcome: Result<Offset, AppendError> },
    Transactional { payload: u64, outcome: Result<Appended, AppendError> },
    Ended { outcome: Result<Appended, AppendError> },
}

/// A client: idempotent ones repeat after a crash what was not answered.
#[derive(Debug, Default)]
struct Client {
    partition: i32,
    /// 0: not idempotent.
    id: i64,
    next_sequence: i32,
    /// Something of it was acknowledged.
    is_known: bool,
    /// Sent and not answered: payload, its size and first sequence.
    in_flight: VecDeque<(u64, usize, i32)>,
}

/// A group that was acknowledged as durable to the engine, and how far it says acknowledgements had gone.
#[derive(Debug)]
struct Written {
    seq: u64,
    file: u32,
    position: u32,
    bytes: usize,
}

/// Everything.
pub(crate) struct World {
    random: Random,
    rules: Rules,
    disk: SimulatedDisk,
    store: Arc<MemoryStore>,
    live: Option<Live>,
    ledgers: BTreeMap<i32, Ledger>,
    clients: Vec<Client>,
    transactor: Transactor,
    heard: Heard,
    payloads: u64,
    opened: u64,
    now: Duration,
    written: Vec<Written>,
    /// Groups up to this one are said to be acknowledged by a whole group, or by a checkpoint.
    evidence: u64,
    ship: Ship,
    is_store_faulty: bool,
    /// The store does not answer at all.
    is_store_away: bool,
    parts_max: usize,
    /// A process of before that has not noticed that it is that.
    zombie: Option<Zombie>,
    /// What this seed has come by.
    pub(crate) seen: Sights,
    /// What the damaged volume was repaired from the store, in words.
    pub(crate) repaired: Vec<String>,
}

/// What runs have come by: that nothing fails says little where nothing happens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sights {
    /// A volume was lost and came back from the store.
    pub(crate) is_restored: bool,
    /// With records in it.
    pub(crate) is_restored_with_records: bool,
    /// A process of before was refused by the store.
    pub(crate) is_zombie_refused: bool,
    /// The log was opened while the store was away.
    pub(crate) is_opened_alone: bool,
    /// Small segments were merged.
    pub(crate) is_merged: bool,
    /// A manifest has moved references into a chunk.
    pub(crate) is_chunked: bool,
    /// A local copy was let go of that the store alone holds then.
    pub(crate) is_cold: bool,
}

struct Live {
    engine: Engine,
    shipper: Shipper,
    cold: Cold,
    /// Being written: the order in which they land is open.
    outstanding: Vec<Outstanding>,
}

/// A write under way, and the last group acknowledged when it began.
struct Outstanding {
    group: SealedGroup,
    acked_through: u64,
}

fn id(partition: i32) -> TopicPartitionId {
    TopicPartitionId { topic: TopicId([5; 16]), partition: PartitionId(partition) }
}

/// One record that carries its payload number, and is long enough to make groups of several blocks. Where there is room, it
/// holds `forged` where a block begins, if its batch is the first of its group.
fn batch(payload: u64, size: usize, producer: (i64, i32), forged: &[u8]) -> Bytes {
    let mut value = payload.to_le_bytes().to_vec();
    value.resize(8 + size, 0xab);
    for block in (FIRST_VALUE_AT..FIRST_VALUE_AT + size).filter(|at| at.is_multiple_of(4096)) {
        let place = block - FIRST_VALUE_AT;
        if let Some(place) = value.get_mut(place..place + forged.len()) {
            place.copy_from_slice(forged);
        }
    }
    let stamp = (producer.0 != 0).then_some((producer.0, 0, producer.1, false));
    crate::batch::tests::produced(1, &value, i64::try_from(payload).expect("small"), stamp)
}

impl World {
    pub(crate) fn new(seed: u64, rules: Rules) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let ship = if random.chance(50) { Ship::WhenAsked } else { Ship::Every(Duration::from_millis(300)) };
        let clients = (0..PRODUCERS).map(|index| Client {
            partition: i32::try_from(index).expect("few") % PARTITIONS,
            id: if index == 0 { 0 } else { i64::try_from(index).expect("few") },
            ..Client::default()
        });
        let mut world = Self {
            clients: clients.collect(),
            transactor: Transactor::new(),
            is_store_faulty: random.chance(50),
            is_store_away: false,
            parts_max: [1, 3, 20][random.below(3)],
            zombie: None,
            seen: Sights::default(),
            random,
            rules,
            disk: SimulatedDisk::new(CAPACITY_BYTES),
            store: Arc::new(MemoryStore::new()),
            live: None,
            ledgers: (0..PARTITIONS).map(|partition| (partition, Ledger::default())).collect(),
            heard: Heard::default(),
            payloads: 0,
            opened: 0,
            now: Duration::ZERO,
            written: Vec::new(),
            evidence: 0,
            ship,
            repaired: Vec::new(),
        };
        world.open().map_err(|error| error.to_string())?;
        world.make_partitions();
        world.drain()?;
        Ok(world)
    }

    fn make_partitions(&mut self) {
        for partition in 0..PARTITIONS {
            let done = Box::new(|outcome: Result<(), AppendError>| outcome.expect("a fresh volume takes partitions"));
            let local_bytes = (partition == COLD).then_some(ByteCount(8 << 10));
            let config = PartitionConfig { local_bytes, ..PartitionConfig::default() };
            self.submit(Request::Configure { partition: id(partition), config, may_create: true, done });
        }
    }

    fn config(&self) -> LogConfig {
        LogConfig {
            wal_file_bytes: FILE_BYTES,
            wal_target_bytes: 3 * FILE_BYTES,
            wal_spare_files: 1,
            group_bytes_max: 16 << 10,
            linger_max: Duration::from_millis(2),
            flushes_in_flight: 3,
            tail_bytes_max: 16 << 10,
            segment_bytes_max: FILE_BYTES,
            ship: self.ship,
            checkpoint_interval: Duration::from_millis(60),
            disk_reserve_bytes: FILE_BYTES,
            object_grace: Duration::from_millis(60),
            retention_interval: Duration::from_millis(40),
            manifest_parts_max: self.parts_max,
            manifest_bytes_max: 64 << 10,
            manifest_references_max: 6,
            merge_bytes: 30 << 10,
            merge_pieces_min: 2,
            restore_requests_max: 1,
            write_mode: WriteMode::Buffered,
            ..LogConfig::new(BrokerId(1), "sim", "/")
        }
    }

    fn clock(&self) -> Now {
        Now { monotonic: self.now, wall: TimestampMs(i64::try_from(self.now.as_millis()).expect("short")) }
    }

    fn open(&mut self) -> Result<(), OpenError> {
        self.opened += 1;
        self.now = Duration::ZERO;
        // What earlier incarnations have sent may still be on its way.
        self.store.plan(None);
        if self.is_store_away {
            self.store.plan(Some(Plan { unavailable: 1000, ..Plan::default() }));
            self.seen.is_opened_alone = true;
        }
        let store: Arc<dyn ObjectStore> = self.store.clone();
        let now = self.clock().wall;
        let opened = open::open(self.config(), self.rules, &self.disk, store.clone(), (WriteIds::of(self.opened), now))?;
        self.repaired.extend(opened.report.repaired.clone());
        let cold = Cold::new(store, opened.keys);
        self.live = Some(Live { engine: opened.engine, shipper: opened.shipper, cold, outstanding: Vec::new() });
        self.written.clear();
        self.evidence = 0;
        self.trouble();
        Ok(())
    }

    /// The store loses answers again.
    fn trouble(&mut self) {
        if self.is_store_away {
            self.store.plan(Some(Plan { unavailable: 1000, ..Plan::default() }));
        } else if self.is_store_faulty {
            let seed = self.random.next();
            self.store.plan(Some(Plan { seed, answer_lost: 60, request_lost: 60, late: 40, unavailable: 60 }));
        }
    }

    fn calm(&mut self) {
        self.store.plan(None);
        self.store.calm();
    }

    fn live(&mut self) -> &mut Live {
        self.live.as_mut().expect("the log is open between steps")
    }

    /// One thing happens.
    pub(crate) fn step(&mut self) -> Outcome {
        match self.random.below(100) {
            0..34 => self.produce(),
            34..40 => self.transact(),
            40..60 => self.begin_flush(),
            60..78 => self.end_flush()?,
            78..86 => self.keep()?,
            86..90 => self.ship()?,
            90..92 => self.delete_records(),
            92..95 => self.read_some()?,
            95 => self.resize(),
            96 => self.fail_soon(),
            97 => {
                self.pass_time();
                self.repeat();
            }
            98 => self.crash(true)?,
            _ if self.random.chance(25) => self.lose_volume()?,
            _ => self.crash(false)?,
        }
        if self.random.chance(2) {
            self.is_store_away = !self.is_store_away && self.random.chance(30);
            self.trouble();
        }
        if self.zombie.is_some() && self.random.chance(20) {
            self.walk_zombie()?;
        }
        self.now += Duration::from_micros(500);
        self.hear()
    }

    /// Everything calms down: what can be finished is, and all is compared once more.
    pub(crate) fn finish(&mut self) -> Outcome {
        self.disk.set_capacity(CAPACITY_BYTES);
        self.disk.fail_after(None);
        self.is_store_away = false;
        self.crash(false)?;
        self.drain()?;
        self.verify()?;
        let waiting = self.clients.iter().find(|client| client.id != 0 && !client.in_flight.is_empty());
        if let Some(client) = waiting {
            return Err(format!("all faults are over, and this client is not answered: {client:?}"));
        }
        self.clean_up()?;
        self.verify()
    }

    fn pass_time(&mut self) {
        self.now += Duration::from_millis(50);
    }

    fn resize(&mut self) {
        let used = self.disk.used_bytes();
        let capacity = if self.random.chance(50) { used } else { CAPACITY_BYTES };
        self.disk.set_capacity(capacity);
    }

    /// The volume fails one of its next writes; the broker then has to start anew.
    fn fail_soon(&mut self) {
        if self.random.chance(30) {
            let count = self.random.next() % 4;
            self.disk.fail_after(Some(count));
        }
    }

    fn submit(&mut self, request: Request) {
        let now = self.clock();
        self.live().engine.submit(request, now);
    }

    /// Lets everything under way come to its end.
    fn drain(&mut self) -> Outcome {
        for _ in 0..2000 {
            self.begin_flush();
            self.end_flush()?;
            self.keep()?;
            self.hear()?;
            self.now += Duration::from_millis(1);
            if self.live().engine.wal.is_idle() && self.live().outstanding.is_empty() {
                return Ok(());
            }
        }
        Err("what is under way never ends".into())
    }
}
