//! DescribeConfigs (32): a topic's settings with what they do here; a broker's, which are few.

use wire::{DescribeConfigsRequest, DescribeConfigsResponse, ErrorCode, Str, describe_configs as d};

use super::{
    alter_configs::TOPIC,
    create_topics::{SOURCE_DEFAULT, SOURCE_TOPIC},
};
use crate::{
    catalogue::{Known, described},
    dispatch::Call,
};

/// `resource_type` of a broker.
const BROKER: i8 = 4;
/// `config_source` of a setting of this broker that does not change while it runs.
const SOURCE_BROKER: i8 = 4;
/// `config_type` of yes or no, and of whole numbers of 32 and 64 bits.
const BOOLEAN: i8 = 1;
const INT: i8 = 3;
const LONG: i8 = 5;

pub(crate) async fn answer(call: Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let described = |resource: d::DescribeConfigsResource| {
        let configs = match resource.resource_type {
            TOPIC => topic(&call, &resource, request.include_documentation),
            BROKER => broker(&call, &resource),
            other => Err((ErrorCode::InvalidRequest, Str::from(format!("resource type {other} has no settings here")))),
        };
        let (error_code, error_message, configs) = match configs {
            Ok(configs) => (ErrorCode::None, None, configs),
            Err((code, message)) => (code, Some(message), Vec::new()),
        };
        d::DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs,
        }
    };
    DescribeConfigsResponse { results: request.resources.into_iter().map(described).collect(), ..DescribeConfigsResponse::default() }
}

type Described = Result<Vec<d::DescribeConfigsResourceResult>, (ErrorCode, Str)>;

fn is_wanted(resource: &d::DescribeConfigsResource, name: &str) -> bool {
    resource.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| **key == *name))
}

fn topic(call: &Call, resource: &d::DescribeConfigsResource, documented: bool) -> Described {
    let catalogue = call.shared.topics.now();
    let topic = catalogue
        .get(&resource.resource_name)
        .ok_or((ErrorCode::UnknownTopicOrPartition, Str::from_static("there is no topic of this name")))?;
    let setting = |(known, value, is_default): (&Known, String, bool)| d::DescribeConfigsResourceResult {
        name: Str::from_static(known.name),
        value: Some(value.into()),
        config_source: if is_default { SOURCE_DEFAULT } else { SOURCE_TOPIC },
        config_type: known.kind.code(),
        documentation: documented.then(|| Str::from_static(known.documentation)),
        ..d::DescribeConfigsResourceResult::default()
    };
    let all = described(&topic.retention, &topic.config).into_iter();
    Ok(all.filter(|(known, ..)| is_wanted(resource, known.name)).map(setting).collect())
}

fn broker(call: &Call, resource: &d::DescribeConfigsResource) -> Described {
    let (shared, config) = (&call.shared, &call.shared.config);
    if *resource.resource_name != *shared.broker().to_string() {
        return Err((ErrorCode::InvalidRequest, Str::from(format!("this is broker {}", shared.broker()))));
    }
    let all = [
        ("auto.create.topics.enable", shared.topics.creates_automatically().to_string(), BOOLEAN),
        ("connections.max.idle.ms", config.connection_idle_max.0.to_string(), LONG),
        ("default.replication.factor", "1".into(), INT),
        ("group.initial.rebalance.delay.ms", config.initial_rebalance_delay.0.to_string(), INT),
        ("min.insync.replicas", "1".into(), INT),
        ("num.partitions", config.default_partitions.to_string(), INT),
        ("socket.request.max.bytes", config.request_bytes_max.to_string(), INT),
    ];
    let setting = |(name, value, config_type): (&'static str, String, i8)| d::DescribeConfigsResourceResult {
        name: Str::from_static(name),
        value: Some(value.into()),
        read_only: true,
        config_source: SOURCE_BROKER,
        config_type,
        ..d::DescribeConfigsResourceResult::default()
    };
    Ok(all.into_iter().filter(|(name, ..)| is_wanted(resource, name)).map(setting).collect())
}
