//! Building what Clusters and Pipelines shall have, anew only where what it rests on has changed.

use control::ObjectRef;
use crds::{Cluster, Kind, Pipeline};
use desired::{AppliedPipeline, Deployment};
use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::Parts;
use crate::{
    apply::Attempts,
    builder::{Built, ClusterInput, PipelineInput, Site, Surroundings},
    cache::{Cache, NodeFact},
    object::Object,
    plan::{
        deployment::{self, Pods},
        owned::{self, Difference, Settled},
        reference,
    },
    resource::{Key, Resource},
    workers::Address,
};

/// What was built, by what it rests on.
#[derive(Default)]
pub(super) struct Builds {
    known: HashMap<Id, Known>,
}

/// What one was built, and from what.
struct Known {
    hash: u64,
    built: Arc<Built>,
    /// Nothing of it was missing: its objects are as they shall be, and forgotten. They are built anew when anything of them changes.
    is_clean: bool,
}

type Id = (Kind, ObjectRef);

/// What there is of volumes, by what they serve.
type Claims<'a> = HashMap<(Kind, ObjectRef), Vec<&'a Object>>;

impl Builds {
    /// What every Cluster and every Pipeline with a record shall have.
    pub(super) fn all(
        &mut self,
        cache: &Cache,
        parts: &Parts,
        records: &BTreeMap<ObjectRef, AppliedPipeline>,
        pods: &Pods<'_>,
        authorities: &str,
    ) -> BTreeMap<(Kind, ObjectRef), Arc<Built>> {
        let world = &cache.world;
        let nodes: BTreeMap<&String, &NodeFact> = cache.nodes().collect();
        let nodes_hash = hashed(|hasher| format!("{nodes:?}").hash(hasher));
        let claims = claims(cache);
        let mut before = std::mem::take(&mut self.known);
        let mut all = BTreeMap::new();
        let clusters: HashMap<ObjectRef, &Cluster> = world.clusters.iter().map(|cluster| (reference(&cluster.metadata), cluster)).collect();
        let now = crds::Timestamp::now();
        // Certificates age by the hour.
        let hour = now.as_second() / 3600;
        let around = |kind: Kind, name: &ObjectRef| -> Option<(u64, Vec<&Object>)> {
            let object = cache.get(&Key::ours(kind, name))?;
            let id = (kind, name.clone());
            let mut objects: Vec<&Object> = cache.owned(&object.uid).collect();
            objects.extend(claims.get(&id).into_iter().flatten());
            let hash = hashed(|hasher| {
                (object.version, nodes_hash, hour, authorities).hash(hasher);
                objects.iter().for_each(|object| (&object.uid, object.version).hash(hasher));
                for (key, fact) in pods.get(&id).into_iter().flatten() {
                    format!("{key} {fact:?}").hash(hasher);
                    // One that should be gone becomes overdue by the clock alone.
                    fact.deleted_by.map(|_| now.as_second() / 10).hash(hasher);
                }
            });
            Some((hash, objects))
        };
        for cluster in world.clusters.iter().filter(|cluster| cluster.metadata.deletion_timestamp.is_none()) {
            let name = reference(&cluster.metadata);
            let Some((hash, objects)) = around(Kind::Cluster, &name) else { continue };
            let broker = world.brokers.get(&name);
            let hash = hashed(|hasher| (hash, broker.map(|broker| (broker.broker, broker.incarnation, broker.ready))).hash(hasher));
            let id = (Kind::Cluster, name);
            let known = reuse(&mut before, &id, hash, || {
                let version = version_of_cluster(cluster, &parts.site);
                let pods = pods.get(&id).into_iter().flatten().copied().collect();
                let around = Surroundings { site: &parts.site, version, now, objects, pods, nodes: &nodes, authorities };
                parts.builder.cluster(&ClusterInput { cluster, broker, around })
            });
            all.insert(id.clone(), known.built.clone());
            self.known.insert(id, known);
        }
        for pipeline in &world.pipelines {
            let name = reference(&pipeline.metadata);
            let Some((record, cluster)) = records.get(&name).and_then(|record| Some((record, *clusters.get(&record.cluster)?))) else {
                continue;
            };
            let Some((hash, objects)) = around(Kind::Pipeline, &name) else { continue };
            let is_finished = pipeline.status.as_ref().is_some_and(|status| desired::is_finished(status, pipeline.metadata.generation));
            let cluster_version = cache.get(&Key::ours(Kind::Cluster, &record.cluster)).map(|object| object.version);
            let hash =
                hashed(|hasher| (hash, record.desired.generation, &record.desired.plan_hash, is_finished, cluster_version).hash(hasher));
            let id = (Kind::Pipeline, name);
            let known = reuse(&mut before, &id, hash, || {
                let version = version_of_pipeline(pipeline, &parts.site);
                let pods = pods.get(&id).into_iter().flatten().copied().collect();
                let around = Surroundings { site: &parts.site, version, now, objects, pods, nodes: &nodes, authorities };
                parts.builder.pipeline(&PipelineInput { pipeline, desired: &record.desired, cluster, is_finished, around })
            });
            all.insert(id.clone(), known.built.clone());
            self.known.insert(id, known);
        }
        all
    }

    /// What each is missing; looked for only where something has changed since nothing was.
    pub(super) fn differences(&mut self, cache: &Cache, settled: &Settled) -> BTreeMap<Id, Difference> {
        let mut differences = BTreeMap::new();
        for (id, known) in self.known.iter_mut().filter(|(_, known)| !known.is_clean) {
            let key = Key::ours(id.0, &id.1);
            let Some(object) = cache.get(&key) else { continue };
            let difference = owned::difference(&key, &object.uid, &known.built, cache, settled);
            if difference.writes.is_empty() && difference.conflict.is_none() {
                // Most of the memory of a thousand Pipelines.
                *known = Known { built: Arc::new(known.built.without_objects()), is_clean: true, ..*known };
            } else {
                differences.insert(id.clone(), difference);
            }
        }
        differences
    }

    /// What Kubernetes says of each Cluster and Pipeline.
    pub(super) fn deployments(
        &self,
        cache: &Cache,
        site: &Site,
        differences: &BTreeMap<Id, Difference>,
        pods: &Pods<'_>,
        attempts: &Attempts,
    ) -> BTreeMap<Id, Deployment> {
        let one = |kind: Kind, name: ObjectRef, version: &str| {
            let (key, id) = (Key::ours(kind, &name), (kind, name));
            let pods = pods.get(&id).map(Vec::as_slice).unwrap_or_default();
            let built = self.known.get(&id).map(|known| &*known.built);
            let conflict = differences.get(&id).and_then(|difference| difference.conflict.clone());
            let deployment = deployment::deployment(version, built, pods, conflict, attempts.trouble(&key));
            (id, deployment)
        };
        let clusters = cache.world.clusters.iter();
        let clusters = clusters.map(|cluster| one(Kind::Cluster, reference(&cluster.metadata), version_of_cluster(cluster, site)));
        let pipelines = cache.world.pipelines.iter();
        let pipelines = pipelines.map(|pipeline| one(Kind::Pipeline, reference(&pipeline.metadata), version_of_pipeline(pipeline, site)));
        clusters.chain(pipelines).collect()
    }

    /// Where workers are found.
    pub(super) fn addresses(&self, built: &BTreeMap<(Kind, ObjectRef), Arc<Built>>) -> BTreeMap<(Kind, ObjectRef), Address> {
        let address = |(id, built): (&(Kind, ObjectRef), &Arc<Built>)| {
            let (address, server_name) = built.worker.clone()?;
            Some((id.clone(), Address { address, server_name }))
        };
        built.iter().filter_map(address).collect()
    }
}

fn version_of_cluster<'a>(cluster: &'a Cluster, site: &'a Site) -> &'a str {
    let recorded = cluster.status.as_ref().and_then(|status| status.version.as_ref());
    deployment::version(cluster.spec.version.as_ref(), recorded, &site.version)
}

fn version_of_pipeline<'a>(pipeline: &'a Pipeline, site: &'a Site) -> &'a str {
    let recorded = pipeline.status.as_ref().and_then(|status| status.version.as_ref());
    deployment::version(pipeline.spec.version.as_ref(), recorded, &site.version)
}

fn claims(cache: &Cache) -> Claims<'_> {
    let mut claims = Claims::new();
    for claim in cache.all(Resource::PersistentVolumeClaim) {
        for (kind, label) in [(Kind::Cluster, "streamwright.dev/cluster"), (Kind::Pipeline, "streamwright.dev/pipeline")] {
            if let Some(name) = claim.labels.get(label) {
                let object = ObjectRef { namespace: claim.key.namespace.clone(), name: name.clone() };
                claims.entry((kind, object)).or_default().push(claim);
            }
        }
    }
    claims
}

fn reuse(before: &mut HashMap<Id, Known>, id: &Id, hash: u64, build: impl FnOnce() -> Built) -> Known {
    match before.remove(id) {
        Some(known) if known.hash == hash => known,
        _ => Known { hash, built: Arc::new(build()), is_clean: false },
    }
}

fn hashed(feed: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed(&mut hasher);
    hasher.finish()
}
