//! What the pipeline says of itself.

use std::{collections::BTreeMap, time::Instant};

use control::{PipelineProblem, PipelineReason, SourceProgress};
use units::{ByteCount, DurationMs, TimestampMs};

use super::{Driver, burst::Committing};
use crate::status;

/// Kept for status.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows_in: u64,
    rows_out: u64,
    pub(super) memory_bytes: u64,
    unfolded: BTreeMap<u32, u64>,
    watermark_ms: Option<i64>,
    last_commit: Option<TimestampMs>,
    last_checkpoint: Option<TimestampMs>,
    pub(super) checkpoint_failing_since: Option<TimestampMs>,
    pub(super) trouble: Option<(PipelineReason, String)>,
    pub(super) is_stopping: bool,
    pub(super) next_collect: Option<Instant>,
    pub(super) next_look: Option<Instant>,
}

impl Report {
    pub(super) fn committed(&mut self, committing: &Committing, manifests: &[commit::ManifestDue]) {
        self.last_commit = Some(status::now());
        self.rows_out += committing.rows_out;
        self.watermark_ms = committing.watermark_ms.or(self.watermark_ms);
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
        let is_known = |watermark_ms: &i64| *watermark_ms > i64::MIN && *watermark_ms < i64::MAX;
        let report = &self.report;
        self.status.change(|actual| {
            actual.problem = failing.or(trouble);
            actual.lag = self.lag_ms().map(DurationMs);
            actual.watermark = report.watermark_ms.filter(is_known).map(TimestampMs).or(actual.watermark);
            actual.last_commit = report.last_commit.or(actual.last_commit);
            actual.last_checkpoint = report.last_checkpoint.or(actual.last_checkpoint);
            actual.state_bytes = ByteCount(report.memory_bytes);
            actual.unfolded_bytes = ByteCount(report.unfolded.values().sum());
            actual.checkpoint_failing_since = report.checkpoint_failing_since;
            actual.late_rows = self.counters.late_rows;
            actual.dead_letters = self.counters.dead_rows;
            actual.rows_in = report.rows_in;
            actual.rows_out = report.rows_out;
            actual.sources = sources;
        });
    }
}
