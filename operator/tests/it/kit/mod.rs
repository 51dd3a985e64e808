//! A world in a test: the fake API server, workers that do as they are told, and an operator that can be killed.

mod builder;
mod planner;
mod workers;

pub(crate) use builder::Plain;
pub(crate) use planner::Words;
pub(crate) use workers::Stub;

use control::ObjectRef;
use crds::{
    Condition, Kind,
    manifest::{self, DocumentKind},
};
use operator::{
    builder::Site,
    health::Health,
    lease::Leadership,
    resource::{Key, Resource},
    shell::{self, Parts},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinHandle};

use crate::fake::Fake;

/// So long nothing happens in a world that has come to rest: longer than every timeout and most of a backoff.
const REST: Duration = Duration::from_secs(100);
/// So long a world may take.
const LONGEST: Duration = Duration::from_secs(1500);

pub(crate) struct World {
    pub(crate) fake: Fake,
    pub(crate) workers: Stub,
    operator: Option<JoinHandle<()>>,
    /// How the operator is.
    pub(crate) health: Arc<Health>,
    /// The version of operators that are started.
    pub(crate) version: String,
    /// Operators that were started.
    pub(crate) lives: usize,
}

impl World {
    /// An empty world with an operator in it.
    pub(crate) fn new() -> Self {
        let fake = Fake::new();
        for namespace in ["default", "other"] {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            fake.user(|store| store.create(&Key::new(Resource::Namespace, "", namespace), body)).unwrap();
        }
        let workers = Stub::new(fake.clone());
        let mut world = Self { workers, fake, operator: None, health: Arc::default(), version: "0.1.0".into(), lives: 0 };
        world.start();
        world
    }

    /// A new operator takes over: what the one before had in memory is gone.
    pub(crate) fn start(&mut self) {
        self.stop();
        self.lives += 1;
        self.health = Arc::default();
        let parts = Parts {
            client: self.fake.client(),
            site: Site { image: "streamwright".into(), version: self.version.clone(), namespace: "system".into() },
            namespaces: Vec::new(),
            instance: "operator-0".into(),
            builder: Arc::new(Plain),
            workers: Arc::new(self.workers.clone()),
            control_tls: None,
            planner: Arc::new(Words),
            planned: Arc::new(Notify::new()),
            health: self.health.clone(),
            leadership: Leadership::alone(),
        };
        self.operator = Some(tokio::spawn(shell::run(parts)));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.abort();
        }
    }

    /// `kubectl apply`.
    pub(crate) fn apply(&self, manifests: &str) {
        for document in manifest::read(manifests) {
            let document = document.unwrap();
            let mut body = document.object;
            let resource = match document.kind {
                DocumentKind::Ours(kind) => Resource::of_kind(kind),
                DocumentKind::ConfigMap => Resource::ConfigMap,
                other => panic!("{other:?}"),
            };
            let namespace = body["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
            body["metadata"]["namespace"] = json!(namespace);
            let key = Key::new(resource, namespace, body["metadata"]["name"].as_str().unwrap());
            self.fake.user(|store| store.apply(&key, None, "kubectl", &body)).unwrap();
        }
    }

    /// `kubectl delete`.
    pub(crate) fn delete(&self, kind: Kind, name: &str) {
        let key = Key::ours(kind, &object(name));
        self.fake.user(|store| store.delete(&key, None, false)).unwrap();
    }

    /// `kubectl annotate`.
    pub(crate) fn annotate(&self, kind: Kind, name: &str, annotation: &str, value: Value) {
        let key = Key::ours(kind, &object(name));
        self.fake.user(|store| store.patch(&key, &json!({"metadata": {"annotations": {annotation: value}}}))).unwrap();
    }

    /// Waits until nothing is written and no worker told anything for a while; an operator that dies meanwhile is followed by another.
    pub(crate) async fn rest(&mut self) {
        let started = tokio::time::Instant::now();
        let mut before = (usize::MAX, 0);
        loop {
            let death = self.fake.death.clone();
            tokio::select! {
                () = death.notified() => self.start(),
                () = tokio::time::sleep(REST) => {
                    let now = (self.fake.state().calls.iter().filter(|call| call.is_write()).count(), self.workers.words());
                    if now == before {
                        return;
                    }
                    before = now;
                    assert!(now.0 < 2000, "the world writes without end: {:#?}", self.last_writes());
                }
            }
            if self.operator.as_ref().is_none_or(JoinHandle::is_finished) {
                panic!("the operator ended");
            }
            assert!(started.elapsed() < LONGEST, "the world does not come to rest: {:#?}", self.last_writes());
        }
    }

    pub(crate) fn last_writes(&self) -> Vec<String> {
        let state = self.fake.state();
        let writes = state.calls.iter().filter(|call| call.is_write()).rev().take(12);
        writes.map(|call| format!("{} {} {}", call.method, call.path, call.body)).collect()
    }

    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        self.fake.user(|store| store.get(&Key::ours(kind, &object(name))).ok().cloned())
    }

    pub(crate) fn condition(&self, kind: Kind, name: &str, condition: &str) -> Option<Condition> {
        let body = self.get(kind, name).unwrap_or_else(|| panic!("{kind} {name} is not there"));
        let conditions: Vec<Condition> = serde_json::from_value(body["status"]["conditions"].clone()).unwrap();
        conditions.into_iter().find(|one| one.condition_type == condition)
    }

    /// `True/Available` of a condition that speaks of the present generation; what it says where it is older.
    pub(crate) fn says(&self, kind: Kind, name: &str, condition: &str) -> String {
        let body = self.get(kind, name).unwrap_or_else(|| panic!("{kind} {name} is not there"));
        let Some(found) = self.condition(kind, name, condition) else { return "absent".into() };
        let old = if found.observed_generation == body["metadata"]["generation"].as_i64() { "" } else { " (of an older generation)" };
        format!("{:?}/{}{old}", found.status, found.reason)
    }

    pub(crate) fn ready(&self, kind: Kind, name: &str) -> String {
        self.says(kind, name, "Ready")
    }

    /// Objects of a resource, by name.
    pub(crate) fn names(&self, resource: Resource) -> Vec<String> {
        self.fake.user(|store| store.objects.keys().filter(|key| key.resource == resource).map(|key| key.name.clone()).collect())
    }

    /// What Events say, in order.
    pub(crate) fn events(&self) -> Vec<String> {
        let state = self.fake.state();
        let events = state.calls.iter().filter(|call| call.body["kind"] == "Event" && call.is_write());
        events.map(|call| format!("{}: {}", call.body["reason"].as_str().unwrap(), call.body["note"].as_str().unwrap())).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn object(name: &str) -> ObjectRef {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    ObjectRef { namespace: namespace.into(), name: name.into() }
}
