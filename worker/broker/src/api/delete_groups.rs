//! DeleteGroups (42): groups without members, with their positions.

use coordinators::{
    Refusal,
    groups::{Request, Response},
};
use units::GroupId;
use wire::{DeleteGroupsRequest, DeleteGroupsResponse, ErrorCode, delete_groups as d};

use crate::{dispatch::Call, errors};

pub(crate) async fn answer(call: Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group in request.groups_names {
        let error_code = match call.shared.groups.request(Request::DeleteGroup(GroupId::from(&*group))).await {
            Some(Response::DeleteGroup(deleted)) => deleted.map_or_else(errors::of_refusal, |()| ErrorCode::None),
            _ => errors::of_refusal(Refusal::CoordinatorNotAvailable),
        };
        results.push(d::DeletableGroupResult { group_id: group, error_code });
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
