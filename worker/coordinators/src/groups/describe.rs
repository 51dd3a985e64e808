//! DescribeGroups and ListGroups: what is, without changing it.

use bytes::Bytes;
use units::GroupId;

use super::{GroupDescription, GroupListing, GroupState, Groups, MemberDescription, group::Group, member::Member};
use crate::Refusal;

impl Groups {
    /// What DescribeGroups tells of one group.
    ///
    /// # Errors
    /// `GroupIdNotFound` (before v6 of the request: a group in state Dead), or why this is not the coordinator.
    pub fn describe(&self, group: &GroupId) -> Result<GroupDescription, Refusal> {
        self.check_ready(group)?;
        let found = self.groups.get(group).ok_or(Refusal::GroupIdNotFound)?;
        let is_stable = found.state == GroupState::Stable;
        Ok(GroupDescription {
            group: group.clone(),
            state: found.state,
            protocol_type: found.protocol_type.clone(),
            protocol_name: if is_stable { found.protocol_name.clone() } else { "".into() },
            generation: found.generation,
            members: found.members.values().map(|member| describe_member(found, member, is_stable)).collect(),
        })
    }

    /// Every group of the partitions that are loaded, by name; the shell filters by state and type.
    ///
    /// # Errors
    /// `CoordinatorLoadInProgress` while a partition is loading: the list would not be whole.
    pub fn list(&self) -> Result<Vec<GroupListing>, Refusal> {
        if self.stores.keys().any(|partition| self.journal.check_ready(*partition).is_err()) {
            return Err(Refusal::CoordinatorLoadInProgress);
        }
        let listing = |(id, group): (&GroupId, &Group)| GroupListing {
            group: id.clone(),
            protocol_type: group.protocol_type.clone(),
            state: group.state,
        };
        Ok(self.groups.iter().map(listing).collect())
    }
}

fn describe_member(group: &Group, member: &Member, is_stable: bool) -> MemberDescription {
    let (metadata, assignment) =
        if is_stable { (member.metadata(&group.protocol_name), member.assignment.clone()) } else { (Bytes::new(), Bytes::new()) };
    MemberDescription {
        member: member.id.clone(),
        instance: member.instance.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        metadata,
        assignment,
    }
}
