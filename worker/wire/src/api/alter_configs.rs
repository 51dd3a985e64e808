//! AlterConfigs (33): replace the whole configuration of topics and brokers (KIP-133).

use crate::{ErrorCode, Str};

message! {
    /// Asks for settings to be replaced.
    request AlterConfigsRequest: AlterConfigs -> AlterConfigsResponse {
        /// Topics and brokers.
        resources: Vec<AlterConfigsResource>,
        /// Whether only to say what would happen.
        validate_only: bool,
    }

    /// One topic or broker, and its new settings.
    struct AlterConfigsResource {
        /// 2: topic; 4: broker.
        resource_type: i8,
        /// Name of the topic, or id of the broker.
        resource_name: Str,
        /// The settings.
        configs: Vec<AlterableConfig>,
    }

    /// One setting.
    struct AlterableConfig {
        /// Name of the setting.
        name: Str,
        /// The value; null for none, or for not told.
        value: Option<Str>,
    }
}

message! {
    /// What became of them.
    response AlterConfigsResponse: AlterConfigs {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// Topics and brokers.
        responses: Vec<AlterConfigsResourceResponse>,
    }

    /// What became of the settings of one topic or broker.
    struct AlterConfigsResourceResponse {
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str>,
        /// 2: topic; 4: broker.
        resource_type: i8,
        /// Name of the topic, or id of the broker.
        resource_name: Str,
    }
}
