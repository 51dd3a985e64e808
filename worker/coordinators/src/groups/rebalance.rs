//! How a group gets from one generation to the next, and what happens to members that keep silent.

use bytes::Bytes;
use units::{DurationMs, GroupId, TimestampMs};

use super::{
    GroupState, Groups, MemberId, Response, Rule, Step, Timer,
    group::{Gathering, Group},
    record::Change,
};
use crate::{Refusal, timers::after};

impl Groups {
    /// Begins a rebalance unless one is under way, and ends it if everybody has joined.
    pub(super) fn rebalance(&mut self, now: TimestampMs, id: &GroupId) {
        let Some(group) = self.groups.get_mut(id) else { return };
        if group.state != GroupState::PreparingRebalance {
            let from = group.state;
            group.is_storing = false;
            group.enter(GroupState::PreparingRebalance, now);
            let timeout = group.rebalance_timeout();
            let delay = self.config.initial_rebalance_delay.min(timeout);
            let is_first = from == GroupState::Empty && delay > DurationMs(0);
            group.gathering = is_first.then_some(Gathering { remaining: DurationMs(timeout.0 - delay.0), member_came: false });
            self.timers.set(Timer::Rebalance(id.clone()), after(now, if is_first { delay } else { timeout }));
            self.timers.clear(&Timer::SyncDue(id.clone()));
            if from == GroupState::CompletingRebalance {
                self.cancel_sync(now, id, Refusal::RebalanceInProgress);
            }
        }
        self.try_complete(now, id);
    }

    /// Nobody gets an assignment in this generation any more.
    pub(super) fn cancel_sync(&mut self, now: TimestampMs, id: &GroupId, refusal: Refusal) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let mut waiting = Vec::new();
        for member in group.members.values_mut() {
            (member.assignment, member.owes_sync) = (Bytes::new(), false);
            waiting.extend(member.syncing.take().map(|token| (token, member.id.clone())));
        }
        for (token, member) in waiting {
            self.restart_session(now, id, &member);
            self.respond(token, Response::Sync(Err(refusal)));
        }
    }

    /// Ends the rebalance if it waits for nobody.
    pub(super) fn try_complete(&mut self, now: TimestampMs, id: &GroupId) {
        let Some(group) = self.groups.get(id) else { return };
        if group.state == GroupState::PreparingRebalance && group.gathering.is_none() && group.all_joining() {
            self.complete(now, id);
        }
    }

    pub(super) fn on_rebalance_timeout(&mut self, now: TimestampMs, id: &GroupId) {
        let Some(group) = self.groups.get_mut(id).filter(|group| group.state == GroupState::PreparingRebalance) else { return };
        if let Some(gathering) = &mut group.gathering
            && gathering.member_came
            && gathering.remaining > DurationMs(0)
        {
            let delay = self.config.initial_rebalance_delay.min(gathering.remaining);
            *gathering = Gathering { remaining: DurationMs(gathering.remaining.0 - delay.0), member_came: false };
            self.timers.set(Timer::Rebalance(id.clone()), after(now, delay));
            return;
        }
        group.gathering = None;
        self.complete(now, id);
    }

    /// Settles the next generation with those who joined, and with static members, which have their session to come back.
    fn complete(&mut self, now: TimestampMs, id: &GroupId) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let absent: Vec<MemberId> = group
            .members
            .values()
            .filter(|member| member.joining.is_none() && member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        for member in &absent {
            group.remove(member);
            self.timers.clear(&Timer::Session(id.clone(), member.clone()));
        }
        if !group.members.is_empty() && !elect_joining_leader(group) {
            // Only static members are left and none is here: wait for one, or for their sessions to end.
            self.timers.set(Timer::Rebalance(id.clone()), after(now, group.rebalance_timeout()));
            return;
        }
        let group = self.groups.get_mut(id).expect("found above");
        let next = group.generation.next();
        self.timers.clear(&Timer::Rebalance(id.clone()));
        if !self.is_broken(Rule::NewGenerationGetsNewNumber) {
            self.groups.get_mut(id).expect("found above").generation = next;
        }
        if self.groups[id].members.is_empty() { self.become_empty(now, id) } else { self.begin_sync(now, id) }
    }

    fn become_empty(&mut self, now: TimestampMs, id: &GroupId) {
        let group = self.groups.get_mut(id).expect("the caller found the group");
        group.enter(GroupState::Empty, now);
        (group.leader, group.protocol_name) = (None, "".into());
        let stored = group.stored(|_| Bytes::new());
        self.append(id, vec![Change::Group(id.clone(), Some(stored))], Step::Emptied);
    }

    fn begin_sync(&mut self, now: TimestampMs, id: &GroupId) {
        let group = self.groups.get_mut(id).expect("the caller found the group");
        group.enter(GroupState::CompletingRebalance, now);
        group.protocol_name = group.elect_protocol().unwrap_or_default();
        let mut answers = Vec::new();
        for member in group.members.values_mut() {
            (member.is_new, member.owes_sync) = (false, true);
            answers.push((member.id.clone(), member.joining.take()));
        }
        let due = after(now, group.rebalance_timeout());
        self.timers.set(Timer::SyncDue(id.clone()), due);
        for (member, token) in answers {
            self.restart_session(now, id, &member);
            if let Some(token) = token {
                let joined = self.groups[id].joined(&member);
                self.respond(token, Response::Join(Ok(joined)));
            }
        }
    }

    pub(super) fn on_sync_timeout(&mut self, now: TimestampMs, id: &GroupId) {
        let Some(group) = self.groups.get(id) else { return };
        if matches!(group.state, GroupState::CompletingRebalance | GroupState::Stable) {
            let late: Vec<MemberId> = group.members.values().filter(|member| member.owes_sync).map(|member| member.id.clone()).collect();
            for member in late {
                self.remove(now, id, &member);
            }
        }
    }

    pub(super) fn on_session_timeout(&mut self, now: TimestampMs, id: &GroupId, member: &MemberId) {
        let Some(found) = self.groups.get(id).and_then(|group| group.members.get(member)) else { return };
        // Who waits for us is not silent; its session starts again with the answer. One that never finished a join may be a lost client.
        let waits = !found.is_new && (found.joining.is_some() || found.syncing.is_some());
        if !waits {
            self.remove(now, id, member);
        }
    }

    pub(super) fn on_promise_timeout(&mut self, now: TimestampMs, id: &GroupId, member: &MemberId) {
        let Some(group) = self.groups.get_mut(id) else { return };
        group.promised.remove(member);
        self.try_complete(now, id);
        self.forget_if_nothing(id);
    }

    /// Takes a member out; the others form a new generation.
    pub(super) fn remove(&mut self, now: TimestampMs, id: &GroupId, member: &MemberId) {
        let Some(removed) = self.groups.get_mut(id).and_then(|group| group.remove(member)) else { return };
        self.timers.clear(&Timer::Session(id.clone(), member.clone()));
        self.refuse_waiting(removed, Refusal::UnknownMemberId);
        self.rebalance(now, id);
    }
}

/// Sees to it that the leader is one that is here to assign; false where nobody is.
fn elect_joining_leader(group: &mut Group) -> bool {
    let leads = group.leader.as_ref().and_then(|leader| group.members.get(leader)).is_some_and(|leader| leader.joining.is_some());
    if !leads && let Some(member) = group.members.values().find(|member| member.joining.is_some()) {
        group.leader = Some(member.id.clone());
        return true;
    }
    leads
}
