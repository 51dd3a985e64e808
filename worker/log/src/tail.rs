//! The newest durable groups in memory, within a budget: where readers that keep up are served from.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::partition::index::Location;

/// Groups in the order they were written.
#[derive(Debug)]
pub(crate) struct Tail {
    groups: VecDeque<(Location, Bytes)>,
    bytes: usize,
    bytes_max: usize,
}

impl Tail {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { groups: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Adds a group that lies behind all others, and lets go of the oldest above the budget.
    pub(crate) fn push(&mut self, at: Location, group: Bytes) {
        assert!(self.groups.back().is_none_or(|(last, _)| *last < at), "groups are added in the order of the WAL");
        self.bytes += group.len();
        self.groups.push_back((at, group));
        while self.bytes > self.bytes_max
            && let Some((_, oldest)) = self.groups.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// The `length` bytes at `at`, if their group is still here.
    pub(crate) fn slice(&self, at: Location, length: u32) -> Option<Bytes> {
        let next = self.groups.partition_point(|(start, _)| *start <= at);
        let (start, group) = self.groups.get(next.checked_sub(1)?)?;
        let from = (at.position - start.position) as usize;
        let is_inside = start.file == at.file && from + length as usize <= group.len();
        is_inside.then(|| group.slice(from..from + length as usize))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_groups_go_when_the_budget_is_passed() {
        let mut tail = Tail::new(8192);
        let at = |file, position| Location { file, position };
        for (file, position, byte) in [(1, 0, 1), (1, 4096, 2), (2, 0, 3)] {
            tail.push(at(file, position), Bytes::from(vec![byte; 4096]));
        }
        assert_eq!(tail.slice(at(1, 10), 4), None);
        assert_eq!(tail.slice(at(1, 4100), 2).as_deref(), Some(&[2, 2][..]));
        assert_eq!(tail.slice(at(2, 4095), 1).as_deref(), Some(&[3][..]));
        assert_eq!(tail.slice(at(2, 4095), 2), None);
        assert_eq!(tail.slice(at(1, 8192), 1), None);
        assert_eq!(tail.bytes(), 8192);
    }
}
