//! Offsets: of logs, and of groups.

use std::time::Duration;

use units::{BrokerId, GroupId, LeaderEpoch, Offset, PartitionId, TimestampMs, TopicName, TopicPartition};
use wire::{
    ApiKey, ErrorCode, ListOffsetsRequest, OffsetFetchRequest, Str,
    list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
    offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
};

use super::{Admin, by_topic};
use crate::{ClientError, Isolation};

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetAt {
    /// The log start.
    Earliest,
    /// The end: the high watermark, or the last stable offset for read_committed.
    Latest,
    /// The first record whose time is not before this one.
    Time(TimestampMs),
}

impl OffsetAt {
    fn on_wire(self) -> TimestampMs {
        match self {
            Self::Latest => TimestampMs(-1),
            Self::Earliest => TimestampMs(-2),
            Self::Time(time) => time,
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; `None` where no record is as late as the time asked for.
    pub offset: Option<Offset>,
    /// Time of the record found; [`TimestampMs::NONE`] for both ends.
    pub timestamp: TimestampMs,
    /// Epoch in which it was written; -1 where not known.
    pub leader_epoch: LeaderEpoch,
}

/// A group's position in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read; `None` where the group has none.
    pub offset: Option<Offset>,
    /// Epoch of the last record read; -1 where not known.
    pub leader_epoch: LeaderEpoch,
    /// What was stored with it.
    pub metadata: Option<Str>,
}

impl Admin {
    /// Offsets of partitions, from their leaders.
    ///
    /// # Errors
    /// [`ClientError`]; one for all, where one partition cannot be answered within `retry_timeout`.
    pub async fn list_offsets(
        &self,
        partitions: &[TopicPartition],
        at: OffsetAt,
        isolation: Isolation,
    ) -> Result<Vec<(TopicPartition, ListedOffset)>, ClientError> {
        let ask = |broker, partitions| self.list_offsets_of(broker, partitions, at, isolation);
        self.to_leaders(ApiKey::ListOffsets, partitions.to_vec(), ask).await
    }

    async fn list_offsets_of(
        &self,
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
        at: OffsetAt,
        isolation: Isolation,
    ) -> Result<Vec<(TopicPartition, Result<ListedOffset, ErrorCode>)>, ClientError> {
        let wanted = |(partition_index, ()): (PartitionId, ())| ListOffsetsPartition {
            partition_index,
            timestamp: at.on_wire(),
            ..Default::default()
        };
        let topic = |(name, partitions): (Str, Vec<_>)| ListOffsetsTopic { name, partitions: partitions.into_iter().map(wanted).collect() };
        let topics = by_topic(partitions.into_iter().map(|partition| (partition, ()))).into_iter().map(topic).collect();
        let isolation_level = isolation.on_wire();
        let request = ListOffsetsRequest { replica_id: BrokerId(-1), isolation_level, topics, ..Default::default() };
        let response = self.cluster.shared(broker).await?.call_from(&request, 4, Duration::ZERO).await?;
        let mut told = Vec::new();
        for topic in response.topics {
            let name = TopicName::new(&topic.name).map_err(|_| ClientError::Incomplete(ApiKey::ListOffsets))?;
            for found in topic.partitions {
                let partition = TopicPartition { topic: name.clone(), partition: found.partition_index };
                let offset = (found.offset >= Offset::ZERO).then_some(found.offset);
                let listed = ListedOffset { offset, timestamp: found.timestamp, leader_epoch: found.leader_epoch };
                told.push((partition, found.error_code.check().map(|()| listed)));
            }
        }
        Ok(told)
    }

    /// A group's positions. With `require_stable`, positions that an open transaction may still change are waited for (KIP-447), up to
    /// `retry_timeout`.
    ///
    /// # Errors
    /// [`ClientError::Refused`], with UNSTABLE_OFFSET_COMMIT where a transaction stays open.
    pub async fn committed_offsets(
        &self,
        group: &GroupId,
        partitions: &[TopicPartition],
        require_stable: bool,
    ) -> Result<Vec<(TopicPartition, CommittedOffset)>, ClientError> {
        let key = Self::group(group);
        let mut patience = self.patience();
        loop {
            match self.committed_offsets_once(group, partitions, require_stable).await {
                Err(error) if error.is_passing() => {
                    if matches!(error.code(), Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable)) {
                        self.cluster.forget_coordinator(&key);
                    }
                    if !patience.pause().await {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    async fn committed_offsets_once(
        &self,
        group: &GroupId,
        partitions: &[TopicPartition],
        require_stable: bool,
    ) -> Result<Vec<(TopicPartition, CommittedOffset)>, ClientError> {
        let topic = |(name, partitions): (Str, Vec<(PartitionId, ())>)| OffsetFetchRequestTopics {
            name,
            partition_indexes: partitions.into_iter().map(|(partition, ())| partition).collect(),
        };
        let topics = by_topic(partitions.iter().map(|partition| (partition.clone(), ()))).into_iter().map(topic).collect();
        let groups = vec![OffsetFetchRequestGroup { group_id: group.into(), topics: Some(topics), ..Default::default() }];
        let request = OffsetFetchRequest { groups, require_stable, ..Default::default() };
        let response = self.to_coordinator(&Self::group(group), &request, 8).await?;
        let answer = response.groups.into_iter().next().ok_or(ClientError::Incomplete(ApiKey::OffsetFetch))?;
        answer.error_code.check().map_err(|code| ClientError::refused(ApiKey::OffsetFetch, code))?;
        let mut told = Vec::with_capacity(partitions.len());
        for topic in answer.topics {
            let name = TopicName::new(&topic.name).map_err(|_| ClientError::Incomplete(ApiKey::OffsetFetch))?;
            for found in topic.partitions {
                let partition = TopicPartition { topic: name.clone(), partition: found.partition_index };
                found.error_code.check().map_err(|code| super::partition_refused(ApiKey::OffsetFetch, code, &partition))?;
                let offset = (found.committed_offset >= Offset::ZERO).then_some(found.committed_offset);
                told.push((partition, CommittedOffset { offset, leader_epoch: found.committed_leader_epoch, metadata: found.metadata }));
            }
        }
        if told.len() < partitions.len() {
            return Err(ClientError::Incomplete(ApiKey::OffsetFetch));
        }
        Ok(told)
    }
}
