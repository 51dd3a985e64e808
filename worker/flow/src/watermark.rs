//! How far event time has come: per source partition, then together.
//!
//! A watermark of `w` says: no more rows with a time at or before `w` milliseconds. A window that ends at `e` (exclusive) fires when the
//! watermark reaches `e - 1`. So a partition's watermark is its greatest event time, less the declared delay, less one millisecond: input
//! in order is never late, however many rows share a millisecond (as Flink's `BoundedOutOfOrdernessWatermarks` has it).
//!
//! Time is an argument everywhere: milliseconds of a monotonic clock where it measures silence, of the wall clock where it judges the
//! future.

use std::collections::BTreeMap;

/// No event time yet: -∞.
pub const NOTHING_MS: i64 = i64::MIN;
/// The end of a bounded input: +∞.
pub const EVERYTHING_MS: i64 = i64::MAX;
/// An event this much ahead of the wall clock does not move the watermark: one wrong clock would make all other rows late.
pub const FUTURE_MS: i64 = 5 * 60 * 1000;

/// The watermark of one source partition.
#[derive(Clone, Debug)]
pub struct PartitionWatermark {
    delay_ms: i64,
    idle_timeout_ms: i64,
    watermark_ms: i64,
    /// When rows were last seen, or since when the partition is watched.
    last_rows_ms: u64,
    is_read_to_end: bool,
    from_future: u64,
}

impl PartitionWatermark {
    /// A partition without rows yet. `watermark_ms` is where it was when its position was committed, or [`NOTHING_MS`].
    #[must_use]
    pub fn new(delay_ms: i64, idle_timeout_ms: i64, watermark_ms: i64, now_ms: u64) -> Self {
        Self { delay_ms, idle_timeout_ms, watermark_ms, last_rows_ms: now_ms, is_read_to_end: false, from_future: 0 }
    }

    /// Takes the event times of rows that were read; those that are NULL are left out by the caller.
    pub fn on_rows(&mut self, times_ms: impl IntoIterator<Item = i64>, wall_clock_ms: i64, now_ms: u64) {
        let limit = wall_clock_ms.saturating_add(FUTURE_MS);
        let mut greatest = NOTHING_MS;
        for time in times_ms {
            if time > limit {
                self.from_future += 1;
            } else {
                greatest = greatest.max(time);
            }
        }
        if greatest > NOTHING_MS {
            self.watermark_ms = self.watermark_ms.max(greatest.saturating_sub(self.delay_ms).saturating_sub(1));
        }
        self.last_rows_ms = now_ms;
    }

    /// The owner has, or has not, read everything that is in the log.
    pub fn on_log_end(&mut self, is_read_to_end: bool) {
        self.is_read_to_end = is_read_to_end;
    }

    /// The bounded end was read: nothing comes any more.
    pub fn finish(&mut self) {
        self.watermark_ms = EVERYTHING_MS;
    }

    /// The watermark in milliseconds; never goes back.
    #[must_use]
    pub fn watermark_ms(&self) -> i64 {
        self.watermark_ms
    }

    /// Whether the partition is left out of the minimum: silent for the timeout *and* read to the end of its log. One that is behind is
    /// never idle, however long its reader was away. A timeout of 0 means never.
    #[must_use]
    pub fn is_idle(&self, now_ms: u64) -> bool {
        let silence_ms = now_ms.saturating_sub(self.last_rows_ms);
        self.idle_timeout_ms > 0 && self.is_read_to_end && i64::try_from(silence_ms).unwrap_or(i64::MAX) >= self.idle_timeout_ms
    }

    /// Rows whose event time was too far in the future to move the watermark.
    #[must_use]
    pub fn rows_from_future(&self) -> u64 {
        self.from_future
    }
}

/// Something rows come from: a partition of a source, or a hash partition of the stage before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upstream {
    /// Position of the source node, or of the exchange's aggregate node, in the plan.
    pub node: u32,
    /// The source's partition or the hash partition.
    pub partition: u32,
}

/// What is known of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its watermark in milliseconds, [`NOTHING_MS`] before the first.
    pub watermark_ms: i64,
    /// It is silent and holds nobody back.
    pub is_idle: bool,
}

/// Merges the watermarks of *every* upstream of the plan: a minimum over those heard of would drop the rows of the others.
#[derive(Clone, Debug, Default)]
pub struct WatermarkMerger {
    upstreams: BTreeMap<Upstream, Progress>,
    merged_ms: Option<i64>,
}

impl WatermarkMerger {
    /// A merger of the given upstreams, all at [`NOTHING_MS`].
    pub fn new(upstreams: impl IntoIterator<Item = Upstream>) -> Self {
        let unknown = Progress { watermark_ms: NOTHING_MS, is_idle: false };
        Self { upstreams: upstreams.into_iter().map(|upstream| (upstream, unknown)).collect(), merged_ms: None }
    }

    /// Adds an upstream that came later (a partition of a topic that grew): it starts at the current minimum.
    pub fn add(&mut self, upstream: Upstream) {
        let progress = Progress { watermark_ms: self.watermark_ms(), is_idle: false };
        self.upstreams.entry(upstream).or_insert(progress);
    }

    /// Takes what an upstream says; its watermark keeps the maximum. One that is not in the plan is not listened to.
    pub fn update(&mut self, upstream: Upstream, said: Progress) {
        if let Some(known) = self.upstreams.get_mut(&upstream) {
            known.watermark_ms = known.watermark_ms.max(said.watermark_ms);
            known.is_idle = said.is_idle;
        }
        self.merged_ms = self.merged_ms.max(Some(self.merge()));
    }

    /// The least watermark of all that are not idle. Once all are, nobody holds anybody back, and what was read is complete as far as the
    /// furthest of them has come (so Flink has it, too): else the last windows would stay open whenever partitions fall silent together.
    /// One that has ended does not speak for the others. Never goes back, also when an idle upstream wakes up behind it.
    #[must_use]
    pub fn watermark_ms(&self) -> i64 {
        self.merged_ms.unwrap_or(NOTHING_MS)
    }

    fn merge(&self) -> i64 {
        let open = || self.upstreams.values().filter(|progress| progress.watermark_ms < EVERYTHING_MS);
        let least = open().filter(|progress| !progress.is_idle).map(|progress| progress.watermark_ms).min();
        least.or_else(|| open().map(|progress| progress.watermark_ms).max()).unwrap_or(EVERYTHING_MS)
    }

    /// Every upstream and what is known of it, in order: what is kept in state and travels in block headers.
    pub fn iter(&self) -> impl Iterator<Item = (Upstream, Progress)> {
        self.upstreams.iter().map(|(upstream, progress)| (*upstream, *progress))
    }

    /// The upstreams that hold the watermark back: those at the minimum, for status.
    pub fn slowest(&self) -> impl Iterator<Item = Upstream> {
        let least = self.upstreams.values().filter(|progress| !progress.is_idle).map(|progress| progress.watermark_ms).min();
        let is_least = move |progress: &Progress| !progress.is_idle && Some(progress.watermark_ms) == least;
        self.upstreams.iter().filter(move |(_, progress)| is_least(progress)).map(|(upstream, _)| *upstream)
    }

    /// The upstreams whose watermark is more than `most_ahead_ms` ahead of the merged one: reading them further only fills memory with
    /// open windows, so they should be paused. Nobody is ahead of -∞: before everyone has spoken there is nothing to compare with.
    pub fn ahead(&self, most_ahead_ms: i64) -> impl Iterator<Item = Upstream> {
        let merged = self.watermark_ms();
        let is_ahead = move |progress: &Progress| {
            merged > NOTHING_MS && progress.watermark_ms < EVERYTHING_MS && progress.watermark_ms.saturating_sub(merged) > most_ahead_ms
        };
        self.upstreams.iter().filter(move |(_, progress)| is_ahead(progress)).map(|(upstream, _)| *upstream)
    }

    /// Whether every upstream has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.upstreams.values().all(|progress| progress.watermark_ms == EVERYTHING_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Upstream = Upstream { node: 0, partition: 0 };
    const B: Upstream = Upstream { node: 0, partition: 1 };

    fn at(watermark_ms: i64) -> Progress {
        Progress { watermark_ms, is_idle: false }
    }

    fn idle(watermark_ms: i64) -> Progress {
        Progress { watermark_ms, is_idle: true }
    }

    #[test]
    fn rows_in_order_are_never_late() {
        let mut partition = PartitionWatermark::new(0, 30_000, NOTHING_MS, 0);
        for time in [999, 999, 1000] {
            assert!(partition.watermark_ms() < time);
            partition.on_rows([time], 1_000_000, 0);
        }
        assert_eq!(partition.watermark_ms(), 999, "the window that ends at 1000 fires");
        partition.on_rows([5], 1_000_000, 0);
        assert_eq!(partition.watermark_ms(), 999, "a watermark never goes back");
        let mut delayed = PartitionWatermark::new(5000, 30_000, NOTHING_MS, 0);
        delayed.on_rows([10_000, 7_000], 1_000_000, 0);
        assert_eq!(delayed.watermark_ms(), 4_999);
    }

    #[test]
    fn an_event_from_the_future_does_not_move_the_watermark() {
        let mut partition = PartitionWatermark::new(0, 30_000, NOTHING_MS, 0);
        partition.on_rows([1000, 1000 + FUTURE_MS + 1, 1000 + FUTURE_MS], 1000, 0);
        assert_eq!((partition.watermark_ms(), partition.rows_from_future()), (999 + FUTURE_MS, 1));
    }

    #[test]
    fn only_a_partition_read_to_its_end_becomes_idle() {
        let mut partition = PartitionWatermark::new(0, 30_000, NOTHING_MS, 1000);
        assert!(!partition.is_idle(1_000_000), "nobody has read it to the end");
        partition.on_log_end(true);
        assert!(!partition.is_idle(30_999));
        assert!(partition.is_idle(31_000));
        partition.on_rows([1], 1, 40_000);
        assert!(!partition.is_idle(69_999));
        partition.on_log_end(false);
        assert!(!partition.is_idle(1_000_000));
    }

    #[test]
    fn the_minimum_is_over_every_upstream_of_the_plan() {
        let mut merger = WatermarkMerger::new([A, B]);
        merger.update(A, at(100));
        assert_eq!(merger.watermark_ms(), NOTHING_MS, "B was not heard of yet");
        merger.update(B, at(50));
        assert_eq!(merger.watermark_ms(), 50);
        merger.update(B, at(20));
        assert_eq!(merger.watermark_ms(), 50);
        merger.update(Upstream { node: 9, partition: 9 }, at(0));
        assert_eq!(merger.slowest().collect::<Vec<_>>(), [B]);
        assert_eq!((merger.ahead(49).collect::<Vec<_>>(), merger.ahead(50).count()), (vec![A], 0));
        let late = Upstream { node: 0, partition: 2 };
        merger.add(late);
        assert_eq!(merger.watermark_ms(), 50, "a new partition starts at the minimum");
        assert!(merger.iter().any(|known| known == (late, at(50))));
    }

    #[test]
    fn the_idle_hold_nobody_back_and_never_pull_back() {
        let mut merger = WatermarkMerger::new([A, B]);
        merger.update(A, at(100));
        merger.update(B, idle(NOTHING_MS));
        assert_eq!(merger.watermark_ms(), 100);
        merger.update(B, at(30));
        assert_eq!(merger.watermark_ms(), 100);
        merger.update(B, idle(30));
        merger.update(A, idle(200));
        assert_eq!(merger.watermark_ms(), 200, "all are idle: what was read is complete");
        merger.update(B, at(150));
        assert_eq!(merger.watermark_ms(), 200, "it never goes back");
    }

    #[test]
    fn the_end_comes_when_everyone_has_ended() {
        let mut merger = WatermarkMerger::new([A, B]);
        merger.update(A, at(EVERYTHING_MS));
        merger.update(B, at(70));
        assert_eq!((merger.watermark_ms(), merger.is_finished()), (70, false));
        merger.update(B, idle(80));
        assert_eq!(merger.watermark_ms(), 80, "an end does not speak for the idle");
        merger.update(B, at(EVERYTHING_MS));
        assert_eq!((merger.watermark_ms(), merger.is_finished()), (EVERYTHING_MS, true));
        assert_eq!(merger.ahead(0).count(), 0);
    }
}
