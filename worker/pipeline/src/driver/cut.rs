//! The cut: nothing new is dispatched, the lanes drain, give out what they did, and go on.

use std::sync::Arc;

use commit::{CommitMark, CommitNumber, Event, ManifestDue, Ticket};
use control::Phase;
use flow::watermark::NOTHING_MS;
use state::{Position, Upstream};
use tokio::sync::mpsc;
use units::Offset;

use super::{Driver, burst::Parts, jobs::Done};
use crate::worker::{LaneCut, Message};

/// A cut that waits for the lanes to drain.
pub(super) struct Cutting {
    pub(super) ticket: Ticket,
    pub(super) number: CommitNumber,
    pub(super) manifests: Vec<ManifestDue>,
}

impl Driver {
    pub(super) async fn cut_if_drained(&mut self) {
        if self.cutting.is_none() || !self.mailboxes.flight().is_drained() {
            return;
        }
        let Some(cutting) = self.cutting.take() else { return };
        let lanes = self.lane_cuts().await;
        let Some(life) = self.life.filter(|_| lanes.len() == self.mailboxes.count()) else {
            // A lane that could not answer has said why.
            return;
        };
        let parts = self.parts(CommitMark { life, number: cutting.number }, lanes, &cutting.manifests);
        if parts.is_empty() {
            self.note_end();
            return self.pod.on(self.now(), Event::Cut(cutting.ticket, None));
        }
        let (program, jobs) = (Arc::clone(&self.program), self.jobs.clone());
        tokio::task::spawn_blocking(move || {
            let burst = parts.assemble(&program);
            let _ = jobs.send(Done::Burst(cutting.ticket, Some(burst)));
        });
        self.dispatch_files();
    }

    /// Nothing is left to read or to commit of sources that end.
    pub(super) fn note_end(&self) {
        let has_ended = self.program.is_bounded() && self.files.values().all(|file| file.note.is_end && !file.moved);
        if has_ended && !self.report.is_stopping {
            self.status.phase(Phase::Finished);
        }
    }

    async fn lane_cuts(&mut self) -> Vec<LaneCut> {
        let (reply, mut replies) = mpsc::unbounded_channel();
        self.mailboxes.flight().clear_pending();
        self.mailboxes.flight().take_changed();
        (0..self.mailboxes.count()).for_each(|lane| self.mailboxes.send(lane, Message::Cut(reply.clone()), 0));
        drop(reply);
        let mut cuts = Vec::with_capacity(self.mailboxes.count());
        while let Some(cut) = replies.recv().await {
            cuts.push(cut);
        }
        cuts
    }

    /// What the lanes gave, with where sources are.
    fn parts(&mut self, mark: CommitMark, lanes: Vec<LaneCut>, manifests: &[ManifestDue]) -> Parts {
        self.is_dirty = false;
        let before = self.standing.unwrap_or_default();
        let mut standing = before;
        standing.reached(watermark_of(&lanes));
        for lane in &lanes {
            standing.late_rows += lane.late_rows;
            standing.dead_rows += lane.dead_rows;
            for &(index, watermark_ms, is_idle) in &lane.sources {
                let source = commit::SourceIndex(u32::try_from(index).unwrap_or(u32::MAX));
                if let Some(slot) = self.sources.get_mut(&source) {
                    (slot.watermark_ms, slot.is_idle) = (watermark_ms, is_idle);
                    slot.rows += lane.rows_in.get(&index).copied().unwrap_or(0);
                }
            }
            for &(index, watermark_ms) in &lane.files {
                self.files.entry(index).and_modify(|file| file.watermark_ms = watermark_ms);
            }
            self.report.rows_in += lane.rows_in.values().chain(lane.file_rows_in.values()).sum::<u64>();
        }
        self.standing = self.standing.map(|_| standing);
        self.hold_back_the_fast();
        self.report.memory_bytes = lanes.iter().map(|lane| lane.state_bytes).sum();
        let moved = |(&source, slot): (&commit::SourceIndex, &mut super::sources::Source)| {
            std::mem::take(&mut slot.moved).then_some((source, slot.next))
        };
        let sources = self.sources.iter_mut().filter_map(moved).collect();
        let mut files = Vec::new();
        for (&index, file) in self.files.iter_mut().filter(|(_, file)| file.moved) {
            file.moved = false;
            let spec = &self.program.files[index];
            files.push((spec.hash, spec.operator, file.note.encode()));
        }
        let record = |due: &ManifestDue| {
            let record = self.checkpoints.as_ref().and_then(|checkpoints| checkpoints.manifest_record(Self::hash(due.hash)));
            (due.hash, record)
        };
        Parts {
            mark,
            lanes,
            sources,
            positions: self.positions(),
            files,
            standing,
            standing_moved: standing != before,
            manifests: manifests.iter().map(record).collect(),
        }
    }

    /// How far every source and file has come, for the second witness.
    fn positions(&self) -> Vec<Position> {
        let sources = self.sources.iter().filter(|(_, slot)| slot.is_started).map(|(source, slot)| {
            let at = &self.program.sources[source.0 as usize].at;
            let upstream = Upstream { name: at.topic.as_str().into(), partition: at.partition.0 };
            Position { upstream, next: slot.next, watermark: slot.watermark_ms, idle: slot.is_idle }
        });
        let files = self.files.iter().map(|(index, file)| {
            let upstream = Upstream { name: Arc::clone(&self.program.files[*index].upstream), partition: 0 };
            let next = Offset(i64::try_from(file.note.rows).unwrap_or(i64::MAX));
            Position { upstream, next, watermark: file.watermark_ms, idle: false }
        });
        sources.chain(files).collect()
    }
}

/// Up to where everything that was given out is final: the least watermark of all exchanges, or without any that of the sources which are
/// not idle.
fn watermark_of(lanes: &[LaneCut]) -> i64 {
    let exchanges = lanes.iter().flat_map(|lane| lane.exchanges.iter().copied());
    let sources = lanes.iter().flat_map(|lane| {
        let topics = lane.sources.iter().filter(|(_, _, is_idle)| !is_idle).map(|(_, watermark_ms, _)| *watermark_ms);
        topics.chain(lane.files.iter().map(|(_, watermark_ms)| *watermark_ms))
    });
    exchanges.min().or_else(|| sources.min()).unwrap_or(NOTHING_MS)
}
