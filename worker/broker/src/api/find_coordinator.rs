//! FindCoordinator (10): this broker coordinates every group and every transactional id.

use wire::{ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, Str, find_coordinator as f};

use crate::dispatch::Call;

/// `key_type` of groups and of transactional ids; share groups (2) are not served.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) async fn answer(call: Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (shared, advertised) = (&call.shared, call.advertised());
    let known = matches!(request.key_type, GROUP | TRANSACTION);
    let error_code = if known { ErrorCode::None } else { ErrorCode::InvalidRequest };
    let error_message = (!known).then(|| Str::from_static("only groups and transactions have coordinators here"));
    let (node_id, port) = if known { (shared.broker(), i32::from(advertised.port)) } else { (units::BrokerId(-1), -1) };
    let host = if known { Str::from(advertised.host.as_str()) } else { Str::EMPTY };
    let coordinator = |key| f::Coordinator { key, node_id, host: host.clone(), port, error_code, error_message: error_message.clone() };
    let coordinators = request.coordinator_keys.into_iter().map(coordinator).collect();
    FindCoordinatorResponse {
        error_code,
        error_message: error_message.clone(),
        node_id,
        host: host.clone(),
        port,
        coordinators,
        ..FindCoordinatorResponse::default()
    }
}
