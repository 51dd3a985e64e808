//! What the pipeline says of itself.

use std::{collections::BTreeMap, time::Instant};

use commit::StateKind;
use control::{PipelineProblem, PipelineReason, SourceProgress};
use units::{ByteCount, DurationMs, TimestampMs};

use super::{Driver, burst::Committing};
use crate::status::{self, Standing};

/// Kept for status.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows_in: u64,
    rows_out: u64,
    pub(super) memory_bytes: u64,
    unfolded: BTreeMap<u32, u64>,
    /// As of the last commit.
    standing: Option<Standing>,
    last_commit: Option<TimestampMs>,
    last_checkpoint: Option<TimestampMs>,
    pub(super) checkpoint_failing_since: Option<TimestampMs>,
    pub(super) trouble: Option<(PipelineReason, String)>,
    pub(super) is_stopping: bool,
    pub(super) next_collect: Option<Instant>,
    pub(super) next_look: Option<Instant>,
}

/// What the state partitions say of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// When a commit wrote to one last.
    pub(super) last_commit: Option<TimestampMs>,
    /// When a manifest was committed to one last.
    pub(super) last_checkpoint: Option<TimestampMs>,
}

impl Past {
    /// A record of this kind was written then.
    pub(super) fn read(&mut self, kind: &StateKind, at: TimestampMs) {
        match kind {
            StateKind::Delta | StateKind::Whole => self.last_commit = self.last_commit.max(Some(at)),
            StateKind::Manifest { .. } => {
                (self.last_commit, self.last_checkpoint) = (self.last_commit.max(Some(at)), self.last_checkpoint.max(Some(at)));
            }
            StateKind::Claim(_) | StateKind::Closed { .. } => {}
        }
    }

    /// Together with what another state partition says.
    pub(super) fn and(self, other: Self) -> Self {
        let (last_commit, last_checkpoint) = (self.last_commit.max(other.last_commit), self.last_checkpoint.max(other.last_checkpoint));
        Self { last_commit, last_checkpoint }
    }
}

impl Report {
    /// The state was read back: the pipeline stands where it stood.
    pub(super) fn restored(&mut self, standing: Standing, past: Past, unfolded: BTreeMap<u32, u64>) {
        (self.standing, self.unfolded) = (Some(standing), unfolded);
        self.last_commit = self.last_commit.max(past.last_commit);
        self.last_checkpoint = self.last_checkpoint.max(past.last_checkpoint);
    }

    /// What was restored is dropped, and comes again.
    pub(super) fn reset(&mut self) {
        (self.standing, self.memory_bytes) = (None, 0);
        self.unfolded.clear();
    }

    pub(super) fn committed(&mut self, committing: &Committing, manifests: &[commit::ManifestDue]) {
        self.last_commit = Some(status::now());
        self.rows_out += committing.rows_out;
        self.standing = Some(committing.standing);
        for (&k, bytes) in &committing.delta_bytes {
            *self.unfolded.entry(k).or_default() += bytes;
        }
        for manifest in manifests {
            self.unfolded.remove(&manifest.hash.0);
            self.last_checkpoint = self.last_commit;
        }
    }
}

impl Driver {
    pub(super) fn write_status(&self) {
        let snapshot = self.pod.snapshot();
        let trouble = snapshot.trouble.map(|message| PipelineProblem { reason: PipelineReason::ClusterNotReady, message });
        let failing = self.report.checkpoint_failing_since.and(self.report.trouble.clone());
        let failing = failing.map(|(reason, message)| PipelineProblem { reason, message });
        let mut sources: BTreeMap<&str, SourceProgress> = BTreeMap::new();
        let blank = |table: &str| SourceProgress {
            table: table.to_owned(),
            rows: 0,
            lag_records: None,
            read: None,
            size: None,
            finished: false,
            idle_partitions: Vec::new(),
        };
        for (source, slot) in &self.sources {
            let at = &self.program.sources[source.0 as usize];
            let table = self.program.topics[at.topic].table.as_str();
            let progress = sources.entry(table).or_insert_with(|| blank(table));
            progress.rows += slot.rows;
            if let Some(high) = slot.high_watermark {
                *progress.lag_records.get_or_insert(0) += u64::try_from(high.0 - slot.committed.0).unwrap_or(0);
            }
            if slot.is_idle {
                progress.idle_partitions.push(at.at.partition.0);
            }
        }
        for (index, file) in &self.files {
            let table = self.program.files[*index].table.name.as_str();
            let progress = sources.entry(table).or_insert_with(|| blank(table));
            let (read, size) = file.progress;
            progress.rows += file.rows;
            progress.read = Some(ByteCount(if file.note.is_end { size } else { read }));
            progress.size = Some(ByteCount(size));
            progress.finished = file.note.is_end;
        }
        let sources = sources.into_values().collect();
        let report = &self.report;
        self.status.change(|actual| {
            actual.problem = failing.or(trouble);
            actual.lag = self.lag_ms().map(DurationMs);
            actual.last_commit = report.last_commit.or(actual.last_commit);
            actual.last_checkpoint = report.last_checkpoint.or(actual.last_checkpoint);
            actual.state_bytes = ByteCount(report.memory_bytes);
            actual.unfolded_bytes = ByteCount(report.unfolded.values().sum());
            actual.checkpoint_failing_since = report.checkpoint_failing_since;
            // Before the state was read back, what was known before this run is still right.
            if let Some(standing) = report.standing {
                actual.watermark = standing.watermark_ms.map(TimestampMs);
                (actual.late_rows, actual.dead_letters) = (standing.late_rows, standing.dead_rows);
            }
            actual.rows_in = report.rows_in;
            actual.rows_out = report.rows_out;
            actual.sources = sources;
        });
    }
}
