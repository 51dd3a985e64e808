//! Keeps one pipeline as it is desired: runs it, restarts it, holds it still, ends it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use client::{Admin, ClientOptions, Cluster};
use commit::StopReason;
use control::{ActualPipeline, DesiredPipeline, Life, Phase, PipelineProblem, PipelineReason};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    catalog,
    driver::{Driver, Ended, Orders},
    environment::Environment,
    program::Program,
    status::Status,
    topics,
};

/// A run that failed is tried again after so long, twice as long each time up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(15);
/// A process that another one has fenced comes back after this. As a rule one of the two is a pod whose node was given up, and which its kubelet
/// ends as soon as the node is reached again: had the other one stopped for good, nobody would be left. While both live they fence each other
/// in turn, with time to work between; that costs time, and nothing is lost or done twice.
const FENCED_RETRY: Duration = Duration::from_secs(10);
/// How long a request is repeated before the pod core hears of it; shorter than a transaction may be open.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts pipelines.
#[derive(Debug)]
pub struct Runner;

/// A pipeline that was started. Dropping it stops the pipeline after a last commit, without waiting for that.
#[derive(Debug)]
pub struct Handle {
    status: Status,
    desired: watch::Sender<DesiredPipeline>,
    stop: watch::Sender<Option<bool>>,
    task: JoinHandle<()>,
}

impl Runner {
    /// Runs the pipeline as `desired` says, from now on. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(desired: DesiredPipeline, environment: Environment) -> Handle {
        let status = Status::new(&desired);
        let (desired, following) = watch::channel(desired);
        let (stop, stopping) = watch::channel(None);
        let supervisor = Supervisor { status: status.clone(), environment, desired: following, stop: stopping };
        Handle { status, desired, stop, task: tokio::spawn(keep(supervisor)) }
    }
}

/// A task that ends when its handle is dropped.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs the supervisor in a task of its own, so that a bug of ours that panics is seen in status, and the pipeline begins anew from what is
/// committed.
async fn keep(supervisor: Supervisor) {
    loop {
        let mut task = Task(tokio::spawn(supervisor.clone().run()));
        match (&mut task.0).await {
            Err(reason) if reason.is_panic() => {
                let message = "a bug of ours stopped it, see the log of the process; it begins anew from its last commit".to_owned();
                tracing::error!(pipeline = %supervisor.status.read().pipeline, message);
                supervisor.status.failed(PipelineProblem { reason: PipelineReason::Internal, message });
                tokio::time::sleep(RETRY_LAST).await;
            }
            _ => return,
        }
    }
}

impl Handle {
    /// What is, as of the last quarter of a second.
    #[must_use]
    pub fn status(&self) -> ActualPipeline {
        self.status.read()
    }

    /// From now on it shall be like this. A desired state with an older generation than one that was given before is ignored.
    pub fn update(&self, desired: DesiredPipeline) {
        self.desired.send_if_modified(|current| {
            let is_news = desired.generation >= current.generation && desired != *current;
            if is_news {
                *current = desired;
            }
            is_news
        });
    }

    /// Ends it: commits what was read and writes a checkpoint where `graceful`, else at once. Returns when it has ended; the pod stays a
    /// member of its group until its session ends, so that it finds its place when it comes back.
    ///
    /// # Cancel safety
    /// Dropping the future lets the pipeline end by itself.
    pub async fn stop(self, graceful: bool) {
        if graceful {
            self.stop.send_replace(Some(false));
        } else {
            self.task.abort();
        }
        let _ = self.task.await;
    }
}

#[derive(Clone)]
struct Supervisor {
    status: Status,
    environment: Environment,
    desired: watch::Receiver<DesiredPipeline>,
    stop: watch::Receiver<Option<bool>>,
}

/// What follows a run.
enum Next {
    /// The desired state changed, or the run asks for another.
    Again,
    /// After a while.
    Later(PipelineProblem),
    /// Nothing until the desired state changes.
    Wait,
    /// The pipeline was stopped from outside.
    End,
}

impl Supervisor {
    async fn run(mut self) {
        let mut retry = RETRY_FIRST;
        loop {
            if self.stop.borrow().is_some() {
                return self.status.phase(Phase::Stopped);
            }
            let desired = self.desired.borrow_and_update().clone();
            self.status.follow(&desired);
            let begun = Instant::now();
            let next = match desired.life {
                Life::Run => self.run_once(desired).await,
                Life::Suspend => self.rest(Phase::Suspended),
                Life::Drain | Life::Stop => self.rest(Phase::Stopped),
            };
            match next {
                Next::Again => retry = RETRY_FIRST,
                Next::End => return self.status.phase(Phase::Stopped),
                Next::Wait => {
                    if !self.wait(None).await {
                        return self.status.phase(Phase::Stopped);
                    }
                }
                Next::Later(problem) => {
                    tracing::warn!(pipeline = %self.status.read().pipeline, reason = ?problem.reason, message = problem.message, "the pipeline does not run");
                    if begun.elapsed() > RETRY_LAST {
                        retry = RETRY_FIRST;
                    }
                    let waits = match problem.reason {
                        PipelineReason::Fenced => FENCED_RETRY,
                        reason if reason.is_stalled() => RETRY_LAST,
                        _ => retry,
                    };
                    self.status.failed(problem);
                    retry = (retry * 2).min(RETRY_LAST);
                    if !self.wait(Some(waits)).await {
                        return self.status.phase(Phase::Stopped);
                    }
                }
            }
        }
    }

    fn rest(&self, phase: Phase) -> Next {
        self.status.phase(phase);
        self.status.change(|actual| actual.problem = None);
        Next::Wait
    }

    /// Waits for news, or for the time; false when it is to end.
    async fn wait(&mut self, at_most: Option<Duration>) -> bool {
        let time = async {
            match at_most {
                Some(at_most) => tokio::time::sleep(at_most).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => true,
            changed = self.desired.changed() => changed.is_ok(),
            changed = self.stop.changed() => changed.is_ok() && self.stop.borrow().is_none(),
        }
    }

    /// One run, until the desired state asks for another or it fails.
    async fn run_once(&mut self, desired: DesiredPipeline) -> Next {
        let driver = match self.prepare(desired.clone()).await {
            Ok(driver) => driver,
            Err(problem) => return Next::Later(problem),
        };
        let (orders, obeyed) = watch::channel(Orders::default());
        let run = driver.run(obeyed);
        tokio::pin!(run);
        let mut asked_to_end = false;
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                changed = self.desired.changed() => {
                    if changed.is_err() {
                        asked_to_end = true;
                        orders.send_modify(|orders| orders.stop = Some(false));
                        break run.await;
                    }
                    let newer = self.desired.borrow().clone();
                    if newer.life == Life::Stop {
                        return Next::Again;
                    }
                    if only_pace_differs(&desired, &newer) {
                        self.desired.mark_unchanged();
                        self.status.follow(&newer);
                        let interval_ms = u64::try_from(newer.commit_interval.0).ok();
                        orders.send_modify(|orders| orders.commit_interval_ms = interval_ms);
                        continue;
                    }
                    // Under another layout or life the pod is not to come back to this group.
                    let leave = newer.life != Life::Run || newer.layout != desired.layout;
                    self.desired.mark_changed();
                    orders.send_modify(|orders| orders.stop = Some(leave));
                    break run.await;
                }
                _ = self.stop.changed() => {
                    asked_to_end = true;
                    orders.send_modify(|orders| orders.stop = Some(false));
                    break run.await;
                }
            }
        };
        match ended {
            _ if asked_to_end => Next::End,
            Ended::Stopped(StopReason::Asked) => Next::Again,
            Ended::Stopped(reason) => Next::Later(problem_of(&reason)),
            Ended::Failed(problem) => Next::Later(problem),
        }
    }

    /// Plans, connects, and looks whether everything that is needed is there.
    async fn prepare(&self, desired: DesiredPipeline) -> Result<Driver, PipelineProblem> {
        self.status.phase(Phase::Starting);
        let plan = catalog::plan(&desired)?;
        let id = desired.transactional_id(self.environment.ordinal);
        let options = ClientOptions::new(self.environment.bootstrap.clone(), id.as_str());
        let options = ClientOptions { retry_timeout: RETRY_TIMEOUT, tls: self.environment.tls.clone(), ..options };
        let cluster = Cluster::connect(options).await.map_err(topics::not_ready)?;
        let found = topics::look(&Admin::new(cluster.clone()), &desired, &plan).await?;
        let internal = |error: String| PipelineProblem { reason: PipelineReason::Internal, message: error };
        let program = Program::new(desired, plan, &found).map_err(|error| internal(error.to_string()))?;
        Driver::new(Arc::new(program), self.environment.clone(), self.status.clone(), cluster)
    }
}

/// Whether a running pod can follow without a restart.
fn only_pace_differs(before: &DesiredPipeline, after: &DesiredPipeline) -> bool {
    let alike = DesiredPipeline { generation: after.generation, commit_interval: after.commit_interval, ..before.clone() };
    alike == *after
}

fn problem_of(reason: &StopReason) -> PipelineProblem {
    let (reason, message) = match reason {
        StopReason::Asked => (PipelineReason::Internal, "it was asked to stop".to_owned()),
        StopReason::Fenced(fence) => (PipelineReason::Fenced, fence.to_string()),
        StopReason::DataLoss(loss) => (PipelineReason::DataLoss, loss.to_string()),
        StopReason::Closed { by } => (PipelineReason::Fenced, format!("layout {by} took over")),
        StopReason::Restore(what) => (PipelineReason::DataLoss, what.clone()),
    };
    PipelineProblem { reason, message }
}
