//! What a pipeline says of itself, kept where its handle can read it.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use control::{ActualPipeline, DesiredPipeline, Phase, PipelineProblem};
use units::TimestampMs;

/// The actual state, shared between whoever writes and whoever reads it.
#[derive(Clone, Debug)]
pub(crate) struct Status(Arc<Mutex<ActualPipeline>>);

impl Status {
    pub(crate) fn new(desired: &DesiredPipeline) -> Self {
        Self(Arc::new(Mutex::new(ActualPipeline::new(desired, Phase::Starting))))
    }

    /// A copy.
    pub(crate) fn read(&self) -> ActualPipeline {
        self.0.lock().expect("nobody panics while holding the status").clone()
    }

    pub(crate) fn change(&self, how: impl FnOnce(&mut ActualPipeline)) {
        how(&mut self.0.lock().expect("nobody panics while holding the status"));
    }

    /// Follows a new desired state.
    pub(crate) fn follow(&self, desired: &DesiredPipeline) {
        self.change(|actual| {
            if actual.layout != desired.layout {
                // Another layout has its own counters.
                (actual.late_rows, actual.dead_letters) = (0, 0);
                (actual.watermark, actual.last_commit, actual.last_checkpoint) = (None, None, None);
            }
            actual.generation = desired.generation;
            actual.layout = desired.layout.clone();
            actual.plan_hash = desired.plan_hash.clone();
        });
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.change(|actual| {
            actual.phase = phase;
            actual.ready_replicas = u32::from(matches!(phase, Phase::Running | Phase::Finished));
        });
    }

    pub(crate) fn failed(&self, problem: PipelineProblem) {
        self.change(|actual| {
            (actual.phase, actual.ready_replicas) = (Phase::Failed, 0);
            actual.problem = Some(problem);
        });
    }
}

/// Counters over the life of a layout; they commit with everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) late_rows: u64,
    pub(crate) dead_rows: u64,
}

impl Counters {
    /// 1, then both counters, little-endian.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut note = vec![1];
        note.extend(self.late_rows.to_le_bytes());
        note.extend(self.dead_rows.to_le_bytes());
        note
    }

    pub(crate) fn decode(note: &[u8]) -> Option<Self> {
        let (&[1], rest) = note.split_first_chunk::<1>()? else { return None };
        let (late, rest) = rest.split_first_chunk::<8>()?;
        let (dead, rest) = rest.split_first_chunk::<8>()?;
        rest.is_empty().then(|| Self { late_rows: u64::from_le_bytes(*late), dead_rows: u64::from_le_bytes(*dead) })
    }
}

pub(crate) fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    TimestampMs(i64::try_from(since).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_survive_their_note() {
        let counters = Counters { late_rows: 7, dead_rows: u64::MAX };
        assert_eq!(Counters::decode(&counters.encode()), Some(counters));
        for damaged in [&[][..], &[2; 17], &[1; 16], &[1; 18]] {
            assert_eq!(Counters::decode(damaged), None);
        }
    }
}
