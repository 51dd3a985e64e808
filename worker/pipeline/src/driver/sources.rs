//! Batches of sources to their lanes, as long as the lanes keep up and nothing stands against it.

use std::sync::Arc;

use client::FetchError;
use commit::{Event, Input, Route, SourceIndex};
use control::PipelineReason;
use flow::{
    files::{FilePosition, FileReader, FileRows},
    watermark::NOTHING_MS,
};
use tokio::sync::mpsc;
use units::Offset;

use super::{Driver, FetchOutcome, LANE_BYTES, jobs, jobs::Done};
use crate::{status, worker::Message};

/// Rows and bytes of a file that are read at a time.
const FILE_ROWS: usize = 8_192;
const FILE_BYTES: usize = 1 << 20;
/// What a message to a lane costs besides its bytes.
const MESSAGE_BYTES: usize = 1_024;

/// A source partition that is read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) lane: usize,
    /// The next offset to dispatch.
    pub(super) next: Offset,
    /// As of the last commit.
    pub(super) committed: Offset,
    /// It went on since the last cut.
    pub(super) moved: bool,
    pub(super) is_started: bool,
    pub(super) watermark_ms: i64,
    pub(super) is_idle: bool,
    pub(super) high_watermark: Option<Offset>,
    /// Time of the last record that was dispatched, in milliseconds.
    pub(super) last_timestamp_ms: i64,
    pub(super) rows: u64,
    /// Waits for others to catch up in event time.
    is_held: bool,
}

impl Source {
    pub(super) fn new(lane: usize, watermark_ms: i64) -> Self {
        Self {
            lane,
            next: Offset::ZERO,
            committed: Offset::ZERO,
            moved: false,
            is_started: false,
            watermark_ms,
            is_idle: false,
            high_watermark: None,
            last_timestamp_ms: -1,
            rows: 0,
            is_held: false,
        }
    }
}

/// Where a file is, as its state keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileNote {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) is_end: bool,
}

impl FileNote {
    /// 1, whether it has ended, then rows and bytes, little-endian.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut note = vec![1, u8::from(self.is_end)];
        note.extend(self.rows.to_le_bytes());
        note.extend(self.bytes.to_le_bytes());
        note
    }

    pub(super) fn decode(note: &[u8]) -> Option<Self> {
        let (&[1, is_end], rest) = note.split_first_chunk::<2>()? else { return None };
        let (rows, rest) = rest.split_first_chunk::<8>()?;
        let (bytes, rest) = rest.split_first_chunk::<8>()?;
        let (rows, bytes) = (u64::from_le_bytes(*rows), u64::from_le_bytes(*bytes));
        rest.is_empty().then_some(Self { rows, bytes, is_end: is_end == 1 })
    }
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) lane: usize,
    /// As of what was dispatched.
    pub(super) note: FileNote,
    pub(super) moved: bool,
    pub(super) watermark_ms: i64,
    /// Rows that were read ahead; the reader waits until they are taken.
    ahead: Option<FileRows>,
    more: Option<mpsc::Sender<()>>,
    pub(super) rows: u64,
    pub(super) progress: (u64, u64),
}

impl File {
    pub(super) fn new(lane: usize, note: FileNote, watermark_ms: i64) -> Self {
        Self { lane, note, moved: false, watermark_ms, ahead: None, more: None, rows: 0, progress: (0, 0) }
    }
}

/// A file's reader is at its position.
#[derive(Debug)]
pub(super) struct Opened {
    header: Option<Vec<u8>>,
    more: mpsc::Sender<()>,
    progress: (u64, u64),
}

impl Driver {
    /// Whether another source batch may go to the lanes.
    pub(super) fn can_dispatch(&self) -> bool {
        let keeps_up = self.mailboxes.flight().bytes() < LANE_BYTES * self.mailboxes.count();
        self.route == Route::Memory && !self.paused && self.cutting.is_none() && keeps_up && self.adoption.is_none()
    }

    pub(super) fn fetched(&mut self, fetched: FetchOutcome) {
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(FetchError::OffsetOutOfRange { partition, asked, log_start, log_end }) => {
                if let Some(source) = self.program.source(&partition) {
                    let input = Input::Source(source);
                    self.pod.on(self.now(), Event::OutOfRange { input, asked, log_start, log_end });
                }
                return;
            }
            Err(error) => return self.fail(jobs::reason(&error), error.to_string()),
        };
        let Some(source) = self.program.source(&fetched.partition) else { return };
        let Some(slot) = self.sources.get_mut(&source).filter(|slot| slot.is_started) else { return };
        slot.moved |= fetched.next_offset != slot.next;
        self.is_dirty |= fetched.next_offset != slot.next;
        slot.next = fetched.next_offset;
        slot.high_watermark = Some(fetched.high_watermark);
        if let Some((header, _)) = fetched.batches.last() {
            slot.last_timestamp_ms = header.max_timestamp.0;
        }
        let bytes = fetched.batches.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + MESSAGE_BYTES;
        self.mailboxes.send(slot.lane, Message::Rows { source: source.0 as usize, fetched }, bytes);
    }

    /// Opens a file at a position, on a thread of its own; one that has ended speaks of its end again, for state that was restored.
    pub(super) fn open_file(&mut self, index: usize, position: FilePosition) {
        let file = &self.program.files[index];
        let Some(folder) = self.program.desired.files_root.clone() else {
            let message = format!("{}: this pipeline may read no files: it was given no folder", file.table.path);
            return self.fail(PipelineReason::SourceUnavailable, message);
        };
        let (table, jobs, epoch) = (Arc::clone(&file.table), self.jobs.clone(), self.epoch);
        let (more, mut wanted) = mpsc::channel::<()>(1);
        tokio::task::spawn_blocking(move || {
            let mut reader = match FileReader::open(&table, &folder, position) {
                Ok(reader) => reader,
                Err(error) => return drop(jobs.send(Done::FileOpened(epoch, index, Err(said(&error))))),
            };
            let opened = Opened { header: reader.header().map(<[u8]>::to_vec), more, progress: reader.progress() };
            if jobs.send(Done::FileOpened(epoch, index, Ok(opened))).is_err() {
                return;
            }
            while wanted.blocking_recv().is_some() {
                let rows = reader.next_rows(FILE_ROWS, FILE_BYTES).map_err(|error| said(&error));
                let is_last = rows.as_ref().map_or(true, |rows| rows.is_end);
                if jobs.send(Done::FileRows(epoch, index, rows.map(|rows| (rows, reader.progress())))).is_err() || is_last {
                    return;
                }
            }
        });
    }

    pub(super) fn file_opened(&mut self, index: usize, opened: Result<Opened, String>) {
        let opened = match opened {
            Ok(opened) => opened,
            Err(message) => return self.fail(PipelineReason::SourceUnavailable, message),
        };
        let Some(file) = self.files.get_mut(&index) else { return };
        file.progress = opened.progress;
        self.mailboxes.send(file.lane, Message::AdoptFile { file: index, header: opened.header, watermark_ms: file.watermark_ms }, 0);
        let _ = opened.more.try_send(());
        file.more = Some(opened.more);
    }

    pub(super) fn file_rows(&mut self, index: usize, rows: Result<(FileRows, (u64, u64)), String>) {
        let (rows, progress) = match rows {
            Ok(rows) => rows,
            Err(message) => return self.fail(PipelineReason::SourceUnavailable, message),
        };
        let Some(file) = self.files.get_mut(&index) else { return };
        (file.progress, file.ahead) = (progress, Some(rows));
        self.dispatch_files();
    }

    /// Gives the lanes what was read of files, and asks for more.
    pub(super) fn dispatch_files(&mut self) {
        for index in 0..self.program.files.len() {
            if !self.can_dispatch() {
                return;
            }
            let Some(file) = self.files.get_mut(&index) else { continue };
            let Some(rows) = file.ahead.take() else { continue };
            let note = FileNote { rows: rows.next.rows, bytes: rows.next.bytes, is_end: rows.is_end };
            file.moved |= note != file.note;
            file.note = note;
            file.rows += rows.len() as u64;
            let bytes = rows.iter().filter_map(|row| row.value).map(<[u8]>::len).sum::<usize>() + MESSAGE_BYTES;
            if let Some(more) = file.more.as_ref().filter(|_| !rows.is_end) {
                let _ = more.try_send(());
            }
            self.mailboxes.send(file.lane, Message::FileRows { file: index, rows }, bytes);
            self.is_dirty = true;
        }
    }

    /// Source partitions that have run ahead of others wait for them: reading on would only fill memory with open windows. Only one that
    /// has rows to read is waited for; others hold windows open, but nobody back.
    pub(super) fn hold_back_the_fast(&mut self) {
        let most_ahead_ms = self.program.most_ahead_ms;
        let has_rows = |source: &&Source| source.is_started && source.high_watermark.is_some_and(|high| source.next < high);
        let least = self.sources.values().filter(has_rows).map(|source| source.watermark_ms).min();
        let is_ahead = |watermark_ms: i64| least.is_some_and(|least| watermark_ms.saturating_sub(least) > most_ahead_ms);
        let (mut held, mut freed) = (Vec::new(), Vec::new());
        for (index, source) in &mut self.sources {
            let hold = source.watermark_ms > NOTHING_MS && is_ahead(source.watermark_ms);
            if hold != source.is_held {
                source.is_held = hold;
                let at = &self.program.sources[index.0 as usize].at;
                if hold { held.push(at) } else { freed.push(at) }
            }
        }
        self.fetcher.pause(held);
        self.fetcher.resume(freed);
    }

    /// Age of the oldest record that is not yet committed as processed, in milliseconds; `None` before anything is known.
    pub(super) fn lag_ms(&self) -> Option<i64> {
        let now = status::now().0;
        let of = |source: &Source| match source.high_watermark {
            Some(high) if source.committed >= high => Some(0),
            Some(_) if source.last_timestamp_ms >= 0 => Some((now - source.last_timestamp_ms).max(0)),
            _ => None,
        };
        self.sources.values().filter_map(of).max()
    }

    /// A commit holds this position.
    pub(super) fn source_committed(&mut self, source: SourceIndex, position: Offset) {
        if let Some(slot) = self.sources.get_mut(&source) {
            slot.committed = position;
        }
    }
}

/// An error with what is behind it.
fn said(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_s_position_survives_its_note() {
        let note = FileNote { rows: 3, bytes: 1 << 40, is_end: true };
        assert_eq!(FileNote::decode(&note.encode()), Some(note));
        assert_eq!(FileNote::decode(&[]), None);
        assert_eq!(FileNote::decode(&[2; 18]), None);
        assert_eq!(FileNote::decode(&[1; 19]), None);
    }
}
