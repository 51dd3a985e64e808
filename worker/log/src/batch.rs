//! What the log looks at in a record batch: its header, never the records, but for the markers that end transactions.

use bytes::Bytes;
use records::{BatchHeader, MarkerKind};
use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use crate::codec::Malformed;

/// The header of one whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchView {
    pub(crate) base: Offset,
    pub(crate) length: usize,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) last_delta: u32,
    pub(crate) max_timestamp: TimestampMs,
    pub(crate) producer_id: ProducerId,
    pub(crate) producer_epoch: ProducerEpoch,
    pub(crate) base_sequence: Sequence,
    last_sequence: Sequence,
    is_transactional: bool,
    is_control: bool,
}

impl BatchView {
    /// The batch at the front of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = BatchHeader::parse(bytes).map_err(|_| Malformed("a batch has no valid header"))?;
        if header.total_bytes() > bytes.len() {
            return Err(Malformed("a batch is longer than its bytes"));
        }
        Ok(Self {
            base: header.base_offset,
            length: header.total_bytes(),
            leader_epoch: header.leader_epoch,
            last_delta: u32::try_from(header.last_offset_delta).map_err(|_| Malformed("a batch has a negative last offset delta"))?,
            max_timestamp: header.max_timestamp,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            is_transactional: header.attributes.is_transactional(),
            is_control: header.attributes.is_control(),
        })
    }

    /// All batches in `bytes`, which must hold nothing else and at least one.
    pub(crate) fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let (mut views, mut rest) = (Vec::with_capacity(1), bytes);
        while views.is_empty() || !rest.is_empty() {
            let view = Self::parse(rest)?;
            rest = &rest[view.length..];
            views.push(view);
        }
        Ok(views)
    }

    /// The same batch, written under `leader_epoch`.
    pub(crate) fn under(self, leader_epoch: LeaderEpoch) -> Self {
        Self { leader_epoch, ..self }
    }

    pub(crate) fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.is_transactional
    }

    pub(crate) fn is_control(&self) -> bool {
        self.is_control
    }

    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id != ProducerId::NONE
    }
}

/// Whether the checksum over attributes and records holds; `batch` is one whole batch.
pub(crate) fn is_intact(batch: &[u8]) -> bool {
    records::verify_crc(batch).is_ok_and(|header| header.total_bytes() == batch.len())
}

/// What a control batch says (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlMarker {
    pub(crate) is_abort: bool,
    pub(crate) coordinator_epoch: i32,
}

impl ControlMarker {
    /// The marker in a control batch; other control records are `None`.
    pub(crate) fn parse(batch: &[u8]) -> Option<Self> {
        let marker = records::Marker::parse(&Bytes::copy_from_slice(batch)).ok()??;
        Some(Self { is_abort: marker.kind == MarkerKind::Abort, coordinator_epoch: marker.coordinator_epoch })
    }
}

/// A control batch that ends a transaction (KIP-98), not placed yet.
pub(crate) fn marker(marker: &crate::Marker) -> Bytes {
    let kind = match marker.outcome {
        crate::TransactionOutcome::Abort => MarkerKind::Abort,
        crate::TransactionOutcome::Commit => MarkerKind::Commit,
    };
    let marker = records::Marker {
        kind,
        coordinator_epoch: marker.coordinator_epoch,
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        timestamp: marker.timestamp,
    };
    marker.to_batch().into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Marker, TransactionOutcome};
    use records::{BatchBuilder, Compression};

    /// A batch of `records` records of `value`, as a producer would send it.
    pub(crate) fn produced(records: u32, value: &[u8], timestamp: i64, producer: Option<(i64, i16, i32, bool)>) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::None);
        for index in 0..records {
            builder.push_plain(TimestampMs(timestamp + i64::from(index)), None, Some(value));
        }
        let mut batch = builder.finish();
        if let Some((id, epoch, sequence, is_transactional)) = producer {
            records::stamp(&mut batch, ProducerId(id), ProducerEpoch(epoch), Sequence(sequence), is_transactional);
        }
        batch.into()
    }

    #[test]
    fn a_marker_reads_back_as_written() {
        for (outcome, is_abort) in [(TransactionOutcome::Abort, true), (TransactionOutcome::Commit, false)] {
            let batch = marker(&Marker {
                producer_id: ProducerId(7),
                producer_epoch: ProducerEpoch(3),
                coordinator_epoch: 9,
                outcome,
                timestamp: TimestampMs(12),
            });
            assert!(is_intact(&batch));
            let view = BatchView::parse(&batch).unwrap();
            assert_eq!((view.length, view.last_delta, view.is_control(), view.is_transactional()), (batch.len(), 0, true, true));
            assert_eq!(ControlMarker::parse(&batch), Some(ControlMarker { is_abort, coordinator_epoch: 9 }));
        }
    }

    #[test]
    fn bytes_that_are_not_whole_batches_are_refused() {
        let batch = produced(2, b"value", 1, None);
        assert_eq!(BatchView::parse_all(&batch).map(|views| views.len()), Ok(1));
        assert!(BatchView::parse_all(&[]).is_err());
        assert!(BatchView::parse_all(&batch[..batch.len() - 1]).is_err());
        let twice = [&batch[..], &batch[..40]].concat();
        assert!(BatchView::parse_all(&twice).is_err());
    }
}
