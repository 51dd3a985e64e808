//! From what is seen and what is decided to what is to be written: pure, no clock, no I/O.
//!
//! ```text
//! Cache --records--> Memory --desired::resolve--> Resolved --+
//!   |                                                         +--plan--> works (by object and lane) and pushes to workers
//!   +--Builder--> Built (objects that shall be) -------------+
//! ```
//!
//! Level-triggered: a plan is what differs now. When nothing differs it is empty, and that is all that converged means.

mod changes;
pub mod deployment;
pub mod finalizer;
pub mod owned;
pub mod record;
pub mod status;

use control::{DesiredBroker, DesiredPipeline, ObjectRef};
use crds::{Cluster, Kind, Pipeline, topic::ManagementPolicy, topic::TopicDeletionPolicy};
use desired::{AppliedPipeline, Report, Resolved};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    builder::Builder,
    cache::Cache,
    object::Object,
    resource::Key,
    write::{Lane, Work},
};
use owned::Difference;

/// `streamwright.dev/reconcile: paused`: nothing of it is changed.
const RECONCILE: &str = "streamwright.dev/reconcile";

/// Everything that a plan rests on.
pub struct Context<'a> {
    /// What was seen.
    pub cache: &'a Cache,
    /// What makes objects.
    pub builder: &'a dyn Builder,
    /// What was decided.
    pub resolved: &'a Resolved,
    /// What Clusters and Pipelines shall have and have not.
    pub differences: &'a BTreeMap<(Kind, ObjectRef), Difference>,
    /// What is recorded for Pipelines.
    pub records: &'a BTreeMap<ObjectRef, AppliedPipeline>,
    /// Whether figures of an object may be written now.
    pub may_write_figures: &'a dyn Fn(&Key) -> bool,
    /// Whether a report is better said a little later: what it waits for is under way.
    pub may_wait: &'a dyn Fn(&Report) -> bool,
    /// Whether a status may be begun now: none of the object is under way, nor backs off.
    pub may_begin: &'a dyn Fn(&Key) -> bool,
    /// How many statuses can be begun now.
    pub room: usize,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// Writes, by object and lane.
    pub works: Vec<Work>,
    /// Topics whose status is to be written when there is room: what is to be written is not put together before, since they are many.
    pub postponed: Vec<Key>,
    /// Desired states that brokers do not follow yet.
    pub brokers: Vec<(ObjectRef, DesiredBroker)>,
    /// Desired states that pipelines do not follow yet.
    pub pipelines: Vec<(ObjectRef, DesiredPipeline)>,
}

impl Plan {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.works.is_empty() && self.postponed.is_empty() && self.brokers.is_empty() && self.pipelines.is_empty()
    }
}

/// Plans.
#[must_use]
pub fn plan(context: &Context<'_>) -> Plan {
    let mut plan = Plan { brokers: brokers(context), pipelines: pipelines(context), ..Plan::default() };
    let world = &context.cache.world;
    for cluster in &world.clusters {
        if may_make_cluster(context.cache, cluster) {
            plan.works.extend(objects(context, Kind::Cluster, &reference(&cluster.metadata)));
        }
    }
    let decided: HashMap<&ObjectRef, &AppliedPipeline> =
        context.resolved.memory.pipelines.iter().map(|applied| (&applied.desired.pipeline, applied)).collect();
    for pipeline in &world.pipelines {
        let name = reference(&pipeline.metadata);
        let Some(decided) = decided.get(&name).copied().filter(|_| may_make_pipeline(context.cache, pipeline)) else { continue };
        if context.records.get(&name) == Some(decided) {
            plan.works.extend(objects(context, Kind::Pipeline, &name));
        } else {
            let writes = vec![record::write(pipeline, decided, context.cache)];
            plan.works.push(Work { about: Key::ours(Kind::Pipeline, &name), lane: Lane::Objects, writes });
        }
    }
    plan.works.extend(context.resolved.dead_letters.iter().filter_map(|dead_letters| changes::dead_letters(dead_letters, context)));
    plan.works.extend(context.resolved.topic_changes.iter().filter_map(|change| changes::work(change, context.cache)));
    let deleting: BTreeSet<ObjectRef> = world
        .topics
        .iter()
        .filter(|topic| topic.spec.deletion_policy == TopicDeletionPolicy::Delete && topic.spec.management_policy == ManagementPolicy::Full)
        .map(|topic| reference(&topic.metadata))
        .collect();
    let mut room = context.room;
    for report in &context.resolved.reports {
        let key = Key::ours(report.kind, &report.object);
        let Some(object) = context.cache.get(&key) else { continue };
        plan.works.extend(finalizer(object, report, deleting.contains(&report.object)));
        let is_over = object.is_deleted && report.is_gone;
        if !is_over && !context.cache.says(&key, &report.status) && !(context.may_wait)(report) {
            if report.kind == Kind::Topic {
                if room == 0 || !(context.may_begin)(&key) {
                    plan.postponed.push(key);
                    continue;
                }
                room -= 1;
            }
            let present = context.cache.status(&key).unwrap_or_else(|| report.status.clone());
            plan.works.extend(status::works(&key, &object.uid, &present, report, (context.may_write_figures)(&key)));
        }
    }
    plan
}

/// Whether objects of a Cluster may be made. The version is in status before anything of that version is: an operator upgrade in between must
/// not change it.
#[must_use]
pub fn may_make_cluster(cache: &Cache, cluster: &Cluster) -> bool {
    let is_version_known = cluster.status.as_ref().is_some_and(|status| status.version.is_some());
    is_version_known && free(cache, Kind::Cluster, &reference(&cluster.metadata)).is_some_and(|object| !object.is_deleted)
}

/// Whether objects of a Pipeline may be made: the same, where its finalizer is set and its namespace stays.
#[must_use]
pub fn may_make_pipeline(cache: &Cache, pipeline: &Pipeline) -> bool {
    let name = reference(&pipeline.metadata);
    let is_version_known = pipeline.status.as_ref().is_some_and(|status| status.version.is_some());
    is_version_known && !cache.is_terminating(&name.namespace) && free(cache, Kind::Pipeline, &name).is_some_and(finalizer::is_set)
}

/// The object, unless a person has asked for it to be left alone.
fn free<'a>(cache: &'a Cache, kind: Kind, name: &ObjectRef) -> Option<&'a Object> {
    cache.get(&Key::ours(kind, name)).filter(|object| object.annotations.get(RECONCILE).is_none_or(|value| value != "paused"))
}

fn objects(context: &Context<'_>, kind: Kind, name: &ObjectRef) -> Option<Work> {
    let writes = context.differences.get(&(kind, name.clone()))?.writes.clone();
    (!writes.is_empty()).then(|| Work { about: Key::ours(kind, name), lane: Lane::Objects, writes })
}

fn finalizer(object: &Object, report: &Report, deletes_data: bool) -> Option<Work> {
    let is_set = finalizer::is_set(object);
    let is_wanted = if object.is_deleted {
        // One that is not there cannot be added any more.
        is_set && !report.is_gone
    } else {
        finalizer::is_wanted(object.key.resource, report.kind == Kind::Topic && deletes_data)
    };
    let writes = vec![finalizer::write(&object.key, &object.uid, is_wanted)];
    (is_set != is_wanted).then(|| Work { about: object.key.clone(), lane: Lane::Finalizer, writes })
}

/// Brokers that do not follow yet.
fn brokers(context: &Context<'_>) -> Vec<(ObjectRef, DesiredBroker)> {
    let actual = &context.cache.world.brokers;
    let lags = |(cluster, desired): &(&ObjectRef, &DesiredBroker)| {
        actual.get(*cluster).is_some_and(|actual| actual.generation < desired.generation)
    };
    context.resolved.brokers.iter().filter(lags).map(|(cluster, desired)| (cluster.clone(), desired.clone())).collect()
}

/// Pipelines that do not follow yet what is recorded for them.
fn pipelines(context: &Context<'_>) -> Vec<(ObjectRef, DesiredPipeline)> {
    let running = &context.cache.world.running;
    let lags = |(name, record): &(&ObjectRef, &AppliedPipeline)| {
        running.get(*name).is_some_and(|running| running.generation < record.desired.generation)
    };
    context.records.iter().filter(lags).map(|(name, record)| (name.clone(), record.desired.clone())).collect()
}

/// Namespace and name of an object.
pub(crate) fn reference(metadata: &crds::ObjectMeta) -> ObjectRef {
    ObjectRef { namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone().unwrap_or_default() }
}
