//! What the tests of this crate share.

mod framing;
mod hostile;
mod oracle;

use crate::{Message, field::Field};

/// A seeded source of random values: the same seed gives the same run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits (SplitMix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn text(&mut self) -> String {
        let length = if self.one_in(20) { 300 } else { self.below(12) };
        (0..length).map(|_| ['a', 'Z', '0', '.', '-', 'é', '語', ' '][self.below(8)]).collect()
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let length = if self.one_in(10) { 4000 + self.below(2000) } else { self.below(40) };
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// How many seeds to try: `default`, or a tenth of what `SW_SEEDS` says where that is more, since each seed here is 400 checks.
pub(crate) fn seeds(default: u64) -> u64 {
    std::env::var("SW_SEEDS").ok().and_then(|text| text.parse::<u64>().ok()).map_or(default, |seeds| default.max(seeds / 10))
}

/// A message of which there are random values.
pub(crate) trait Sampled: Message {
    /// A random value that `version` can carry.
    fn sampled(dice: &mut Dice, version: i16) -> Self;
}

impl<M: Message + Field> Sampled for M {
    fn sampled(dice: &mut Dice, version: i16) -> Self {
        Self::sample(dice, Self::API.shape(version).expect("a version of this message"))
    }
}
