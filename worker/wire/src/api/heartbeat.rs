//! Heartbeat (12): a member lives, and learns of a rebalance.

use crate::{ErrorCode, Str};

message! {
    /// Says that a member lives.
    request HeartbeatRequest: Heartbeat -> HeartbeatResponse {
        /// The group.
        group_id: Str,
        /// The generation.
        generation_id: i32,
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str> [3..; strict],
    }
}

message! {
    /// Whether its generation still stands.
    response HeartbeatResponse: Heartbeat {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [1..],
        /// What went wrong.
        error_code: ErrorCode,
    }
}
