//! What is said of a Pipeline.

use control::{ActualPipeline, Life, Phase, PipelineReason};
use crds::{Condition, ConditionStatus, ConditionType, Kind, PipelineStatus, Reason, Timestamp, pipeline::DeadLetters};
use units::ByteCount;

use crate::{
    Deployment, Finding, Report, Status, World,
    pipelines::{Obstacle, ResolvedPipeline},
    query::QueryProblem,
    report::{Conditions, is_deleted, is_paused, paused, status_of},
    rounding::{duration_text, lag_seconds, to_the_minute, two_digits},
};

/// Deltas that a checkpoint folds at the latest (DESIGN §5): 64 MiB, or a quarter of the state.
const CHECKPOINT_BYTES: u64 = 64 << 20;
/// How long uploads may fail before a person should know.
const UPLOAD_FAILING_MS: i64 = 5 * 60 * 1000;

/// How long a Pipeline's pod may be on its way to what was asked before a person should look: as long as a Deployment's pods have by default.
const PROGRESS_DEADLINE_SECONDS: i64 = 600;
/// How the message of one that took longer begins.
const NO_PROGRESS: &str = "no progress for 10 minutes";

const FINISHED: &str = "every source is bounded and was read to its end";

struct Verdict {
    is_ready: bool,
    reason: Reason,
    message: String,
    /// Reconciling or Stalled, with its reason.
    also: Option<(ConditionType, Reason)>,
}

impl Verdict {
    fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { is_ready: true, reason, message: message.into(), also: None }
    }
    fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { is_ready: false, reason, message: message.into(), also: None }
    }
    fn stalled(self) -> Self {
        Self { also: Some((ConditionType::Stalled, self.reason)), ..self }
    }
    fn reconciling(self, reason: Reason) -> Self {
        Self { also: Some((ConditionType::Reconciling, reason)), ..self }
    }
}

pub(crate) fn report(_world: &World, pipeline: &ResolvedPipeline<'_>, now: Timestamp) -> Report {
    let metadata = &pipeline.pipeline.metadata;
    let before = pipeline.pipeline.status.clone().unwrap_or_default();
    if is_paused(metadata) {
        return paused(Kind::Pipeline, pipeline.object.clone(), Status::Pipeline(before));
    }
    let verdict = within_deadline(pipeline, verdict(pipeline), &before.conditions, now);
    let mut conditions = Conditions::new(Kind::Pipeline, metadata, now);
    conditions.add(ConditionType::Ready, status_of(verdict.is_ready), verdict.reason, verdict.message.clone());
    if let Some((condition, reason)) = verdict.also {
        conditions.add_true(condition, reason, verdict.message);
    }
    add_domain(pipeline, now, &mut conditions);
    // What is on its way to another generation began with it.
    let is_present = |one: &&Condition| !one.is(ConditionType::Reconciling) || one.observed_generation == metadata.generation;
    let conditions = conditions.finish(&before.conditions.iter().filter(is_present).cloned().collect::<Vec<_>>());
    let mut status = telemetry(pipeline, before);
    status.observed_generation = metadata.generation;
    status.conditions = conditions;
    Report {
        kind: Kind::Pipeline,
        object: pipeline.object.clone(),
        status: Status::Pipeline(status),
        findings: pipeline.obstacle.iter().filter_map(Obstacle::finding).cloned().collect(),
        is_gone: pipeline.is_gone,
    }
}

impl Obstacle {
    fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Query(problem) => problem.finding(),
            Self::Dependency(_, finding) | Self::StateLoss(finding) | Self::Invalid(finding) => Some(finding),
        }
    }
}

/// A finding's sentence, with its place in the query.
fn placed(finding: &Finding) -> String {
    finding.text_at.map_or_else(|| finding.message.clone(), |(line, column)| format!("line {line}, column {column}: {}", finding.message))
}

fn verdict(pipeline: &ResolvedPipeline<'_>) -> Verdict {
    if is_deleted(&pipeline.pipeline.metadata) {
        return Verdict::no(Reason::Progressing, "committing what was read, then leaving").reconciling(Reason::Draining);
    }
    // What asks for something else than what runs is said first; what runs goes on, and the message says which.
    let serves = match &pipeline.applied {
        Some(applied) => format!("; generation {} runs on", applied.object_generation),
        None => String::new(),
    };
    match &pipeline.obstacle {
        Some(Obstacle::Query(QueryProblem::Plan(finding)) | Obstacle::Invalid(finding)) => {
            return Verdict::no(Reason::PlanError, placed(finding) + &serves).stalled();
        }
        Some(Obstacle::StateLoss(finding)) => return Verdict::no(Reason::StateLossNotAllowed, placed(finding) + &serves).stalled(),
        Some(Obstacle::Query(QueryProblem::Source(finding) | QueryProblem::Table(_, finding)) | Obstacle::Dependency(_, finding)) => {
            return Verdict::no(Reason::DependencyMissing, placed(finding) + &serves);
        }
        None | Some(Obstacle::Query(QueryProblem::Pending)) => {}
    }
    let is_held = pipeline.applied.as_ref().is_some_and(|applied| applied.desired.life == Life::Suspend);
    match (pipeline.deployment, pipeline.running) {
        (Some(deployment), _) if deployment.conflict.is_some() => {
            Verdict::no(Reason::ProgressDeadlineExceeded, deployment.conflict.clone().unwrap_or_default()).stalled()
        }
        (Some(deployment), _) if is_held && deployment.pods == 0 => held_verdict(pipeline),
        (Some(_), _) if is_held => Verdict::no(Reason::Progressing, "its pod commits a last time and goes").reconciling(Reason::Draining),
        // Its pod goes when the last row is committed, and says until then that it stops: that is no new start.
        (Some(_), _) if has_finished(pipeline) => Verdict::yes(Reason::Finished, FINISHED),
        (_, Some(running)) => running_verdict(pipeline, running),
        (Some(Deployment { problem: Some(problem), .. }), None) => Verdict::no(Reason::Progressing, problem.clone()),
        (_, None) => Verdict::no(Reason::Progressing, "starting"),
    }
}

/// In Kubernetes, what only says that a pod is on its way says so as `Reconciling`, whose time is when that began; from the deadline on it
/// is stalled, until it serves or something else is asked for.
fn within_deadline(pipeline: &ResolvedPipeline<'_>, verdict: Verdict, before: &[Condition], now: Timestamp) -> Verdict {
    let is_on_its_way = match verdict.also {
        None => verdict.reason == Reason::Progressing,
        Some((_, reason)) => reason == Reason::Upgrading,
    };
    if !is_on_its_way || pipeline.deployment.is_none() {
        return verdict;
    }
    let of_this_generation = |one: &&Condition| one.observed_generation == pipeline.pipeline.metadata.generation;
    let said = |condition: ConditionType| before.iter().filter(of_this_generation).find(|one| one.is(condition));
    let has_begun = said(ConditionType::Reconciling).map(|one| one.last_transition_time.0.as_second());
    let is_over = has_begun.is_some_and(|begun| now.as_second() - begun >= PROGRESS_DEADLINE_SECONDS);
    let was_over = said(ConditionType::Stalled).is_some_and(|one| one.message.starts_with(NO_PROGRESS));
    if is_over || was_over {
        return Verdict::no(Reason::ProgressDeadlineExceeded, format!("{NO_PROGRESS}: {}", verdict.message)).stalled();
    }
    Verdict { also: verdict.also.or(Some((ConditionType::Reconciling, Reason::Progressing))), ..verdict }
}

/// Whether this generation of it was read to its end before.
fn has_finished(pipeline: &ResolvedPipeline<'_>) -> bool {
    let status = pipeline.pipeline.status.as_ref();
    status.is_some_and(|status| is_finished(status, pipeline.pipeline.metadata.generation))
}

/// Whether a status says that every source was read to its end, of this generation of the object: then it needs no pods.
#[must_use]
pub fn is_finished(status: &PipelineStatus, generation: Option<i64>) -> bool {
    let says = |one: &crds::Condition| one.is(ConditionType::Ready) && one.reason == Reason::Finished.as_str();
    status.conditions.iter().any(|one| says(one) && one.observed_generation == generation)
}

fn held_verdict(pipeline: &ResolvedPipeline<'_>) -> Verdict {
    if pipeline.pipeline.spec.suspend {
        Verdict::yes(Reason::Suspended, "suspended; its state is kept")
    } else {
        Verdict::yes(Reason::Idle, "scaled to zero; its state is kept")
    }
}

fn running_verdict(pipeline: &ResolvedPipeline<'_>, running: &ActualPipeline) -> Verdict {
    if let Some(problem) = &running.problem {
        let message = problem.message.clone();
        match problem.reason {
            PipelineReason::PlanError => return Verdict::no(Reason::PlanError, message).stalled(),
            PipelineReason::DataLoss => return Verdict::no(Reason::DataLoss, message).stalled(),
            PipelineReason::CheckpointFailing => return Verdict::no(Reason::CheckpointFailing, message),
            PipelineReason::SourceUnavailable if pipeline.deployment.is_some() => {
                let place = format!("files/{}/ below the prefix of the Cluster's bucket", pipeline.object.namespace);
                return Verdict::no(Reason::DependencyMissing, format!("{message} (files are read from {place})"));
            }
            PipelineReason::TopicNotFound | PipelineReason::ClusterNotReady | PipelineReason::SourceUnavailable => {
                return Verdict::no(Reason::DependencyMissing, message);
            }
            PipelineReason::Internal => return Verdict::no(Reason::ProgressDeadlineExceeded, message).stalled(),
            PipelineReason::Fenced => return Verdict::no(Reason::Progressing, message),
        }
    }
    let follows = pipeline.applied.as_ref().is_none_or(|applied| running.generation >= applied.desired.generation);
    match running.phase {
        _ if !follows => Verdict::no(Reason::Progressing, "taking over the change").reconciling(Reason::Upgrading),
        Phase::Starting | Phase::Failed | Phase::Stopped => Verdict::no(Reason::Progressing, "starting"),
        Phase::Restoring => Verdict::no(Reason::Progressing, "reading its state back").reconciling(Reason::Restoring),
        Phase::Draining => Verdict::no(Reason::Progressing, "committing for the last time").reconciling(Reason::Draining),
        Phase::Running => Verdict::yes(Reason::Available, "running"),
        Phase::Finished => Verdict::yes(Reason::Finished, FINISHED),
        Phase::Suspended => held_verdict(pipeline),
    }
}

fn add_domain(pipeline: &ResolvedPipeline<'_>, now: Timestamp, conditions: &mut Conditions) {
    use ConditionType::{CheckpointHealthy, DependenciesReady, QueryValid};
    if is_deleted(&pipeline.pipeline.metadata) {
        return;
    }
    let (query, dependencies) = query_and_dependencies(pipeline);
    for (condition, (holds, reason, message)) in [(QueryValid, query), (DependenciesReady, dependencies)] {
        conditions.add(condition, holds, reason, message);
    }
    let Some((applied, running)) = pipeline.applied.as_ref().zip(pipeline.running) else {
        conditions.add(CheckpointHealthy, ConditionStatus::True, Reason::NotNeeded, "nothing runs yet");
        return;
    };
    let (holds, reason, message) = checkpoints(running, !applied.stateful.is_empty(), now);
    conditions.add(CheckpointHealthy, status_of(holds), reason, message);
    if running.dead_letters > 0 {
        let message = format!("rows that could not be read or computed are in topic {}", applied.desired.dead_letters);
        conditions.add_true(ConditionType::Degraded, Reason::RecordsDeadLettered, message);
    }
}

type Aspect = (ConditionStatus, Reason, String);

fn query_and_dependencies(pipeline: &ResolvedPipeline<'_>) -> (Aspect, Aspect) {
    use ConditionStatus::{False, True, Unknown};
    let is_planned = || (True, Reason::Planned, "planned".to_owned());
    let unplanned = |why: &str| (Unknown, Reason::PlanError, format!("not planned: {why}"));
    let unknown = || (Unknown, Reason::TopicNotFound, "not known: the query is not planned".to_owned());
    match &pipeline.obstacle {
        Some(Obstacle::Query(QueryProblem::Plan(finding)) | Obstacle::Invalid(finding)) => {
            ((False, Reason::PlanError, placed(finding)), unknown())
        }
        Some(Obstacle::Query(QueryProblem::Source(finding))) => ((False, Reason::QuerySourceNotFound, placed(finding)), unknown()),
        Some(Obstacle::Query(QueryProblem::Pending)) => (unplanned("it is being planned"), unknown()),
        Some(Obstacle::Query(QueryProblem::Table(reason, finding))) => (unplanned("a table is missing"), (False, *reason, placed(finding))),
        Some(Obstacle::Dependency(reason, finding)) => {
            let query = if pipeline.plan.is_some() { is_planned() } else { unplanned("its Cluster cannot be asked") };
            (query, (False, *reason, placed(finding)))
        }
        Some(Obstacle::StateLoss(_)) => {
            let message = "planned; it does not run for what it would lose".to_owned();
            ((True, Reason::Planned, message), (True, Reason::Resolved, "every topic that it names is there".into()))
        }
        None => (is_planned(), (True, Reason::Resolved, "every topic is there".into())),
    }
}

fn checkpoints(running: &ActualPipeline, has_state: bool, now: Timestamp) -> (bool, Reason, &'static str) {
    let bound = CHECKPOINT_BYTES.max(running.state_bytes.0 / 4);
    let fails_for = running.checkpoint_failing_since.map_or(0, |since| now.as_millisecond() - since.0);
    if !has_state {
        (true, Reason::NotNeeded, "the query keeps no state")
    } else if fails_for >= UPLOAD_FAILING_MS {
        (false, Reason::UploadFailing, "uploads of checkpoints have failed for 5 minutes")
    } else if running.unfolded_bytes > ByteCount(4 * bound) {
        (false, Reason::FallingBehind, "much state is in the log only: a restart would take long")
    } else {
        (true, Reason::Healthy, "checkpoints keep up")
    }
}

/// What there is of it: its pods by Kubernetes where that is asked, the rest by the pods themselves.
fn telemetry(pipeline: &ResolvedPipeline<'_>, before: PipelineStatus) -> PipelineStatus {
    let status = progress(pipeline, before);
    let Some(deployment) = pipeline.deployment else { return status };
    let ready = if deployment.pods == 0 { Some(0) } else { status.ready_replicas };
    PipelineStatus {
        version: Some(deployment.version.clone()),
        selector: Some(deployment.selector.clone()).filter(|selector| !selector.is_empty()).or(status.selector.clone()),
        replicas: i32::try_from(deployment.pods).ok(),
        ready_replicas: ready,
        ..status
    }
}

fn progress(pipeline: &ResolvedPipeline<'_>, before: PipelineStatus) -> PipelineStatus {
    let layout = pipeline.applied.as_ref().map(|applied| applied.desired.layout.to_string());
    let plan = pipeline.plan.clone().or(before.plan.clone());
    let Some((applied, running)) = pipeline.applied.as_ref().zip(pipeline.running) else {
        return PipelineStatus { layout, plan, ready_replicas: Some(0), replicas: Some(0), ..before };
    };
    let lag = running.lag.map(|lag| lag_seconds(lag.0));
    let is_held = running.phase == Phase::Suspended || running.phase == Phase::Stopped;
    PipelineStatus {
        layout,
        plan,
        replicas: i32::try_from(if is_held { 0 } else { applied.desired.replicas }).ok(),
        ready_replicas: i32::try_from(running.ready_replicas).ok(),
        lag: lag.map(duration_text),
        lag_seconds: lag,
        watermark: running.watermark.and_then(to_the_minute),
        last_commit_time: running.last_commit.and_then(to_the_minute),
        last_checkpoint_time: running.last_checkpoint.and_then(to_the_minute),
        state_bytes: Some(two_digits(running.state_bytes.0)),
        late_rows: Some(two_digits(running.late_rows)),
        dead_letters: Some(DeadLetters { topic: applied.desired.dead_letters.to_string(), rows: two_digits(running.dead_letters) }),
        ..before
    }
}
