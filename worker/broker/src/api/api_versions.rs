//! ApiVersions (18): what we serve, and the features in force (KIP-584): `transaction.version` 2 and nothing that is not served.

use wire::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, Str, api_versions as v};

use crate::dispatch::Call;

/// Transactions with an epoch bump at each end (KIP-890 part 2).
const TRANSACTION_VERSION: i16 = 2;

pub(crate) async fn answer(call: Call, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let is_legal = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) && !text.is_empty();
    if call.version >= 3 && !(is_legal(&request.client_software_name) && is_legal(&request.client_software_version)) {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest, ..ApiVersionsResponse::default() };
    }
    let feature = Str::from_static("transaction.version");
    let served = ApiKey::ALL.iter().filter(|api| **api != ApiKey::WriteTxnMarkers).map(|api| {
        let versions = api.versions();
        v::ApiVersion { api_key: api.code(), min_version: *versions.start(), max_version: *versions.end() }
    });
    ApiVersionsResponse {
        api_keys: served.collect(),
        supported_features: vec![v::SupportedFeatureKey { name: feature.clone(), min_version: 0, max_version: TRANSACTION_VERSION }],
        finalized_features_epoch: 1,
        finalized_features: vec![v::FinalizedFeatureKey {
            name: feature,
            max_version_level: TRANSACTION_VERSION,
            min_version_level: TRANSACTION_VERSION,
        }],
        ..ApiVersionsResponse::default()
    }
}
