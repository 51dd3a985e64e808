//! JoinGroup: who gets in, and who is told to wait, to come back with an id, or to stay as it is.

use units::{DurationMs, GroupId, TimestampMs};

use super::{
    GroupState, Groups, InstanceId, Join, JoinRefused, Joined, MemberId, Response, Step, Timer, group::Group, member::Member,
    record::Change,
};
use crate::{Refusal, Token, timers::after};

impl Groups {
    pub(super) fn join(&mut self, now: TimestampMs, token: Token, join: &Join) {
        if let Err(refused) = self.try_join(now, token, join) {
            self.respond(token, Response::Join(Err(refused)));
            self.forget_if_nothing(&join.group);
        }
    }

    fn try_join(&mut self, now: TimestampMs, token: Token, join: &Join) -> Result<(), JoinRefused> {
        let refused = |refusal| JoinRefused { refusal, member: join.member.clone() };
        self.check_join(now, join).map_err(refused)?;
        if join.member.is_none() { self.join_without_id(now, token, join) } else { self.join_with_id(now, token, join).map_err(refused) }
    }

    /// What is wrong with a join whoever sends it. Makes the group if this is to be its first member.
    fn check_join(&mut self, now: TimestampMs, join: &Join) -> Result<(), Refusal> {
        self.check_ready(&join.group)?;
        if join.session_timeout < self.config.session_timeout_min || join.session_timeout > self.config.session_timeout_max {
            return Err(Refusal::InvalidSessionTimeout);
        }
        if !self.groups.contains_key(&join.group) {
            if !join.member.is_none() {
                return Err(Refusal::UnknownMemberId);
            }
            self.groups.insert(join.group.clone(), Group::new(now));
        }
        let group = &self.groups[&join.group];
        if group.is_deleting {
            return Err(Refusal::CoordinatorNotAvailable);
        }
        let is_in = group.members.contains_key(&join.member)
            || group.promised.contains(&join.member)
            || join.instance.as_ref().is_some_and(|instance| group.instances.contains_key(instance));
        if !is_in && group.members.len() + group.promised.len() >= self.config.members_max {
            return Err(Refusal::GroupMaxSizeReached);
        }
        if !group.supports(&join.protocol_type, &join.protocols) {
            // A member the group does not know learns that rather than that its protocols do not fit.
            let is_stranger = !join.member.is_none() && !is_in;
            return Err(if is_stranger { Refusal::UnknownMemberId } else { Refusal::InconsistentGroupProtocol });
        }
        Ok(())
    }

    fn join_without_id(&mut self, now: TimestampMs, token: Token, join: &Join) -> Result<(), JoinRefused> {
        let prefix = join.instance.as_ref().map_or(&*join.client_id, InstanceId::as_str);
        let id = self.member_ids.make(prefix);
        let group = self.groups.get_mut(&join.group).expect("check_join made the group");
        match &join.instance {
            Some(instance) => match group.instances.get(instance).cloned() {
                Some(old) => self.replace(now, token, &old, id, join),
                None => self.add(now, token, id, join),
            },
            None if join.requires_known_member_id => {
                group.promised.insert(id.clone());
                self.timers.set(Timer::Promise(join.group.clone(), id.clone()), after(now, join.session_timeout));
                return Err(JoinRefused { refusal: Refusal::MemberIdRequired, member: id });
            }
            None => self.add(now, token, id, join),
        }
        Ok(())
    }

    fn join_with_id(&mut self, now: TimestampMs, token: Token, join: &Join) -> Result<(), Refusal> {
        let group = self.groups.get_mut(&join.group).expect("check_join found the group");
        if join.instance.is_none() && group.promised.remove(&join.member) {
            self.timers.clear(&Timer::Promise(join.group.clone(), join.member.clone()));
            self.add(now, token, join.member.clone(), join);
            return Ok(());
        }
        group.check_member(&join.member, join.instance.as_ref())?;
        let is_changed = group.members.get(&join.member).is_none_or(|member| member.protocols != join.protocols);
        match group.state {
            GroupState::Empty | GroupState::Dead => return Err(Refusal::UnknownMemberId),
            // The same again: the answer to its first join was lost, or nothing changed for this follower.
            GroupState::CompletingRebalance if !is_changed => self.answer_present(now, token, join),
            GroupState::Stable if !is_changed && !group.is_leader(&join.member) => self.answer_present(now, token, join),
            _ => self.rejoin(now, token, join),
        }
        Ok(())
    }

    fn answer_present(&mut self, now: TimestampMs, token: Token, join: &Join) {
        let joined = self.groups[&join.group].joined(&join.member);
        self.restart_session(now, &join.group, &join.member);
        self.respond(token, Response::Join(Ok(joined)));
    }

    fn add(&mut self, now: TimestampMs, token: Token, id: MemberId, join: &Join) {
        let group = self.groups.get_mut(&join.group).expect("check_join found the group");
        if group.members.is_empty() {
            group.protocol_type = join.protocol_type.clone();
        }
        if let Some(gathering) = &mut group.gathering {
            gathering.member_came = true;
        }
        let mut member = Member::new(id.clone(), join);
        member.joining = Some(token);
        group.add(member);
        self.timers.set(Timer::Session(join.group.clone(), id), after(now, self.config.new_member_join_timeout));
        self.rebalance(now, &join.group);
    }

    fn rejoin(&mut self, now: TimestampMs, token: Token, join: &Join) {
        let group = self.groups.get_mut(&join.group).expect("check_join found the group");
        let member = group.members.get_mut(&join.member).expect("the member was checked");
        member.update(join);
        let earlier = member.joining.replace(token);
        self.refuse_join(earlier, &join.member, Refusal::RebalanceInProgress);
        self.rebalance(now, &join.group);
    }

    /// A static member comes back without its id: the new id takes the place of the old one, whoever holds that is fenced (KIP-345).
    fn replace(&mut self, now: TimestampMs, token: Token, old: &MemberId, new: MemberId, join: &Join) {
        let group = self.groups.get_mut(&join.group).expect("check_join found the group");
        let was_leader = group.is_leader(old);
        let mut member = group.members.remove(old).expect("an instance names a member");
        (member.id, member.is_new) = (new.clone(), false);
        let waiting = (member.joining.take(), member.syncing.take());
        member.update(join);
        group.members.insert(new.clone(), member);
        group.instances.insert(join.instance.clone().expect("only a static member is replaced"), new.clone());
        if was_leader {
            group.leader = Some(new.clone());
        }
        self.timers.clear(&Timer::Session(join.group.clone(), old.clone()));
        self.refuse_join(waiting.0, old, Refusal::FencedInstanceId);
        self.refuse_sync(waiting.1, Refusal::FencedInstanceId);
        self.restart_session(now, &join.group, &new);
        self.place_returned(now, token, old, &new, was_leader, join);
    }

    /// While nothing changes for the group, a static member that came back gets its old place without a rebalance.
    fn place_returned(&mut self, now: TimestampMs, token: Token, old: &MemberId, new: &MemberId, was_leader: bool, join: &Join) {
        let group = self.groups.get_mut(&join.group).expect("the caller found the group");
        if group.state == GroupState::Stable && group.elect_protocol().as_ref() == Some(&group.protocol_name) {
            let mut answer = group.joined(new);
            if join.can_skip_assignment {
                answer.skip_assignment = was_leader;
            } else if was_leader {
                // Told that the old id leads, it does not assign (KIP-345); v9 can be told so directly (KIP-814).
                (answer.leader, answer.members) = (old.clone(), Vec::new());
            }
            let stored = group.stored(|member| member.assignment.clone());
            self.append(&join.group, vec![Change::Group(join.group.clone(), Some(stored))], Step::Returned { token, answer });
            return;
        }
        group.members.get_mut(new).expect("just put there").joining = Some(token);
        self.rebalance(now, &join.group);
    }

    /// The place of a static member is durable.
    pub(super) fn answer_returned(&mut self, now: TimestampMs, group: Option<&GroupId>, token: Token, answer: Joined) {
        let id = group.expect("a member returns to a group");
        let refused = |refusal| Response::Join(Err(JoinRefused { refusal, member: answer.member.clone() }));
        let Some(group) = self.groups.get_mut(id) else { return self.respond(token, refused(Refusal::UnknownMemberId)) };
        let Some(member) = group.members.get_mut(&answer.member) else {
            return self.respond(token, refused(Refusal::UnknownMemberId));
        };
        match group.state {
            // A rebalance began meanwhile: this join counts for it.
            GroupState::PreparingRebalance if member.joining.is_none() => {
                member.joining = Some(token);
                self.try_complete(now, id);
            }
            GroupState::Stable if group.generation == answer.generation => {
                self.restart_session(now, id, &answer.member);
                self.respond(token, Response::Join(Ok(answer)));
            }
            _ => self.respond(token, refused(Refusal::RebalanceInProgress)),
        }
    }

    pub(super) fn restart_session(&mut self, now: TimestampMs, group: &GroupId, member: &MemberId) {
        let timeout = self.groups.get(group).and_then(|group| group.members.get(member)).map_or(DurationMs(0), |m| m.session_timeout);
        self.timers.set(Timer::Session(group.clone(), member.clone()), after(now, timeout));
    }

    pub(super) fn refuse_join(&mut self, token: Option<Token>, member: &MemberId, refusal: Refusal) {
        if let Some(token) = token {
            self.respond(token, Response::Join(Err(JoinRefused { refusal, member: member.clone() })));
        }
    }

    pub(super) fn refuse_sync(&mut self, token: Option<Token>, refusal: Refusal) {
        if let Some(token) = token {
            self.respond(token, Response::Sync(Err(refusal)));
        }
    }

    /// Whatever a member waits for, it does not come.
    pub(super) fn refuse_waiting(&mut self, member: Member, refusal: Refusal) {
        self.refuse_join(member.joining, &member.id, refusal);
        self.refuse_sync(member.syncing, refusal);
    }
}
