//! Which object's work may be tried now: each backs off by itself, so that one that fails delays no other.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};
use tokio::time::Instant;

use super::{Cause, Failure};
use crate::{resource::Key, write::Lane};

/// After the first failure.
const FIRST: Duration = Duration::from_millis(200);
/// At most.
const LONGEST: Duration = Duration::from_secs(60);
/// After a conflict, the first time: what was missed is on its way here.
const CONFLICT: Duration = Duration::from_millis(50);

/// How a work ended.
pub type Outcome = Result<(), Failure>;

#[derive(Debug, Default)]
struct Attempt {
    is_under_way: bool,
    failures: u32,
    not_before: Option<Instant>,
    failure: Option<Failure>,
}

/// The works that are under way or failed last.
#[derive(Debug, Default)]
pub struct Attempts {
    attempts: HashMap<(Key, Lane), Attempt>,
    dice: RandomState,
}

impl Attempts {
    /// Whether this may be tried now.
    #[must_use]
    pub fn may(&self, about: &Key, lane: Lane, now: Instant) -> bool {
        self.attempts
            .get(&(about.clone(), lane))
            .is_none_or(|attempt| !attempt.is_under_way && attempt.not_before.is_none_or(|at| at <= now))
    }

    /// It is tried.
    pub fn begin(&mut self, about: &Key, lane: Lane) {
        self.attempts.entry((about.clone(), lane)).or_default().is_under_way = true;
    }

    /// It ended; how often it has failed since it went well.
    pub fn end(&mut self, about: &Key, lane: Lane, outcome: Outcome, now: Instant) -> u32 {
        let id = (about.clone(), lane);
        let Err(failure) = outcome else {
            self.attempts.remove(&id);
            return 0;
        };
        let dice = self.dice.hash_one((&id, now));
        let attempt = self.attempts.entry(id).or_default();
        attempt.is_under_way = false;
        attempt.failures += 1;
        attempt.not_before = Some(now + delay(attempt.failures, failure.cause, dice));
        attempt.failure = Some(failure);
        attempt.failures
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.attempts.values().filter(|attempt| attempt.is_under_way).count()
    }

    /// How many failed last and wait.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.attempts.values().filter(|attempt| attempt.failures > 0).count()
    }

    /// When the next may be tried; `None` where none waits.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.attempts.values().filter(|attempt| !attempt.is_under_way).filter_map(|attempt| attempt.not_before).min()
    }

    /// Why objects of this one could not be written last, where that is for people to read.
    #[must_use]
    pub fn trouble(&self, about: &Key) -> Option<&str> {
        let failure = self.attempts.get(&(about.clone(), Lane::Objects))?.failure.as_ref()?;
        failure.is_for_people().then_some(failure.message.as_str())
    }

    /// What waits although nothing is to be done for it any more is forgotten.
    pub fn retain(&mut self, is_wanted: impl Fn(&Key, Lane) -> bool) {
        self.attempts.retain(|(about, lane), attempt| attempt.is_under_way || is_wanted(about, *lane));
    }
}

/// Doubles from the first up to the longest; anywhere between half of that and all of it.
fn delay(failures: u32, cause: Cause, dice: u64) -> Duration {
    let first = if cause == Cause::Conflict { CONFLICT } else { FIRST };
    let whole = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let share = 500 + u32::try_from(dice % 501).unwrap_or(0);
    whole * share / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Resource;

    fn key(name: &str) -> Key {
        Key::new(Resource::Topic, "a", name)
    }

    #[test]
    fn one_that_fails_waits_longer_each_time_and_delays_no_other() {
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            attempts.begin(&key("bad"), Lane::Status);
            assert!(!attempts.may(&key("bad"), Lane::Status, now), "it is under way");
            attempts.end(&key("bad"), Lane::Status, Err(Failure::new(Cause::Unavailable, "503")), now);
            assert!(!attempts.may(&key("bad"), Lane::Status, now));
            assert!(attempts.may(&key("good"), Lane::Status, now) && attempts.may(&key("bad"), Lane::Objects, now));
            let next = attempts.next().unwrap();
            longest = longest.max(next - now);
            now = next;
            assert!(attempts.may(&key("bad"), Lane::Status, now));
        }
        assert!(longest > LONGEST / 2 && longest <= LONGEST, "{longest:?}");
        attempts.end(&key("bad"), Lane::Status, Ok(()), now);
        assert_eq!((attempts.next(), attempts.failing()), (None, 0));
    }

    #[test]
    fn delays_differ_between_objects() {
        let delays: std::collections::BTreeSet<_> = (0..100).map(|dice| delay(5, Cause::Unavailable, dice * 7919)).collect();
        assert!(delays.len() > 50);
        assert!(delays.iter().all(|delay| *delay >= FIRST * 8 && *delay <= FIRST * 16), "{delays:?}");
    }
}
