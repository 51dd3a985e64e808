//! What Produce promises.

use control::{Cleanup, Retention};
use records::{BatchBuilder, Compression};
use streamwright_broker::BrokerConfig;
use units::{Offset, ProducerEpoch, TimestampMs};
use wire::{ErrorCode, ProduceRequest};

use crate::{
    kit::{Batch, Newest, Served, desired, values},
    topics::declared,
};

#[test]
fn what_is_produced_is_fetched_and_survives_a_restart() {
    let mut served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    assert_eq!(peer.produce(topic, &Batch::of(&["a", "b"])).base_offset, Offset(0));
    assert_eq!(peer.produce(topic, &Batch::of(&["c"])).base_offset, Offset(2));
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), ["a", "b", "c"]);
    served.restart();
    let mut peer = served.peer();
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), ["a", "b", "c"]);
    assert_eq!(peer.produce(topic, &Batch::of(&["d"])).base_offset, Offset(3));
}

#[test]
fn a_broker_that_lost_its_volume_has_its_topics_and_records_back_from_the_store() {
    let mut served = Served::start_with(|config| BrokerConfig { ships_continuously: true, ..config });
    let mut peer = served.peer();
    let topic = peer.create_with("orders", 2, &[("retention.ms", "86400000")]);
    let producer = peer.init_producer(None);
    let batch = |sequence| Batch::of(&["x"]).by(producer.producer_id, producer.producer_epoch, sequence);
    (0..3).for_each(|sequence| assert_eq!(peer.produce(topic, &batch(sequence)).base_offset.0, i64::from(sequence)));
    served.wait_until_shipped();
    let before = (served.broker().actual().cluster_id, served.broker().actual().topics);
    served.lose_volume();
    let actual = served.broker().actual();
    assert_eq!((actual.object_store.health, actual.incarnation.0), (control::StoreHealth::Reachable, 2));
    assert_eq!(actual.cluster_id, before.0);
    let told = |topics: &[control::ActualTopic]| {
        topics.iter().map(|topic| (topic.name.clone(), topic.topic_id, topic.partitions, topic.retention)).collect::<Vec<_>>()
    };
    assert_eq!(told(&actual.topics), told(&before.1));
    let mut peer = served.peer();
    assert_eq!(peer.topic_id("orders"), topic);
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), ["x", "x", "x"]);
    assert_eq!(peer.produce(topic, &batch(2)).base_offset.0, 2, "a duplicate is known as one");
    assert_eq!(peer.produce(topic, &batch(3)).base_offset.0, 3);
}

#[test]
fn two_clusters_on_one_store_know_nothing_of_each_other() {
    let mut served = Served::start_with(|config| BrokerConfig { store_name: "shop.main".into(), ships_continuously: true, ..config });
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    peer.produce(topic, &Batch::of(&["ours"]));
    served.wait_until_shipped();
    served.lose_volume_and_be(|config| config.store_name = "fleet.main".into());
    let actual = served.broker().actual();
    assert_eq!((actual.topics.len(), actual.incarnation.0), (0, 1), "nothing of the other's comes back, nor is it fenced");
    served.peer().create("orders", 1);
    served.lose_volume_and_be(|config| config.store_name = "shop.main".into());
    let mut peer = served.peer();
    assert_eq!(peer.topic_id("orders"), topic);
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), ["ours"]);
}

#[test]
fn a_duplicate_sequence_is_answered_with_the_original_offset_and_no_error() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let producer = peer.init_producer(None);
    let batch = |sequence| Batch::of(&["x"]).by(producer.producer_id, producer.producer_epoch, sequence);
    let offsets: Vec<_> = (0..6).map(|sequence| peer.produce(topic, &batch(sequence)).base_offset.0).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5]);
    for again in 1..6 {
        let answer = peer.produce(topic, &batch(again));
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::None, Offset(i64::from(again))), "sequence {again}");
    }
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})).len(), 6, "duplicates are not written");
    // Only the last five batches are remembered: what is older is out of order.
    assert_eq!(peer.produce(topic, &batch(0)).error_code, ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(peer.produce(topic, &batch(9)).error_code, ErrorCode::OutOfOrderSequenceNumber);
}

#[test]
fn sequences_are_remembered_across_a_restart() {
    let mut served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let producer = peer.init_producer(None);
    let batch = |sequence| Batch::of(&["x"]).by(producer.producer_id, producer.producer_epoch, sequence);
    peer.produce(topic, &batch(0));
    peer.produce(topic, &batch(1));
    served.restart();
    let mut peer = served.peer();
    let again = peer.produce(topic, &batch(1));
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::None, Offset(1)));
    assert_eq!(peer.produce(topic, &batch(2)).base_offset, Offset(2));
}

#[test]
fn an_older_epoch_is_fenced() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let producer = peer.init_producer(None);
    peer.produce(topic, &Batch::of(&["new"]).by(producer.producer_id, ProducerEpoch(3), 0));
    let answer = peer.produce(topic, &Batch::of(&["old"]).by(producer.producer_id, ProducerEpoch(2), 0));
    assert_eq!(answer.error_code, ErrorCode::InvalidProducerEpoch);
}

#[test]
fn produce_requests_of_one_connection_are_pipelined_and_answered_in_order() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    for index in 0..50 {
        peer.send(*ProduceRequest::versions_end(), &Batch::of(&[&format!("{index}")]).request(topic));
    }
    let offsets: Vec<_> = (0..50).map(|_| peer.produced().base_offset.0).collect();
    assert_eq!(offsets, (0..50).collect::<Vec<_>>());
    let wanted: Vec<_> = (0..50).map(|index| index.to_string()).collect();
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), wanted);
}

#[test]
fn the_largest_batch_is_the_topics() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create_with("small", 1, &[("max.message.bytes", "200")]);
    assert_eq!(peer.produce(topic, &Batch::of(&["short"])).error_code, ErrorCode::None);
    let answer = peer.produce(topic, &Batch::of(&[&"x".repeat(300)]));
    assert_eq!(answer.error_code, ErrorCode::MessageTooLarge);
    assert!(answer.error_message.is_some_and(|message| message.contains("max.message.bytes = 200")));
}

#[test]
fn the_brokers_clock_stamps_where_the_topic_says_so() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create_with("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let answer = peer.produce(topic, &Batch::of(&["a"]));
    assert!(answer.log_append_time_ms > TimestampMs(1_600_000_000_000));
    let data = peer.fetch(topic, 0, |_| {});
    let header = records::verify_crc(&data.records.into_bytes()).expect("the checksum was made anew");
    assert_eq!(header.max_timestamp, answer.log_append_time_ms, "the producer is told the time that is in the log");
}

#[test]
fn on_a_compacted_topic_a_record_without_a_key_is_refused_and_named() {
    let served = Served::start();
    let compacted = Retention { cleanup: Cleanup::Compact, ..Retention::default() };
    served.apply(control::DesiredBroker {
        topics: vec![control::DesiredTopic { retention: compacted, ..declared("latest", 1) }, declared("all", 1)],
        ..desired(1)
    });
    let mut peer = served.peer();
    let batch = |codec, keys: &[Option<&[u8]>]| {
        let mut builder = BatchBuilder::new(codec);
        for key in keys {
            builder.push_plain(TimestampMs(1), *key, Some(b"value"));
        }
        Batch { bytes: builder.finish(), transactional_id: None }
    };
    let (latest, all) = (peer.topic_id("latest"), peer.topic_id("all"));
    for codec in Compression::ALL {
        let keyed = batch(codec, &[Some(b"a"), Some(b"")]);
        assert_eq!(peer.produce(latest, &keyed).error_code, ErrorCode::None, "{codec}: an empty key is one");
        let keyless = batch(codec, &[Some(b"a"), None]);
        let answer = peer.produce(latest, &keyless);
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::InvalidRecord, Offset(-1)), "{codec}");
        assert_eq!(answer.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1], "{codec}");
        assert_eq!(peer.produce(all, &keyless).error_code, ErrorCode::None, "{codec}: elsewhere it may be missing");
    }
    assert_eq!(values(&peer.fetch(latest, 0, |_| {})).len(), 10, "what was refused is not written");
}

#[test]
fn wrong_bytes_are_refused_and_nothing_is_written() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let mut torn = Batch::of(&["a"]);
    *torn.bytes.last_mut().unwrap() ^= 1;
    assert_eq!(peer.produce(topic, &torn).error_code, ErrorCode::CorruptMessage);
    let mut two = Batch::of(&["a"]);
    two.bytes.extend(Batch::of(&["b"]).bytes);
    assert_eq!(peer.produce(topic, &two).error_code, ErrorCode::InvalidRecord);
    let short = Batch { bytes: Batch::of(&["a"]).bytes[..40].to_vec(), transactional_id: None };
    assert_eq!(peer.produce(topic, &short).error_code, ErrorCode::CorruptMessage);
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), Vec::<String>::new());
}

#[test]
fn acks_zero_is_written_without_an_answer() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let silent = ProduceRequest { acks: 0, ..Batch::of(&["quiet"]).request(topic) };
    peer.send(*ProduceRequest::versions_end(), &silent);
    assert_eq!(peer.produce(topic, &Batch::of(&["loud"])).base_offset, Offset(1));
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), ["quiet", "loud"]);
    let wrong = ProduceRequest { acks: 2, ..Batch::of(&["x"]).request(topic) };
    peer.send(*ProduceRequest::versions_end(), &wrong);
    assert_eq!(peer.produced().error_code, ErrorCode::InvalidRequiredAcks);
}
