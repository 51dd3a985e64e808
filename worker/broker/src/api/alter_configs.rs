//! AlterConfigs (33) and IncrementalAlterConfigs (44), of topics that belong to no manifest.

use std::time::Duration;

use units::TopicName;
use wire::{
    AlterConfigsRequest, AlterConfigsResponse, ErrorCode, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, Str,
    alter_configs as a, incremental_alter_configs as i,
};

use super::create_topics::{self, each};
use crate::{catalogue::Change, dispatch::Call};

/// `resource_type` of a topic.
pub(crate) const TOPIC: i8 = 2;
/// Operations of IncrementalAlterConfigs that we know; appending to lists is not among them, since no setting is a list.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// How long the operator is waited for: the request does not say, and clients give up after 30 s.
const PATIENCE: Duration = Duration::from_secs(20);

type Refused = (ErrorCode, Str);

pub(crate) async fn answer(call: Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let patience = (!request.validate_only).then_some(PATIENCE);
    let call = &call;
    let one = |resource: a::AlterConfigsResource| async move {
        let config = resource.configs.iter().map(|entry| (entry.name.to_string(), entry.value.as_deref().map(String::from))).collect();
        let altered = match topic(resource.resource_type, &resource.resource_name) {
            Ok(name) => alter(call, Change::Reconfigure { name, config }, patience).await,
            Err(refused) => Err(refused),
        };
        let (error_code, error_message) = coded(altered);
        let (resource_type, resource_name) = (resource.resource_type, resource.resource_name);
        a::AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    };
    let responses = each(call, request.resources, one).await;
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

pub(crate) async fn answer_incremental(call: Call, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let patience = (!request.validate_only).then_some(PATIENCE);
    let call = &call;
    let one = |resource: i::AlterConfigsResource| async move {
        let change = topic(resource.resource_type, &resource.resource_name)
            .and_then(|name| Ok(Change::Configure { name, config: changes(&resource.configs)? }));
        let altered = match change {
            Ok(change) => alter(call, change, patience).await,
            Err(refused) => Err(refused),
        };
        let (error_code, error_message) = coded(altered);
        let (resource_type, resource_name) = (resource.resource_type, resource.resource_name);
        i::AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    };
    let responses = each(call, request.resources, one).await;
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

fn changes(configs: &[i::AlterableConfig]) -> Result<Vec<(String, Option<String>)>, Refused> {
    let change = |entry: &i::AlterableConfig| match entry.config_operation {
        SET => Ok((entry.name.to_string(), entry.value.as_deref().map(String::from))),
        DELETE => Ok((entry.name.to_string(), None)),
        operation => Err((
            ErrorCode::InvalidConfig,
            Str::from(format!(
                "operation {operation} on {}: only settings that are lists can be appended to, and it is none",
                &*entry.name
            )),
        )),
    };
    configs.iter().map(change).collect()
}

fn topic(resource_type: i8, name: &str) -> Result<TopicName, Refused> {
    if resource_type != TOPIC {
        return Err((
            ErrorCode::InvalidRequest,
            Str::from_static("only topics have settings that clients change; a broker's are those of its Cluster"),
        ));
    }
    TopicName::new(name).map_err(|reason| (ErrorCode::InvalidTopicException, Str::from(reason.to_string())))
}

async fn alter(call: &Call, change: Change, patience: Option<Duration>) -> Result<(), Refused> {
    create_topics::change(call, change, patience).await.map(|_| ())
}

fn coded(altered: Result<(), Refused>) -> (ErrorCode, Option<Str>) {
    altered.map_or_else(|(code, message)| (code, Some(message)), |()| (ErrorCode::None, None))
}
