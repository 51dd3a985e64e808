//! What of a fetched record set a reader gets: whole batches of user records, and how far it has read.

use bytes::Bytes;
use records::{BatchError, BatchHeader, Marker, MarkerKind};
use units::{LeaderEpoch, Offset, ProducerId};
use wire::fetch::AbortedTransaction;

use super::Isolation;

/// A record set, filtered.
#[derive(Debug, Default)]
pub(super) struct Filtered {
    /// Batches with user records, each whole and with a right CRC.
    pub(super) batches: Vec<(BatchHeader, Bytes)>,
    /// The offset to read next. It moves past markers and aborted batches too: a reader that waits for a record behind them would wait
    /// for ever otherwise.
    pub(super) next: Offset,
    /// Epoch of the last batch passed; `None` where there was none.
    pub(super) last_epoch: Option<LeaderEpoch>,
}

/// A record set that cannot be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// The batch at this offset is damaged.
    Damaged(Offset, BatchError),
    /// The first batch did not come whole: the limit on bytes is smaller than the batch.
    TooLarge,
}

/// Filters what was fetched from offset `from` on.
///
/// Kafka's rule for read_committed (KIP-98): a transaction in `aborted` begins to be dropped at its first offset and ends at its abort
/// marker; batches of other producers, and of the same producer after that marker, are kept.
pub(super) fn filter(
    records: Bytes,
    from: Offset,
    isolation: Isolation,
    mut aborted: Vec<AbortedTransaction>,
) -> Result<Filtered, Unusable> {
    aborted.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
    let mut dropping: Vec<ProducerId> = Vec::new();
    let mut filtered = Filtered { next: from, ..Filtered::default() };
    let mut is_any_whole = false;
    for batch in records::split(records) {
        let (header, batch) = match batch {
            Ok(whole) => whole,
            // The broker cuts its answer where the bytes asked for end.
            Err(BatchError::Truncated { .. }) if is_any_whole => break,
            Err(BatchError::Truncated { .. }) => return Err(Unusable::TooLarge),
            Err(error) => return Err(Unusable::Damaged(filtered.next, error)),
        };
        is_any_whole = true;
        if header.last_offset() < from {
            continue;
        }
        records::verify_crc(&batch).map_err(|error| Unusable::Damaged(header.base_offset, error))?;
        filtered.next = header.next_offset();
        filtered.last_epoch = Some(header.leader_epoch);
        while let Some(begun) = aborted.pop_if(|transaction| transaction.first_offset <= header.last_offset()) {
            dropping.push(begun.producer_id);
        }
        if header.attributes.is_control() {
            let marker = Marker::parse(&batch).map_err(|error| Unusable::Damaged(header.base_offset, error))?;
            if marker.is_some_and(|marker| marker.kind == MarkerKind::Abort) {
                dropping.retain(|producer| *producer != header.producer_id);
            }
            continue;
        }
        let is_aborted = header.attributes.is_transactional() && dropping.contains(&header.producer_id);
        if header.record_count > 0 && !(isolation == Isolation::ReadCommitted && is_aborted) {
            filtered.batches.push((header, batch));
        }
    }
    Ok(filtered)
}

#[cfg(test)]
mod tests {
    use records::{BatchBuilder, Compression, place, stamp};
    use units::{ProducerEpoch, Sequence, TimestampMs};

    use super::*;

    /// A log being written, one batch after the other.
    #[derive(Default)]
    struct Log {
        bytes: Vec<u8>,
        end: i64,
    }

    impl Log {
        fn append(mut self, mut batch: Vec<u8>, count: i64) -> Self {
            place(&mut batch, Offset(self.end), LeaderEpoch(3));
            self.bytes.extend(batch);
            self.end += count;
            self
        }

        /// Three records; of a transaction where there is a producer.
        fn batch(self, producer: Option<i64>) -> Self {
            let mut builder = BatchBuilder::new(Compression::None);
            for _ in 0..3 {
                builder.push_plain(TimestampMs(1), None, Some(b"value"));
            }
            let mut batch = builder.finish();
            if let Some(id) = producer {
                stamp(&mut batch, ProducerId(id), ProducerEpoch(0), Sequence(0), true);
            }
            self.append(batch, 3)
        }

        fn marker(self, id: i64, kind: MarkerKind) -> Self {
            let (producer_id, producer_epoch) = (ProducerId(id), ProducerEpoch(0));
            self.append(Marker { kind, coordinator_epoch: 1, producer_id, producer_epoch, timestamp: TimestampMs(1) }.to_batch(), 1)
        }

        /// Base offsets of what a reader gets, and where it reads next.
        fn read(&self, from: i64, aborted: &[(i64, i64)]) -> (Vec<i64>, i64) {
            let told = |(id, first): &(i64, i64)| AbortedTransaction { producer_id: ProducerId(*id), first_offset: Offset(*first) };
            let aborted = aborted.iter().map(told).collect();
            let read = filter(Bytes::from(self.bytes.clone()), Offset(from), Isolation::ReadCommitted, aborted).unwrap();
            (read.batches.iter().map(|(header, _)| header.base_offset.0).collect(), read.next.0)
        }
    }

    #[test]
    fn aborted_batches_and_markers_are_left_out_and_passed() {
        let log = Log::default().batch(Some(1)).batch(Some(2)).marker(1, MarkerKind::Abort).batch(None).marker(2, MarkerKind::Commit);
        assert_eq!(log.read(0, &[(1, 0)]), (vec![3, 7], 11));
    }

    #[test]
    fn a_log_that_ends_in_aborted_transactions_is_read_to_its_end() {
        for transactions in 1..4 {
            let log = (0..transactions).fold(Log::default().batch(None), |log, _| log.batch(Some(1)).marker(1, MarkerKind::Abort));
            let aborted: Vec<_> = (0..transactions).map(|index| (1, 3 + 4 * index)).collect();
            assert_eq!(log.read(0, &aborted), (vec![0], log.end));
            assert_eq!(log.read(3, &aborted), (vec![], log.end));
        }
    }

    #[test]
    fn a_producer_that_goes_on_after_its_abort_is_read_again() {
        let log = Log::default().batch(Some(1)).marker(1, MarkerKind::Abort).batch(Some(1)).marker(1, MarkerKind::Commit);
        assert_eq!(log.read(0, &[(1, 0)]), (vec![4], 8));
        // Two aborts of one producer, of which the list names each once.
        let log = Log::default().batch(Some(1)).marker(1, MarkerKind::Abort).batch(Some(1)).marker(1, MarkerKind::Abort).batch(Some(1));
        assert_eq!(log.read(0, &[(1, 4), (1, 0)]), (vec![8], 11));
    }

    #[test]
    fn an_abort_that_began_before_what_is_read_still_counts() {
        let log = Log::default().batch(Some(1)).batch(Some(1)).marker(1, MarkerKind::Abort).batch(None);
        assert_eq!(log.read(4, &[(1, 0)]), (vec![7], 10));
    }

    #[test]
    fn what_is_not_transactional_is_kept_also_from_an_aborting_producer() {
        let mut plain = BatchBuilder::new(Compression::None);
        plain.push_plain(TimestampMs(1), None, None);
        let mut plain = plain.finish();
        stamp(&mut plain, ProducerId(1), ProducerEpoch(0), Sequence(0), false);
        let log = Log::default().batch(Some(1)).append(plain, 1).marker(1, MarkerKind::Abort);
        assert_eq!(log.read(0, &[(1, 0)]), (vec![3], 5));
    }

    #[test]
    fn read_uncommitted_gets_all_but_markers() {
        let log = Log::default().batch(Some(1)).marker(1, MarkerKind::Abort).batch(None);
        let read = filter(Bytes::from(log.bytes), Offset(0), Isolation::ReadUncommitted, Vec::new()).unwrap();
        assert_eq!((read.batches.len(), read.next, read.last_epoch), (2, Offset(7), Some(LeaderEpoch(3))));
    }

    #[test]
    fn the_batch_that_holds_the_offset_is_given_whole_and_those_before_it_are_not() {
        let log = Log::default().batch(None).batch(None);
        assert_eq!(log.read(4, &[]), (vec![3], 6));
        assert_eq!(log.read(3, &[]), (vec![3], 6));
    }

    #[test]
    fn an_answer_cut_short_ends_with_its_last_whole_batch() {
        let log = Log::default().batch(None).batch(None);
        let cut = |bytes: usize| filter(Bytes::copy_from_slice(&log.bytes[..bytes]), Offset(0), Isolation::ReadCommitted, Vec::new());
        assert_eq!(cut(log.bytes.len() - 1).unwrap().next, Offset(3));
        assert_eq!(cut(log.bytes.len() / 2 - 1).unwrap_err(), Unusable::TooLarge);
        assert_eq!(cut(0).unwrap().next, Offset(0));
    }

    #[test]
    fn a_damaged_batch_is_named_by_its_offset() {
        let mut log = Log::default().batch(None).batch(None);
        *log.bytes.last_mut().unwrap() ^= 1;
        let read = filter(log.bytes.into(), Offset(0), Isolation::ReadCommitted, Vec::new());
        assert!(matches!(read, Err(Unusable::Damaged(Offset(3), BatchError::Crc { .. }))));
    }
}
