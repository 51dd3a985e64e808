//! What goes into which request, and again, and in which order.

use records::{BatchBuilder, Compression};
use units::{PartitionId, TimestampMs, TopicName};

use super::*;

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::new("t").unwrap(), partition: PartitionId(number) }
}

fn batch(number: i32, records: usize, value_bytes: usize) -> Batch {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..records {
        builder.push_plain(TimestampMs(1), None, Some(&vec![7; value_bytes]));
    }
    Batch { partition: partition(number), bytes: builder.finish().into() }
}

fn stamped(batches: &mut [Batch]) -> Burst {
    Burst::stamp(batches, (ProducerId(9), ProducerEpoch(2)), &mut Sequences::new()).unwrap()
}

/// Partition 0 and 2 are led by broker 1, partition 1 by broker 2.
fn leaders() -> HashMap<TopicPartition, BrokerId> {
    HashMap::from([(partition(0), BrokerId(1)), (partition(1), BrokerId(2)), (partition(2), BrokerId(1))])
}

#[test]
fn sequences_are_dense_per_partition_and_go_on_from_burst_to_burst() {
    let mut sequences = Sequences::new();
    let mut batches = [batch(0, 3, 1), batch(1, 5, 1), batch(0, 4, 1)];
    Burst::stamp(&mut batches, (ProducerId(9), ProducerEpoch(2)), &mut sequences).unwrap();
    let stamped: Vec<_> = batches.iter().map(|batch| records::validate_produced(&batch.bytes).unwrap()).collect();
    assert_eq!(stamped.iter().map(|header| header.base_sequence.0).collect::<Vec<_>>(), [0, 0, 3]);
    assert!(stamped.iter().all(|header| header.producer_id == ProducerId(9) && header.attributes.is_transactional()));
    assert_eq!((sequences[&partition(0)], sequences[&partition(1)]), (Sequence(7), Sequence(5)));
}

#[test]
fn bytes_that_nobody_else_holds_are_stamped_where_they_are() {
    let mut batches = [batch(0, 3, 1000), batch(1, 3, 1000)];
    let held = batches[1].bytes.clone();
    let before: Vec<_> = batches.iter().map(|batch| batch.bytes.as_ptr()).collect();
    drop(stamped(&mut batches));
    assert_eq!(batches[0].bytes.as_ptr(), before[0]);
    assert_ne!(batches[1].bytes.as_ptr(), before[1]);
    assert_eq!(records::BatchHeader::parse(&held).unwrap().producer_id, ProducerId::NONE);
}

#[test]
fn what_is_no_batch_is_refused_before_any_sequence_is_used() {
    let mut sequences = Sequences::new();
    let mut batches = [batch(0, 3, 1), Batch { partition: partition(0), bytes: Bytes::from_static(b"no") }];
    assert!(Burst::stamp(&mut batches, (ProducerId(9), ProducerEpoch(2)), &mut sequences).is_err());
    assert!(sequences.is_empty());
}

#[test]
fn a_request_has_one_batch_of_a_partition_and_keeps_their_order() {
    let mut batches = [batch(0, 1, 1), batch(0, 1, 1), batch(2, 1, 1), batch(1, 1, 1), batch(0, 1, 1)];
    let round = stamped(&mut batches).round(&leaders());
    assert_eq!(round[&BrokerId(1)], [vec![0, 2], vec![1], vec![4]]);
    assert_eq!(round[&BrokerId(2)], [vec![3]]);
}

#[test]
fn a_request_stays_below_its_bytes_unless_one_batch_does_not() {
    let mib = 1 << 20;
    let mut batches: Vec<_> =
        [3 * mib, 3 * mib, 6 * mib, mib / 2].iter().enumerate().map(|(number, bytes)| batch(number as i32, 1, *bytes)).collect();
    let all_on_one = (0..4).map(|number| (partition(number), BrokerId(1))).collect();
    assert_eq!(stamped(&mut batches).round(&all_on_one)[&BrokerId(1)], [vec![0, 3], vec![1], vec![2]]);
}

#[test]
fn a_partition_without_leader_waits_and_the_others_go() {
    let mut batches = [batch(0, 1, 1), batch(7, 1, 1)];
    let mut burst = stamped(&mut batches);
    assert_eq!(burst.round(&leaders())[&BrokerId(1)], [vec![0]]);
    burst.settle(0, ErrorCode::None, Offset(5)).unwrap();
    assert_eq!(burst.open_partitions(), HashSet::from([partition(7)]));
}

#[test]
fn what_follows_a_batch_that_was_held_up_is_held_up_with_it_and_goes_again_in_order() {
    let mut batches = [batch(0, 1, 1), batch(0, 1, 1), batch(2, 1, 1)];
    let mut burst = stamped(&mut batches);
    burst.round(&leaders());
    burst.settle(0, ErrorCode::NotLeaderOrFollower, Offset(-1)).unwrap();
    burst.settle(2, ErrorCode::None, Offset(40)).unwrap();
    burst.settle(1, ErrorCode::OutOfOrderSequenceNumber, Offset(-1)).unwrap();
    assert!(matches!(burst.last_refusal(), Some(TransactionError::Retriable(_))));
    assert_eq!(burst.round(&leaders())[&BrokerId(1)], [vec![0], vec![1]]);
    burst.settle(0, ErrorCode::DuplicateSequenceNumber, Offset(7)).unwrap();
    burst.settle(1, ErrorCode::None, Offset(8)).unwrap();
    assert!(burst.open_partitions().is_empty());
    assert_eq!(burst.into_offsets(), [Offset(7), Offset(8), Offset(40)]);
}

#[test]
fn a_batch_out_of_order_on_its_own_is_an_error() {
    let mut batches = [batch(0, 1, 1), batch(0, 1, 1)];
    let mut burst = stamped(&mut batches);
    burst.round(&leaders());
    burst.settle(0, ErrorCode::None, Offset(0)).unwrap();
    assert!(matches!(burst.settle(1, ErrorCode::OutOfOrderSequenceNumber, Offset(-1)), Err(TransactionError::Refused(_))));
}

#[test]
fn a_lost_answer_means_to_send_the_same_again() {
    let mut batches = [batch(0, 1, 1), batch(0, 1, 1)];
    let mut burst = stamped(&mut batches);
    burst.round(&leaders());
    burst.unanswered(0, TransactionError::Generation);
    burst.settle(1, ErrorCode::OutOfOrderSequenceNumber, Offset(-1)).unwrap();
    let before = burst.batch(0).1.clone();
    assert_eq!(burst.round(&leaders())[&BrokerId(1)], [vec![0], vec![1]]);
    assert_eq!(*burst.batch(0).1, before);
}

#[test]
fn fences_and_refusals_end_the_burst() {
    use super::super::Fence;
    let mut batches = [batch(0, 1, 1)];
    let mut burst = stamped(&mut batches);
    burst.round(&leaders());
    assert_eq!(burst.settle(0, ErrorCode::InvalidProducerEpoch, Offset(-1)), Err(TransactionError::Fenced(Fence::Producer)));
    assert!(matches!(burst.settle(0, ErrorCode::MessageTooLarge, Offset(-1)), Err(TransactionError::Refused(_))));
}
