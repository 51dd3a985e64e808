//! Seeded randomness: a failing seed is printed by the test that drew it, and replays.

/// How many seeds a property is tried with: `SW_SEEDS`, else `default`.
pub fn count(default: u64) -> u64 {
    std::env::var("SW_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Names the seed when the property does not hold for it.
pub fn each(default: u64, property: impl Fn(&mut Random) + std::panic::RefUnwindSafe) {
    for seed in 0..count(default) {
        let outcome = std::panic::catch_unwind(|| property(&mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))));
        if let Err(panic) = outcome {
            eprintln!("failed with seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn between(&mut self, least: i64, greatest: i64) -> i64 {
        least + i64::try_from(self.below(u64::try_from(greatest - least + 1).unwrap())).unwrap()
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}
