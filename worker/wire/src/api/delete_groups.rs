//! DeleteGroups (42): delete groups that have no member (KIP-229).

use crate::{ErrorCode, Str};

message! {
    /// Asks for groups to be deleted.
    request DeleteGroupsRequest: DeleteGroups -> DeleteGroupsResponse {
        /// The groups.
        groups_names: Vec<Str>,
    }
}

message! {
    /// What became of them.
    response DeleteGroupsResponse: DeleteGroups {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The groups.
        results: Vec<DeletableGroupResult>,
    }

    /// What became of one group.
    struct DeletableGroupResult {
        /// The group.
        group_id: Str,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
