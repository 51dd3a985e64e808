//! Random choices of a test, from a seed that is printed when the test fails and can be given again.

use std::{ops::Range, time::Duration};

/// A small generator (`SplitMix64`); enough to choose instants and sizes.
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// From `SW_SEED`, or from the time.
    ///
    /// # Panics
    /// Where `SW_SEED` is not a number.
    #[must_use]
    pub fn from_environment() -> Self {
        let seed = match std::env::var("SW_SEED") {
            Ok(text) => text.parse().expect("SW_SEED is a number"),
            Err(_) => std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64),
        };
        Self { seed, state: seed }
    }

    /// What the choices follow from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A duration of `range` milliseconds.
    pub fn milliseconds(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.number() % (range.end - range.start))
    }
}
