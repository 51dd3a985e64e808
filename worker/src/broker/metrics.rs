//! The broker's metrics. Names and units are documented here and nowhere else: `HELP` is the documentation.

use broker::Counted;
use control::{ActualBroker, ActualTopic, ObjectRef, StoreHealth, VolumeHealth};
use prometheus_client::registry::Unit::{Bytes, Seconds};

use crate::pod::metrics::{Labels, Snapshot};

/// Adds all that is known of a broker.
pub(super) fn add(snapshot: &mut Snapshot, cluster: &ObjectRef, actual: &ActualBroker, counted: &Counted, stats: &log::Stats) {
    let identity = vec![
        ("namespace", cluster.namespace.clone()),
        ("cluster", cluster.name.clone()),
        ("broker", actual.broker.to_string()),
        ("version", actual.version.clone()),
    ];
    snapshot
        .gauges("streamwright_broker_info", None, "Identity of the broker; always 1", [(identity, 1.0)])
        .gauge(
            "streamwright_broker_incarnation",
            None,
            "How often this broker has started; also its leader epoch",
            f64::from(actual.incarnation.0),
        )
        .gauge("streamwright_broker_desired_generation", None, "Generation of the desired state in force", actual.generation as f64)
        .gauge("streamwright_broker_topics", None, "Topics, internal ones included", actual.topics.len() as f64)
        .gauge("streamwright_broker_topic_problems", None, "Desired topics that are not in force", actual.problems.len() as f64)
        .gauge("streamwright_broker_listener_problems", None, "Listeners that are not as desired", actual.listener_problems.len() as f64)
        .gauge(
            "streamwright_broker_proposals",
            None,
            "Changes of topics by clients that wait for the operator",
            actual.proposals.len() as f64,
        );
    requests(snapshot, counted);
    storage(snapshot, actual, stats);
    topics(snapshot, &actual.topics);
}

fn requests(snapshot: &mut Snapshot, counted: &Counted) {
    let of_api = |value: fn(&broker::RequestsCounted) -> u64| {
        counted.requests.iter().map(move |one| (vec![("api", one.api.clone())], value(one) as f64)).collect::<Vec<(Labels, f64)>>()
    };
    snapshot
        .counters("streamwright_broker_requests", None, "Requests, by Kafka API", of_api(|one| one.requests))
        .counters("streamwright_broker_request", Some(Bytes), "Bytes of requests, by Kafka API", of_api(|one| one.request_bytes))
        .counter("streamwright_broker_response", Some(Bytes), "Bytes of answers, all APIs", counted.response_bytes as f64)
        .counter("streamwright_broker_fetched", Some(Bytes), "Bytes of record batches in answers to Fetch", counted.fetched_bytes as f64)
        .gauge("streamwright_broker_connections", None, "Connections that are open", counted.connections_open as f64)
        .counter("streamwright_broker_connections_accepted", None, "Connections that were taken", counted.connections_accepted as f64)
        .counter(
            "streamwright_broker_connections_refused",
            None,
            "Connections turned away at the limit",
            counted.connections_refused as f64,
        )
        .counter("streamwright_broker_tls_handshakes_failed", None, "TLS handshakes that failed", counted.handshakes_failed as f64);
}

fn storage(snapshot: &mut Snapshot, actual: &ActualBroker, stats: &log::Stats) {
    let quantiles = [("0.5", stats.flush_p50_us), ("0.99", stats.flush_p99_us)];
    let quantile = |(quantile, us): (&str, u64)| (vec![("quantile", quantile.to_owned())], us as f64 / 1e6);
    let is = |so: bool| f64::from(u8::from(so));
    let store = &actual.object_store;
    snapshot
        .gauge("streamwright_volume_capacity", Some(Bytes), "Size of the volume", actual.storage.capacity.0 as f64)
        .gauge("streamwright_volume_used", Some(Bytes), "Bytes of ours on the volume", actual.storage.used.0 as f64)
        .gauge("streamwright_volume_free", Some(Bytes), "Bytes free on the volume", actual.storage.free.0 as f64)
        .gauge(
            "streamwright_volume_full",
            None,
            "1 while the volume is full and records are refused",
            is(actual.storage.health == VolumeHealth::Full),
        )
        .gauge("streamwright_volume_failed", None, "1 once a write to the volume failed", is(actual.storage.health == VolumeHealth::Failed))
        .gauges("streamwright_log_flush", Some(Seconds), "Duration of recent flushes, by quantile", quantiles.map(quantile))
        .counter("streamwright_log_groups", None, "Groups of batches made durable", stats.groups as f64)
        .counter("streamwright_log_appended", Some(Bytes), "Bytes of record batches appended", stats.appended_bytes as f64)
        .gauge("streamwright_log_tail", Some(Bytes), "Bytes of the newest records kept in memory", stats.tail_bytes as f64)
        .gauge(
            "streamwright_object_store_reachable",
            None,
            "1 while the object store answers, or none is configured",
            is(is_well(store.health)),
        )
        .gauge("streamwright_object_store_used", Some(Bytes), "Bytes in objects", store.bytes.0 as f64)
        .gauge(
            "streamwright_object_store_at_risk",
            Some(Bytes),
            "Bytes acknowledged that are on the volume alone",
            store.bytes_at_risk.0 as f64,
        )
        .gauge(
            "streamwright_object_store_damaged_partitions",
            None,
            "Partitions that are not shipped since what the object store has of them is damaged",
            actual.damaged.len() as f64,
        )
        .counter("streamwright_object_store_segments", None, "Segments put into the object store", stats.segments as f64);
}

fn is_well(health: StoreHealth) -> bool {
    matches!(health, StoreHealth::Reachable | StoreHealth::NotConfigured)
}

/// By topic, but for those of pipelines: they come and go.
fn topics(snapshot: &mut Snapshot, topics: &[ActualTopic]) {
    let by_topic = |value: fn(&ActualTopic) -> f64| {
        let shown = topics.iter().filter(|topic| !topic.internal);
        shown.map(move |topic| (vec![("topic", topic.name.as_str().to_owned())], value(topic))).collect::<Vec<(Labels, f64)>>()
    };
    snapshot
        .gauges("streamwright_topic_partitions", None, "Partitions of a topic", by_topic(|topic| f64::from(topic.partitions)))
        .gauges(
            "streamwright_topic_records",
            None,
            "Offsets between log start and log end, markers included",
            by_topic(|topic| topic.records as f64),
        )
        .counters(
            "streamwright_topic_records_appended",
            None,
            "Offsets given since the broker started",
            by_topic(|topic| topic.records_appended as f64),
        )
        .gauges("streamwright_topic_local", Some(Bytes), "Bytes of a topic on the volume", by_topic(|topic| topic.local_bytes.0 as f64))
        .gauges("streamwright_topic_object", Some(Bytes), "Bytes of a topic in objects", by_topic(|topic| topic.object_bytes.0 as f64));
}
