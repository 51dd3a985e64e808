//! Metrics as they are at the moment they are asked for, in OpenMetrics' text.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

/// Labels of one sample.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// One metric and its samples.
#[derive(Clone, Debug)]
struct Metric {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    is_counter: bool,
    samples: Vec<(Labels, f64)>,
}

/// All metrics of a process at one moment. Names are given without unit and `_total`, which are appended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot(Vec<Metric>);

impl Snapshot {
    /// A number that goes up and down.
    pub(crate) fn gauge(&mut self, name: &'static str, unit: Option<Unit>, help: &'static str, value: f64) -> &mut Self {
        self.gauges(name, unit, help, [(Labels::new(), value)])
    }

    /// A number that only grows until the process ends.
    pub(crate) fn counter(&mut self, name: &'static str, unit: Option<Unit>, help: &'static str, value: f64) -> &mut Self {
        self.counters(name, unit, help, [(Labels::new(), value)])
    }

    /// The same for several sets of labels; no sample, no metric.
    pub(crate) fn gauges(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) -> &mut Self {
        self.add(Metric { name, help, unit, is_counter: false, samples: samples.into_iter().collect() })
    }

    /// The same for several sets of labels; no sample, no metric.
    pub(crate) fn counters(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) -> &mut Self {
        self.add(Metric { name, help, unit, is_counter: true, samples: samples.into_iter().collect() })
    }

    fn add(&mut self, metric: Metric) -> &mut Self {
        if !metric.samples.is_empty() {
            self.0.push(metric);
        }
        self
    }

    /// As text.
    pub(crate) fn encode(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut encoded = String::new();
        text::encode(&mut encoded, &registry).expect("a string takes everything");
        encoded
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for metric in &self.0 {
            let kind = if metric.is_counter { MetricType::Counter } else { MetricType::Gauge };
            let mut into = encoder.encode_descriptor(metric.name, metric.help, metric.unit.as_ref(), kind)?;
            for (labels, value) in &metric.samples {
                // An empty set of labels would be written as `{}`.
                if labels.is_empty() {
                    write(&mut into, metric.is_counter, *value)?;
                } else {
                    write(&mut into.encode_family(labels)?, metric.is_counter, *value)?;
                }
            }
        }
        Ok(())
    }
}

fn write(into: &mut MetricEncoder<'_>, is_counter: bool, value: f64) -> Result<(), fmt::Error> {
    if is_counter { into.encode_counter::<NoLabelSet, _, f64>(&value, None) } else { into.encode_gauge(&value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_units_and_labels_are_as_prometheus_has_them() {
        let mut snapshot = Snapshot::default();
        snapshot.counters("streamwright_broker_request", Some(Unit::Bytes), "Bytes of requests", [(vec![("api", "Fetch".into())], 7.0)]);
        snapshot.gauge("streamwright_broker_connections", None, "Open connections", 2.0);
        snapshot.gauges("streamwright_nothing", None, "Nothing", []);
        let text = snapshot.encode();
        let wanted = "\
# HELP streamwright_broker_request_bytes Bytes of requests
# TYPE streamwright_broker_request_bytes counter
# UNIT streamwright_broker_request_bytes bytes
streamwright_broker_request_bytes_total{api=\"Fetch\"} 7.0
# HELP streamwright_broker_connections Open connections
# TYPE streamwright_broker_connections gauge
streamwright_broker_connections 2.0
# EOF
";
        assert_eq!(text, wanted);
    }
}
