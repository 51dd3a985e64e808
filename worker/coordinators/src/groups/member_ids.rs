//! Makes the ids of members: unlike each other, within one start and between starts.

use super::MemberId;

/// A sequence of ids that look like UUIDs, from a seed.
#[derive(Clone, Debug)]
pub(crate) struct MemberIds {
    seed: [u64; 2],
    count: u64,
}

impl MemberIds {
    pub(crate) fn new(seed: [u64; 2]) -> Self {
        Self { seed, count: 0 }
    }

    /// `prefix-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, as Kafka makes them.
    pub(crate) fn make(&mut self, prefix: &str) -> MemberId {
        self.count += 1;
        let [high, low] = self.seed.map(|seed| mix(seed.wrapping_add(self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
        MemberId(format!("{prefix}-{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff).into())
    }
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014): one to one, so a sequence never repeats within 2^64.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_within_a_start_and_between_starts() {
        let (mut one, mut two) = (MemberIds::new([1, 2]), MemberIds::new([3, 4]));
        let made = [one.make("c"), one.make("c"), two.make("c"), two.make("c")];
        assert_eq!(made.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert_eq!(made[0].as_str().len(), "c-".len() + 36);
    }
}
