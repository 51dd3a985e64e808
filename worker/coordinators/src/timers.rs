//! Deadlines by name: each name has one at most.

use std::collections::{BTreeMap, BTreeSet};

use units::{DurationMs, TimestampMs};

/// The moment `length` after `now`, without overflow.
pub(crate) fn after(now: TimestampMs, length: DurationMs) -> TimestampMs {
    TimestampMs(now.0.saturating_add(length.0))
}

/// How long ago `then` was; 0 where it lies ahead.
pub(crate) fn elapsed(then: TimestampMs, now: TimestampMs) -> DurationMs {
    DurationMs(now.0.saturating_sub(then.0).max(0))
}

/// A set of named deadlines, ordered by time.
#[derive(Clone, Debug)]
pub(crate) struct Timers<K> {
    by_name: BTreeMap<K, TimestampMs>,
    by_time: BTreeSet<(TimestampMs, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets the deadline of `name`, in place of an earlier one.
    pub(crate) fn set(&mut self, name: K, at: TimestampMs) {
        self.clear(&name);
        self.by_time.insert((at, name.clone()));
        self.by_name.insert(name, at);
    }

    pub(crate) fn clear(&mut self, name: &K) {
        if let Some(at) = self.by_name.remove(name) {
            self.by_time.remove(&(at, name.clone()));
        }
    }

    pub(crate) fn is_set(&self, name: &K) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn next(&self) -> Option<TimestampMs> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest name whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: TimestampMs) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_moves_and_comes_once() {
        let mut timers = Timers::default();
        timers.set("a", TimestampMs(5));
        timers.set("b", TimestampMs(7));
        timers.set("a", TimestampMs(9));
        assert_eq!(timers.next(), Some(TimestampMs(7)));
        assert_eq!(timers.pop_due(TimestampMs(6)), None);
        assert_eq!(timers.pop_due(TimestampMs(9)), Some("b"));
        assert_eq!(timers.pop_due(TimestampMs(9)), Some("a"));
        assert_eq!(timers.pop_due(TimestampMs(9)), None);
    }
}
