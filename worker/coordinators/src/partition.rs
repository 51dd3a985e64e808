//! Which coordinator partition a name belongs to.

use units::PartitionId;

/// The partition, out of `count`, that keeps the group or transactional id `name`.
///
/// The rule is Kafka's, so that tools which compute it agree: Java's `String.hashCode` over UTF-16 code units, sign bit cleared
/// (`Utils.abs`), modulo `count`.
///
/// # Panics
/// If `count` is not positive: a topic has at least one partition.
#[must_use]
pub fn partition_for(name: &str, count: i32) -> PartitionId {
    assert!(count > 0, "a coordinator has at least one partition");
    let hash = name.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    PartitionId((hash & i32::MAX) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_javas() {
        // By the definition of Java's String.hashCode: the sum of unit * 31^(n - 1 - i), wrapping.
        assert_eq!(partition_for("", 50), PartitionId(0));
        assert_eq!(partition_for("a", 50), PartitionId(97 % 50));
        assert_eq!(partition_for("Aa", 1 << 20), partition_for("BB", 1 << 20), "the classic collision of String.hashCode");
        assert_eq!(partition_for("Aa", 1 << 20), PartitionId(2112));
        assert_eq!(partition_for("polygenelubricants", 50), PartitionId(0), "hashCode is i32::MIN, whose sign bit is cleared");
        assert_eq!(partition_for("😀", 1 << 30), PartitionId(0xd83d * 31 + 0xde00), "surrogates count one by one");
    }
}
