//! [`Core`]: what a group member says next. No I/O and no clock: answers and times go in, requests and events come out.
//!
//! ```text
//! Idle -- join() --> Joining -> (Leading -- assign() -->) Syncing -> Stable
//!   ^                                                                  | REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION
//!   |  UNKNOWN_MEMBER_ID: all is lost                                  v
//!   +------------------------------------------- Rebalancing -- join() --> Joining
//! ```
//!
//! It never joins by itself: between "the group wants to rebalance" and [`Core::join`] its owner finishes what it has begun under the old
//! generation, and heartbeats go on.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use units::GroupId;
use wire::{
    ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, Str, SyncGroupRequest,
    SyncGroupResponse, join_group::JoinGroupRequestProtocol, leave_group::MemberIdentity, sync_group::SyncGroupRequestAssignment,
};

use super::{Generation, GroupMember, Lost, MemberEvent, MemberOptions};

/// How long to wait before a request is repeated that found no coordinator, or none that was ready.
const RETRY: Duration = Duration::from_millis(100);

/// A request to send to the coordinator. One at a time is under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    Join(JoinGroupRequest),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
}

/// What came of a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    /// No answer: it may or may not have been done.
    Lost,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Send(Ask),
    /// Nothing before this time, unless something happens.
    Wait(Option<Instant>),
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    /// Not in the group, and not asked to be.
    Idle,
    Joining,
    /// The owner is asked to assign.
    Leading,
    /// Sends these assignments; empty unless it leads.
    Syncing(Vec<SyncGroupRequestAssignment>),
    Stable,
    /// The owner knows that the group wants another generation. The old one, if it still stands, is kept alive.
    Rebalancing {
        keeps_alive: bool,
    },
    /// Nothing more is said.
    Ended,
}

pub(super) struct Core {
    options: MemberOptions,
    state: State,
    metadata: Bytes,
    member_id: Str,
    generation_id: i32,
    protocol: Option<Str>,
    /// Whether what an assignment gave is held: losing the membership then means to lose it.
    is_assigned: bool,
    is_under_way: bool,
    /// The owner joined anew while a JoinGroup was under way: its answer is to an old question.
    joins_again: bool,
    not_before: Option<Instant>,
    events: VecDeque<MemberEvent>,
}

impl Core {
    pub(super) fn new(options: MemberOptions) -> Self {
        Self {
            options,
            state: State::Idle,
            metadata: Bytes::new(),
            member_id: Str::EMPTY,
            generation_id: -1,
            protocol: None,
            is_assigned: false,
            is_under_way: false,
            joins_again: false,
            not_before: None,
            events: VecDeque::new(),
        }
    }

    /// The owner is ready for the next generation, and says this to the leader.
    pub(super) fn join(&mut self, metadata: Bytes) {
        if self.state != State::Ended {
            self.metadata = metadata;
            self.joins_again = self.is_under_way && self.state == State::Joining;
            (self.state, self.not_before) = (State::Joining, None);
        }
    }

    /// The owner's answer to [`MemberEvent::Lead`]. Ignored where the group has moved on since.
    pub(super) fn assign(&mut self, assignments: Vec<(Str, Bytes)>) {
        if self.state == State::Leading {
            let assignment = |(member_id, assignment)| SyncGroupRequestAssignment { member_id, assignment };
            (self.state, self.not_before) = (State::Syncing(assignments.into_iter().map(assignment).collect()), None);
        }
    }

    /// What to do at `now`. A request that is returned is under way until [`Core::answered`].
    pub(super) fn step(&mut self, now: Instant) -> Step {
        if self.is_under_way {
            return Step::Wait(None);
        }
        if let Some(later) = self.not_before.filter(|later| *later > now) {
            return Step::Wait(Some(later));
        }
        let ask = match &self.state {
            State::Idle | State::Ended | State::Rebalancing { keeps_alive: false } => return Step::Wait(None),
            State::Joining => Ask::Join(self.join_request()),
            State::Syncing(assignments) => Ask::Sync(self.sync_request(assignments.clone())),
            State::Leading | State::Stable | State::Rebalancing { keeps_alive: true } => Ask::Heartbeat(self.heartbeat_request()),
        };
        self.is_under_way = true;
        Step::Send(ask)
    }

    /// What is to be told to the owner.
    pub(super) fn event(&mut self) -> Option<MemberEvent> {
        self.events.pop_front()
    }

    /// The request that takes this member out of the group; `None` where it is not in it.
    pub(super) fn leave_request(&self) -> Option<LeaveGroupRequest> {
        let instance = self.options.instance_id.clone();
        if self.member_id.is_empty() && instance.is_none() || self.state == State::Ended {
            return None;
        }
        let member = MemberIdentity { member_id: self.member_id.clone(), group_instance_id: instance, reason: None };
        Some(LeaveGroupRequest { group_id: self.group(), members: vec![member], ..Default::default() })
    }

    /// An answer came, or will not. True where the coordinator is to be looked for again.
    pub(super) fn answered(&mut self, answer: Answer, now: Instant) -> bool {
        self.is_under_way = false;
        self.not_before = None;
        match answer {
            Answer::Join(response) => self.on_join(response, now),
            Answer::Sync(response) => self.on_sync(response, now),
            Answer::Heartbeat(response) => self.on_heartbeat(response.error_code, now),
            Answer::Lost => {
                self.not_before = Some(now + RETRY);
                true
            }
        }
    }

    fn on_join(&mut self, response: JoinGroupResponse, now: Instant) -> bool {
        match response.error_code {
            ErrorCode::None => self.on_joined(response, now),
            ErrorCode::MemberIdRequired => self.member_id = response.member_id.detached(),
            ErrorCode::UnknownMemberId => self.lose_membership(),
            ErrorCode::RebalanceInProgress => self.not_before = Some(now + RETRY),
            code => return self.on_common(code, now),
        }
        false
    }

    fn on_joined(&mut self, response: JoinGroupResponse, now: Instant) {
        let told = |member: wire::join_group::JoinGroupResponseMember| GroupMember {
            member_id: member.member_id.detached(),
            instance_id: member.group_instance_id.map(|id| id.detached()),
            metadata: Bytes::copy_from_slice(&member.metadata),
        };
        let leads = response.leader == response.member_id && !response.skip_assignment;
        self.member_id = response.member_id.detached();
        self.generation_id = response.generation_id;
        self.protocol = response.protocol_name.map(|name| name.detached());
        if self.state != State::Joining || std::mem::take(&mut self.joins_again) {
            return;
        }
        if leads {
            (self.state, self.not_before) = (State::Leading, Some(now + self.options.heartbeat_interval));
            let members = response.members.into_iter().map(told).collect();
            self.events.push_back(MemberEvent::Lead { generation: self.generation(), members });
        } else {
            self.state = State::Syncing(Vec::new());
        }
    }

    fn on_sync(&mut self, response: SyncGroupResponse, now: Instant) -> bool {
        if !matches!(self.state, State::Syncing(_)) {
            return false;
        }
        match response.error_code {
            ErrorCode::None => {
                self.state = State::Stable;
                self.is_assigned = true;
                self.not_before = Some(now + self.options.heartbeat_interval);
                let assignment = Bytes::copy_from_slice(&response.assignment);
                self.events.push_back(MemberEvent::Assigned { generation: self.generation(), assignment });
            }
            ErrorCode::RebalanceInProgress => self.rebalance(true, now),
            ErrorCode::IllegalGeneration => self.rebalance(false, now),
            ErrorCode::UnknownMemberId => self.lose_membership(),
            code => return self.on_common(code, now),
        }
        false
    }

    fn on_heartbeat(&mut self, code: ErrorCode, now: Instant) -> bool {
        self.not_before = Some(now + self.options.heartbeat_interval);
        if !matches!(self.state, State::Stable | State::Leading | State::Rebalancing { .. }) {
            // The owner asked for more while it was under way: that goes out at once.
            self.not_before = None;
        }
        match code {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress => self.rebalance(true, now),
            ErrorCode::IllegalGeneration => self.rebalance(false, now),
            ErrorCode::UnknownMemberId => self.lose_membership(),
            code => return self.on_common(code, now),
        }
        false
    }

    /// Codes that mean the same for every request.
    fn on_common(&mut self, code: ErrorCode, now: Instant) -> bool {
        match code {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.not_before = Some(now + RETRY);
                true
            }
            ErrorCode::CoordinatorLoadInProgress | ErrorCode::RequestTimedOut => {
                self.not_before = Some(now + RETRY);
                false
            }
            ErrorCode::FencedInstanceId => {
                self.end(Lost::Fenced);
                false
            }
            code => {
                self.end(Lost::Refused(code));
                false
            }
        }
    }

    /// Tells the owner, once, that the group wants another generation.
    fn rebalance(&mut self, keeps_alive: bool, now: Instant) {
        if matches!(self.state, State::Stable | State::Leading | State::Syncing(_)) {
            self.events.push_back(MemberEvent::Rebalancing);
        }
        if matches!(self.state, State::Stable | State::Leading | State::Syncing(_) | State::Rebalancing { .. }) {
            self.state = State::Rebalancing { keeps_alive };
            self.not_before = Some(now + self.options.heartbeat_interval);
        }
    }

    /// The group has dropped this member. Where it held an assignment, its owner decides when to join again, as a new member.
    fn lose_membership(&mut self) {
        self.member_id = Str::EMPTY;
        self.generation_id = -1;
        self.not_before = None;
        if std::mem::take(&mut self.is_assigned) {
            self.state = State::Idle;
            self.events.push_back(MemberEvent::Lost(Lost::Dropped));
        } else if self.state != State::Idle {
            self.state = State::Joining;
        }
    }

    fn end(&mut self, lost: Lost) {
        self.state = State::Ended;
        self.events.push_back(MemberEvent::Lost(lost));
    }

    fn generation(&self) -> Generation {
        Generation { member_id: self.member_id.clone(), generation_id: self.generation_id, instance_id: self.options.instance_id.clone() }
    }

    fn group(&self) -> Str {
        group_text(&self.options.group)
    }

    fn join_request(&self) -> JoinGroupRequest {
        let millis = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        JoinGroupRequest {
            group_id: self.group(),
            session_timeout_ms: millis(self.options.session_timeout),
            rebalance_timeout_ms: millis(self.options.rebalance_timeout),
            member_id: self.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
            protocol_type: self.options.protocol_type.clone(),
            protocols: vec![JoinGroupRequestProtocol { name: self.options.protocol.clone(), metadata: self.metadata.clone() }],
            reason: None,
        }
    }

    fn sync_request(&self, assignments: Vec<SyncGroupRequestAssignment>) -> SyncGroupRequest {
        SyncGroupRequest {
            group_id: self.group(),
            generation_id: self.generation_id,
            member_id: self.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
            protocol_type: Some(self.options.protocol_type.clone()),
            protocol_name: self.protocol.clone(),
            assignments,
        }
    }

    fn heartbeat_request(&self) -> HeartbeatRequest {
        HeartbeatRequest {
            group_id: self.group(),
            generation_id: self.generation_id,
            member_id: self.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
        }
    }
}

fn group_text(group: &GroupId) -> Str {
    group.into()
}

#[cfg(test)]
mod tests;
