//! SyncGroup (14): the leader hands out assignments, the others get theirs.

use bytes::Bytes;

use crate::{ErrorCode, Str};

message! {
    /// Asks for the member's assignment; the leader's carries all of them.
    request SyncGroupRequest: SyncGroup -> SyncGroupResponse {
        /// The group.
        group_id: Str,
        /// The generation.
        generation_id: i32,
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str> [3..; strict],
        /// What kind of members these are: `consumer` for consumers.
        protocol_type: Option<Str> [5..],
        /// The way of assigning that all understand.
        protocol_name: Option<Str> [5..],
        /// The assignments; empty unless sent by the leader.
        assignments: Vec<SyncGroupRequestAssignment>,
    }

    /// The assignment of one member.
    struct SyncGroupRequestAssignment {
        /// The member; empty outside of group membership.
        member_id: Str,
        /// What the member gets, opaque.
        assignment: Bytes,
    }
}

message! {
    /// The member's assignment.
    response SyncGroupResponse: SyncGroup {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [1..],
        /// What went wrong.
        error_code: ErrorCode,
        /// What kind of members these are: `consumer` for consumers.
        protocol_type: Option<Str> [5..],
        /// The way of assigning that all understand.
        protocol_name: Option<Str> [5..],
        /// What the member gets, opaque.
        assignment: Bytes,
    }
}
