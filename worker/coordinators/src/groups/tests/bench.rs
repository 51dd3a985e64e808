//! A group coordinator with a log that writes at once, unless it is told to hold.

use std::collections::VecDeque;

use bytes::Bytes;
use units::{DurationMs, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TimestampMs, TopicName, TopicPartition};

use super::super::*;
use crate::Record;

pub(super) const PARTITION: PartitionId = PartitionId(0);

pub(super) struct Bench {
    pub(super) now: TimestampMs,
    pub(super) groups: Groups,
    pub(super) log: Vec<Record>,
    pub(super) trimmed: usize,
    pub(super) holds: bool,
    pub(super) held: VecDeque<(AppendToken, Vec<Record>)>,
    answers: BTreeMap<Token, Response>,
    next_token: u64,
    config: Config,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { partition_count: 1, initial_rebalance_delay: DurationMs(0), ..Config::default() };
        change(&mut config);
        let mut bench = Self {
            now: TimestampMs(1_000_000),
            groups: Groups::new(config.clone()),
            log: Vec::new(),
            trimmed: 0,
            holds: false,
            held: VecDeque::new(),
            answers: BTreeMap::new(),
            next_token: 0,
            config,
        };
        bench.restart();
        bench
    }

    /// The broker starts again from its log.
    pub(super) fn restart(&mut self) {
        self.config.member_id_seed[0] += 1;
        self.groups = Groups::new(self.config.clone());
        self.held.clear();
        self.groups.begin_load(PARTITION);
        for (at, record) in self.log.iter().enumerate().skip(self.trimmed) {
            self.groups.replay(PARTITION, Offset(at as i64), &record.key, record.value.as_deref()).unwrap();
        }
        self.groups.finish_load(PARTITION, self.now);
        self.drain();
    }

    pub(super) fn send(&mut self, request: Request) -> Token {
        self.next_token += 1;
        self.groups.handle(self.now, Token(self.next_token), request);
        self.drain();
        Token(self.next_token)
    }

    pub(super) fn drain(&mut self) {
        while let Some(intention) = self.groups.poll() {
            match intention {
                Intention::Respond { token, response } => {
                    assert!(self.answers.insert(token, response).is_none(), "{token:?} was answered twice");
                }
                Intention::Append { records, token, .. } => {
                    self.held.push_back((token, records));
                    if !self.holds {
                        self.write();
                    }
                }
                Intention::Trim { below, .. } => self.trimmed = below.0 as usize,
            }
        }
    }

    /// What is held is durable.
    pub(super) fn write(&mut self) {
        while let Some((token, records)) = self.held.pop_front() {
            let base = Offset(self.log.len() as i64);
            self.log.extend(records);
            self.groups.on_appended(self.now, token, Ok(base));
        }
        self.drain();
    }

    /// What is held never will be.
    pub(super) fn lose(&mut self) {
        while let Some((token, _)) = self.held.pop_front() {
            self.groups.on_appended(self.now, token, Err(AppendFailed::Unavailable));
        }
        self.drain();
    }

    pub(super) fn wait(&mut self, ms: i64) {
        let end = TimestampMs(self.now.0 + ms);
        while let Some(next) = self.groups.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.groups.on_time(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(super) fn answer(&mut self, token: Token) -> Option<Response> {
        self.answers.remove(&token)
    }

    pub(super) fn joined(&mut self, token: Token) -> Option<Result<Joined, Refusal>> {
        self.answer(token).map(|response| match response {
            Response::Join(result) => result.map_err(|refused| refused.refusal),
            other => panic!("{other:?} to a join"),
        })
    }

    pub(super) fn synced(&mut self, token: Token) -> Option<Result<Bytes, Refusal>> {
        self.answer(token).map(|response| match response {
            Response::Sync(result) => result.map(|synced| synced.assignment),
            other => panic!("{other:?} to a sync"),
        })
    }

    /// Joins as one alone and gets everything.
    pub(super) fn settle(&mut self, join: Join) -> (MemberId, Generation) {
        let group = join.group.clone();
        let token = self.send(Request::Join(join));
        let joined = self.joined(token).expect("nobody is waited for").unwrap();
        let mut sync = sync(&joined, vec![(joined.member.clone(), Bytes::from_static(b"all"))]);
        sync.group = group;
        let token = self.send(Request::Sync(sync));
        assert_eq!(self.synced(token), Some(Ok(Bytes::from_static(b"all"))));
        (joined.member, joined.generation)
    }

    pub(super) fn beat(&mut self, member: &MemberId, generation: Generation) -> Result<(), Refusal> {
        let beat = Heartbeat { group: "g".into(), generation, member: member.clone(), instance: None };
        let token = self.send(Request::Heartbeat(beat));
        match self.answer(token) {
            Some(Response::Heartbeat(result)) => result,
            other => panic!("{other:?} to a heartbeat"),
        }
    }

    pub(super) fn leave(&mut self, member: &MemberId) -> Result<(), Refusal> {
        let members = vec![Leaver { member: member.clone(), instance: None }];
        let token = self.send(Request::Leave(Leave { group: "g".into(), members }));
        match self.answer(token) {
            Some(Response::Leave(Ok(left))) => left[0].result,
            other => panic!("{other:?} to a leave"),
        }
    }

    pub(super) fn commit(&mut self, member: &MemberId, generation: Generation, offset: i64) -> Result<(), Refusal> {
        let token = self.send(Request::CommitOffsets(commit(member, generation, offset)));
        match self.answer(token) {
            Some(Response::CommitOffsets(result)) => result.and_then(|answer| answer[0].1),
            other => panic!("{other:?} to a commit"),
        }
    }

    pub(super) fn stage(&mut self, producer: i64, epoch: i16, offset: i64) -> Result<(), Refusal> {
        let token = self.send(Request::StageOffsets(stage(producer, epoch, offset)));
        match self.answer(token) {
            Some(Response::StageOffsets(result)) => result.and_then(|answer| answer[0].1),
            other => panic!("{other:?} to a stage"),
        }
    }

    pub(super) fn end(&mut self, producer: i64, epoch: i16, transaction_epoch: i16, outcome: crate::Outcome) -> Result<(), Refusal> {
        self.end_by(1, producer, epoch, transaction_epoch, outcome)
    }

    pub(super) fn end_by(
        &mut self,
        coordinator_epoch: i32,
        producer: i64,
        epoch: i16,
        transaction_epoch: i16,
        outcome: crate::Outcome,
    ) -> Result<(), Refusal> {
        let end = EndTransaction {
            partition: PARTITION,
            producer: ProducerId(producer),
            epoch: ProducerEpoch(epoch),
            transaction_epoch: ProducerEpoch(transaction_epoch),
            coordinator_epoch,
            outcome,
        };
        let token = self.send(Request::EndTransaction(end));
        match self.answer(token) {
            Some(Response::EndTransaction(result)) => result,
            other => panic!("{other:?} to a marker"),
        }
    }

    /// The offset of `t-0`.
    pub(super) fn fetch(&self, require_stable: bool) -> Result<Option<i64>, Refusal> {
        let fetched = self.groups.fetch_offsets(&"g".into(), Some(&[at(0)]), require_stable)?.remove(0).1;
        fetched.map(|offset| offset.map(|offset| offset.offset.0))
    }

    pub(super) fn state(&self) -> Option<GroupState> {
        self.groups.describe(&"g".into()).ok().map(|group| group.state)
    }

    pub(super) fn generation(&self) -> Generation {
        self.groups.describe(&"g".into()).unwrap().generation
    }
}

pub(super) fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::new("t").unwrap(), partition: PartitionId(partition) }
}

/// A subscription to topic `t`.
pub(super) fn subscription() -> Bytes {
    Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff])
}

pub(super) fn protocols(names: &[&str]) -> Vec<Protocol> {
    names.iter().map(|name| Protocol { name: (*name).into(), metadata: subscription() }).collect()
}

pub(super) fn join(member: &str) -> Join {
    Join {
        group: "g".into(),
        member: member.into(),
        instance: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: DurationMs(10_000),
        rebalance_timeout: DurationMs(60_000),
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"]),
        requires_known_member_id: false,
        can_skip_assignment: false,
    }
}

pub(super) fn static_join(member: &str, instance: &str) -> Join {
    Join { instance: Some(instance.into()), ..join(member) }
}

pub(super) fn sync(joined: &Joined, assignments: Vec<(MemberId, Bytes)>) -> Sync {
    Sync {
        group: "g".into(),
        generation: joined.generation,
        member: joined.member.clone(),
        instance: None,
        protocol_type: Some(joined.protocol_type.clone()),
        protocol_name: Some(joined.protocol_name.clone()),
        assignments,
    }
}

pub(super) fn offset(offset: i64) -> OffsetToKeep {
    OffsetToKeep { partition: at(0), offset: Offset(offset), leader_epoch: Some(LeaderEpoch(3)), metadata: "note".into() }
}

pub(super) fn commit(member: &MemberId, generation: Generation, at: i64) -> CommitOffsets {
    CommitOffsets { group: "g".into(), generation, member: member.clone(), instance: None, offsets: vec![offset(at)] }
}

pub(super) fn stage(producer: i64, epoch: i16, at: i64) -> StageOffsets {
    StageOffsets {
        ticket: None,
        group: "g".into(),
        transactional_id: "x".into(),
        producer: ProducerId(producer),
        epoch: ProducerEpoch(epoch),
        generation: Generation::NONE,
        member: MemberId::none(),
        instance: None,
        offsets: vec![offset(at)],
    }
}
