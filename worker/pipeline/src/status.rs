//! What a pipeline says of itself, kept where its handle can read it.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use control::{ActualPipeline, DesiredPipeline, Phase, PipelineProblem};
use flow::watermark::{EVERYTHING_MS, NOTHING_MS};
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

/// What a pipeline says of the life of its layout, beyond what its state and positions show. It commits with everything else, so that it
/// is the same after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Rows that came after their window was final.
    pub(crate) late_rows: u64,
    /// Rows in the dead-letter topic.
    pub(crate) dead_rows: u64,
    /// The greatest watermark up to which results were final, in milliseconds; neither before the first nor at the end of bounded input
    /// is there one to name.
    pub(crate) watermark_ms: Option<i64>,
}

impl Standing {
    /// Takes in how far results are final; a watermark never goes back.
    pub(crate) fn reached(&mut self, watermark_ms: i64) {
        if watermark_ms > NOTHING_MS && watermark_ms < EVERYTHING_MS {
            self.watermark_ms = self.watermark_ms.max(Some(watermark_ms));
        }
    }

    /// 2, then the numbers, little-endian; a watermark that is none is the least there can be.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut note = vec![2];
        note.extend(self.late_rows.to_le_bytes());
        note.extend(self.dead_rows.to_le_bytes());
        note.extend(self.watermark_ms.unwrap_or(NOTHING_MS).to_le_bytes());
        note
    }

    pub(crate) fn decode(note: &[u8]) -> Option<Self> {
        let (&[2], rest) = note.split_first_chunk::<1>()? else { return None };
        let (late, rest) = rest.split_first_chunk::<8>()?;
        let (dead, rest) = rest.split_first_chunk::<8>()?;
        let (watermark, rest) = rest.split_first_chunk::<8>()?;
        let watermark_ms = Some(i64::from_le_bytes(*watermark)).filter(|ms| *ms > NOTHING_MS);
        rest.is_empty().then_some(Self { late_rows: u64::from_le_bytes(*late), dead_rows: u64::from_le_bytes(*dead), watermark_ms })
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
    fn a_standing_survives_its_note() {
        let mut standing = Standing { late_rows: 7, dead_rows: u64::MAX, watermark_ms: None };
        assert_eq!(Standing::decode(&standing.encode()), Some(standing));
        standing.reached(-3);
        assert_eq!(Standing::decode(&standing.encode()), Some(standing));
        for damaged in [&[][..], &[1; 25], &[2; 24], &[2; 26]] {
            assert_eq!(Standing::decode(damaged), None);
        }
    }

    #[test]
    fn a_watermark_that_can_be_named_is_kept_and_never_goes_back() {
        let mut standing = Standing::default();
        [NOTHING_MS, 50, 20, EVERYTHING_MS].into_iter().for_each(|ms| standing.reached(ms));
        assert_eq!(standing.watermark_ms, Some(50));
    }
}
