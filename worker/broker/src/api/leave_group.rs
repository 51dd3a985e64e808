//! LeaveGroup (13): one member, or several named by an administrator (KIP-345).

use coordinators::{
    Refusal,
    groups::{InstanceId, Leave, Leaver, MemberId, Request, Response},
};
use units::GroupId;
use wire::{ErrorCode, LeaveGroupRequest, LeaveGroupResponse, Str, leave_group as l};

use crate::{dispatch::Call, errors};

/// First version that names several members.
const NAMES_SEVERAL: i16 = 3;

pub(crate) fn answer(call: Call, request: LeaveGroupRequest) -> impl Future<Output = LeaveGroupResponse> + Send + 'static {
    let leaver = |member: l::MemberIdentity| Leaver {
        member: MemberId::from(&*member.member_id),
        instance: member.group_instance_id.as_deref().map(InstanceId::from),
    };
    let members = if call.version < NAMES_SEVERAL {
        vec![Leaver { member: MemberId::from(&*request.member_id), instance: None }]
    } else {
        request.members.into_iter().map(leaver).collect()
    };
    let leaving = call.shared.groups.request(Request::Leave(Leave { group: GroupId::from(&*request.group_id), members }));
    async move {
        let refused = |refusal| LeaveGroupResponse { error_code: errors::of_refusal(refusal), ..LeaveGroupResponse::default() };
        let code = |result: Result<(), Refusal>| result.map_or_else(errors::of_refusal, |()| ErrorCode::None);
        match leaving.await {
            Some(Response::Leave(Ok(left))) if call.version < NAMES_SEVERAL => {
                let error_code = left.into_iter().next().map_or(ErrorCode::None, |left| code(left.result));
                LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() }
            }
            Some(Response::Leave(Ok(left))) => {
                let member = |left: coordinators::groups::Left| l::MemberResponse {
                    member_id: Str::from(left.member.as_str()),
                    group_instance_id: left.instance.map(|instance| Str::from(instance.as_str())),
                    error_code: code(left.result),
                };
                LeaveGroupResponse { members: left.into_iter().map(member).collect(), ..LeaveGroupResponse::default() }
            }
            Some(Response::Leave(Err(refusal))) => refused(refusal),
            _ => refused(Refusal::CoordinatorNotAvailable),
        }
    }
}
