//! Counts per second, from counters that are looked at now and then.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A rate is over at least this long.
const OVER: Duration = Duration::from_millis(900);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    count: u64,
    per_second: u64,
}

/// The last look at each counter.
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<String, Sample>);

impl Rates {
    /// How much a counter grew a second, rounded. A counter seen for the first time, or that went back (its owner started anew), has rate 0.
    pub(crate) fn look(&mut self, counter: &str, count: u64, now: Instant) -> u64 {
        let Some(last) = self.0.get_mut(counter) else {
            self.0.insert(counter.to_owned(), Sample { at: now, count, per_second: 0 });
            return 0;
        };
        let passed = now.duration_since(last.at);
        if passed >= OVER {
            let grown = count.saturating_sub(last.count);
            let per_second = (grown as f64 / passed.as_secs_f64()).round() as u64;
            *last = Sample { at: now, count, per_second };
        }
        last.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_growth_over_time() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(rates.look("a", 1000, at(0)), 0);
        assert_eq!(rates.look("a", 1500, at(1000)), 500);
        assert_eq!(rates.look("a", 1900, at(1500)), 500, "too soon to know better");
        assert_eq!(rates.look("a", 2500, at(3000)), 500);
        assert_eq!(rates.look("a", 10, at(4000)), 0, "started anew");
    }
}
