//! Whether a request that failed is sent again, and after what pause. Reads no clock and draws no lots of its own.

use super::{config::S3Limits, trouble::Kind};
use std::time::{Duration, Instant};

/// The patience of one call.
#[derive(Debug)]
pub(super) struct Patience {
    attempts_left: u32,
    credentials_left: u32,
    ceiling: Duration,
    ceiling_max: Duration,
    deadline: Instant,
    random: u64,
}

/// How often a call takes up credentials anew: once for what was rotated, once more for a rotation that was seen half.
const CREDENTIAL_ATTEMPTS: u32 = 2;

impl Patience {
    /// Of a call that begins `now`; `seed` decides the jitter.
    pub(super) fn new(limits: &S3Limits, now: Instant, seed: u64) -> Self {
        Self {
            attempts_left: limits.attempts_max.saturating_sub(1),
            credentials_left: CREDENTIAL_ATTEMPTS,
            ceiling: limits.backoff_min,
            ceiling_max: limits.backoff_max,
            deadline: now + limits.call_timeout,
            random: seed,
        }
    }

    /// The pause before the next attempt, between half of the ceiling and all of it; `None` where there is to be none. The
    /// ceiling doubles each time.
    pub(super) fn pause_after(&mut self, kind: Kind, now: Instant) -> Option<Duration> {
        if !kind.is_worth_another_try() || self.attempts_left == 0 {
            return None;
        }
        if kind == Kind::Credentials {
            self.credentials_left = self.credentials_left.checked_sub(1)?;
        }
        self.attempts_left -= 1;
        let half = self.ceiling / 2;
        let pause = half + half.mul_f64(self.draw());
        self.ceiling = (self.ceiling * 2).min(self.ceiling_max);
        (now + pause < self.deadline).then_some(pause)
    }

    /// The next draw, in `0.0..1.0` (splitmix64, Steele et al. 2014).
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> S3Limits {
        S3Limits { attempts_max: 8, backoff_min: Duration::from_millis(100), backoff_max: Duration::from_secs(1), ..S3Limits::default() }
    }

    #[test]
    fn pauses_double_with_jitter_up_to_their_bound_and_end_with_the_attempts() {
        let now = Instant::now();
        let mut patience = Patience::new(&limits(), now, 7);
        for ceiling_ms in [100, 200, 400, 800, 1000, 1000, 1000] {
            let pause = patience.pause_after(Kind::Busy, now).unwrap();
            let ceiling = Duration::from_millis(ceiling_ms);
            assert!(pause >= ceiling / 2 && pause <= ceiling, "{pause:?} for {ceiling:?}");
        }
        assert_eq!(patience.pause_after(Kind::Busy, now), None, "eight attempts and no more");
    }

    #[test]
    fn two_calls_do_not_pause_alike() {
        let now = Instant::now();
        let pause = |seed| Patience::new(&limits(), now, seed).pause_after(Kind::Busy, now);
        assert_ne!(pause(1), pause(2));
    }

    #[test]
    fn no_attempt_begins_after_the_deadline() {
        let now = Instant::now();
        let mut patience = Patience::new(&limits(), now, 7);
        assert_eq!(patience.pause_after(Kind::Doubtful, now + limits().call_timeout), None);
    }

    #[test]
    fn credentials_are_taken_up_anew_twice_and_refusals_never() {
        let now = Instant::now();
        let mut patience = Patience::new(&limits(), now, 7);
        assert!(patience.pause_after(Kind::Credentials, now).is_some() && patience.pause_after(Kind::Credentials, now).is_some());
        assert_eq!(patience.pause_after(Kind::Credentials, now), None);
        for kind in [Kind::Denied, Kind::Absent, Kind::ConditionFailed, Kind::NoBucket, Kind::Unsupported, Kind::Refused, Kind::PastTheEnd]
        {
            assert_eq!(Patience::new(&limits(), now, 7).pause_after(kind, now), None, "{kind:?}");
        }
    }
}
