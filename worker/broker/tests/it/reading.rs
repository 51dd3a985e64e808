//! What Fetch and ListOffsets promise.

use std::time::{Duration, Instant};

use units::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TimestampMs};
use wire::{ErrorCode, FetchRequest, ListOffsetsRequest, ProduceRequest, fetch, list_offsets};

use crate::kit::{Batch, NO_EPOCH, Newest, Peer, Served, fetch_request, values};

#[test]
fn a_fetch_inside_a_batch_gives_the_whole_batch() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    peer.produce(topic, &Batch::of(&["a", "b", "c"]));
    assert_eq!(values(&peer.fetch(topic, 1, |_| {})), ["a", "b", "c"]);
}

#[test]
fn the_first_batch_comes_even_where_it_is_larger_than_asked_for() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    peer.produce(topic, &Batch::of(&["large enough to pass ten bytes"]));
    peer.produce(topic, &Batch::of(&["second"]));
    let small = |request: &mut FetchRequest| request.max_bytes = 10;
    assert_eq!(values(&peer.fetch(topic, 0, small)), ["large enough to pass ten bytes"]);
}

#[test]
fn an_offset_outside_of_the_log_is_refused() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    peer.produce(topic, &Batch::of(&["a"]));
    assert_eq!(peer.fetch(topic, 2, |_| {}).error_code, ErrorCode::OffsetOutOfRange);
    assert_eq!(peer.fetch(topic, -1, |_| {}).error_code, ErrorCode::OffsetOutOfRange);
    assert_eq!(peer.fetch(topic, 1, |_| {}).error_code, ErrorCode::None);
}

#[test]
fn a_long_poll_wakes_when_data_comes_and_not_before() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let mut waiting = served.peer();
    waiting.send(17, &FetchRequest { max_wait_ms: 10_000, ..fetch_request(topic, 0) });
    let from = Instant::now();
    peer.produce(topic, &Batch::of(&["at last"]));
    let answer = waiting.receive::<FetchRequest>(17);
    assert!(from.elapsed() < Duration::from_secs(5), "the poll slept through the record");
    assert_eq!(values(&answer.responses[0].partitions[0]), ["at last"]);
    let empty = waiting.ask(&FetchRequest { max_wait_ms: 50, ..fetch_request(topic, 1) });
    assert_eq!(values(&empty.responses[0].partitions[0]), Vec::<String>::new());
}

#[test]
fn a_long_poll_that_wants_many_bytes_gets_all_that_came_meanwhile() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let batches: Vec<_> = ["a", "b", "c"].iter().map(|value| Batch::of(&[*value])).collect();
    let bytes: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
    let mut waiting = served.peer();
    let min_bytes = i32::try_from(bytes).expect("small batches");
    waiting.send(17, &FetchRequest { max_wait_ms: 15_000, min_bytes, ..fetch_request(topic, 0) });
    for batch in &batches {
        peer.produce(topic, batch);
    }
    let answer = waiting.receive::<FetchRequest>(17);
    assert_eq!(values(&answer.responses[0].partitions[0]), ["a", "b", "c"]);
}

#[test]
fn a_session_says_only_what_changed() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 3);
    let all = (0..3).map(|index| fetch::FetchPartition {
        partition: PartitionId(index),
        fetch_offset: Offset(0),
        partition_max_bytes: 1 << 20,
        ..Default::default()
    });
    let first = FetchRequest {
        session_epoch: 0,
        topics: vec![fetch::FetchTopic { topic_id: topic, partitions: all.collect(), ..Default::default() }],
        ..fetch_request(topic, 0)
    };
    let opened = peer.ask(&first);
    assert_ne!(opened.session_id, 0);
    assert_eq!(opened.responses[0].partitions.len(), 3);
    peer.produce(topic, &Batch::of(&["a"]));
    let next = |epoch| FetchRequest { session_id: opened.session_id, session_epoch: epoch, topics: Vec::new(), ..fetch_request(topic, 0) };
    let changed = peer.ask(&next(1));
    assert_eq!(changed.responses.len(), 1);
    assert_eq!(changed.responses[0].partitions.len(), 1, "only partition 0 has news");
    assert_eq!(values(&changed.responses[0].partitions[0]), ["a"]);
    assert_eq!(peer.ask(&next(7)).error_code, ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(peer.ask(&FetchRequest { session_id: opened.session_id ^ 1, ..next(2) }).error_code, ErrorCode::FetchSessionIdNotFound);
}

#[test]
fn a_leader_epoch_that_is_not_ours_is_refused() {
    let mut served = Served::start();
    let topic = served.peer().create("orders", 1);
    served.peer().produce(topic, &Batch::of(&["a"]));
    let mut peer = served.peer();
    let mut with_epoch = |epoch: LeaderEpoch| {
        let mut request = fetch_request(topic, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        peer.ask(&request).responses[0].partitions[0].error_code
    };
    assert_eq!(with_epoch(NO_EPOCH), ErrorCode::None);
    assert_eq!(with_epoch(LeaderEpoch(1)), ErrorCode::None);
    assert_eq!(with_epoch(LeaderEpoch(2)), ErrorCode::UnknownLeaderEpoch);
    served.restart();
    let mut request = fetch_request(topic, 0);
    request.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(1);
    assert_eq!(served.peer().ask(&request).responses[0].partitions[0].error_code, ErrorCode::FencedLeaderEpoch);
}

/// Offset and time that ListOffsets answers for a time, of partition 0 of `orders`.
pub fn found_at(peer: &mut Peer, time: i64) -> (i64, i64) {
    let partition =
        list_offsets::ListOffsetsPartition { partition_index: PartitionId(0), timestamp: TimestampMs(time), ..Default::default() };
    let wanted = list_offsets::ListOffsetsTopic { name: "orders".into(), partitions: vec![partition] };
    let answer = peer.ask(&ListOffsetsRequest { topics: vec![wanted], ..Default::default() });
    let found = &answer.topics[0].partitions[0];
    assert_eq!(found.error_code, ErrorCode::None);
    (found.offset.0, found.timestamp.0)
}

#[test]
fn offsets_are_found_by_time() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    // Times 1000, 1001, 1002 and again 1000.
    peer.produce(topic, &Batch::of(&["a", "b", "c"]));
    peer.produce(topic, &Batch::of(&["d"]));
    let mut at = |time| found_at(&mut peer, time);
    assert_eq!(at(-2), (0, -1));
    assert_eq!(at(-1), (4, -1));
    assert_eq!(at(0), (0, 1_000));
    assert_eq!(at(1_001), (1, 1_001));
    assert_eq!(at(1_002), (2, 1_002));
    assert_eq!(at(1_003), (-1, -1));
    assert_eq!(at(-3), (2, 1_002));
}

#[test]
fn a_time_that_a_batch_claims_and_no_record_has_is_passed_over() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let mut liar = Batch::of(&["a"]);
    // The newest time of the batch, behind what its one record says.
    liar.bytes[35..43].copy_from_slice(&9_000_i64.to_be_bytes());
    let liar = liar.by(ProducerId::NONE, ProducerEpoch(-1), -1);
    peer.produce(topic, &liar);
    let plain = Batch::of(&["b"]).request(topic);
    let many = 10_000;
    for _ in 0..many / 50 {
        (0..50).for_each(|_| peer.send(*ProduceRequest::versions_end(), &plain));
        (0..50).for_each(|_| assert_eq!(peer.produced().error_code, ErrorCode::None));
    }
    assert_eq!(found_at(&mut peer, 5_000), (-1, -1));
    peer.produce(topic, &Batch::at(6_000, &["c"]));
    assert_eq!(found_at(&mut peer, 5_000), (many + 1, 6_000));
}

#[test]
fn a_slow_reader_is_cut_short_before_the_budget_is_gone() {
    let served = Served::start_with(|config| streamwright_broker::BrokerConfig { response_budget_bytes: 256 << 10, ..config });
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    for _ in 0..16 {
        peer.produce(topic, &Batch::of(&[&"x".repeat(60 << 10)]));
    }
    // Readers that ask for everything and take nothing of it: each gets its share, the last still gets a batch.
    let mut readers: Vec<_> = (0..20).map(|_| served.peer()).collect();
    for reader in &mut readers {
        reader.send(17, &fetch_request(topic, 0));
    }
    for reader in &mut readers {
        let answer = reader.receive::<FetchRequest>(17);
        assert!(!values(&answer.responses[0].partitions[0]).is_empty());
        assert!(answer.responses[0].partitions[0].records.len() < 256 << 10);
    }
}
