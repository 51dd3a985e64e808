//! The names of what is built, and the addresses that follow from them.
//!
//! A Cluster's or Pipeline's name has at most 40 letters and is a DNS subdomain, as Kubernetes checks; a Service's must be a DNS label that
//! starts with a letter (RFC 1035). A name that is not one is written with `-` for what does not fit and the beginning of its hash behind.

use ring::digest::{SHA256, digest};
use std::fmt::Write as _;

/// Longest name of a Service, and of a label's value.
const NAME_MAX: usize = 63;
/// Longest name that another word is put behind: with `-pipeline` it fits the revision label of a StatefulSet's pods.
const STEM_MAX: usize = 40;

/// Names of a Cluster's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNames {
    namespace: String,
    stem: String,
}

impl ClusterNames {
    /// Of the Cluster with this `metadata.namespace` and `metadata.name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), stem: stem(name) }
    }

    /// The StatefulSet, and with it PodDisruptionBudget, NetworkPolicy, ConfigMap and ServiceAccount.
    #[must_use]
    pub fn stateful_set(&self) -> String {
        format!("{}-broker", self.stem)
    }

    /// The pod of the broker with this id.
    #[must_use]
    pub fn pod(&self, broker: i32) -> String {
        format!("{}-broker-{broker}", self.stem)
    }

    /// The claim of the broker with this id.
    #[must_use]
    pub fn claim(&self, broker: i32) -> String {
        format!("data-{}", self.pod(broker))
    }

    /// The ConfigMap with the certificates that vouch for its listeners.
    #[must_use]
    pub fn authorities(&self) -> String {
        format!("{}-ca", self.stem)
    }

    /// The headless Service that gives each broker pod its address.
    #[must_use]
    pub fn headless(&self) -> String {
        format!("{}-brokers", self.stem)
    }

    /// The Service that clients inside start from.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("{}-bootstrap", self.stem)
    }

    /// The Service that clients of a listener outside start from.
    #[must_use]
    pub fn outside_bootstrap(&self, listener: &str) -> String {
        fit(format!("{}-bootstrap-{listener}", self.stem))
    }

    /// The Service by which one broker is reached through a listener outside.
    #[must_use]
    pub fn outside_broker(&self, broker: i32, listener: &str) -> String {
        fit(format!("{}-broker-{broker}-{listener}", self.stem))
    }

    /// Host of one broker inside the Kubernetes cluster.
    #[must_use]
    pub fn host(&self, broker: i32) -> String {
        format!("{}.{}.{}.svc", self.pod(broker), self.headless(), self.namespace)
    }

    /// Host of the bootstrap Service inside the Kubernetes cluster.
    #[must_use]
    pub fn bootstrap_host(&self) -> String {
        format!("{}.{}.svc", self.bootstrap(), self.namespace)
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// Names of a Pipeline's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineNames {
    namespace: String,
    stem: String,
}

impl PipelineNames {
    /// Of the Pipeline with this `metadata.namespace` and `metadata.name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), stem: stem(name) }
    }

    /// The StatefulSet, and everything else.
    #[must_use]
    pub fn stateful_set(&self) -> String {
        format!("{}-pipeline", self.stem)
    }

    /// The pod with this ordinal.
    #[must_use]
    pub fn pod(&self, ordinal: i32) -> String {
        format!("{}-pipeline-{ordinal}", self.stem)
    }

    /// Host of one pod inside the Kubernetes cluster.
    #[must_use]
    pub fn host(&self, ordinal: i32) -> String {
        format!("{}.{}.{}.svc", self.pod(ordinal), self.stateful_set(), self.namespace)
    }
}

/// `name` where it is a DNS label of at most 40 letters that starts with a letter; else what fits of it, and 8 hex of its hash.
fn stem(name: &str) -> String {
    let is_label = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-');
    if is_label && name.len() <= STEM_MAX {
        return name.into();
    }
    let plain = |letter: char| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' };
    let mut kept: String = name.chars().map(plain).take(STEM_MAX - 11).collect();
    if !kept.starts_with(|first: char| first.is_ascii_lowercase()) {
        kept.insert_str(0, "x-");
    }
    format!("{}-{}", kept.trim_end_matches('-'), short_hash(name))
}

/// `name` where it is short enough for a Service; else its beginning, and 8 hex of its hash.
fn fit(name: String) -> String {
    if name.len() <= NAME_MAX {
        return name;
    }
    // Names of ours are ASCII: what is not was replaced in `stem`, and listeners are held to a pattern.
    let kept: String = name.chars().take(NAME_MAX - 9).collect();
    format!("{}-{}", kept.trim_end_matches('-'), short_hash(&name))
}

fn short_hash(text: &str) -> String {
    hash(text.as_bytes(), 4)
}

/// The first `bytes` of SHA-256, in hexadecimal.
pub(crate) fn hash(content: &[u8], bytes: usize) -> String {
    digest(&SHA256, content).as_ref().iter().take(bytes).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_name_stays_readable() {
        let names = ClusterNames::new("streaming", "main");
        assert_eq!(names.pod(0), "main-broker-0");
        assert_eq!(names.host(0), "main-broker-0.main-brokers.streaming.svc");
        assert_eq!(names.outside_broker(0, "outside"), "main-broker-0-outside");
    }

    #[test]
    fn names_that_a_service_may_not_have_are_written_otherwise_and_stay_apart() {
        let of = |name: &str| ClusterNames::new("n", name).bootstrap();
        for name in ["my.cluster", "7up", "a-", &"a".repeat(60), "-"] {
            let made = of(name);
            assert!(made.len() <= 63 && made.starts_with(|first: char| first.is_ascii_lowercase()), "{made}");
            assert!(made.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{made}");
        }
        assert_ne!(of("my.cluster"), of("my-cluster"));
        assert_ne!(of("my.cluster"), of("my-.cluster"));
    }

    #[test]
    fn the_longest_names_fit_and_stay_apart() {
        let names = ClusterNames::new("n", &"a".repeat(40));
        let (one, other) = (names.outside_broker(1023, "a-listener-of-twenty"), names.outside_broker(1023, "a-listener-of-twentx"));
        assert!(one.len() <= 63 && other.len() <= 63);
        assert_ne!(one, other);
    }
}
