//! One group between events: its state, its members, and what follows from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use units::{DurationMs, TimestampMs};

use super::{
    Generation, GroupState, InstanceId, Joined, JoinedMember, MemberId, Protocol, Synced,
    member::Member,
    record::StoredGroup,
    subscription::{self, CONSUMER},
};
use crate::Refusal;

/// A group as it stands. Its timers are kept by the coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) state: GroupState,
    pub(crate) generation: Generation,
    pub(crate) protocol_type: Arc<str>,
    pub(crate) protocol_name: Arc<str>,
    pub(crate) leader: Option<MemberId>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) instances: BTreeMap<InstanceId, MemberId>,
    /// Ids that were given out with MEMBER_ID_REQUIRED and have not come back yet.
    pub(crate) promised: BTreeSet<MemberId>,
    /// While an empty group waits for more members: how much longer it may, and whether one came since it last asked itself.
    pub(crate) gathering: Option<Gathering>,
    /// The leader's assignment is on its way to the log.
    pub(crate) is_storing: bool,
    /// A deletion is on its way to the log.
    pub(crate) is_deleting: bool,
    /// How many appends about this group are on their way.
    pub(crate) in_flight: usize,
    /// When the state last changed.
    pub(crate) since: TimestampMs,
}

/// The first rebalance of an empty group (`group.initial.rebalance.delay.ms`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathering {
    pub(crate) remaining: DurationMs,
    pub(crate) member_came: bool,
}

impl Group {
    pub(crate) fn new(now: TimestampMs) -> Self {
        Self {
            state: GroupState::Empty,
            generation: Generation(0),
            protocol_type: "".into(),
            protocol_name: "".into(),
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            promised: BTreeSet::new(),
            gathering: None,
            is_storing: false,
            is_deleting: false,
            in_flight: 0,
            since: now,
        }
    }

    pub(crate) fn restored(stored: &StoredGroup) -> Self {
        let members: BTreeMap<_, _> = stored.members.iter().map(|member| (member.id.clone(), Member::restored(member))).collect();
        let instances = members.values().filter_map(|member| Some((member.instance.clone()?, member.id.clone()))).collect();
        Self {
            state: if members.is_empty() { GroupState::Empty } else { GroupState::Stable },
            generation: stored.generation,
            protocol_type: stored.protocol_type.clone(),
            protocol_name: stored.protocol_name.clone(),
            leader: Some(stored.leader.clone()).filter(|leader| !leader.is_none()),
            members,
            instances,
            ..Self::new(stored.since)
        }
    }

    /// This generation as it is to be durable, with `assignment` for each member.
    pub(crate) fn stored(&self, assignment: impl Fn(&Member) -> Bytes) -> StoredGroup {
        StoredGroup {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_else(MemberId::none),
            since: self.since,
            members: self.members.values().map(|member| member.stored(assignment(member))).collect(),
        }
    }

    pub(crate) fn enter(&mut self, state: GroupState, now: TimestampMs) {
        self.state = state;
        self.since = now;
    }

    /// Whether nothing at all speaks for keeping it, as far as members go.
    pub(crate) fn is_vacant(&self) -> bool {
        self.state == GroupState::Empty && self.members.is_empty() && self.promised.is_empty() && self.in_flight == 0
    }

    pub(crate) fn is_leader(&self, member: &MemberId) -> bool {
        self.leader.as_ref() == Some(member)
    }

    pub(crate) fn add(&mut self, member: Member) {
        if self.members.is_empty() {
            self.leader = None;
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out; the next leader is one that is joining, if any is.
    pub(crate) fn remove(&mut self, id: &MemberId) -> Option<Member> {
        let member = self.members.remove(id)?;
        if let Some(instance) = member.instance.as_ref().filter(|instance| self.instances.get(*instance) == Some(id)) {
            self.instances.remove(instance);
        }
        if self.is_leader(id) {
            self.leader =
                self.members.values().find(|member| member.joining.is_some()).or(self.members.values().next()).map(|m| m.id.clone());
        }
        Some(member)
    }

    /// Checks that `member`, with `instance` if it is given, is in the group (KIP-345).
    pub(crate) fn check_member(&self, member: &MemberId, instance: Option<&InstanceId>) -> Result<(), Refusal> {
        if let Some(instance) = instance {
            return match self.instances.get(instance) {
                None => Err(Refusal::UnknownMemberId),
                Some(owner) if owner != member => Err(Refusal::FencedInstanceId),
                Some(_) => Ok(()),
            };
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(Refusal::UnknownMemberId) }
    }

    /// Whether a member with these protocols can be in the group: same type, and one protocol that all support.
    pub(crate) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if protocol_type.is_empty() || protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        *self.protocol_type == *protocol_type && protocols.iter().any(|protocol| self.all_support(&protocol.name))
    }

    fn all_support(&self, name: &str) -> bool {
        self.members.values().all(|member| member.protocols.iter().any(|known| &*known.name == name))
    }

    /// The protocol that most members prefer among those all support; of equals, the one the leader prefers.
    pub(crate) fn elect_protocol(&self) -> Option<Arc<str>> {
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader))?;
        let candidates: Vec<_> = leader.protocols.iter().map(|protocol| &protocol.name).filter(|name| self.all_support(name)).collect();
        let votes = |name: &Arc<str>| {
            let first_choice =
                |member: &&Member| member.protocols.iter().find(|known| candidates.contains(&&known.name)).map(|k| &k.name) == Some(name);
            self.members.values().filter(first_choice).count()
        };
        candidates.iter().rev().max_by_key(|name| votes(name)).map(|name| (*name).clone())
    }

    pub(crate) fn all_joining(&self) -> bool {
        self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// How long a rebalance waits: as long as the most patient member.
    pub(crate) fn rebalance_timeout(&self) -> DurationMs {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// What a join of `member` is answered in the present generation; the leader learns of everybody.
    pub(crate) fn joined(&self, member: &MemberId) -> Joined {
        let leader = self.leader.clone().unwrap_or_else(MemberId::none);
        let members = if &leader == member { self.joined_members() } else { Vec::new() };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader,
            skip_assignment: false,
            member: member.clone(),
            members,
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let of = |member: &Member| JoinedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(&self.protocol_name),
        };
        self.members.values().map(of).collect()
    }

    pub(crate) fn synced(&self, assignment: Bytes) -> Synced {
        Synced { protocol_type: self.protocol_type.clone(), protocol_name: self.protocol_name.clone(), assignment }
    }

    /// Whether its members read `topic`: `None` where that cannot be known, since they are not consumers or their metadata is not readable.
    pub(crate) fn reads(&self, topic: &str) -> Option<bool> {
        if &*self.protocol_type != CONSUMER {
            return None;
        }
        let mut reads = false;
        for protocol in self.members.values().flat_map(|member| &member.protocols) {
            reads |= subscription::topics(&protocol.metadata).ok()?.contains(topic);
        }
        Some(reads)
    }
}
