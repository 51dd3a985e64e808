//! The files that worker processes read when they start: `broker.yaml` and `pipeline.yaml`.

use control::ObjectRef;
use serde::{Deserialize, Serialize};

/// Where the files of a pod are.
pub(crate) mod paths {
    pub(crate) const CONFIG: &str = "/etc/streamwright/config";
    pub(crate) const CONTROL_TLS: &str = "/etc/streamwright/control";
    pub(crate) const LISTENER_TLS: &str = "/etc/streamwright/tls";
    pub(crate) const AUTHORITIES: &str = "/etc/streamwright/authorities";
    pub(crate) const CREDENTIALS: &str = "/etc/streamwright/store-credentials";
    pub(crate) const DATA: &str = "/var/lib/streamwright";
    pub(crate) const SCRATCH: &str = "/tmp";
}

/// What `streamwright broker --config` reads. The broker's id is the number at the end of its pod's name, which it has from `POD_NAME`:
/// the file is the same for every pod. What may change while it runs (topics, listeners) is not here: the operator pushes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerConfig {
    /// The Cluster.
    pub cluster: ObjectRef,
    /// The folder of the volume.
    pub data_dir: String,
    /// Where the operator reaches it.
    pub control: Endpoint,
    /// The folder that has, for each listener with TLS, a folder of its name with `tls.crt` and `tls.key`.
    pub tls_dir: String,
    /// Where probes and metrics are served.
    pub health: HealthEndpoint,
    /// Where data goes for good; absent = a folder on the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_store: Option<StoreSection>,
}

/// What `streamwright pipeline --config` reads. The pod's ordinal is the number at the end of its name, which it has from `POD_NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineConfig {
    /// The Pipeline.
    pub pipeline: ObjectRef,
    /// The brokers.
    pub kafka: KafkaSection,
    /// Where the operator reaches it.
    pub control: Endpoint,
    /// Where probes and metrics are served.
    pub health: HealthEndpoint,
    /// File with the first desired state (JSON); a higher generation comes from the operator.
    pub desired: String,
    /// Folder for state that does not fit into memory; empty after a restart.
    pub scratch_dir: String,
    /// Where checkpoints are kept; absent = nowhere: only queries without state run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_store: Option<StoreSection>,
}

/// How pods of a Pipeline reach the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSection {
    /// Addresses to start from, `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Present = TLS: the folder with `ca.crt`, the certificates that vouch for the brokers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_dir: Option<String>,
}

/// Where the operator reaches a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Address to listen on.
    pub bind: String,
    /// Folder with `ca.crt` (who vouches for the operator), `tls.crt` and `tls.key` (its own); read again when they change.
    pub tls_dir: String,
}

/// Where `/livez`, `/readyz` and `/metrics` are served, without TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthEndpoint {
    /// Address to listen on.
    pub bind: String,
}

/// An object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSection {
    /// A bucket that speaks S3.
    pub s3: S3Section,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct S3Section {
    /// Its name.
    pub bucket: String,
    /// Prefix of every object; absent = none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of the service; absent = Amazon's for the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path.
    pub force_path_style: bool,
    /// Folder with the files AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps AWS_SESSION_TOKEN, read again when they change; absent =
    /// the pod's own identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_dir: Option<String>,
}

/// As the file is written.
pub(crate) fn yaml<T: Serialize>(config: &T) -> String {
    serde_yaml::to_string(config).expect("a configuration is plain data with text as keys")
}
