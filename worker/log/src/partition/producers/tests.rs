//! What a producer of one partition may send, and what is remembered of it.

use super::*;
use crate::{TransactionOutcome, VerificationGuard};

const PLAIN: Origin = Origin::Producer { guard: None };
const ID: ProducerId = ProducerId(5);

fn view(epoch: i16, sequence: i32, records: u32, is_transactional: bool) -> BatchView {
    let batch = crate::batch::tests::produced(records, b"", 1, Some((ID.0, epoch, sequence, is_transactional)));
    BatchView::parse(&batch).unwrap()
}

fn marker(epoch: i16, coordinator_epoch: i32) -> Marker {
    Marker {
        producer_id: ID,
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch,
        outcome: TransactionOutcome::Commit,
        timestamp: TimestampMs(9),
    }
}

fn write(producers: &mut Producers, batch: &BatchView, base: i64) {
    producers.apply(batch, Offset(base), batch.max_timestamp);
}

fn end(producers: &mut Producers, marker: &Marker) -> Option<Offset> {
    producers.check_marker(marker).unwrap();
    let batch = crate::batch::marker(marker);
    producers.apply_marker(&BatchView::parse(&batch).unwrap(), marker.coordinator_epoch, marker.timestamp)
}

#[test]
fn a_repeated_batch_is_a_duplicate_of_its_first_offset_for_five_batches() {
    let mut producers = Producers::default();
    for index in 0..6 {
        let batch = view(0, index * 10, 10, false);
        assert_eq!(producers.check(&[batch], PLAIN), Ok(Standing::New));
        write(&mut producers, &batch, 100 + i64::from(index) * 10);
    }
    for index in 1..6 {
        let again = producers.check(&[view(0, index * 10, 10, false)], PLAIN);
        assert_eq!(again, Ok(Standing::Duplicate(Offset(100 + i64::from(index) * 10))));
    }
    let forgotten = producers.check(&[view(0, 0, 10, false)], PLAIN);
    assert!(matches!(forgotten, Err(AppendError::OutOfOrderSequence { expected: Sequence(60), .. })));
}

#[test]
fn a_gap_is_out_of_order_and_the_sequence_wraps() {
    let mut producers = Producers::default();
    write(&mut producers, &view(0, i32::MAX - 1, 2, false), 0);
    assert_eq!(producers.check(&[view(0, 0, 1, false)], PLAIN), Ok(Standing::New));
    assert!(matches!(producers.check(&[view(0, 1, 1, false)], PLAIN), Err(AppendError::OutOfOrderSequence { .. })));
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old() {
    let mut producers = Producers::default();
    write(&mut producers, &view(3, 0, 4, false), 0);
    assert!(matches!(producers.check(&[view(4, 4, 1, false)], PLAIN), Err(AppendError::OutOfOrderSequence { .. })));
    assert_eq!(producers.check(&[view(4, 0, 1, false)], PLAIN), Ok(Standing::New));
    write(&mut producers, &view(4, 0, 1, false), 4);
    assert!(matches!(producers.check(&[view(3, 4, 1, false)], PLAIN), Err(AppendError::ProducerFenced { .. })));
}

#[test]
fn batches_of_one_append_follow_each_other() {
    let producers = Producers::default();
    assert_eq!(producers.check(&[view(0, 0, 3, false), view(0, 3, 1, false)], PLAIN), Ok(Standing::New));
    let gap = producers.check(&[view(0, 0, 3, false), view(0, 4, 1, false)], PLAIN);
    assert!(matches!(gap, Err(AppendError::OutOfOrderSequence { expected: Sequence(3), .. })));
}

#[test]
fn a_first_transactional_batch_needs_a_guard_that_no_marker_has_voided() {
    let mut producers = Producers::default();
    let first = view(0, 0, 1, true);
    assert!(matches!(producers.check(&[first], PLAIN), Err(AppendError::InvalidTransactionState { .. })));
    let markers = producers.verification(ID, ProducerEpoch(0)).unwrap_err();
    let guarded = Origin::Producer { guard: Some(VerificationGuard(markers)) };
    assert_eq!(producers.check(&[first], guarded), Ok(Standing::New));

    end(&mut producers, &marker(0, 1));
    assert!(matches!(producers.check(&[first], guarded), Err(AppendError::InvalidTransactionState { .. })));

    let markers = producers.verification(ID, ProducerEpoch(0)).unwrap_err();
    let guarded = Origin::Producer { guard: Some(VerificationGuard(markers)) };
    assert_eq!(producers.check(&[first], guarded), Ok(Standing::New));
    write(&mut producers, &first, 7);
    assert_eq!(producers.verification(ID, ProducerEpoch(0)), Ok(()));
    assert_eq!(producers.check(&[view(0, 1, 1, true)], PLAIN), Ok(Standing::New));
    assert!(matches!(producers.check(&[view(0, 1, 1, false)], PLAIN), Err(AppendError::InvalidTransactionState { .. })));
    assert_eq!(end(&mut producers, &marker(1, 1)), Some(Offset(7)));
    assert!(matches!(producers.check(&[view(0, 1, 1, true)], PLAIN), Err(AppendError::ProducerFenced { .. })));
}

#[test]
fn a_marker_of_an_older_coordinator_or_epoch_is_refused() {
    let mut producers = Producers::default();
    end(&mut producers, &marker(3, 8));
    assert!(matches!(producers.check_marker(&marker(3, 7)), Err(AppendError::CoordinatorFenced { got: 7, current: 8 })));
    assert!(matches!(producers.check_marker(&marker(2, 8)), Err(AppendError::ProducerFenced { .. })));
    assert_eq!(producers.check_marker(&marker(3, 8)), Ok(()));
}

#[test]
fn producers_expire_by_time_and_count_but_never_inside_a_transaction() {
    let mut producers = Producers::default();
    for id in 0..4 {
        let producer = (ProducerEpoch(0), -1);
        let start = (id == 0).then_some(Offset(0));
        producers.restore(ProducerId(id), producer, TimestampMs(id), start, &[]);
    }
    producers.expire(TimestampMs(2), 10);
    let ids = |producers: &Producers| producers.states().iter().map(|state| state.producer_id.0).collect::<Vec<_>>();
    assert_eq!(ids(&producers), [0, 2, 3]);
    producers.expire(TimestampMs(0), 2);
    assert_eq!(ids(&producers), [0, 3]);
}

#[test]
fn ids_made_up_for_each_batch_do_not_pile_up() {
    let mut producers = Producers::default();
    for id in 0..1000 {
        let batch = crate::batch::tests::produced(1, b"", 1, Some((id, 0, 0, id == 0)));
        producers.apply(&BatchView::parse(&batch).unwrap(), Offset(id), TimestampMs(id));
        producers.bound(10);
        assert!(producers.len() < 20);
    }
    let kept = producers.states();
    assert_eq!(kept[0].producer_id, ProducerId(0), "an open transaction is kept");
    assert_eq!(kept.last().unwrap().producer_id, ProducerId(999), "the newest is kept");
}
