//! Labels and annotations of what is built.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;

/// Label of everything that belongs to a Cluster; its value is the Cluster's name.
pub const CLUSTER_LABEL: &str = "streamwright.dev/cluster";
/// Label of everything that belongs to a Pipeline; its value is the Pipeline's name.
pub const PIPELINE_LABEL: &str = "streamwright.dev/pipeline";
/// Annotation of a pod: the hash of what makes it roll when it changes.
pub const ROLL_HASH: &str = "streamwright.dev/roll-hash";
/// Annotation of a Cluster or Pipeline: its pods are replaced once for each new value.
pub(crate) const RESTART_AT: &str = "streamwright.dev/restart-at";

pub(crate) const NAME: &str = "app.kubernetes.io/name";
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";
/// Value of [`NAME`] on everything of ours, the operator's own pods included.
pub(crate) const PRODUCT: &str = "streamwright";

pub(crate) type Labels = BTreeMap<String, String>;

/// What a Cluster or Pipeline puts on its objects.
#[derive(Clone, Debug)]
pub(crate) struct Labelled {
    /// On every object.
    pub(crate) labels: Labels,
    /// What selects its pods; never changes, since a StatefulSet's selector cannot.
    pub(crate) selector: Labels,
}

impl Labelled {
    pub(crate) fn of_cluster(name: &str) -> Self {
        Self::new("broker", name, broker_selector(name))
    }

    pub(crate) fn of_pipeline(name: &str) -> Self {
        Self::new("pipeline", name, pipeline_selector(name))
    }

    fn new(component: &str, name: &str, selector: Labels) -> Self {
        let mut labels = pairs(&[
            (NAME, PRODUCT),
            ("app.kubernetes.io/instance", name),
            (COMPONENT, component),
            ("app.kubernetes.io/managed-by", "streamwright-operator"),
            ("app.kubernetes.io/part-of", PRODUCT),
        ]);
        labels.extend(selector.clone());
        Self { labels, selector }
    }

    /// On the pods: the user's labels, and ours over them.
    pub(crate) fn of_pods(&self, users: Option<&Labels>) -> Labels {
        let mut labels = users.cloned().unwrap_or_default();
        labels.extend(self.labels.clone());
        labels
    }
}

/// The labels that select the broker pods of a Cluster.
#[must_use]
pub fn broker_selector(cluster: &str) -> BTreeMap<String, String> {
    pairs(&[(NAME, PRODUCT), (COMPONENT, "broker"), (CLUSTER_LABEL, cluster)])
}

/// The labels that select the pods of a Pipeline.
#[must_use]
pub fn pipeline_selector(pipeline: &str) -> BTreeMap<String, String> {
    pairs(&[(NAME, PRODUCT), (COMPONENT, "pipeline"), (PIPELINE_LABEL, pipeline)])
}

/// A selector as text, for `status.selector`, which `/scale` hands to autoscalers.
#[must_use]
pub fn selector_text(selector: &BTreeMap<String, String>) -> String {
    selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn matching(labels: Labels) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}
