//! The pipeline as the operator and the kubelet see it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use control::{Actual, ActualPipeline, Desired, DesiredPipeline, Life, ObjectRef, Phase, grpc::PushError, grpc::Worker};
use pipeline::{Environment, Handle, Runner};

use super::metrics;
use crate::pod::{health::Vitals, metrics::Snapshot};

/// How often a pipeline that leaves its group is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A pipeline that was started.
pub(super) struct PipelineWorker {
    pipeline: ObjectRef,
    ordinal: u32,
    files_dir: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    desired: DesiredPipeline,
    /// `None` once it is stopped.
    handle: Option<Handle>,
    /// What it said last.
    last: ActualPipeline,
}

impl PipelineWorker {
    /// Runs it as `desired` says, from now on.
    pub(super) fn start(desired: DesiredPipeline, environment: Environment, files_dir: Option<PathBuf>) -> Self {
        let (pipeline, ordinal) = (desired.pipeline.clone(), environment.ordinal);
        let desired = placed(desired, files_dir.as_ref());
        let handle = Runner::start(desired.clone(), environment);
        let last = handle.status();
        Self { pipeline, ordinal, files_dir, state: Mutex::new(State { desired, handle: Some(handle), last }) }
    }

    /// Ends it after a last commit; out of its group where it is not to come back.
    ///
    /// # Cancel safety
    /// Dropping the future lets it end by itself.
    pub(super) async fn end(&self) {
        let (desired, handle) = {
            let mut state = self.state();
            state.last = self.actual_of(&state);
            (state.desired.clone(), state.handle.take())
        };
        let Some(handle) = handle else { return };
        if desired.life == Life::Run && self.ordinal >= desired.replicas {
            handle.update(DesiredPipeline { life: Life::Suspend, ..desired });
            while !matches!(handle.status().phase, Phase::Suspended | Phase::Stopped | Phase::Failed) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        handle.stop(true).await;
    }

    /// What it shall be.
    pub(super) fn desired(&self) -> DesiredPipeline {
        self.state().desired.clone()
    }

    fn now(&self) -> ActualPipeline {
        let state = self.state();
        self.actual_of(&state)
    }

    fn actual_of(&self, state: &State) -> ActualPipeline {
        match &state.handle {
            Some(handle) => handle.status(),
            None => ActualPipeline { phase: Phase::Stopped, ready_replicas: 0, ..state.last.clone() },
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files are where the pod has them, if it was told so.
fn placed(desired: DesiredPipeline, files_dir: Option<&PathBuf>) -> DesiredPipeline {
    match files_dir {
        Some(folder) => DesiredPipeline { files_root: Some(folder.clone()), ..desired },
        None => desired,
    }
}

impl Worker for PipelineWorker {
    async fn push(&self, desired: Desired) -> Result<(), PushError> {
        let ours = &self.pipeline;
        let Desired::Pipeline(desired) = desired else {
            return Err(PushError::NotOurs(format!("this is a pod of Pipeline {ours}, not a broker")));
        };
        if desired.pipeline != *ours {
            return Err(PushError::NotOurs(format!("this is a pod of Pipeline {ours}, not of {}", desired.pipeline)));
        }
        let mut state = self.state();
        let Some(handle) = &state.handle else { return Err(PushError::Failed("the pipeline is stopping".into())) };
        if desired.generation >= state.desired.generation {
            let desired = placed(desired, self.files_dir.as_ref());
            handle.update(desired.clone());
            state.desired = desired;
        }
        Ok(())
    }

    async fn actual(&self) -> Actual {
        Actual::Pipeline(self.now())
    }

    fn revision(&self) -> u64 {
        let actual = self.now();
        let mut hasher = DefaultHasher::new();
        (actual.generation, actual.phase, actual.ready_replicas, &actual.layout, &actual.plan_hash).hash(&mut hasher);
        actual.problem.as_ref().map(|problem| (problem.reason, &problem.message)).hash(&mut hasher);
        (actual.checkpoint_failing_since, actual.last_checkpoint, actual.dead_letters > 0).hash(&mut hasher);
        actual.sources.iter().for_each(|source| source.finished.hash(&mut hasher));
        hasher.finish()
    }
}

impl Vitals for PipelineWorker {
    /// Whatever fails in a pipeline begins anew by itself, within the process.
    async fn mortal(&self) -> Option<String> {
        None
    }

    async fn unready(&self) -> Option<String> {
        why_unready(&self.now())
    }

    async fn metrics(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        metrics::add(&mut snapshot, self.ordinal, &self.now());
        snapshot
    }
}

fn why_unready(actual: &ActualPipeline) -> Option<String> {
    match actual.phase {
        Phase::Running | Phase::Suspended | Phase::Finished => None,
        phase => {
            let problem = actual.problem.as_ref().map(|problem| format!(": {:?}: {}", problem.reason, problem.message));
            Some(format!("{phase:?}{}", problem.unwrap_or_default()))
        }
    }
}
