//! Transactional requests whose answers are refusals, or are lost.

use std::time::Duration;

use records::{BatchBuilder, BatchHeader, Compression};
use streamwright_client::{Batch, Fence, Generation, GroupOffset, TransactionError, TransactionalProducer};
use units::{GroupId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs, TransactionalId};
use wire::{
    ApiKey, EndTxnRequest, EndTxnResponse, ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    produce::{PartitionProduceResponse, TopicProduceResponse},
    txn_offset_commit::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic},
};

use super::{
    cluster,
    fake::{Call, Fake, Reaction, versions},
    partition, soon,
};

/// Answers InitProducerId with producer 9 and the next epoch, and everything else in favour.
fn agree(call: &Call) -> Option<Reaction> {
    Some(match call.api {
        ApiKey::InitProducerId => {
            let epoch = call.request::<InitProducerIdRequest>().producer_epoch.0 + 1;
            call.answer(&InitProducerIdResponse { producer_id: ProducerId(9), producer_epoch: ProducerEpoch(epoch), ..Default::default() })
        }
        ApiKey::EndTxn => {
            let epoch = call.request::<EndTxnRequest>().producer_epoch.0 + 1;
            call.answer(&EndTxnResponse { producer_id: ProducerId(9), producer_epoch: ProducerEpoch(epoch), ..Default::default() })
        }
        ApiKey::TxnOffsetCommit => offsets_named(call, ErrorCode::None),
        ApiKey::Produce => produced(call, |_| (ErrorCode::None, 100)),
        _ => return None,
    })
}

fn offsets_named(call: &Call, error_code: ErrorCode) -> Reaction {
    let result = TxnOffsetCommitResponsePartition { error_code, ..Default::default() };
    let topics = vec![TxnOffsetCommitResponseTopic { name: "t".into(), partitions: vec![result] }];
    call.answer(&TxnOffsetCommitResponse { topics, ..Default::default() })
}

/// Answers each batch of a produce request with a code and a base offset.
fn produced(call: &Call, mut told: impl FnMut(i32) -> (ErrorCode, i64)) -> Reaction {
    let request = call.request::<ProduceRequest>();
    let responses = request.topic_data.iter().map(|topic| {
        let partition_responses = topic.partition_data.iter().map(|data| {
            let (error_code, base_offset) = told(data.index.0);
            PartitionProduceResponse { index: data.index, error_code, base_offset: Offset(base_offset), ..Default::default() }
        });
        TopicProduceResponse { topic_id: topic.topic_id, name: topic.name.clone(), partition_responses: partition_responses.collect() }
    });
    call.answer(&ProduceResponse { responses: responses.collect(), ..Default::default() })
}

async fn register(fake: &Fake) -> TransactionalProducer {
    let id = TransactionalId::from("pod-0");
    soon(TransactionalProducer::register(cluster(fake).await, id, Duration::from_secs(15))).await.expect("the fake agrees")
}

fn batch(number: i32, records: usize) -> Batch {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..records {
        builder.push_plain(TimestampMs(1), None, Some(b"v"));
    }
    Batch { partition: partition("t", number), bytes: builder.finish().into() }
}

fn generation() -> Generation {
    Generation { member_id: "m".into(), generation_id: 4, instance_id: Some("pod-0".into()) }
}

async fn name_offsets(producer: &mut TransactionalProducer) -> Result<(), TransactionError> {
    let offset = GroupOffset { partition: partition("t", 0), offset: Offset(5), leader_epoch: LeaderEpoch(-1), metadata: "c=1".into() };
    soon(producer.commit_offsets(&GroupId::from("g"), &generation(), &[offset])).await
}

/// Reacts to the first requests of `api` as the list says, to later ones in favour.
async fn fake_with(api: ApiKey, mut reactions: Vec<fn(&Call) -> Reaction>) -> Fake {
    Fake::start(move |call| if call.api == api && !reactions.is_empty() { Some(reactions.remove(0)(call)) } else { agree(call) }).await
}

#[tokio::test]
async fn a_transaction_takes_the_epoch_that_comes_with_its_end_and_starts_sequences_anew() {
    let fake = Fake::start(agree).await;
    let mut producer = register(&fake).await;
    for round in 0..3 {
        assert_eq!((producer.identity().id, producer.identity().epoch), (ProducerId(9), ProducerEpoch(round)));
        let offsets = soon(producer.send(&mut [batch(0, 3), batch(0, 2), batch(1, 1)])).await.unwrap();
        assert_eq!(offsets, [Offset(100); 3]);
        name_offsets(&mut producer).await.unwrap();
        soon(producer.end(true)).await.unwrap();
    }
    let headers: Vec<_> =
        sent_batches(&fake).into_iter().map(|(number, header)| (header.producer_epoch.0, number, header.base_sequence.0)).collect();
    for round in 0..3 {
        let mine: Vec<_> = headers.iter().filter(|(epoch, ..)| *epoch == round).map(|(_, number, sequence)| (*number, *sequence)).collect();
        assert!(mine.contains(&(0, 0)) && mine.contains(&(0, 3)) && mine.contains(&(1, 0)) && mine.len() == 3, "{mine:?}");
    }
    let named = fake.calls(ApiKey::TxnOffsetCommit)[0].request::<TxnOffsetCommitRequest>();
    assert_eq!((named.generation_id, named.member_id.as_str(), named.group_instance_id.as_deref()), (4, "m", Some("pod-0")));
    let ends: Vec<_> = fake.calls(ApiKey::EndTxn).iter().map(|call| call.request::<EndTxnRequest>().producer_epoch.0).collect();
    assert_eq!(ends, [0, 1, 2]);
}

/// Partition and header of each batch that was sent, in order.
fn sent_batches(fake: &Fake) -> Vec<(i32, BatchHeader)> {
    let requests = fake.calls(ApiKey::Produce).into_iter().map(|call| call.request::<ProduceRequest>());
    let data = requests.flat_map(|request| request.topic_data).flat_map(|topic| topic.partition_data);
    data.map(|data| (data.index.0, records::validate_produced(&data.records.unwrap()).unwrap())).collect()
}

#[tokio::test]
async fn a_lost_answer_to_end_is_in_doubt_and_is_not_asked_again() {
    for reaction in [(|_| Reaction::Close) as fn(&Call) -> Reaction, |_| Reaction::Silence, |_| Reaction::HalfClose] {
        let fake = fake_with(ApiKey::EndTxn, vec![reaction]).await;
        let mut producer = register(&fake).await;
        let outcome = soon(producer.end(true)).await;
        assert!(matches!(outcome, Err(TransactionError::UnknownOutcome(_))), "{outcome:?}");
        assert_eq!(fake.calls(ApiKey::EndTxn).len(), 1);
        soon(producer.settle(Duration::from_secs(15))).await.unwrap();
        let settled = fake.calls(ApiKey::InitProducerId).last().unwrap().request::<InitProducerIdRequest>();
        assert_eq!((settled.producer_id, settled.producer_epoch), (ProducerId(9), ProducerEpoch(0)), "it names who it was");
    }
}

#[tokio::test]
async fn lost_answers_to_what_is_harmless_twice_are_asked_again() {
    let close = (|_: &Call| Reaction::Close) as fn(&Call) -> Reaction;
    let fake = fake_with(ApiKey::InitProducerId, vec![close, close]).await;
    register(&fake).await;
    assert_eq!(fake.calls(ApiKey::InitProducerId).len(), 3);

    let fake = fake_with(ApiKey::TxnOffsetCommit, vec![close, |_| Reaction::Silence]).await;
    let mut producer = register(&fake).await;
    name_offsets(&mut producer).await.unwrap();
    assert_eq!(fake.calls(ApiKey::TxnOffsetCommit).len(), 3);
}

#[tokio::test]
async fn batches_whose_answer_is_lost_go_again_with_the_same_sequences() {
    let close = (|_: &Call| Reaction::Close) as fn(&Call) -> Reaction;
    let fake = fake_with(ApiKey::Produce, vec![close]).await;
    let mut producer = register(&fake).await;
    soon(producer.send(&mut [batch(0, 3), batch(0, 2)])).await.unwrap();
    let sequences: Vec<_> = sent_batches(&fake).iter().map(|(_, header)| header.base_sequence.0).collect();
    assert_eq!(sequences.iter().filter(|sequence| **sequence == 0).count(), 2, "{sequences:?}");
    assert_eq!(*sequences.last().unwrap(), 3);
}

#[tokio::test]
async fn a_batch_that_finds_no_leader_is_sent_again_and_what_follows_it_too() {
    let refuse = |call: &Call| produced(call, |_| (ErrorCode::NotLeaderOrFollower, -1));
    let out_of_order = |call: &Call| produced(call, |_| (ErrorCode::OutOfOrderSequenceNumber, -1));
    let fake = fake_with(ApiKey::Produce, vec![refuse, out_of_order]).await;
    let mut producer = register(&fake).await;
    soon(producer.send(&mut [batch(0, 3), batch(0, 2)])).await.unwrap();
    let sequences: Vec<_> = sent_batches(&fake).iter().map(|(_, header)| header.base_sequence.0).collect();
    assert_eq!(sequences, [0, 3, 0, 3]);
}

#[tokio::test]
async fn five_requests_and_no_more_are_under_way() {
    let (release, held) = tokio::sync::oneshot::channel();
    let mut held = Some(held);
    let fake = Fake::start(move |call| match (call.api, agree(call)) {
        (ApiKey::Produce, Some(Reaction::Bytes(answer))) if held.is_some() => held.take().map(|held| Reaction::Later(held, answer)),
        (_, reaction) => reaction,
    })
    .await;
    let mut producer = register(&fake).await;
    let mut batches: Vec<_> = (0..12).map(|_| batch(0, 1)).collect();
    let sending = producer.send(&mut batches);
    tokio::pin!(sending);
    let patience = Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, &mut sending).await.is_err(), "the first answer has not come yet");
    assert_eq!(fake.calls(ApiKey::Produce).len(), 5);
    release.send(()).unwrap();
    soon(sending).await.unwrap();
    assert_eq!(fake.calls(ApiKey::Produce).len(), 12);
}

#[tokio::test]
async fn the_last_transaction_still_ending_is_waited_for() {
    let concurrent =
        |call: &Call| call.answer(&InitProducerIdResponse { error_code: ErrorCode::ConcurrentTransactions, ..Default::default() });
    let fake = fake_with(ApiKey::InitProducerId, vec![concurrent; 5]).await;
    let started = std::time::Instant::now();
    register(&fake).await;
    assert!(started.elapsed() >= Duration::from_millis(25));
    assert_eq!(fake.calls(ApiKey::FindCoordinator).len(), 1, "it is the right coordinator");

    let concurrent = |call: &Call| produced(call, |_| (ErrorCode::ConcurrentTransactions, -1));
    let fake = fake_with(ApiKey::Produce, vec![concurrent; 3]).await;
    let mut producer = register(&fake).await;
    soon(producer.send(&mut [batch(0, 1)])).await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_moved_is_looked_for_again() {
    let moved = |call: &Call| call.answer(&EndTxnResponse { error_code: ErrorCode::NotCoordinator, ..Default::default() });
    let fake = fake_with(ApiKey::EndTxn, vec![moved]).await;
    let mut producer = register(&fake).await;
    soon(producer.end(false)).await.unwrap();
    assert_eq!(fake.calls(ApiKey::FindCoordinator).len(), 2);
}

/// How a request is refused, and what that is to mean.
type Refusal = (fn(&Call) -> Reaction, TransactionError);

#[tokio::test]
async fn fences_and_generations_are_told_apart() {
    let refusals: [Refusal; 4] = [
        (|call| offsets_named(call, ErrorCode::IllegalGeneration), TransactionError::Generation),
        (|call| offsets_named(call, ErrorCode::FencedInstanceId), TransactionError::Fenced(Fence::Instance)),
        (|call| offsets_named(call, ErrorCode::UnknownMemberId), TransactionError::Fenced(Fence::Member)),
        (|call| offsets_named(call, ErrorCode::InvalidProducerEpoch), TransactionError::Fenced(Fence::Producer)),
    ];
    for (reaction, expected) in refusals {
        let fake = fake_with(ApiKey::TxnOffsetCommit, vec![reaction]).await;
        assert_eq!(name_offsets(&mut register(&fake).await).await, Err(expected));
    }
}

#[tokio::test]
async fn a_cluster_without_kip_890_is_refused_by_name() {
    for level in [0, 1] {
        let fake =
            Fake::start(move |call| (call.api == ApiKey::ApiVersions).then(|| call.answer(&versions(level))).or_else(|| agree(call))).await;
        let id = TransactionalId::from("pod-0");
        let outcome = soon(TransactionalProducer::register(cluster(&fake).await, id, Duration::from_secs(15))).await;
        let address = fake.address().to_owned();
        assert_eq!(outcome.err(), Some(TransactionError::TransactionVersion { address, level }));
    }
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_refused_and_not_waited_for_for_ever() {
    let fake = Fake::start(agree).await;
    let mut producer = register(&fake).await;
    let mut batches = [Batch { partition: partition("nowhere", 0), ..batch(0, 1) }];
    let outcome = soon(producer.send(&mut batches)).await;
    assert!(matches!(outcome, Err(TransactionError::Refused(_))), "{outcome:?}");
}
