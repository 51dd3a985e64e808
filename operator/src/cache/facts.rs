//! What matters of pods, nodes and namespaces, read once when they change.

use crds::Kind;
use serde_json::Value;

use crate::object::Object;

/// A pod of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFact {
    /// Its identity.
    pub uid: String,
    /// The Cluster or Pipeline of its namespace that it serves, by its label.
    pub serves: Option<(Kind, String)>,
    /// Where it runs; empty before it is scheduled.
    pub node: String,
    /// Whether Kubernetes calls it ready.
    pub is_ready: bool,
    /// Whether it is on its way out.
    pub is_deleted: bool,
    /// When it shall be gone at the latest, where it is on its way out.
    pub deleted_by: Option<crds::Timestamp>,
    /// Its annotation of this name, by which pods that must be replaced are told: [`crate::build::ROLL_HASH`].
    pub roll_hash: Option<String>,
    /// Whether it has ended, well or not.
    pub has_ended: bool,
    /// The address of its node, once it has one.
    pub host_address: Option<String>,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// Why it does not come up, in a sentence: of the scheduler, the image, or how its program ended last.
    pub problem: Option<String>,
}

impl PodFact {
    pub(crate) fn read(object: &Object) -> Self {
        let body = object.body();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let phase = text("/status/phase");
        let is_ready = condition(&body, "Ready") == Some("True");
        Self {
            uid: object.uid.clone(),
            serves: serves(object),
            node: text("/spec/nodeName"),
            is_ready,
            is_deleted: object.is_deleted,
            deleted_by: text("/metadata/deletionTimestamp").parse().ok(),
            roll_hash: object.annotations.get(crate::build::ROLL_HASH).cloned(),
            has_ended: phase == "Succeeded" || phase == "Failed",
            host_address: Some(text("/status/hostIP")).filter(|address| !address.is_empty()),
            address: Some(text("/status/podIP")).filter(|address| !address.is_empty()),
            problem: if is_ready { None } else { problem(&object.key.name, &body) },
        }
    }
}

fn serves(object: &Object) -> Option<(Kind, String)> {
    let label = |kind: Kind, name: &str| object.labels.get(name).map(|value| (kind, value.clone()));
    label(Kind::Cluster, "streamwright.dev/cluster").or_else(|| label(Kind::Pipeline, "streamwright.dev/pipeline"))
}

/// Why a pod does not come up.
fn problem(name: &str, body: &Value) -> Option<String> {
    let conditions = body.pointer("/status/conditions").and_then(Value::as_array);
    let is_unscheduled = |one: &&Value| one["type"] == "PodScheduled" && one["status"] == "False";
    if let Some(unscheduled) = conditions.and_then(|all| all.iter().find(is_unscheduled)) {
        return Some(format!(
            "pod {name} finds no node: {}",
            shortened(unscheduled["message"].as_str().unwrap_or("the scheduler does not say why"))
        ));
    }
    let containers = body.pointer("/status/containerStatuses").and_then(Value::as_array)?;
    containers.iter().find_map(|container| {
        let waiting = container.pointer("/state/waiting/reason").and_then(Value::as_str);
        let ended = container.pointer("/lastState/terminated").or_else(|| container.pointer("/state/terminated"));
        let why = ended.map(|ended| {
            let reason = ended["reason"].as_str().unwrap_or("it ended");
            let message = ended["message"].as_str().map(|message| format!(": {}", shortened(message))).unwrap_or_default();
            format!("its program ended with {reason}, exit code {}{message}", ended["exitCode"].as_i64().unwrap_or(-1))
        });
        match (waiting, why) {
            (Some("ContainerCreating" | "PodInitializing"), None) => None,
            (Some("CrashLoopBackOff"), Some(why)) | (None, Some(why)) => Some(format!("pod {name} does not stay up: {why}")),
            (Some(reason), _) => {
                let message = container.pointer("/state/waiting/message").and_then(Value::as_str).unwrap_or_default();
                Some(format!("pod {name} cannot start: {reason} {}", shortened(message)).trim_end().to_owned())
            }
            (None, None) => None,
        }
    })
}

/// The first line, at most 300 letters.
fn shortened(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFact {
    /// Whether Kubernetes calls it ready; a node that it has not heard of for its grace period is not.
    pub is_ready: bool,
    /// Its addresses: type and address.
    pub addresses: Vec<(String, String)>,
}

impl NodeFact {
    pub(crate) fn read(object: &Object) -> Self {
        let body = object.body();
        let addresses = body.pointer("/status/addresses").and_then(Value::as_array).into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            is_ready: condition(&body, "Ready") == Some("True"),
            addresses: addresses.map(|one| (text(&one["type"]), text(&one["address"]))).collect(),
        }
    }
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceFact {
    /// Whether it is on its way out.
    pub is_terminating: bool,
}

impl NamespaceFact {
    pub(crate) fn read(object: &Object) -> Self {
        Self { is_terminating: object.is_deleted }
    }
}

fn condition<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    let conditions = body.pointer("/status/conditions").and_then(Value::as_array)?;
    conditions.iter().find(|one| one["type"] == name).and_then(|one| one["status"].as_str())
}
