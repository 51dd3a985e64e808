//! What the operator counts, in Prometheus' terms.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// A write, by what it does and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabels {
    /// `apply`, `status`, `create`, …
    pub verb: String,
    /// The kind of the object.
    pub kind: String,
    /// `ok`, or the kind of failure.
    pub outcome: String,
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    /// Its name.
    pub kind: String,
}

/// Every figure.
pub struct Metrics {
    registry: Registry,
    /// Looks at the whole world.
    pub reconciles: Counter,
    /// How long each took, in seconds.
    pub reconcile_duration: Histogram,
    /// Requests that change something in the API server.
    pub writes: Family<WriteLabels, Counter>,
    /// Desired states handed to workers.
    pub pushes: Family<KindLabels, Counter>,
    /// Those that failed.
    pub push_failures: Family<KindLabels, Counter>,
    /// Works under way.
    pub in_flight: Gauge,
    /// Works decided and not begun: they wait for another, or back off.
    pub waiting: Gauge,
    /// Objects whose last write failed.
    pub failing: Gauge,
    /// Queries that wait for the planner.
    pub planning: Gauge,
    /// 1 while this operator leads.
    pub leader: Gauge,
    /// Objects of ours.
    pub objects: Family<KindLabels, Gauge>,
    /// Those that are not `Ready=True`.
    pub not_ready: Family<KindLabels, Gauge>,
    /// Those that cannot be read.
    pub unreadable: Gauge,
    /// Bytes of texts in the cache.
    pub cache_bytes: Gauge,
    /// Watches that the API server refuses.
    pub watches_refused: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let mut registry = Registry::with_prefix("streamwright_operator");
        let metrics = Self {
            reconciles: Counter::default(),
            reconcile_duration: Histogram::new(buckets),
            writes: Family::default(),
            pushes: Family::default(),
            push_failures: Family::default(),
            in_flight: Gauge::default(),
            waiting: Gauge::default(),
            failing: Gauge::default(),
            planning: Gauge::default(),
            leader: Gauge::default(),
            objects: Family::default(),
            not_ready: Family::default(),
            unreadable: Gauge::default(),
            cache_bytes: Gauge::default(),
            watches_refused: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("reconciles", "Looks at the whole world", metrics.reconciles.clone());
        registry.register_with_unit("reconcile_duration", "Time of one look", Unit::Seconds, metrics.reconcile_duration.clone());
        registry.register("api_writes", "Requests that change something in the API server", metrics.writes.clone());
        registry.register("pushes", "Desired states handed to workers", metrics.pushes.clone());
        registry.register("push_failures", "Desired states that could not be handed over", metrics.push_failures.clone());
        registry.register("writes_in_flight", "Objects that are being written", metrics.in_flight.clone());
        registry.register("queue_depth", "Objects with writes decided and not begun", metrics.waiting.clone());
        registry.register("objects_failing", "Objects whose last write failed", metrics.failing.clone());
        registry.register("queries_planning", "Queries that wait for the planner", metrics.planning.clone());
        registry.register("leader", "1 while this operator leads", metrics.leader.clone());
        registry.register("objects", "Objects of each kind", metrics.objects.clone());
        registry.register("objects_not_ready", "Objects of each kind that are not Ready=True", metrics.not_ready.clone());
        registry.register("objects_unreadable", "Objects that this version cannot read", metrics.unreadable.clone());
        registry.register("watches_refused", "Watches that the API server refuses: nothing is reconciled", metrics.watches_refused.clone());
        registry.register_with_unit("cache", "Texts of objects in memory", Unit::Bytes, metrics.cache_bytes.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// All of them, as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
