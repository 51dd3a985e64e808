//! Topics: make, delete, describe, trim.

use std::time::Duration;

use units::{BrokerId, Offset, PartitionId, TopicId, TopicName, TopicPartition};
use wire::{
    ApiKey, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, ErrorCode, Str,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    delete_records::{DeleteRecordsPartition, DeleteRecordsTopic},
    delete_topics::DeleteTopicState,
};

use super::{Admin, by_topic};
use crate::ClientError;

/// How long the broker may take to make, delete or trim.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A topic to make.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions.
    pub partitions: i32,
    /// How many copies; -1 for the cluster's default.
    pub replication_factor: i16,
    /// Settings.
    pub configs: Vec<(String, String)>,
}

/// What a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its id.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: Vec<PartitionId>,
}

impl Admin {
    /// Makes one topic; true where it was made now, false where there was one of that name, whatever its settings.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's words.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<bool, ClientError> {
        let config =
            |(name, value): &(String, String)| CreatableTopicConfig { name: name.as_str().into(), value: Some(value.as_str().into()) };
        let creatable = CreatableTopic {
            name: (&topic.name).into(),
            num_partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            configs: topic.configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![creatable], timeout_ms: TIMEOUT.as_millis() as i32, validate_only: false };
        let mut patience = self.patience();
        loop {
            let outcome = match self.to_any(&request, 5, TIMEOUT).await {
                Ok(response) => {
                    let result = response.topics.into_iter().next().ok_or(ClientError::Incomplete(ApiKey::CreateTopics))?;
                    self.cluster.forget_topic(&topic.name);
                    match result.error_code {
                        ErrorCode::None => return Ok(true),
                        ErrorCode::TopicAlreadyExists => return Ok(false),
                        code => Err(ClientError::Refused { api: ApiKey::CreateTopics, code, message: result.error_message }),
                    }
                }
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if error.is_passing() && patience.pause().await => {}
                outcome => return outcome,
            }
        }
    }

    /// Deletes one topic; true where it was there.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's words.
    pub async fn delete_topic(&self, name: &TopicName) -> Result<bool, ClientError> {
        let topics = vec![DeleteTopicState { name: Some(name.into()), ..Default::default() }];
        let request = DeleteTopicsRequest { topics, timeout_ms: TIMEOUT.as_millis() as i32, ..Default::default() };
        let response = self.to_any(&request, 6, TIMEOUT).await?;
        let result = response.responses.into_iter().next().ok_or(ClientError::Incomplete(ApiKey::DeleteTopics))?;
        self.cluster.forget_topic(name);
        match result.error_code {
            ErrorCode::None => Ok(true),
            ErrorCode::UnknownTopicOrPartition => Ok(false),
            code => Err(ClientError::Refused { api: ApiKey::DeleteTopics, code, message: result.error_message }),
        }
    }

    /// What a topic is now, asked afresh; `None` where there is none.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn describe_topic(&self, name: &TopicName) -> Result<Option<TopicDescription>, ClientError> {
        self.cluster.forget_topic(name);
        match self.cluster.topic(name).await {
            Ok(topic) => {
                let partitions = (0..topic.partitions.len() as i32).map(PartitionId).collect();
                Ok(Some(TopicDescription { id: topic.id, partitions }))
            }
            Err(ClientError::UnknownTopic(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves log starts forward, never back (KIP-107): nothing below the offsets given is kept. Returns the log starts then.
    ///
    /// # Errors
    /// [`ClientError::Refused`], with OFFSET_OUT_OF_RANGE where an offset lies behind the end.
    pub async fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<Vec<(TopicPartition, Offset)>, ClientError> {
        let wanted = before.iter().map(|(partition, _)| partition.clone()).collect();
        let ask = |broker, partitions| self.delete_records_of(broker, partitions, before);
        self.to_leaders(ApiKey::DeleteRecords, wanted, ask).await
    }

    async fn delete_records_of(
        &self,
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
        before: &[(TopicPartition, Offset)],
    ) -> Result<Vec<(TopicPartition, Result<Offset, ErrorCode>)>, ClientError> {
        let mine = before.iter().filter(|(partition, _)| partitions.contains(partition)).cloned();
        let topic = |(name, partitions): (Str, Vec<(PartitionId, Offset)>)| DeleteRecordsTopic {
            name,
            partitions: partitions
                .into_iter()
                .map(|(partition_index, offset)| DeleteRecordsPartition { partition_index, offset })
                .collect(),
        };
        let request =
            DeleteRecordsRequest { topics: by_topic(mine).into_iter().map(topic).collect(), timeout_ms: TIMEOUT.as_millis() as i32 };
        let response = self.cluster.shared(broker).await?.call_from(&request, 0, TIMEOUT).await?;
        let mut told = Vec::new();
        for topic in response.topics {
            let name = TopicName::new(&topic.name).map_err(|_| ClientError::Incomplete(ApiKey::DeleteRecords))?;
            for result in topic.partitions {
                let partition = TopicPartition { topic: name.clone(), partition: result.partition_index };
                told.push((partition, result.error_code.check().map(|()| result.low_watermark)));
            }
        }
        Ok(told)
    }
}
