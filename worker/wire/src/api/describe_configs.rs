//! DescribeConfigs (32): configuration of topics and brokers (KIP-133, KIP-226, KIP-569).

use crate::{ErrorCode, Str};

message! {
    /// Asks for settings.
    request DescribeConfigsRequest: DescribeConfigs -> DescribeConfigsResponse {
        /// Topics and brokers.
        resources: Vec<DescribeConfigsResource>,
        /// Whether to say where else the setting is given.
        include_synonyms: bool,
        /// Whether to explain the settings.
        include_documentation: bool [3..; strict],
    }

    /// One topic or broker, and the settings wanted.
    struct DescribeConfigsResource {
        /// 2: topic; 4: broker.
        resource_type: i8,
        /// Name of the topic, or id of the broker.
        resource_name: Str,
        /// Settings wanted; null for all.
        configuration_keys: Option<Vec<Str>>,
    }
}

message! {
    /// The settings.
    response DescribeConfigsResponse: DescribeConfigs {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// Topics and brokers.
        results: Vec<DescribeConfigsResult>,
    }

    /// The settings of one topic or broker.
    struct DescribeConfigsResult {
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str>,
        /// 2: topic; 4: broker.
        resource_type: i8,
        /// Name of the topic, or id of the broker.
        resource_name: Str,
        /// The settings.
        configs: Vec<DescribeConfigsResourceResult>,
    }

    /// One setting.
    struct DescribeConfigsResourceResult {
        /// Name of the setting.
        name: Str,
        /// The value; null for none, or for not told.
        value: Option<Str>,
        /// Whether it cannot be changed.
        read_only: bool,
        /// Where the value comes from: 1 topic, 2 broker, 3 brokers' default, 4 file, 5 built in.
        config_source: i8 = -1,
        /// Whether the value is a secret.
        is_sensitive: bool,
        /// Other places that give it.
        synonyms: Vec<DescribeConfigsSynonym>,
        /// Type: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password.
        config_type: i8 [3..],
        /// What it means.
        documentation: Option<Str> [3..],
    }

    /// Another place that gives the setting, the strongest first.
    struct DescribeConfigsSynonym {
        /// Name of the setting there.
        name: Str,
        /// The value; null for none, or for not told.
        value: Option<Str>,
        /// Where it comes from, numbered as `config_source`.
        source: i8,
    }
}
