//! Transactions on a whole broker: visible all at once or not at all, across restarts, fenced by epoch and by group generation.

use coordinators::groups::Generation;
use units::{Offset, PartitionId, ProducerEpoch, ProducerId, TopicId};
use wire::{
    EndTxnRequest, ErrorCode, FetchRequest, InitProducerIdResponse, OffsetFetchRequest, ProduceRequest, TxnOffsetCommitRequest,
    offset_fetch, txn_offset_commit,
};

use crate::kit::{Batch, Newest, Peer, Served, values};

const ID: &str = "writer";

fn committed_only(request: &mut FetchRequest) {
    request.isolation_level = 1;
}

/// Asks again while the markers of the transaction before are being written, as every client does.
fn end(peer: &mut Peer, producer: &InitProducerIdResponse, committed: bool) -> (ErrorCode, ProducerEpoch) {
    let request = EndTxnRequest {
        transactional_id: ID.into(),
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        committed,
    };
    let mut answer = peer.ask(&request);
    while answer.error_code == ErrorCode::ConcurrentTransactions {
        answer = peer.ask(&request);
    }
    (answer.error_code, answer.producer_epoch)
}

fn batch(producer: &InitProducerIdResponse, sequence: i32, value: &str) -> Batch {
    Batch::of(&[value]).in_transaction(ID, producer.producer_id, producer.producer_epoch, sequence)
}

/// What a `read_committed` consumer keeps: aborted transactions left out, as clients do by the answer's list.
fn read_committed(peer: &mut Peer, topic: TopicId) -> Vec<String> {
    let data = peer.fetch(topic, 0, committed_only);
    let aborted = data.aborted_transactions.clone().unwrap_or_default();
    let mut open: Vec<(ProducerId, Offset)> = aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect();
    let mut kept = Vec::new();
    for split in records::split(data.records.into_bytes()) {
        let (header, bytes) = split.expect("whole batches");
        let is_aborted = open.iter().position(|(producer, first)| *producer == header.producer_id && *first <= header.base_offset);
        if header.attributes.is_control() {
            if let Some(index) = is_aborted {
                open.remove(index);
            }
        } else if is_aborted.is_none() {
            let decoded = records::Records::decode(&bytes, 1 << 20).expect("batches decode");
            kept.extend(
                decoded
                    .iter()
                    .map(|record| String::from_utf8_lossy(record.expect("records decode").value.unwrap_or_default()).into_owned()),
            );
        }
    }
    kept
}

#[test]
fn a_transaction_is_seen_when_it_is_committed_and_never_when_it_is_aborted() {
    let mut served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let mut producer = peer.init_producer(Some(ID));
    assert_eq!(peer.produce(topic, &batch(&producer, 0, "first")).error_code, ErrorCode::None);
    assert_eq!(read_committed(&mut peer, topic), Vec::<String>::new(), "an open transaction is not seen");
    assert_eq!(values(&peer.fetch(topic, 0, |_| {})), ["first"], "but by those who want to");
    let (code, epoch) = end(&mut peer, &producer, true);
    assert_eq!((code, epoch), (ErrorCode::None, ProducerEpoch(producer.producer_epoch.0 + 1)), "the end bumps the epoch (KIP-890)");
    assert_eq!(end(&mut peer, &producer, true), (ErrorCode::None, epoch), "an end that is asked for again is answered again");
    producer.producer_epoch = epoch;
    let again = produce_until_free(&mut peer, topic, &batch(&producer, 0, "second"));
    assert_eq!(again, ErrorCode::None);
    producer.producer_epoch = end(&mut peer, &producer, false).1;
    assert_eq!(produce_until_free(&mut peer, topic, &batch(&producer, 0, "third")), ErrorCode::None);
    assert_eq!(end(&mut peer, &producer, true).0, ErrorCode::None);
    wait_until(|| read_committed(&mut served.peer(), topic) == ["first", "third"]);
    served.restart();
    assert_eq!(read_committed(&mut served.peer(), topic), ["first", "third"]);
}

/// A produce that comes before the last transaction's markers are written is told to wait (CONCURRENT_TRANSACTIONS).
fn produce_until_free(peer: &mut Peer, topic: TopicId, batch: &Batch) -> ErrorCode {
    let mut code = peer.produce(topic, batch).error_code;
    for _ in 0..1_000 {
        if code != ErrorCode::ConcurrentTransactions {
            break;
        }
        code = peer.produce(topic, batch).error_code;
    }
    code
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < until, "it did not come to hold");
        std::thread::yield_now();
    }
}

#[test]
fn a_restart_in_the_middle_leaves_the_transaction_open_and_it_can_be_committed() {
    let mut served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let producer = peer.init_producer(Some(ID));
    peer.produce(topic, &batch(&producer, 0, "before"));
    served.restart();
    let mut peer = served.peer();
    assert_eq!(peer.produce(topic, &batch(&producer, 1, "after")).error_code, ErrorCode::None);
    assert_eq!(end(&mut peer, &producer, true).0, ErrorCode::None);
    wait_until(|| read_committed(&mut served.peer(), topic) == ["before", "after"]);
}

#[test]
fn a_newer_producer_fences_the_older_and_ends_what_it_left() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let old = peer.init_producer(Some(ID));
    peer.produce(topic, &batch(&old, 0, "left behind"));
    let mut newcomer = served.peer();
    let new = init_until_free(&mut newcomer);
    assert!(new.producer_epoch > old.producer_epoch || new.producer_id != old.producer_id);
    assert_eq!(peer.produce(topic, &batch(&old, 1, "too late")).error_code, ErrorCode::InvalidProducerEpoch);
    assert!(matches!(end(&mut peer, &old, true).0, ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch));
    assert_eq!(newcomer.produce(topic, &batch(&new, 0, "in time")).error_code, ErrorCode::None);
    assert_eq!(end(&mut newcomer, &new, true).0, ErrorCode::None);
    wait_until(|| read_committed(&mut served.peer(), topic) == ["in time"]);
}

fn init_until_free(peer: &mut Peer) -> InitProducerIdResponse {
    let request = wire::InitProducerIdRequest { transactional_id: Some(ID.into()), transaction_timeout_ms: 60_000, ..Default::default() };
    let mut answer = peer.ask(&request);
    for _ in 0..10_000 {
        if answer.error_code != ErrorCode::ConcurrentTransactions {
            break;
        }
        answer = peer.ask(&request);
    }
    assert_eq!(answer.error_code, ErrorCode::None);
    answer
}

#[test]
fn batches_behind_the_first_of_a_transaction_keep_their_order() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let producer = peer.init_producer(Some(ID));
    let version = *ProduceRequest::versions_end();
    for sequence in 0..20 {
        peer.send(version, &batch(&producer, sequence, &sequence.to_string()).request(topic));
    }
    for sequence in 0..20 {
        let answer = peer.produced();
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::None, Offset(i64::from(sequence))), "{:?}", answer.error_message);
    }
    end(&mut peer, &producer, true);
    let wanted: Vec<_> = (0..20).map(|sequence| sequence.to_string()).collect();
    wait_until(|| read_committed(&mut served.peer(), topic) == wanted);
}

#[test]
fn others_are_written_while_a_first_batch_waits_and_answers_keep_their_order() {
    let served = Served::start();
    let mut peer = served.peer();
    let (transacted, plain) = (peer.create("transacted", 1), peer.create("plain", 1));
    let producer = peer.init_producer(Some(ID));
    let version = *ProduceRequest::versions_end();
    for sequence in 0..10 {
        peer.send(version, &batch(&producer, sequence, &sequence.to_string()).request(transacted));
        peer.send(version, &Batch::of(&["plain"]).request(plain));
    }
    for offset in 0..10 {
        for topic in [transacted, plain] {
            let answer = peer.receive::<ProduceRequest>(version);
            assert_eq!(answer.responses[0].topic_id, topic, "answers come in the order of requests");
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::None, Offset(offset)));
        }
    }
}

#[test]
fn an_older_client_that_did_not_add_its_partition_is_refused() {
    let served = Served::start();
    let mut peer = served.peer();
    peer.create("orders", 1);
    let producer = peer.init_producer(Some(ID));
    let mut request = batch(&producer, 0, "sneaked in").request(TopicId::ZERO);
    request.topic_data[0].name = "orders".into();
    let answer = peer.ask_in(11, &request);
    let code = answer.responses[0].partition_responses[0].error_code;
    assert!(matches!(code, ErrorCode::InvalidTxnState | ErrorCode::TransactionAbortable), "{code:?}");
}

#[test]
fn offsets_of_a_transaction_are_seen_when_it_commits_and_a_wrong_generation_is_refused() {
    let served = Served::start();
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    let producer = peer.init_producer(Some(ID));
    peer.produce(topic, &batch(&producer, 0, "x"));
    let mut stage = |generation: Generation, member: &str| {
        let partition = txn_offset_commit::TxnOffsetCommitRequestPartition {
            partition_index: PartitionId(0),
            committed_offset: Offset(41),
            ..Default::default()
        };
        let request = TxnOffsetCommitRequest {
            transactional_id: ID.into(),
            group_id: "readers".into(),
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            generation_id: generation.0,
            member_id: member.into(),
            topics: vec![txn_offset_commit::TxnOffsetCommitRequestTopic { name: "orders".into(), partitions: vec![partition] }],
            ..Default::default()
        };
        peer.ask(&request).topics[0].partitions[0].error_code
    };
    assert_ne!(stage(Generation(7), "stranger"), ErrorCode::None, "no such member (KIP-447)");
    assert_eq!(stage(Generation::NONE, ""), ErrorCode::None);
    let fetch = |peer: &mut Peer| {
        let topics = vec![offset_fetch::OffsetFetchRequestTopics { name: "orders".into(), partition_indexes: vec![PartitionId(0)] }];
        let group = offset_fetch::OffsetFetchRequestGroup { group_id: "readers".into(), topics: Some(topics), ..Default::default() };
        let answer = peer.ask(&OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() });
        let found = &answer.groups[0].topics[0].partitions[0];
        (found.error_code, found.committed_offset)
    };
    assert_eq!(fetch(&mut peer).0, ErrorCode::UnstableOffsetCommit);
    end(&mut peer, &producer, true);
    wait_until(|| fetch(&mut peer) == (ErrorCode::None, Offset(41)));
}
