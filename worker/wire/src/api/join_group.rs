//! JoinGroup (11): enter a group, or its next generation (KIP-345, KIP-394).

use bytes::Bytes;

use crate::{ErrorCode, Str};

message! {
    /// Asks to be in the next generation.
    request JoinGroupRequest: JoinGroup -> JoinGroupResponse {
        /// The group.
        group_id: Str,
        /// Milliseconds without a heartbeat after which the member is gone.
        session_timeout_ms: i32,
        /// Milliseconds that a rebalance may wait for the member; -1: as the session.
        rebalance_timeout_ms: i32 [1..] = -1,
        /// The member; empty when it joins for the first time.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str> [5..; strict],
        /// What kind of members these are: `consumer` for consumers.
        protocol_type: Str,
        /// Ways of assigning, best first.
        protocols: Vec<JoinGroupRequestProtocol>,
        /// Why, in words (KIP-800).
        reason: Option<Str> [8..],
    }

    /// A way of assigning that the member understands.
    struct JoinGroupRequestProtocol {
        /// Name of the way of assigning.
        name: Str,
        /// What the leader needs to know of the member, opaque.
        metadata: Bytes,
    }
}

message! {
    /// The new generation; its leader also gets the members.
    response JoinGroupResponse: JoinGroup {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [2..],
        /// What went wrong.
        error_code: ErrorCode,
        /// The generation.
        generation_id: i32 = -1,
        /// What kind of members these are: `consumer` for consumers.
        protocol_type: Option<Str> [7..],
        /// The way of assigning that all understand.
        protocol_name: Option<Str> [.., nullable 7..],
        /// The member that assigns.
        leader: Str,
        /// Whether the leader need not assign (KIP-814).
        skip_assignment: bool [9..],
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The members, for the leader only.
        members: Vec<JoinGroupResponseMember>,
    }

    /// One member, for the leader.
    struct JoinGroupResponseMember {
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str> [5..],
        /// What the member said for the way of assigning chosen, opaque.
        metadata: Bytes,
    }
}
