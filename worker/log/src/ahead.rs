//! Reading ahead from the object store, in a lane and a memory of its own: a reader that drains old data waits for bytes that
//! are on their way already, and neither appends nor readers of new data wait for it.
//!
//! A partition's part of a segment is cut into blocks, the smaller the more readers there are, so that each has room for what it reads and
//! for what is ahead of it. A reader that goes on where it stopped gets blocks, and the next ones are asked for, with the sections that say
//! what is in them; one that jumps gets exactly what it wants. A store that is far away answers late, whatever it is asked for: so many
//! requests are under way at once, and blocks that lie beside each other, as those of a topic's partitions do, come with one.

mod blocks;

use std::{
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use bytes::Bytes;
use store::{ObjectStore, StoreError};
use units::Offset;

use crate::{TopicPartitionId, keys::Keys, manifest::SegmentRef, priority};
use blocks::{BLOCK_BYTES_MAX, Blocks, Extent, Run};

/// Requests at once beside those of readers that wait.
const THREADS: usize = 16;
/// Blocks ahead of one reader, or as many bytes of smaller ones.
const DEPTH: u64 = 3;
/// Blocks that one reader asks for at once, however small.
const WISHES_MAX: usize = 32;
/// How often one who waits for what others read looks whether it is still waited for itself.
const PATIENCE: Duration = Duration::from_millis(50);

/// The largest blocks of which each of `readers` may have as many that it reads as are ahead of it, all within `bytes_max`.
fn block_bytes(bytes_max: u64, readers: u64) -> u64 {
    let share = bytes_max / (2 * DEPTH * readers.max(1));
    // Powers of two: a reader that comes or goes rarely changes what all others have.
    (share / 2 + 1).next_power_of_two().min(BLOCK_BYTES_MAX)
}

#[derive(Default)]
struct State {
    blocks: Blocks,
    is_stopping: bool,
}

struct Lane {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    bytes_max: u64,
    state: Mutex<State>,
    /// A block is there, or will not be.
    arrived: Condvar,
    wanted: Condvar,
}

/// What is read ahead. Dropping it ends its threads.
pub(crate) struct Ahead(Arc<Lane>);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.lock().is_stopping = true;
        self.0.wanted.notify_all();
    }
}

impl Ahead {
    /// Starts the lane; `bytes_max` is the memory for blocks.
    pub(crate) fn start(store: Arc<dyn ObjectStore>, keys: Keys, bytes_max: usize) -> Self {
        let lane = Arc::new(Lane {
            store,
            keys,
            bytes_max: bytes_max as u64,
            state: Mutex::default(),
            arrived: Condvar::new(),
            wanted: Condvar::new(),
        });
        for index in 0..THREADS {
            let lane = lane.clone();
            let started = thread::Builder::new().name(format!("log-cold-{index}")).spawn(move || lane.run());
            drop(started.expect("the system gives the log its few threads"));
        }
        Self(lane)
    }

    /// Whether somebody has read `id` up to `from`, or tried to read on from there, and now goes on.
    pub(crate) fn goes_on(&self, id: TopicPartitionId, from: Offset) -> bool {
        self.0.lock().blocks.goes_on(id, from)
    }

    /// Who read on from `from` has what lies before `end`, and would go on there.
    pub(crate) fn has_read(&self, id: TopicPartitionId, from: Offset, end: Offset) {
        self.0.lock().blocks.has_read(id, from, end);
    }

    /// The blocks that hold `range` of the object of `segment`, each with the place where it begins. `next` is what is read after it, in
    /// order; sections of segments that are `is_known` are not asked for. `None` where nobody waits for them any more: what is on its way
    /// is kept for who comes back.
    pub(crate) fn read(
        &self,
        segment: &SegmentRef,
        range: Range<u64>,
        next: &[SegmentRef],
        is_known: impl Fn(&SegmentRef) -> bool,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<(u64, Bytes)>>, StoreError> {
        let block = block_bytes(self.0.bytes_max, self.0.lock().blocks.readers_now());
        let part = data(segment);
        let next = next.iter().flat_map(|next| {
            let section = (!is_known(next)).then(|| (section(next), u64::MAX));
            section.into_iter().chain([(data(next), block)])
        });
        let wishes = [(Extent { start: range.start, ..part }, block)].into_iter().chain(next);
        self.0.wish(wishes, range.end - range.start, DEPTH * block);
        self.0.fetch(part, range, block, is_wanted)
    }

    /// The bytes of the section of `segment`; `None` where nobody waits for them any more.
    pub(crate) fn section(&self, segment: &SegmentRef, is_wanted: &dyn Fn() -> bool) -> Result<Option<Bytes>, StoreError> {
        let section = section(segment);
        let found = self.0.fetch(section, section.start..section.end, u64::MAX, is_wanted)?;
        Ok(found.map(|found| found.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default()))
    }

    /// Bytes of blocks in memory or on their way.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().blocks.bytes()
    }
}

fn data(segment: &SegmentRef) -> Extent {
    Extent { object: segment.object, start: segment.data_at, end: segment.data_at + segment.data_bytes }
}

fn section(segment: &SegmentRef) -> Extent {
    Extent { object: segment.object, start: segment.section_at, end: segment.section_at + u64::from(segment.section_bytes) }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for what is not there of `stretches`, each in blocks of so many bytes, as far as `ahead` bytes behind the first `awaited`.
    fn wish(&self, stretches: impl Iterator<Item = (Extent, u64)>, awaited: u64, ahead: u64) {
        let mut state = self.lock();
        let (mut passed, mut wishes) = (0_u64, 0);
        for (stretch, block) in stretches {
            let mut at = stretch.start;
            while at < stretch.end {
                let distance = passed.saturating_sub(awaited);
                if distance >= ahead || wishes >= WISHES_MAX {
                    return;
                }
                let extent = state.blocks.extent_at(stretch.object, at, stretch.end, block);
                if state.blocks.want(extent, distance) {
                    self.wanted.notify_one();
                }
                (passed, wishes, at) = (passed + extent.end - at, wishes + 1, extent.end);
            }
        }
    }

    /// Blocks that hold `range` of `part`: from memory, or when they have arrived, or read here. `None` where nobody waits for them any more.
    fn fetch(
        &self,
        part: Extent,
        range: Range<u64>,
        block: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<(u64, Bytes)>>, StoreError> {
        let mut found = Vec::new();
        let mut at = range.start;
        let mut state = self.lock();
        while at < range.end {
            if !is_wanted() {
                return Ok(None);
            }
            let extent = state.blocks.extent_at(part.object, at, part.end, block);
            let bytes = match state.blocks.touch(extent) {
                Some(Some(bytes)) => bytes,
                Some(None) => {
                    (state, _) = self.arrived.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                None => {
                    let run = state.blocks.begin(extent, self.bytes_max, true).expect("who waits gets room");
                    drop(state);
                    let bytes = run.bytes_of(extent, &self.load(&run)?);
                    state = self.lock();
                    bytes
                }
            };
            found.push((extent, bytes));
            at = extent.end;
        }
        // Their memory is for others.
        found.iter().filter(|(extent, _)| extent.end <= range.end).for_each(|(extent, _)| state.blocks.done(*extent));
        self.wanted.notify_one();
        Ok(Some(found.into_iter().map(|(extent, bytes)| (extent.start, bytes)).collect()))
    }

    /// Reads what has begun.
    fn load(&self, run: &Run) -> Result<Bytes, StoreError> {
        let whole = run.extent();
        let read = self.store.get_range(&self.keys.segment(whole.object), whole.start..whole.end);
        self.lock().blocks.end(run, read.as_ref().ok());
        self.arrived.notify_all();
        read
    }

    fn run(&self) {
        priority::step_back();
        let mut state = self.lock();
        while !state.is_stopping {
            let Some(run) = state.blocks.begin_wanted(self.bytes_max) else {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // There may be room for more than this.
            self.wanted.notify_one();
            drop(state);
            if let Err(error) = self.load(&run) {
                // Whoever needs it reads it, and is told.
                tracing::debug!(%error, "reading ahead failed");
            }
            state = self.lock();
        }
    }
}

#[cfg(test)]
mod tests;
