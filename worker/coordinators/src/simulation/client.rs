//! Clients: members of a group that process in transactions, and others that only commit; each may die, come back, or live on as a ghost.

use std::collections::VecDeque;

use bytes::Bytes;
use units::{DurationMs, GroupId, Offset, TimestampMs, TopicPartition, TransactionalId};

use super::{
    oracle::{Tag, metadata},
    world::{Answer, Call, DATA_PARTITIONS, World, data_partition},
};
use crate::{
    Outcome, Refusal,
    groups::{
        self, CommitOffsets, Generation, Heartbeat, InstanceId, Join, Leave, Leaver, MemberId, OffsetToKeep, Protocol, StageOffsets, Sync,
    },
    timers::after,
    transactions::{self, AddGroup, AddPartitions, End, InitProducer, Producer, Version},
};

const WORK_PARTITIONS: u8 = 4;

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Init,
    Join,
    Sync,
    Fetch,
    Work,
    Dead,
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    name: String,
    group: GroupId,
    /// Whether it is a member of its group, or only commits to it.
    is_member: bool,
    instance: Option<InstanceId>,
    id: TransactionalId,
    version: Version,
    is_ghost: bool,
    phase: Phase,
    producer: Option<Producer>,
    member: MemberId,
    generation: Generation,
    leads: Option<Vec<MemberId>>,
    assignment: Vec<u8>,
    plan: VecDeque<Call>,
    tag: Tag,
    outstanding: Option<(u64, Call, TimestampMs)>,
    calls: u64,
}

impl Client {
    pub(crate) fn new(name: &str, group: &str, is_member: bool, is_static: bool, version: Version) -> Self {
        Self {
            name: name.into(),
            group: group.into(),
            is_member,
            instance: is_static.then(|| InstanceId::from(name)),
            id: name.into(),
            version,
            is_ghost: false,
            phase: Phase::Init,
            producer: None,
            member: MemberId::none(),
            generation: Generation::NONE,
            leads: None,
            assignment: Vec::new(),
            plan: VecDeque::new(),
            tag: 0,
            outstanding: None,
            calls: 0,
        }
    }

    /// The process starts anew, knowing nothing; or it goes on as a ghost while another starts.
    fn restart(&mut self, world: &mut World) {
        if self.is_ghost {
            self.phase = Phase::Dead;
            return;
        }
        if !world.is_calm && world.client_count() < 14 && world.rng.percent(50) {
            world.add_client(Self { is_ghost: true, ..self.clone() });
        }
        let fresh = Self::new(&self.name, self.group.as_str(), self.is_member, self.instance.is_some(), self.version);
        *self = Self { calls: self.calls + 1_000_000, ..fresh };
    }

    pub(crate) fn act(&mut self, index: usize, world: &mut World) {
        let pause = world.rng.between(2, 30);
        if self.phase == Phase::Dead {
            return;
        }
        if let Some((_, call, deadline)) = self.outstanding.clone() {
            if world.now >= deadline {
                if world.is_calm || world.rng.percent(70) { self.call(index, world, call) } else { self.restart(world) }
            }
        } else if !world.is_calm && world.rng.below(1_000) < 3 {
            self.restart(world);
        } else if let Some(call) = self.next(world) {
            self.call(index, world, call);
        }
        world.wake(index, after(world.now, DurationMs(pause)));
    }

    fn call(&mut self, index: usize, world: &mut World, call: Call) {
        self.calls += 1;
        let patience = if matches!(call, Call::Group(groups::Request::Join(_), _)) { 9_000 } else { 1_500 };
        self.outstanding = Some((self.calls, call.clone(), after(world.now, DurationMs(patience))));
        world.send(index, self.calls, call, self.version == Version::V2);
    }

    fn next(&mut self, world: &mut World) -> Option<Call> {
        if let Some(call) = self.plan.front() {
            return Some(call.clone());
        }
        let version = self.version;
        let group = |request| Some(Call::Group(request, version));
        match self.phase {
            Phase::Init => Some(Call::Transaction(transactions::Request::InitProducer(InitProducer {
                transactional_id: Some(self.id.clone()),
                timeout: DurationMs(2_000),
                current: self.producer,
            }))),
            Phase::Join => group(groups::Request::Join(self.join(world))),
            Phase::Sync => group(groups::Request::Sync(self.sync(world))),
            Phase::Fetch => Some(Call::FetchStable { group: self.group.clone(), partitions: self.partitions() }),
            Phase::Work => self.work(world),
            Phase::Dead => None,
        }
    }

    fn join(&self, world: &mut World) -> Join {
        let metadata = Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff]);
        let mut names = vec!["range"];
        if world.rng.percent(50) {
            names.insert(usize::from(world.rng.percent(50)), "sticky");
        }
        Join {
            group: self.group.clone(),
            member: self.member.clone(),
            instance: self.instance.clone(),
            client_id: self.name.as_str().into(),
            client_host: "/127.0.0.1".into(),
            session_timeout: DurationMs(3_000),
            rebalance_timeout: DurationMs(4_000),
            protocol_type: "consumer".into(),
            protocols: names.into_iter().map(|name| Protocol { name: name.into(), metadata: metadata.clone() }).collect(),
            requires_known_member_id: self.version == Version::V2,
            can_skip_assignment: self.version == Version::V2,
        }
    }

    fn sync(&self, world: &mut World) -> Sync {
        let mut assignments: Vec<(MemberId, Vec<u8>)> = self.leads.iter().flatten().map(|member| (member.clone(), Vec::new())).collect();
        if !assignments.is_empty() {
            let shift = world.rng.below(8) as usize;
            for part in 0..WORK_PARTITIONS {
                let at = (usize::from(part) + shift) % assignments.len();
                assignments[at].1.push(part);
            }
        }
        Sync {
            group: self.group.clone(),
            generation: self.generation,
            member: self.member.clone(),
            instance: self.instance.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: None,
            assignments: assignments.into_iter().map(|(member, parts)| (member, parts.into())).collect(),
        }
    }

    fn work(&mut self, world: &mut World) -> Option<Call> {
        if world.is_calm {
            self.phase = Phase::Dead;
            return None;
        }
        let chance = world.rng.below(100);
        let version = self.version;
        if self.is_member && chance < 45 {
            return Some(Call::Group(
                groups::Request::Heartbeat(Heartbeat {
                    group: self.group.clone(),
                    generation: self.generation,
                    member: self.member.clone(),
                    instance: self.instance.clone(),
                }),
                version,
            ));
        }
        if self.is_member && chance < 48 {
            let leaver = Leaver { member: self.member.clone(), instance: self.instance.clone() };
            return Some(Call::Group(groups::Request::Leave(Leave { group: self.group.clone(), members: vec![leaver] }), version));
        }
        if chance < 60 {
            return self.commit(world);
        }
        if chance < 85 {
            self.begin(world);
        }
        self.plan.front().cloned()
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        self.assignment
            .iter()
            .map(|part| TopicPartition { topic: units::TopicName::new("t").unwrap(), partition: units::PartitionId(i32::from(*part)) })
            .collect()
    }

    fn offsets(&self, tag: Tag) -> Vec<OffsetToKeep> {
        let keep = |partition| OffsetToKeep {
            partition,
            offset: Offset(tag as i64),
            leader_epoch: None,
            metadata: metadata(tag, self.generation, &self.member).into(),
        };
        self.partitions().into_iter().map(keep).collect()
    }

    fn new_tag(world: &mut World) -> Tag {
        world.next_tag += 1;
        world.next_tag
    }

    fn commit(&mut self, world: &mut World) -> Option<Call> {
        let tag = Self::new_tag(world);
        let request = groups::Request::CommitOffsets(CommitOffsets {
            group: self.group.clone(),
            generation: self.generation,
            member: self.member.clone(),
            instance: self.instance.clone(),
            offsets: self.offsets(tag),
        });
        Some(Call::Group(request, self.version))
    }

    /// Plans one transaction: outputs, offsets, end.
    fn begin(&mut self, world: &mut World) {
        self.tag = Self::new_tag(world);
        let (id, producer, version, tag) = (self.id.clone(), self.producer.unwrap(), self.version, self.tag);
        let first = world.rng.between(0, i64::from(DATA_PARTITIONS) - 1) as i32;
        let parts: Vec<i32> = (0..world.rng.between(1, 2) as i32).map(|step| (first + step) % DATA_PARTITIONS).collect();
        let mut plan = VecDeque::new();
        if version == Version::V1 {
            let partitions = parts.iter().map(|part| data_partition(*part)).collect();
            let patience = DurationMs(0);
            let add = AddPartitions { transactional_id: id.clone(), producer, partitions, version, patience };
            plan.push_back(Call::Transaction(transactions::Request::AddPartitions(add)));
        }
        plan.extend(parts.iter().map(|partition| Call::Produce { id: id.clone(), producer, partition: *partition, tag, version }));
        if !self.assignment.is_empty() {
            if version == Version::V1 {
                let patience = DurationMs(0);
                let add = AddGroup { transactional_id: id.clone(), producer, group: self.group.clone(), version, patience };
                plan.push_back(Call::Transaction(transactions::Request::AddGroup(add)));
            }
            let stage = StageOffsets {
                group: self.group.clone(),
                transactional_id: id,
                producer: producer.id,
                epoch: producer.epoch,
                generation: self.generation,
                member: self.member.clone(),
                instance: self.instance.clone(),
                ticket: None,
                offsets: self.offsets(tag),
            };
            plan.push_back(Call::Group(groups::Request::StageOffsets(stage), version));
        }
        plan.push_back(self.end(if world.rng.percent(80) { Outcome::Commit } else { Outcome::Abort }));
        self.plan = plan;
    }

    fn end(&self, outcome: Outcome) -> Call {
        let end = End { transactional_id: self.id.clone(), producer: self.producer.unwrap(), outcome, version: self.version };
        Call::Transaction(transactions::Request::End(end))
    }

    pub(crate) fn take(&mut self, world: &mut World, number: u64, answer: &Answer) {
        if self.outstanding.as_ref().is_none_or(|(expected, ..)| *expected != number) {
            return;
        }
        let (_, call, deadline) = self.outstanding.take().unwrap();
        match self.digest(world, &call, answer) {
            Ok(()) => {}
            Err(
                Refusal::ConcurrentTransactions
                | Refusal::CoordinatorLoadInProgress
                | Refusal::CoordinatorNotAvailable
                | Refusal::UnstableOffsetCommit,
            ) => {
                // Asked again when its patience ends, which is soon.
                let soon = after(world.now, DurationMs(world.rng.between(5, 50)));
                if !matches!(call, Call::Group(..)) || matches!(call, Call::Group(groups::Request::StageOffsets(_), _)) {
                    self.outstanding = Some((0, call, soon.min(deadline)));
                }
            }
            Err(Refusal::RebalanceInProgress | Refusal::IllegalGeneration) if self.plan.is_empty() => self.phase = Phase::Join,
            Err(Refusal::UnknownMemberId) if self.plan.is_empty() => {
                self.member = MemberId::none();
                self.phase = Phase::Join;
            }
            // In a transaction, a member that was sent away aborts; the group is told of it by the next heartbeat.
            Err(Refusal::RebalanceInProgress | Refusal::IllegalGeneration | Refusal::UnknownMemberId)
                if matches!(call, Call::Group(groups::Request::StageOffsets(_), _)) =>
            {
                self.plan = VecDeque::from([self.end(Outcome::Abort)]);
            }
            Err(_) => self.restart(world),
        }
    }

    fn digest(&mut self, world: &mut World, call: &Call, answer: &Answer) -> Result<(), Refusal> {
        match answer {
            Answer::Group(response) => self.digest_group(response)?,
            Answer::Transaction(response) => return self.digest_transaction(world, call, response),
            Answer::Produced(result) => {
                (*result)?;
                self.plan.pop_front();
            }
            Answer::Fetched(result) => {
                (*result)?;
                self.phase = Phase::Work;
            }
        }
        Ok(())
    }

    fn digest_group(&mut self, response: &groups::Response) -> Result<(), Refusal> {
        use groups::Response;
        match response {
            Response::Join(Ok(joined)) => {
                self.member = joined.member.clone();
                self.generation = joined.generation;
                let leads = joined.leader == joined.member && !joined.skip_assignment;
                self.leads = leads.then(|| joined.members.iter().map(|member| member.member.clone()).collect());
                self.phase = Phase::Sync;
            }
            Response::Join(Err(refused)) if refused.refusal == Refusal::MemberIdRequired => self.member = refused.member.clone(),
            Response::Join(Err(refused)) => return Err(refused.refusal),
            Response::Sync(Ok(synced)) => {
                self.assignment = synced.assignment.to_vec();
                self.phase = if self.assignment.is_empty() { Phase::Work } else { Phase::Fetch };
            }
            Response::Sync(Err(refusal)) | Response::Heartbeat(Err(refusal)) => return Err(*refusal),
            Response::CommitOffsets(result) => {
                for (_, result) in result.clone()? {
                    result?;
                }
            }
            Response::StageOffsets(result) => {
                for (_, result) in result.clone()? {
                    result?;
                }
                self.plan.pop_front();
            }
            Response::Leave(Ok(_)) => {
                self.member = MemberId::none();
                self.phase = Phase::Join;
            }
            _ => {}
        }
        Ok(())
    }

    fn digest_transaction(&mut self, world: &mut World, call: &Call, response: &transactions::Response) -> Result<(), Refusal> {
        use transactions::{Request, Response};
        match response {
            Response::InitProducer(result) => {
                self.producer = Some((*result)?);
                self.phase = if self.is_member { Phase::Join } else { Phase::Work };
                if !self.is_member {
                    self.assignment = vec![0, 1];
                }
            }
            Response::AddPartitions(result) | Response::AddGroup(result) => {
                (*result)?;
                self.plan.pop_front();
            }
            Response::End(result) => {
                let next = (*result)?;
                let Call::Transaction(Request::End(end)) = call else { panic!("{response:?} to {call:?}") };
                world.note(self.tag, end.outcome);
                self.producer = Some(next);
                self.plan.clear();
            }
        }
        Ok(())
    }
}
