//! ListGroups (16): names, by state and type.

use coordinators::{Refusal, groups::GroupListing};
use wire::{ListGroupsRequest, ListGroupsResponse, Str, list_groups as l};

use crate::{dispatch::Call, errors};

/// The only type of group served (KIP-848 names the others).
const CLASSIC: &str = "classic";

pub(crate) async fn answer(call: Call, request: ListGroupsRequest) -> ListGroupsResponse {
    match call.shared.groups.read(coordinators::groups::Groups::list).await.unwrap_or(Err(Refusal::CoordinatorNotAvailable)) {
        Ok(groups) => {
            let is_wanted = |filter: &[Str], text: &str| filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(text));
            let groups = groups
                .into_iter()
                .filter(|group| is_wanted(&request.states_filter, group.state.name()) && is_wanted(&request.types_filter, CLASSIC));
            ListGroupsResponse { groups: groups.map(listed).collect(), ..ListGroupsResponse::default() }
        }
        Err(refusal) => ListGroupsResponse { error_code: errors::of_refusal(refusal), ..ListGroupsResponse::default() },
    }
}

fn listed(group: GroupListing) -> l::ListedGroup {
    l::ListedGroup {
        group_id: Str::from(group.group.as_str()),
        protocol_type: Str::from(&*group.protocol_type),
        group_state: Str::from_static(group.state.name()),
        group_type: Str::from_static(CLASSIC),
    }
}
