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
    cache::{Cache, NodeFact, PodFact},
    object::Object,
    plan::{
        deployment::{self, Pods},
        may_make_cluster, may_make_pipeline,
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

/// What one was built, and from what. Its objects are forgotten once they were compared with what there is: they are most of the memory of a
/// thousand Pipelines.
struct Known {
    hash: u64,
    built: Arc<Built>,
    standing: Standing,
}

/// What came of comparing the objects with what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing is missing: they are built anew when anything of them changes.
    Clean,
    /// Something is: they are built anew when there is room to write it.
    Missing,
    /// Somebody else's object has a name that is needed: they are looked at each time.
    InConflict(String),
}

/// What may be written now.
pub(super) struct Room<'a> {
    /// So many requests.
    pub(super) requests: usize,
    /// Whether an object's turn has come: nothing of it is under way, nor backs off.
    pub(super) may_begin: &'a dyn Fn(&Key) -> bool,
}

/// What Clusters and Pipelines shall have, as far as it matters now.
#[derive(Default)]
pub(super) struct Looked {
    /// All of it but the objects.
    pub(super) built: BTreeMap<Id, Arc<Built>>,
    /// What is to be written, as far as there is room.
    pub(super) differences: BTreeMap<Id, Difference>,
    /// Those of which something is missing, and that wait for room.
    pub(super) postponed: Vec<Key>,
}

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) cache: &'a Cache,
    pub(super) parts: &'a Parts,
    pub(super) records: &'a BTreeMap<ObjectRef, AppliedPipeline>,
    pub(super) authorities: &'a str,
    pub(super) settled: &'a Settled,
}

type Id = (Kind, ObjectRef);

/// What there is of volumes, by what they serve.
type Claims<'a> = HashMap<(Kind, ObjectRef), Vec<&'a Object>>;

impl Builds {
    /// Builds what every Cluster and every Pipeline with a record shall have, where that may have changed, and compares it with what there is.
    pub(super) fn look(&mut self, view: &View<'_>, pods: &Pods<'_>, mut room: Room<'_>) -> Looked {
        let View { cache, parts, records, authorities, settled: _ } = *view;
        let world = &cache.world;
        let nodes: BTreeMap<&String, &NodeFact> = cache.nodes().collect();
        let nodes_hash = hashed(|hasher| format!("{nodes:?}").hash(hasher));
        let claims = claims(cache);
        let mut before = std::mem::take(&mut self.known);
        let mut looked = Looked::default();
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
            let may_make = may_make_cluster(cache, cluster);
            let known = compare(before.remove(&id), (&id, hash), (view, may_make), (&mut room, &mut looked), || {
                let version = version_of_cluster(cluster, &parts.site);
                let pods = pods.get(&id).into_iter().flatten().copied().collect();
                let around = Surroundings { site: &parts.site, version, now, objects, pods, nodes: &nodes, authorities };
                parts.builder.cluster(&ClusterInput { cluster, broker, around })
            });
            self.known.insert(id, known);
        }
        for pipeline in &world.pipelines {
            let name = reference(&pipeline.metadata);
            let Some((record, cluster)) = records.get(&name).and_then(|record| Some((record, *clusters.get(&record.cluster)?))) else {
                continue;
            };
            let Some((hash, objects)) = around(Kind::Pipeline, &name) else { continue };
            // It matters only then, and changes at every start.
            let is_doubtful = |(_, fact): &(&Key, &PodFact)| nodes.get(&fact.node).is_some_and(|node| !node.is_ready);
            let is_silent = pods.get(&(Kind::Pipeline, name.clone())).is_some_and(|pods| pods.iter().any(is_doubtful))
                && parts.workers.is_silent(Kind::Pipeline, &name);
            let is_finished = pipeline.status.as_ref().is_some_and(|status| desired::is_finished(status, pipeline.metadata.generation));
            let cluster_version = cache.get(&Key::ours(Kind::Cluster, &record.cluster)).map(|object| object.version);
            let hash = hashed(|hasher| {
                (hash, record.desired.generation, &record.desired.plan_hash, is_finished, is_silent, cluster_version).hash(hasher)
            });
            let id = (Kind::Pipeline, name);
            let may_make = may_make_pipeline(cache, pipeline);
            let known = compare(before.remove(&id), (&id, hash), (view, may_make), (&mut room, &mut looked), || {
                let version = version_of_pipeline(pipeline, &parts.site);
                let pods = pods.get(&id).into_iter().flatten().copied().collect();
                let around = Surroundings { site: &parts.site, version, now, objects, pods, nodes: &nodes, authorities };
                parts.builder.pipeline(&PipelineInput { pipeline, desired: &record.desired, cluster, is_finished, is_silent, around })
            });
            self.known.insert(id, known);
        }
        looked
    }

    /// What Kubernetes says of each Cluster and Pipeline.
    pub(super) fn deployments(&self, cache: &Cache, site: &Site, pods: &Pods<'_>, attempts: &Attempts) -> BTreeMap<Id, Deployment> {
        let one = |kind: Kind, name: ObjectRef, version: &str| {
            let (key, id) = (Key::ours(kind, &name), (kind, name));
            let pods = pods.get(&id).map(Vec::as_slice).unwrap_or_default();
            let known = self.known.get(&id);
            let conflict = known.and_then(|known| known.standing.conflict());
            let built = known.map(|known| &*known.built);
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

impl Standing {
    fn conflict(&self) -> Option<String> {
        match self {
            Self::InConflict(why) => Some(why.clone()),
            Self::Clean | Self::Missing => None,
        }
    }
}

/// Builds one where it must be, and notes what is missing.
fn compare(
    before: Option<Known>,
    (id, hash): (&Id, u64),
    (view, may_make): (&View<'_>, bool),
    (room, looked): (&mut Room<'_>, &mut Looked),
    build: impl FnOnce() -> Built,
) -> Known {
    let key = Key::ours(id.0, &id.1);
    let may_write = may_make && room.requests > 0 && (room.may_begin)(&key);
    let is_settled =
        |known: &Known| known.hash == hash && (known.standing == Standing::Clean || (known.standing == Standing::Missing && !may_write));
    let known = match before.filter(is_settled) {
        Some(known) => known,
        None => {
            let built = build();
            let uid = view.cache.get(&key).map(|object| object.uid.as_str()).unwrap_or_default();
            let difference = owned::difference(&key, uid, &built, view.cache, view.settled);
            let standing = match &difference.conflict {
                Some(why) => Standing::InConflict(why.clone()),
                None if difference.writes.is_empty() => Standing::Clean,
                None => Standing::Missing,
            };
            if may_write && standing == Standing::Missing {
                room.requests = room.requests.saturating_sub(difference.writes.len());
                looked.differences.insert(id.clone(), difference);
            }
            Known { hash, built: Arc::new(built.without_objects()), standing }
        }
    };
    if known.standing == Standing::Missing && may_make && !looked.differences.contains_key(id) {
        looked.postponed.push(key);
    }
    looked.built.insert(id.clone(), known.built.clone());
    known
}

fn hashed(feed: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed(&mut hasher);
    hasher.finish()
}
