//! Finding a broker's topics by name: built once a resolution, since a world may have ten thousand of them.

use control::{ActualBroker, ActualTopic, ObjectRef};
use std::collections::{BTreeMap, HashMap};
use units::TopicName;

use crate::World;

/// What each broker has, by name.
pub(crate) struct Lookup<'a> {
    topics: BTreeMap<&'a ObjectRef, HashMap<&'a str, &'a ActualTopic>>,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let by_name = |broker: &'a ActualBroker| broker.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        Self { topics: world.brokers.iter().map(|(cluster, broker)| (cluster, by_name(broker))).collect() }
    }

    /// The topic of this name on this Cluster's broker.
    pub(crate) fn topic(&self, cluster: &ObjectRef, name: &TopicName) -> Option<&'a ActualTopic> {
        self.topics.get(cluster)?.get(name.as_str()).copied()
    }
}
