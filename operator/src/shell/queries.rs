//! ConfigMaps that Pipelines take their query from: which there are is watched, what they say is fetched when it changed.

use control::ObjectRef;
use crds::{Kind, Pipeline};
use desired::Report;
use futures::future::BoxFuture;
use http::Request;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tokio::time::Instant;

use super::Ended;
use crate::{
    cache::Cache,
    plan::reference,
    resource::{Key, Resource},
};

/// How long a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A fetch that failed is tried again so much later.
const AGAIN: Duration = Duration::from_secs(2);

/// A fetch that ended.
pub(super) struct Fetched {
    name: ObjectRef,
    /// The ConfigMap; `None` where it could not be had.
    body: Option<Value>,
}

/// What was fetched.
#[derive(Default)]
pub(super) struct Queries {
    /// The version of each that was fetched.
    versions: HashMap<ObjectRef, u64>,
    /// What is being fetched, or failed and waits until then.
    under_way: BTreeMap<ObjectRef, Option<Instant>>,
    /// Pipelines whose query is not here yet.
    waiting: BTreeSet<ObjectRef>,
}

fn source(pipeline: &Pipeline) -> Option<ObjectRef> {
    let name = pipeline.spec.query_from.as_ref()?.config_map_key_ref.name.clone();
    Some(ObjectRef { namespace: reference(&pipeline.metadata).namespace, name })
}

impl Queries {
    /// Begins what must be fetched, and forgets what nobody names or is gone.
    pub(super) fn wanted(&mut self, cache: &mut Cache, client: &kube::Client) -> Vec<BoxFuture<'static, Ended>> {
        self.waiting.clear();
        let named: Vec<(ObjectRef, ObjectRef)> =
            cache.world.pipelines.iter().filter_map(|pipeline| Some((reference(&pipeline.metadata), source(pipeline)?))).collect();
        let kept: BTreeSet<&ObjectRef> = named.iter().map(|(_, source)| source).collect();
        let is_there =
            |name: &ObjectRef| cache.get(&Key::new(Resource::ConfigMap, &*name.namespace, &*name.name)).map(|found| found.version);
        let mut fetches = Vec::new();
        let now = Instant::now();
        let mut gone = Vec::new();
        for (pipeline, source) in &named {
            let Some(version) = is_there(source) else {
                gone.push(source.clone());
                continue;
            };
            if self.versions.get(source).is_some_and(|fetched| *fetched >= version) {
                continue;
            }
            self.waiting.insert(pipeline.clone());
            let may = self.under_way.get(source).is_none_or(|again| again.is_some_and(|at| at <= now));
            if may {
                self.under_way.insert(source.clone(), None);
                fetches.push(fetch(client.clone(), source.clone()));
            }
        }
        cache.world.config_maps.retain(|name, _| kept.contains(name) && !gone.contains(name));
        self.versions.retain(|name, _| kept.contains(name) && !gone.contains(name));
        fetches
    }

    pub(super) fn take(&mut self, fetched: Fetched, cache: &mut Cache) {
        let Some(body) = fetched.body else {
            self.under_way.insert(fetched.name, Some(Instant::now() + AGAIN));
            return;
        };
        self.under_way.remove(&fetched.name);
        let version = body.pointer("/metadata/resourceVersion").and_then(|version| version.as_str()?.parse().ok()).unwrap_or(0);
        let data = serde_json::from_value(body["data"].clone()).unwrap_or_default();
        self.versions.insert(fetched.name.clone(), version);
        cache.world.config_maps.insert(fetched.name, data);
    }

    /// Whether a report is of a Pipeline whose query is not here yet.
    pub(super) fn is_under_way(&self, report: &Report) -> bool {
        report.kind == Kind::Pipeline && self.waiting.contains(&report.object)
    }

    /// When a fetch that failed is tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.under_way.values().flatten().min().copied()
    }
}

fn fetch(client: kube::Client, name: ObjectRef) -> BoxFuture<'static, Ended> {
    Box::pin(async move {
        let path = Key::new(Resource::ConfigMap, &*name.namespace, &*name.name).path(None);
        let Ok(request) = Request::get(path).body(Vec::new()) else { return Ended::Fetched(Fetched { name, body: None }) };
        let body = tokio::time::timeout(TIMEOUT, client.request::<Value>(request)).await;
        Ended::Fetched(Fetched { name, body: body.ok().and_then(Result::ok) })
    })
}
