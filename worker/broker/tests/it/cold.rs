//! What only the object store holds: read beside everything else.

use streamwright_broker::BrokerConfig;
use wire::{ErrorCode, FetchRequest};

use crate::kit::{Batch, Peer, Served, desired, fetch_request, values};

/// More readers than any lane has places.
const READERS: usize = 40;

/// A broker whose topic `old` is only in the object store, and its id.
fn served_with_old(records: &[&str]) -> (Served, Peer, units::TopicId) {
    let mut served = Served::start_with(|config| BrokerConfig { ships_continuously: true, response_budget_bytes: 4 << 20, ..config });
    let mut peer = served.peer();
    let topic = peer.create("old", 4);
    for record in records {
        peer.produce(topic, &Batch::of(&[*record]));
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
    let (served, mut peer, old) = served_with_old(&["long ago"]);
    let new = peer.create("new", 1);
    // More than the tail keeps: the first of it is read from the volume.
    let megabyte = "x".repeat(1_000_000);
    for _ in 0..12 {
        assert_eq!(peer.produce(new, &Batch::of(&[megabyte.as_str()])).error_code, ErrorCode::None);
    }
    served.store().close();
    let mut cold: Vec<Peer> = (0..READERS).map(|_| served.peer()).collect();
    for reader in &mut cold {
        reader.send(17, &FetchRequest { max_bytes: 50 << 20, ..fetch_request(old, 0) });
    }
    // All of them wait for one read: who wants the same as another does not ask again.
    served.store().wait_for(1);
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
    let (_served, mut peer, old) = served_with_old(&["a", "b", "c"]);
    assert_eq!(values(&peer.fetch(old, 0, |_| {})), ["a", "b", "c"]);
    let one = |request: &mut FetchRequest| request.topics[0].partitions[0].partition_max_bytes = 1;
    assert_eq!(values(&peer.fetch(old, 1, one)), ["b"], "the first batch comes whole");
    let none = |request: &mut FetchRequest| request.min_bytes = 1 << 20;
    assert_eq!(values(&peer.fetch(old, 1, none)), ["b", "c"], "what came is not held back");
}
