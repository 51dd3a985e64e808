//! Watermarks of everything upstream of one hash partition (rule 3).

use std::collections::BTreeMap;

use crate::Rules;

/// A watermark in milliseconds of event time, as merged from upstream: no row at or before it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watermark {
    /// Nothing is known yet.
    Unknown,
    /// Event time in milliseconds since the epoch.
    At(i64),
    /// The upstream has ended: nothing follows at all.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    watermark: Watermark,
    idle: bool,
}

/// What one reader knows of the progress of its upstream partitions, `U` naming them. Part of the reader's state.
///
/// Every upstream partition of the plan is in it from the start, at [`Watermark::Unknown`]: a partition that has not spoken
/// holds the others back. What is heard arrives in band, behind the rows it speaks of, and only the maximum is kept, so a
/// record read twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<U: Ord> {
    upstreams: BTreeMap<U, Entry>,
    every_upstream: bool,
}

impl<U: Ord> Progress<U> {
    /// Knows nothing of `upstreams`, which are all there are in the plan.
    pub fn new(rules: &Rules, upstreams: impl IntoIterator<Item = U>) -> Self {
        let entry = Entry { watermark: Watermark::Unknown, idle: false };
        Self { upstreams: upstreams.into_iter().map(|upstream| (upstream, entry)).collect(), every_upstream: rules.every_upstream }
    }

    /// Takes in what was read in band: a watermark never goes back; a later word ends idleness.
    pub fn heard(&mut self, upstream: U, watermark: Watermark, idle: bool) {
        let entry = self.upstreams.entry(upstream).or_insert(Entry { watermark: Watermark::Unknown, idle });
        entry.watermark = entry.watermark.max(watermark);
        entry.idle = idle;
    }

    /// The watermark of everything together: the minimum over all upstream partitions that are not idle, [`Watermark::Unknown`]
    /// as long as one of them has not spoken. If all are idle, the greatest of theirs.
    #[must_use]
    pub fn watermark(&self) -> Watermark {
        let heard = |entry: &&Entry| self.every_upstream || entry.watermark != Watermark::Unknown;
        let minimum = self.upstreams.values().filter(|entry| !entry.idle).filter(heard).map(|entry| entry.watermark).min();
        minimum.or_else(|| self.upstreams.values().map(|entry| entry.watermark).max()).unwrap_or(Watermark::Unknown)
    }

    /// Each upstream partition with its watermark and whether it is idle, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&U, Watermark, bool)> {
        self.upstreams.iter().map(|(upstream, entry)| (upstream, entry.watermark, entry.idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_has_not_spoken_holds_the_others_back() {
        let mut progress = Progress::new(&Rules::default(), [0, 1]);
        progress.heard(0, Watermark::At(900), false);
        assert_eq!(progress.watermark(), Watermark::Unknown);
        progress.heard(1, Watermark::At(400), false);
        assert_eq!(progress.watermark(), Watermark::At(400));
    }

    #[test]
    fn an_older_word_changes_nothing() {
        let mut progress = Progress::new(&Rules::default(), [0]);
        progress.heard(0, Watermark::At(900), false);
        progress.heard(0, Watermark::At(500), false);
        assert_eq!(progress.watermark(), Watermark::At(900));
    }

    #[test]
    fn idle_partitions_are_left_out_until_they_speak_again() {
        let mut progress = Progress::new(&Rules::default(), [0, 1]);
        progress.heard(0, Watermark::At(900), false);
        progress.heard(1, Watermark::At(100), true);
        assert_eq!(progress.watermark(), Watermark::At(900));
        progress.heard(1, Watermark::At(950), false);
        assert_eq!(progress.watermark(), Watermark::At(900));
    }

    #[test]
    fn the_end_of_all_is_the_end() {
        let mut progress = Progress::new(&Rules::default(), [0, 1]);
        progress.heard(0, Watermark::End, false);
        assert_eq!(progress.watermark(), Watermark::Unknown);
        progress.heard(1, Watermark::End, false);
        assert_eq!(progress.watermark(), Watermark::End);
    }
}
