//! A transaction coordinator with a log that writes at once and partitions that take every marker, unless it is told to hold.

use std::collections::{BTreeMap, VecDeque};

use units::{
    BrokerId, DurationMs, GroupId, Incarnation, Offset, PartitionId, ProducerEpoch, ProducerId, TimestampMs, TopicName, TopicPartition,
};

use super::super::*;
use crate::Record;

pub(super) const PARTITION: PartitionId = PartitionId(0);

pub(super) struct Bench {
    pub(super) now: TimestampMs,
    pub(super) transactions: Transactions,
    pub(super) log: Vec<Record>,
    pub(super) trimmed: usize,
    pub(super) holds_log: bool,
    pub(super) held: VecDeque<(AppendToken, Vec<Record>)>,
    pub(super) holds_markers: bool,
    /// Every round that was asked for.
    pub(super) markers: Vec<Markers>,
    answers: BTreeMap<Token, Response>,
    next_token: u64,
    config: Config,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { partition_count: 1, group_partition_count: 7, broker: BrokerId(0), ..Config::default() };
        change(&mut config);
        let mut bench = Self {
            now: TimestampMs(1_000_000),
            transactions: Transactions::new(config.clone()),
            log: Vec::new(),
            trimmed: 0,
            holds_log: false,
            held: VecDeque::new(),
            holds_markers: false,
            markers: Vec::new(),
            answers: BTreeMap::new(),
            next_token: 0,
            config,
        };
        bench.restart();
        bench
    }

    /// The broker starts again from its log.
    pub(super) fn restart(&mut self) {
        self.config.incarnation = Incarnation(self.config.incarnation.0 + 1);
        self.transactions = Transactions::new(self.config.clone());
        self.held.clear();
        self.transactions.begin_load(PARTITION);
        for (at, record) in self.log.iter().enumerate().skip(self.trimmed) {
            self.transactions.replay(PARTITION, Offset(at as i64), &record.key, record.value.as_deref()).unwrap();
        }
        self.transactions.finish_load(PARTITION, self.now);
        self.drain();
    }

    /// Puts a producer near the end of its epochs.
    pub(super) fn set_epoch(&mut self, epoch: i16) {
        let stored = Stored { producer: Producer { epoch: ProducerEpoch(epoch), ..self.stored().producer }, ..self.stored() };
        self.log.push(crate::journal::Change::record(&record::Change::Transaction("x".into(), Some(stored))));
        self.restart();
    }

    pub(super) fn stored(&self) -> Stored {
        self.transactions.stored(&"x".into()).unwrap().clone()
    }

    pub(super) fn send(&mut self, request: Request) -> Token {
        self.next_token += 1;
        self.transactions.handle(self.now, Token(self.next_token), request);
        self.drain();
        Token(self.next_token)
    }

    pub(super) fn drain(&mut self) {
        while let Some(intention) = self.transactions.poll() {
            match intention {
                Intention::Respond { token, response } => {
                    assert!(self.answers.insert(token, response).is_none(), "{token:?} was answered twice");
                }
                Intention::Append { records, token, .. } => {
                    self.held.push_back((token, records));
                    if !self.holds_log {
                        self.write();
                    }
                }
                Intention::Trim { below, .. } => self.trimmed = below.0 as usize,
                Intention::WriteMarkers(markers) => {
                    let token = markers.token;
                    self.markers.push(markers);
                    if !self.holds_markers {
                        self.transactions.on_markers(self.now, token, MarkersWritten::All);
                    }
                }
            }
        }
    }

    /// What is held is durable.
    pub(super) fn write(&mut self) {
        while let Some((token, records)) = self.held.pop_front() {
            let base = Offset(self.log.len() as i64);
            self.log.extend(records);
            self.transactions.on_appended(self.now, token, Ok(base));
        }
        self.drain();
    }

    /// What is held never will be.
    pub(super) fn lose(&mut self) {
        while let Some((token, _)) = self.held.pop_front() {
            self.transactions.on_appended(self.now, token, Err(AppendFailed::Unavailable));
        }
        self.drain();
    }

    /// The last round of markers came out so.
    pub(super) fn mark(&mut self, written: MarkersWritten) {
        let token = self.markers.last().expect("markers were asked for").token;
        self.transactions.on_markers(self.now, token, written);
        self.drain();
    }

    pub(super) fn wait(&mut self, ms: i64) {
        let end = TimestampMs(self.now.0 + ms);
        while let Some(next) = self.transactions.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.transactions.on_time(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(super) fn answer(&mut self, token: Token) -> Option<Response> {
        self.answers.remove(&token)
    }

    pub(super) fn init(&mut self, current: Option<Producer>) -> Result<Producer, Refusal> {
        let token = self.send(init(current));
        match self.answer(token) {
            Some(Response::InitProducer(result)) => result,
            other => panic!("{other:?} to an init"),
        }
    }

    pub(super) fn add(&mut self, producer: Producer, partition: i32, version: Version) -> Result<(), Refusal> {
        let token = self.send(add(producer, partition, version));
        match self.answer(token) {
            Some(Response::AddPartitions(result)) => result,
            other => panic!("{other:?} to an add"),
        }
    }

    pub(super) fn add_group(&mut self, producer: Producer, group: &str) -> Result<(), Refusal> {
        let group: GroupId = group.into();
        let token = self.send(Request::AddGroup(AddGroup {
            transactional_id: "x".into(),
            producer,
            group,
            version: Version::V1,
            patience: DurationMs(0),
        }));
        match self.answer(token) {
            Some(Response::AddGroup(result)) => result,
            other => panic!("{other:?} to an add"),
        }
    }

    pub(super) fn end(&mut self, producer: Producer, outcome: crate::Outcome, version: Version) -> Result<Producer, Refusal> {
        let token = self.send(end(producer, outcome, version));
        match self.answer(token) {
            Some(Response::End(result)) => result,
            other => panic!("{other:?} to an end"),
        }
    }

    pub(super) fn state(&self) -> TransactionState {
        self.transactions.describe(&"x".into()).unwrap().state
    }
}

pub(super) fn producer(id: i64, epoch: i16) -> Producer {
    Producer { id: ProducerId(id), epoch: ProducerEpoch(epoch) }
}

pub(super) fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::new("t").unwrap(), partition: PartitionId(partition) }
}

pub(super) fn init(current: Option<Producer>) -> Request {
    Request::InitProducer(InitProducer { transactional_id: Some("x".into()), timeout: DurationMs(60_000), current })
}

pub(super) fn add(producer: Producer, partition: i32, version: Version) -> Request {
    add_waiting(producer, partition, version, 0)
}

pub(super) fn add_waiting(producer: Producer, partition: i32, version: Version, patience_ms: i64) -> Request {
    Request::AddPartitions(AddPartitions {
        transactional_id: "x".into(),
        producer,
        partitions: vec![at(partition)],
        version,
        patience: DurationMs(patience_ms),
    })
}

pub(super) fn end(producer: Producer, outcome: crate::Outcome, version: Version) -> Request {
    Request::End(End { transactional_id: "x".into(), producer, outcome, version })
}
