//! The loop: sees, decides, begins what is to be done, and hears how it ended. It waits for no single object.
//!
//! One task owns everything that was seen and decided; watches, writes, pushes and fetches are tasks of their own that tell it. A look takes
//! the whole world, so looks are spaced by what they cost: a fifth of the time, and a second apart at most.

mod build;
mod figures;
mod look;
mod queries;
mod records;
mod slots;
mod vouching;

use crds::Kind;
use desired::{Memory, Planner};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    apply::{Api, Attempts, Cause, Done, Failure},
    builder::{Builder, Site},
    cache::Cache,
    health::Health,
    lease::Leadership,
    note::Note,
    observe,
    plan::owned::{self, Settled},
    resource::{Key, Resource},
    workers::Workers,
    write::{Lane, Work, Write},
};
use build::Builds;
use figures::Figures;
use queries::{Fetched, Queries};
use records::Records;
use slots::Slots;
use vouching::{FetchedAuthority, Vouching};

/// Between two looks, at least.
const SPACING: Duration = Duration::from_millis(50);
/// Between two looks, at most, where there is something to look at: what is begun must last until then.
const SPACING_LONGEST: Duration = Duration::from_secs(1);
/// A look that is asked for by nobody.
const TICK: Duration = Duration::from_secs(10);
/// After the first look, so long it waits for workers that Kubernetes calls ready: what they say is what status says. From when it can be known
/// by them, that is: listing ten thousand objects, and a certificate, come before.
const ACQUAINTANCE: Duration = Duration::from_secs(10);
/// After the first look it waits no longer in any case.
const ACQUAINTANCE_LONGEST: Duration = Duration::from_secs(30);

/// Everything that an operator is made of.
pub struct Parts {
    /// The API server.
    pub client: kube::Client,
    /// What is the same for every object.
    pub site: Site,
    /// The namespaces that are looked after; none: all.
    pub namespaces: Vec<String>,
    /// The operator's pod.
    pub instance: String,
    /// Objects for Clusters and Pipelines.
    pub builder: Arc<dyn Builder>,
    /// Brokers and pipelines.
    pub workers: Arc<dyn Workers>,
    /// Where the operator's own certificate goes, by which workers know it; `None`: nothing is vouched for.
    pub control_tls: Option<PathBuf>,
    /// Plans queries.
    pub planner: Arc<dyn Planner + Send + Sync>,
    /// Told when a query was planned.
    pub planned: Arc<Notify>,
    /// Figures.
    pub health: Arc<Health>,
    /// Whether it leads.
    pub leadership: Leadership,
}

/// What a task tells.
enum Ended {
    Work { about: Key, lane: Lane, requests: usize, done: Vec<(Write, Done)>, outcome: Result<(), Failure> },
    Fetched(Fetched),
    Authority(FetchedAuthority),
}

struct Shell {
    parts: Parts,
    api: Arc<Api>,
    cache: Cache,
    memory: Memory,
    records: Records,
    queries: Queries,
    vouching: Vouching,
    builds: Builds,
    settled: Settled,
    attempts: Attempts,
    figures: Figures,
    tasks: JoinSet<Ended>,
    slots: Slots,
    /// The first look, and since when workers can know us.
    first_look: Option<Instant>,
    known_since: Option<Instant>,
    /// Events to be of watches that are refused.
    refusals: Vec<Write>,
    /// Since when brokers are being told something, where they are.
    telling: Option<Instant>,
    is_acquainted: bool,
}

/// Runs while it leads. Nothing is written any more when it comes back.
///
/// # Cancel safety
/// Being dropped is like being killed: what was under way may have been done, and the next run decides anew.
pub async fn run(parts: Parts) {
    let streams = observe::streams(&parts.namespaces);
    let (_watches, mut seen) = observe::watch(&parts.client, &streams);
    let mut shell = Shell::new(parts, streams);
    let mut next_look = Instant::now();
    let mut is_due = true;
    loop {
        let tick = shell.wake(next_look, is_due);
        tokio::select! {
            event = seen.recv() => {
                let Some((stream, event)) = event else { return };
                shell.cache.see(&stream, event);
                while let Ok((stream, event)) = seen.try_recv() {
                    shell.cache.see(&stream, event);
                }
                is_due = true;
            }
            Some(ended) = shell.tasks.join_next() => {
                shell.end(ended);
                while let Some(ended) = shell.tasks.try_join_next() {
                    shell.end(ended);
                }
                is_due = true;
            }
            () = shell.parts.workers.changed() => is_due = true,
            () = shell.parts.planned.notified() => is_due = true,
            () = tokio::time::sleep_until(tick) => is_due = true,
        }
        shell.tell_refused();
        shell.parts.health.turn();
        if !shell.parts.leadership.holds() {
            tracing::warn!("not leading any more: nothing is written from here on");
            return;
        }
        if is_due && Instant::now() >= next_look && shell.cache.is_whole() {
            let started = Instant::now();
            shell.look();
            next_look = Instant::now() + SPACING.max((started.elapsed() * 4).min(SPACING_LONGEST));
            is_due = false;
        }
    }
}

impl Shell {
    fn new(parts: Parts, streams: Vec<crate::cache::Stream>) -> Self {
        let api = Arc::new(Api::new(parts.client.clone(), parts.leadership.clone(), parts.instance.clone()));
        let mut cache = Cache::new(streams);
        cache.world.watched = (!parts.namespaces.is_empty()).then(|| parts.namespaces.iter().cloned().collect::<BTreeSet<_>>());
        Self {
            api,
            cache,
            memory: Memory::default(),
            records: Records::default(),
            queries: Queries::default(),
            vouching: Vouching::new(parts.site.namespace.clone(), parts.control_tls.clone()),
            builds: Builds::default(),
            settled: Settled::default(),
            attempts: Attempts::default(),
            figures: Figures::default(),
            tasks: JoinSet::new(),
            slots: Slots::default(),
            first_look: None,
            known_since: None,
            refusals: Vec::new(),
            telling: None,
            is_acquainted: false,
            parts,
        }
    }

    /// Says what may not be watched, where people look: readiness, a figure, and once an Event of the operator's pod.
    fn tell_refused(&mut self) {
        let refused: Vec<String> = self.cache.refused().cloned().collect();
        let about = Key::new(Resource::Pod, self.parts.site.namespace.clone(), self.parts.instance.clone());
        let new = self.parts.health.refuse(refused);
        let note = |message: String| Note {
            about: about.clone(),
            uid: String::new(),
            is_warning: true,
            reason: "WatchRefused".into(),
            action: "Watch",
            message,
        };
        self.refusals.extend(new.into_iter().map(note).map(Write::Tell));
        if !self.refusals.is_empty() && self.begin(Work { about: about.clone(), lane: Lane::Status, writes: self.refusals.clone() }) {
            self.refusals.clear();
        }
    }

    /// When to look again if nobody says anything.
    fn wake(&self, next_look: Instant, is_due: bool) -> Instant {
        let tick = Instant::now() + TICK;
        if !self.cache.is_whole() {
            // Only what watches say helps: nothing is looked at before.
            return tick;
        }
        let again = self.attempts.next().map(|at| at.max(next_look));
        let due = is_due.then_some(next_look);
        let unacquainted = self.acquainted_at().filter(|_| !self.is_acquainted).map(|at| at.max(next_look));
        // Once, when patience ends: after that, whatever changes.
        let told = self.telling.map(|since| since + look::PATIENCE).filter(|at| *at > next_look);
        let fetch = self.queries.next().into_iter().chain(self.vouching.next()).min().map(|at| at.max(next_look));
        [again, due, unacquainted, told, fetch].into_iter().flatten().fold(tick, Instant::min)
    }

    /// When it waits no longer for workers that have not spoken yet; `None` before the first look.
    fn acquainted_at(&self) -> Option<Instant> {
        let longest = self.first_look? + ACQUAINTANCE_LONGEST;
        Some(self.known_since.map_or(longest, |since| longest.min(since + ACQUAINTANCE)))
    }

    /// Begins what may be begun now.
    fn begin(&mut self, work: Work) -> bool {
        let now = Instant::now();
        if !self.attempts.may(&work.about, work.lane, now) {
            return false;
        }
        let requests = work.writes.len();
        let Some(slots) = self.slots.take(work.lane, requests) else { return false };
        self.attempts.begin(&work.about, work.lane);
        if work.lane == Lane::Telemetry {
            self.figures.written(&work.about, now);
        }
        let (api, health) = (self.api.clone(), self.parts.health.clone());
        self.tasks.spawn(async move {
            let Work { about, lane, writes } = work;
            let mut done = Vec::with_capacity(writes.len());
            for write in writes {
                // Closed by nobody.
                let _slot = slots.acquire().await;
                let outcome = api.write(&write, crds::Timestamp::now()).await;
                look::count(&health.metrics, &about, &write, outcome.as_ref().err());
                match outcome {
                    Ok(what) => done.push((write, what)),
                    // Nobody waits for an Event.
                    Err(_) if matches!(write, Write::Tell(_)) => {}
                    Err(failure) => return Ended::Work { about, lane, requests, done, outcome: Err(failure) },
                }
            }
            Ended::Work { about, lane, requests, done, outcome: Ok(()) }
        });
        true
    }

    /// Takes over how something ended.
    fn end(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended::Work { about, lane, requests, done, outcome }) => {
                self.slots.give_back(lane, requests);
                for (write, what) in done {
                    self.take(&write, what);
                }
                let failed = outcome.as_ref().err().map(|failure| (failure.cause, failure.message.clone()));
                let failures = self.attempts.end(&about, lane, outcome, Instant::now());
                // Said the first time, and ever less often. A conflict is the way in which one learns of a change.
                let is_news = |cause: Cause| failures.is_power_of_two() && (cause != Cause::Conflict || failures >= 4);
                if let Some((_, message)) = failed.filter(|(cause, _)| is_news(*cause)) {
                    tracing::warn!(failures, "{about}: {message}");
                }
            }
            Ok(Ended::Fetched(fetched)) => self.queries.take(fetched, &mut self.cache),
            Ok(Ended::Authority(fetched)) => self.vouching.take(fetched),
            // A task of ours panicked: its object is stuck until the process starts anew, so it does.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    fn take(&mut self, write: &Write, what: Done) {
        match what {
            Done::Object(key, body) => {
                if let Write::Apply { subresource: None, body: applied, .. } = write
                    && let Some(hash) = owned::hash_of(applied)
                    && let Some(version) = body.pointer("/metadata/resourceVersion").and_then(|version| version.as_str()?.parse().ok())
                {
                    self.settled.insert(key.clone(), (version, hash));
                }
                if self.vouching.is_authority(&key) {
                    self.vouching.keep(Some(*body));
                } else {
                    self.cache.wrote(&key, *body);
                }
            }
            Done::Gone(key) => {
                self.settled.remove(&key);
                self.cache.went(&key, 0);
            }
            Done::Told => {}
        }
    }

    /// Hands desired states over.
    fn push(&mut self, kind: Kind, name: control::ObjectRef, push: impl Future<Output = Result<(), String>> + Send + 'static) {
        let about = Key::ours(kind, &name);
        if !self.attempts.may(&about, Lane::Push, Instant::now()) || !self.parts.leadership.holds() {
            return;
        }
        self.attempts.begin(&about, Lane::Push);
        if kind == Kind::Cluster {
            self.telling.get_or_insert_with(Instant::now);
        }
        let health = self.parts.health.clone();
        self.tasks.spawn(async move {
            let failed = |message: String| Failure { cause: Cause::Unavailable, message: format!("its worker was not told: {message}") };
            let outcome = push.await.map_err(failed);
            look::count_push(&health.metrics, kind, outcome.is_err());
            // None that the API server sees.
            Ended::Work { about, lane: Lane::Push, requests: 0, done: Vec::new(), outcome }
        });
    }
}

/// Objects that are there of each kind.
type Census = BTreeMap<Kind, (usize, usize)>;
