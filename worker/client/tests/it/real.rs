//! Against a whole broker: ours, one for each test, or the Apache Kafka 4.x that `KAFKA_BOOTSTRAP=host:port` names.
//!
//! The same tests against both are how the client was shown to ask nothing special, and the broker to answer as Kafka does.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use broker::{Broker, BrokerConfig};
use bytes::Bytes;
use records::{BatchBuilder, Compression, HEADER_BYTES};
use streamwright_client::{
    Admin, Batch, ClientError, ClientOptions, Cluster, Fence, FetchError, FetchOptions, Fetched, Fetcher, Generation, GroupOffset,
    Isolation, Member, MemberEvent, MemberOptions, NewTopic, OffsetAt, Position, TransactionError, TransactionalProducer,
};
use tempfile::TempDir;
use units::{BrokerId, DurationMs, GroupId, LeaderEpoch, Offset, PartitionId, TimestampMs, TopicName, TopicPartition, TransactionalId};
use wire::{ErrorCode, Str};

use super::soon;

/// A broker of the test's own, which lives as long as this, and its folder.
struct Ours {
    _broker: Broker,
    _folder: TempDir,
}

/// Starts one; gives where it listens.
async fn start() -> (String, Ours) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Arc::new(store::FolderStore::open(folder.path().join("objects")).expect("a folder store"));
    let config = BrokerConfig {
        initial_rebalance_delay: DurationMs(0),
        ..BrokerConfig::new(BrokerId(0), folder.path().join("broker"), "127.0.0.1:0".parse().expect("an address"))
    };
    let broker = soon(Broker::start(config, store)).await.expect("the broker starts");
    (broker.address().to_string(), Ours { _broker: broker, _folder: folder })
}

async fn connect(bootstrap: String) -> Cluster {
    soon(Cluster::connect(ClientOptions::new([bootstrap], "test"))).await.expect("the broker answers")
}

/// A client of a whole broker, a name that nobody else has, and the broker, where it is ours: it is to be kept.
async fn real() -> (Cluster, String, Option<Ours>) {
    let (bootstrap, ours) = match std::env::var("KAFKA_BOOTSTRAP") {
        Ok(bootstrap) => (bootstrap, None),
        Err(_) => {
            let (bootstrap, ours) = start().await;
            (bootstrap, Some(ours))
        }
    };
    let cluster = connect(bootstrap).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    (cluster, format!("it-{}-{now:x}", std::process::id()), ours)
}

async fn make_topic(cluster: &Cluster, name: &str, partitions: i32) -> TopicName {
    let name = TopicName::new(name).unwrap();
    let configs = vec![("retention.ms".to_owned(), "-1".to_owned())];
    let new = NewTopic { name: name.clone(), partitions, replication_factor: 1, configs };
    assert!(soon(Admin::new(cluster.clone()).create_topic(&new)).await.unwrap());
    name
}

fn of(topic: &TopicName, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition: PartitionId(partition) }
}

fn batch(partition: TopicPartition, values: impl IntoIterator<Item = String>, codec: Compression) -> Batch {
    let mut builder = BatchBuilder::new(codec);
    for (index, value) in values.into_iter().enumerate() {
        let headers = [("n", Some(value.as_bytes())), ("n", None)];
        builder.push(TimestampMs(1_700_000_000_000 + index as i64), Some(b"k"), Some(value.as_bytes()), headers);
    }
    Batch { partition, bytes: builder.finish().into() }
}

async fn producer(cluster: &Cluster, id: &str) -> TransactionalProducer {
    soon(TransactionalProducer::register(cluster.clone(), TransactionalId::from(id), Duration::from_secs(15))).await.unwrap()
}

fn fetcher(cluster: &Cluster, isolation: Isolation, positions: &[(TopicPartition, i64)]) -> Fetcher {
    let fetcher = Fetcher::new(cluster.clone(), FetchOptions { isolation, ..Default::default() });
    let position = |(partition, offset): &(TopicPartition, i64)| Position {
        partition: partition.clone(),
        offset: Offset(*offset),
        leader_epoch: LeaderEpoch(-1),
    };
    fetcher.assign(positions.iter().map(position));
    fetcher
}

fn values(fetched: &Fetched) -> Vec<String> {
    let mut values = Vec::new();
    for records in fetched.open(64 << 20) {
        let records = records.unwrap();
        let read = records.iter().map(Result::unwrap).filter(|record| record.offset >= fetched.from);
        values.extend(read.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
    }
    values
}

/// Returns once every transaction of this producer is ended in every partition: EndTxn is answered before that, and what is not marked
/// yet a read_committed reader does not see yet.
async fn marked(producer: &mut TransactionalProducer) {
    soon(producer.settle(Duration::from_secs(15))).await.unwrap();
}

/// Everything that one partition holds for this isolation, and the offset after it.
async fn read_all(cluster: &Cluster, partition: &TopicPartition, isolation: Isolation) -> (Vec<String>, Offset) {
    let mut fetcher = fetcher(cluster, isolation, &[(partition.clone(), 0)]);
    let mut all = Vec::new();
    loop {
        let fetched = soon(fetcher.next()).await.unwrap();
        all.extend(values(&fetched));
        if fetched.is_at_end(isolation) {
            return (all, fetched.next_offset);
        }
    }
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}-{index}")).collect()
}

fn offset_of(partition: &TopicPartition, offset: i64, metadata: &str) -> GroupOffset {
    GroupOffset { partition: partition.clone(), offset: Offset(offset), leader_epoch: LeaderEpoch(-1), metadata: metadata.into() }
}

#[tokio::test]
async fn topics_are_made_described_trimmed_and_deleted() {
    let (cluster, name, _ours) = real().await;
    let admin = Admin::new(cluster.clone());
    let topic = make_topic(&cluster, &name, 3).await;
    let again = NewTopic { name: topic.clone(), partitions: 3, replication_factor: 1, configs: Vec::new() };
    assert!(!soon(admin.create_topic(&again)).await.unwrap());
    let described = soon(admin.describe_topic(&topic)).await.unwrap().expect("it was made");
    assert_eq!(described.partitions.len(), 3);
    let configs = soon(admin.describe_configs(&topic)).await.unwrap();
    assert!(configs.iter().any(|config| config.name == "retention.ms" && config.value.as_deref() == Some("-1") && config.is_of_topic));
    let wrong =
        NewTopic { name: TopicName::new(&format!("{name}-w")).unwrap(), configs: vec![("retention.ms".into(), "soon".into())], ..again };
    let refused = soon(admin.create_topic(&wrong)).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::InvalidConfig), "{refused}");
    assert!(soon(admin.delete_topic(&topic)).await.unwrap());
    assert!(!soon(admin.delete_topic(&topic)).await.unwrap());
    assert_eq!(soon(admin.describe_topic(&topic)).await.unwrap(), None);
    assert_eq!(soon(admin.describe_configs(&topic)).await, Err(ClientError::UnknownTopic(topic)));
}

#[tokio::test]
async fn a_committed_transaction_is_read_an_aborted_one_is_not_and_the_end_is_reached() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 2).await;
    let mut producer = producer(&cluster, &name).await;
    let mut expected: HashMap<i32, Vec<String>> = HashMap::new();
    let mut all = HashMap::<i32, usize>::new();
    for (round, codec) in Compression::ALL.into_iter().cycle().take(10).enumerate() {
        let commit = round % 3 != 1;
        let mut batches = Vec::new();
        for number in 0..2 {
            for part in 0..3 {
                let written = numbered(&format!("{round}-{part}"), 20);
                batches.push(batch(of(&topic, number), written.clone(), codec));
                *all.entry(number).or_default() += written.len();
                if commit {
                    expected.entry(number).or_default().extend(written);
                }
            }
        }
        let epoch = producer.identity().epoch;
        let offsets = soon(producer.send(&mut batches)).await.unwrap();
        assert_eq!(offsets[2].0 - offsets[0].0, 40);
        soon(producer.end(commit)).await.unwrap();
        assert!(producer.identity().epoch > epoch, "every end gives the next epoch");
    }
    // The last two rounds abort: what is read ends in transactions that yield nothing.
    for _ in 0..2 {
        soon(producer.send(&mut [batch(of(&topic, 0), numbered("never", 5), Compression::None)])).await.unwrap();
        soon(producer.end(false)).await.unwrap();
    }
    marked(&mut producer).await;
    let end = soon(Admin::new(cluster.clone()).list_offsets(&[of(&topic, 0)], OffsetAt::Latest, Isolation::ReadCommitted)).await.unwrap();
    let (read, next) = read_all(&cluster, &of(&topic, 0), Isolation::ReadCommitted).await;
    assert!(read == expected[&0], "{} of {} records", read.len(), expected[&0].len());
    assert_eq!(Some(next), end[0].1.offset);
    let (read, _) = read_all(&cluster, &of(&topic, 1), Isolation::ReadCommitted).await;
    assert!(read == expected[&1], "{} of {} records", read.len(), expected[&1].len());
    assert_eq!(read_all(&cluster, &of(&topic, 1), Isolation::ReadUncommitted).await.0.len(), all[&1]);
}

#[tokio::test]
async fn settling_aborts_what_is_open_and_the_producer_goes_on() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 1).await;
    let mut producer = producer(&cluster, &name).await;
    for round in 0..3 {
        soon(producer.send(&mut [batch(of(&topic, 0), numbered("dropped", 5), Compression::None)])).await.unwrap();
        soon(producer.settle(Duration::from_secs(15))).await.unwrap();
        let mut kept = [batch(of(&topic, 0), [format!("kept-{round}")], Compression::None)];
        soon(producer.send(&mut kept)).await.unwrap();
        soon(producer.end(true)).await.unwrap();
        // With nothing open it only moves the epoch on.
        marked(&mut producer).await;
    }
    assert_eq!(read_all(&cluster, &of(&topic, 0), Isolation::ReadCommitted).await.0, numbered("kept", 3));
}

#[tokio::test]
async fn a_burst_can_be_sent_again_in_the_next_transaction() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 4).await;
    let mut producer = producer(&cluster, &name).await;
    let mut burst: Vec<_> =
        (0..40).map(|index| batch(of(&topic, index % 4), numbered(&format!("{index}"), 10), Compression::Lz4)).collect();
    soon(producer.send(&mut burst)).await.unwrap();
    soon(producer.settle(Duration::from_secs(15))).await.unwrap();
    soon(producer.send(&mut burst)).await.unwrap();
    soon(producer.end(true)).await.unwrap();
    marked(&mut producer).await;
    for number in 0..4 {
        let expected: Vec<_> = (0..40).filter(|index| index % 4 == number).flat_map(|index| numbered(&format!("{index}"), 10)).collect();
        let (read, _) = read_all(&cluster, &of(&topic, number), Isolation::ReadCommitted).await;
        assert!(read == expected, "{} of {} records", read.len(), expected.len());
    }
}

#[tokio::test]
async fn a_producer_that_was_replaced_is_fenced_at_every_step() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 1).await;
    let fenced = Err(TransactionError::Fenced(Fence::Producer));
    let mut first = producer(&cluster, &name).await;
    soon(first.send(&mut [batch(of(&topic, 0), numbered("old", 5), Compression::None)])).await.unwrap();
    let mut second = producer(&cluster, &name).await;
    let late = soon(first.send(&mut [batch(of(&topic, 0), numbered("late", 5), Compression::None)])).await;
    assert_eq!(late.map(drop), fenced);
    assert_eq!(soon(first.end(true)).await, fenced);
    assert_eq!(soon(first.settle(Duration::from_secs(15))).await, fenced);
    soon(second.send(&mut [batch(of(&topic, 0), numbered("new", 5), Compression::None)])).await.unwrap();
    soon(second.end(true)).await.unwrap();
    marked(&mut second).await;
    assert_eq!(read_all(&cluster, &of(&topic, 0), Isolation::ReadCommitted).await.0, numbered("new", 5));
}

#[tokio::test]
async fn another_ones_transaction_is_found_and_ended_but_not_once_it_moved_on() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 1).await;
    let (admin, id) = (Admin::new(cluster.clone()), TransactionalId::from(name.as_str()));
    assert_eq!(soon(admin.describe_transaction(&id)).await.unwrap(), None);
    let mut hangs = producer(&cluster, &name).await;
    soon(hangs.send(&mut [batch(of(&topic, 0), numbered("hangs", 5), Compression::None)])).await.unwrap();
    let listed = soon(admin.list_transactions(&cluster.brokers(), &["Ongoing"])).await.unwrap();
    assert!(listed.iter().any(|found| found.transactional_id == name.as_str()));
    let seen = soon(admin.describe_transaction(&id)).await.unwrap().expect("it is open");
    assert_eq!((seen.producer_id, seen.producer_epoch, seen.state.as_str()), (hangs.identity().id, hangs.identity().epoch, "Ongoing"));
    assert!(soon(admin.fence_producer(&id, seen.producer_id, seen.producer_epoch)).await.unwrap());
    assert_eq!(soon(hangs.end(true)).await, Err(TransactionError::Fenced(Fence::Producer)));
    let returned = producer(&cluster, &name).await;
    assert!(!soon(admin.fence_producer(&id, seen.producer_id, seen.producer_epoch)).await.unwrap());
    drop(returned);
}

fn member(cluster: &Cluster, group: &GroupId, instance: Option<&str>) -> Member {
    let times = (Duration::from_secs(10), Duration::from_millis(200));
    let options = MemberOptions::new(group.clone(), instance.map(Str::from), "ours");
    Member::new(cluster.clone(), MemberOptions { session_timeout: times.0, heartbeat_interval: times.1, ..options })
}

/// Goes with the group until it is assigned something; leading, it gives everybody the whole list of members.
async fn until_assigned(member: &mut Member) -> (Generation, Bytes) {
    loop {
        match soon(member.next()).await.expect("it is not at its end") {
            MemberEvent::Assigned { generation, assignment } => return (generation, assignment),
            MemberEvent::Rebalancing => member.join(Bytes::from_static(b"me")),
            MemberEvent::Lead { members, .. } => {
                let all = members.iter().map(|member| member.metadata.len().to_string()).collect::<Vec<_>>().join(",");
                member.assign(members.into_iter().map(|member| (member.member_id, Bytes::from(all.clone()))).collect());
            }
            MemberEvent::Lost(lost) => panic!("{lost}"),
        }
    }
}

#[tokio::test]
async fn members_share_a_group_and_its_generations_fence_commits() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 1).await;
    let (admin, group) = (Admin::new(cluster.clone()), GroupId::from(name.as_str()));
    let mut first = member(&cluster, &group, None);
    first.join(Bytes::from_static(b"me"));
    let (alone, assignment) = until_assigned(&mut first).await;
    assert_eq!(assignment, b"2"[..]);

    let mut producer = producer(&cluster, &name).await;
    let source = of(&topic, 0);
    soon(producer.send(&mut [batch(source.clone(), numbered("a", 3), Compression::None)])).await.unwrap();
    soon(producer.commit_offsets(&group, &alone, &[offset_of(&source, 7, "commit 1")])).await.unwrap();
    soon(producer.end(true)).await.unwrap();
    let committed = soon(admin.committed_offsets(&group, std::slice::from_ref(&source), true)).await.unwrap();
    assert_eq!((committed[0].1.offset, committed[0].1.metadata.as_deref()), (Some(Offset(7)), Some("commit 1")));

    let mut second = member(&cluster, &group, None);
    second.join(Bytes::from_static(b"me"));
    let ((first_now, _), (second_now, assignment)) = tokio::join!(until_assigned(&mut first), until_assigned(&mut second));
    assert_eq!((assignment, first_now.generation_id), (Bytes::from_static(b"2,2"), second_now.generation_id));
    assert_eq!(first_now.member_id, alone.member_id);

    // Under the old generation a commit is refused, in the same transaction and under the new one it is not.
    soon(producer.send(&mut [batch(source.clone(), numbered("b", 3), Compression::None)])).await.unwrap();
    let old = soon(producer.commit_offsets(&group, &alone, &[offset_of(&source, 9, "")])).await;
    assert_eq!(old, Err(TransactionError::Generation));
    soon(producer.commit_offsets(&group, &first_now, &[offset_of(&source, 9, "commit 2")])).await.unwrap();
    soon(producer.end(true)).await.unwrap();
    let committed = soon(admin.committed_offsets(&group, std::slice::from_ref(&source), true)).await.unwrap();
    assert_eq!(committed[0].1.offset, Some(Offset(9)));

    soon(second.leave()).await.unwrap();
    let (_, assignment) = until_assigned(&mut first).await;
    assert_eq!(assignment, b"2"[..]);
    soon(producer.send(&mut [batch(source.clone(), numbered("c", 3), Compression::None)])).await.unwrap();
    let gone = soon(producer.commit_offsets(&group, &second_now, &[offset_of(&source, 11, "")])).await;
    assert_eq!(gone, Err(TransactionError::Fenced(Fence::Member)));
    soon(producer.end(false)).await.unwrap();
}

#[tokio::test]
async fn an_aborted_commit_of_positions_never_was_and_an_open_one_is_waited_for() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 1).await;
    let (admin, group, source) = (Admin::new(cluster.clone()), GroupId::from(name.as_str()), of(&topic, 0));
    let mut member = member(&cluster, &group, Some("pod-0"));
    member.join(Bytes::from_static(b"me"));
    let (generation, _) = until_assigned(&mut member).await;
    let mut producer = producer(&cluster, &name).await;
    let nothing = soon(admin.committed_offsets(&group, std::slice::from_ref(&source), true)).await.unwrap();
    assert_eq!(nothing[0].1.offset, None);
    soon(producer.commit_offsets(&group, &generation, &[offset_of(&source, 5, "")])).await.unwrap();
    let (stable, ()) = tokio::join!(soon(admin.committed_offsets(&group, std::slice::from_ref(&source), true)), async {
        let unstable = soon(admin.committed_offsets(&group, std::slice::from_ref(&source), false)).await.unwrap();
        assert_eq!(unstable[0].1.offset, None, "it does not count before the transaction ends");
        soon(producer.end(false)).await.unwrap();
    });
    assert_eq!(stable.unwrap()[0].1.offset, None);
}

#[tokio::test]
async fn a_static_member_that_restarts_finds_its_place_and_fences_who_has_its_name() {
    let (cluster, name, _ours) = real().await;
    let group = GroupId::from(name.as_str());
    let mut first = member(&cluster, &group, Some("pod-0"));
    first.join(Bytes::from_static(b"me"));
    let (before, _) = until_assigned(&mut first).await;
    let mut again = member(&cluster, &group, Some("pod-0"));
    again.join(Bytes::from_static(b"me"));
    let (after, assignment) = until_assigned(&mut again).await;
    assert_eq!((after.generation_id, assignment), (before.generation_id, Bytes::from_static(b"2")));
    assert_ne!(after.member_id, before.member_id);
    let lost = soon(first.next()).await;
    assert_eq!(lost, Some(MemberEvent::Lost(streamwright_client::Lost::Fenced)));
    soon(again.leave()).await.unwrap();
}

#[tokio::test]
async fn an_offset_below_a_moved_log_start_is_an_error_with_both_ends() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 1).await;
    let (admin, only) = (Admin::new(cluster.clone()), of(&topic, 0));
    let mut producer = producer(&cluster, &name).await;
    soon(producer.send(&mut [batch(only.clone(), numbered("a", 10), Compression::None)])).await.unwrap();
    soon(producer.end(true)).await.unwrap();
    marked(&mut producer).await;
    let starts = soon(admin.delete_records(&[(only.clone(), Offset(4))])).await.unwrap();
    assert_eq!(starts, [(only.clone(), Offset(4))]);
    let mut reader = fetcher(&cluster, Isolation::ReadCommitted, &[(only.clone(), 0)]);
    let error = soon(reader.next()).await.unwrap_err();
    let (asked, log_start, log_end) = (Offset(0), Offset(4), Offset(11));
    assert_eq!(error, FetchError::OffsetOutOfRange { partition: only.clone(), asked, log_start, log_end });
    reader.assign([Position { partition: only.clone(), offset: Offset(6), leader_epoch: LeaderEpoch(-1) }]);
    let fetched = soon(reader.next()).await.unwrap();
    assert_eq!((fetched.from, values(&fetched)), (Offset(6), numbered("a", 10)[6..].to_vec()));
    let at = |at| admin.list_offsets(std::slice::from_ref(&only), at, Isolation::ReadCommitted);
    assert_eq!(soon(at(OffsetAt::Earliest)).await.unwrap()[0].1.offset, Some(Offset(4)));
    assert_eq!(soon(at(OffsetAt::Latest)).await.unwrap()[0].1.offset, Some(Offset(11)));
    let by_time = soon(at(OffsetAt::Time(TimestampMs(1_700_000_000_007)))).await.unwrap();
    assert_eq!((by_time[0].1.offset, by_time[0].1.timestamp), (Some(Offset(7)), TimestampMs(1_700_000_000_007)));
    assert_eq!(soon(at(OffsetAt::Time(TimestampMs(4_000_000_000_000)))).await.unwrap()[0].1.offset, None);
    let behind = soon(admin.delete_records(&[(only.clone(), Offset(400))])).await.unwrap_err();
    assert_eq!(behind.code(), Some(ErrorCode::OffsetOutOfRange));
}

#[tokio::test]
async fn a_reader_follows_as_it_is_written() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 3).await;
    let partitions: Vec<_> = (0..3).map(|number| of(&topic, number)).collect();
    let positions: Vec<_> = partitions.iter().map(|partition| (partition.clone(), 0)).collect();
    let mut reader = fetcher(&cluster, Isolation::ReadCommitted, &positions);
    let writing = async {
        let mut producer = producer(&cluster, &name).await;
        let started = std::time::Instant::now();
        for round in 0..100 {
            let mut batches: Vec<_> =
                partitions.iter().map(|partition| batch(partition.clone(), numbered(&format!("{round}"), 10), Compression::None)).collect();
            soon(producer.send(&mut batches)).await.unwrap();
            soon(producer.end(true)).await.unwrap();
        }
        eprintln!("100 transactions over 3 partitions: {:.1} ms each", started.elapsed().as_secs_f64() * 10.0);
    };
    let reading = async {
        let mut read: HashMap<TopicPartition, Vec<String>> = HashMap::new();
        while read.values().map(Vec::len).sum::<usize>() < 3000 {
            let fetched = soon(reader.next()).await.unwrap();
            read.entry(fetched.partition.clone()).or_default().extend(values(&fetched));
        }
        read
    };
    let (read, ()) = tokio::join!(reading, writing);
    let expected: Vec<_> = (0..100).flat_map(|round| numbered(&format!("{round}"), 10)).collect();
    assert!(partitions.iter().all(|partition| read[partition] == expected));
}

#[tokio::test]
async fn a_burst_of_many_mebibytes_goes_through_and_comes_back() {
    let (cluster, name, _ours) = real().await;
    let topic = make_topic(&cluster, &name, 4).await;
    let mut producer = producer(&cluster, &name).await;
    let value = "x".repeat(1000);
    let mut burst: Vec<_> = (0..64).map(|index| batch(of(&topic, index % 4), vec![value.clone(); 500], Compression::None)).collect();
    let bytes: usize = burst.iter().map(|batch| batch.bytes.len()).sum();
    let started = std::time::Instant::now();
    soon(producer.send(&mut burst)).await.unwrap();
    let sent = started.elapsed();
    soon(producer.end(true)).await.unwrap();
    marked(&mut producer).await;
    eprintln!("burst of {:.0} MB sent in {:.0} ms", bytes as f64 / 1e6, sent.as_secs_f64() * 1e3);
    let started = std::time::Instant::now();
    for number in 0..4 {
        assert_eq!(read_all(&cluster, &of(&topic, number), Isolation::ReadCommitted).await.0.len(), 8000);
    }
    eprintln!("read back in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
}

/// A batch of a few hundred kilobytes that stands for two gibibytes.
fn bomb(partition: TopicPartition) -> Batch {
    let mut builder = BatchBuilder::new(Compression::Zstd);
    builder.push_plain(TimestampMs(1), None, Some(&vec![0; 8 << 20]));
    let mut bytes = builder.finish();
    // Frames that follow on each other are one stream.
    let frame = bytes[HEADER_BYTES..].repeat(255);
    bytes.extend(frame);
    let length = i32::try_from(bytes.len() - 12).expect("a small batch").to_be_bytes();
    bytes[8..12].copy_from_slice(&length);
    Batch { partition, bytes: bytes.into() }
}

#[tokio::test]
async fn a_batch_that_stands_for_gigabytes_is_named_and_what_follows_is_read() {
    // Only ours: Kafka opens what it is sent, and refuses this; here it is the reader who must not be blown up.
    let (bootstrap, _ours) = start().await;
    let cluster = connect(bootstrap).await;
    let topic = make_topic(&cluster, "bombed", 1).await;
    let only = of(&topic, 0);
    let mut producer = producer(&cluster, "bomber").await;
    let mut batches = [
        batch(only.clone(), numbered("before", 2), Compression::None),
        bomb(only.clone()),
        batch(only.clone(), numbered("after", 2), Compression::None),
    ];
    soon(producer.send(&mut batches)).await.unwrap();
    soon(producer.end(true)).await.unwrap();
    marked(&mut producer).await;
    let mut reader = fetcher(&cluster, Isolation::ReadCommitted, &[(only.clone(), 0)]);
    let (mut records, mut errors, mut next) = (Vec::new(), Vec::new(), Offset(0));
    while next < Offset(5) {
        let fetched = soon(reader.next()).await.unwrap();
        next = fetched.next_offset;
        for opened in fetched.open(16 << 20) {
            match opened {
                Ok(opened) => records.extend(opened.iter().map(|record| record.unwrap().offset)),
                Err(error) => errors.push(error),
            }
        }
    }
    assert_eq!(records, [0, 1, 3, 4].map(Offset));
    let reason = "batch decompresses to more than 16777216 bytes".to_owned();
    assert_eq!(errors, [FetchError::Damaged { partition: only.clone(), offset: Offset(2), reason }]);
    assert_eq!(errors[0].to_string(), format!("batch at offset 2 of {only}: batch decompresses to more than 16777216 bytes"));
}
