//! What differs between the objects that a Cluster or a Pipeline shall have, and those that it has.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

use super::record;
use crate::{
    builder::{Built, Step, Wanted},
    cache::Cache,
    note::Note,
    object::{APPLIED, MANAGED_BY, Object, holds},
    resource::{Key, Resource},
    write::{Write, manager},
};

/// What the API server answered to the last apply of each object: its version then, and the hash of what was applied. As long as the object
/// has that version nobody changed it, however the server spells what we said.
pub type Settled = HashMap<Key, (u64, String)>;

/// What is to be written for one owner, and what stands in the way.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// In order.
    pub writes: Vec<Write>,
    /// Somebody else's object has a name that is needed.
    pub conflict: Option<String>,
}

/// Applies in build's order, then prunes, then one step.
#[must_use]
pub fn difference(owner: &Key, uid: &str, built: &Built, cache: &Cache, settled: &Settled) -> Difference {
    let mut difference = Difference::default();
    for wanted in &built.objects {
        match cache.get(&wanted.key) {
            Some(found) if found.is_deleted => {}
            Some(found) if is_others(wanted, found, uid) => {
                let message = format!("{} is there and does not belong to this {}: rename or delete it", wanted.key, owner.resource.kind());
                difference.conflict.get_or_insert(message);
            }
            found => difference.writes.extend(apply(wanted, found, settled)),
        }
    }
    if difference.conflict.is_some() {
        difference.writes.clear();
        return difference;
    }
    let kept: HashSet<&Key> = built.objects.iter().map(|wanted| &wanted.key).chain(&built.kept).collect();
    let is_ours = |object: &&Object| object.labels.get(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1);
    let surplus = cache.owned(uid).filter(is_ours).filter(|object| {
        Resource::OWNED.contains(&object.key.resource) && !kept.contains(&object.key) && !object.is_deleted && !record::is_record(object)
    });
    difference.writes.extend(surplus.map(|object| Write::Delete {
        key: object.key.clone(),
        uid: object.uid.clone(),
        keeps_children: false,
        is_forced: false,
    }));
    if difference.writes.is_empty() {
        difference.writes = built.steps.first().map(|next| step(owner, uid, next)).unwrap_or_default();
    }
    difference
}

/// An object of the name that another one controls, or nobody of ours.
fn is_others(wanted: &Wanted, found: &Object, uid: &str) -> bool {
    let has_owner = wanted.body.pointer("/metadata/ownerReferences/0").is_some();
    has_owner && found.owner.as_deref() != Some(uid)
}

fn apply(wanted: &Wanted, found: Option<&Object>, settled: &Settled) -> Option<Write> {
    let hash = hash(&wanted.body);
    if let Some(found) = found {
        let is_settled = settled.get(&wanted.key).is_some_and(|(version, of)| *version == found.version && *of == hash);
        let says_so = found.annotations.get(APPLIED) == Some(&hash);
        if is_settled || (says_so && holds(&wanted.body, &found.body())) {
            return None;
        }
    }
    let mut body = wanted.body.clone();
    body["metadata"]["annotations"][APPLIED] = json!(hash);
    Some(Write::Apply { key: wanted.key.clone(), subresource: None, manager: manager::OBJECTS, body })
}

/// The first 16 hex of SHA-256 of an object's text.
fn hash(body: &Value) -> String {
    Sha256::digest(body.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The hash that an applied object carries.
pub(crate) fn hash_of(body: &Value) -> Option<String> {
    body.pointer("/metadata/annotations")?.get(APPLIED)?.as_str().map(str::to_owned)
}

fn step(owner: &Key, uid: &str, step: &Step) -> Vec<Write> {
    let tell = |reason: &str, action: &'static str, message: String| {
        Write::Tell(Note { about: owner.clone(), uid: uid.into(), is_warning: false, reason: reason.into(), action, message })
    };
    match step {
        Step::DeletePod { pod, uid, is_forced, why } => vec![
            Write::Delete { key: pod.clone(), uid: uid.clone(), keeps_children: false, is_forced: *is_forced },
            tell("PodReplaced", "Delete", format!("deleted pod {}: {why}", pod.name)),
        ],
        Step::GrowClaim { claim, version, size } => vec![
            Write::Patch {
                key: claim.clone(),
                manager: manager::OBJECTS,
                body: json!({
                    "metadata": {"resourceVersion": version.to_string()},
                    "spec": {"resources": {"requests": {"storage": size}}},
                }),
            },
            tell("VolumeGrown", "Resize", format!("asked for {size} for volume claim {}: spec.storage.size", claim.name)),
        ],
        Step::OrphanStatefulSet { key, uid, why } => vec![
            Write::Delete { key: key.clone(), uid: uid.clone(), keeps_children: true, is_forced: false },
            tell("StatefulSetRemade", "Replace", format!("makes StatefulSet {} anew around its pods: {why}", key.name)),
        ],
    }
}
