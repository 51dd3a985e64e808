//! One look: what is seen becomes a plan, and the plan is begun.

use crds::{ConditionStatus, ConditionType, Kind, Reason};
use desired::Report;
use prometheus_client::metrics::counter::Counter;
use std::{collections::HashSet, time::Duration};
use tokio::time::Instant;

use super::{
    Census, Shell,
    build::{Looked, Room, View},
};
use crate::{
    apply::Failure,
    metrics::{KindLabels, Metrics, WriteLabels},
    plan::{self, Context, deployment},
    resource::{Key, Resource},
    write::{Lane, Write},
};

/// A status that says "being made" waits so long for brokers that are just being told: ten thousand Topics take them some seconds, and each would
/// be written twice.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Shell {
    /// Sees what is, decides, begins.
    pub(super) fn look(&mut self) {
        let started = Instant::now();
        self.records.collect(&self.cache);
        for fetch in self.queries.wanted(&mut self.cache, &self.parts.client) {
            self.tasks.spawn(fetch);
        }
        let fetch = self.vouching.fetch(&self.parts.client);
        fetch.map(|fetch| self.tasks.spawn(fetch));
        let pods = deployment::pods(&self.cache);
        let now = Instant::now();
        let requests = self.slots.room(Lane::Objects);
        let attempts = &self.attempts;
        let room = Room { requests, may_begin: &|key| attempts.may(key, Lane::Objects, now) };
        let (records, authorities) = (self.records.all(), self.vouching.trusted());
        let view = View { cache: &self.cache, parts: &self.parts, records, authorities: &authorities, settled: &self.settled };
        let Looked { built, differences, postponed } = self.builds.look(&view, &pods, room);
        let deployments = self.builds.deployments(&self.cache, &self.parts.site, &pods, attempts);
        drop(pods);
        self.cache.world.deployments = deployments;
        let vouched = self.vouching.works(&built, &self.cache, crds::Timestamp::now());
        self.parts.workers.follow(self.builds.addresses(&built));
        let actual = self.parts.workers.actual();
        (self.cache.world.closed, self.cache.world.brokers) = actual.brokers.into_iter().partition(|(_, broker)| broker.closed.is_some());
        self.cache.world.running = actual.pipelines;
        if !self.knows_workers() {
            // Certificates do not wait: without them nobody can be known.
            for work in vouched {
                self.begin(work);
            }
            return;
        }
        self.memory.pipelines = self.records.all().values().cloned().collect();
        let resolved = desired::resolve(&self.cache.world, &self.memory, &*self.parts.planner, crds::Timestamp::now());
        self.memory.brokers.clone_from(&resolved.memory.brokers);
        self.note_telling();
        self.figures.meet(resolved.reports.iter().map(|report| Key::ours(report.kind, &report.object)), now);
        let room = self.slots.room(Lane::Status);
        let (figures, queries, attempts) = (&self.figures, &self.queries, &self.attempts);
        let mut plan = plan::plan(&Context {
            cache: &self.cache,
            builder: &*self.parts.builder,
            resolved: &resolved,
            differences: &differences,
            records: self.records.all(),
            may_write_figures: &|key| figures.may(key, now),
            may_wait: &|report| queries.is_under_way(report),
            may_begin: &|key| attempts.may(key, Lane::Status, now),
            room,
        });
        plan.works.splice(0..0, vouched);
        let mut wanted: HashSet<(Key, Lane)> = plan.works.iter().map(|work| (work.about.clone(), work.lane)).collect();
        // A Topic's status and figures are planned together.
        let topics = plan.postponed.iter().flat_map(|key| [Lane::Status, Lane::Telemetry].map(|lane| (key.clone(), lane)));
        wanted.extend(topics);
        wanted.extend(postponed.iter().map(|key| (key.clone(), Lane::Objects)));
        wanted.extend(plan.brokers.iter().map(|(cluster, _)| (Key::ours(Kind::Cluster, cluster), Lane::Push)));
        wanted.extend(plan.pipelines.iter().map(|(pipeline, _)| (Key::ours(Kind::Pipeline, pipeline), Lane::Push)));
        for (cluster, desired) in plan.brokers {
            let push = self.parts.workers.push_broker(cluster.clone(), desired);
            self.push(Kind::Cluster, cluster, push);
        }
        for (pipeline, desired) in plan.pipelines {
            let push = self.parts.workers.push_pipeline(pipeline.clone(), desired);
            self.push(Kind::Pipeline, pipeline, push);
        }
        // Said when it is done, rather than twice: a broker that was just told needs a moment.
        let is_telling = self.telling.is_some_and(|since| since.elapsed() < PATIENCE);
        let under_way = resolved.reports.iter().filter(|report| is_telling && is_under_way(report));
        let early: HashSet<Key> = under_way.map(|report| Key::ours(report.kind, &report.object)).collect();
        // Pipelines' objects wait for their first status, Topics' for nothing: those come last, since they are many.
        plan.works.sort_by_key(|work| (work.lane == Lane::Telemetry, work.lane == Lane::Status && work.about.resource == Resource::Topic));
        let mut waiting = i64::try_from(plan.postponed.len() + postponed.len()).unwrap_or(i64::MAX);
        for work in plan.works {
            let is_early = work.lane == Lane::Status && early.contains(&work.about);
            waiting += i64::from(is_early || !self.begin(work));
        }
        self.attempts.retain(|about, lane| wanted.contains(&(about.clone(), lane)));
        self.figure(&resolved.reports, waiting, started.elapsed());
    }

    /// Whether every worker that Kubernetes calls ready has spoken, or had its time: until then, what they would say is not known, and
    /// nothing is said of it.
    fn knows_workers(&mut self) -> bool {
        let now = Instant::now();
        self.first_look.get_or_insert(now);
        if self.vouching.is_known() {
            self.known_since.get_or_insert(now);
        }
        if self.is_acquainted || self.acquainted_at().is_some_and(|at| at <= now) {
            self.is_acquainted = true;
            return true;
        }
        let world = &self.cache.world;
        self.is_acquainted =
            world.deployments.iter().filter(|(_, deployment)| deployment.pods_ready > 0).all(|((kind, name), _)| match kind {
                Kind::Cluster => world.brokers.contains_key(name) || world.closed.contains_key(name),
                _ => world.running.contains_key(name),
            });
        self.is_acquainted
    }

    /// Whether brokers are still being told something.
    fn note_telling(&mut self) {
        let is_behind = |(cluster, desired): (&control::ObjectRef, &control::DesiredBroker)| {
            self.cache.world.brokers.get(cluster).is_some_and(|actual| actual.generation < desired.generation)
        };
        if !self.memory.brokers.iter().any(is_behind) {
            self.telling = None;
        }
    }

    fn figure(&self, reports: &[Report], waiting: i64, elapsed: Duration) {
        let metrics = &self.parts.health.metrics;
        metrics.reconciles.inc();
        metrics.reconcile_duration.observe(elapsed.as_secs_f64());
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.in_flight.set(count(self.attempts.under_way()));
        metrics.failing.set(count(self.attempts.failing()));
        metrics.waiting.set(waiting);
        metrics.unreadable.set(count(self.cache.world.unreadable.len()));
        metrics.cache_bytes.set(count(self.cache.size().1));
        let mut census = Census::from_iter(Kind::ALL.iter().map(|kind| (*kind, (0, 0))));
        for report in reports {
            let is_ready = report.status.condition(ConditionType::Ready).is_some_and(|ready| ready.status == ConditionStatus::True);
            let entry = census.entry(report.kind).or_default();
            *entry = (entry.0 + 1, entry.1 + usize::from(!is_ready));
        }
        for (kind, (all, not_ready)) in census {
            let labels = KindLabels { kind: kind.to_string() };
            metrics.objects.get_or_create(&labels).set(count(all));
            metrics.not_ready.get_or_create(&labels).set(count(not_ready));
        }
    }
}

/// Whether a report says that a broker is at it.
fn is_under_way(report: &Report) -> bool {
    let ready = report.status.condition(ConditionType::Ready);
    let is = |reason: Reason| ready.is_some_and(|ready| ready.reason == reason.as_str());
    report.kind == Kind::Topic && (is(Reason::Creating) || is(Reason::Altering))
}

/// Counts a write.
pub(super) fn count(metrics: &Metrics, about: &Key, write: &Write, failure: Option<&Failure>) {
    let kind = write.key().map_or(about.resource, |key| key.resource).kind().to_owned();
    let outcome = failure.map_or_else(|| "ok".to_owned(), |failure| format!("{:?}", failure.cause));
    let counter: &Counter = &metrics.writes.get_or_create(&WriteLabels { verb: write.verb().into(), kind, outcome });
    counter.inc();
}

/// Counts a push.
pub(super) fn count_push(metrics: &Metrics, kind: Kind, has_failed: bool) {
    let labels = KindLabels { kind: kind.to_string() };
    metrics.pushes.get_or_create(&labels).inc();
    if has_failed {
        metrics.push_failures.get_or_create(&labels).inc();
    }
}
