//! The modelled broker: partitions, a classic group with static members, a transaction coordinator as KIP-890 part 2 has it.

use std::collections::{BTreeMap, BTreeSet};

use streamwright_commit::{Committed, Input};
use units::Offset;

use super::flow::{Part, Record};
use super::log::{Identity, Log, Refused};

/// Session timeout of the group.
pub const SESSION_MS: u64 = 10_000;
const REBALANCE_MS: u64 = 6_000;

/// Which request of which process an answer belongs to.
pub type ReplyTo = (u32, u64);

#[derive(Clone, Debug)]
pub enum Request {
    InitProducer { name: String, expected: Option<Identity>, timeout_ms: u64 },
    Join { name: String, member_id: Option<String>, metadata: Vec<u8> },
    Sync { name: String, member_id: String, generation: i32, assignments: BTreeMap<String, Vec<u8>> },
    Heartbeat { name: String, member_id: String, generation: i32 },
    Leave { name: String },
    OffsetFetch { inputs: Vec<Input> },
    NameOffsets { name: String, identity: Identity, member_id: String, generation: i32, offsets: Vec<(Input, Committed)> },
    Produce { name: String, identity: Identity, part: Part, sequence: i32, records: Vec<Record> },
    EndTransaction { name: String, identity: Identity },
    Fetch { part: Part, from: i64 },
    DeleteRecords { part: Part, before: i64 },
}

#[derive(Clone, Debug)]
pub enum Response {
    Identity(Identity),
    /// Member id, generation, and for the leader everyone's metadata.
    Joined(String, i32, Option<BTreeMap<String, Vec<u8>>>),
    /// The leader's share.
    Synced(Vec<u8>),
    Offsets(Vec<(Input, Option<Committed>)>),
    Produced(Part, i64),
    Fetched {
        from: i64,
        records: Vec<(i64, Record)>,
        next: i64,
        start: i64,
        last_stable: i64,
    },
    Done,
    Error(Code),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    ConcurrentTransactions,
    ProducerFenced,
    InvalidTransactionState,
    OutOfOrder,
    IllegalGeneration,
    RebalanceInProgress,
    UnknownMember,
    FencedInstance,
    Unstable,
    /// Log start and log end.
    OutOfRange(i64, i64),
}

#[derive(Clone, Debug)]
enum State {
    Empty,
    Ongoing {
        since: u64,
        timeout_ms: u64,
        parts: BTreeSet<Part>,
    },
    /// Decided; markers not yet written.
    Preparing {
        commit: bool,
        marker: Identity,
        parts: BTreeSet<Part>,
        offsets: bool,
    },
    Complete {
        commit: bool,
    },
}

struct Transactional {
    identity: Identity,
    last: Option<Identity>,
    state: State,
    timeout_ms: u64,
}

struct Member {
    name: String,
    metadata: Vec<u8>,
    heard: u64,
    joining: Option<ReplyTo>,
    syncing: Option<ReplyTo>,
    assignment: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Empty,
    Preparing { since: u64 },
    Completing,
    Stable,
}

/// Group, transactions and partitions of one broker.
pub struct Broker {
    pub logs: BTreeMap<Part, Log>,
    transactions: BTreeMap<String, Transactional>,
    next_producer: i64,
    first_epoch: i16,
    members: BTreeMap<String, Member>,
    generation: i32,
    phase: Phase,
    leader: Option<String>,
    next_member: u32,
    offsets: BTreeMap<Input, Committed>,
    staged: BTreeMap<i64, Vec<(Input, Committed)>>,
    replies: Vec<(ReplyTo, Response)>,
    /// Markers to be written: transactional id, partition (none: the group's offsets).
    pub markers: Vec<(String, Option<Part>)>,
    /// Producers, as they were, whose transactions were decided to commit; to be collected.
    pub decided: Vec<Identity>,
    /// Whether a static member that comes back to a stable group is let in without a rebalance.
    pub lenient_rejoin: bool,
}

impl Broker {
    pub fn new(first_epoch: i16) -> Self {
        Self {
            logs: BTreeMap::new(),
            transactions: BTreeMap::new(),
            next_producer: 100,
            first_epoch,
            members: BTreeMap::new(),
            generation: 0,
            phase: Phase::Empty,
            leader: None,
            next_member: 0,
            offsets: BTreeMap::new(),
            staged: BTreeMap::new(),
            replies: Vec::new(),
            markers: Vec::new(),
            decided: Vec::new(),
            lenient_rejoin: false,
        }
    }

    pub fn log(&mut self, part: Part) -> &mut Log {
        self.logs.entry(part).or_default()
    }

    pub fn replies(&mut self) -> Vec<(ReplyTo, Response)> {
        std::mem::take(&mut self.replies)
    }

    pub fn offsets(&self) -> BTreeMap<Input, Committed> {
        self.offsets.clone()
    }

    /// Puts older offsets back: a broker lost its last seconds.
    pub fn lose_offsets(&mut self, older: BTreeMap<Input, Committed>) {
        self.offsets = older;
    }

    pub fn is_quiet(&self) -> bool {
        self.transactions.values().all(|t| matches!(t.state, State::Empty | State::Complete { .. }))
    }

    pub fn handle(&mut self, now: u64, reply: ReplyTo, request: Request) {
        let response = match request {
            Request::InitProducer { name, expected, timeout_ms } => self.init_producer(&name, expected, timeout_ms),
            Request::Join { name, member_id, metadata } => {
                if let Err(code) = self.join(now, reply, &name, member_id, metadata) {
                    self.replies.push((reply, Response::Error(code)));
                }
                return;
            }
            Request::Sync { name, member_id, generation, assignments } => {
                if let Err(code) = self.sync(now, reply, &name, &member_id, generation, assignments) {
                    self.replies.push((reply, Response::Error(code)));
                }
                return;
            }
            Request::Heartbeat { name, member_id, generation } => self.heartbeat(now, &name, &member_id, generation),
            Request::Leave { name } => {
                self.members.retain(|_, member| member.name != name);
                self.rebalance(now);
                Ok(Response::Done)
            }
            Request::OffsetFetch { inputs } => self.fetch_offsets(&inputs),
            Request::NameOffsets { name, identity, member_id, generation, offsets } => {
                self.name_offsets(now, &name, identity, &member_id, generation, offsets)
            }
            Request::Produce { name, identity, part, sequence, records } => self.produce(now, &name, identity, part, sequence, &records),
            Request::EndTransaction { name, identity } => self.end_transaction(&name, identity),
            Request::Fetch { part, from } => self.fetch(part, from),
            Request::DeleteRecords { part, before } => {
                self.log(part).trim(before);
                Ok(Response::Done)
            }
        };
        self.replies.push((reply, response.unwrap_or_else(Response::Error)));
    }

    /// Timers: transactions that run out, members that were not heard of, rebalances that waited long enough.
    pub fn tick(&mut self, now: u64) {
        let over: Vec<String> = self
            .transactions
            .iter()
            .filter(|(_, t)| matches!(t.state, State::Ongoing { since, timeout_ms, .. } if now > since + timeout_ms))
            .map(|(name, _)| name.clone())
            .collect();
        over.iter().for_each(|name| self.prepare(name, false, None));
        let gone: Vec<String> = self
            .members
            .iter()
            .filter(|(_, m)| m.joining.is_none() && m.syncing.is_none() && now > m.heard + SESSION_MS)
            .map(|(id, _)| id.clone())
            .collect();
        gone.iter().for_each(|id| self.evict(now, id));
        if matches!(self.phase, Phase::Preparing { since } if now > since + REBALANCE_MS) {
            self.complete_join(now);
        }
    }

    /// Member ids with the pods' names.
    pub fn member_ids(&self) -> Vec<(String, String)> {
        self.members.iter().map(|(id, member)| (id.clone(), member.name.clone())).collect()
    }

    pub fn evict(&mut self, now: u64, member_id: &str) {
        if let Some(member) = self.members.remove(member_id) {
            for reply in member.joining.into_iter().chain(member.syncing) {
                self.replies.push((reply, Response::Error(Code::UnknownMember)));
            }
            self.rebalance(now);
        }
    }

    pub fn write_marker(&mut self, name: &str, part: Option<Part>) {
        let Some(t) = self.transactions.get_mut(name) else { return };
        let State::Preparing { commit, marker, parts, offsets } = &mut t.state else { return };
        let (commit, marker) = (*commit, *marker);
        match part {
            Some(part) => {
                parts.remove(&part);
                self.logs.entry(part).or_default().mark(marker, commit);
            }
            None => {
                *offsets = false;
                let staged = self.staged.remove(&marker.0).unwrap_or_default();
                if commit {
                    self.offsets.extend(staged);
                }
            }
        }
        if parts.is_empty() && !*offsets {
            t.state = State::Complete { commit };
        }
    }

    // ---- transactions

    fn bump(&mut self, (id, epoch): Identity) -> Identity {
        if epoch >= 32_766 {
            self.next_producer += 1;
            (self.next_producer, 0)
        } else {
            (id, epoch + 1)
        }
    }

    fn prepare(&mut self, name: &str, commit: bool, last: Option<Identity>) {
        let before = self.transactions[name].identity;
        let bumped = self.bump(before);
        let t = self.transactions.get_mut(name).expect("looked up above");
        let parts = match std::mem::replace(&mut t.state, State::Empty) {
            State::Ongoing { parts, .. } => parts,
            _ => BTreeSet::new(),
        };
        let offsets = self.staged.contains_key(&before.0);
        (t.identity, t.last) = (bumped, last);
        if commit {
            self.decided.push(before);
        }
        if parts.is_empty() && !offsets {
            t.state = State::Complete { commit };
            return;
        }
        self.markers.extend(parts.iter().map(|&part| (name.to_owned(), Some(part))));
        if offsets {
            self.markers.push((name.to_owned(), None));
        }
        t.state = State::Preparing { commit, marker: (before.0, before.1 + 1), parts, offsets };
    }

    fn init_producer(&mut self, name: &str, expected: Option<Identity>, timeout_ms: u64) -> Result<Response, Code> {
        let Some(t) = self.transactions.get(name) else {
            if expected.is_some() {
                return Err(Code::ProducerFenced);
            }
            self.next_producer += 1;
            let identity = (self.next_producer, self.first_epoch);
            self.transactions.insert(name.to_owned(), Transactional { identity, last: None, state: State::Empty, timeout_ms });
            return Ok(Response::Identity(identity));
        };
        let known = expected.is_none_or(|expected| expected == t.identity || Some(expected) == t.last);
        if !known {
            return Err(Code::ProducerFenced);
        }
        match t.state {
            State::Preparing { .. } => Err(Code::ConcurrentTransactions),
            State::Ongoing { .. } => {
                if expected.is_some_and(|expected| expected != t.identity) {
                    return Err(Code::ProducerFenced);
                }
                self.prepare(name, false, expected);
                Err(Code::ConcurrentTransactions)
            }
            State::Empty | State::Complete { .. } => {
                if expected.is_some() && expected == t.last {
                    return Ok(Response::Identity(t.identity));
                }
                let bumped = self.bump(t.identity);
                let t = self.transactions.get_mut(name).expect("looked up above");
                (t.identity, t.last, t.state, t.timeout_ms) = (bumped, expected, State::Empty, timeout_ms);
                Ok(Response::Identity(bumped))
            }
        }
    }

    /// TV2: the first produce or offset commit opens the transaction and adds its partition.
    fn in_transaction(&mut self, now: u64, name: &str, identity: Identity, part: Option<Part>) -> Result<(), Code> {
        let t = self.transactions.get_mut(name).ok_or(Code::ProducerFenced)?;
        if t.identity != identity {
            return Err(Code::ProducerFenced);
        }
        if let State::Preparing { .. } = t.state {
            return Err(Code::ConcurrentTransactions);
        }
        if !matches!(t.state, State::Ongoing { .. }) {
            t.state = State::Ongoing { since: now, timeout_ms: t.timeout_ms, parts: BTreeSet::new() };
        }
        if let State::Ongoing { parts, .. } = &mut t.state {
            parts.extend(part);
        }
        Ok(())
    }

    fn produce(
        &mut self,
        now: u64,
        name: &str,
        identity: Identity,
        part: Part,
        sequence: i32,
        records: &[Record],
    ) -> Result<Response, Code> {
        self.in_transaction(now, name, identity, Some(part))?;
        match self.log(part).append(identity, sequence, records) {
            Ok(end) => Ok(Response::Produced(part, end)),
            Err(Refused::Epoch) => Err(Code::ProducerFenced),
            Err(Refused::Sequence) => Err(Code::OutOfOrder),
        }
    }

    fn name_offsets(
        &mut self,
        now: u64,
        name: &str,
        identity: Identity,
        member_id: &str,
        generation: i32,
        offsets: Vec<(Input, Committed)>,
    ) -> Result<Response, Code> {
        self.known(name, member_id)?;
        if generation != self.generation {
            return Err(Code::IllegalGeneration);
        }
        self.in_transaction(now, name, identity, None)?;
        self.staged.insert(identity.0, offsets);
        Ok(Response::Done)
    }

    fn end_transaction(&mut self, name: &str, identity: Identity) -> Result<Response, Code> {
        let t = self.transactions.get(name).ok_or(Code::ProducerFenced)?;
        if t.identity == identity {
            return match t.state {
                State::Ongoing { .. } => {
                    self.prepare(name, true, Some(identity));
                    Ok(Response::Identity(self.transactions[name].identity))
                }
                State::Preparing { .. } => Err(Code::ConcurrentTransactions),
                State::Empty | State::Complete { .. } => Err(Code::InvalidTransactionState),
            };
        }
        if t.last != Some(identity) {
            return Err(Code::ProducerFenced);
        }
        match t.state {
            State::Preparing { commit: true, .. } => Err(Code::ConcurrentTransactions),
            State::Complete { commit: true } => Ok(Response::Identity(t.identity)),
            _ => Err(Code::InvalidTransactionState),
        }
    }

    // ---- group

    fn known(&self, name: &str, member_id: &str) -> Result<(), Code> {
        match self.members.iter().find(|(_, member)| member.name == name) {
            Some((id, _)) if id != member_id => Err(Code::FencedInstance),
            Some(_) => Ok(()),
            None => Err(Code::UnknownMember),
        }
    }

    fn join(&mut self, now: u64, reply: ReplyTo, name: &str, member_id: Option<String>, metadata: Vec<u8>) -> Result<(), Code> {
        if let Some(id) = member_id {
            self.known(name, &id)?;
            let member = self.members.get_mut(&id).expect("known");
            (member.metadata, member.joining, member.heard) = (metadata, Some(reply), now);
            self.rebalance(now);
            return Ok(());
        }
        self.next_member += 1;
        let id = format!("{name}-{}", self.next_member);
        let before = self.members.iter().find(|(_, member)| member.name == name).map(|(id, _)| id.clone());
        let mut member =
            Member { name: name.to_owned(), metadata, heard: now, joining: Some(reply), syncing: None, assignment: Vec::new() };
        if let Some(before) = before {
            let old = self.members.remove(&before).expect("found above");
            for reply in old.joining.into_iter().chain(old.syncing) {
                self.replies.push((reply, Response::Error(Code::FencedInstance)));
            }
            member.assignment = old.assignment;
            if self.leader.as_ref() == Some(&before) {
                self.leader = Some(id.clone());
            }
            if self.phase == Phase::Stable && self.lenient_rejoin {
                member.joining = None;
                self.members.insert(id.clone(), member);
                self.replies.push((reply, Response::Joined(id, self.generation, None)));
                return Ok(());
            }
        }
        self.members.insert(id, member);
        self.rebalance(now);
        Ok(())
    }

    fn rebalance(&mut self, now: u64) {
        if self.members.is_empty() {
            (self.phase, self.leader) = (Phase::Empty, None);
            return;
        }
        if !matches!(self.phase, Phase::Preparing { .. }) {
            self.phase = Phase::Preparing { since: now };
            for member in self.members.values_mut() {
                if let Some(reply) = member.syncing.take() {
                    self.replies.push((reply, Response::Error(Code::RebalanceInProgress)));
                }
            }
        }
        if self.members.values().all(|member| member.joining.is_some()) {
            self.complete_join(now);
        }
    }

    /// Static members that did not rejoin stay, with the metadata they sent last.
    fn complete_join(&mut self, now: u64) {
        let Some(leader) = self.members.iter().find(|(_, member)| member.joining.is_some()).map(|(id, _)| id.clone()) else {
            self.phase = Phase::Preparing { since: now };
            return;
        };
        self.generation += 1;
        self.phase = Phase::Completing;
        let everyone: BTreeMap<String, Vec<u8>> = self.members.iter().map(|(id, member)| (id.clone(), member.metadata.clone())).collect();
        for (id, member) in &mut self.members {
            member.assignment.clear();
            if let Some(reply) = member.joining.take() {
                member.heard = now;
                let listed = (*id == leader).then(|| everyone.clone());
                self.replies.push((reply, Response::Joined(id.clone(), self.generation, listed)));
            }
        }
        self.leader = Some(leader);
    }

    fn sync(
        &mut self,
        now: u64,
        reply: ReplyTo,
        name: &str,
        member_id: &str,
        generation: i32,
        assignments: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), Code> {
        self.known(name, member_id)?;
        if generation != self.generation {
            return Err(Code::IllegalGeneration);
        }
        match self.phase {
            Phase::Preparing { .. } | Phase::Empty => return Err(Code::RebalanceInProgress),
            Phase::Stable => {
                let assignment = self.members[member_id].assignment.clone();
                self.replies.push((reply, Response::Synced(assignment)));
            }
            Phase::Completing => {
                let member = self.members.get_mut(member_id).expect("known");
                (member.syncing, member.heard) = (Some(reply), now);
                if self.leader.as_deref() == Some(member_id) {
                    self.phase = Phase::Stable;
                    for (id, member) in &mut self.members {
                        member.assignment = assignments.get(id).cloned().unwrap_or_default();
                        if let Some(reply) = member.syncing.take() {
                            self.replies.push((reply, Response::Synced(member.assignment.clone())));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn heartbeat(&mut self, now: u64, name: &str, member_id: &str, generation: i32) -> Result<Response, Code> {
        self.known(name, member_id)?;
        self.members.get_mut(member_id).expect("known").heard = now;
        match self.phase {
            _ if generation != self.generation => Err(Code::IllegalGeneration),
            Phase::Preparing { .. } => Err(Code::RebalanceInProgress),
            _ => Ok(Response::Done),
        }
    }

    fn fetch_offsets(&self, inputs: &[Input]) -> Result<Response, Code> {
        if self.staged.values().flatten().any(|(input, _)| inputs.contains(input)) {
            return Err(Code::Unstable);
        }
        Ok(Response::Offsets(inputs.iter().map(|input| (*input, self.offsets.get(input).copied())).collect()))
    }

    fn fetch(&mut self, part: Part, from: i64) -> Result<Response, Code> {
        let log = self.log(part);
        let (start, last_stable) = (log.start(), log.last_stable());
        let from = if from < 0 { start } else { from };
        let (records, next) = log.read(from, 16).ok_or(Code::OutOfRange(start, log.end()))?;
        Ok(Response::Fetched { from, records, next, start, last_stable })
    }
}

/// Where a lost tail of a partition begins: at its last committed record.
pub fn last_committed(log: &Log) -> Option<Offset> {
    log.read(log.start(), usize::MAX).and_then(|(records, _)| records.last().map(|&(offset, _)| Offset(offset)))
}
