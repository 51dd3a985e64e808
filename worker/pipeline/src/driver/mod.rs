//! The task of one pipeline in this process: it owns the pod core, tells it what happens, and performs what it wants.

mod adoption;
mod burst;
mod cut;
mod jobs;
mod membership;
mod perform;
mod readback;
mod report;
mod sources;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use client::{Admin, Cluster, FetchError, FetchOptions, Fetched, Fetcher, Generation, Isolation, Member, MemberEvent};
use commit::{Config, Event, HashPartition, Pod, Route, Rules, SourceIndex, StopReason, Ticket, Time};
use control::{Phase, PipelineProblem, PipelineReason};
use state::Checkpoints;
use store::WriteIds;
use tokio::sync::{mpsc, watch};

use crate::{
    environment::Environment,
    lanes::Mailboxes,
    program::Program,
    sender::{Answer, Sender},
    status::{Standing, Status},
    worker::{Message, Worker},
};
use burst::Payload;
use jobs::Done;

/// Transaction timeout told to the coordinator.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// A commit is cut before its time at so many bytes, well below the 64 MiB that one may have: lanes go on until they have drained.
const BURST_BYTES: u64 = 24 << 20;
/// Bytes of source batches under way on each lane.
const LANE_BYTES: usize = 4 << 20;
/// How often lanes look for partitions that have become idle, and status is written.
const TICK: Duration = Duration::from_millis(250);
/// What a manifest no longer names is kept for so long: longer than anyone reads it without a pin.
const COLLECT_GRACE: Duration = Duration::from_secs(600);
/// How often garbage is looked for.
const COLLECT_EVERY: Duration = Duration::from_secs(15);
/// How often it is asked whether topics have grown.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A pod that was asked to stop and cannot is cut off after this.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The pod stopped by itself or because it was asked.
    Stopped(StopReason),
    /// It cannot go on.
    Failed(PipelineProblem),
}

/// What a run is told from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Commit what was read and stop; leave the group or not.
    pub(crate) stop: Option<bool>,
    /// Time between commits in milliseconds, where it changed.
    pub(crate) commit_interval_ms: Option<u64>,
}

pub(crate) struct Driver {
    program: Arc<Program>,
    environment: Environment,
    status: Status,
    started: Instant,
    pod: Pod<Payload>,
    cluster: Cluster,
    admin: Admin,
    sender: Sender,
    answers: mpsc::UnboundedReceiver<(Ticket, Answer)>,
    jobs: mpsc::UnboundedSender<Done>,
    done: mpsc::UnboundedReceiver<Done>,
    member: Option<Member>,
    joining: Option<Ticket>,
    generation: Option<Generation>,
    life: Option<commit::Life>,
    /// Grows with each reset: what belongs to an earlier one is void.
    epoch: u64,
    mailboxes: Mailboxes,
    failures: mpsc::UnboundedReceiver<String>,
    fetcher: Fetcher,
    readback: Fetcher,
    reading: readback::Reading,
    /// State that was loaded and not yet adopted.
    loaded_states: BTreeMap<u32, adoption::Loaded>,
    adoption: Option<adoption::Adoption>,
    checkpoints: Option<Checkpoints>,
    write_ids: Arc<WriteIds>,
    sources: BTreeMap<SourceIndex, sources::Source>,
    files: BTreeMap<usize, sources::File>,
    route: Route,
    paused: bool,
    cutting: Option<cut::Cutting>,
    /// The burst under way, to tell where its records lie.
    sending: Option<Payload>,
    /// Rows were dispatched, or something else is to be committed, since it was reported.
    is_dirty: bool,
    /// As of the last cut; `None` until it was read back.
    standing: Option<Standing>,
    report: report::Report,
    ended: Option<Ended>,
    intentions: VecDeque<commit::Intention<Payload>>,
}

impl Driver {
    /// Everything that a run needs; nothing happens before [`Driver::run`].
    pub(crate) fn new(program: Arc<Program>, environment: Environment, status: Status, cluster: Cluster) -> Result<Self, PipelineProblem> {
        let desired = &program.desired;
        let config = Config {
            sources: u32::try_from(program.sources.len()).unwrap_or(u32::MAX),
            hash_partitions: program.hash_partitions,
            exchanges: u32::try_from(program.aggregates.len()).unwrap_or(u32::MAX),
            commit_interval_ms: u64::try_from(desired.commit_interval.0).unwrap_or(200),
            burst_bytes_max: BURST_BYTES,
            transaction_timeout_ms: u64::try_from(TRANSACTION_TIMEOUT.as_millis()).unwrap_or(15_000),
            checkpoint_bytes: state::CHECKPOINT_BYTES_MIN,
            ..Config::default()
        };
        let (to_driver, answers) = mpsc::unbounded_channel();
        let (jobs, done) = mpsc::unbounded_channel();
        let id = desired.transactional_id(environment.ordinal);
        let sender = Sender::start(cluster.clone(), id, desired.group.clone(), TRANSACTION_TIMEOUT, to_driver);
        let (mailboxes, failures) = install(&program, &environment)?;
        Ok(Self {
            admin: Admin::new(cluster.clone()),
            fetcher: source_fetcher(&cluster),
            readback: readback_fetcher(&cluster),
            started: Instant::now(),
            pod: Pod::new(config, Rules::default()),
            cluster,
            sender,
            answers,
            jobs,
            done,
            member: None,
            joining: None,
            generation: None,
            life: None,
            epoch: 0,
            mailboxes,
            failures,
            reading: readback::Reading::default(),
            loaded_states: BTreeMap::new(),
            adoption: None,
            checkpoints: None,
            write_ids: Arc::new(WriteIds::random()),
            sources: BTreeMap::new(),
            files: BTreeMap::new(),
            route: Route::Undecided,
            paused: false,
            cutting: None,
            sending: None,
            is_dirty: false,
            standing: None,
            report: report::Report::default(),
            ended: None,
            intentions: VecDeque::new(),
            program,
            environment,
            status,
        })
    }

    /// Runs until the pod stops; `orders` may change meanwhile.
    pub(crate) async fn run(mut self, mut orders: watch::Receiver<Orders>) -> Ended {
        self.status.phase(Phase::Starting);
        self.pod.tick(self.now());
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut cut_off: Option<Instant> = None;
        let mut obeyed = Orders::default();
        loop {
            self.settle_down().await;
            if let Some(ended) = self.ended.take() {
                return ended;
            }
            let wake = self.pod.deadline().map(|Time(ms)| self.started + Duration::from_millis(ms));
            let flight = Arc::clone(self.mailboxes.flight());
            tokio::select! {
                Some((ticket, answer)) = self.answers.recv() => self.answered(ticket, answer),
                Some(done) = self.done.recv() => self.job_done(done),
                Some(what) = self.failures.recv() => self.fail(PipelineReason::Internal, what),
                event = next_event(&mut self.member) => self.member_event(event),
                fetched = self.readback.next(), if self.reading.is_any() => self.read_back(fetched),
                fetched = self.fetcher.next(), if self.can_dispatch() => self.fetched(fetched),
                () = flight.moved() => {}
                () = sleep_until(wake) => self.pod.tick(self.now()),
                _ = ticks.tick() => self.tick(),
                changed = orders.changed() => {
                    let now = *orders.borrow_and_update();
                    self.obey(&mut obeyed, now, &mut cut_off);
                    if changed.is_err() {
                        // Nobody holds the handle any more: as if asked to stop.
                        self.obey(&mut obeyed, Orders { stop: Some(false), ..now }, &mut cut_off);
                        tokio::time::sleep(TICK).await;
                    }
                }
            }
            if cut_off.is_some_and(|at| Instant::now() >= at) {
                let message = "it did not stop in time; what was not committed is read again".to_owned();
                self.fail(PipelineReason::ClusterNotReady, message);
            }
        }
    }

    fn obey(&mut self, obeyed: &mut Orders, now: Orders, cut_off: &mut Option<Instant>) {
        if now.commit_interval_ms != obeyed.commit_interval_ms
            && let Some(interval_ms) = now.commit_interval_ms
        {
            self.pod.set_commit_interval(interval_ms);
        }
        if obeyed.stop.is_none()
            && let Some(leave) = now.stop
        {
            self.status.phase(Phase::Draining);
            self.report.is_stopping = true;
            *cut_off = Some(Instant::now() + STOP_TIMEOUT);
            self.pod.on(self.now(), Event::Stop { leave });
        }
        *obeyed = now;
    }

    /// Performs what is wanted until nothing more is, and makes the cut if the lanes have drained.
    async fn settle_down(&mut self) {
        loop {
            self.report_changes();
            self.cut_if_drained().await;
            let mut performed = false;
            while let Some(intention) = self.intentions.pop_front().or_else(|| self.pod.next_intention()) {
                self.perform(intention);
                performed = true;
            }
            self.start_reading();
            self.finish_adoption();
            if !performed && self.intentions.is_empty() {
                return;
            }
        }
    }

    fn now(&self) -> Time {
        Time(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn fail(&mut self, reason: PipelineReason, message: String) {
        self.ended.get_or_insert(Ended::Failed(PipelineProblem { reason, message }));
    }

    /// Something is there to commit.
    fn report_changes(&mut self) {
        if self.mailboxes.flight().take_changed() || self.is_dirty {
            self.is_dirty = false;
            let pending_bytes = self.mailboxes.flight().pending_bytes();
            self.pod.on(self.now(), Event::Changed { pending_bytes });
        }
    }

    fn tick(&mut self) {
        if !self.sources.is_empty() && self.cutting.is_none() {
            (0..self.mailboxes.count()).for_each(|lane| self.mailboxes.send(lane, Message::Tick, 0));
        }
        self.collect();
        self.look_at_partitions();
        self.write_status();
    }

    /// Forgets everything: the pod begins a new life.
    fn reset(&mut self, why: &str) {
        tracing::info!(pipeline = %self.program.desired.pipeline, why, "the pod drops everything and begins anew");
        self.epoch += 1;
        self.mailboxes.remove();
        match install(&self.program, &self.environment) {
            Ok((mailboxes, failures)) => (self.mailboxes, self.failures) = (mailboxes, failures),
            Err(problem) => self.fail(problem.reason, problem.message),
        }
        self.fetcher = source_fetcher(&self.cluster);
        self.readback = readback_fetcher(&self.cluster);
        (self.member, self.joining, self.generation) = (None, None, None);
        self.reading = readback::Reading::default();
        self.loaded_states.clear();
        (self.adoption, self.checkpoints, self.life) = (None, None, None);
        self.sources.clear();
        self.files.clear();
        (self.route, self.paused, self.cutting) = (Route::Undecided, false, None);
        self.sending = None;
        self.is_dirty = false;
        // What was counted and not committed is counted again.
        self.standing = None;
        self.report.reset();
        self.status.phase(Phase::Starting);
    }

    /// The group's partition of a hash partition as `state` counts them.
    fn hash(k: HashPartition) -> state::HashPartition {
        state::HashPartition(k.0)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.mailboxes.remove();
    }
}

/// Workers for this program on every lane.
fn install(program: &Arc<Program>, environment: &Environment) -> Result<(Mailboxes, mpsc::UnboundedReceiver<String>), PipelineProblem> {
    let (failed, failures) = mpsc::unbounded_channel();
    let mailboxes = environment.lanes.prepare();
    let workers = (0..mailboxes.count()).map(|lane| Worker::new(program, lane, &mailboxes, &failed)).collect::<Result<Vec<_>, _>>();
    let workers = workers.map_err(|message| PipelineProblem { reason: PipelineReason::Internal, message })?;
    mailboxes.install(workers);
    Ok((mailboxes, failures))
}

fn source_fetcher(cluster: &Cluster) -> Fetcher {
    Fetcher::new(cluster.clone(), FetchOptions { isolation: Isolation::ReadCommitted, held_bytes_max: 32 << 20, ..FetchOptions::default() })
}

fn readback_fetcher(cluster: &Cluster) -> Fetcher {
    let options = FetchOptions { isolation: Isolation::ReadCommitted, wait_max: Duration::from_millis(20), ..FetchOptions::default() };
    Fetcher::new(cluster.clone(), options)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn next_event(member: &mut Option<Member>) -> Option<MemberEvent> {
    match member {
        Some(member) => member.next().await,
        None => std::future::pending().await,
    }
}

/// What a fetcher gives.
type FetchOutcome = Result<Fetched, FetchError>;
