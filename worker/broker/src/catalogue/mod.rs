//! Which topics there are: name, id, partitions, retention, settings, owner. The durable truth of one broker; a value, changed as a whole.

mod changes;
mod file;
mod settings;

use std::{collections::BTreeMap, sync::Arc};

use control::{ConfigEntry, Owner, Retention};
use log::TopicPartitionId;
use serde::{Deserialize, Serialize};
use units::{PartitionId, TopicId, TopicName};

pub(crate) use changes::{Change, ChangeError, apply, propose, reconcile};
pub(crate) use file::CatalogueFile;
pub use file::FileError;
pub(crate) use settings::{Known, Settings, described};

/// Most partitions that one topic may have (CRDS.md §3).
pub(crate) const PARTITIONS_MAX: i32 = 10_000;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) id: TopicId,
    pub(crate) partitions: i32,
    pub(crate) retention: Retention,
    /// Settings that differ from their defaults, sorted by name.
    pub(crate) config: Vec<ConfigEntry>,
    pub(crate) owner: Option<Owner>,
    pub(crate) last_owner: Option<Owner>,
    pub(crate) internal: bool,
}

impl Topic {
    /// The log's key of one partition; `None` where the topic has no such partition.
    pub(crate) fn partition(&self, partition: PartitionId) -> Option<TopicPartitionId> {
        (0..self.partitions).contains(&partition.0).then_some(TopicPartitionId { topic: self.id, partition })
    }

    /// All partitions, in order.
    pub(crate) fn all_partitions(&self) -> impl Iterator<Item = TopicPartitionId> + use<> {
        let topic = self.id;
        (0..self.partitions).map(move |index| TopicPartitionId { topic, partition: PartitionId(index) })
    }

    /// What the log is told of each partition.
    pub(crate) fn log_config(&self) -> log::PartitionConfig {
        let time = |limit: Option<units::DurationMs>| limit.map(|limit| std::time::Duration::from_millis(limit.0.unsigned_abs()));
        log::PartitionConfig {
            total_time: time(self.retention.total_time),
            total_bytes: self.retention.total_size_per_partition,
            local_time: time(self.retention.local_time),
            local_bytes: self.retention.local_size_per_partition,
        }
    }

    /// The settings that the broker obeys.
    pub(crate) fn settings(&self) -> Settings {
        Settings::of(&self.retention, &self.config)
    }
}

/// Every topic, by name and by id. A reader holds one `Arc` of it for the length of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    names: BTreeMap<TopicId, TopicName>,
}

impl Catalogue {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Topic>> {
        // A name that is not legal names no topic.
        self.by_name.get(&TopicName::new(name).ok()?)
    }

    pub(crate) fn by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_name.get(self.names.get(&id)?)
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// Puts `topic` under its name, instead of what was there.
    pub(crate) fn insert(&mut self, topic: Topic) {
        self.remove(&topic.name.clone());
        self.names.insert(topic.id, topic.name.clone());
        self.by_name.insert(topic.name.clone(), Arc::new(topic));
    }

    pub(crate) fn remove(&mut self, name: &TopicName) -> Option<Arc<Topic>> {
        let topic = self.by_name.remove(name)?;
        self.names.remove(&topic.id);
        Some(topic)
    }
}
