//! Pipelines: which version of which query shall run, under which names, and what of it must be there first.

use control::{
    ActualPipeline, DesiredPipeline, DesiredTopic, Layout, Life, ObjectRef, Owner, OwnerKind, Phase, Release, ReleasedTopic, Retention,
    StartFrom,
};
use crds::{FieldPath, Kind, ObjectMeta, Pipeline, Reason, pipeline::PipelineDeletionPolicy, pipeline::PlanStatus};
use std::collections::{BTreeMap, HashMap};
use units::{DurationMs, GroupId, TimestampMs, TopicName};

use crate::{
    AppliedPipeline, DeadLetters, Deployment, Finding, Memory, Planned, Planner, World,
    clusters::Clusters,
    names,
    query::{self, QueryProblem},
    report::{is_deleted, is_forced, is_paused, object_ref},
    topics::ResolvedTopics,
};

/// Dead letters stay as long as Kafka keeps data by default.
const DEAD_LETTERS_TIME: DurationMs = DurationMs(168 * 3600 * 1000);

/// What stands in the way of the query that is asked for. What runs goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Something it needs is missing.
    Dependency(Reason, Finding),
    /// Its text cannot be had or planned.
    Query(QueryProblem),
    /// State would be given up, without consent.
    StateLoss(Finding),
    /// Something in the object is not possible, although admission let it through.
    Invalid(Finding),
}

/// A Pipeline and all that was decided about it.
pub(crate) struct ResolvedPipeline<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) object: ObjectRef,
    pub(crate) cluster: Option<ObjectRef>,
    pub(crate) obstacle: Option<Obstacle>,
    /// The plan that is asked for, and what it keeps; `None` where there is none.
    pub(crate) plan: Option<PlanStatus>,
    /// The version that runs, or is about to.
    pub(crate) applied: Option<AppliedPipeline>,
    /// A version whose topics are not there yet.
    pending: Option<AppliedPipeline>,
    pub(crate) running: Option<&'a ActualPipeline>,
    /// In Kubernetes, its pods.
    pub(crate) deployment: Option<&'a Deployment>,
    pub(crate) is_gone: bool,
}

/// Decides about every Pipeline, in order of name.
pub(crate) fn resolve<'a>(
    world: &'a World,
    clusters: &Clusters<'a>,
    topics: &ResolvedTopics<'a>,
    memory: &Memory,
    planner: &dyn Planner,
) -> Vec<ResolvedPipeline<'a>> {
    let before: HashMap<&ObjectRef, &AppliedPipeline> =
        memory.pipelines.iter().map(|applied| (&applied.desired.pipeline, applied)).collect();
    let mut pipelines: Vec<_> = world
        .pipelines
        .iter()
        .map(|pipeline| {
            let object = object_ref(&pipeline.metadata);
            let before = before.get(&object).copied().filter(|applied| applied.desired.uid == uid(&pipeline.metadata));
            let resolved = ResolvedPipeline {
                pipeline,
                cluster: None,
                obstacle: None,
                plan: None,
                applied: before.cloned(),
                pending: None,
                running: world.running.get(&object),
                deployment: world.deployments.get(&(Kind::Pipeline, object.clone())),
                is_gone: false,
                object,
            };
            if is_paused(&pipeline.metadata) {
                let cluster = resolved.applied.as_ref().map(|applied| applied.cluster.clone());
                ResolvedPipeline { cluster, ..resolved }
            } else if is_deleted(&pipeline.metadata) {
                resolved.leave(world, clusters)
            } else {
                resolved.decide(world, clusters, topics, planner)
            }
        })
        .collect();
    pipelines.sort_by(|left, right| left.object.cmp(&right.object));
    pipelines
}

fn uid(metadata: &ObjectMeta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

impl<'a> ResolvedPipeline<'a> {
    /// It is being deleted: it leaves its group first, then its own topics go, then it.
    fn leave(mut self, world: &World, clusters: &Clusters<'a>) -> Self {
        let Some(mut applied) = self.applied.take().filter(|_| !is_forced(&self.pipeline.metadata)) else {
            self.is_gone = true;
            return self;
        };
        let life = match self.pipeline.spec.deletion_policy {
            PipelineDeletionPolicy::Immediate => Life::Stop,
            PipelineDeletionPolicy::Drain | PipelineDeletionPolicy::Snapshot => Life::Drain,
        };
        set_life(&mut applied, life);
        self.cluster = Some(applied.cluster.clone());
        let is_stopped = match self.deployment {
            // Whatever the pod said last: without one, nobody runs it.
            Some(deployment) => deployment.pods == 0,
            None => self.has_stopped(applied.desired.generation),
        };
        let has_topics = own_topics(&applied).any(|name| clusters.actual(&applied.cluster, &name).is_some());
        // Where the broker cannot be asked, its topics go when it is back: nobody owns them then.
        let is_homeless = !world.brokers.contains_key(&applied.cluster);
        let is_over = is_stopped && if is_homeless { clusters.is_kubernetes() } else { !has_topics };
        // Without its Cluster there is nothing left to leave in order: its pods go with it.
        self.is_gone = is_over || (clusters.is_kubernetes() && !clusters.is_declared(&applied.cluster));
        self.applied = (!self.is_gone).then_some(applied);
        self
    }

    /// Whether a worker says that it followed the last word and left its group.
    fn has_stopped(&self, generation: u64) -> bool {
        self.running.is_some_and(|running| running.phase == Phase::Stopped && running.generation >= generation)
    }

    /// Whether its query is with the planner: nothing is known of it yet.
    pub(crate) fn is_being_planned(&self) -> bool {
        matches!(self.obstacle, Some(Obstacle::Query(QueryProblem::Pending)))
    }

    fn decide(mut self, world: &World, clusters: &Clusters<'a>, topics: &ResolvedTopics<'a>, planner: &dyn Planner) -> Self {
        if let Some(applied) = &mut self.applied {
            set_life(applied, life(self.pipeline));
        }
        let spec = FieldPath::root().field("spec");
        match clusters.find(&self.object.namespace, &self.pipeline.spec.cluster_ref) {
            Ok(cluster) => self.cluster = Some(cluster),
            Err(problem) => {
                self.cluster = self.applied.as_ref().map(|applied| applied.cluster.clone());
                let finding = Finding::waiting(spec.field("clusterRef"), problem.message);
                self.obstacle = Some(Obstacle::Dependency(Reason::ClusterNotReady, finding));
                return self;
            }
        }
        match self.candidate(world, clusters, topics, planner) {
            Err(obstacle) => self.obstacle = Some(obstacle),
            Ok(candidate) => self.adopt(candidate, clusters),
        }
        self
    }

    /// The version that the object asks for, whether or not its topics are there yet.
    fn candidate(
        &mut self,
        world: &World,
        clusters: &Clusters<'a>,
        topics: &ResolvedTopics<'a>,
        planner: &dyn Planner,
    ) -> Result<AppliedPipeline, Obstacle> {
        let cluster = self.cluster.clone().expect("resolved before");
        let query = query::text(world, self.pipeline).map_err(Obstacle::Query)?;
        let planned = query::plan(&query, &cluster, topics, planner).map_err(Obstacle::Query)?;
        let has_state = !planned.stateful.is_empty();
        let layout = self.layout(&planned)?;
        self.plan = Some(self.plan_status(&planned, &layout));
        if has_state && !clusters.keeps_state(&cluster) {
            let message = "this query keeps state, which needs an object store: set objectStore in the Cluster";
            return Err(Obstacle::Dependency(
                Reason::ObjectStoreRequired,
                Finding::waiting(FieldPath::root().field("spec").field("clusterRef"), message),
            ));
        }
        let desired = self.desired(world, &cluster, topics, query.text, &planned, layout)?;
        let before = self.applied.as_ref();
        let mut left_behind = before.map(|before| before.left_behind.clone()).unwrap_or_default();
        let given_up = before.filter(|before| before.desired.layout != desired.layout);
        left_behind.extend(given_up.into_iter().flat_map(|before| before.desired.internal_topics.iter().map(|topic| topic.name.clone())));
        if let Some(broker) = world.brokers.get(&cluster) {
            left_behind.retain(|name| given_up.is_some() || broker.topics.iter().any(|topic| topic.name == *name));
        }
        Ok(AppliedPipeline {
            desired,
            object_generation: self.pipeline.metadata.generation.unwrap_or_default(),
            cluster,
            state_hash: planned.state_hash,
            stateful: planned.stateful.into_iter().map(|operator| operator.name).collect(),
            left_behind,
        })
    }

    /// The layout for a plan: the one in use where the state fits, a new one with consent.
    fn layout(&self, planned: &Planned) -> Result<Layout, Obstacle> {
        let max_parallelism = u32::try_from(self.pipeline.spec.max_parallelism).unwrap_or(1);
        let invalid = |error: control::InvalidLayout| {
            Obstacle::Invalid(Finding::error(FieldPath::root().field("metadata").field("uid"), error.to_string()))
        };
        let new = |version: u32| Layout::new(uid(&self.pipeline.metadata), version, max_parallelism).map_err(invalid);
        let Some(before) = &self.applied else { return self.layout_without_memory(planned, &new) };
        let in_use = &before.desired.layout;
        if before.state_hash == planned.state_hash && in_use.max_parallelism() == max_parallelism {
            return Ok(in_use.clone());
        }
        if self.pipeline.spec.upgrade.allow_state_loss {
            return new(in_use.plan_version() + 1);
        }
        let message = loss(before, planned);
        let path = FieldPath::root().field("spec").field(if self.pipeline.spec.query.is_some() { "query" } else { "queryFrom" });
        Err(Obstacle::StateLoss(Finding::error(path, message)))
    }

    /// What was decided before is not known (somebody deleted the operator's record): the names in use are in status and in what runs.
    /// Names that meet another plan's state would mix the two, so anything but the same plan needs consent.
    fn layout_without_memory(&self, planned: &Planned, new: &dyn Fn(u32) -> Result<Layout, Obstacle>) -> Result<Layout, Obstacle> {
        let status = self.pipeline.status.as_ref();
        let written = status.and_then(|status| status.layout.as_deref()?.parse::<Layout>().ok());
        let in_use = self.running.map(|running| running.layout.clone()).or(written);
        let first = new(1)?;
        let Some(in_use) = in_use.filter(|in_use| in_use.uid() == first.uid()) else { return Ok(first) };
        let running = self.running.map(|running| running.plan_hash.as_str());
        let hash = running.or_else(|| status.and_then(|status| status.plan.as_ref()).map(|plan| plan.hash.as_str()));
        if hash == Some(planned.hash.as_str()) && in_use.max_parallelism() == first.max_parallelism() {
            return Ok(in_use);
        }
        if self.pipeline.spec.upgrade.allow_state_loss {
            return new(in_use.plan_version() + 1);
        }
        let message = "the record of what runs is gone and this query differs from it, so its state may not fit; \
                       apply the former query, or set upgrade.allowStateLoss: true to begin anew from startFrom";
        Err(Obstacle::StateLoss(Finding::error(FieldPath::root().field("spec").field("query"), message)))
    }

    fn plan_status(&self, planned: &Planned, layout: &Layout) -> PlanStatus {
        let names: Vec<String> = planned.stateful.iter().map(|operator| operator.name.clone()).take(256).collect();
        let hash = planned.hash.clone();
        match &self.applied {
            None => PlanStatus { hash, ..PlanStatus::default() },
            Some(before) if before.desired.layout == *layout => PlanStatus { hash, kept: names, ..PlanStatus::default() },
            Some(before) => {
                let dropped = before.stateful.iter().filter(|name| !names.contains(name)).take(256).cloned().collect();
                PlanStatus { hash, kept: Vec::new(), rebuilt: names, dropped }
            }
        }
    }

    fn desired(
        &self,
        world: &World,
        cluster: &ObjectRef,
        topics: &ResolvedTopics<'a>,
        query: String,
        planned: &Planned,
        layout: Layout,
    ) -> Result<DesiredPipeline, Obstacle> {
        let spec = &self.pipeline.spec;
        let field = |name: &str| FieldPath::root().field("spec").field(name);
        let used: BTreeMap<String, control::Table> = topics
            .tables_for(cluster, &query)
            .into_iter()
            .filter(|(table, _)| planned.tables.contains(&table.name))
            .map(|(table, _)| (table.name.clone(), table.clone()))
            .collect();
        let commit_interval =
            spec.commit_interval.millis().map_err(|error| Obstacle::Invalid(Finding::error(field("commitInterval"), error.to_string())))?;
        let start_from = start_from(&spec.start_from).ok_or_else(|| {
            Obstacle::Invalid(Finding::error(
                field("startFrom"),
                format!("{:?} is not Earliest, Latest or a time as 2026-01-31T12:00:00Z", spec.start_from),
            ))
        })?;
        let prefix = names::internal_prefix(&self.object, &layout);
        let wanted = DesiredPipeline {
            generation: 0,
            pipeline: self.object.clone(),
            uid: uid(&self.pipeline.metadata).to_owned(),
            life: life(self.pipeline),
            replicas: u32::try_from(spec.replicas).unwrap_or(0),
            query,
            tables: used.into_values().collect(),
            plan_hash: planned.hash.clone(),
            group: GroupId::from(prefix.as_str()),
            transactional_id_prefix: prefix,
            internal_topics: names::internal_topics(&self.object, &layout, &planned.exchanges, !planned.stateful.is_empty()),
            dead_letters: names::dead_letters(&self.object, cluster),
            commit_interval: DurationMs(commit_interval),
            start_from,
            files_root: world.files_roots.get(&self.object).cloned(),
            store_prefix: names::store_prefix(&self.object, &layout),
            layout,
        };
        let followed = self.running.map_or(0, |running| running.generation);
        Ok(match self.applied.as_ref().map(|before| &before.desired) {
            Some(before) if (DesiredPipeline { generation: before.generation, ..wanted.clone() }) == *before => before.clone(),
            Some(before) => DesiredPipeline { generation: before.generation.max(followed) + 1, ..wanted },
            None => DesiredPipeline { generation: followed + 1, ..wanted },
        })
    }

    /// Takes the version over if all its topics are there; else they are asked for, and what runs goes on.
    fn adopt(&mut self, candidate: AppliedPipeline, clusters: &Clusters<'a>) {
        match missing(&candidate, clusters) {
            Some(obstacle) => {
                self.obstacle = Some(obstacle);
                self.pending = Some(candidate);
            }
            None => self.applied = Some(candidate),
        }
    }

    /// What is to run: `None` where nothing was ever ready to, or it is gone.
    pub(crate) fn runnable(self) -> Option<DesiredPipeline> {
        self.applied.map(|applied| applied.desired)
    }

    /// Its dead letters, where a Topic is still to be made of them.
    pub(crate) fn dead_letters(&self, clusters: &Clusters<'_>, topics: &ResolvedTopics<'_>) -> Option<DeadLetters> {
        let version = self.applied.as_ref().or(self.pending.as_ref())?;
        let is_staying = clusters.is_kubernetes() && !is_deleted(&self.pipeline.metadata) && !is_paused(&self.pipeline.metadata);
        let name = &version.desired.dead_letters;
        let object = ObjectRef { namespace: self.object.namespace.clone(), name: names::dead_letters_object(&self.object) };
        let has_object = || topics.has_object(&object);
        let is_wanted = is_staying && !topics.is_declared(&version.cluster, name.as_str()) && !has_object();
        is_wanted.then(|| DeadLetters { pipeline: self.object.clone(), cluster: version.cluster.clone() })
    }

    /// Adds its own topics to those that its broker shall hold, and those it no longer needs to those that go.
    pub(crate) fn add_topics(
        &self,
        clusters: &Clusters<'_>,
        wanted: &mut BTreeMap<TopicName, DesiredTopic>,
        released: &mut Vec<ReleasedTopic>,
    ) {
        let owner = Owner { kind: OwnerKind::Pipeline, object: self.object.clone() };
        let is_leaving = is_deleted(&self.pipeline.metadata);
        let is_stopped = match self.deployment {
            Some(deployment) => deployment.pods == 0,
            None => self.running.is_some_and(|running| running.phase == Phase::Stopped),
        };
        let cluster = self.cluster.as_ref();
        let found = |name: &TopicName| cluster.and_then(|cluster| clusters.actual(cluster, name));
        let mut release = |name: &TopicName, release: Release| {
            let found = found(name).filter(|topic| topic.owner.as_ref() == Some(&owner));
            released.extend(found.map(|topic| ReleasedTopic { name: name.clone(), topic_id: topic.topic_id, release }));
        };
        if let Some(applied) = self.applied.as_ref().filter(|_| is_leaving && is_stopped) {
            own_topics(applied).for_each(|name| release(&name, Release::Delete));
            release(&applied.desired.dead_letters, Release::Retain);
            return;
        }
        if let Some(applied) = &self.applied {
            let has_moved = self.running.is_some_and(|running| running.layout == applied.desired.layout);
            applied.left_behind.iter().filter(|_| has_moved).for_each(|name| release(name, Release::Delete));
        }
        for version in self.applied.iter().chain(&self.pending) {
            for topic in &version.desired.internal_topics {
                let retention = Retention::default();
                add(wanted, topic.name.clone(), topic.partitions, retention, &owner, true);
            }
            let retention = Retention { total_time: Some(DEAD_LETTERS_TIME), ..Retention::default() };
            let governs = |owned: &control::ActualTopic| owned.owner.as_ref().is_none_or(|present| *present == owner);
            let is_free = found(&version.desired.dead_letters).is_none_or(governs);
            // In Kubernetes it is a Topic object.
            if is_free && !clusters.is_kubernetes() {
                add(wanted, version.desired.dead_letters.clone(), 1, retention, &owner, false);
            }
        }
    }
}

/// Adds a topic, unless an object of a user declares it already.
fn add(
    wanted: &mut BTreeMap<TopicName, DesiredTopic>,
    name: TopicName,
    partitions: i32,
    retention: Retention,
    owner: &Owner,
    internal: bool,
) {
    wanted.entry(name.clone()).or_insert_with(|| DesiredTopic {
        name,
        topic_id: None,
        partitions,
        retention,
        config: Vec::new(),
        owner: owner.clone(),
        internal,
    });
}

/// The internal topics of a pipeline, of this layout and of those given up.
fn own_topics(applied: &AppliedPipeline) -> impl Iterator<Item = TopicName> {
    applied.desired.internal_topics.iter().map(|topic| topic.name.clone()).chain(applied.left_behind.iter().cloned())
}

/// The first topic that must be there before this version may run, and is not.
fn missing(version: &AppliedPipeline, clusters: &Clusters<'_>) -> Option<Obstacle> {
    let path = FieldPath::root().field("spec").field("clusterRef");
    let Some(broker) = clusters.broker(&version.cluster) else {
        let finding = Finding::waiting(path, format!("Cluster {} does not serve yet", version.cluster));
        return Some(Obstacle::Dependency(Reason::ClusterNotReady, finding));
    };
    let desired = &version.desired;
    let needed = desired
        .tables
        .iter()
        .map(|table| &table.topic)
        .chain(desired.internal_topics.iter().map(|topic| &topic.name))
        .chain([&desired.dead_letters]);
    let absent = needed.into_iter().find(|name| clusters.actual(&version.cluster, name).is_none())?;
    let why = broker.problems.get(absent).map(|problem| format!(": {}", problem.message)).unwrap_or_default();
    let finding = Finding::waiting(path, format!("the broker has no topic {absent} yet{why}"));
    Some(Obstacle::Dependency(Reason::TopicNotFound, finding))
}

/// What a change of query would lose, by name.
fn loss(before: &AppliedPipeline, planned: &Planned) -> String {
    let names: Vec<&str> = planned.stateful.iter().map(|operator| operator.name.as_str()).collect();
    let dropped: Vec<&str> = before.stateful.iter().map(String::as_str).filter(|name| !names.contains(name)).collect();
    let fresh: Vec<&str> = names.iter().copied().filter(|name| !before.stateful.iter().any(|kept| kept == name)).collect();
    let what = match (dropped.is_empty(), fresh.is_empty()) {
        (false, _) => format!("the state of {} would be lost", dropped.join(", ")),
        (true, false) => format!("{} would begin in the middle of its input", fresh.join(", ")),
        (true, true) => "rows would come to the state in another way than before".into(),
    };
    format!("{what}; what runs goes on. Set upgrade.allowStateLoss: true to begin anew from startFrom")
}

fn life(pipeline: &Pipeline) -> Life {
    if pipeline.spec.suspend || pipeline.spec.replicas == 0 { Life::Suspend } else { Life::Run }
}

fn set_life(applied: &mut AppliedPipeline, life: Life) {
    if applied.desired.life != life {
        applied.desired.life = life;
        applied.desired.generation += 1;
    }
}

fn start_from(text: &str) -> Option<StartFrom> {
    match text {
        "Earliest" => Some(StartFrom::Earliest),
        "Latest" => Some(StartFrom::Latest),
        time => time.parse::<crds::Timestamp>().ok().map(|time| StartFrom::Timestamp(TimestampMs(time.as_millisecond()))),
    }
}
