//! When the next commit is due: as often as asked, less often when commits get dear.

use crate::Time;

/// Commits may take this part of the time: one in twenty.
const TIME_SHARE: u64 = 20;
/// Transaction markers that one group may write each second.
const MARKERS_PER_SECOND: u64 = 20_000;
/// An interval that grew by itself stays below this, unless the user asked for more.
const GROWN_INTERVAL_MS_MAX: u64 = 5_000;
/// One slow commit counts no more than this, so that an outage does not leave a lazy pod behind.
const COST_MS_MAX: u64 = 250;

/// Sets the time between commits. The interval is the greatest of: what was asked, 20 times what a commit costs, and what
/// keeps the group's markers below 20,000 a second.
#[derive(Clone, Debug)]
pub struct Pace {
    asked_ms: u64,
    cost_ms_eighths: u64,
    group_markers: u64,
    last: Option<Time>,
}

impl Pace {
    /// Starts at the asked interval, in milliseconds.
    #[must_use]
    pub fn new(asked_ms: u64) -> Self {
        Self { asked_ms, cost_ms_eighths: 0, group_markers: 0, last: None }
    }

    /// Changes the asked interval, in milliseconds.
    pub fn ask(&mut self, asked_ms: u64) {
        self.asked_ms = asked_ms;
    }

    /// A commit was cut at `cut`, finished at `now`, and wrote `markers` markers; `members` pods do the like.
    pub fn committed(&mut self, cut: Time, now: Time, markers: u32, members: u32) {
        let cost = now.since(cut).min(COST_MS_MAX);
        self.cost_ms_eighths = if self.cost_ms_eighths == 0 { cost * 8 } else { self.cost_ms_eighths - self.cost_ms_eighths / 8 + cost };
        self.group_markers = u64::from(markers) * u64::from(members.max(1));
        self.last = Some(cut);
    }

    /// A cut found nothing to commit.
    pub fn idle(&mut self, now: Time) {
        self.last = Some(now);
    }

    /// Milliseconds between two cuts, as things stand.
    #[must_use]
    pub fn interval_ms(&self) -> u64 {
        let by_time = self.cost_ms_eighths * TIME_SHARE / 8;
        let by_markers = self.group_markers * 1_000 / MARKERS_PER_SECOND;
        by_time.max(by_markers).min(GROWN_INTERVAL_MS_MAX).max(self.asked_ms)
    }

    /// When the next cut is due.
    #[must_use]
    pub fn due_at(&self) -> Time {
        self.last.map_or(Time(0), |last| last.plus(self.interval_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_commits_keep_the_asked_interval() {
        let mut pace = Pace::new(200);
        for n in 0..50 {
            pace.committed(Time(n * 200), Time(n * 200 + 5), 70, 1);
        }
        assert_eq!(pace.interval_ms(), 200);
        assert_eq!(pace.due_at(), Time(49 * 200 + 200));
    }

    #[test]
    fn commits_never_take_more_than_a_twentieth_of_the_time() {
        let mut pace = Pace::new(200);
        for n in 0..50 {
            pace.committed(Time(n * 1_000), Time(n * 1_000 + 40), 70, 1);
        }
        assert!((780..=820).contains(&pace.interval_ms()), "{}", pace.interval_ms());
    }

    #[test]
    fn a_large_group_stays_below_twenty_thousand_markers_a_second() {
        let mut pace = Pace::new(200);
        pace.committed(Time(0), Time(1), 257, 32);
        assert_eq!(pace.interval_ms(), 257 * 32 * 1_000 / 20_000);
    }

    #[test]
    fn an_outage_does_not_leave_a_lazy_pod_behind() {
        let mut pace = Pace::new(200);
        pace.committed(Time(0), Time(90_000), 3, 1);
        assert!(pace.interval_ms() <= 5_000);
        for n in 1..40 {
            pace.committed(Time(n * 100_000), Time(n * 100_000 + 4), 3, 1);
        }
        assert!(pace.interval_ms() < 250, "{}", pace.interval_ms());
    }
}
