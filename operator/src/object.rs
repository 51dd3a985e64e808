//! An object of the API as it is kept in memory: what is asked of it often, and the rest as text.

use kube::core::DynamicObject;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

use crate::resource::{Key, Resource};

/// The label of everything that the operator makes.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "streamwright-operator");
/// The label of everything that is ours, whoever made it.
pub const PRODUCT: (&str, &str) = ("app.kubernetes.io/name", "streamwright");
/// The annotation that says what was applied: a hash of it.
pub const APPLIED: &str = "streamwright.dev/applied";

/// One object as it was seen last, without `managedFields`. Its `Debug` shows no contents: it may be a Secret.
#[derive(Clone)]
pub struct Object {
    /// Which.
    pub key: Key,
    /// Its identity: a new object of the same name has another.
    pub uid: String,
    /// `resourceVersion` as a number: greater is newer, over all objects of a server.
    pub version: u64,
    /// `uid` of the object that controls it.
    pub owner: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Whether it is on its way out.
    pub is_deleted: bool,
    text: Arc<str>,
}

impl Object {
    /// Takes an object over as the API gave it; `None` where it lacks a name.
    #[must_use]
    pub fn new(resource: Resource, mut object: DynamicObject) -> Option<Self> {
        let version = Self::version_of(&object);
        let meta = &mut object.metadata;
        meta.managed_fields = None;
        if let Some(annotations) = &mut meta.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        let key = Key::new(resource, meta.namespace.clone().unwrap_or_default(), meta.name.clone()?);
        let controller = |owners: &Vec<_>| -> Option<String> {
            let found =
                owners.iter().find(|one: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference| one.controller == Some(true));
            found.map(|one| one.uid.clone())
        };
        Some(Self {
            uid: meta.uid.clone().unwrap_or_default(),
            version,
            owner: meta.owner_references.as_ref().and_then(controller),
            labels: meta.labels.clone().unwrap_or_default(),
            annotations: meta.annotations.clone().unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            is_deleted: meta.deletion_timestamp.is_some(),
            text: text(resource, &object).into(),
            key,
        })
    }

    /// `resourceVersion` of an object as a number, 0 where it has none.
    #[must_use]
    pub fn version_of(object: &DynamicObject) -> u64 {
        object.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Forgets the text: what matters of it was read.
    pub fn forget_text(&mut self) {
        self.text = Arc::from("");
    }

    /// The whole object; nothing where its text was forgotten.
    #[must_use]
    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Bytes that it takes as text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.key, self.version)
    }
}

fn text(resource: Resource, object: &DynamicObject) -> String {
    let mut body = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("apiVersion".into(), json!(resource.api_version()));
        fields.insert("kind".into(), json!(resource.kind()));
        if resource == Resource::Node {
            let conditions = fields.get("status").and_then(|status| status.get("conditions")).cloned().unwrap_or_default();
            let addresses = fields.get("status").and_then(|status| status.get("addresses")).cloned().unwrap_or_default();
            fields.insert("status".into(), json!({"conditions": conditions, "addresses": addresses}));
            fields.remove("spec");
        }
    }
    body.to_string()
}

/// Whether everything that `wanted` says holds in `found`, which may say more (what the server or others filled in). Nothing, an empty list
/// and an empty map are the same; so are quantities however written, and a number and its text.
#[must_use]
pub fn holds(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().all(|(name, value)| holds_field(name, value, found)),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| holds(wanted, found))
        }
        (Value::String(wanted), Value::String(found)) => wanted == found || same_quantity(wanted, found),
        (wanted, found) => wanted == found || (is_nothing(wanted) && is_nothing(found)),
    }
}

fn holds_field(name: &str, wanted: &Value, found: &Map<String, Value>) -> bool {
    match found.get(name) {
        Some(found) => holds(wanted, found),
        None => is_nothing(wanted),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn same_quantity(left: &str, right: &str) -> bool {
    quantity(left).zip(quantity(right)).is_some_and(|(left, right)| (left - right).abs() <= left.abs() * 1e-12)
}

fn quantity(text: &str) -> Option<f64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '-').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_fills_in_is_no_difference() {
        let wanted = json!({"spec": {"replicas": 1, "ports": [{"port": 9092}], "labels": {}}, "x": null});
        let found = json!({"spec": {"replicas": 1, "ports": [{"port": 9092, "protocol": "TCP"}], "more": 1}, "status": {}});
        assert!(holds(&wanted, &found));
    }

    #[test]
    fn what_differs_is_a_difference() {
        for (wanted, found) in [
            (json!({"a": 1}), json!({"a": 2})),
            (json!({"a": [1]}), json!({"a": [1, 2]})),
            (json!({"a": "x"}), json!({})),
            (json!({"cpu": "500m"}), json!({"cpu": "501m"})),
        ] {
            assert!(!holds(&wanted, &found), "{wanted} {found}");
        }
    }

    #[test]
    fn quantities_are_compared_by_value() {
        for (left, right) in [("2Gi", "2048Mi"), ("1000m", "1"), ("0.5", "500m")] {
            assert!(holds(&json!(left), &json!(right)), "{left} {right}");
        }
    }
}
