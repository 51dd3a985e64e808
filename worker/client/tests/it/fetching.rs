//! Fetching from a broker that does as scripted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use records::{BatchBuilder, Compression, place};
use streamwright_client::{FetchError, FetchOptions, Fetcher, Position};
use units::{LeaderEpoch, Offset, PartitionId, TimestampMs, TopicId};
use wire::{
    ApiKey, ErrorCode, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataResponse,
    OffsetForLeaderEpochResponse,
    fetch::{FetchableTopicResponse, PartitionData},
    list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    offset_for_leader_epoch::{EpochEndOffset, OffsetForLeaderTopicResult},
};

use super::{
    cluster,
    fake::{Call, Fake, Reaction, TOPIC_ID, metadata},
    partition, soon,
};

/// A log of one-record batches, and fetch sessions as Kafka keeps them.
#[derive(Default)]
struct Logs {
    /// Offset just past the last record, by partition.
    ends: HashMap<i32, i64>,
    log_start: i64,
    /// What the session remembers.
    session: HashMap<i32, i64>,
    session_epoch: i32,
    /// What is said instead of records, once, by partition.
    refusals: HashMap<i32, ErrorCode>,
    waits: Vec<i32>,
    /// What the next request is told of its session.
    forgets: Option<ErrorCode>,
    /// How many requests find their connection closed.
    closes: u32,
}

impl Logs {
    fn fetch(&mut self, call: &Call) -> Reaction {
        let request = call.request::<FetchRequest>();
        if self.closes > 0 {
            self.closes -= 1;
            return Reaction::Close;
        }
        if let Some(error_code) = self.forgets.take() {
            return call.answer(&FetchResponse { error_code, ..Default::default() });
        }
        if request.session_epoch == 0 {
            self.session.clear();
            self.session_epoch = 0;
        }
        assert_eq!(request.session_epoch, self.session_epoch, "the session's numbers are dense");
        self.session_epoch += 1;
        for topic in &request.forgotten_topics_data {
            self.session.retain(|partition, _| !topic.partitions.contains(&PartitionId(*partition)));
        }
        for partition in request.topics.iter().flat_map(|topic| &topic.partitions) {
            self.session.insert(partition.partition.0, partition.fetch_offset.0);
        }
        self.waits.push(request.max_wait_ms);
        let asked: Vec<_> = self.session.iter().map(|(partition, offset)| (*partition, *offset)).collect();
        let partitions = asked.into_iter().filter_map(|(partition, offset)| self.read(partition, offset)).collect();
        let responses = vec![FetchableTopicResponse { topic_id: TOPIC_ID, partitions, ..Default::default() }];
        call.answer(&FetchResponse { session_id: 77, responses, ..Default::default() })
    }

    /// Up to three batches from `offset` on; nothing, as in a session, where nothing is new.
    fn read(&mut self, partition: i32, offset: i64) -> Option<PartitionData> {
        let partition_index = PartitionId(partition);
        let end = *self.ends.get(&partition).unwrap_or(&0);
        let error_code = match self.refusals.remove(&partition) {
            Some(code) => code,
            None if offset < self.log_start || offset > end => ErrorCode::OffsetOutOfRange,
            None => ErrorCode::None,
        };
        if !error_code.is_ok() {
            return Some(PartitionData { partition_index, error_code, high_watermark: Offset(-1), ..Default::default() });
        }
        let records: Vec<u8> = (offset..end.min(offset + 3)).flat_map(batch_at).collect();
        let (end, log_start_offset) = (Offset(end), Offset(self.log_start));
        let marks = PartitionData { partition_index, high_watermark: end, last_stable_offset: end, log_start_offset, ..Default::default() };
        Some(PartitionData { records: Bytes::from(records).into(), ..marks })
    }

    fn list(&self, call: &Call) -> Reaction {
        let topics = call.request::<ListOffsetsRequest>().topics.into_iter().map(|topic| ListOffsetsTopicResponse {
            name: topic.name,
            partitions: topic
                .partitions
                .into_iter()
                .map(|asked| ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    offset: Offset(if asked.timestamp.0 == -2 { self.log_start } else { self.ends[&asked.partition_index.0] }),
                    ..Default::default()
                })
                .collect(),
        });
        call.answer(&ListOffsetsResponse { topics: topics.collect(), ..Default::default() })
    }
}

fn batch_at(offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push_plain(TimestampMs(offset), None, Some(offset.to_string().as_bytes()));
    let mut batch = builder.finish();
    place(&mut batch, Offset(offset), LeaderEpoch(3));
    batch
}

/// A broker with these logs; the logs can be looked at and changed.
async fn broker(ends: &[(i32, i64)]) -> (Fake, Arc<Mutex<Logs>>) {
    let logs = Arc::new(Mutex::new(Logs { ends: ends.iter().copied().collect(), ..Logs::default() }));
    let shared = logs.clone();
    let fake = Fake::start(move |call| {
        let mut logs = shared.lock().unwrap();
        match call.api {
            ApiKey::Fetch => Some(logs.fetch(call)),
            ApiKey::ListOffsets => Some(logs.list(call)),
            _ => None,
        }
    })
    .await;
    (fake, logs)
}

fn from(number: i32, offset: i64) -> Position {
    Position { partition: partition("t", number), offset: Offset(offset), leader_epoch: LeaderEpoch(-1) }
}

async fn fetcher(fake: &Fake) -> Fetcher {
    let wait_max = std::time::Duration::from_millis(5);
    Fetcher::new(cluster(fake).await, FetchOptions { wait_max, ..Default::default() })
}

/// Reads until `number` has been read up to `end`; base offsets, in order.
async fn read_to(fetcher: &mut Fetcher, number: i32, end: i64) -> Vec<i64> {
    let mut offsets = Vec::new();
    loop {
        let fetched = soon(fetcher.next()).await.expect("no error");
        if fetched.partition.partition.0 == number {
            offsets.extend(fetched.batches.iter().map(|(header, _)| header.base_offset.0));
            if fetched.next_offset.0 >= end {
                return offsets;
            }
        }
    }
}

#[tokio::test]
async fn every_batch_comes_once_and_in_order() {
    let (fake, _) = broker(&[(0, 10), (1, 10)]).await;
    let mut fetcher = fetcher(&fake).await;
    fetcher.assign([from(0, 0), from(1, 4)]);
    let mut offsets = HashMap::<i32, Vec<i64>>::new();
    while offsets.values().map(Vec::len).sum::<usize>() < 16 {
        let fetched = soon(fetcher.next()).await.unwrap();
        let of_partition = offsets.entry(fetched.partition.partition.0).or_default();
        of_partition.extend(fetched.batches.iter().map(|(header, _)| header.base_offset.0));
    }
    assert_eq!((&offsets[&0], &offsets[&1]), (&(0..10).collect::<Vec<_>>(), &(4..10).collect::<Vec<_>>()));
}

#[tokio::test]
async fn the_end_is_told_once_also_when_there_is_nothing_to_read() {
    let (fake, logs) = broker(&[(0, 5)]).await;
    let mut fetcher = fetcher(&fake).await;
    fetcher.assign([from(0, 5)]);
    let first = soon(fetcher.next()).await.unwrap();
    assert!(first.is_at_end(streamwright_client::Isolation::ReadCommitted) && first.batches.is_empty());
    assert_eq!((first.high_watermark, first.log_start), (Offset(5), Offset(0)));
    logs.lock().unwrap().ends.insert(0, 6);
    let second = soon(fetcher.next()).await.unwrap();
    assert_eq!((second.batches.len(), second.next_offset), (1, Offset(6)), "nothing came in between");
}

#[tokio::test]
async fn an_offset_that_is_not_there_is_an_error_with_both_ends_and_only_of_that_partition() {
    let (fake, logs) = broker(&[(0, 10), (1, 10)]).await;
    logs.lock().unwrap().log_start = 4;
    let mut fetcher = fetcher(&fake).await;
    fetcher.assign([from(0, 2), from(1, 6)]);
    let error = loop {
        if let Err(error) = soon(fetcher.next()).await {
            break error;
        }
    };
    let expected =
        FetchError::OffsetOutOfRange { partition: partition("t", 0), asked: Offset(2), log_start: Offset(4), log_end: Offset(10) };
    assert_eq!(error, expected);
    logs.lock().unwrap().ends.insert(1, 12);
    read_to(&mut fetcher, 1, 12).await;
    fetcher.assign([from(0, 4)]);
    assert_eq!(read_to(&mut fetcher, 0, 10).await, (4..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_fetched_before_a_new_position_is_not_given_out() {
    let (fake, logs) = broker(&[(0, 1000)]).await;
    let mut fetcher = fetcher(&fake).await;
    for position in [500, 7, 900, 300] {
        // Some answers of the position before are waiting to be given out.
        let asked = logs.lock().unwrap().waits.len();
        while position != 500 && logs.lock().unwrap().waits.len() < asked + 3 {
            tokio::task::yield_now().await;
        }
        fetcher.assign([from(0, position)]);
        let fetched = soon(fetcher.next()).await.unwrap();
        assert_eq!((fetched.from, fetched.batches[0].0.base_offset), (Offset(position), Offset(position)));
    }
    fetcher.revoke([&partition("t", 0)]);
    fetcher.assign([from(1, 0)]);
    assert_eq!(soon(fetcher.next()).await.unwrap().partition, partition("t", 1));
}

#[tokio::test]
async fn a_paused_partition_is_left_out_of_the_session_and_others_go_on() {
    let (fake, logs) = broker(&[(0, 5), (1, 5)]).await;
    let mut fetcher = fetcher(&fake).await;
    fetcher.assign([from(0, 0), from(1, 0)]);
    let paused = partition("t", 0);
    fetcher.pause([&paused]);
    read_to(&mut fetcher, 1, 5).await;
    logs.lock().unwrap().ends.extend([(0, 50), (1, 50)]);
    read_to(&mut fetcher, 1, 50).await;
    assert!(!logs.lock().unwrap().session.contains_key(&0));
    fetcher.resume([&paused]);
    read_to(&mut fetcher, 0, 50).await;
}

#[tokio::test]
async fn no_more_is_read_than_may_be_held() {
    let (fake, logs) = broker(&[(0, 100_000)]).await;
    let batch_bytes = batch_at(0).len();
    let options = FetchOptions { wait_max: std::time::Duration::from_millis(5), held_bytes_max: 10 * batch_bytes, ..Default::default() };
    let mut fetcher = Fetcher::new(cluster(&fake).await, options);
    fetcher.assign([from(0, 0)]);
    let mut held = Vec::new();
    // Three batches in one answer: after three answers nine are held, and the fourth does not fit.
    for _ in 0..3 {
        held.push(soon(fetcher.next()).await.unwrap());
    }
    let next = tokio::time::timeout(std::time::Duration::from_millis(300), fetcher.next()).await;
    assert!(next.is_err(), "more came than may be held");
    assert!(logs.lock().unwrap().waits.len() <= 5);
    held.clear();
    assert_eq!(soon(fetcher.next()).await.unwrap().from, Offset(9));
}

#[tokio::test]
async fn a_leader_that_says_it_is_none_is_asked_for_again() {
    let (fake, logs) = broker(&[(0, 10)]).await;
    for code in [ErrorCode::NotLeaderOrFollower, ErrorCode::FencedLeaderEpoch, ErrorCode::UnknownTopicId, ErrorCode::UnknownLeaderEpoch] {
        logs.lock().unwrap().refusals.insert(0, code);
        let mut fetcher = fetcher(&fake).await;
        fetcher.assign([from(0, 0)]);
        assert_eq!(read_to(&mut fetcher, 0, 10).await, (0..10).collect::<Vec<_>>(), "{code}");
    }
}

#[tokio::test]
async fn a_session_the_broker_forgot_is_made_anew() {
    for code in [ErrorCode::FetchSessionIdNotFound, ErrorCode::InvalidFetchSessionEpoch] {
        let (fake, logs) = broker(&[(0, 3), (1, 3)]).await;
        let mut fetcher = fetcher(&fake).await;
        fetcher.assign([from(0, 0), from(1, 3)]);
        read_to(&mut fetcher, 0, 3).await;
        {
            let mut logs = logs.lock().unwrap();
            logs.forgets = Some(code);
            logs.ends.insert(1, 6);
        }
        assert_eq!(read_to(&mut fetcher, 1, 6).await, [3, 4, 5]);
        let asked: Vec<_> = fake.calls(ApiKey::Fetch).iter().map(|call| call.request::<FetchRequest>().session_epoch).collect();
        assert_eq!(asked.iter().filter(|epoch| **epoch == 0).count(), 2, "{asked:?}");
    }
}

#[tokio::test]
async fn a_broker_that_is_away_is_waited_for() {
    let (fake, logs) = broker(&[(0, 3)]).await;
    let mut fetcher = fetcher(&fake).await;
    fetcher.assign([from(0, 0)]);
    read_to(&mut fetcher, 0, 3).await;
    logs.lock().unwrap().closes = 3;
    logs.lock().unwrap().ends.insert(0, 6);
    assert_eq!(read_to(&mut fetcher, 0, 6).await, [3, 4, 5]);
}

#[tokio::test]
async fn a_topic_made_anew_is_an_error() {
    let id = Arc::new(Mutex::new(TOPIC_ID));
    let (shared, logs) = (id.clone(), Arc::new(Mutex::new(Logs { ends: HashMap::from([(0, 3)]), ..Logs::default() })));
    let fake = Fake::start(move |call| match call.api {
        ApiKey::Metadata => {
            let mut told: MetadataResponse = metadata(call);
            told.topics.iter_mut().for_each(|topic| topic.topic_id = *shared.lock().unwrap());
            Some(call.answer(&told))
        }
        ApiKey::Fetch if *shared.lock().unwrap() == TOPIC_ID => Some(logs.lock().unwrap().fetch(call)),
        ApiKey::Fetch => {
            let gone = PartitionData { error_code: ErrorCode::UnknownTopicId, ..Default::default() };
            let responses = vec![FetchableTopicResponse { topic_id: TOPIC_ID, partitions: vec![gone], ..Default::default() }];
            Some(call.answer(&FetchResponse { session_id: 77, responses, ..Default::default() }))
        }
        _ => None,
    })
    .await;
    let mut fetcher = fetcher(&fake).await;
    fetcher.assign([from(0, 0)]);
    read_to(&mut fetcher, 0, 3).await;
    *id.lock().unwrap() = TopicId([8; 16]);
    assert_eq!(soon(fetcher.next()).await.unwrap_err(), FetchError::TopicReplaced(partition("t", 0)));
}

#[tokio::test]
async fn a_log_that_was_cut_below_the_position_is_an_error() {
    let (logs, end_of_epoch) = (Arc::new(Mutex::new(Logs { ends: HashMap::from([(0, 10)]), ..Logs::default() })), 6);
    let fake = Fake::start(move |call| match call.api {
        ApiKey::Fetch => Some(logs.lock().unwrap().fetch(call)),
        ApiKey::OffsetForLeaderEpoch => {
            let told = EpochEndOffset { leader_epoch: LeaderEpoch(2), end_offset: Offset(end_of_epoch), ..Default::default() };
            let topics = vec![OffsetForLeaderTopicResult { topic: "t".into(), partitions: vec![told] }];
            Some(call.answer(&OffsetForLeaderEpochResponse { topics, ..Default::default() }))
        }
        _ => None,
    })
    .await;
    let mut fetcher = fetcher(&fake).await;
    let read_under_epoch_2 = |offset| Position { leader_epoch: LeaderEpoch(2), ..from(0, offset) };
    fetcher.assign([read_under_epoch_2(6)]);
    assert_eq!(read_to(&mut fetcher, 0, 10).await, [6, 7, 8, 9]);
    fetcher.assign([read_under_epoch_2(8)]);
    let expected = FetchError::Truncated { partition: partition("t", 0), asked: Offset(8), diverged_at: Offset(6) };
    assert_eq!(soon(fetcher.next()).await.unwrap_err(), expected);
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_an_error_in_the_end() {
    let (fake, _) = broker(&[]).await;
    let mut fetcher = fetcher(&fake).await;
    fetcher.assign([Position { partition: partition("nowhere", 0), ..from(0, 0) }]);
    assert_eq!(soon(fetcher.next()).await.unwrap_err(), FetchError::Unknown(partition("nowhere", 0)));
}
