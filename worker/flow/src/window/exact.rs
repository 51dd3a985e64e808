//! Sums of floats that do not depend on the order of addition: exact inside, rounded once, when the result is read.
//!
//! A group's sum is a pair `high + low` of doubles whose sum is the exact value (Knuth's TwoSum finds each rounding error). For values of
//! ordinary spread that is all there ever is. Where a third double would be needed, or an infinity or NaN comes, the group moves to a
//! [`Wide`] number: a fixed-point integer as wide as the range of doubles (Kulisch's accumulator). So any cut of the rows into batches,
//! lanes, restores and merges gives the same bits.

use std::collections::HashMap;

use super::state::StateError;

/// 2,098 bits for the range of doubles, 62 for their number, and a sign: limbs of 32 bits.
const LIMBS: usize = 70;
/// Values added between two normalisations; each adds less than 2^32 to a limb of 64 bits.
const ADDS_BETWEEN_NORMALISATIONS: u32 = 1 << 29;
const LOW_32: i64 = 0xffff_ffff;

/// A fixed-point number in units of 2^-1074, and what is no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wide {
    limbs: [i64; LIMBS],
    adds: u32,
    has_nan: bool,
    has_infinity: bool,
    has_negative_infinity: bool,
}

impl Default for Wide {
    fn default() -> Self {
        Self { limbs: [0; LIMBS], adds: 0, has_nan: false, has_infinity: false, has_negative_infinity: false }
    }
}

impl Wide {
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.has_nan |= value.is_nan();
            self.has_infinity |= value == f64::INFINITY;
            self.has_negative_infinity |= value == f64::NEG_INFINITY;
            return;
        }
        let bits = value.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, position) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let shifted = u128::from(mantissa) << (position % 32);
        let first = usize::try_from(position / 32).expect("below 64");
        for (index, limb) in self.limbs[first..first + 3].iter_mut().enumerate() {
            let part = i64::try_from((shifted >> (32 * index)) & 0xffff_ffff).expect("32 bits");
            *limb += if value < 0.0 { -part } else { part };
        }
        self.adds += 1;
        if self.adds == ADDS_BETWEEN_NORMALISATIONS {
            self.normalise();
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.normalise();
        self.normalise();
        self.limbs.iter_mut().zip(other.limbs).for_each(|(limb, other)| *limb += other);
        self.normalise();
        self.has_nan |= other.has_nan;
        self.has_infinity |= other.has_infinity;
        self.has_negative_infinity |= other.has_negative_infinity;
    }

    /// Every limb but the last in 0..2^32; the last carries the sign.
    fn normalise(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let sum = *limb + carry;
            carry = sum >> 32;
            *limb = sum & LOW_32;
        }
        self.limbs[LIMBS - 1] += carry;
        self.adds = 0;
    }

    /// The nearest double, ties to even.
    pub fn value(&self) -> f64 {
        if self.has_nan || (self.has_infinity && self.has_negative_infinity) {
            return f64::NAN;
        }
        if self.has_infinity {
            return f64::INFINITY;
        }
        if self.has_negative_infinity {
            return f64::NEG_INFINITY;
        }
        let mut magnitude = self.clone();
        magnitude.normalise();
        let is_negative = magnitude.limbs[LIMBS - 1] < 0;
        if is_negative {
            magnitude.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            magnitude.normalise();
        }
        let rounded = magnitude.round();
        if is_negative { -rounded } else { rounded }
    }

    fn round(&self) -> f64 {
        let Some(top) = self.limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
        let highest = top * 32 + 63 - self.limbs[top].leading_zeros() as usize;
        if highest <= 52 {
            // A number of units below 2^53 is its own bit pattern, subnormal or not.
            return f64::from_bits(self.bits(0, 53));
        }
        let mut shift = highest - 52;
        let mut mantissa = self.bits(shift, 53);
        let half = self.bits(shift - 1, 1) == 1;
        let beyond = (0..(shift - 1).div_ceil(32)).any(|index| {
            let bits = (shift - 1 - index * 32).min(32);
            self.bits(index * 32, bits) != 0
        });
        if half && (beyond || mantissa & 1 == 1) {
            mantissa += 1;
            if mantissa == 1 << 53 {
                mantissa >>= 1;
                shift += 1;
            }
        }
        if shift + 1 >= 2047 {
            return f64::INFINITY;
        }
        f64::from_bits(((shift as u64 + 1) << 52) | (mantissa & ((1 << 52) - 1)))
    }

    /// `count` bits, at most 53, from bit `from` on, of a normalised number that is not negative.
    fn bits(&self, from: usize, count: usize) -> u64 {
        let limb = |index: usize| u128::from(self.limbs.get(index).copied().unwrap_or(0).unsigned_abs());
        let joined = limb(from / 32) | limb(from / 32 + 1) << 32 | limb(from / 32 + 2) << 64;
        u64::try_from((joined >> (from % 32)) & ((1 << count) - 1)).expect("at most 53 bits")
    }

    /// A byte of flags, the index of the first limb that is not zero, and the limbs up to the last one, little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut normal = self.clone();
        normal.normalise();
        let first = normal.limbs.iter().position(|limb| *limb != 0).unwrap_or(0);
        let end = normal.limbs.iter().rposition(|limb| *limb != 0).map_or(first, |last| last + 1);
        let flags = u8::from(self.has_nan) | u8::from(self.has_infinity) << 1 | u8::from(self.has_negative_infinity) << 2;
        let mut bytes = vec![flags, u8::try_from(first).expect("below 70")];
        normal.limbs[first..end].iter().for_each(|limb| bytes.extend_from_slice(&limb.to_le_bytes()));
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let [flags, first, limbs @ ..] = bytes else { return Err(StateError::Value("an exact sum is cut short")) };
        let (words, rest) = limbs.as_chunks::<8>();
        let first = usize::from(*first);
        if !rest.is_empty() || first + words.len() > LIMBS || *flags > 7 {
            return Err(StateError::Value("an exact sum has another length"));
        }
        let mut wide =
            Self { has_nan: flags & 1 != 0, has_infinity: flags & 2 != 0, has_negative_infinity: flags & 4 != 0, ..Self::default() };
        for (limb, word) in wide.limbs[first..].iter_mut().zip(words) {
            *limb = i64::from_le_bytes(*word);
            if limb.unsigned_abs() >= 1 << 40 {
                return Err(StateError::Value("an exact sum has a limb out of range"));
            }
        }
        Ok(wide)
    }
}

/// Exact sums, one per group.
#[derive(Clone, Debug, Default)]
pub(crate) struct FloatSums {
    /// NaN where the group is in `wide`.
    high: Vec<f64>,
    low: Vec<f64>,
    wide: HashMap<u32, Box<Wide>>,
}

/// The rounded sum and its exact error.
#[inline]
fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let sum = left + right;
    let right_part = sum - left;
    let left_part = sum - right_part;
    (sum, (left - left_part) + (right - right_part))
}

impl FloatSums {
    pub fn from_parts(high: Vec<f64>, low: Vec<f64>) -> Self {
        Self { high, low, wide: HashMap::new() }
    }

    /// Takes the bytes of a [`Wide`] as group `group`.
    pub fn set_wide(&mut self, group: u32, bytes: &[u8]) -> Result<(), StateError> {
        self.wide.insert(group, Box::new(Wide::from_bytes(bytes)?));
        self.high[group as usize] = f64::NAN;
        self.low[group as usize] = 0.0;
        Ok(())
    }

    pub fn resize(&mut self, groups: usize) {
        self.high.resize(groups, 0.0);
        self.low.resize(groups, 0.0);
    }

    pub fn clear(&mut self, group: u32) {
        self.wide.remove(&group);
        self.high[group as usize] = 0.0;
        self.low[group as usize] = 0.0;
    }

    #[inline]
    pub fn add(&mut self, group: u32, value: f64) {
        let index = group as usize;
        let (high, error) = two_sum(self.high[index], value);
        let (low, lost) = two_sum(self.low[index], error);
        if lost == 0.0 && high.is_finite() && low.is_finite() {
            self.high[index] = high;
            self.low[index] = low;
        } else {
            self.add_wide(group, value);
        }
    }

    #[cold]
    fn add_wide(&mut self, group: u32, value: f64) {
        self.widen(group).add(value);
    }

    fn widen(&mut self, group: u32) -> &mut Wide {
        let index = group as usize;
        let (high, low) = (self.high[index], self.low[index]);
        self.high[index] = f64::NAN;
        self.low[index] = 0.0;
        self.wide.entry(group).or_insert_with(|| {
            let mut wide = Box::<Wide>::default();
            wide.add(high);
            wide.add(low);
            wide
        })
    }

    /// Adds group `other_group` of `other`.
    pub fn absorb(&mut self, group: u32, other: &Self, other_group: u32) {
        if let Some(wide) = other.wide.get(&other_group) {
            self.widen(group).merge(wide);
        } else {
            self.add(group, other.high[other_group as usize]);
            self.add(group, other.low[other_group as usize]);
        }
    }

    /// The nearest double to the exact sum; never -0.0.
    pub fn value(&self, group: u32) -> f64 {
        let value = match self.wide.get(&group) {
            Some(wide) => wide.value(),
            None => self.high[group as usize] + self.low[group as usize],
        };
        if value == 0.0 { 0.0 } else { value }
    }

    pub fn high(&self, group: u32) -> f64 {
        self.high[group as usize]
    }

    pub fn low(&self, group: u32) -> f64 {
        self.low[group as usize]
    }

    pub fn wide(&self, group: u32) -> Option<&Wide> {
        self.wide.get(&group).map(Box::as_ref)
    }

    pub fn size_bytes(&self) -> usize {
        (self.high.capacity() + self.low.capacity()) * 8 + self.wide.len() * size_of::<Wide>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sums = FloatSums::default();
        sums.resize(1);
        values.iter().for_each(|value| sums.add(0, *value));
        sums.value(0)
    }

    fn wide_sum(values: &[f64]) -> f64 {
        let mut wide = Wide::default();
        values.iter().for_each(|value| wide.add(*value));
        wide.value()
    }

    /// Random doubles of all magnitudes (`spread` 2046) or of ordinary ones.
    fn random_values(seed: u64, count: usize, spread: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let lowest = (2046 - spread) / 2;
        (0..count).map(|_| f64::from_bits((next() & !(0x7ff << 52)) | (lowest + next() % (spread + 1)) << 52)).collect()
    }

    #[test]
    fn one_double_is_its_own_sum() {
        for value in [0.0, 5e-324, -5e-324, f64::MIN_POSITIVE, 1.0, -0.1, f64::MAX, f64::MIN, f64::INFINITY] {
            assert_eq!((sum(&[value]), wide_sum(&[value])), (value, value));
        }
        assert!(sum(&[f64::NAN]).is_nan() && sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn what_cancels_is_gone_without_a_trace() {
        assert_eq!(sum(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(sum(&[1e308, 1e308, -1e308, -1e308, 3.0]), 3.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(wide_sum(&[1.0, 2_f64.powi(-53), f64::from_bits(1)]), 1.0 + f64::EPSILON, "past the half rounds up");
        assert_eq!(wide_sum(&[1.0, 2_f64.powi(-53)]), 1.0, "the half goes to the even one");
        assert_eq!(wide_sum(&[f64::from_bits(1); 3]), f64::from_bits(3));
        assert_eq!(sum(&[0.1; 10]), 1.0);
    }

    #[test]
    fn every_order_and_every_cut_gives_the_same_bits() {
        for seed in 1..200 {
            for spread in [3, 60, 300, 2046] {
                let values = random_values(seed, 40, spread);
                let expected = wide_sum(&values);
                let mut reversed = values.clone();
                reversed.reverse();
                assert_eq!(sum(&values).to_bits(), expected.to_bits(), "seed {seed} spread {spread}");
                assert_eq!(sum(&reversed).to_bits(), expected.to_bits(), "seed {seed} spread {spread}");
                let (mut left, mut right) = (FloatSums::default(), FloatSums::default());
                left.resize(1);
                right.resize(1);
                let cut = usize::try_from(seed % 40).unwrap();
                values[..cut].iter().for_each(|value| left.add(0, *value));
                values[cut..].iter().for_each(|value| right.add(0, *value));
                left.absorb(0, &right, 0);
                assert_eq!(left.value(0).to_bits(), expected.to_bits(), "seed {seed} spread {spread} cut {cut}");
            }
        }
    }

    #[test]
    fn integers_below_two_to_the_53_sum_as_integers_do() {
        for seed in 1..100 {
            let values: Vec<f64> = random_values(seed, 100, 2046).iter().map(|value| (value.to_bits() >> 20) as f64).collect();
            let exact: i128 = values.iter().map(|value| *value as i128).sum();
            assert_eq!(wide_sum(&values), exact as f64);
        }
    }

    #[test]
    fn a_wide_sum_comes_back_from_its_bytes() {
        let mut wide = Wide::default();
        random_values(7, 100, 2046).into_iter().for_each(|value| wide.add(value));
        let again = Wide::from_bytes(&wide.to_bytes()).unwrap();
        assert_eq!(again.value().to_bits(), wide.value().to_bits());
        for bad in [&[][..], &[0], &[8, 0], &[0, 70, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 1], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40]] {
            assert!(Wide::from_bytes(bad).is_err(), "{bad:?}");
        }
    }
}
