//! The names that a Pipeline's own things go by.

use control::{InternalTopic, InternalUse, Layout, ObjectRef};
use units::TopicName;

/// `_sw.<namespace>.<name>.<layout>`: the name of the consumer group, and the beginning of transactional ids and internal topics.
#[must_use]
pub fn internal_prefix(pipeline: &ObjectRef, layout: &Layout) -> String {
    format!("_sw.{}.{}.{layout}", pipeline.namespace, pipeline.name)
}

/// Whether an internal topic's name belongs to the Pipeline's life with this `metadata.uid`.
pub(crate) fn is_of_uid(topic: &str, pipeline: &ObjectRef, uid: &str) -> bool {
    let prefix = format!("_sw.{}.{}.", pipeline.namespace, pipeline.name);
    let first = uid.get(..8).map(str::to_ascii_lowercase);
    topic.strip_prefix(&prefix).zip(first).is_some_and(|(rest, first)| rest.strip_prefix(&first).is_some_and(|rest| rest.starts_with('-')))
}

/// The topic where rows go that a Pipeline cannot read: `<name>-dead-letters` on a Cluster of its own namespace, and
/// `<namespace>_<name>-dead-letters` on that of another, so that no two tenants' rows meet. No name of an object has a `_`.
#[must_use]
pub fn dead_letters(pipeline: &ObjectRef, cluster: &ObjectRef) -> TopicName {
    let object = dead_letters_object(pipeline);
    let name = if pipeline.namespace == cluster.namespace { object } else { format!("{}_{object}", pipeline.namespace) };
    // At most 63 + 1 + 40 + 13 of Kafka's 249 letters.
    TopicName::new(&name).expect("names of objects are shorter and plainer than Kafka's")
}

/// The Topic object of a Pipeline's dead letters, in its namespace.
pub(crate) fn dead_letters_object(pipeline: &ObjectRef) -> String {
    format!("{}-dead-letters", pipeline.name)
}

/// Where a layout's objects are in the store.
pub(crate) fn store_prefix(pipeline: &ObjectRef, layout: &Layout) -> String {
    format!("pipelines/{}/{}/{layout}", pipeline.namespace, pipeline.name)
}

/// The topics that a plan needs for itself: one for state, and one for each exchange. A plan that keeps no rows still has positions and
/// counters, which a single partition holds: the second witness of its group's offsets (rule 6).
pub(crate) fn internal_topics(pipeline: &ObjectRef, layout: &Layout, exchanges: &[String], has_state: bool) -> Vec<InternalTopic> {
    let prefix = internal_prefix(pipeline, layout);
    let hash_partitions = i32::try_from(layout.max_parallelism()).unwrap_or(i32::MAX);
    let topic = |stage: &str, purpose: InternalUse, partitions: i32| InternalTopic {
        // At most 4 + 63 + 1 + 40 + 1 + 30 + 1 + 25 of Kafka's 249 letters.
        name: TopicName::new(&format!("{prefix}.{stage}")).expect("names of objects are shorter and plainer than Kafka's"),
        purpose,
        partitions,
    };
    let state = topic("state", InternalUse::State, if has_state { hash_partitions } else { 1 });
    let exchanges = exchanges
        .iter()
        .map(|exchange| topic(&format!("exchange-{exchange}"), InternalUse::Exchange { exchange: exchange.clone() }, hash_partitions));
    std::iter::once(state).chain(exchanges).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_are_still_names_of_topics() {
        let pipeline = ObjectRef { namespace: "n".repeat(63), name: "p".repeat(40) };
        let layout = Layout::new("1c9e04d7", u32::MAX, 1024).unwrap();
        let topics = internal_topics(&pipeline, &layout, &["0123456789abcdef".into()], true);
        assert_eq!(topics.len(), 2);
        assert!(topics.iter().all(|topic| topic.name.is_internal()));
    }

    #[test]
    fn a_plan_that_keeps_no_rows_has_one_partition_for_positions_and_counters() {
        let pipeline = ObjectRef { namespace: "default".into(), name: "copy".into() };
        let layout = Layout::new("1c9e04d7", 1, 64).unwrap();
        let partitions =
            |has_state| internal_topics(&pipeline, &layout, &[], has_state).iter().map(|topic| topic.partitions).collect::<Vec<_>>();
        assert_eq!((partitions(false), partitions(true)), (vec![1], vec![64]));
    }

    #[test]
    fn dead_letters_of_two_pipelines_on_one_cluster_never_meet() {
        let of = |namespace: &str, name: &str| ObjectRef { namespace: namespace.into(), name: name.into() };
        let cluster = of("streaming", "main");
        let pipelines = [of("streaming", "p"), of("a", "p"), of("b", "p"), of("streaming", "a.p"), of("a", "b-p"), of("a-b", "p")];
        let names: std::collections::BTreeSet<String> =
            pipelines.iter().map(|pipeline| dead_letters(pipeline, &cluster).to_string()).collect();
        assert_eq!(names.len(), pipelines.len(), "{names:?}");
        assert!(names.contains("p-dead-letters") && names.contains("a_p-dead-letters"), "{names:?}");
        let longest = dead_letters(&of(&"n".repeat(63), &"p".repeat(40)), &cluster);
        assert!(longest.as_str().len() <= 249);
    }

    #[test]
    fn equal_names_in_two_namespaces_never_meet() {
        let layout = Layout::new("1c9e04d7", 1, 64).unwrap();
        let of = |namespace: &str| internal_prefix(&ObjectRef { namespace: namespace.into(), name: "p".into() }, &layout);
        assert_eq!(of("a"), "_sw.a.p.1c9e04d7-1-64");
        assert_ne!(of("a"), of("b"));
    }
}
