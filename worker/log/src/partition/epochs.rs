//! Which leader epoch wrote which offsets (KIP-101, KIP-320).

use units::{LeaderEpoch, Offset};

use crate::EpochEnd;

/// The first offset of each leader epoch that wrote, rising in both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs(Vec<(LeaderEpoch, Offset)>);

impl Epochs {
    /// `epoch` writes at `start`.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.0.last().is_none_or(|last| last.0 < epoch) {
            self.0.push((epoch, start));
        }
    }

    /// The largest epoch not above `epoch`, and where it ends in a log that ends at `log_end`.
    pub(crate) fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<EpochEnd> {
        let next = self.0.partition_point(|entry| entry.0 <= epoch);
        let leader_epoch = self.0[..next].last()?.0;
        Some(EpochEnd { leader_epoch, end: self.0.get(next).map_or(log_end, |entry| entry.1) })
    }

    /// The epoch that wrote `offset`.
    pub(crate) fn of(&self, offset: Offset) -> LeaderEpoch {
        let next = self.0.partition_point(|entry| entry.1 <= offset);
        self.0[..next].last().map_or(LeaderEpoch(0), |entry| entry.0)
    }

    /// Forgets epochs that end at or before `log_start`; the last one stays.
    pub(crate) fn trim(&mut self, log_start: Offset) {
        let begun = self.0.partition_point(|entry| entry.1 <= log_start);
        self.0.drain(..begun.saturating_sub(1));
    }

    pub(crate) fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs() -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, start) in [(1, 0), (1, 5), (4, 10), (6, 30)] {
            epochs.assign(LeaderEpoch(epoch), Offset(start));
        }
        epochs
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins_and_the_last_at_the_log_end() {
        let end = |epoch| epochs().end_of(LeaderEpoch(epoch), Offset(42)).map(|end| (end.leader_epoch.0, end.end.0));
        assert_eq!(end(0), None);
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(end(3), Some((1, 10)));
        assert_eq!(end(5), Some((4, 30)));
        assert_eq!(end(9), Some((6, 42)));
    }

    #[test]
    fn trimming_keeps_the_epoch_that_wrote_the_log_start() {
        let mut epochs = epochs();
        epochs.trim(Offset(12));
        assert_eq!(epochs.entries().first(), Some(&(LeaderEpoch(4), Offset(10))));
        assert_eq!(epochs.of(Offset(29)), LeaderEpoch(4));
        assert_eq!(epochs.of(Offset(30)), LeaderEpoch(6));
    }
}
