//! The objects of the fake server, their versions, and what happened to them; with a StatefulSet controller and a garbage collector that act
//! at once.

use crds::{Kind, admission};
use operator::resource::{Key, Resource};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::apply::{self, Managers};

#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) body: Value,
    managers: Managers,
}

/// Something that happened, for watches.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) version: u64,
    pub(crate) what: &'static str,
    pub(crate) key: Key,
    pub(crate) body: Value,
}

/// An answer that is no success: code and message.
pub(crate) type Refusal = (u16, String);

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) version: u64,
    births: u64,
    pub(crate) objects: BTreeMap<Key, Stored>,
    pub(crate) log: Vec<Happened>,
    /// Objects deleted for good, by uid: never twice.
    pub(crate) deaths: Vec<(Key, String)>,
}

fn conflict(message: &str) -> Refusal {
    (409, message.into())
}

impl Store {
    pub(crate) fn get(&self, key: &Key) -> Result<&Value, Refusal> {
        self.objects.get(key).map(|stored| &stored.body).ok_or_else(|| (404, format!("{key} not found")))
    }

    /// An object that was changed by hand is seen by watches.
    pub(crate) fn touch(&mut self, key: &Key) {
        self.version += 1;
        let body = {
            let stored = self.objects.get_mut(key).unwrap();
            stored.body["metadata"]["resourceVersion"] = json!(self.version.to_string());
            stored.body.clone()
        };
        self.tell("MODIFIED", key, &body);
    }

    fn tell(&mut self, what: &'static str, key: &Key, body: &Value) {
        self.log.push(Happened { version: self.version, what, key: key.clone(), body: body.clone() });
    }

    /// Keeps what is new; an object that says what it said keeps its version.
    fn keep(&mut self, key: &Key, mut body: Value, managers: Managers) -> Value {
        let before = self.objects.get(key).cloned();
        if let Some(before) = &before {
            body["metadata"]["resourceVersion"] = before.body["metadata"]["resourceVersion"].clone();
            if before.body == body {
                self.objects.insert(key.clone(), Stored { body: body.clone(), managers });
                return body;
            }
            let generation = before.body["metadata"]["generation"].as_i64().unwrap_or(1);
            body["metadata"]["generation"] = json!(generation + i64::from(before.body["spec"] != body["spec"]));
        }
        self.version += 1;
        body["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let is_over =
            body["metadata"]["deletionTimestamp"].is_string() && body["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        if is_over {
            self.bury(key, &body);
            return body;
        }
        self.objects.insert(key.clone(), Stored { body: body.clone(), managers });
        self.tell(if before.is_some() { "MODIFIED" } else { "ADDED" }, key, &body);
        self.controllers();
        self.objects.get(key).map_or(body, |stored| stored.body.clone())
    }

    fn bury(&mut self, key: &Key, body: &Value) {
        self.objects.remove(key);
        self.deaths.push((key.clone(), body["metadata"]["uid"].as_str().unwrap_or_default().into()));
        self.tell("DELETED", key, body);
        self.collect();
    }

    /// Objects whose controller is gone go.
    fn collect(&mut self) {
        let uids: Vec<Value> = self.objects.values().map(|stored| stored.body["metadata"]["uid"].clone()).collect();
        let is_orphan = |stored: &Stored| {
            let owners = stored.body["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| !owners.is_empty() && owners.iter().all(|owner| !uids.contains(&owner["uid"])))
        };
        let orphans: Vec<Key> = self.objects.iter().filter(|(_, stored)| is_orphan(stored)).map(|(key, _)| key.clone()).collect();
        for key in orphans {
            let _ = self.delete(&key, None, false);
        }
    }

    fn born(&mut self, key: &Key, mut body: Value) -> Result<Value, Refusal> {
        if key.resource.is_namespaced() && key.resource != Resource::Event {
            let namespace = Key::new(Resource::Namespace, "", key.namespace.clone());
            let is_leaving = self.objects.get(&namespace).is_some_and(|stored| stored.body["metadata"]["deletionTimestamp"].is_string());
            if is_leaving {
                return Err((403, format!("namespace {} is being terminated", key.namespace)));
            }
        }
        self.births += 1;
        body["metadata"]["uid"] = json!(format!("{:08x}-0000-4000-8000-000000000000", self.births));
        body["metadata"]["generation"] = json!(1);
        body["metadata"]["creationTimestamp"] =
            json!(format!("2026-01-01T{:02}:{:02}:{:02}Z", self.births / 3600 % 24, self.births / 60 % 60, self.births % 60));
        Ok(body)
    }

    fn admit(kind: Option<Kind>, body: Value, old: Option<&Value>) -> Result<Value, Refusal> {
        let Some(kind) = kind else { return Ok(body) };
        admission::admit(kind, body, old).map_err(|found| (422, found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
    }

    pub(crate) fn create(&mut self, key: &Key, body: Value) -> Result<Value, Refusal> {
        if self.objects.contains_key(key) {
            return Err(conflict("already exists"));
        }
        let body = self.born(key, body)?;
        let body = Self::admit(key.resource.ours(), body, None)?;
        Ok(self.keep(key, body, Managers::new()))
    }

    pub(crate) fn replace(&mut self, key: &Key, mut body: Value) -> Result<Value, Refusal> {
        let before = self.objects.get(key).cloned().ok_or_else(|| (404, format!("{key} not found")))?;
        check(&before.body, &body)?;
        for field in ["uid", "creationTimestamp", "deletionTimestamp"] {
            if !before.body["metadata"][field].is_null() {
                body["metadata"][field] = before.body["metadata"][field].clone();
            }
        }
        body["metadata"]["generation"] = before.body["metadata"]["generation"].clone();
        let body = Self::admit(key.resource.ours(), body, Some(&before.body))?;
        Ok(self.keep(key, body, before.managers))
    }

    pub(crate) fn patch(&mut self, key: &Key, patch: &Value) -> Result<Value, Refusal> {
        let before = self.objects.get(key).cloned().ok_or_else(|| (404, format!("{key} not found")))?;
        check(&before.body, patch)?;
        let mut body = before.body.clone();
        apply::merge_patch(&mut body, patch);
        let body = Self::admit(key.resource.ours(), body, Some(&before.body))?;
        Ok(self.keep(key, body, before.managers))
    }

    pub(crate) fn apply(&mut self, key: &Key, subresource: Option<&str>, manager: &str, config: &Value) -> Result<Value, Refusal> {
        let manager = format!("{manager}/{}", subresource.unwrap_or_default());
        let Some(before) = self.objects.get(key).cloned() else {
            if subresource.is_some() {
                return Err((404, format!("{key} not found")));
            }
            if config["metadata"]["uid"].is_string() || config["metadata"]["resourceVersion"].is_string() {
                return Err(conflict("uid mismatch: the provided object specified a uid, and no existing object was found"));
            }
            let body = self.born(key, config.clone())?;
            let body = Self::admit(key.resource.ours(), body, None)?;
            return Ok(self.keep(key, body, Managers::from([(manager, config.clone())])));
        };
        check(&before.body, config)?;
        let mut config = config.clone();
        if let Some(metadata) = config["metadata"].as_object_mut() {
            metadata.remove("uid");
            metadata.remove("resourceVersion");
        }
        let mut managers = before.managers;
        let body = if subresource == Some("status") {
            let mut body = before.body.clone();
            let status = json!({"status": config["status"]});
            body["status"] = apply::apply(&json!({"status": body["status"]}), &mut managers, &manager, &status)["status"].clone();
            body
        } else {
            let body = apply::apply(&before.body, &mut managers, &manager, &config);
            Self::admit(key.resource.ours(), body, Some(&before.body))?
        };
        Ok(self.keep(key, body, managers))
    }

    pub(crate) fn delete(&mut self, key: &Key, uid: Option<&str>, keeps_children: bool) -> Result<Value, Refusal> {
        let before = self.objects.get(key).cloned().ok_or_else(|| (404, format!("{key} not found")))?;
        if uid.is_some_and(|uid| before.body["metadata"]["uid"] != uid) {
            return Err(conflict("the UID in the precondition does not match"));
        }
        if keeps_children {
            let uid = before.body["metadata"]["uid"].clone();
            for stored in self.objects.values_mut() {
                if let Some(owners) = stored.body["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|owner| owner["uid"] != uid);
                }
            }
        }
        let mut body = before.body;
        if body["metadata"]["deletionTimestamp"].is_null() {
            body["metadata"]["deletionTimestamp"] = json!("2026-01-02T00:00:00Z");
        }
        Ok(self.keep(key, body, before.managers))
    }

    /// StatefulSets have their pods at once, and those are ready.
    fn controllers(&mut self) {
        let sets: Vec<(Key, Value)> = self
            .objects
            .iter()
            .filter(|(key, _)| key.resource == Resource::StatefulSet)
            .map(|(key, stored)| (key.clone(), stored.body.clone()))
            .collect();
        for (set, body) in sets {
            let wanted = body["spec"]["replicas"].as_u64().unwrap_or(1);
            let pod = Key::new(Resource::Pod, set.namespace.clone(), format!("{}-0", set.name));
            let has = self.objects.contains_key(&pod);
            if wanted == 0 && has {
                let _ = self.delete(&pod, None, false);
            } else if wanted > 0 && !has && body["metadata"]["deletionTimestamp"].is_null() {
                let _ = self.create(&pod, pod_of(&pod, &set, &body));
            }
        }
    }
}

fn pod_of(pod: &Key, set: &Key, body: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "namespace": pod.namespace,
            "labels": body["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": set.name, "uid": body["metadata"]["uid"], "controller": true}],
        },
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// What a request is held to.
fn check(found: &Value, wanted: &Value) -> Result<(), Refusal> {
    for field in ["uid", "resourceVersion"] {
        let asked = &wanted["metadata"][field];
        if asked.is_string() && *asked != found["metadata"][field] {
            return Err(conflict(&format!("{field}: the object has been modified; please apply your changes to the latest version")));
        }
    }
    Ok(())
}
