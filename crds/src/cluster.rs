//! Cluster: a pool of brokers, its listeners and its object store; or a Kafka that exists already.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{Condition, Duration, LocalRef, Pod, Quantity, Version};

/// Brokers as they shall be.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "streamwright.dev",
    version = "v1alpha1",
    kind = "Cluster",
    shortname = "swc",
    category = "streamwright",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    doc = "A pool of brokers that speak Kafka's protocol, with listeners, storage and an object store.",
    validation = ("self.metadata.name.size() <= 40", "the name is longer than 40 characters"),
    scale(spec_replicas_path = ".spec.replicas", status_replicas_path = ".status.replicas", label_selector_path = ".status.selector"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Brokers", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Bootstrap", type_ = "string", json_path = ".status.bootstrapServers"),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".spec.objectStore.s3.bucket"),
    printcolumn(name = "At risk", type_ = "integer", json_path = ".status.objectStore.bytesAtRisk", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.external) == has(oldSelf.external)", "a Cluster cannot change between managed and external"),
    validation = ("!has(self.external) || !(has(self.listeners) || has(self.storage))", "listeners and storage belong to managed brokers, not to an external Kafka"),
    validation = ("!has(oldSelf.storage) || has(self.storage)", "storage cannot be removed"),
    validation = ("!has(oldSelf.objectStore) || has(self.objectStore)", "objectStore cannot be removed: shipped data is there"),
    validation = ("!has(self.listeners) || self.listeners.all(a, self.listeners.exists_one(b, b.port == a.port))", "two listeners share a port"),
    validation = ("self.replicas <= 1", "this version runs one broker a Cluster"),
    validation = ("!has(self.external)", "external is not served by this version: declare brokers of ours")
)]
pub struct ClusterSpec {
    /// Number of brokers. This version runs one.
    #[serde(default = "crate::one_replica")]
    #[schemars(range(min = 1, max = 1024))]
    pub replicas: i32,
    /// Version of the data plane; absent = the operator's when the Cluster was made, kept since then (status.version).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Where brokers answer; absent = one of type Internal, port 9092. Names and ports are unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub listeners: Option<Vec<Listener>>,
    /// The brokers' volumes; absent = 20Gi of the default StorageClass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Where data goes for good; absent = a folder on the volume. May be added later, never removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ObjectStore>,
    /// Which namespaces may name this Cluster in a clusterRef.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Whether a client that asks for an unknown topic makes it. CreateTopics works in either case.
    #[serde(default)]
    pub auto_create_topics: bool,
    /// Shape of the broker pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// A Kafka (4.0 or newer) that exists already, instead of brokers of ours. Not served by this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

/// Where brokers answer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its name, unique in the Cluster.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Internal (default): inside the Kubernetes cluster. NodePort, LoadBalancer: from outside, a Service per broker and one to bootstrap.
    #[serde(default, rename = "type")]
    pub listener_type: ListenerType,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Present = TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// The host that clients are told; absent = the Service's address, or the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub advertised_host: Option<String>,
    /// Networks (CIDR) that may connect; absent = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 43)))]
    pub allowed_source_ranges: Option<Vec<String>>,
}

/// From where a listener is reached.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListenerType {
    /// Inside the Kubernetes cluster.
    #[default]
    Internal,
    /// By a port of the nodes.
    NodePort,
    /// By load balancers.
    LoadBalancer,
}

/// TLS of a listener.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// A Secret with `tls.crt` and `tls.key`; absent = a certificate of the operator's own CA, which clients find in the ConfigMap
    /// `<cluster>-ca`, key `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_secret_ref: Option<LocalRef>,
}

/// The brokers' volumes.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0", "storage only grows"),
    validation = ("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)", "storageClassName is immutable")
)]
pub struct Storage {
    /// Size of each volume. Only grows.
    #[serde(default = "Storage::default_size")]
    pub size: Quantity,
    /// StorageClass of the volumes; absent = the default one. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

impl Storage {
    fn default_size() -> Quantity {
        Quantity::new("20Gi")
    }
}

/// Where data goes for good.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStore {
    /// A bucket that speaks S3 and honours conditional writes.
    pub s3: S3,
    /// How long an object stays after nothing names it any more.
    #[serde(default = "ObjectStore::default_delete_grace_period")]
    pub delete_grace_period: Duration,
}

impl ObjectStore {
    fn default_delete_grace_period() -> Duration {
        Duration::new("24h")
    }
}

/// A bucket.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.prefix) == has(oldSelf.prefix) && (!has(self.prefix) || self.prefix == oldSelf.prefix)", "prefix is immutable: the data is there"))]
pub struct S3 {
    /// Name of the bucket. Immutable.
    #[schemars(length(min = 3, max = 255))]
    #[x_kube(validation = ("self == oldSelf", "bucket is immutable: the data is there"))]
    pub bucket: String,
    /// Prefix of every object; absent = none. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"))]
    pub prefix: Option<String>,
    /// Region of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,
    /// URL of the service; absent = Amazon's for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^https?://[^\s/]+(/\S*)?$"))]
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path rather than of the host name.
    #[serde(default)]
    pub force_path_style: bool,
    /// Secret with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps AWS_SESSION_TOKEN; absent = the pod's own identity. Mounted, never copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<LocalRef>,
}

/// Which namespaces may name a Cluster.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("(self.from == 'Selector') == has(self.selector)", "selector goes with from: Selector"))]
pub struct AllowedNamespaces {
    /// Same (default): its own. All: every one. Selector: those whose labels match `selector`, and its own.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// Labels that a namespace must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
}

/// Which namespaces.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespacesFrom {
    /// The Cluster's own.
    #[default]
    Same,
    /// Every one.
    All,
    /// Those with matching labels.
    Selector,
}

/// Labels that a namespace must have.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Each of these labels, with this value.
    pub match_labels: BTreeMap<String, String>,
}

/// A Kafka that exists already.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// Addresses to start from, `host:port`.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 260)))]
    pub bootstrap_servers: Vec<String>,
    /// Present = TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ExternalTls>,
    /// Secret with the keys mechanism, username, password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl_secret_ref: Option<LocalRef>,
}

/// TLS towards an external Kafka.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTls {
    /// Secret with `ca.crt`; absent = the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<LocalRef>,
    /// Secret with `tls.crt` and `tls.key` of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_secret_ref: Option<LocalRef>,
}

/// What is known of a Cluster.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The `metadata.generation` that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Kafka's cluster id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// Version of the data plane in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Number of brokers there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Number of brokers that serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Labels of the broker pods, as text, for /scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
    /// Where clients inside the Kubernetes cluster start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub bootstrap_servers: Option<String>,
    /// Where clients of each listener start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub listeners: Vec<ListenerStatus>,
    /// The brokers, by id: checked before anything destructive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub brokers: Vec<BrokerStatus>,
    /// The brokers' volumes, all together, to two significant digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<ClusterStorage>,
    /// The object store, to two significant digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ObjectStoreStatus>,
    /// Number of topics, without those of Pipelines' insides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<i32>,
    /// Ready, ObjectStoreReady; Reconciling, Stalled and Degraded where true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// Where clients of a listener start.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Name of the listener.
    #[schemars(length(max = 20))]
    pub name: String,
    /// Addresses, `host:port`, separated by commas.
    #[schemars(length(max = 1024))]
    pub bootstrap_servers: String,
}

/// One broker.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// Kafka's node id.
    pub id: i32,
    /// How often it has started: the unit of fencing.
    pub incarnation: i64,
    /// Its pod.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// Whether it serves.
    pub ready: bool,
}

/// The brokers' volumes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStorage {
    /// Their size.
    pub capacity_bytes: i64,
    /// What is used of them.
    pub used_bytes: i64,
}

/// What is in the object store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStoreStatus {
    /// Bytes there.
    pub bytes: i64,
    /// Bytes acknowledged that are on a volume alone.
    pub bytes_at_risk: i64,
}
