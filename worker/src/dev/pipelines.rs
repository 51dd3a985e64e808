//! The pipelines that run in this process: what they are told, and what they say.

use control::{ActualPipeline, DesiredPipeline, Life, ObjectRef, Phase, PipelineProblem, PipelineReason};
use std::collections::BTreeMap;
use units::ByteCount;

/// Every pipeline that is to run, hold still or leave.
#[derive(Debug, Default)]
pub(crate) struct Pipelines {
    told: BTreeMap<ObjectRef, DesiredPipeline>,
}

impl Pipelines {
    /// Goes towards this: the whole truth, so that one that is missing stops.
    pub(crate) fn follow(&mut self, wanted: &[DesiredPipeline]) {
        self.told = wanted.iter().map(|desired| (desired.pipeline.clone(), desired.clone())).collect();
    }

    /// What each says.
    pub(crate) fn actual(&self) -> BTreeMap<ObjectRef, ActualPipeline> {
        let one = |(name, desired): (&ObjectRef, &DesiredPipeline)| match desired.life {
            Life::Drain | Life::Stop => (name.clone(), quiet(desired, Phase::Stopped)),
            Life::Run | Life::Suspend => {
                let message = "this build runs topics only".into();
                let problem = Some(PipelineProblem { reason: PipelineReason::Internal, message });
                (name.clone(), ActualPipeline { problem, ..quiet(desired, Phase::Failed) })
            }
        };
        self.told.iter().map(one).collect()
    }
}

/// A pipeline that has read and written nothing.
pub(crate) fn quiet(desired: &DesiredPipeline, phase: Phase) -> ActualPipeline {
    ActualPipeline {
        pipeline: desired.pipeline.clone(),
        generation: desired.generation,
        layout: desired.layout.clone(),
        plan_hash: desired.plan_hash.clone(),
        phase,
        problem: None,
        ready_replicas: 0,
        lag: None,
        watermark: None,
        last_commit: None,
        last_checkpoint: None,
        state_bytes: ByteCount(0),
        unfolded_bytes: ByteCount(0),
        checkpoint_failing_since: None,
        late_rows: 0,
        dead_letters: 0,
        rows_in: 0,
        rows_out: 0,
        sources: Vec::new(),
    }
}
