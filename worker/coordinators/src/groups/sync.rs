//! SyncGroup and Heartbeat: how a settled generation gets its assignment, and how its members stay in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use units::{GroupId, TimestampMs};

use super::{
    Generation, GroupState, Groups, Heartbeat, InstanceId, MemberId, Response, Step, Sync, Timer,
    group::Group,
    record::{Change, StoredGroup, StoredMember},
};
use crate::{Refusal, Token};

impl Groups {
    pub(super) fn sync(&mut self, now: TimestampMs, token: Token, sync: &Sync) {
        if let Err(refusal) = self.try_sync(now, token, sync) {
            self.respond(token, Response::Sync(Err(refusal)));
        }
    }

    fn try_sync(&mut self, now: TimestampMs, token: Token, sync: &Sync) -> Result<(), Refusal> {
        let group = self.check_in(&sync.group, sync.generation, &sync.member, sync.instance.as_ref())?;
        let fits = |given: &Option<std::sync::Arc<str>>, present: &str| given.as_ref().is_none_or(|given| **given == *present);
        if !fits(&sync.protocol_type, &group.protocol_type) || !fits(&sync.protocol_name, &group.protocol_name) {
            return Err(Refusal::InconsistentGroupProtocol);
        }
        let (state, is_leader) = (group.state, group.is_leader(&sync.member));
        let member = group.members.get_mut(&sync.member).expect("check_in found the member");
        match state {
            GroupState::Empty | GroupState::Dead => return Err(Refusal::UnknownMemberId),
            GroupState::PreparingRebalance => return Err(Refusal::RebalanceInProgress),
            GroupState::Stable => {
                member.owes_sync = false;
                let assignment = member.assignment.clone();
                self.restart_session(now, &sync.group, &sync.member);
                let synced = self.groups[&sync.group].synced(assignment);
                self.respond(token, Response::Sync(Ok(synced)));
            }
            GroupState::CompletingRebalance => {
                member.owes_sync = false;
                let earlier = member.syncing.replace(token);
                self.refuse_sync(earlier, Refusal::RebalanceInProgress);
                if is_leader {
                    self.store_assignment(sync);
                }
            }
        }
        Ok(())
    }

    /// The group, if the request comes from a member of its present generation.
    fn check_in(
        &mut self,
        id: &GroupId,
        generation: Generation,
        member: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<&mut Group, Refusal> {
        self.check_ready(id)?;
        let group = self.groups.get_mut(id).ok_or(Refusal::UnknownMemberId)?;
        group.check_member(member, instance)?;
        if group.generation != generation {
            return Err(Refusal::IllegalGeneration);
        }
        Ok(group)
    }

    fn store_assignment(&mut self, sync: &Sync) {
        let group = self.groups.get_mut(&sync.group).expect("check_in found the group");
        if std::mem::replace(&mut group.is_storing, true) {
            return;
        }
        let assignments: BTreeMap<&MemberId, &Bytes> = sync.assignments.iter().map(|(member, assignment)| (member, assignment)).collect();
        let stored = group.stored(|member| assignments.get(&member.id).copied().cloned().unwrap_or_default());
        let generation = group.generation;
        #[cfg(test)]
        self.break_on_store(&sync.group, &stored);
        self.append(&sync.group, vec![Change::Group(sync.group.clone(), Some(stored))], Step::Assigned(generation));
    }

    /// The assignment of `generation` is durable: everybody gets it, if that is still the generation.
    pub(super) fn hand_out_assignment(&mut self, now: TimestampMs, id: Option<&GroupId>, generation: Generation) {
        let id = id.expect("an assignment is of a group");
        if !self.is_completing(id, generation) {
            return;
        }
        let stored = self.store_of(id).and_then(|store| store.group(id)).expect("it was just applied").clone();
        self.settle(now, id, stored);
    }

    pub(super) fn settle(&mut self, now: TimestampMs, id: &GroupId, stored: StoredGroup) {
        let group = self.groups.get_mut(id).expect("the caller found the group");
        for StoredMember { id, assignment, .. } in stored.members {
            if let Some(member) = group.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        group.is_storing = false;
        group.enter(GroupState::Stable, now);
        let waiting: Vec<_> = group
            .members
            .values_mut()
            .filter_map(|member| member.syncing.take().map(|token| (token, member.id.clone(), member.assignment.clone())))
            .collect();
        if group.members.values().all(|member| !member.owes_sync) {
            self.timers.clear(&Timer::SyncDue(id.clone()));
        }
        for (token, member, assignment) in waiting {
            self.restart_session(now, id, &member);
            let synced = self.groups[id].synced(assignment);
            self.respond(token, Response::Sync(Ok(synced)));
        }
    }

    /// The assignment of `generation` could not be written: the members join again.
    pub(super) fn give_up_assignment(&mut self, now: TimestampMs, id: Option<&GroupId>, generation: Generation, refusal: Refusal) {
        let id = id.expect("an assignment is of a group");
        if self.is_completing(id, generation) {
            // Too large an assignment is nothing a client can mend by looking the coordinator up again.
            let refusal = if refusal == Refusal::InvalidCommitOffsetSize { Refusal::UnknownServerError } else { refusal };
            self.cancel_sync(now, id, refusal);
            self.rebalance(now, id);
        }
    }

    fn is_completing(&self, id: &GroupId, generation: Generation) -> bool {
        let is = |group: &Group| group.state == GroupState::CompletingRebalance && group.is_storing && group.generation == generation;
        self.groups.get(id).is_some_and(is)
    }

    pub(super) fn heartbeat(&mut self, now: TimestampMs, token: Token, heartbeat: &Heartbeat) {
        let Heartbeat { group: id, generation, member, instance } = heartbeat;
        let result = match self.check_in(id, *generation, member, instance.as_ref()).map(|group| group.state) {
            Err(refusal) => Err(refusal),
            Ok(GroupState::Empty | GroupState::Dead) => Err(Refusal::UnknownMemberId),
            Ok(state) => {
                self.restart_session(now, id, member);
                if state == GroupState::PreparingRebalance { Err(Refusal::RebalanceInProgress) } else { Ok(()) }
            }
        };
        self.respond(token, Response::Heartbeat(result));
    }
}
