//! What Kafka clients ask for becomes a change of a Topic object in the Cluster's namespace, or an answer why not.
//!
//! Level-triggered like everything else: a proposal is decided anew each time until the broker no longer holds it. A topic that a manifest
//! of a user declares is changed there only. Objects made so carry [`MADE_BY`] and their data goes with them, as a client expects of
//! DeleteTopics.

use control::{ObjectRef, ProposalKind, ProposalRefusal, RefusalReason, Release, ReleasedTopic, Retention, TopicProposal};
use crds::{Kind, Topic, admission};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use units::{DurationMs, TopicName};

use crate::{
    clusters::Clusters,
    report::{is_deleted, object_ref},
    topics::ResolvedTopics,
};

/// Label of Topics that were made because a client asked for them.
pub const MADE_BY: (&str, &str) = ("streamwright.dev/made-by", "client");

/// A change of a Topic object that a client asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum TopicChange {
    /// It is made.
    Create {
        /// Which.
        object: ObjectRef,
        /// All of it.
        body: Value,
    },
    /// Its spec becomes this.
    Update {
        /// Which.
        object: ObjectRef,
        /// `spec`.
        spec: Value,
    },
    /// It goes, and the data with it.
    Delete {
        /// Which.
        object: ObjectRef,
    },
}

/// What follows from the proposals of one broker.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) refused: Vec<ProposalRefusal>,
    pub(crate) changes: Vec<TopicChange>,
    /// Topics without an object that go.
    pub(crate) released: Vec<ReleasedTopic>,
}

/// Whether a Topic was made because a client asked for it.
pub(crate) fn is_of_client(topic: &Topic) -> bool {
    topic.metadata.labels.as_ref().is_some_and(|labels| labels.get(MADE_BY.0).is_some_and(|value| value == MADE_BY.1))
}

/// Decides about what one broker holds, at most one change of an object at a time.
pub(crate) fn decide(cluster: &ObjectRef, proposals: &[TopicProposal], clusters: &Clusters<'_>, topics: &ResolvedTopics<'_>) -> Decided {
    let mut decided = Decided::default();
    let mut touched: BTreeMap<&TopicName, ()> = BTreeMap::new();
    for proposal in proposals {
        if touched.insert(&proposal.topic, ()).is_some() {
            continue;
        }
        match one(cluster, proposal, clusters, topics) {
            Ok(Some(Outcome::Change(change))) => decided.changes.push(change),
            Ok(Some(Outcome::Release(released))) => decided.released.push(released),
            Ok(None) => {}
            Err((reason, message)) => decided.refused.push(ProposalRefusal { id: proposal.id.clone(), reason, message }),
        }
    }
    decided
}

enum Outcome {
    Change(TopicChange),
    Release(ReleasedTopic),
}

type Refused = (RefusalReason, String);

fn one(
    cluster: &ObjectRef,
    proposal: &TopicProposal,
    clusters: &Clusters<'_>,
    topics: &ResolvedTopics<'_>,
) -> Result<Option<Outcome>, Refused> {
    if !clusters.is_declared(cluster) {
        return Err((RefusalReason::Policy, format!("there is no Cluster {cluster} any more")));
    }
    let declared = topics.declared(cluster, proposal.topic.as_str());
    match (proposal.kind, declared) {
        // It is on its way, or there.
        (ProposalKind::Create, Some(_)) => Ok(None),
        (ProposalKind::Grow | ProposalKind::Configure | ProposalKind::Delete, Some(topic)) if !is_of_client(topic) => {
            let message = format!("topic {} is declared by Topic {}; change it there", proposal.topic, object_ref(&topic.metadata));
            Err((RefusalReason::Policy, message))
        }
        (ProposalKind::Grow | ProposalKind::Configure, Some(topic)) => {
            let object = object_ref(&topic.metadata);
            let mut spec = spec(proposal, &object.name, topic.spec.schema.as_ref());
            spec["clusterRef"] = serde_json::to_value(&topic.spec.cluster_ref).unwrap_or_default();
            let spec = admit(&object, &spec, Some(topic))?["spec"].take();
            Ok(Some(Outcome::Change(TopicChange::Update { object, spec })))
        }
        (ProposalKind::Delete, Some(topic)) => Ok(Some(Outcome::Change(TopicChange::Delete { object: object_ref(&topic.metadata) }))),
        (ProposalKind::Delete, None) => {
            let released = |topic_id| ReleasedTopic { name: proposal.topic.clone(), topic_id, release: Release::Delete };
            Ok(proposal.topic_id.map(released).map(Outcome::Release))
        }
        (_, None) => {
            let object = ObjectRef { namespace: cluster.namespace.clone(), name: object_name(proposal.topic.as_str()) };
            if let Some(other) = topics.topics.iter().find(|topic| topic.object == object) {
                let state = if is_deleted(&other.topic.metadata) { "is on its way out" } else { "is another topic's" };
                return Err((RefusalReason::Exists, format!("Topic {object} {state}")));
            }
            let mut spec = spec(proposal, &object.name, None);
            spec["clusterRef"] = json!({"name": cluster.name});
            let body = admit(&object, &spec, None)?;
            Ok(Some(Outcome::Change(TopicChange::Create { object, body })))
        }
    }
}

/// The object as the API server would keep it, where it would take it.
fn admit(object: &ObjectRef, spec: &Value, old: Option<&Topic>) -> Result<Value, Refused> {
    let body = json!({
        "apiVersion": "streamwright.dev/v1alpha1",
        "kind": "Topic",
        "metadata": {"name": object.name, "namespace": object.namespace, "labels": {MADE_BY.0: MADE_BY.1}},
        "spec": spec,
    });
    let old = old.and_then(|topic| serde_json::to_value(topic).ok());
    match admission::admit(Kind::Topic, body, old.as_ref()) {
        Ok(mut admitted) => {
            admitted.as_object_mut().and_then(|fields| fields.remove("status"));
            Ok(admitted)
        }
        Err(violations) => {
            let is_about_partitions =
                violations.iter().any(|one| one.path.to_string().contains("partitions") || one.message.contains("partitions"));
            let reason = if is_about_partitions { RefusalReason::InvalidPartitions } else { RefusalReason::InvalidConfig };
            Err((reason, violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
        }
    }
}

fn spec(proposal: &TopicProposal, object: &str, schema: Option<&crds::TopicSchema>) -> Value {
    let mut spec = Map::new();
    if proposal.topic.as_str() != object {
        spec.insert("topicName".into(), json!(proposal.topic.as_str()));
    }
    spec.insert("partitions".into(), json!(proposal.partitions));
    spec.insert("retention".into(), retention(&proposal.retention));
    spec.insert("deletionPolicy".into(), json!("Delete"));
    if !proposal.config.is_empty() {
        let entries = proposal.config.iter().map(|entry| json!({"name": entry.name, "value": entry.value}));
        spec.insert("config".into(), entries.collect());
    }
    // A person may have given it a schema since.
    if let Some(schema) = schema {
        spec.insert("schema".into(), serde_json::to_value(schema).unwrap_or_default());
    }
    Value::Object(spec)
}

/// What a client asks for is its consent: Kafka knows no other.
fn retention(retention: &Retention) -> Value {
    let bound = |time: Option<DurationMs>, size: Option<units::ByteCount>| {
        let mut bound = Map::new();
        bound.extend(time.map(|time| ("time".to_owned(), json!(duration(time.0)))));
        bound.extend(size.map(|size| ("sizePerPartition".to_owned(), json!(size.0.to_string()))));
        (!bound.is_empty()).then_some(Value::Object(bound))
    };
    let mut value = json!({"cleanup": format!("{:?}", retention.cleanup), "allowShrink": true});
    if let Some(total) = bound(retention.total_time, retention.total_size_per_partition) {
        value["total"] = total;
    }
    if let Some(local) = bound(retention.local_time, retention.local_size_per_partition) {
        value["local"] = local;
    }
    value
}

fn duration(millis: i64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let whole = units.into_iter().find(|(scale, _)| millis > 0 && millis % scale == 0);
    whole.map_or_else(|| format!("{millis}ms"), |(scale, unit)| format!("{}{unit}", millis / scale))
}

/// `metadata.name` for a Kafka name: itself where Kubernetes takes it, else what is nearest to it and a hash.
#[must_use]
pub fn object_name(topic: &str) -> String {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    if topic.split('.').all(is_label) {
        return topic.into();
    }
    let plain: String =
        topic.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect();
    let plain: String = plain.trim_matches('-').chars().take(240).collect();
    let stem = if plain.is_empty() { "topic" } else { plain.trim_end_matches('-') };
    let hash: String = Sha256::digest(topic).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{stem}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_takes_stay_and_others_are_told_apart() {
        for name in ["orders", "a.b-c.d", "x1"] {
            assert_eq!(object_name(name), name);
        }
        let odd = ["Orders", "orders_", "a..b", "-a", "A_B", "a-b_", "___"];
        let named: std::collections::BTreeSet<String> = odd.iter().map(|name| object_name(name)).collect();
        assert_eq!(named.len(), odd.len(), "{named:?}");
        assert!(named.iter().all(|name| object_name(name) == *name), "{named:?}");
        assert!(object_name(&"A".repeat(249)).len() <= 253);
    }
}
