//! The memory that groups are cut from: a few pieces that are used again once nobody holds a group of theirs.
//!
//! Groups live as long as the tail, a flush or an answer holds them. Made anew each time, this memory would be taken and given back as fast
//! as batches come in, and no allocator gives back at once what many threads free.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::aligned;

/// Pieces that wait to be free again. More than the tail and the flushes under way hold is held by slow readers, who keep theirs.
const SPENT_MAX: usize = 6;

/// Gives pieces of at least `bytes` bytes.
#[derive(Debug)]
pub(super) struct Arenas {
    bytes: usize,
    /// Whether the piece that was given last is of that size.
    is_regular: bool,
    /// Empty handles, the oldest first: of all that was cut from them.
    spent: VecDeque<BytesMut>,
}

impl Arenas {
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes, is_regular: false, spent: VecDeque::new() }
    }

    /// An empty piece on a block boundary that takes `bytes_min` without moving; `old` is the one before, from which all was split off.
    pub(super) fn next(&mut self, old: BytesMut, bytes_min: usize) -> BytesMut {
        // One that is larger was for a group that is, and goes with it.
        if std::mem::replace(&mut self.is_regular, bytes_min <= self.bytes) {
            self.spent.push_back(old);
        }
        if !self.is_regular {
            return aligned::buffer(bytes_min);
        }
        let free = self.spent.iter_mut().position(|spent| aligned::reclaim(spent, self.bytes));
        let reused = free.and_then(|index| self.spent.remove(index));
        if self.spent.len() > SPENT_MAX {
            self.spent.pop_front();
        }
        reused.unwrap_or_else(|| aligned::buffer(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK_BYTES;

    const BYTES: usize = 16 * BLOCK_BYTES;

    /// Fills an arena with groups of a block each.
    fn fill(arena: &mut BytesMut) -> Vec<bytes::Bytes> {
        let groups = (0..15).map(|_| {
            arena.resize(BLOCK_BYTES, 7);
            let group = arena.split().freeze();
            assert!(group.as_ptr().addr().is_multiple_of(BLOCK_BYTES));
            group
        });
        groups.collect()
    }

    #[test]
    fn what_nobody_holds_is_used_again_and_what_somebody_holds_stays() {
        let mut arenas = Arenas::new(BYTES);
        let mut arena = arenas.next(BytesMut::new(), BLOCK_BYTES);
        let first = fill(&mut arena);
        let at = first[0].as_ptr().addr();
        arena = arenas.next(arena, BLOCK_BYTES);
        let second = fill(&mut arena);
        assert_ne!(second[0].as_ptr().addr(), at, "the first is still held");
        drop(first);
        arena = arenas.next(arena, BLOCK_BYTES);
        let third = fill(&mut arena);
        assert_eq!(third[0].as_ptr().addr(), at);
        assert!(second.iter().all(|group| group.iter().all(|byte| *byte == 7)));
    }

    #[test]
    fn one_that_is_held_for_ever_is_let_go_of() {
        let mut arenas = Arenas::new(BYTES);
        let mut arena = arenas.next(BytesMut::new(), BLOCK_BYTES);
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(fill(&mut arena).swap_remove(3));
            arena = arenas.next(arena, BLOCK_BYTES);
        }
        assert!(arenas.spent.len() <= SPENT_MAX);
    }

    #[test]
    fn a_group_larger_than_an_arena_has_one_of_its_own() {
        let mut arenas = Arenas::new(BYTES);
        let large = arenas.next(BytesMut::new(), 3 * BYTES);
        assert!(large.capacity() >= 3 * BYTES);
        let next = arenas.next(large, BLOCK_BYTES);
        assert!(next.capacity() < 2 * BYTES && arenas.spent.is_empty(), "it is not kept");
    }
}
