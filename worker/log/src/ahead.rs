//! Reading ahead from the object store, in a lane and a memory of its own: a reader that drains old data waits for bytes that
//! are on their way already, and neither appends nor readers of new data wait for it.
//!
//! A partition's part of a segment is cut into blocks, the smaller the more readers there are, so that each has room for what it reads and
//! for what is ahead of it. A reader that goes on where it stopped gets blocks, and the next ones are asked for; one that jumps gets exactly
//! what it wants.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use bytes::Bytes;
use store::{ObjectStore, StoreError};
use units::Offset;

use crate::{
    TopicPartitionId,
    keys::Keys,
    manifest::{ObjectId, SegmentRef},
    priority,
};

/// Blocks that are read at once beside those that readers wait for.
const THREADS: usize = 3;
/// The largest block: one request.
const BLOCK_BYTES_MAX: u64 = 4 << 20;
/// Blocks that are asked for ahead of one reader.
const DEPTH: usize = 3;
/// Readers that are remembered by where they would go on.
const READERS_KEPT: usize = 256;
/// Of so many reads those tell how many readers there are.
const READS_COUNTED: u64 = 64;
/// Blocks that are asked for at most and have not begun: older wishes are of readers that are gone.
const WANTED_MAX: usize = 256;

/// One block: what it holds is `start..end` of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Extent {
    object: ObjectId,
    start: u64,
    end: u64,
}

#[derive(Debug)]
enum Block {
    Loading,
    Ready {
        bytes: Bytes,
        /// When it was last touched.
        touched: u64,
        /// A reader has had it to its end: it goes first.
        is_done: bool,
    },
}

#[derive(Debug, Default)]
struct State {
    blocks: HashMap<Extent, Block>,
    /// Of blocks that are there or on their way.
    bytes: u64,
    touches: u64,
    wanted: VecDeque<Extent>,
    /// Where readers would go on, and at which of all reads each was seen.
    readers: VecDeque<(TopicPartitionId, Offset, u64)>,
    reads: u64,
    is_stopping: bool,
}

impl State {
    /// Readers that took part in what was read lately.
    fn readers_now(&self) -> u64 {
        self.readers.iter().rev().take_while(|(.., read)| read + READS_COUNTED > self.reads).count() as u64
    }

    /// Makes room for `bytes` more: blocks that were read to their end go first, and others only for a reader that waits. False where there is no room.
    fn make_room(&mut self, bytes: u64, bytes_max: u64, is_awaited: bool) -> bool {
        while self.bytes + bytes > bytes_max {
            let candidates = self.blocks.iter().filter_map(|(id, block)| match block {
                Block::Ready { touched, is_done, bytes } if *is_done || is_awaited => Some((!*is_done, *touched, *id, bytes.len() as u64)),
                _ => None,
            });
            let Some((.., id, length)) = candidates.min_by_key(|(is_open, touched, ..)| (*is_open, *touched)) else {
                return is_awaited;
            };
            self.blocks.remove(&id);
            self.bytes -= length;
        }
        true
    }
}

/// The largest blocks of which each of `readers` may have one that it reads and those ahead of it, all within `bytes_max`.
fn block_bytes(bytes_max: u64, readers: u64) -> u64 {
    let share = bytes_max / ((DEPTH as u64 + 1) * readers.max(1));
    // Powers of two: a reader that comes or goes rarely changes what all others have.
    (share / 2 + 1).next_power_of_two().min(BLOCK_BYTES_MAX)
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

    /// Whether somebody has read `id` up to `from` and now goes on; notes that the next one would go on at `end`.
    pub(crate) fn goes_on(&self, id: TopicPartitionId, from: Offset, end: Offset) -> bool {
        let mut state = self.0.lock();
        state.reads += 1;
        let before = state.readers.iter().position(|(known, at, _)| (*known, *at) == (id, from));
        before.map(|index| state.readers.remove(index));
        if state.readers.len() >= READERS_KEPT {
            state.readers.pop_front();
        }
        let read = state.reads;
        state.readers.push_back((id, end, read));
        before.is_some()
    }

    /// The blocks that hold `range` of the object of `segment`, each with the place where it begins; `next` is what is read after it.
    pub(crate) fn read(&self, segment: &SegmentRef, range: Range<u64>, next: Option<&SegmentRef>) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let lane = &self.0;
        let block = block_bytes(lane.bytes_max, lane.lock().readers_now());
        let awaited: Vec<_> = extents(segment, block).filter(|extent| extent.start < range.end && extent.end > range.start).collect();
        let behind = extents(segment, block).filter(|extent| extent.start >= range.end);
        let behind = behind.chain(next.into_iter().flat_map(|next| extents(next, block)));
        let ahead: Vec<_> = behind.take(DEPTH).collect();
        lane.want(&awaited, &ahead);
        awaited.into_iter().map(|extent| Ok((extent.start, lane.block(extent, range.end)?))).collect()
    }

    /// Bytes of blocks in memory or on their way.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }
}

fn extents(segment: &SegmentRef, block: u64) -> impl Iterator<Item = Extent> + use<> {
    let (object, start, end) = (segment.object, segment.data_at, segment.data_at + segment.data_bytes);
    let count = segment.data_bytes.div_ceil(block);
    (0..count).map(move |index| Extent { object, start: start + index * block, end: (start + (index + 1) * block).min(end) })
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for what is not there of `ahead`, and of the blocks that a reader is about to wait for one after the other.
    fn want(&self, awaited: &[Extent], ahead: &[Extent]) {
        let mut state = self.lock();
        for extent in awaited.iter().skip(1).chain(ahead) {
            if !state.blocks.contains_key(extent) && !state.wanted.contains(extent) {
                state.wanted.push_back(*extent);
                if state.wanted.len() > WANTED_MAX {
                    state.wanted.pop_front();
                }
                self.wanted.notify_one();
            }
        }
    }

    /// One block, of which the reader takes what lies before `read_to`: from memory, or when it has arrived, or read here.
    fn block(&self, extent: Extent, read_to: u64) -> Result<Bytes, StoreError> {
        let mut state = self.lock();
        loop {
            state.touches += 1;
            let touch = state.touches;
            match state.blocks.get_mut(&extent) {
                Some(Block::Ready { bytes, touched, is_done }) => {
                    (*touched, *is_done) = (touch, *is_done || read_to >= extent.end);
                    return Ok(bytes.clone());
                }
                Some(Block::Loading) => state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                None => break,
            }
        }
        // What was asked for ahead and has not begun is read here: it must not come once more when nobody wants it.
        state.wanted.retain(|wanted| *wanted != extent);
        self.load(state, extent, Some(read_to)).map(|bytes| bytes.expect("who waits gets room"))
    }

    /// Reads a block, if there is room for it; always, where a reader waits that takes what lies before `read_to`.
    fn load(&self, mut state: MutexGuard<'_, State>, extent: Extent, read_to: Option<u64>) -> Result<Option<Bytes>, StoreError> {
        let length = extent.end - extent.start;
        if !state.make_room(length, self.bytes_max, read_to.is_some()) {
            return Ok(None);
        }
        state.blocks.insert(extent, Block::Loading);
        state.bytes += length;
        drop(state);
        let read = self.store.get_range(&self.keys.segment(extent.object), extent.start..extent.end);
        let mut state = self.lock();
        state.touches += 1;
        let touched = state.touches;
        match &read {
            Ok(bytes) => {
                let is_done = read_to.is_some_and(|read_to| read_to >= extent.end);
                state.blocks.insert(extent, Block::Ready { bytes: bytes.clone(), touched, is_done });
            }
            Err(_) => {
                state.blocks.remove(&extent);
                state.bytes -= length;
            }
        }
        drop(state);
        self.arrived.notify_all();
        read.map(Some)
    }

    fn run(&self) {
        priority::step_back();
        let mut state = self.lock();
        while !state.is_stopping {
            let Some(extent) = state.wanted.pop_front() else {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if state.blocks.contains_key(&extent) {
                continue;
            }
            if let Err(error) = self.load(state, extent, None) {
                // Whoever needs it reads it, and is told.
                tracing::debug!(%error, "reading ahead failed");
            }
            state = self.lock();
        }
    }
}

#[cfg(test)]
mod tests;
