//! [`View`]: what is known of a cluster. No I/O: answers go in, facts come out.

use std::{collections::HashMap, sync::Arc};

use units::{BrokerId, LeaderEpoch, PartitionId, TopicId, TopicName};
use wire::{ErrorCode, MetadataResponse, metadata::MetadataResponseTopic};

use super::CoordinatorKey;

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The broker.
    pub broker: BrokerId,
    /// Its epoch; -1 where the cluster does not say.
    pub epoch: LeaderEpoch,
    /// Id of the topic: one that is made anew under the same name has another.
    pub topic_id: TopicId,
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its id.
    pub id: TopicId,
    /// Its partitions, by their number.
    pub partitions: Vec<PartitionView>,
}

impl TopicView {
    /// One of its partitions.
    #[must_use]
    pub fn partition(&self, id: PartitionId) -> Option<&PartitionView> {
        self.partitions.get(usize::try_from(id.0).ok()?)
    }
}

/// What is known of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// Who leads it; `None` while nobody does.
    pub leader: Option<BrokerId>,
    /// Greatest epoch of a leader that was ever told.
    pub leader_epoch: LeaderEpoch,
}

#[derive(Debug, Default)]
pub(super) struct View {
    brokers: HashMap<BrokerId, Arc<str>>,
    topics: HashMap<TopicName, Known>,
    pub(super) coordinators: HashMap<CoordinatorKey, BrokerId>,
}

#[derive(Debug)]
struct Known {
    topic: TopicView,
    /// Whether it is to be asked for again before it is used.
    is_stale: bool,
}

impl View {
    pub(super) fn address(&self, broker: BrokerId) -> Option<Arc<str>> {
        self.brokers.get(&broker).cloned()
    }

    pub(super) fn brokers(&self) -> Vec<BrokerId> {
        let mut brokers: Vec<_> = self.brokers.keys().copied().collect();
        brokers.sort_unstable();
        brokers
    }

    pub(super) fn addresses(&self) -> Vec<Arc<str>> {
        self.brokers().into_iter().filter_map(|broker| self.address(broker)).collect()
    }

    pub(super) fn learn_address(&mut self, broker: BrokerId, host: &str, port: i32) {
        // An address of IPv6 needs its brackets back.
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        self.brokers.insert(broker, address.into());
    }

    pub(super) fn topic(&self, name: &TopicName) -> Option<TopicView> {
        self.topics.get(name).filter(|known| !known.is_stale).map(|known| known.topic.clone())
    }

    pub(super) fn forget(&mut self, name: &TopicName) {
        if let Some(known) = self.topics.get_mut(name) {
            known.is_stale = true;
        }
    }

    pub(super) fn learn(&mut self, response: &MetadataResponse) {
        if !response.brokers.is_empty() {
            self.brokers.clear();
        }
        for broker in &response.brokers {
            self.learn_address(broker.node_id, &broker.host, broker.port);
        }
        for topic in &response.topics {
            let Some(name) = topic.name.as_ref().and_then(|name| TopicName::new(name).ok()) else { continue };
            match topic.error_code {
                ErrorCode::None => self.learn_topic(name, topic),
                ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId => drop(self.topics.remove(&name)),
                // Anything else says nothing about the topic itself.
                _ => {}
            }
        }
    }

    fn learn_topic(&mut self, name: TopicName, told: &MetadataResponseTopic) {
        let before = self.topics.remove(&name).filter(|known| known.topic.id == told.topic_id);
        let unknown = PartitionView { leader: None, leader_epoch: LeaderEpoch(-1) };
        let mut partitions = vec![unknown; told.partitions.len()];
        for partition in &told.partitions {
            let Some(slot) = usize::try_from(partition.partition_index.0).ok().and_then(|index| partitions.get_mut(index)) else {
                continue;
            };
            slot.leader = (partition.leader_id.0 >= 0).then_some(partition.leader_id);
            slot.leader_epoch = partition.leader_epoch;
            let older = before.as_ref().and_then(|known| known.topic.partition(partition.partition_index));
            if let Some(older) = older.filter(|older| older.leader_epoch > slot.leader_epoch) {
                // A broker that lags told of a leader that has been followed by another.
                *slot = older.clone();
            }
        }
        self.topics.insert(name, Known { topic: TopicView { id: told.topic_id, partitions }, is_stale: false });
    }
}

#[cfg(test)]
mod tests {
    use wire::metadata::{MetadataResponseBroker, MetadataResponsePartition};

    use super::*;

    fn told(id: u8, leaders: &[(i32, i32)]) -> MetadataResponse {
        let partition = |(index, (leader, epoch)): (usize, &(i32, i32))| MetadataResponsePartition {
            partition_index: PartitionId(index as i32),
            leader_id: BrokerId(*leader),
            leader_epoch: LeaderEpoch(*epoch),
            ..Default::default()
        };
        let partitions = leaders.iter().enumerate().map(partition).collect();
        let topic = MetadataResponseTopic { name: Some("t".into()), topic_id: TopicId([id; 16]), partitions, ..Default::default() };
        let broker = MetadataResponseBroker { node_id: BrokerId(1), host: "::1".into(), port: 9092, ..Default::default() };
        MetadataResponse { topics: vec![topic], brokers: vec![broker], ..Default::default() }
    }

    fn name() -> TopicName {
        TopicName::new("t").unwrap()
    }

    #[test]
    fn an_answer_with_older_epochs_does_not_bring_an_old_leader_back() {
        let mut view = View::default();
        view.learn(&told(7, &[(1, 5), (2, 3)]));
        view.forget(&name());
        assert_eq!(view.topic(&name()), None);
        view.learn(&told(7, &[(9, 4), (9, 4)]));
        let leaders: Vec<_> = view.topic(&name()).unwrap().partitions.iter().map(|p| (p.leader, p.leader_epoch.0)).collect();
        assert_eq!(leaders, [(Some(BrokerId(1)), 5), (Some(BrokerId(9)), 4)]);
    }

    #[test]
    fn a_topic_made_anew_starts_with_its_own_epochs() {
        let mut view = View::default();
        view.learn(&told(7, &[(1, 5)]));
        view.learn(&told(8, &[(2, 0)]));
        let topic = view.topic(&name()).unwrap();
        assert_eq!((topic.id, topic.partitions[0].leader), (TopicId([8; 16]), Some(BrokerId(2))));
    }

    #[test]
    fn a_topic_that_is_gone_and_a_leader_that_is_away_are_known_as_such() {
        let mut view = View::default();
        view.learn(&told(7, &[(-1, 5)]));
        assert_eq!(view.topic(&name()).unwrap().partitions[0].leader, None);
        let mut gone = told(7, &[]);
        gone.topics[0].error_code = ErrorCode::UnknownTopicOrPartition;
        view.learn(&gone);
        assert_eq!(view.topic(&name()), None);
    }

    #[test]
    fn addresses_of_ipv6_can_be_dialled() {
        let mut view = View::default();
        view.learn(&told(7, &[]));
        assert_eq!(view.address(BrokerId(1)).as_deref(), Some("[::1]:9092"));
        assert_eq!(view.addresses().len(), 1);
    }

    #[test]
    fn partitions_with_numbers_out_of_range_are_left_out() {
        let mut view = View::default();
        let mut response = told(7, &[(1, 1), (1, 1)]);
        response.topics[0].partitions[1].partition_index = PartitionId(i32::MAX);
        response.topics[0].partitions[0].partition_index = PartitionId(-4);
        view.learn(&response);
        assert!(view.topic(&name()).unwrap().partitions.iter().all(|partition| partition.leader.is_none()));
    }
}
