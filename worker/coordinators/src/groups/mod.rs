//! Consumer groups: the classic group protocol and committed offsets, as one synchronous core.
//!
//! Behaves as Kafka's coordinator does for classic groups (eager and cooperative members, KIP-345 static members, KIP-394 member ids,
//! KIP-447 offsets in transactions, KIP-496, KIP-814); server-side assignment (KIP-848) is another protocol.
//!
//! The state has two layers. What must survive is the fold of the partition's log (`store`, records in `record`): generations with
//! their assignments, offsets, what transactions have staged, producers' epochs. What need not is in `group`: who is joining, and timers.
//! A generation is handed out before it is durable, its assignment only after; a member of a generation whose assignment was lost is told
//! so when it next asks. Offsets are durable before they are answered or seen.

mod config;
mod describe;
mod expiry;
mod generation;
mod group;
mod intention;
mod join;
mod leave;
mod load;
mod member;
mod member_ids;
mod offsets;
mod rebalance;
pub(crate) mod record;
mod request;
mod response;
pub(crate) mod store;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use units::{GroupId, Offset, PartitionId, ProducerId, TimestampMs};

pub use config::Config;
pub use generation::Generation;
pub use intention::Intention;
pub use request::{
    CommitOffsets, DeleteOffsets, EndTransaction, Heartbeat, Join, Leave, Leaver, OffsetToKeep, Protocol, Request, StageOffsets,
    StageTicket, Sync,
};
pub use response::{
    CommittedOffset, FetchedOffset, GroupDescription, GroupListing, GroupState, JoinRefused, Joined, JoinedMember, Left, MemberDescription,
    PerPartition, Response, Synced,
};
pub use units::{InstanceId, MemberId};

use self::{
    group::Group,
    member_ids::MemberIds,
    record::Change,
    store::{Applied, Store},
};
use crate::{
    AppendFailed, AppendToken, Refusal, Token,
    journal::{Journal, Outcome, Output},
    partition_for,
    timers::Timers,
};

/// The group coordinator. See the crate's documentation for the contract with its shell.
#[derive(Debug)]
pub struct Groups {
    config: Config,
    journal: Journal<Change, Then>,
    stores: BTreeMap<PartitionId, Store>,
    groups: BTreeMap<GroupId, Group>,
    /// How many ends of transactions each producer has had in a partition since that was taken up.
    ends: BTreeMap<(PartitionId, ProducerId), u64>,
    timers: Timers<Timer>,
    responses: VecDeque<(Token, Response)>,
    member_ids: MemberIds,
    #[cfg(test)]
    pub(crate) broken: Option<Rule>,
}

/// Something that happens when its time comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A member was silent for too long.
    Session(GroupId, MemberId),
    /// A promised member id was not used.
    Promise(GroupId, MemberId),
    /// A rebalance waits no longer.
    Rebalance(GroupId),
    /// Members that joined have not asked for their assignment.
    SyncDue(GroupId),
    /// Look for offsets and producers to forget.
    Expiry,
}

/// What follows when an append is durable.
#[derive(Debug)]
struct Then {
    /// The group it is about, if it is one.
    group: Option<GroupId>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The group has become empty.
    Emptied,
    /// The assignment of this generation can be handed out.
    Assigned(Generation),
    /// A static member that came back can be answered.
    Returned {
        token: Token,
        answer: Joined,
    },
    Committed {
        token: Token,
        answer: PerPartition,
    },
    Staged {
        token: Token,
        answer: PerPartition,
    },
    OffsetsDeleted {
        token: Token,
        answer: PerPartition,
    },
    GroupDeleted {
        token: Token,
    },
    TransactionEnded {
        token: Token,
    },
    /// These groups had nothing left.
    Expired(Vec<GroupId>),
    /// Nothing waits for it.
    Forgotten,
}

/// Rules that a test can break to see that it is noticed.
#[cfg_attr(not(test), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    CommitChecksGeneration,
    StageChecksGeneration,
    StageChecksEpoch,
    AssignmentWaitsForDurability,
    OffsetWaitsForDurability,
    StaticMemberIsFenced,
    NewGenerationGetsNewNumber,
    StableFetchSeesStaged,
    SnapshotContainsStaged,
    StagedOffsetsNeverExpire,
    LaterLogPositionWins,
    StageChecksTicket,
    MarkerEndsOnlyItsTransaction,
}

impl Groups {
    /// A coordinator that has no partition yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            journal: Journal::new(config.snapshot_records),
            stores: BTreeMap::new(),
            groups: BTreeMap::new(),
            ends: BTreeMap::new(),
            timers: Timers::default(),
            responses: VecDeque::new(),
            member_ids: MemberIds::new(config.member_id_seed),
            config,
            #[cfg(test)]
            broken: None,
        }
    }

    /// The partition of this coordinator that keeps `group`.
    #[must_use]
    pub fn partition_of(&self, group: &GroupId) -> PartitionId {
        partition_for(group.as_str(), self.config.partition_count)
    }

    /// Takes a request; its answer comes as [`Intention::Respond`], perhaps only after other events.
    pub fn handle(&mut self, now: TimestampMs, token: Token, request: Request) {
        match request {
            Request::Join(join) => self.join(now, token, &join),
            Request::Sync(sync) => self.sync(now, token, &sync),
            Request::Heartbeat(heartbeat) => self.heartbeat(now, token, &heartbeat),
            Request::Leave(leave) => self.leave(now, token, leave),
            Request::CommitOffsets(commit) => self.commit_offsets(now, token, &commit),
            Request::StageOffsets(stage) => self.stage_offsets(now, token, &stage),
            Request::DeleteOffsets(delete) => self.delete_offsets(token, &delete),
            Request::DeleteGroup(group) => self.delete_group(token, &group),
            Request::EndTransaction(end) => self.end_transaction(now, token, &end),
        }
    }

    /// Takes the outcome of an append: the offset of its first record, the others following it; or that it is not there and never will be.
    pub fn on_appended(&mut self, now: TimestampMs, token: AppendToken, result: Result<Offset, AppendFailed>) {
        let Some(partition) = self.journal.on_appended(token, result) else { return };
        while let Some(Outcome { result, changes, then }) = self.journal.next_outcome(partition) {
            if let Some(group) = then.group.as_ref().and_then(|group| self.groups.get_mut(group)) {
                group.in_flight -= 1;
            }
            match result {
                Ok(offset) => {
                    let applied = self.apply(partition, &changes, offset);
                    self.follow(now, then, applied);
                }
                Err(failed) => self.fail(now, then, refusal_of(failed)),
            }
        }
        self.write_due_snapshot(partition);
    }

    fn apply(&mut self, partition: PartitionId, changes: &[Change], mut at: Offset) -> Applied {
        let store = self.stores.entry(partition).or_default();
        let mut applied = Applied::Yes;
        for change in changes {
            match store.apply(change, at) {
                Applied::Yes => {}
                refused => applied = refused,
            }
            at = at.next();
        }
        applied
    }

    /// An append is durable: what was to follow it happens.
    fn follow(&mut self, now: TimestampMs, then: Then, applied: Applied) {
        let refused = match applied {
            Applied::Yes => Ok(()),
            Applied::ProducerFenced => Err(Refusal::InvalidProducerEpoch),
            Applied::CoordinatorFenced => Err(Refusal::TransactionCoordinatorFenced),
        };
        match then.step {
            Step::Emptied | Step::Forgotten => {}
            Step::Assigned(generation) => self.hand_out_assignment(now, then.group.as_ref(), generation),
            Step::Returned { token, answer } => self.answer_returned(now, then.group.as_ref(), token, answer),
            Step::Committed { token, answer } => self.respond(token, Response::CommitOffsets(Ok(answer))),
            Step::Staged { token, answer } => self.respond(token, Response::StageOffsets(refused.map(|()| answer))),
            Step::OffsetsDeleted { token, answer } => self.respond(token, Response::DeleteOffsets(Ok(answer))),
            Step::GroupDeleted { token } => {
                self.groups.remove(then.group.as_ref().expect("a deletion is about a group"));
                self.respond(token, Response::DeleteGroup(Ok(())));
            }
            Step::TransactionEnded { token } => self.respond(token, Response::EndTransaction(refused)),
            Step::Expired(groups) => groups.iter().for_each(|group| {
                self.groups.remove(group);
            }),
        }
        if let Some(group) = &then.group {
            self.forget_if_nothing(group);
        }
    }

    /// An append will never be durable: whoever waits for it is told.
    fn fail(&mut self, now: TimestampMs, then: Then, refusal: Refusal) {
        let per_partition = |answer: PerPartition| {
            answer.into_iter().map(|(partition, result)| (partition, result.and(Err(refusal)))).collect::<PerPartition>()
        };
        match then.step {
            Step::Emptied | Step::Forgotten => {}
            Step::Assigned(generation) => self.give_up_assignment(now, then.group.as_ref(), generation, refusal),
            Step::Returned { token, answer } => {
                self.respond(token, Response::Join(Err(JoinRefused { refusal: Refusal::CoordinatorNotAvailable, member: answer.member })));
            }
            Step::Committed { token, answer } => self.respond(token, Response::CommitOffsets(Ok(per_partition(answer)))),
            Step::Staged { token, answer } => self.respond(token, Response::StageOffsets(Ok(per_partition(answer)))),
            Step::OffsetsDeleted { token, .. } => self.respond(token, Response::DeleteOffsets(Err(refusal))),
            Step::GroupDeleted { token } => {
                self.keep(then.group.as_slice());
                self.respond(token, Response::DeleteGroup(Err(refusal)));
            }
            Step::TransactionEnded { token } => self.respond(token, Response::EndTransaction(Err(refusal))),
            Step::Expired(groups) => self.keep(&groups),
        }
        if let Some(group) = &then.group {
            self.forget_if_nothing(group);
        }
    }

    /// A deletion did not happen.
    fn keep(&mut self, groups: &[GroupId]) {
        for group in groups {
            if let Some(group) = self.groups.get_mut(group) {
                group.is_deleting = false;
            }
        }
    }

    /// When [`Groups::on_time`] is to be called, at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<TimestampMs> {
        self.timers.next()
    }

    /// Does what is due at `now`.
    pub fn on_time(&mut self, now: TimestampMs) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Session(group, member) => self.on_session_timeout(now, &group, &member),
                Timer::Promise(group, member) => self.on_promise_timeout(now, &group, &member),
                Timer::Rebalance(group) => self.on_rebalance_timeout(now, &group),
                Timer::SyncDue(group) => self.on_sync_timeout(now, &group),
                Timer::Expiry => self.expire(now),
            }
        }
    }

    /// The next thing for the shell to do; `None` when there is nothing more.
    pub fn poll(&mut self) -> Option<Intention> {
        if let Some((token, response)) = self.responses.pop_front() {
            return Some(Intention::Respond { token, response });
        }
        Some(match self.journal.poll()? {
            Output::Append { partition, records, token } => Intention::Append { partition, records, token },
            Output::Trim { partition, below } => Intention::Trim { partition, below },
        })
    }

    fn respond(&mut self, token: Token, response: Response) {
        self.responses.push_back((token, response));
    }

    /// Sends changes about one group on their way.
    fn append(&mut self, group: &GroupId, changes: Vec<Change>, step: Step) {
        if let Some(group) = self.groups.get_mut(group) {
            group.in_flight += 1;
        }
        let partition = self.partition_of(group);
        self.journal.append(partition, changes, Then { group: Some(group.clone()), step });
    }

    fn store_of(&self, group: &GroupId) -> Option<&Store> {
        self.stores.get(&self.partition_of(group))
    }

    /// Checks that `group` has a name and that its partition is ours and loaded.
    fn check_ready(&self, group: &GroupId) -> Result<(), Refusal> {
        if group.as_str().is_empty() {
            return Err(Refusal::InvalidGroupId);
        }
        self.journal.check_ready(self.partition_of(group))
    }

    /// Drops a group that has neither members nor anything durable, such as one whose first join was refused.
    fn forget_if_nothing(&mut self, id: &GroupId) {
        let is_nothing = self.groups.get(id).is_some_and(Group::is_vacant)
            && self.store_of(id).is_none_or(|store| store.group(id).is_none() && !store.has_offsets(id));
        if is_nothing {
            self.groups.remove(id);
        }
    }

    #[cfg(test)]
    pub(crate) fn store(&self, partition: PartitionId) -> Option<&Store> {
        self.stores.get(&partition)
    }

    #[cfg(test)]
    fn is_broken(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in tests it looks at the rule that is broken")]
    const fn is_broken(&self, _rule: Rule) -> bool {
        false
    }
}

fn refusal_of(failed: AppendFailed) -> Refusal {
    match failed {
        AppendFailed::TooLarge => Refusal::InvalidCommitOffsetSize,
        AppendFailed::Unavailable => Refusal::CoordinatorNotAvailable,
    }
}
