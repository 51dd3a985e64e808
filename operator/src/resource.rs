//! Which resources of the API the operator knows, and where their objects are found.

use std::fmt;

/// A resource of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Ours.
    Cluster,
    /// Ours.
    Topic,
    /// Ours.
    RetentionPolicy,
    /// Ours.
    Pipeline,
    /// Pods with an identity and a volume.
    StatefulSet,
    /// Names and addresses of pods.
    Service,
    /// What pods run as.
    ServiceAccount,
    /// Files of pods, queries of users, and the operator's own records.
    ConfigMap,
    /// Certificates of ours; those of users are mounted by name and never read.
    Secret,
    /// How many pods may be away for maintenance.
    PodDisruptionBudget,
    /// Who may talk to pods.
    NetworkPolicy,
    /// Only looked at, and deleted one at a time.
    Pod,
    /// Only looked at and enlarged; never deleted.
    PersistentVolumeClaim,
    /// Only looked at.
    Node,
    /// Only looked at.
    Namespace,
    /// What happened, for people.
    Event,
    /// Who leads.
    Lease,
}

impl Resource {
    /// Those that belong to a Cluster or a Pipeline and are applied by us.
    pub const OWNED: &'static [Self] =
        &[Self::ServiceAccount, Self::ConfigMap, Self::Service, Self::NetworkPolicy, Self::PodDisruptionBudget, Self::StatefulSet];

    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Cluster => ("streamwright.dev/v1alpha1", "Cluster", "clusters"),
            Self::Topic => ("streamwright.dev/v1alpha1", "Topic", "topics"),
            Self::RetentionPolicy => ("streamwright.dev/v1alpha1", "RetentionPolicy", "retentionpolicies"),
            Self::Pipeline => ("streamwright.dev/v1alpha1", "Pipeline", "pipelines"),
            Self::StatefulSet => ("apps/v1", "StatefulSet", "statefulsets"),
            Self::Service => ("v1", "Service", "services"),
            Self::ServiceAccount => ("v1", "ServiceAccount", "serviceaccounts"),
            Self::ConfigMap => ("v1", "ConfigMap", "configmaps"),
            Self::Secret => ("v1", "Secret", "secrets"),
            Self::PodDisruptionBudget => ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::NetworkPolicy => ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
            Self::Pod => ("v1", "Pod", "pods"),
            Self::PersistentVolumeClaim => ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Self::Node => ("v1", "Node", "nodes"),
            Self::Namespace => ("v1", "Namespace", "namespaces"),
            Self::Event => ("events.k8s.io/v1", "Event", "events"),
            Self::Lease => ("coordination.k8s.io/v1", "Lease", "leases"),
        }
    }

    /// `apiVersion` of its objects.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        self.names().0
    }

    /// `kind` of its objects.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        self.names().1
    }

    /// Its name in paths.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        self.names().2
    }

    /// Its group; empty for the core.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// Its version.
    #[must_use]
    pub fn version(self) -> &'static str {
        self.api_version().split_once('/').map_or(self.api_version(), |(_, version)| version)
    }

    /// Whether its objects live in namespaces.
    #[must_use]
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Node | Self::Namespace)
    }

    /// The resource of an `apiVersion` and `kind`, where it is one that we know.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        use Resource::*;
        let all = [
            Cluster,
            Topic,
            RetentionPolicy,
            Pipeline,
            StatefulSet,
            Service,
            ServiceAccount,
            ConfigMap,
            Secret,
            PodDisruptionBudget,
            NetworkPolicy,
            Pod,
            PersistentVolumeClaim,
            Node,
            Namespace,
            Event,
            Lease,
        ];
        all.into_iter().find(|known| known.api_version() == api_version && known.kind() == kind)
    }

    /// The resource of one of our kinds.
    #[must_use]
    pub const fn of_kind(kind: crds::Kind) -> Self {
        match kind {
            crds::Kind::Cluster => Self::Cluster,
            crds::Kind::Topic => Self::Topic,
            crds::Kind::RetentionPolicy => Self::RetentionPolicy,
            crds::Kind::Pipeline => Self::Pipeline,
        }
    }

    /// Our kind, where it is one.
    #[must_use]
    pub const fn ours(self) -> Option<crds::Kind> {
        match self {
            Self::Cluster => Some(crds::Kind::Cluster),
            Self::Topic => Some(crds::Kind::Topic),
            Self::RetentionPolicy => Some(crds::Kind::RetentionPolicy),
            Self::Pipeline => Some(crds::Kind::Pipeline),
            _ => None,
        }
    }

    /// The path of its objects in a namespace; of all where it has none.
    #[must_use]
    pub fn path(self, namespace: &str) -> String {
        let root = if self.group().is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group()) };
        let scope = if self.is_namespaced() && !namespace.is_empty() { format!("/namespaces/{namespace}") } else { String::new() };
        format!("{root}/{}{scope}/{}", self.version(), self.plural())
    }
}

/// One object of the API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub resource: Resource,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The object of this name.
    #[must_use]
    pub fn new(resource: Resource, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { resource, namespace: namespace.into(), name: name.into() }
    }

    /// One of our objects.
    #[must_use]
    pub fn ours(kind: crds::Kind, object: &control::ObjectRef) -> Self {
        Self::new(Resource::of_kind(kind), object.namespace.clone(), object.name.clone())
    }

    /// Namespace and name.
    #[must_use]
    pub fn object(&self) -> control::ObjectRef {
        control::ObjectRef { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Its path, with a subresource where one is named.
    #[must_use]
    pub fn path(&self, subresource: Option<&str>) -> String {
        let tail = subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
        format!("{}/{}{tail}", self.resource.path(&self.namespace), self.name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.namespace.is_empty() { "" } else { "/" };
        write!(f, "{} {}{separator}{}", self.resource.kind(), self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let key = |resource, namespace: &str| Key::new(resource, namespace, "x");
        assert_eq!(key(Resource::Topic, "a").path(Some("status")), "/apis/streamwright.dev/v1alpha1/namespaces/a/topics/x/status");
        assert_eq!(key(Resource::ConfigMap, "a").path(None), "/api/v1/namespaces/a/configmaps/x");
        assert_eq!(key(Resource::Node, "").path(None), "/api/v1/nodes/x");
        assert_eq!(Resource::StatefulSet.path(""), "/apis/apps/v1/statefulsets");
    }
}
