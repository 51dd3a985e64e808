//! Which of our four kinds an object is.

use serde_json::Value;
use std::fmt;

/// API group of every kind.
pub const GROUP: &str = "streamwright.dev";
/// Version that this program serves.
pub const VERSION: &str = "v1alpha1";

/// One of our kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// Brokers.
    Cluster,
    /// A topic.
    Topic,
    /// How long data is kept.
    RetentionPolicy,
    /// Streaming SQL.
    Pipeline,
}

/// The object is of our group, but of a version or kind that this program does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{api_version} {kind} is not served: the kinds of {GROUP}/{VERSION} are Cluster, Topic, RetentionPolicy and Pipeline")]
pub struct NotServed {
    /// What the object says.
    pub api_version: String,
    /// What the object says.
    pub kind: String,
}

impl Kind {
    /// Every kind, in an order in which references point backwards.
    pub const ALL: &'static [Self] = &[Self::Cluster, Self::RetentionPolicy, Self::Topic, Self::Pipeline];

    /// The kind of an object by its `apiVersion` and `kind`; `None` where it is of another group.
    ///
    /// # Errors
    /// [`NotServed`] where it is of our group but nothing that we serve.
    pub fn of(object: &Value) -> Result<Option<Self>, NotServed> {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let Some(version) = api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/')) else { return Ok(None) };
        let found = Self::ALL.iter().find(|known| version == VERSION && known.as_str() == kind).copied();
        let name = |text: &str| text.chars().take(100).collect();
        found.map(Some).ok_or_else(|| NotServed { api_version: name(api_version), kind: name(kind) })
    }

    /// As written in `kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Topic => "Topic",
            Self::RetentionPolicy => "RetentionPolicy",
            Self::Pipeline => "Pipeline",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
