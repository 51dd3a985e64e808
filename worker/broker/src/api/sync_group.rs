//! SyncGroup (14): the leader's assignment in, each member's part out.

use coordinators::{
    Refusal,
    groups::{Generation, InstanceId, MemberId, Request, Response, Sync},
};
use units::GroupId;
use wire::{Str, SyncGroupRequest, SyncGroupResponse};

use crate::{dispatch::Call, errors};

pub(crate) fn answer(call: Call, request: SyncGroupRequest) -> impl Future<Output = SyncGroupResponse> + Send + 'static {
    let sync = Sync {
        group: GroupId::from(&*request.group_id),
        generation: Generation(request.generation_id),
        member: MemberId::from(&*request.member_id),
        instance: request.group_instance_id.as_deref().map(InstanceId::from),
        protocol_type: request.protocol_type.as_deref().map(Into::into),
        protocol_name: request.protocol_name.as_deref().map(Into::into),
        assignments: request
            .assignments
            .into_iter()
            .map(|assignment| (MemberId::from(&*assignment.member_id), bytes::Bytes::copy_from_slice(&assignment.assignment)))
            .collect(),
    };
    let syncing = call.shared.groups.request(Request::Sync(sync));
    async move {
        let refused = |refusal| SyncGroupResponse { error_code: errors::of_refusal(refusal), ..SyncGroupResponse::default() };
        match syncing.await {
            Some(Response::Sync(Ok(synced))) => SyncGroupResponse {
                protocol_type: Some(Str::from(&*synced.protocol_type)),
                protocol_name: Some(Str::from(&*synced.protocol_name)),
                assignment: synced.assignment,
                ..SyncGroupResponse::default()
            },
            Some(Response::Sync(Err(refusal))) => refused(refusal),
            _ => refused(Refusal::CoordinatorNotAvailable),
        }
    }
}
