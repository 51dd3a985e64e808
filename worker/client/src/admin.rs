//! [`Admin`]: topics, offsets and transactions, from outside.

mod configs;
mod offsets;
mod topics;
mod transactions;

pub use configs::ConfigEntry;
pub use offsets::{CommittedOffset, ListedOffset, OffsetAt};
pub use topics::{NewTopic, TopicDescription};
pub use transactions::{ListedTransaction, OpenTransaction};

use std::{collections::HashMap, future::Future, time::Duration};

use units::{BrokerId, GroupId, TopicPartition};
use wire::{ApiKey, ErrorCode, Request, Str};

use crate::{ClientError, Cluster, CoordinatorKey, patience::Patience};

/// Calls that change or ask about the cluster; each is repeated, where that is harmless, until `retry_timeout`.
///
/// # Cancel safety
/// Dropping the future of a call leaves open whether it is done.
#[derive(Clone, Debug)]
pub struct Admin {
    cluster: Cluster,
}

impl Admin {
    /// Calls to `cluster`.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Sends `request` to any broker.
    async fn to_any<R: Request>(&self, request: &R, needed: i16, waits: Duration) -> Result<R::Response, ClientError> {
        Ok(self.cluster.any().await?.call_from(request, needed, waits).await?)
    }

    /// Sends `request` to the coordinator of `key`, and forgets the coordinator where the connection fails.
    async fn to_coordinator<R: Request>(&self, key: &CoordinatorKey, request: &R, needed: i16) -> Result<R::Response, ClientError> {
        let broker = self.cluster.coordinator(key).await?;
        let called = async { self.cluster.shared(broker).await?.call_from(request, needed, Duration::ZERO).await };
        let outcome = called.await;
        if outcome.is_err() {
            self.cluster.forget_coordinator(key);
        }
        Ok(outcome?)
    }

    fn group(group: &GroupId) -> CoordinatorKey {
        CoordinatorKey::Group(group.clone())
    }

    /// Asks leaders until every partition has its answer: `ask` asks one broker about some partitions and gives what it said of each.
    async fn to_leaders<T, F, Told>(
        &self,
        api: ApiKey,
        mut wanted: Vec<TopicPartition>,
        ask: F,
    ) -> Result<Vec<(TopicPartition, T)>, ClientError>
    where
        F: Fn(BrokerId, Vec<TopicPartition>) -> Told,
        Told: Future<Output = Result<Vec<(TopicPartition, Result<T, ErrorCode>)>, ClientError>>,
    {
        let mut patience = self.cluster.patience();
        let mut answers = Vec::with_capacity(wanted.len());
        loop {
            let mut by_leader: HashMap<BrokerId, Vec<TopicPartition>> = HashMap::new();
            for partition in wanted.drain(..) {
                by_leader.entry(self.cluster.leader(&partition).await?.broker).or_default().push(partition);
            }
            let mut last = None;
            for (leader, partitions) in by_leader {
                let told = match ask(leader, partitions.clone()).await {
                    Ok(told) => told,
                    Err(error) if error.is_passing() => {
                        wanted.extend(partitions);
                        last = Some(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                for (partition, answer) in told {
                    match answer {
                        Ok(answer) => answers.push((partition, answer)),
                        // A leader of a partition that was just made may not know it yet.
                        Err(code) if crate::error::is_passing(code) || code == ErrorCode::UnknownTopicOrPartition => {
                            last = Some(partition_refused(api, code, &partition));
                            wanted.push(partition);
                        }
                        Err(code) => return Err(partition_refused(api, code, &partition)),
                    }
                }
            }
            let Some(last) = last else { return Ok(answers) };
            wanted.iter().for_each(|partition| self.cluster.forget_topic(&partition.topic));
            if !patience.pause().await {
                return Err(last);
            }
        }
    }

    fn patience(&self) -> Patience {
        self.cluster.patience()
    }
}

fn partition_refused(api: ApiKey, code: ErrorCode, partition: &TopicPartition) -> ClientError {
    ClientError::Refused { api, code, message: Some(Str::from(partition.to_string())) }
}

/// Groups `(partition, T)` by topic, keeping the order within each.
fn by_topic<T>(items: impl IntoIterator<Item = (TopicPartition, T)>) -> Vec<(Str, Vec<(units::PartitionId, T)>)> {
    let mut topics: Vec<(Str, Vec<(units::PartitionId, T)>)> = Vec::new();
    let mut places: HashMap<units::TopicName, usize> = HashMap::new();
    for (TopicPartition { topic, partition }, item) in items {
        let place = *places.entry(topic).or_insert_with_key(|topic| {
            topics.push((Str::from(topic), Vec::new()));
            topics.len() - 1
        });
        topics[place].1.push((partition, item));
    }
    topics
}
