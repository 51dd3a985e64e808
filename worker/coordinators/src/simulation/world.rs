//! A broker's shell around both coordinators, with partitions, and a network that delays, loses and doubles.

use std::collections::{BTreeMap, BTreeSet};

use units::{GroupId, Incarnation, Offset, PartitionId, TimestampMs, TopicName, TopicPartition, TransactionalId};

use super::{
    client::Client,
    data::Data,
    log::{Core, Log},
    oracle::{Oracle, Place, Tag},
    rng::Rng,
};
use crate::{
    AppendFailed, AppendToken, Outcome, Record, Refusal, Token,
    groups::{self, EndTransaction, Groups, StageOffsets},
    timers::after,
    transactions::{self, AddGroup, AddPartitions, MarkerToken, Markers, MarkersWritten, Producer, Transactions, Version},
};

pub(crate) const GROUP_PARTITIONS: i32 = 2;
const TRANSACTION_PARTITIONS: i32 = 2;
pub(crate) const DATA_PARTITIONS: i32 = 3;

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Group(groups::Request, Version),
    Transaction(transactions::Request),
    Produce { id: TransactionalId, producer: Producer, partition: i32, tag: Tag, version: Version },
    FetchStable { group: GroupId, partitions: Vec<TopicPartition> },
}

/// What it is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Group(groups::Response),
    Transaction(transactions::Response),
    Produced(Result<(), Refusal>),
    Fetched(Result<(), Refusal>),
}

enum Event {
    Wake(usize),
    Deliver {
        client: usize,
        number: u64,
        call: Call,
    },
    Answer {
        client: usize,
        number: u64,
        answer: Answer,
    },
    Appended(Core, i32, u64),
    Marker {
        round: Round,
        place: MarkerPlace,
        markers: Markers,
    },
    AppendData {
        origin: (usize, u64),
        producer: Producer,
        partition: i32,
        tag: Tag,
    },
    Stage {
        origin: (usize, u64),
        call: Call,
    },
    /// A V1 stage that was verified in this life of the broker.
    VerifiedStage {
        origin: (usize, u64),
        stage: StageOffsets,
        life: u64,
    },
    FinishLoad(Core, i32, Incarnation),
    Crash,
}

type Round = (Incarnation, MarkerToken);

#[derive(Clone, Debug, PartialEq)]
enum MarkerPlace {
    Data(TopicPartition),
    Group(PartitionId),
}

/// Why a request was given to a coordinator.
enum Origin {
    Client {
        client: usize,
        number: u64,
        call: Call,
    },
    /// A V2 produce or stage waits for its partition to be in the transaction.
    Add {
        client: usize,
        number: u64,
        call: Call,
    },
    Marker {
        round: Round,
        partition: PartitionId,
    },
}

#[derive(Default)]
struct Rounds {
    outstanding: usize,
    partitions: BTreeSet<TopicPartition>,
    group_partitions: BTreeSet<PartitionId>,
    is_fenced: bool,
}

pub(crate) struct World {
    pub(crate) now: TimestampMs,
    pub(crate) rng: Rng,
    pub(crate) oracle: Oracle,
    pub(crate) is_calm: bool,
    pub(crate) next_tag: Tag,
    groups: Groups,
    transactions: Transactions,
    configs: (groups::Config, transactions::Config),
    broken: (Option<groups::Rule>, Option<transactions::Rule>),
    logs: BTreeMap<(Core, i32), Log>,
    data: Vec<Data>,
    clients: Vec<Option<Client>>,
    events: BTreeMap<(TimestampMs, u64), Event>,
    event_count: u64,
    requests: BTreeMap<Token, Origin>,
    next_token: u64,
    rounds: BTreeMap<Round, Rounds>,
    lives: u64,
    /// Whether a log has grown since it was last replayed.
    is_written: bool,
    pub(crate) done: u64,
}

pub(crate) fn data_partition(index: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::new("data").unwrap(), partition: PartitionId(index) }
}

impl World {
    pub(crate) fn new(seed: u64, broken: (Option<groups::Rule>, Option<transactions::Rule>)) -> Self {
        let mut rng = Rng::new(seed);
        let configs = (super::group_config(&mut rng), super::transaction_config(&mut rng));
        Self {
            now: TimestampMs(1_000_000),
            oracle: Oracle::default(),
            is_calm: false,
            next_tag: 1,
            groups: Groups::new(configs.0.clone()),
            transactions: Transactions::new(configs.1.clone()),
            configs,
            broken,
            logs: BTreeMap::new(),
            data: (0..DATA_PARTITIONS).map(|_| Data::default()).collect(),
            clients: Vec::new(),
            events: BTreeMap::new(),
            event_count: 0,
            requests: BTreeMap::new(),
            next_token: 0,
            rounds: BTreeMap::new(),
            lives: 0,
            is_written: false,
            done: 0,
            rng,
        }
    }

    /// Records that were there before the first start.
    pub(crate) fn preset(&mut self, partition: i32, record: Record) {
        self.oracle.on_transaction_record(&record);
        self.logs.entry((Core::Transactions, partition)).or_default().records.push(record);
    }

    /// The broker starts, from its logs.
    pub(crate) fn start(&mut self) {
        self.lives += 1;
        self.configs.1.incarnation = Incarnation(self.configs.1.incarnation.0 + 1);
        self.configs.0.member_id_seed = [self.rng.next(), self.lives];
        self.groups = Groups::new(self.configs.0.clone());
        self.transactions = Transactions::new(self.configs.1.clone());
        (self.groups.broken, self.transactions.broken) = self.broken;
        self.load();
        for (core, count) in [(Core::Groups, GROUP_PARTITIONS), (Core::Transactions, TRANSACTION_PARTITIONS)] {
            for partition in 0..count {
                let at = after(self.now, units::DurationMs(self.rng.between(0, 100)));
                self.at(at, Event::FinishLoad(core, partition, self.configs.1.incarnation));
            }
        }
    }

    fn load(&mut self) {
        for partition in 0..GROUP_PARTITIONS {
            self.groups.begin_load(PartitionId(partition));
            for (at, record) in self.logs.entry((Core::Groups, partition)).or_default().kept() {
                self.groups.replay(PartitionId(partition), at, &record.key, record.value.as_deref()).unwrap();
            }
        }
        for partition in 0..TRANSACTION_PARTITIONS {
            self.transactions.begin_load(PartitionId(partition));
            for (at, record) in self.logs.entry((Core::Transactions, partition)).or_default().kept() {
                self.transactions.replay(PartitionId(partition), at, &record.key, record.value.as_deref()).unwrap();
            }
        }
    }

    /// The broker dies: of what was on its way to each log, a prefix is there.
    fn crash(&mut self) {
        for ((core, partition), log) in &mut self.logs {
            let survive = self.rng.below(log.in_flight.len() as u64 + 1);
            for _ in 0..survive {
                let (_, records) = log.in_flight.pop_front().unwrap();
                log.write(*core, *partition, records, &mut self.oracle);
            }
            log.in_flight.clear();
        }
        self.requests.clear();
        self.rounds.clear();
        self.is_written = true;
        self.start();
    }

    /// A new state made from the logs equals the live one.
    fn check_replay(&mut self) {
        for (core, partition) in self.logs.keys().copied().collect::<Vec<_>>() {
            let log = &self.logs[&(core, partition)];
            let at = PartitionId(partition);
            match core {
                Core::Groups => {
                    let mut fresh = groups::store::Store::default();
                    for (offset, record) in log.kept() {
                        fresh.apply(&groups::record::read(&record.key, record.value.as_deref()).unwrap(), offset);
                    }
                    assert_eq!(Some(&fresh), self.groups.store(at), "replay of group partition {partition} differs from the live state");
                }
                Core::Transactions => {
                    let mut fresh = transactions::record::Store::default();
                    for (_, record) in log.kept() {
                        fresh.apply(&transactions::record::read(&record.key, record.value.as_deref()).unwrap());
                    }
                    let live = self.transactions.store(at);
                    assert_eq!(Some(&fresh), live, "replay of transaction partition {partition} differs from the live state");
                }
            }
        }
        for group in self.oracle.groups() {
            if let Ok(fetched) = self.groups.fetch_offsets(&group, None, false) {
                let tag = |offset: groups::FetchedOffset| offset.unwrap().unwrap().offset.0 as Tag;
                let live: BTreeMap<_, _> = fetched.into_iter().map(|(partition, offset)| (partition, tag(offset))).collect();
                assert_eq!(live, self.oracle.visible(&group), "offsets of {group}");
            }
        }
        let data = &self.data;
        self.oracle.check_complete(&|producer, epoch| data.iter().find_map(|data| data.open_of(producer, epoch)));
    }

    fn at(&mut self, at: TimestampMs, event: Event) {
        self.event_count += 1;
        self.events.insert((at, self.event_count), event);
    }

    fn soon(&mut self, low: i64, high: i64) -> TimestampMs {
        let is_slow = !self.is_calm && self.rng.below(1_000) < 8;
        let delay = if is_slow { self.rng.between(300, 3_000) } else { self.rng.between(low, high) };
        after(self.now, units::DurationMs(delay))
    }

    pub(crate) fn add_client(&mut self, client: Client) {
        self.clients.push(Some(client));
        let at = self.soon(0, 50);
        self.at(at, Event::Wake(self.clients.len() - 1));
    }

    pub(crate) fn client_count(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn wake(&mut self, client: usize, at: TimestampMs) {
        self.at(at, Event::Wake(client));
    }

    /// A client sends. V1 has no defence against what is late of an earlier transaction (KIP-890): its requests are lost or in time.
    pub(crate) fn send(&mut self, client: usize, number: u64, call: Call, can_be_late: bool) {
        let copies = if !self.is_calm && can_be_late && self.rng.percent(4) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.is_calm && self.rng.percent(3) {
                continue;
            }
            let mut at = self.soon(1, 20);
            if !can_be_late {
                at = at.min(after(self.now, units::DurationMs(20)));
            }
            self.at(at, Event::Deliver { client, number, call: call.clone() });
        }
    }

    /// Runs until `end`, or until nothing is left to happen.
    pub(crate) fn run_until(&mut self, end: TimestampMs) {
        loop {
            let timer = [self.groups.next_timeout(), self.transactions.next_timeout()].into_iter().flatten().min();
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = [timer, event].into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if timer.is_some_and(|timer| timer <= self.now) {
                self.groups.on_time(self.now);
                self.transactions.on_time(self.now);
            } else if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
            self.drain();
            if self.rng.percent(25) && std::mem::take(&mut self.is_written) {
                self.check_replay();
            }
        }
        self.now = end;
    }

    pub(crate) fn crash_at(&mut self, at: TimestampMs) {
        self.at(at, Event::Crash);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(index) => self.with_client(index, |client, world| client.act(index, world)),
            Event::Answer { client: index, number, answer } => {
                self.with_client(index, |client, world| client.take(world, number, &answer));
            }
            Event::Deliver { client, number, call } => self.receive(client, number, call),
            Event::Appended(core, partition, life) if life == self.lives => self.on_appended(core, partition),
            Event::Appended(..) => {}
            Event::Marker { round, place, markers } => self.on_marker(round, &place, &markers),
            Event::AppendData { origin, producer, partition, tag } => {
                let result = self.append_data(producer, partition, tag);
                self.answer(origin.0, origin.1, Answer::Produced(result));
            }
            Event::Stage { origin, call } => self.stage(origin.0, origin.1, call),
            Event::VerifiedStage { origin, stage, life } if life == self.lives => {
                self.stage(origin.0, origin.1, Call::Group(groups::Request::StageOffsets(stage), Version::V1));
            }
            Event::VerifiedStage { .. } => {}
            Event::FinishLoad(core, partition, of) if of == self.configs.1.incarnation => match core {
                Core::Groups => self.groups.finish_load(PartitionId(partition), self.now),
                Core::Transactions => self.transactions.finish_load(PartitionId(partition), self.now),
            },
            Event::FinishLoad(..) => {}
            Event::Crash => self.crash(),
        }
    }

    fn with_client(&mut self, index: usize, f: impl FnOnce(&mut Client, &mut Self)) {
        if let Some(mut client) = self.clients[index].take() {
            f(&mut client, self);
            self.clients[index] = Some(client);
        }
    }

    fn token(&mut self, origin: Origin) -> Token {
        self.next_token += 1;
        self.requests.insert(Token(self.next_token), origin);
        Token(self.next_token)
    }

    fn receive(&mut self, client: usize, number: u64, call: Call) {
        match call.clone() {
            Call::Transaction(request) => {
                let token = self.token(Origin::Client { client, number, call });
                self.transactions.handle(self.now, token, request);
            }
            Call::Group(groups::Request::StageOffsets(stage), version) => self.receive_stage(client, number, call, &stage, version),
            Call::Group(request, _) => {
                let token = self.token(Origin::Client { client, number, call });
                self.groups.handle(self.now, token, request);
            }
            Call::Produce { id, producer, partition, version: Version::V2, .. } => {
                let partitions = vec![data_partition(partition)];
                let patience = self.patience();
                let add = AddPartitions { transactional_id: id, producer, partitions, version: Version::V2, patience };
                let token = self.token(Origin::Add { client, number, call });
                self.transactions.handle(self.now, token, transactions::Request::AddPartitions(add));
            }
            Call::Produce { id, producer, partition, tag, version: Version::V1 } => {
                let verified = self.transactions.verify_partition(&id, producer, &data_partition(partition));
                let result = verified.and_then(|()| self.append_data(producer, partition, tag));
                self.answer(client, number, Answer::Produced(result));
            }
            Call::FetchStable { group, partitions } => {
                let result = self.groups.fetch_offsets(&group, Some(&partitions), true).and_then(|fetched| {
                    for (partition, offset) in fetched {
                        offset?;
                        self.oracle.check_stable(&group, &partition);
                    }
                    Ok(())
                });
                self.answer(client, number, Answer::Fetched(result));
            }
        }
    }

    /// How long an add may wait; half of them would rather be refused.
    fn patience(&mut self) -> units::DurationMs {
        units::DurationMs(if self.rng.percent(50) { 0 } else { self.rng.between(1, 100) })
    }

    fn receive_stage(&mut self, client: usize, number: u64, call: Call, stage: &StageOffsets, version: Version) {
        let producer = Producer { id: stage.producer, epoch: stage.epoch };
        let id = stage.transactional_id.clone();
        if version == Version::V2 {
            let patience = self.patience();
            let add = AddGroup { transactional_id: id, producer, group: stage.group.clone(), version, patience };
            let token = self.token(Origin::Add { client, number, call });
            return self.transactions.handle(self.now, token, transactions::Request::AddGroup(add));
        }
        let ticket = Some(self.groups.stage_ticket(&stage.group, stage.producer));
        match self.transactions.verify_group(&id, producer, &stage.group) {
            // The two coordinators are asked one after the other, and anything may come between.
            Ok(()) => {
                let (stage, at) = (StageOffsets { ticket, ..stage.clone() }, self.soon(0, 20));
                self.at(at, Event::VerifiedStage { origin: (client, number), stage, life: self.lives });
            }
            Err(refusal) => self.answer(client, number, Answer::Group(groups::Response::StageOffsets(Err(refusal)))),
        }
    }

    fn stage(&mut self, client: usize, number: u64, call: Call) {
        let Call::Group(request, _) = call.clone() else { unreachable!("only a stage waits here") };
        let token = self.token(Origin::Client { client, number, call });
        self.groups.handle(self.now, token, request);
    }

    fn append_data(&mut self, producer: Producer, partition: i32, tag: Tag) -> Result<(), Refusal> {
        self.data[partition as usize].append(producer, tag)?;
        self.oracle.place(tag, Place::Data(partition));
        Ok(())
    }

    fn on_marker(&mut self, round: Round, place: &MarkerPlace, markers: &Markers) {
        match place {
            MarkerPlace::Data(partition) => {
                let result = self.mark_data(partition.partition.0, markers);
                self.on_marked(round, place, result);
            }
            MarkerPlace::Group(partition) => {
                let end = EndTransaction {
                    partition: *partition,
                    producer: markers.producer.id,
                    epoch: markers.producer.epoch,
                    transaction_epoch: markers.transaction_epoch,
                    coordinator_epoch: markers.coordinator_epoch,
                    outcome: markers.outcome,
                };
                let token = self.token(Origin::Marker { round, partition: *partition });
                self.groups.handle(self.now, token, groups::Request::EndTransaction(end));
            }
        }
    }

    fn mark_data(&mut self, partition: i32, markers: &Markers) -> Result<(), Refusal> {
        for tag in self.data[partition as usize].mark(markers)? {
            self.oracle.resolve(tag, Place::Data(partition), markers.outcome);
        }
        Ok(())
    }

    fn on_marked(&mut self, key: Round, place: &MarkerPlace, result: Result<(), Refusal>) {
        let Some(round) = self.rounds.get_mut(&key) else { return };
        match result {
            Ok(()) | Err(Refusal::InvalidProducerEpoch) => {}
            Err(Refusal::TransactionCoordinatorFenced) => round.is_fenced = true,
            Err(_) => match place {
                MarkerPlace::Data(partition) => drop(round.partitions.insert(partition.clone())),
                MarkerPlace::Group(partition) => drop(round.group_partitions.insert(*partition)),
            },
        }
        round.outstanding -= 1;
        if round.outstanding == 0 {
            let Rounds { partitions, group_partitions, is_fenced, .. } = self.rounds.remove(&key).unwrap();
            assert!(!is_fenced, "the only coordinator there is was fenced");
            let is_all = partitions.is_empty() && group_partitions.is_empty();
            let written = if is_all { MarkersWritten::All } else { MarkersWritten::Except { partitions, group_partitions } };
            self.transactions.on_markers(self.now, key.1, written);
        }
    }

    /// Each marker goes its own way; some are reported lost, and of those that cannot do harm some come late.
    fn send_markers(&mut self, markers: &Markers) {
        self.oracle.check_markers(markers);
        let key = (self.configs.1.incarnation, markers.token);
        let data = markers.partitions.iter().cloned().map(MarkerPlace::Data);
        let places: Vec<_> = data.chain(markers.group_partitions.iter().copied().map(MarkerPlace::Group)).collect();
        self.rounds.insert(key, Rounds { outstanding: places.len(), ..Rounds::default() });
        let can_be_late = markers.producer.epoch > markers.transaction_epoch;
        for place in places {
            if !self.is_calm && self.rng.percent(10) {
                self.on_marked(key, &place, Err(Refusal::CoordinatorNotAvailable));
                if can_be_late && self.rng.percent(50) {
                    let at = self.soon(1, 3_000);
                    self.at(at, Event::Marker { round: (Incarnation(0), markers.token), place, markers: markers.clone() });
                }
            } else {
                let at = self.soon(0, 30);
                self.at(at, Event::Marker { round: key, place, markers: markers.clone() });
            }
        }
    }

    fn on_appended(&mut self, core: Core, partition: i32) {
        let log = self.logs.get_mut(&(core, partition)).unwrap();
        let Some((token, records)) = log.in_flight.pop_front() else { return };
        self.is_written = true;
        let is_failed = !self.is_calm && self.rng.percent(3);
        let result = if is_failed { Err(AppendFailed::Unavailable) } else { Ok(log.write(core, partition, records, &mut self.oracle)) };
        match core {
            Core::Groups => self.groups.on_appended(self.now, token, result),
            Core::Transactions => self.transactions.on_appended(self.now, token, result),
        }
    }

    /// An append goes to its log; now and then it is refused at once, before those in front of it are done.
    fn append(&mut self, core: Core, partition: PartitionId, records: Vec<Record>, token: AppendToken) {
        if !self.is_calm && self.rng.percent(1) {
            let refused = Err(AppendFailed::TooLarge);
            return match core {
                Core::Groups => self.groups.on_appended(self.now, token, refused),
                Core::Transactions => self.transactions.on_appended(self.now, token, refused),
            };
        }
        let (soon, life) = (self.soon(0, 20), self.lives);
        let log = self.logs.get_mut(&(core, partition.0)).unwrap();
        log.in_flight.push_back((token, records));
        log.last_ack = log.last_ack.max(soon);
        let at = log.last_ack;
        self.at(at, Event::Appended(core, partition.0, life));
    }

    fn drain(&mut self) {
        loop {
            if let Some(intention) = self.groups.poll() {
                match intention {
                    groups::Intention::Respond { token, response } => self.respond_group(token, response),
                    groups::Intention::Append { partition, records, token } => self.append(Core::Groups, partition, records, token),
                    groups::Intention::Trim { partition, below } => self.trim(Core::Groups, partition, below),
                }
            } else if let Some(intention) = self.transactions.poll() {
                match intention {
                    transactions::Intention::Respond { token, response } => self.respond_transaction(token, response),
                    transactions::Intention::Append { partition, records, token } => {
                        self.append(Core::Transactions, partition, records, token)
                    }
                    transactions::Intention::Trim { partition, below } => self.trim(Core::Transactions, partition, below),
                    transactions::Intention::WriteMarkers(markers) => self.send_markers(&markers),
                }
            } else {
                return;
            }
        }
    }

    fn trim(&mut self, core: Core, partition: PartitionId, below: Offset) {
        let log = self.logs.get_mut(&(core, partition.0)).unwrap();
        log.start = log.start.max(below.0 as usize);
    }

    fn respond_group(&mut self, token: Token, response: groups::Response) {
        match self.requests.remove(&token).expect("a request is answered once") {
            Origin::Marker { round, partition } => {
                let groups::Response::EndTransaction(result) = response else { panic!("{response:?} to a marker") };
                self.on_marked(round, &MarkerPlace::Group(partition), result);
            }
            Origin::Client { client, number, call } => {
                self.check_group(&call, &response);
                self.answer(client, number, Answer::Group(response));
            }
            Origin::Add { .. } => panic!("the group coordinator adds nothing"),
        }
    }

    fn check_group(&mut self, call: &Call, response: &groups::Response) {
        let Call::Group(request, _) = call else { return };
        match (request, response) {
            (groups::Request::Sync(sync), groups::Response::Sync(Ok(synced))) => {
                let name = sync.instance.as_ref().map_or(sync.member.as_str(), |instance| instance.as_str());
                self.oracle.on_synced(&sync.group, sync.generation, &sync.member, name, synced);
            }
            (groups::Request::CommitOffsets(commit), groups::Response::CommitOffsets(Ok(answer))) => {
                for (offset, (_, result)) in commit.offsets.iter().zip(answer) {
                    if result.is_ok() {
                        self.oracle.check_durable(offset.offset.0 as Tag);
                    }
                }
            }
            (groups::Request::StageOffsets(stage), groups::Response::StageOffsets(Ok(answer))) => {
                for (offset, (_, result)) in stage.offsets.iter().zip(answer) {
                    if result.is_ok() {
                        self.oracle.check_durable(offset.offset.0 as Tag);
                    }
                }
            }
            _ => {}
        }
    }

    fn respond_transaction(&mut self, token: Token, response: transactions::Response) {
        match self.requests.remove(&token).expect("a request is answered once") {
            Origin::Client { client, number, call } => {
                self.check_transaction(&call, &response);
                self.answer(client, number, Answer::Transaction(response));
            }
            Origin::Add { client, number, call } => self.on_added(client, number, call, &response),
            Origin::Marker { .. } => panic!("the transaction coordinator gets no markers"),
        }
    }

    /// The partition is in the transaction: the produce or the stage goes on, sometimes after a while.
    fn on_added(&mut self, client: usize, number: u64, call: Call, response: &transactions::Response) {
        let added = match response {
            transactions::Response::AddPartitions(result) | transactions::Response::AddGroup(result) => *result,
            other => panic!("{other:?} to an add"),
        };
        match (call, added) {
            (Call::Produce { producer, partition, tag, .. }, Ok(())) => {
                let at = self.soon(0, 10);
                self.at(at, Event::AppendData { origin: (client, number), producer, partition, tag });
            }
            (Call::Produce { .. }, Err(refusal)) => self.answer(client, number, Answer::Produced(Err(refusal))),
            (call, Ok(())) => {
                let at = self.soon(0, 10);
                self.at(at, Event::Stage { origin: (client, number), call });
            }
            (_, Err(refusal)) => self.answer(client, number, Answer::Group(groups::Response::StageOffsets(Err(refusal)))),
        }
    }

    fn check_transaction(&mut self, call: &Call, response: &transactions::Response) {
        let Call::Transaction(request) = call else { return };
        match (request, response) {
            (transactions::Request::InitProducer(init), transactions::Response::InitProducer(Ok(producer))) => {
                self.oracle.on_given(init.transactional_id.as_ref(), *producer);
            }
            (transactions::Request::End(end), transactions::Response::End(Ok(next))) => {
                self.oracle.on_ended(&end.transactional_id, end.producer, *next);
            }
            _ => {}
        }
    }

    fn answer(&mut self, client: usize, number: u64, answer: Answer) {
        if self.is_calm || !self.rng.percent(3) {
            let at = self.soon(1, 20);
            self.at(at, Event::Answer { client, number, answer });
        }
    }

    /// Once it is calm and all clients have stopped.
    pub(crate) fn check_end(&mut self) {
        self.check_replay();
        assert!(self.requests.is_empty(), "{} requests were never answered", self.requests.len());
        for data in &self.data {
            data.check_end();
        }
        self.oracle.check_end();
    }

    pub(crate) fn note(&mut self, tag: Tag, outcome: Outcome) {
        self.oracle.told.insert(tag, outcome);
        self.done += 1;
    }
}
