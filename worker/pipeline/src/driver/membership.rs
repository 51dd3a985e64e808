//! The pod as a member of its group: the client's member speaks, the core decides when to join.

use bytes::Bytes;
use client::{Generation, Lost, Member, MemberEvent, MemberOptions};
use commit::{Assignment, Event, Failure, Fence, Joined, Share, Ticket, lead};
use control::PipelineReason;

use super::Driver;

/// Name of our way of assigning: pods of one layout all have it.
const PROTOCOL: &str = "streamwright-1";

impl Driver {
    pub(super) fn join(&mut self, ticket: Ticket, owned: &Assignment, generation: i32) {
        self.joining = Some(ticket);
        let desired = &self.program.desired;
        let instance = desired.transactional_id(self.environment.ordinal);
        let new = || Member::new(self.cluster.clone(), MemberOptions::new(desired.group.clone(), Some(instance.as_str().into()), PROTOCOL));
        self.member.get_or_insert_with(new).join(Bytes::from(owned.encode(generation)));
    }

    pub(super) fn member_event(&mut self, event: Option<MemberEvent>) {
        match event {
            Some(MemberEvent::Rebalancing) => self.pod.on(self.now(), Event::RebalanceNeeded),
            Some(MemberEvent::Lead { members, .. }) => self.lead(members),
            Some(MemberEvent::Assigned { generation, assignment }) => self.assigned(generation, &assignment),
            Some(MemberEvent::Lost(lost)) => self.lost(lost),
            // It is at its end; what ended it was told before.
            None => self.member = None,
        }
    }

    fn lead(&mut self, members: Vec<client::GroupMember>) {
        if members.len() > 1 {
            let message = format!("{} pods are in the group, and this version runs one: set replicas to 1", members.len());
            return self.fail(PipelineReason::Internal, message);
        }
        let told: Vec<(String, Vec<u8>)> = members.iter().map(|member| (member.member_id.to_string(), member.metadata.to_vec())).collect();
        let sources = u32::try_from(self.program.sources.len()).unwrap_or(u32::MAX);
        match lead(sources, self.program.hash_partitions, &told) {
            Ok(shares) => {
                let shares = shares.into_iter().map(|(member, share)| (member.as_str().into(), Bytes::from(share))).collect();
                self.member.iter().for_each(|member| member.assign(Vec::clone(&shares)));
            }
            Err(error) => self.fail(PipelineReason::Internal, error.to_string()),
        }
    }

    fn assigned(&mut self, generation: Generation, assignment: &[u8]) {
        let share = match Share::decode(assignment) {
            Ok(share) => share,
            Err(error) => return self.fail(PipelineReason::Internal, error.to_string()),
        };
        let joined = Joined { member_id: generation.member_id.to_string(), generation: generation.generation_id, share };
        self.generation = Some(generation);
        if let Some(ticket) = self.joining.take() {
            self.pod.on(self.now(), Event::Joined(ticket, Ok(joined)));
        }
    }

    fn lost(&mut self, lost: Lost) {
        let fence = match lost {
            Lost::Dropped => Fence::Member,
            Lost::Fenced => Fence::Instance,
            Lost::Refused(code) => {
                return self.fail(PipelineReason::ClusterNotReady, format!("the group does not take this pod: {code}"));
            }
        };
        match self.joining.take() {
            Some(ticket) => self.pod.on(self.now(), Event::Joined(ticket, Err(Failure::Fenced(fence)))),
            None => self.pod.on(self.now(), Event::MembershipLost(fence)),
        }
    }
}
