//! What is there, what is on its way and what is wished for: decides what is read with one request, and what goes when memory is short.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use units::Offset;

use crate::{TopicPartitionId, manifest::ObjectId};

/// The largest block, and the largest request.
pub(super) const BLOCK_BYTES_MAX: u64 = 4 << 20;
/// Readers that are remembered by where they would go on.
const READERS_KEPT: usize = 256;
/// Of so many reads those tell how many readers there are.
const READS_COUNTED: u64 = 64;
/// Blocks that are asked for at most and have not begun: older wishes are of readers that are gone.
const WANTED_MAX: usize = 256;

/// One block: what it holds is `start..end` of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) object: ObjectId,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Extent {
    pub(super) fn bytes(self) -> u64 {
        self.end - self.start
    }

    fn key(self) -> (ObjectId, u64) {
        (self.object, self.start)
    }
}

/// Blocks beside each other that one request reads; in order, and at least one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run(VecDeque<Extent>);

impl Run {
    /// All of it.
    pub(super) fn extent(&self) -> Extent {
        let (first, last) = (self.0[0], self.0[self.0.len() - 1]);
        Extent { end: last.end, ..first }
    }

    /// What of the request's bytes is `extent`, which is part of it.
    pub(super) fn bytes_of(&self, extent: Extent, bytes: &Bytes) -> Bytes {
        let at = |place: u64| usize::try_from(place - self.0[0].start).expect("within one request");
        bytes.slice(at(extent.start)..at(extent.end))
    }
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
        /// Which request brought it: its memory is free when the last block that came with it is gone.
        request: u64,
    },
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// By object and start, each with its end. No two overlap, nor does one overlap a wish.
    known: BTreeMap<(ObjectId, u64), (u64, Block)>,
    /// How many blocks of each request are still there, and the bytes that they hold together.
    requests: HashMap<u64, (usize, u64)>,
    /// Of requests that are under way, or of which anything is there.
    bytes: u64,
    touches: u64,
    /// Each with how far it is ahead of the nearest of its readers, in bytes.
    wanted: VecDeque<(Extent, u64)>,
    /// Where readers would go on, and at which of all reads each was seen.
    readers: VecDeque<(TopicPartitionId, Offset, u64)>,
    reads: u64,
}

impl Blocks {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether somebody has read `id` up to `from`, or tried to read on from there.
    pub(super) fn goes_on(&mut self, id: TopicPartitionId, from: Offset) -> bool {
        self.move_reader(id, from, from)
    }

    /// Somebody who read on from `from` has what lies before `end`.
    pub(super) fn has_read(&mut self, id: TopicPartitionId, from: Offset, end: Offset) {
        self.reads += 1;
        self.move_reader(id, from, end);
    }

    fn move_reader(&mut self, id: TopicPartitionId, from: Offset, to: Offset) -> bool {
        let before = self.readers.iter().position(|(known, at, _)| (*known, *at) == (id, from));
        before.map(|index| self.readers.remove(index));
        if self.readers.len() >= READERS_KEPT {
            self.readers.pop_front();
        }
        self.readers.push_back((id, to, self.reads));
        before.is_some()
    }

    /// Readers that took part in what was read lately.
    pub(super) fn readers_now(&self) -> u64 {
        self.readers.iter().rev().take_while(|(.., read)| read + READS_COUNTED > self.reads).count() as u64
    }

    /// The block that holds the byte `at` of `object`: one that is there, on its way or wished for, or else a new one of up to `bytes`, which
    /// ends at `end` at the latest.
    pub(super) fn extent_at(&self, object: ObjectId, at: u64, end: u64, bytes: u64) -> Extent {
        let known = self.known.range(..=(object, at)).next_back();
        let known = known.map(|((object, start), (end, _))| Extent { object: *object, start: *start, end: *end });
        let wanted = || self.wanted.iter().map(|(wanted, _)| *wanted).filter(|wanted| wanted.object == object);
        let holds = |extent: &Extent| extent.object == object && (extent.start..extent.end).contains(&at);
        if let Some(extent) = known.filter(holds).or_else(|| wanted().find(holds)) {
            return extent;
        }
        let behind = self.known.range((object, at)..(object, end)).next().map(|((_, start), _)| *start);
        let behind = wanted().map(|wanted| wanted.start).filter(|start| *start > at).chain(behind).min();
        Extent { object, start: at, end: at.saturating_add(bytes).min(end).min(behind.unwrap_or(u64::MAX)) }
    }

    /// Wishes for `extent`, which is so many bytes ahead of a reader; false where it is there, on its way or wished for.
    pub(super) fn want(&mut self, extent: Extent, distance: u64) -> bool {
        if self.known.contains_key(&extent.key()) {
            return false;
        }
        if let Some((_, known)) = self.wanted.iter_mut().find(|(wanted, _)| *wanted == extent) {
            *known = distance.min(*known);
            return false;
        }
        self.wanted.push_back((extent, distance));
        if self.wanted.len() > WANTED_MAX {
            self.wanted.pop_front();
        }
        true
    }

    /// The block for a reader: its bytes, or that they are on their way; `None` where neither.
    pub(super) fn touch(&mut self, extent: Extent) -> Option<Option<Bytes>> {
        self.touches += 1;
        match self.known.get_mut(&extent.key())? {
            (_, Block::Loading) => Some(None),
            (_, Block::Ready { bytes, touched, .. }) => {
                *touched = self.touches;
                Some(Some(bytes.clone()))
            }
        }
    }

    /// A reader has had the block to its end.
    pub(super) fn done(&mut self, extent: Extent) {
        if let Some((_, Block::Ready { is_done, .. })) = self.known.get_mut(&extent.key()) {
            *is_done = true;
        }
    }

    /// Begins to read, within `bytes_max`, what a reader will come to first, if there is a wish and room for it.
    pub(super) fn begin_wanted(&mut self, bytes_max: u64) -> Option<Run> {
        let (nearest, _) = *self.wanted.iter().min_by_key(|(_, distance)| *distance)?;
        self.begin(nearest, bytes_max, false)
    }

    /// Begins to read `extent`, and what is wished for right beside it, as far as one request goes and there is room; where nobody waits for
    /// it, only if there is room. It must be neither there nor on its way.
    pub(super) fn begin(&mut self, extent: Extent, bytes_max: u64, is_awaited: bool) -> Option<Run> {
        if !self.make_room(extent.bytes(), bytes_max, is_awaited) {
            return None;
        }
        self.wanted.retain(|(wanted, _)| *wanted != extent);
        self.bytes += extent.bytes();
        let mut run = Run(VecDeque::from([extent]));
        while let Some((extent, is_behind)) = self.beside(run.extent()) {
            if !self.make_room(extent.bytes(), bytes_max, false) {
                break;
            }
            self.wanted.retain(|(wanted, _)| *wanted != extent);
            self.bytes += extent.bytes();
            if is_behind { run.0.push_back(extent) } else { run.0.push_front(extent) }
        }
        self.known.extend(run.0.iter().map(|extent| (extent.key(), (extent.end, Block::Loading))));
        Some(run)
    }

    /// A wish that begins where `run` ends, or ends where it begins.
    fn beside(&self, run: Extent) -> Option<(Extent, bool)> {
        let fits = |wanted: &&Extent| wanted.object == run.object && run.bytes() + wanted.bytes() <= BLOCK_BYTES_MAX;
        let found =
            self.wanted.iter().map(|(wanted, _)| wanted).filter(fits).find(|wanted| wanted.start == run.end || wanted.end == run.start)?;
        Some((*found, found.start == run.end))
    }

    /// A request is through: its bytes, or nothing.
    pub(super) fn end(&mut self, run: &Run, bytes: Option<&Bytes>) {
        self.touches += 1;
        let (whole, request) = (run.extent(), self.touches);
        let Some(bytes) = bytes else {
            run.0.iter().for_each(|extent| drop(self.known.remove(&extent.key())));
            self.bytes -= whole.bytes();
            return;
        };
        self.requests.insert(request, (run.0.len(), whole.bytes()));
        for extent in &run.0 {
            let bytes = run.bytes_of(*extent, bytes);
            self.known.insert(extent.key(), (extent.end, Block::Ready { bytes, touched: request, is_done: false, request }));
        }
    }

    /// Makes room for `bytes` more: blocks that were read to their end go first, and others only for a reader that waits. False where there
    /// is no room.
    fn make_room(&mut self, bytes: u64, bytes_max: u64, is_awaited: bool) -> bool {
        while self.bytes + bytes > bytes_max {
            let candidates = self.known.iter().filter_map(|(key, (_, block))| match block {
                Block::Ready { touched, is_done, request, .. } if *is_done || is_awaited => Some((!*is_done, *touched, *key, *request)),
                _ => None,
            });
            let Some((.., key, request)) = candidates.min_by_key(|(is_open, touched, ..)| (*is_open, *touched)) else {
                return is_awaited;
            };
            self.known.remove(&key);
            if let Some((left, held)) = self.requests.get_mut(&request) {
                *left -= 1;
                if *left == 0 {
                    self.bytes -= *held;
                    self.requests.remove(&request);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use units::{BrokerId, Incarnation};

    use super::*;

    fn extent(seq: u64, start: u64, end: u64) -> Extent {
        Extent { object: ObjectId { broker: BrokerId(1), incarnation: Incarnation(1), seq }, start, end }
    }

    #[test]
    fn wishes_beside_each_other_are_one_request() {
        let mut blocks = Blocks::default();
        for wanted in [extent(1, 100, 200), extent(2, 200, 300), extent(1, 300, 400), extent(1, 200, 300), extent(1, 0, 100)] {
            assert!(blocks.want(wanted, 0));
        }
        let run = blocks.begin_wanted(10_000).unwrap();
        assert_eq!(run.extent(), extent(1, 0, 400));
        assert_eq!(blocks.begin_wanted(10_000).unwrap().extent(), extent(2, 200, 300));
        assert_eq!(blocks.begin_wanted(10_000), None);
        let bytes: Bytes = (0..400_u32).map(|at| u8::try_from(at / 100).unwrap()).collect::<Vec<_>>().into();
        blocks.end(&run, Some(&bytes));
        for (part, start) in [(0, 0), (1, 100), (2, 200), (3, 300)] {
            let part = vec![part; 100];
            assert_eq!(blocks.touch(extent(1, start, start + 100)), Some(Some(part.into())));
        }
        assert!(!blocks.want(extent(1, 100, 200), 0) && !blocks.want(extent(2, 200, 300), 0), "there, and on its way");
    }

    #[test]
    fn readers_that_cut_otherwise_share_what_is_there() {
        let mut blocks = Blocks::default();
        let object = extent(1, 0, 0).object;
        assert_eq!(blocks.extent_at(object, 50, 1000, 100), extent(1, 50, 150));
        blocks.begin(extent(1, 100, 200), 10_000, true);
        blocks.want(extent(1, 300, 350), 0);
        for (at, found) in [(0, (0, 64)), (50, (50, 100)), (100, (100, 200)), (199, (100, 200)), (290, (290, 300)), (320, (300, 350))] {
            assert_eq!(blocks.extent_at(object, at, 1000, 64), extent(1, found.0, found.1), "{at}");
        }
        assert_eq!(blocks.extent_at(object, 350, 400, 100), extent(1, 350, 400), "no further than its part");
        assert_eq!(blocks.extent_at(extent(2, 0, 0).object, 100, 1000, 64), extent(2, 100, 164));
    }

    #[test]
    fn what_a_reader_comes_to_first_is_read_first() {
        let mut blocks = Blocks::default();
        for (wanted, distance) in [(extent(1, 0, 100), 300), (extent(2, 0, 100), 200), (extent(3, 0, 100), 200), (extent(1, 0, 100), 100)] {
            blocks.want(wanted, distance);
        }
        let order: Vec<_> = std::iter::from_fn(|| blocks.begin_wanted(10_000)).map(|run| run.extent().object.seq).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn one_request_is_no_larger_than_the_largest_block() {
        let mut blocks = Blocks::default();
        let half = BLOCK_BYTES_MAX / 2;
        (0..3).for_each(|index| assert!(blocks.want(extent(1, index * half, (index + 1) * half), index)));
        assert_eq!(blocks.begin_wanted(u64::MAX).unwrap().extent(), extent(1, 0, 2 * half));
        assert_eq!(blocks.begin_wanted(u64::MAX).unwrap().extent(), extent(1, 2 * half, 3 * half));
    }

    #[test]
    fn memory_of_a_request_is_free_when_all_that_came_with_it_is_gone() {
        let mut blocks = Blocks::default();
        let (first, second) = (extent(1, 0, 100), extent(1, 100, 200));
        assert!(blocks.want(first, 0) && blocks.want(second, 100));
        let run = blocks.begin_wanted(300).unwrap();
        blocks.end(&run, Some(&vec![0; 200].into()));
        blocks.done(first);
        assert_eq!(blocks.begin(extent(2, 0, 150), 300, false), None, "the second is not read yet, and keeps the memory of both");
        assert_eq!(blocks.bytes(), 200);
        blocks.done(second);
        assert!(blocks.begin(extent(2, 0, 150), 300, false).is_some());
        assert_eq!(blocks.bytes(), 150);
    }

    #[test]
    fn what_nobody_waits_for_takes_no_memory_of_what_is_still_to_be_read() {
        let mut blocks = Blocks::default();
        let run = blocks.begin(extent(1, 0, 100), 150, true).unwrap();
        blocks.end(&run, Some(&vec![0; 100].into()));
        assert_eq!(blocks.begin(extent(2, 0, 100), 150, false), None);
        assert!(blocks.begin(extent(2, 0, 100), 150, true).is_some());
        assert_eq!(blocks.touch(extent(1, 0, 100)), None, "it had to go");
    }

    #[test]
    fn a_request_that_fails_leaves_nothing() {
        let mut blocks = Blocks::default();
        let run = blocks.begin(extent(1, 0, 100), 150, true).unwrap();
        assert_eq!(blocks.touch(extent(1, 0, 100)), Some(None));
        blocks.end(&run, None);
        assert_eq!(blocks.touch(extent(1, 0, 100)), None);
        assert_eq!(blocks.bytes(), 0);
    }
}
