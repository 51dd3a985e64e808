//! What only the object store holds: read beside everything else.

use streamwright_broker::BrokerConfig;
use units::PartitionId;
use wire::{ErrorCode, FetchRequest, ProduceRequest};

use crate::kit::{Batch, Newest, Peer, Served, desired, fetch_request, values};

/// More readers than any lane has places.
const READERS: i32 = 40;
/// Those whose answers of a megabyte each have room at once: they are in the lane, and the others wait for their turn.
const READS: usize = 16;

/// A broker whose topic `old` is only in the object store, with `records` in each of its `partitions`, and its id.
fn served_with_old(partitions: i32, records: &[&str]) -> (Served, Peer, units::TopicId) {
    let mut served = Served::start_with(|config| BrokerConfig { ships_continuously: true, response_budget_bytes: 4 << 20, ..config });
    let mut peer = served.peer();
    let topic = peer.create("old", partitions);
    for partition in 0..partitions {
        for record in records {
            let mut request = Batch::of(&[*record]).request(topic);
            request.topic_data[0].partition_data[0].index = PartitionId(partition);
            peer.send(*ProduceRequest::versions_end(), &request);
            assert_eq!(peer.produced().error_code, ErrorCode::None);
        }
    }
    served.wait_until_shipped();
    served.lose_volume();
    served.apply(desired(1));
    let mut peer = served.peer();
    let topic = peer.topic_id("old");
    (served, peer, topic)
}

#[test]
fn readers_that_wait_for_the_object_store_hold_up_neither_readers_of_the_volume_nor_producers() {
    let (served, mut peer, old) = served_with_old(READERS, &["long ago"]);
    let new = peer.create("new", 1);
    // More than the tail keeps: the first of it is read from the volume.
    let megabyte = "x".repeat(1_000_000);
    for _ in 0..12 {
        assert_eq!(peer.produce(new, &Batch::of(&[megabyte.as_str()])).error_code, ErrorCode::None);
    }
    served.store().close();
    let mut cold: Vec<Peer> = (0..READERS).map(|_| served.peer()).collect();
    for (partition, reader) in (0..).zip(&mut cold) {
        // Of a partition each: who wants the same as another waits for what that one reads.
        let mut request = FetchRequest { max_bytes: 50 << 20, ..fetch_request(old, 0) };
        request.topics[0].partitions[0].partition = PartitionId(partition);
        reader.send(17, &request);
    }
    served.store().wait_for(READS);
    for _ in 0..20 {
        assert_eq!(values(&peer.fetch(new, 0, |_| {})), [megabyte.as_str()], "the volume is read");
        peer.produce(new, &Batch::of(&["another"]));
    }
    served.store().open();
    for reader in &mut cold {
        assert_eq!(values(&reader.receive::<FetchRequest>(17).responses[0].partitions[0]), ["long ago"]);
    }
}

#[test]
fn what_came_from_the_object_store_goes_out_at_once_and_within_the_rules() {
    let (_served, mut peer, old) = served_with_old(4, &["a", "b", "c"]);
    assert_eq!(values(&peer.fetch(old, 0, |_| {})), ["a", "b", "c"]);
    let one = |request: &mut FetchRequest| request.topics[0].partitions[0].partition_max_bytes = 1;
    assert_eq!(values(&peer.fetch(old, 1, one)), ["b"], "the first batch comes whole");
    let none = |request: &mut FetchRequest| request.min_bytes = 1 << 20;
    assert_eq!(values(&peer.fetch(old, 1, none)), ["b", "c"], "what came is not held back");
}
