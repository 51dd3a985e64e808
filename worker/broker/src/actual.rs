//! What the broker says of itself: for status, for metrics, and so that the next desired state can be built on it.

use std::hash::{DefaultHasher, Hash, Hasher};

use control::{ActualBroker, ActualTopic, BrokerStorage, DamagedPartition, ObjectStoreUse, StoreHealth, VolumeHealth};
use units::ByteCount;

use crate::shared::Shared;

/// Another number whenever something changed that somebody acts on: not bytes and records.
pub(crate) fn revision(shared: &Shared) -> u64 {
    let stats = shared.log.stats();
    let mut hasher = DefaultHasher::new();
    (shared.topics.revision(), shared.proposals.revision(), &stats.set_aside).hash(&mut hasher);
    (shared.listeners.revision(), std::mem::discriminant(&stats.volume), stats.is_claimed, shared.stop.is_cancelled()).hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn of(shared: &Shared) -> ActualBroker {
    let stats = shared.log.stats();
    let (generation, problems) = shared.topics.progress();
    let catalogue = shared.topics.now();
    let topics: Vec<ActualTopic> = catalogue
        .topics()
        .map(|topic| {
            let (mut local, mut object, mut records) = (0, 0, 0);
            for usage in topic.all_partitions().filter_map(|partition| shared.log.usage(partition).ok()) {
                local += usage.local_bytes.0;
                object += usage.object_bytes.0;
                records += usage.records;
            }
            ActualTopic {
                name: topic.name.clone(),
                topic_id: topic.id,
                partitions: topic.partitions,
                retention: topic.retention,
                config: topic.config.clone(),
                owner: topic.owner.clone(),
                last_owner: topic.last_owner.clone(),
                internal: topic.internal,
                local_bytes: ByteCount(local),
                object_bytes: ByteCount(object),
                records,
                records_appended: shared.topics.appended(topic),
            }
        })
        .collect();
    let name = |id: &log::TopicPartitionId| {
        let topic = catalogue.topics().find(|topic| topic.id == id.topic)?;
        Some(DamagedPartition { topic: topic.name.clone(), partition: id.partition })
    };
    let mut damaged: Vec<_> = stats.set_aside.iter().filter_map(name).collect();
    damaged.sort();
    let objects = topics.iter().map(|topic| topic.object_bytes.0).sum();
    let health = if shared.config.ships_continuously { store_health(&stats.store) } else { StoreHealth::NotConfigured };
    ActualBroker {
        generation,
        broker: shared.broker(),
        incarnation: shared.log.incarnation(),
        version: env!("CARGO_PKG_VERSION").into(),
        cluster_id: shared.topics.cluster_id().into(),
        ready: !shared.stop.is_cancelled(),
        listeners: shared.listeners.actual(),
        storage: BrokerStorage {
            capacity: ByteCount(stats.wal_bytes + stats.free_disk_bytes),
            used: ByteCount(stats.wal_bytes),
            free: ByteCount(stats.free_disk_bytes),
            health: match stats.volume {
                log::VolumeHealth::Healthy => VolumeHealth::Healthy,
                log::VolumeHealth::Full => VolumeHealth::Full,
                log::VolumeHealth::Failed(_) => VolumeHealth::Failed,
            },
        },
        object_store: ObjectStoreUse { health, bytes: ByteCount(objects), bytes_at_risk: ByteCount(stats.at_risk_bytes) },
        damaged,
        topics,
        problems,
        listener_problems: shared.listeners.problems(),
        proposals: shared.proposals.held(),
        closed: None,
    }
}

/// How an object store of its own answers.
pub(crate) const fn store_health(state: &log::StoreState) -> StoreHealth {
    match state {
        log::StoreState::Reachable => StoreHealth::Reachable,
        log::StoreState::Unasked => StoreHealth::Unasked,
        log::StoreState::Unreachable(_) => StoreHealth::Unreachable,
        log::StoreState::AccessDenied(_) => StoreHealth::AccessDenied,
        log::StoreState::RefusedNoConditionalWrites(_) => StoreHealth::RefusedNoConditionalWrites,
    }
}
