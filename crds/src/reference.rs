//! How one object names another: always by an object with `name`, never by a bare string.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The Cluster that an object belongs to.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRef {
    /// Name of the Cluster.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// Namespace of the Cluster; absent = the object's own. The Cluster's `allowedNamespaces` must let this namespace in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

impl Default for ClusterRef {
    fn default() -> Self {
        Self { name: "default".into(), namespace: None }
    }
}

/// An object of the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// One key of a ConfigMap of the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its `data`.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}
