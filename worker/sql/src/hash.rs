//! A 64-bit hash that is the same in every version, process and machine: FNV-1a over 128 bits, folded.
//!
//! Ids of operators are kept beside their state for years, so neither the standard library's hasher nor a crate's may decide them.

const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The hash of a normalised thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StableHash(pub(crate) u64);

/// Collects the parts of a thing; each part is closed, so that `ab, c` and `a, bc` differ.
pub(crate) struct StableHasher(u128);

impl StableHasher {
    /// Begins a thing of this kind.
    pub(crate) fn new(kind: &str) -> Self {
        Self(OFFSET_BASIS).text(kind)
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(&(text.len() as u64).to_le_bytes()).bytes(text.as_bytes())
    }

    pub(crate) fn number(self, number: i64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(crate) fn hash(self, hash: StableHash) -> Self {
        self.bytes(&hash.0.to_le_bytes())
    }

    pub(crate) fn hashes(self, hashes: impl ExactSizeIterator<Item = StableHash>) -> Self {
        let count = i64::try_from(hashes.len()).expect("plans are small");
        hashes.fold(self.number(count), Self::hash)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |state, byte| (state ^ u128::from(*byte)).wrapping_mul(PRIME)))
    }

    pub(crate) fn finish(self) -> StableHash {
        #[expect(clippy::cast_possible_truncation, reason = "folds the upper half into the lower")]
        StableHash((self.0 ^ (self.0 >> 64)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(StableHasher(OFFSET_BASIS).bytes(b"a").0, 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(StableHasher::new("filter").text("a").number(7).finish().0, GOLDEN);
    }

    const GOLDEN: u64 = 10_964_942_705_748_943_386;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(StableHasher::new("x").text("ab").text("c").finish(), StableHasher::new("x").text("a").text("bc").finish());
    }
}
