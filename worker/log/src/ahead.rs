//! Reading ahead from the object store, in a lane and a memory of its own: a reader that drains old data waits for bytes that
//! are on their way already, and neither appends nor readers of new data wait for it.
//!
//! A partition's part of a segment is cut into blocks. A reader that goes on where it stopped gets blocks, and the next ones are
//! asked for; one that jumps gets exactly what it wants.

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
};

/// Blocks that are read at once beside those that readers wait for.
const THREADS: usize = 3;
/// The largest block: one request.
const BLOCK_BYTES_MAX: u64 = 4 << 20;
/// Blocks that are asked for ahead of one reader.
const DEPTH: usize = 3;
/// Readers that are remembered by where they would go on.
const READERS_KEPT: usize = 256;

/// A block's object, and where in it the block begins.
type BlockId = (ObjectId, u64);

/// One block: what it holds is `start..end` of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    object: ObjectId,
    start: u64,
    end: u64,
}

impl Extent {
    fn id(&self) -> BlockId {
        (self.object, self.start)
    }
}

#[derive(Debug)]
enum Block {
    Loading,
    Ready {
        bytes: Bytes,
        /// When it was last touched.
        touched: u64,
        /// A reader has had it: it goes first.
        is_used: bool,
    },
}

#[derive(Debug, Default)]
struct State {
    blocks: HashMap<BlockId, Block>,
    /// Of blocks that are there or on their way.
    bytes: u64,
    touches: u64,
    wanted: VecDeque<Extent>,
    /// Where readers would go on.
    readers: VecDeque<(TopicPartitionId, Offset)>,
    is_stopping: bool,
}

impl State {
    /// Makes room for `bytes` more: blocks that were read go first, and those that nobody has read yet only for a reader that
    /// waits. False where there is no room.
    fn make_room(&mut self, bytes: u64, bytes_max: u64, is_awaited: bool) -> bool {
        while self.bytes + bytes > bytes_max {
            let candidates = self.blocks.iter().filter_map(|(id, block)| match block {
                Block::Ready { touched, is_used, bytes } if *is_used || is_awaited => Some((!*is_used, *touched, *id, bytes.len() as u64)),
                _ => None,
            });
            let Some((.., id, length)) = candidates.min_by_key(|(is_unused, touched, ..)| (*is_unused, *touched)) else {
                return is_awaited;
            };
            self.blocks.remove(&id);
            self.bytes -= length;
        }
        true
    }
}

struct Lane {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    bytes_max: u64,
    block_bytes: u64,
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
        let bytes_max = bytes_max as u64;
        let block_bytes = BLOCK_BYTES_MAX.min(bytes_max / (2 * DEPTH as u64)).max(1);
        let lane = Arc::new(Lane {
            store,
            keys,
            bytes_max,
            block_bytes,
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
        let before = state.readers.iter().position(|reader| *reader == (id, from));
        before.map(|index| state.readers.remove(index));
        if state.readers.len() >= READERS_KEPT {
            state.readers.pop_front();
        }
        state.readers.push_back((id, end));
        before.is_some()
    }

    /// The blocks that hold `range` of the object of `segment`, each with the place where it begins; `next` is what is read after it.
    pub(crate) fn read(&self, segment: &SegmentRef, range: Range<u64>, next: Option<&SegmentRef>) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let lane = &self.0;
        let extents: Vec<_> = lane.extents(segment).filter(|extent| extent.start < range.end && extent.end > range.start).collect();
        let behind =
            lane.extents(segment).filter(|extent| extent.start >= range.end).chain(next.into_iter().flat_map(|next| lane.extents(next)));
        let ahead: Vec<_> = behind.take(DEPTH).collect();
        lane.want(&extents, &ahead);
        extents.into_iter().map(|extent| Ok((extent.start, lane.block(extent)?))).collect()
    }

    /// Bytes of blocks in memory or on their way.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extents(&self, segment: &SegmentRef) -> impl Iterator<Item = Extent> + use<> {
        let (object, start, end, block) = (segment.object, segment.data_at, segment.data_at + segment.data_bytes, self.block_bytes);
        let count = segment.data_bytes.div_ceil(block);
        (0..count).map(move |index| Extent { object, start: start + index * block, end: (start + (index + 1) * block).min(end) })
    }

    /// Asks for what is not there of `ahead`, and of the blocks that a reader is about to wait for one after the other.
    fn want(&self, awaited: &[Extent], ahead: &[Extent]) {
        let mut state = self.lock();
        for extent in awaited.iter().skip(1).chain(ahead) {
            if !state.blocks.contains_key(&extent.id()) && !state.wanted.contains(extent) {
                state.wanted.push_back(*extent);
                self.wanted.notify_one();
            }
        }
    }

    /// One block: from memory, or when it has arrived, or read here.
    fn block(&self, extent: Extent) -> Result<Bytes, StoreError> {
        let mut state = self.lock();
        loop {
            state.touches += 1;
            let touch = state.touches;
            match state.blocks.get_mut(&extent.id()) {
                Some(Block::Ready { bytes, touched, is_used }) => {
                    (*touched, *is_used) = (touch, true);
                    return Ok(bytes.clone());
                }
                Some(Block::Loading) => state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                None => break,
            }
        }
        // What was asked for ahead and has not begun is read here: it must not come once more when nobody wants it.
        state.wanted.retain(|wanted| wanted.id() != extent.id());
        self.load(state, extent, true).map(|bytes| bytes.expect("who waits gets room"))
    }

    /// Reads a block, if there is room for it.
    fn load(&self, mut state: MutexGuard<'_, State>, extent: Extent, is_awaited: bool) -> Result<Option<Bytes>, StoreError> {
        let length = extent.end - extent.start;
        if !state.make_room(length, self.bytes_max, is_awaited) {
            return Ok(None);
        }
        state.blocks.insert(extent.id(), Block::Loading);
        state.bytes += length;
        drop(state);
        let read = self.store.get_range(&self.keys.segment(extent.object), extent.start..extent.end);
        let mut state = self.lock();
        state.touches += 1;
        let touched = state.touches;
        match &read {
            Ok(bytes) => drop(state.blocks.insert(extent.id(), Block::Ready { bytes: bytes.clone(), touched, is_used: is_awaited })),
            Err(_) => {
                state.blocks.remove(&extent.id());
                state.bytes -= length;
            }
        }
        drop(state);
        self.arrived.notify_all();
        read.map(Some)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.is_stopping {
            let Some(extent) = state.wanted.pop_front() else {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if state.blocks.contains_key(&extent.id()) {
                continue;
            }
            if let Err(error) = self.load(state, extent, false) {
                // Whoever needs it reads it, and is told.
                tracing::debug!(%error, "reading ahead failed");
            }
            state = self.lock();
        }
    }
}

#[cfg(test)]
mod tests;
