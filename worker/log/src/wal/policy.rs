//! When a group is written: at once if nothing is under way, else when a flush finishes, it is full, or it has waited enough.

use std::time::Duration;

/// What to do with the open group now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlushDecision {
    /// Close and write it.
    Now,
    /// Ask again at this time, unless a flush finishes before.
    At(Duration),
    /// Ask again when a flush finishes.
    WhenFlushed,
}

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlushPolicy {
    pub(crate) in_flight_max: usize,
    pub(crate) linger: Duration,
}

/// The open group, and what is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlushView {
    pub(crate) in_flight: usize,
    pub(crate) opened_at: Duration,
    /// A flush has finished since the group was opened, or a caller waits for it.
    pub(crate) is_due: bool,
}

impl FlushPolicy {
    pub(crate) fn decide(&self, view: FlushView, now: Duration) -> FlushDecision {
        if view.in_flight >= self.in_flight_max {
            FlushDecision::WhenFlushed
        } else if view.in_flight == 0 || view.is_due || now >= view.opened_at + self.linger {
            FlushDecision::Now
        } else {
            FlushDecision::At(view.opened_at + self.linger)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: FlushPolicy = FlushPolicy { in_flight_max: 2, linger: Duration::from_millis(1) };

    fn at(in_flight: usize, is_due: bool, now_us: u64) -> FlushDecision {
        let opened_at = Duration::from_micros(100);
        POLICY.decide(FlushView { in_flight, opened_at, is_due }, Duration::from_micros(now_us))
    }

    #[test]
    fn the_first_group_of_an_idle_log_does_not_wait() {
        assert_eq!(at(0, false, 100), FlushDecision::Now);
    }

    #[test]
    fn beside_another_flush_a_group_waits_for_company_no_longer_than_the_linger() {
        assert_eq!(at(1, false, 600), FlushDecision::At(Duration::from_micros(1100)));
        assert_eq!(at(1, false, 1100), FlushDecision::Now);
        assert_eq!(at(1, true, 600), FlushDecision::Now);
    }

    #[test]
    fn no_more_flushes_overlap_than_allowed() {
        assert_eq!(at(2, true, 5000), FlushDecision::WhenFlushed);
    }
}
