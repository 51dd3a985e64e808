//! The Topic where a Pipeline's undecodable rows go.

use crds::{
    Cluster, Duration, ObjectMeta, Pipeline, Retention, Topic, TopicSpec,
    retention::{Bound, Cleanup},
    topic::{Durability, ManagementPolicy, TopicDeletionPolicy},
};

use super::{cluster::object_ref, labels::Labelled};

/// How long rows stay there.
const KEPT: &str = "168h";

/// The Topic of a Pipeline's dead letters, `<name>-dead-letters`, on a Cluster of another namespace under that namespace's name in Kafka: one partition, kept for a week. It has no owner reference: deleting the
/// Pipeline keeps what it could not process. It is made where there is none, and then its users': one who keeps rows for longer is not put
/// right. `cluster` is the one that the Pipeline runs on.
#[must_use]
pub fn dead_letter_topic(pipeline: &Pipeline, cluster: &Cluster) -> Topic {
    let object = object_ref(&pipeline.metadata);
    let mut cluster_ref = pipeline.spec.cluster_ref.clone();
    // A reference without namespace means the Topic's own, which is the Pipeline's: only then may it stay out.
    let home = object_ref(&cluster.metadata);
    let is_away = home.namespace != object.namespace;
    let topic_name = is_away.then(|| desired::dead_letters(&object, &home).to_string());
    cluster_ref.namespace = cluster_ref.namespace.or_else(|| is_away.then_some(home.namespace));
    let bound = Bound { time: Some(Duration::new(KEPT)), size_per_partition: None };
    let retention = Retention { cleanup: Cleanup::Delete, total: Some(bound), local: None, allow_shrink: false };
    let spec = TopicSpec {
        cluster_ref,
        topic_name,
        partitions: Some(1),
        durability: Durability::Volume,
        retention_policy_ref: None,
        retention: Some(retention),
        schema: None,
        config: Vec::new(),
        management_policy: ManagementPolicy::Full,
        deletion_policy: TopicDeletionPolicy::Retain,
    };
    Topic {
        metadata: ObjectMeta {
            name: Some(format!("{}-dead-letters", object.name)),
            namespace: Some(object.namespace),
            labels: Some(Labelled::of_pipeline(&object.name).labels),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}
