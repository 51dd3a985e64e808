//! ListGroups (16): names of the groups that a broker coordinates (KIP-518, KIP-848).

use crate::{ErrorCode, Str};

message! {
    /// Asks for groups.
    request ListGroupsRequest: ListGroups -> ListGroupsResponse {
        /// States wanted; empty for all.
        states_filter: Vec<Str> [4..; strict],
        /// Kinds wanted; empty for all.
        types_filter: Vec<Str> [5..; strict],
    }
}

message! {
    /// The groups.
    response ListGroupsResponse: ListGroups {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [1..],
        /// What went wrong.
        error_code: ErrorCode,
        /// The groups.
        groups: Vec<ListedGroup>,
    }

    /// One group.
    struct ListedGroup {
        /// The group.
        group_id: Str,
        /// What kind of members these are: `consumer` for consumers.
        protocol_type: Str,
        /// State, as Kafka names it.
        group_state: Str [4..],
        /// Kind of group: `classic`, `consumer`.
        group_type: Str [5..],
    }
}
