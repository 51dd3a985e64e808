//! Topics: which object governs which topic, what the broker is told of it, and which tables there are.

use control::{ActualBroker, ActualTopic, ConfigEntry, DesiredTopic, ObjectRef, Owner, OwnerKind, Release, ReleasedTopic, Table};
use crds::{
    FieldPath, Reason, Topic,
    topic::{ManagementPolicy, TopicDeletionPolicy},
};
use std::collections::{BTreeMap, BTreeSet};
use units::{TopicId, TopicName};

use crate::{
    Finding, World,
    clusters::{ClusterProblem, Clusters},
    proposals,
    report::{is_deleted, is_forced, is_paused, object_ref},
    retention::{self, Effective, Policies},
    tables,
};

/// Above so many topics on a Cluster, a query is planned against those that it names.
const CATALOG_WHOLE_MAX: usize = 64;

/// A Topic and all that was decided about it.
pub(crate) struct ResolvedTopic<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) object: ObjectRef,
    pub(crate) name: Result<TopicName, Finding>,
    pub(crate) cluster: Result<ObjectRef, ClusterProblem>,
    /// What the Cluster's broker says; `None` where it does not serve.
    pub(crate) broker: Option<&'a ActualBroker>,
    /// The topic of this name, whoever governs it.
    pub(crate) actual: Option<&'a ActualTopic>,
    /// The object that had the name first.
    pub(crate) older: Option<ObjectRef>,
    pub(crate) effective: Option<Effective>,
    table: Option<Result<(Table, sql::Table), Finding>>,
    pub(crate) desired: Option<DesiredTopic>,
    released: Option<ReleasedTopic>,
    pub(crate) is_gone: bool,
}

/// All Topics of a world.
pub(crate) struct ResolvedTopics<'a> {
    pub(crate) topics: Vec<ResolvedTopic<'a>>,
    /// Positions in `topics`, by Cluster and Kafka name: of those that are declared to stay there, the older first.
    declared: BTreeMap<ObjectRef, BTreeMap<String, Vec<usize>>>,
}

/// Decides about every Topic, the oldest first, so that the older of two wins a name.
pub(crate) fn resolve<'a>(world: &'a World, clusters: &Clusters<'a>, policies: &Policies<'_>) -> ResolvedTopics<'a> {
    let mut by_age: Vec<&Topic> = world.topics.iter().collect();
    // Names are made once each, not at every comparison.
    by_age.sort_by_cached_key(|topic| (topic.metadata.creation_timestamp.as_ref().map(|time| time.0), object_ref(&topic.metadata)));
    let mut taken: BTreeMap<(ObjectRef, TopicName), ObjectRef> = BTreeMap::new();
    let mut topics: Vec<_> = by_age
        .into_iter()
        .map(|topic| {
            let mut resolved = identify(topic, clusters);
            if let (Ok(cluster), Ok(name)) = (&resolved.cluster, &resolved.name) {
                let first = taken.entry((cluster.clone(), name.clone())).or_insert_with(|| resolved.object.clone());
                resolved.older = (*first != resolved.object).then(|| first.clone());
            }
            decide(clusters, policies, resolved)
        })
        .collect();
    topics.sort_by(|left, right| left.object.cmp(&right.object));
    let mut declared: BTreeMap<ObjectRef, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (index, topic) in topics.iter().enumerate().filter(|(_, topic)| !is_deleted(&topic.topic.metadata)) {
        if let (Ok(cluster), Ok(name)) = (&topic.cluster, &topic.name) {
            declared.entry(cluster.clone()).or_default().entry(name.to_string()).or_default().push(index);
        }
    }
    ResolvedTopics { topics, declared }
}

fn identify<'a>(topic: &'a Topic, clusters: &Clusters<'a>) -> ResolvedTopic<'a> {
    let object = object_ref(&topic.metadata);
    let written = topic.spec.topic_name.as_deref().unwrap_or(&object.name);
    let name =
        TopicName::new(written).map_err(|error| Finding::error(FieldPath::root().field("spec").field("topicName"), error.to_string()));
    let cluster = clusters.find(&object.namespace, &topic.spec.cluster_ref);
    let broker = cluster.as_ref().ok().and_then(|cluster| clusters.broker(cluster));
    let actual = cluster.as_ref().ok().zip(name.as_ref().ok()).and_then(|(cluster, name)| clusters.actual(cluster, name));
    ResolvedTopic {
        topic,
        object,
        name,
        cluster,
        broker,
        actual,
        older: None,
        effective: None,
        table: None,
        desired: None,
        released: None,
        is_gone: false,
    }
}

fn decide<'a>(clusters: &Clusters<'a>, policies: &Policies<'_>, mut resolved: ResolvedTopic<'a>) -> ResolvedTopic<'a> {
    let topic = resolved.topic;
    let is_paused = is_paused(&topic.metadata);
    if is_paused && is_deleted(&topic.metadata) {
        return resolved;
    }
    if is_deleted(&topic.metadata) {
        resolved.released = resolved.release();
        let has_left = resolved.broker.is_some() && resolved.released.is_none();
        let no_more = |problem: &ClusterProblem| problem.reason != Reason::ClusterNotFound || !clusters.is_declared(&resolved.named());
        let is_homeless = resolved.cluster.as_ref().err().is_some_and(no_more);
        resolved.is_gone = has_left || is_homeless || is_forced(&topic.metadata);
        return resolved;
    }
    let (Ok(cluster), Ok(name), None) = (&resolved.cluster, &resolved.name, &resolved.older) else { return resolved };
    if let Some(schema) = &topic.spec.schema {
        let partitions = resolved.actual.map(|actual| actual.partitions).or(topic.spec.partitions).unwrap_or(1);
        resolved.table = Some(tables::table(schema, name, partitions));
    }
    if topic.spec.management_policy == ManagementPolicy::Full && resolved.broker.is_some() && !is_paused {
        let is_others = resolved.actual.is_some_and(|actual| actual.owner.as_ref().is_some_and(|owner| *owner != resolved.owner()));
        let current = resolved.actual.filter(|_| !is_others).map(|actual| actual.retention);
        let effective = retention::effective(policies, topic, current, clusters.has_object_store(cluster));
        resolved.desired = Some(resolved.desired(name.clone(), &effective));
        resolved.effective = Some(effective);
    }
    resolved
}

impl ResolvedTopic<'_> {
    /// The object as the broker knows it.
    pub(crate) fn owner(&self) -> Owner {
        Owner { kind: OwnerKind::Topic, object: self.object.clone() }
    }

    /// The Cluster that it names, whether there is one or not.
    fn named(&self) -> ObjectRef {
        let reference = &self.topic.spec.cluster_ref;
        let namespace = reference.namespace.clone().unwrap_or_else(|| self.object.namespace.clone());
        ObjectRef { namespace, name: reference.name.clone() }
    }

    /// What is wrong with the schema.
    pub(crate) fn schema_problem(&self) -> Option<&Finding> {
        self.table.as_ref().and_then(|table| table.as_ref().err())
    }

    fn desired(&self, name: TopicName, effective: &Effective) -> DesiredTopic {
        let spec = &self.topic.spec;
        let mut config: Vec<_> =
            spec.config.iter().map(|entry| ConfigEntry { name: entry.name.clone(), value: entry.value.clone() }).collect();
        config.sort();
        DesiredTopic {
            name,
            topic_id: self.topic.status.as_ref().and_then(|status| topic_id(status.topic_id.as_deref()?)),
            partitions: spec.partitions.unwrap_or(1),
            retention: effective.retention,
            config,
            owner: self.owner(),
            internal: false,
        }
    }

    /// How the broker is to let go of it; `None` where this object does not govern it (any more).
    fn release(&self) -> Option<ReleasedTopic> {
        let actual = self.actual.filter(|actual| actual.owner.as_ref() == Some(&self.owner()))?;
        let release = match self.topic.spec.deletion_policy {
            TopicDeletionPolicy::Retain => Release::Retain,
            TopicDeletionPolicy::Delete => Release::Delete,
        };
        Some(ReleasedTopic { name: actual.name.clone(), topic_id: actual.topic_id, release })
    }
}

impl ResolvedTopics<'_> {
    fn on<'s>(&'s self, cluster: &'s ObjectRef) -> impl Iterator<Item = &'s ResolvedTopic<'s>> {
        self.topics.iter().filter(move |topic| topic.cluster.as_ref() == Ok(cluster))
    }

    /// Topics that a Cluster's broker shall hold, by name.
    pub(crate) fn wanted(&self, cluster: &ObjectRef) -> BTreeMap<TopicName, DesiredTopic> {
        self.on(cluster).filter_map(|topic| topic.desired.clone()).map(|desired| (desired.name.clone(), desired)).collect()
    }

    /// Topics of a Cluster that clients asked for, and may change.
    pub(crate) fn of_clients(&self, cluster: &ObjectRef) -> BTreeSet<TopicName> {
        let of_clients = self.on(cluster).filter(|topic| proposals::is_of_client(topic.topic) && topic.desired.is_some());
        of_clients.filter_map(|topic| topic.name.clone().ok()).collect()
    }

    /// Topics that it shall let go of.
    pub(crate) fn released(&self, cluster: &ObjectRef) -> Vec<ReleasedTopic> {
        self.on(cluster).filter_map(|topic| topic.released.clone()).collect()
    }

    /// The tables of a Cluster that a text may name: all of them where they are few, else those whose name is a word of it.
    pub(crate) fn tables_for<'s>(&'s self, cluster: &ObjectRef, text: &str) -> Vec<&'s (Table, sql::Table)> {
        let Some(declared) = self.declared.get(cluster) else { return Vec::new() };
        if declared.len() <= CATALOG_WHOLE_MAX {
            return declared.values().flatten().filter_map(|index| self.table(*index)).collect();
        }
        let words: BTreeSet<&str> = words(text).collect();
        words.into_iter().filter_map(|word| declared.get(word)).flatten().filter_map(|index| self.table(*index)).collect()
    }

    fn table(&self, index: usize) -> Option<&(Table, sql::Table)> {
        self.topics[index].table.as_ref().and_then(|table| table.as_ref().ok())
    }

    /// The Topic that governs a name on a Cluster, the older where there are two.
    pub(crate) fn declared(&self, cluster: &ObjectRef, name: &str) -> Option<&Topic> {
        let all = self.declared.get(cluster)?.get(name)?;
        let governs = all.iter().find(|index| self.topics[**index].older.is_none()).or(all.first())?;
        Some(self.topics[*governs].topic)
    }

    /// Whether there is a Topic object of this name, whatever it declares.
    pub(crate) fn has_object(&self, object: &ObjectRef) -> bool {
        self.topics.binary_search_by(|topic| topic.object.cmp(object)).is_ok()
    }

    /// Whether a Topic of this name is declared on a Cluster, with a schema or without.
    pub(crate) fn is_declared(&self, cluster: &ObjectRef, name: &str) -> bool {
        self.declared.get(cluster).is_some_and(|declared| declared.contains_key(name))
    }
}

/// Every piece of a text that may be the name of a table: runs of letters, digits and underscores, and what stands in backticks.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let plain = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty());
    // Either side of each backtick: which of the pieces are quoted depends on comments and texts, so all are taken.
    plain.chain(text.split('`').filter(|piece| !piece.is_empty() && piece.len() <= 249))
}

/// Reads a UUID as status has it.
fn topic_id(text: &str) -> Option<TopicId> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    if digits.len() != 32 {
        return None;
    }
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(TopicId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_text_hold_every_name_that_it_may_mean() {
        let text = "INSERT INTO `late-departures` SELECT * FROM orders_1, TABLE(x.y) -- it's `odd";
        let found: Vec<&str> = words(text).collect();
        for name in ["late-departures", "orders_1", "x", "y"] {
            assert!(found.contains(&name), "{name} in {found:?}");
        }
    }

    #[test]
    fn topic_ids_read_back_what_they_print() {
        let id = TopicId(std::array::from_fn(|index| (index * 17) as u8));
        assert_eq!(topic_id(&id.to_string()), Some(id));
        assert_eq!(topic_id("7b0f"), None);
        assert_eq!(topic_id(&"g".repeat(32)), None);
    }
}
