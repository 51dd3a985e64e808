//! Heartbeat (12): a member lives, and hears of a rebalance.

use coordinators::{
    Refusal,
    groups::{Generation, Heartbeat, InstanceId, MemberId, Request, Response},
};
use units::GroupId;
use wire::{ErrorCode, HeartbeatRequest, HeartbeatResponse};

use crate::{dispatch::Call, errors};

pub(crate) fn answer(call: Call, request: HeartbeatRequest) -> impl Future<Output = HeartbeatResponse> + Send + 'static {
    let beat = Heartbeat {
        group: GroupId::from(&*request.group_id),
        generation: Generation(request.generation_id),
        member: MemberId::from(&*request.member_id),
        instance: request.group_instance_id.as_deref().map(InstanceId::from),
    };
    let beating = call.shared.groups.request(Request::Heartbeat(beat));
    async move {
        let error_code = match beating.await {
            Some(Response::Heartbeat(Ok(()))) => ErrorCode::None,
            Some(Response::Heartbeat(Err(refusal))) => errors::of_refusal(refusal),
            _ => errors::of_refusal(Refusal::CoordinatorNotAvailable),
        };
        HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
    }
}
