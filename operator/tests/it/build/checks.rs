//! What holds for every object that we build, whatever it was built from.

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::PodSpec};
use operator::build::{Object, ROLL_HASH};
use std::collections::{BTreeMap, BTreeSet};

use super::restricted::restricted;

/// Sentences on what is wrong with an object.
pub(crate) fn violations(object: &Object) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{} {}: {what}", object.kind(), object.name()));
        }
    };
    let metadata = object.metadata();
    check(is_label(object.name()) || object.kind() == "Topic", "the name is not a DNS label that starts with a letter");
    check(metadata.namespace.is_some(), "there is no namespace");
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let is_owned =
        matches!(owners, [owner] if owner.controller == Some(true) && owner.block_owner_deletion == Some(true) && !owner.uid.is_empty());
    check(is_owned == (object.kind() != "Topic"), "everything but a Topic has one owner, which controls it");
    let labels = metadata.labels.clone().unwrap_or_default();
    for key in ["name", "instance", "component", "managed-by", "part-of"] {
        check(labels.contains_key(&format!("app.kubernetes.io/{key}")), &format!("label {key} is missing"));
    }
    check(labels.keys().any(|key| key.starts_with("streamwright.dev/")), "no label says whose it is");
    check(are_labels(&labels), "a label is none");
    let text = serde_json::to_string(&object.to_value()).unwrap();
    check(!text.contains("PRIVATE KEY"), "it holds a private key");
    check(text.len() < 1 << 20, "it is larger than 1 MiB");
    check(object.to_value()["apiVersion"].is_string() && object.to_value()["kind"] == object.kind(), "it does not say what it is");
    if let Object::StatefulSet(set) = object {
        found.extend(of_set(set).into_iter().map(|what| format!("{}: {what}", object.name())));
    }
    found
}

fn of_set(set: &StatefulSet) -> Vec<String> {
    let mut found = Vec::new();
    let spec = set.spec.as_ref().expect("a spec");
    // Its pods carry `<name>-<ten letters>` as a label.
    if set.metadata.name.as_ref().expect("a name").len() > 52 {
        found.push("the name is too long for the revision label of its pods".to_owned());
    }
    let template = spec.template.metadata.as_ref().expect("metadata of pods");
    let labels = template.labels.clone().unwrap_or_default();
    if !are_labels(&labels) {
        found.push("a label of its pods is none".into());
    }
    let selector = spec.selector.match_labels.clone().unwrap_or_default();
    if selector.is_empty() || !selector.iter().all(|(key, value)| labels.get(key) == Some(value)) {
        found.push("the selector does not select its pods".into());
    }
    if template.annotations.as_ref().and_then(|all| all.get(ROLL_HASH)).is_none_or(|hash| hash.len() != 16) {
        found.push("its pods have no roll hash".into());
    }
    let pod = spec.template.spec.as_ref().expect("a pod");
    let claims = spec.volume_claim_templates.iter().flatten().filter_map(|claim| claim.metadata.name.clone()).collect();
    found.extend(restricted(pod));
    found.extend(mounts(pod, claims));
    found.extend(ports(pod));
    if pod.automount_service_account_token != Some(false) {
        found.push("a token is mounted".into());
    }
    let limits = |container: &k8s_openapi::api::core::v1::Container| {
        container.resources.as_ref().and_then(|resources| resources.limits.as_ref()).is_some_and(|limits| limits.contains_key("memory"))
    };
    if !pod.containers.iter().all(limits) {
        found.push("memory has no limit".into());
    }
    found
}

fn mounts(pod: &PodSpec, claims: BTreeSet<String>) -> Vec<String> {
    let mut volumes = claims;
    let mut found = Vec::new();
    for volume in pod.volumes.iter().flatten() {
        if !is_label(&volume.name) || !volumes.insert(volume.name.clone()) {
            found.push(format!("volume {} is twice there, or no name", volume.name));
        }
    }
    let mounts: Vec<_> = pod.containers.iter().flat_map(|container| container.volume_mounts.iter().flatten()).collect();
    let mounted: BTreeSet<_> = mounts.iter().map(|mount| mount.name.clone()).collect();
    if mounted != volumes {
        found.push(format!("volumes {volumes:?}, mounted {mounted:?}"));
    }
    for (outer, inner) in mounts.iter().flat_map(|outer| mounts.iter().map(move |inner| (outer, inner))) {
        if outer.name != inner.name && format!("{}/", inner.mount_path).starts_with(&format!("{}/", outer.mount_path)) {
            found.push(format!("{} is mounted inside {}, where no folder can be made", inner.mount_path, outer.mount_path));
        }
    }
    found
}

fn ports(pod: &PodSpec) -> Vec<String> {
    let ports: Vec<_> = pod.containers.iter().flat_map(|container| container.ports.iter().flatten()).collect();
    let names: BTreeSet<_> = ports.iter().filter_map(|port| port.name.clone()).collect();
    let numbers: BTreeSet<_> = ports.iter().map(|port| port.container_port).collect();
    let is_name = |name: &String| name.len() <= 15 && is_label(name);
    if names.len() == ports.len() && numbers.len() == ports.len() && names.iter().all(is_name) {
        Vec::new()
    } else {
        vec![format!("ports {names:?} {numbers:?} are not apart, or not named")]
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn are_labels(labels: &BTreeMap<String, String>) -> bool {
    let is_word = |text: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        text.len() <= 63
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    labels.iter().all(|(key, value)| {
        let (prefix, name) = key.split_once('/').unwrap_or(("x", key));
        is_word(name) && prefix.split('.').all(is_label) && (value.is_empty() || is_word(value))
    })
}
