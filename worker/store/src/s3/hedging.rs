//! When a read that is late gets a second request beside it. Reads no clock.
//!
//! Most of a slow read is the wait for its first byte at one unlucky machine of the store, and asking again mostly finds
//! another one. The second request starts when the first has waited longer than 95 of 100 recent reads did, and only a share
//! of reads may have one: a store that is slow for everybody is not asked twice for everything.

use std::{collections::VecDeque, time::Duration};

/// What recent reads waited, and how many second requests they have earned.
#[derive(Debug)]
pub(super) struct Hedging {
    waits: VecDeque<Duration>,
    /// In hundredths of a request.
    earned: u32,
    percent: u32,
}

/// How many reads are remembered, and how many must be before they say anything.
const WAITS_MAX: usize = 128;
const WAITS_MIN: usize = 16;
/// The delay while they do not, and its bounds when they do.
const DELAY_UNKNOWN: Duration = Duration::from_millis(300);
const DELAY_MIN: Duration = Duration::from_millis(10);
const DELAY_MAX: Duration = Duration::from_secs(2);
/// Second requests that may be saved up.
const EARNED_MAX: u32 = 10 * 100;

impl Hedging {
    /// Second requests for `percent` of reads; some are there from the start.
    pub(super) fn new(percent: u32) -> Self {
        Self { waits: VecDeque::with_capacity(WAITS_MAX), earned: if percent == 0 { 0 } else { EARNED_MAX / 2 }, percent }
    }

    /// A read got its first byte after `wait`, counted from its first request.
    pub(super) fn answered(&mut self, wait: Duration) {
        if self.waits.len() == WAITS_MAX {
            self.waits.pop_front();
        }
        self.waits.push_back(wait);
        self.earned = (self.earned + self.percent).min(EARNED_MAX);
    }

    /// How long a read waits before its second request.
    pub(super) fn delay(&self) -> Duration {
        if self.waits.len() < WAITS_MIN {
            return DELAY_UNKNOWN;
        }
        let mut waits: Vec<Duration> = self.waits.iter().copied().collect();
        let index = waits.len() * 95 / 100;
        let (_, late, _) = waits.select_nth_unstable(index);
        // A little beyond: reads that all take the same time are not late.
        late.mul_f64(1.5).clamp(DELAY_MIN, DELAY_MAX)
    }

    /// Takes one second request, if one was earned.
    pub(super) fn take(&mut self) -> bool {
        match self.earned.checked_sub(100) {
            Some(rest) => {
                self.earned = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_delay_follows_what_slow_reads_take() {
        let mut hedging = Hedging::new(5);
        assert_eq!(hedging.delay(), DELAY_UNKNOWN);
        (0..200).for_each(|_| hedging.answered(ms(40)));
        assert_eq!(hedging.delay(), ms(60));
        (0..10).for_each(|_| hedging.answered(ms(400)));
        assert_eq!(hedging.delay(), ms(600), "ten of 128 are more than five in a hundred");
        (0..128).for_each(|_| hedging.answered(ms(1)));
        assert_eq!(hedging.delay(), DELAY_MIN);
        (0..128).for_each(|_| hedging.answered(ms(60_000)));
        assert_eq!(hedging.delay(), DELAY_MAX);
    }

    #[test]
    fn second_requests_are_a_share_of_reads() {
        let mut hedging = Hedging::new(5);
        while hedging.take() {}
        let mut taken = 0;
        for _ in 0..1000 {
            hedging.answered(ms(10));
            taken += u32::from(hedging.take());
        }
        assert_eq!(taken, 50);
        assert!(!Hedging::new(0).take(), "none where none are wanted");
    }
}
