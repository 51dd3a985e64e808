//! Open and aborted transactions of one partition: what `read_committed` may see (KIP-98).

use std::collections::{BTreeMap, VecDeque};

use units::{Offset, ProducerId};

use super::producers::Producers;
use crate::AbortedTransaction;

/// A transaction whose marker has an offset but may not be durable yet.
#[derive(Clone, Copy, Debug)]
struct Ending {
    first: Offset,
    marker: Offset,
}

/// Transactions of one partition.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: BTreeMap<Offset, ProducerId>,
    ending: VecDeque<Ending>,
    /// In order of their markers.
    aborted: VecDeque<AbortedTransaction>,
}

impl Transactions {
    /// What was aborted, in order of the markers, and what `producers` have open.
    pub(crate) fn of(aborted: impl IntoIterator<Item = AbortedTransaction>, producers: &Producers) -> Self {
        let open = producers.iter().filter_map(|(id, producer)| Some((producer.transaction_start?, id)));
        Self { open: open.collect(), ending: VecDeque::new(), aborted: aborted.into_iter().collect() }
    }

    pub(crate) fn begin(&mut self, producer_id: ProducerId, first: Offset) {
        self.open.insert(first, producer_id);
    }

    /// The transaction that began at `first` ends with the marker at `marker`.
    pub(crate) fn end(&mut self, producer_id: ProducerId, first: Offset, marker: Offset, is_abort: bool) {
        self.open.remove(&first);
        self.ending.push_back(Ending { first, marker });
        if is_abort {
            self.remember_aborted(AbortedTransaction { producer_id, first_offset: first, last_offset: marker });
        }
    }

    pub(crate) fn remember_aborted(&mut self, aborted: AbortedTransaction) {
        self.aborted.push_back(aborted);
    }

    /// Everything below `high_watermark` is durable.
    pub(crate) fn on_durable(&mut self, high_watermark: Offset) {
        while self.ending.front().is_some_and(|ending| ending.marker < high_watermark) {
            self.ending.pop_front();
        }
    }

    /// The first offset that a transaction without a durable marker may have written, or the high watermark.
    pub(crate) fn last_stable(&self, high_watermark: Offset) -> Offset {
        let open = self.open.keys().next().copied();
        let ending = self.ending.iter().map(|ending| ending.first).min();
        [open, ending].into_iter().flatten().fold(high_watermark, Offset::min)
    }

    /// Aborted transactions with offsets in `from..end`.
    pub(crate) fn aborted(&self, from: Offset, end: Offset) -> Vec<AbortedTransaction> {
        let start = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        self.aborted.range(start..).filter(|aborted| aborted.first_offset < end).copied().collect()
    }

    pub(crate) fn all_aborted(&self) -> impl ExactSizeIterator<Item = &AbortedTransaction> {
        self.aborted.iter()
    }

    /// Forgets aborted transactions that ended below `log_start`.
    pub(crate) fn trim(&mut self, log_start: Offset) {
        while self.aborted.front().is_some_and(|aborted| aborted.last_offset < log_start) {
            self.aborted.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_stable_offset_waits_for_the_marker_to_be_durable() {
        let mut transactions = Transactions::default();
        transactions.begin(ProducerId(1), Offset(3));
        transactions.begin(ProducerId(2), Offset(5));
        assert_eq!(transactions.last_stable(Offset(8)), Offset(3));
        transactions.end(ProducerId(1), Offset(3), Offset(8), false);
        assert_eq!(transactions.last_stable(Offset(8)), Offset(3));
        transactions.on_durable(Offset(9));
        assert_eq!(transactions.last_stable(Offset(9)), Offset(5));
        transactions.end(ProducerId(2), Offset(5), Offset(9), true);
        transactions.on_durable(Offset(10));
        assert_eq!(transactions.last_stable(Offset(10)), Offset(10));
    }

    #[test]
    fn aborted_transactions_are_listed_where_they_overlap() {
        let mut transactions = Transactions::default();
        for (producer, first, last) in [(1, 0, 4), (2, 2, 9), (3, 12, 15)] {
            transactions.begin(ProducerId(producer), Offset(first));
            transactions.end(ProducerId(producer), Offset(first), Offset(last), true);
        }
        let listed =
            |from, end| transactions.aborted(Offset(from), Offset(end)).iter().map(|aborted| aborted.producer_id.0).collect::<Vec<_>>();
        assert_eq!(listed(0, 2), [1]);
        assert_eq!(listed(4, 5), [1, 2]);
        assert_eq!(listed(5, 12), [2]);
        assert_eq!(listed(10, 13), [3]);
    }
}
