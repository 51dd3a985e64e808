//! Settings of topics.

use units::TopicName;
use wire::{ApiKey, DescribeConfigsRequest, ErrorCode, describe_configs::DescribeConfigsResource};

use super::Admin;
use crate::ClientError;

/// Kafka's number for a topic among the things that have settings.
const TOPIC: i8 = 2;

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it is a secret or not set.
    pub value: Option<String>,
    /// Whether the topic itself says it, rather than a default.
    pub is_of_topic: bool,
}

/// Where a value comes from: the topic itself.
const FROM_TOPIC: i8 = 1;

impl Admin {
    /// All settings in force for a topic.
    ///
    /// # Errors
    /// [`ClientError::UnknownTopic`]; [`ClientError::Refused`].
    pub async fn describe_configs(&self, topic: &TopicName) -> Result<Vec<ConfigEntry>, ClientError> {
        let resource = DescribeConfigsResource { resource_type: TOPIC, resource_name: topic.into(), configuration_keys: None };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let mut patience = self.patience();
        let response = loop {
            match self.to_any(&request, 1, std::time::Duration::ZERO).await {
                Err(error) if error.is_passing() && patience.pause().await => {}
                outcome => break outcome?,
            }
        };
        let result = response.results.into_iter().next().ok_or(ClientError::Incomplete(ApiKey::DescribeConfigs))?;
        match result.error_code {
            ErrorCode::None => {}
            ErrorCode::UnknownTopicOrPartition => return Err(ClientError::UnknownTopic(topic.clone())),
            code => return Err(ClientError::Refused { api: ApiKey::DescribeConfigs, code, message: result.error_message }),
        }
        let entry = |config: wire::describe_configs::DescribeConfigsResourceResult| ConfigEntry {
            name: config.name.to_string(),
            value: config.value.map(|value| value.to_string()),
            is_of_topic: config.config_source == FROM_TOPIC,
        };
        Ok(result.configs.into_iter().map(entry).collect())
    }
}
