//! What is built, whatever its kind, in the order in which it is applied.

use crds::{ObjectMeta, Topic};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};

macro_rules! objects {
    ($($kind:ident: $doc:literal),* $(,)?) => {
        /// One object, whole: what is not in it is not ours.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object { $(#[doc = $doc] $kind(Box<$kind>)),* }

        $(impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind(Box::new(object))
            }
        })*

        impl Object {
            /// Its `kind`.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => stringify!($kind)),* }
            }

            /// Its metadata.
            #[must_use]
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$kind(object) => &object.metadata),* }
            }

            /// As it is sent to the API server, `apiVersion` and `kind` included.
            #[must_use]
            pub fn to_value(&self) -> serde_json::Value {
                let value = match self { $(Self::$kind(object) => serde_json::to_value(object)),* };
                value.expect("objects are plain data with text as keys")
            }
        }
    };
}

objects! {
    ServiceAccount: "Whom the pods are; without a token.",
    ConfigMap: "What the process reads when it starts.",
    NetworkPolicy: "Who may talk to the pods, and whom they may talk to.",
    PodDisruptionBudget: "How many pods may be drained at once.",
    Service: "An address.",
    StatefulSet: "The pods.",
    Topic: "A Topic that a Pipeline needs.",
}

impl Object {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }
}

/// Objects in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects(pub Vec<Object>);

impl Objects {
    pub(crate) fn push(&mut self, object: impl Into<Object>) {
        self.0.push(object.into());
    }

    /// The StatefulSet among them; an external Cluster has none.
    #[must_use]
    pub fn stateful_set(&self) -> Option<&StatefulSet> {
        self.0.iter().find_map(|object| match object {
            Object::StatefulSet(set) => Some(&**set),
            _ => None,
        })
    }
}
