//! LeaveGroup (13): leave a group (KIP-345: several members from version 3 on).

use crate::{ErrorCode, Str};

message! {
    /// Takes members out of a group: one up to version 2, several from version 3 on.
    request LeaveGroupRequest: LeaveGroup -> LeaveGroupResponse {
        /// The group.
        group_id: Str,
        /// The member (up to version 2).
        member_id: Str [..=2; strict],
        /// The members (from version 3 on).
        members: Vec<MemberIdentity> [3..; strict],
    }

    /// One member that leaves.
    struct MemberIdentity {
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str>,
        /// Why, in words (KIP-800).
        reason: Option<Str> [5..],
    }
}

message! {
    /// What became of it.
    response LeaveGroupResponse: LeaveGroup {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [1..],
        /// What went wrong.
        error_code: ErrorCode,
        /// The members (from version 3 on).
        members: Vec<MemberResponse> [3..],
    }

    /// What became of one member.
    struct MemberResponse {
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str>,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
