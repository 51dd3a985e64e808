//! One volume, one store, the clients, and whatever goes wrong.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use store::{MemoryStore, ObjectStore, Plan, WriteIds};
use units::{BrokerId, Offset, PartitionId, ProducerEpoch, ProducerId, TimestampMs, TopicId};

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
    engine::{Engine, Now, Ready, Request, chores::ChorePoll, read::Found},
    open,
    rules::Rules,
    shipper::{ShipError, Shipper},
    spans::{self, SpanError},
    wal::{FlushPoll, SealedGroup, layout},
};

const PARTITIONS: i32 = 3;
/// The partition that sees transactions.
const TRANSACTED: i32 = 2;
const PRODUCERS: usize = 4;
const CAPACITY_BYTES: u64 = 8 << 20;
const FILE_BYTES: u64 = 64 << 10;

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

/// One record that carries its payload number, and is long enough to make groups of several blocks.
fn batch(payload: u64, size: usize, producer: (i64, i32)) -> Bytes {
    let mut value = payload.to_le_bytes().to_vec();
    value.resize(8 + size, 0xab);
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
        };
        world.open().map_err(|error| error.to_string())?;
        for partition in 0..PARTITIONS {
            let done = Box::new(|outcome: Result<(), AppendError>| outcome.expect("a fresh volume takes partitions"));
            world.submit(Request::Configure { partition: id(partition), config: PartitionConfig::default(), may_create: true, done });
        }
        world.drain()?;
        Ok(world)
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
            object_grace: Duration::from_millis(200),
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
        self.calm();
        let store: Arc<dyn ObjectStore> = self.store.clone();
        let now = self.clock().wall;
        let opened = open::open(self.config(), self.rules, &self.disk, store.clone(), (WriteIds::of(self.opened), now))?;
        let cold = Cold::new(store, opened.keys);
        self.live = Some(Live { engine: opened.engine, shipper: opened.shipper, cold, outstanding: Vec::new() });
        self.written.clear();
        self.evidence = 0;
        self.trouble();
        Ok(())
    }

    /// The store loses answers again.
    fn trouble(&mut self) {
        if self.is_store_faulty {
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
            _ => self.crash(false)?,
        }
        self.now += Duration::from_micros(500);
        self.hear()
    }

    /// Everything calms down: what can be finished is, and all is compared once more.
    pub(crate) fn finish(&mut self) -> Outcome {
        self.disk.set_capacity(CAPACITY_BYTES);
        self.disk.fail_after(None);
        self.crash(false)?;
        self.drain()?;
        self.verify()?;
        let waiting = self.clients.iter().find(|client| client.id != 0 && !client.in_flight.is_empty());
        if let Some(client) = waiting {
            return Err(format!("all faults are over, and this client is not answered: {client:?}"));
        }
        self.crash(false)
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

    fn produce(&mut self) {
        let index = self.random.below(PRODUCERS);
        // A producer that is not known may begin at any sequence: until it is, one batch at a time keeps the order.
        let in_flight_max = if self.clients[index].is_known { 4 } else { 1 };
        if self.clients[index].in_flight.len() >= in_flight_max {
            return;
        }
        self.payloads += 1;
        let (payload, size) = (self.payloads, [20, 200, 3000, 9000][self.random.below(4)]);
        let client = &mut self.clients[index];
        let sequence = client.next_sequence;
        client.next_sequence += 1;
        client.in_flight.push_back((payload, size, sequence));
        let (partition, producer) = (client.partition, client.id);
        self.ledgers.get_mut(&partition).expect("made").sent.insert(payload, (producer, sequence));
        self.send(index, payload, size, sequence);
    }

    fn send(&mut self, index: usize, payload: u64, size: usize, sequence: i32) {
        let (partition, producer) = (self.clients[index].partition, self.clients[index].id);
        let append =
            Append { batches: batch(payload, size, (producer, sequence)), origin: Origin::Producer { guard: None }, leader_epoch: None };
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::Appended { producer: index, payload, outcome }));
        self.submit(Request::Append { partition: id(partition), append, done });
    }

    /// The transactional producer, or its coordinator, goes one step further.
    fn transact(&mut self) {
        if self.transactor.is_waiting {
            return;
        }
        if self.transactor.phase == Phase::Open && self.transactor.has_open() && self.random.chance(40) {
            let is_commit = self.random.chance(60);
            self.transactor.decide(is_commit);
        }
        self.transactor.is_waiting = true;
        match self.transactor.phase {
            Phase::Open => self.send_transactional(),
            Phase::Ending { is_commit } => self.send_marker(is_commit),
        }
    }

    fn send_transactional(&mut self) {
        self.payloads += 1;
        let (payload, epoch, sequence) = (self.payloads, self.transactor.epoch, self.transactor.sequence);
        self.transactor.fates.insert(payload, Fate::Open);
        self.ledgers.get_mut(&TRANSACTED).expect("made").sent.insert(payload, (0, 0));
        let batches = crate::batch::tests::produced(1, &payload.to_le_bytes(), 1, Some((Transactor::ID, epoch, sequence, true)));
        let verification = self.live().engine.verification(id(TRANSACTED), ProducerId(Transactor::ID), ProducerEpoch(epoch));
        let guard = match verification.expect("made") {
            Verification::Ongoing => None,
            Verification::Needed(guard) => Some(guard),
        };
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::Transactional { payload, outcome }));
        let append = Append { batches, origin: Origin::Producer { guard }, leader_epoch: None };
        self.submit(Request::Append { partition: id(TRANSACTED), append, done });
    }

    fn send_marker(&mut self, is_commit: bool) {
        let marker = Marker {
            producer_id: ProducerId(Transactor::ID),
            producer_epoch: ProducerEpoch(self.transactor.epoch + 1),
            coordinator_epoch: 1,
            outcome: if is_commit { TransactionOutcome::Commit } else { TransactionOutcome::Abort },
            timestamp: TimestampMs(1),
        };
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::Ended { outcome }));
        self.submit(Request::Marker { partition: id(TRANSACTED), marker, done });
    }

    fn note_transactional(&mut self, payload: u64, outcome: Result<Appended, AppendError>) -> Outcome {
        self.transactor.is_waiting = false;
        match outcome {
            Ok(appended) => {
                self.transactor.sequence += 1;
                self.ledgers.get_mut(&TRANSACTED).expect("made").acked.insert(appended.base_offset.0, payload);
            }
            Err(AppendError::DiskFull) => drop(self.transactor.fates.insert(payload, Fate::Aborted)),
            // It may have landed all the same: the restart that follows aborts the transaction.
            Err(AppendError::VolumeFailed(_)) => {}
            Err(error) => return Err(format!("transactional {payload}: {error}")),
        }
        Ok(())
    }

    fn note_end(&mut self, outcome: Result<Appended, AppendError>) -> Outcome {
        self.transactor.is_waiting = false;
        match outcome {
            Ok(_) => self.transactor.on_ended(),
            Err(AppendError::DiskFull | AppendError::VolumeFailed(_)) => {}
            Err(error) => return Err(format!("marker: {error}")),
        }
        Ok(())
    }

    /// What `read_committed` shows of the transactional producer.
    fn check_committed(&mut self) -> Outcome {
        let Some(state) = self.live().engine.partitions.get(&id(TRANSACTED)) else { return Ok(()) };
        let offsets = state.offsets();
        let (mut from, mut shown) = (offsets.log_start, Vec::new());
        while from < offsets.last_stable_offset {
            let batches = self.read(TRANSACTED, from, Isolation::ReadCommitted).map_err(|error| error.to_string())?;
            if batches.is_empty() {
                break;
            }
            let aborted = self.live().engine.partitions[&id(TRANSACTED)].transactions.aborted(from, offsets.last_stable_offset);
            for (header, bytes) in batches.into_iter().flat_map(records::split).map(|piece| piece.expect("whole batches")) {
                from = header.next_offset();
                let is_aborted = aborted.iter().any(|aborted| {
                    aborted.producer_id == header.producer_id && (aborted.first_offset..aborted.last_offset).contains(&header.base_offset)
                });
                if header.attributes.is_transactional() && !header.attributes.is_control() && !is_aborted {
                    let records = records::Records::decode(&bytes, 1 << 20).expect("plain");
                    let payload =
                        |record: records::Record<'_>| record.value.and_then(|value| value.first_chunk().copied()).map(u64::from_le_bytes);
                    shown.extend(records.iter().filter_map(|record| payload(record.expect("whole"))));
                }
            }
        }
        if from < offsets.last_stable_offset {
            return Err(format!("read_committed stops at {from}, the last stable offset is {}", offsets.last_stable_offset));
        }
        let kept = self.ledgers[&TRANSACTED].acked.range(offsets.log_start.0..).map(|(_, payload)| *payload);
        self.transactor.check(&shown, kept)
    }

    fn delete_records(&mut self) {
        let partition = i32::try_from(self.random.below(3)).expect("few");
        let Some(state) = self.live().engine.partitions.get(&id(partition)) else { return };
        let (start, end) = (state.log_start.0, state.high_watermark.0);
        if end <= start {
            return;
        }
        let before = start + i64::try_from(self.random.below(usize::try_from(end - start).expect("small") + 1)).expect("small");
        let ledger = self.ledgers.get_mut(&partition).expect("made");
        ledger.log_start_asked = ledger.log_start_asked.max(before);
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::LogStart { partition, outcome }));
        self.submit(Request::LogStart { partition: id(partition), before: Offset(before), done: Some(done) });
    }

    fn begin_flush(&mut self) {
        let now = self.clock();
        let live = self.live();
        if let FlushPoll::Write(job) = live.engine.poll_flush(now) {
            let acked_through = live.engine.wal.acked_through();
            live.outstanding.push(Outstanding { group: job.seal(), acked_through });
        }
    }

    /// One of the writes under way comes to its end, whichever.
    fn end_flush(&mut self) -> Outcome {
        let count = self.live().outstanding.len();
        if count == 0 {
            return Ok(());
        }
        let index = self.random.below(count);
        let Outstanding { group, acked_through } = self.live().outstanding.swap_remove(index);
        let written = group.write();
        if written.is_ok() {
            self.evidence = self.evidence.max(acked_through);
            let (file, position) = (group.location.file, group.location.position);
            self.written.push(Written { seq: group.seq, file, position, bytes: group.bytes.len() });
        }
        self.live().engine.on_flushed(group.seq, written.map(|()| group.bytes));
        self.restart_if_failed()
    }

    fn restart_if_failed(&mut self) -> Outcome {
        if self.live().engine.has_failed() { self.crash(false) } else { Ok(()) }
    }

    fn keep(&mut self) -> Outcome {
        let (now, disk) = (self.clock(), self.disk.clone());
        let free_bytes = disk.free_bytes().expect("it is memory");
        let live = self.live();
        let ChorePoll::Do(chore) = live.engine.poll_chore(free_bytes, now) else { return Ok(()) };
        match chore.perform(&disk) {
            Ok(done) => live.engine.on_chore(done, now),
            Err(error) => live.engine.fail(error.to_string()),
        }
        self.restart_if_failed()
    }

    fn ship(&mut self) -> Outcome {
        let now = self.clock();
        let live = self.live();
        let Ok(task) = live.engine.poll_ship(now) else { return Ok(()) };
        match live.shipper.perform(&task) {
            Ok(done) => live.engine.on_shipped(done, now),
            Err(error @ ShipError::Fenced { .. }) => return Err(error.to_string()),
            Err(ShipError::Local(error)) => return Err(format!("shipping reads {error:?}")),
            Err(ShipError::Corrupt(key, reason)) => return Err(format!("{key}: {reason}")),
            Err(_) => live.engine.on_ship_failed(now),
        }
        Ok(())
    }

    /// The process ends at any point; writes under way leave anything behind. Then it starts again.
    fn crash(&mut self, may_flip: bool) -> Outcome {
        self.disk.fail_after(None);
        self.disk.set_capacity(CAPACITY_BYTES);
        self.hear()?;
        let live = self.live.take().expect("the log is open between steps");
        for Outstanding { group, .. } in &live.outstanding {
            let blocks = group.bytes.len() / 4096;
            let damage = match self.random.below(3) {
                0 => Damage::Lost,
                1 => Damage::Whole,
                _ => Damage::Torn((0..blocks).map(|_| self.random.chance(50)).collect()),
            };
            self.disk.leave(&layout::file_name(group.location.file), u64::from(group.location.position), &group.bytes, &damage);
        }
        drop(live);
        self.transactor.on_crash();
        self.heard.lock().expect("one thread").clear();
        let flip = if may_flip { self.flip() } else { None };
        let outcome = self.open().map_err(|error| error.to_string()).and_then(|()| self.verify());
        match (outcome, flip) {
            (Ok(()), _) => {}
            (Err(reason), Some((name, position, bit))) if reason.contains("corrupt") || reason.contains("does not verify") => {
                // Loud, as it must be. The volume is restored.
                self.disk.flip(&name, position, bit);
                self.open().map_err(|error| error.to_string())?;
                self.verify()?;
            }
            (Err(reason), _) => return Err(reason),
        }
        self.repeat();
        Ok(())
    }

    /// Flips a bit in a group that is known, from elsewhere on the volume, to have been acknowledged.
    fn flip(&mut self) -> Option<(String, u64, u8)> {
        let known: Vec<_> = self.written.iter().filter(|group| group.seq <= self.evidence).collect();
        if known.is_empty() {
            return None;
        }
        let group = known[self.random.below(known.len())];
        let (name, length, start) = (layout::file_name(group.file), group.bytes, group.position);
        let position = u64::from(start) + self.random.below(length) as u64;
        let bit = u8::try_from(self.random.below(8)).expect("small");
        self.disk.flip(&name, position, bit);
        Some((name, position, bit))
    }

    /// Idempotent clients send again what was not answered, in order; the others give it up.
    fn repeat(&mut self) {
        for index in 0..PRODUCERS {
            if self.clients[index].id == 0 {
                self.clients[index].in_flight.clear();
                continue;
            }
            for (payload, size, sequence) in self.clients[index].in_flight.clone() {
                self.send(index, payload, size, sequence);
            }
        }
    }

    /// Tells the clients what the engine says.
    fn hear(&mut self) -> Outcome {
        let ready = self.live().engine.take_ready();
        for ready in ready {
            match ready {
                Ready::Appended(done, outcome) => done(outcome),
                Ready::LogStart(done, outcome) => done(outcome),
                Ready::Changed(done, outcome) => done(outcome),
                Ready::Advanced(..) => {}
            }
        }
        let heard = std::mem::take(&mut *self.heard.lock().expect("one thread"));
        heard.into_iter().try_for_each(|answer| self.note(answer))
    }

    fn note(&mut self, answer: Answer) -> Outcome {
        match answer {
            Answer::Appended { producer, payload, outcome } => self.note_append(producer, payload, outcome),
            Answer::LogStart { partition, outcome: Ok(offset) } => {
                let ledger = self.ledgers.get_mut(&partition).expect("made");
                ledger.log_start_acked = ledger.log_start_acked.max(offset.0);
                Ok(())
            }
            Answer::LogStart { .. } => Ok(()),
            Answer::Transactional { payload, outcome } => self.note_transactional(payload, outcome),
            Answer::Ended { outcome } => self.note_end(outcome),
        }
    }

    fn note_append(&mut self, producer: usize, payload: u64, outcome: Result<Appended, AppendError>) -> Outcome {
        let client = &mut self.clients[producer];
        match outcome {
            Ok(appended) => {
                let ledger = self.ledgers.get_mut(&client.partition).expect("made");
                if ledger.acked.get(&appended.base_offset.0) == Some(&payload) {
                    return Ok(()); // The second answer to what was sent twice.
                }
                if client.id != 0 && client.in_flight.front().map(|sent| sent.0) != Some(payload) {
                    return Err(format!("{payload} was answered out of order: {:?}", client.in_flight));
                }
                client.in_flight.retain(|sent| sent.0 != payload);
                client.is_known = true;
                match ledger.acked.insert(appended.base_offset.0, payload) {
                    Some(other) if other != payload => {
                        Err(format!("offset {} acknowledged for {other} and {payload}", appended.base_offset))
                    }
                    _ => Ok(()),
                }
            }
            Err(AppendError::DiskFull | AppendError::OutOfOrderSequence { .. }) if client.id != 0 => {
                // The client sends it again, and all behind it, as clients do.
                Ok(())
            }
            Err(AppendError::DiskFull) => {
                client.in_flight.retain(|sent| sent.0 != payload);
                Ok(())
            }
            Err(AppendError::VolumeFailed(_)) => Ok(()),
            Err(error) => Err(format!("{payload}: {error}")),
        }
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

    fn read_some(&mut self) -> Outcome {
        let partition = i32::try_from(self.random.below(3)).expect("few");
        self.check(partition)
    }

    fn verify(&mut self) -> Outcome {
        (0..PARTITIONS).try_for_each(|partition| self.check(partition))
    }

    fn check(&mut self, partition: i32) -> Outcome {
        self.calm();
        let seen = self.read_all(partition).map_err(|error| format!("partition {partition}: {error}"))?;
        self.trouble();
        let Some(seen) = seen else { return Ok(()) };
        if partition == TRANSACTED {
            self.calm();
            self.check_committed()?;
            self.trouble();
        }
        self.ledgers[&partition].check(&seen).map_err(|reason| format!("partition {partition}: {reason}"))
    }

    /// Reads a partition as clients do; `None` where its creation was not durable.
    fn read_all(&mut self, partition: i32) -> Result<Option<Seen>, ReadError> {
        let Some(state) = self.live().engine.partitions.get(&id(partition)) else { return Ok(None) };
        let offsets = state.offsets();
        let mut seen = Seen { log_start: offsets.log_start.0, high_watermark: offsets.high_watermark.0, ..Seen::default() };
        let mut from = offsets.log_start;
        while from < offsets.high_watermark {
            let batches = self.read(partition, from, Isolation::ReadUncommitted)?;
            if batches.is_empty() {
                return Ok(Some(seen));
            }
            for piece in batches.into_iter().flat_map(records::split) {
                let (header, bytes) = piece.expect("whole batches");
                let records = records::Records::decode(&bytes, 1 << 20).expect("plain");
                for record in records.iter().map(|record| record.expect("whole")) {
                    let value = record.value.unwrap_or_default();
                    let payload = value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                    seen.records.insert(record.offset.0, payload);
                }
                from = header.next_offset();
            }
        }
        Ok(Some(seen))
    }

    fn read(&mut self, partition: i32, from: Offset, isolation: Isolation) -> Result<Vec<Bytes>, ReadError> {
        let bytes_max = [1, 5000, 100_000][self.random.below(3)];
        let read = Read { from, bytes_max, whole_first_batch: true, isolation };
        let id = id(partition);
        let live = self.live();
        let mut found = live.engine.find(id, &read)?;
        if let Found::Wal(files, entries) = &found
            && spans::read(files, entries).is_err()
        {
            found = live.engine.find_elsewhere(id, &read)?.unwrap_or(found);
        }
        match found {
            Found::Ready(fetched) => Ok(fetched.batches),
            Found::Wal(files, entries) => spans::read(&files, &entries).map_err(|error| match error {
                SpanError::Disk(source) => ReadError::Disk { partition: id, source },
                SpanError::Corrupt(entry) => {
                    ReadError::Corrupt { partition: id, offset: entry.base, place: format!("{:?}", entry.location) }
                }
            }),
            Found::Cold(manifest, end) => {
                let manifest = manifest.map_or_else(|| live.cold.manifest(id), Ok)?;
                Ok(live.cold.read(id, &manifest, &read, end)?.0)
            }
        }
    }
}
