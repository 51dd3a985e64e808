//! FindCoordinator (10): which broker coordinates a group or a transactional id (KIP-699: several keys from version 4 on).

use units::BrokerId;

use crate::{ErrorCode, Str};

message! {
    /// Asks who coordinates.
    request FindCoordinatorRequest: FindCoordinator -> FindCoordinatorResponse {
        /// Group or transactional id (up to version 3).
        key: Str [..=3; strict],
        /// 0: group; 1: transactional id; 2: share group.
        key_type: i8 [1..; strict],
        /// Groups or transactional ids (from version 4 on).
        coordinator_keys: Vec<Str> [4..; strict],
    }
}

message! {
    /// Who coordinates.
    response FindCoordinatorResponse: FindCoordinator {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [1..],
        /// What went wrong (up to version 3).
        error_code: ErrorCode [..=3],
        /// What went wrong, in words.
        error_message: Option<Str> [1..=3],
        /// Id of the coordinator (up to version 3).
        node_id: BrokerId [..=3],
        /// Name or address it listens on.
        host: Str [..=3],
        /// Port it listens on.
        port: i32 [..=3],
        /// The coordinators (from version 4 on).
        coordinators: Vec<Coordinator> [4..],
    }

    /// Who coordinates one key (from version 4 on).
    struct Coordinator {
        /// Group or transactional id.
        key: Str,
        /// Id of the coordinator.
        node_id: BrokerId,
        /// Name or address it listens on.
        host: Str,
        /// Port it listens on.
        port: i32,
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str>,
    }
}
