//! DescribeGroups (15): state and members.

use coordinators::{
    Refusal,
    groups::{GroupDescription, GroupState, MemberDescription},
};
use units::GroupId;
use wire::{DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode, Str, describe_groups as d};

use crate::{dispatch::Call, errors};

/// The first version that says GROUP_ID_NOT_FOUND instead of showing a dead group (KIP-1043).
const SAYS_NOT_FOUND: i16 = 6;

pub(crate) async fn answer(call: Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let wanted: Vec<GroupId> = request.groups.iter().map(|group| GroupId::from(&**group)).collect();
    let asked = wanted.clone();
    let looked = call.shared.groups.read(move |groups| asked.iter().map(|group| groups.describe(group)).collect::<Vec<_>>()).await;
    let described = looked.unwrap_or_else(|| wanted.iter().map(|_| Err(Refusal::CoordinatorNotAvailable)).collect());
    let groups = wanted.iter().zip(described).map(|(group, described)| one(call.version, group, described));
    DescribeGroupsResponse { groups: groups.collect(), ..DescribeGroupsResponse::default() }
}

fn one(version: i16, group: &GroupId, described: Result<GroupDescription, Refusal>) -> d::DescribedGroup {
    let nothing = d::DescribedGroup { group_id: Str::from(group.as_str()), ..d::DescribedGroup::default() };
    match described {
        Ok(group) => d::DescribedGroup {
            group_state: Str::from_static(group.state.name()),
            protocol_type: Str::from(&*group.protocol_type),
            protocol_data: Str::from(&*group.protocol_name),
            members: group.members.into_iter().map(member).collect(),
            ..nothing
        },
        Err(Refusal::GroupIdNotFound) if version < SAYS_NOT_FOUND => {
            d::DescribedGroup { group_state: Str::from_static(GroupState::Dead.name()), ..nothing }
        }
        Err(refusal) => {
            let error_message = (version >= SAYS_NOT_FOUND && refusal == Refusal::GroupIdNotFound)
                .then(|| Str::from(format!("group {group} does not exist")));
            debug_assert!(errors::of_refusal(refusal) != ErrorCode::None);
            d::DescribedGroup {
                error_code: errors::of_refusal(refusal),
                error_message,
                group_state: Str::from_static(GroupState::Dead.name()),
                ..nothing
            }
        }
    }
}

fn member(member: MemberDescription) -> d::DescribedGroupMember {
    d::DescribedGroupMember {
        member_id: Str::from(member.member.as_str()),
        group_instance_id: member.instance.map(|instance| Str::from(instance.as_str())),
        client_id: Str::from(&*member.client_id),
        client_host: Str::from(&*member.client_host),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    }
}
