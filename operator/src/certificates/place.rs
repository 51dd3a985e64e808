//! Where a certificate is: which Secret of a namespace, and under which keys.

use k8s_openapi::api::core::v1::KeyToPath;

use crate::build::{ClusterNames, PipelineNames};

/// The Secrets of a namespace that hold certificates of ours. The chart gives rights on exactly these; more names need a new chart.
///
/// A Secret holds 1 MiB, a certificate with its key is about 1.5 kB: room for some five thousand workers a namespace.
pub const SECRETS: [&str; 8] = [
    "streamwright-tls-0",
    "streamwright-tls-1",
    "streamwright-tls-2",
    "streamwright-tls-3",
    "streamwright-tls-4",
    "streamwright-tls-5",
    "streamwright-tls-6",
    "streamwright-tls-7",
];

/// Key of the certificates that vouch for the others, in each of [`SECRETS`].
pub(crate) const AUTHORITIES: &str = "ca.crt";

/// A Secret and the beginning of its keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the Secret.
    pub secret: String,
    /// What stands before `tls.crt` and `tls.key`, with a point at its end; empty for a Secret of a single pair.
    pub prefix: String,
}

impl Place {
    /// A Secret of the user's, with the keys `tls.crt` and `tls.key`.
    #[must_use]
    pub fn whole(secret: &str) -> Self {
        Self { secret: secret.into(), prefix: String::new() }
    }

    fn of(owner: &str, what: &str) -> Self {
        // All of one owner in one Secret, so that its certificates change together.
        let number = usize::from_str_radix(&crate::build::hash(owner.as_bytes(), 2), 16).expect("hexadecimal");
        Self { secret: SECRETS[number % SECRETS.len()].into(), prefix: format!("{owner}.{what}.") }
    }

    /// Key of the certificate.
    #[must_use]
    pub fn certificate(&self) -> String {
        format!("{}tls.crt", self.prefix)
    }

    /// Key of its private key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}tls.key", self.prefix)
    }

    /// The files `tls.crt` and `tls.key`, for mounting.
    #[must_use]
    pub fn pair(&self) -> Vec<KeyToPath> {
        [(self.certificate(), "tls.crt"), (self.key(), "tls.key")]
            .map(|(key, path)| KeyToPath { key, path: path.into(), mode: None })
            .into()
    }

    /// The same and `ca.crt`.
    #[must_use]
    pub fn items(&self) -> Vec<KeyToPath> {
        let mut items = self.pair();
        items.insert(0, KeyToPath { key: AUTHORITIES.into(), path: AUTHORITIES.into(), mode: None });
        items
    }
}

/// Of the control endpoint of a Cluster's brokers.
#[must_use]
pub fn broker_control(names: &ClusterNames) -> Place {
    Place::of(&names.stateful_set(), "control")
}

/// Of a Cluster's listener, where the user brings none.
#[must_use]
pub fn listener(names: &ClusterNames, listener: &str) -> Place {
    Place::of(&names.stateful_set(), &format!("listener.{listener}"))
}

/// Of the control endpoint of a Pipeline's pods.
#[must_use]
pub fn pipeline_control(names: &PipelineNames) -> Place {
    Place::of(&names.stateful_set(), "control")
}
