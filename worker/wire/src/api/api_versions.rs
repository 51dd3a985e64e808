//! ApiVersions (18): the versions and features that a broker has (KIP-35, KIP-511, KIP-584).

use crate::{ErrorCode, Str};

message! {
    /// Asks for versions and features; the first request of a connection.
    request ApiVersionsRequest: ApiVersions -> ApiVersionsResponse {
        /// Name of the client's software.
        client_software_name: Str [3..],
        /// Version of the client's software.
        client_software_version: Str [3..],
    }
}

message! {
    /// Versions and features.
    response ApiVersionsResponse: ApiVersions {
        /// What went wrong.
        error_code: ErrorCode,
        /// The APIs.
        api_keys: Vec<ApiVersion>,
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [1..],
        /// Features the broker has.
        supported_features: Vec<SupportedFeatureKey> [3.., tag 0],
        /// Grows with each change of what is in force; -1 for not known.
        finalized_features_epoch: i64 [3.., tag 1] = -1,
        /// Features in force.
        finalized_features: Vec<FinalizedFeatureKey> [3.., tag 2],
        /// Whether the cluster may leave ZooKeeper; never here.
        zk_migration_ready: bool [3.., tag 3],
    }

    /// The versions of one API.
    struct ApiVersion {
        /// The API.
        api_key: i16,
        /// Lowest version.
        min_version: i16,
        /// Highest version.
        max_version: i16,
    }

    /// The levels of one feature that the broker has.
    struct SupportedFeatureKey {
        /// Name of the feature.
        name: Str,
        /// Lowest version.
        min_version: i16,
        /// Highest version.
        max_version: i16,
    }

    /// The level of one feature that is in force.
    struct FinalizedFeatureKey {
        /// Name of the feature.
        name: Str,
        /// Highest level in force.
        max_version_level: i16,
        /// Lowest level in force.
        min_version_level: i16,
    }
}
