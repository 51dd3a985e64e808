//! Positions in a log: where a record is, and under whose leadership it was written.

use std::fmt;

/// Position of one record in one partition's log; the first record ever is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Offset(pub i64);

impl Offset {
    /// The first offset of every partition.
    pub const ZERO: Self = Self(0);

    /// The offset just past `count` records that start here.
    #[must_use]
    pub fn after(self, count: crate::RecordCount) -> Self {
        Self(self.0 + i64::from(count.0))
    }

    /// The next offset.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// How many records lie in `self..end`; 0 where `end` is not behind `self`.
    #[must_use]
    pub fn distance_to(self, end: Self) -> u64 {
        u64::try_from(end.0 - self.0).unwrap_or(0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The leadership under which a batch was written: our broker's incarnation (KIP-101, KIP-320). Never goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct LeaderEpoch(pub i32);

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a record among those of one producer id and epoch in one partition (KIP-98); wraps from `i32::MAX` to 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Sequence(pub i32);

impl Sequence {
    /// The sequence of a batch from a producer without idempotence.
    pub const NONE: Self = Self(-1);

    /// The sequence `count` records later, wrapping past `i32::MAX` to 0 as Kafka does.
    #[must_use]
    pub fn after(self, count: u32) -> Self {
        let wrapped = (i64::from(self.0) + i64::from(count)) % (i64::from(i32::MAX) + 1);
        Self(i32::try_from(wrapped).unwrap_or(0))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_wraps_to_zero_past_the_largest() {
        assert_eq!(Sequence(i32::MAX).after(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).after(3), Sequence(1));
        assert_eq!(Sequence(5).after(2), Sequence(7));
    }

    #[test]
    fn distance_is_zero_when_the_end_lies_before() {
        assert_eq!(Offset(5).distance_to(Offset(9)), 4);
        assert_eq!(Offset(9).distance_to(Offset(5)), 0);
    }
}
