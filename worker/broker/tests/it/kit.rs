//! A broker of the test's own, and a peer that speaks the protocol on one connection.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use control::{DesiredBroker, ObjectRef};
use records::{BatchBuilder, Compression, stamp};
use streamwright_broker::{Broker, BrokerConfig};
use tempfile::TempDir;
use units::{BrokerId, DurationMs, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId, TopicName};
use wire::{
    CreateTopicsRequest, ErrorCode, FetchRequest, FetchResponse, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    ProduceRequest, Request, create_topics, fetch, metadata, produce,
};

use crate::gate::Gated;

/// How long an answer may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker and the runtime it lives in.
pub struct Served {
    runtime: tokio::runtime::Runtime,
    broker: Option<Broker>,
    store: Option<Arc<Gated>>,
    config: BrokerConfig,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Served {
    pub fn start() -> Self {
        Self::start_with(|config| config)
    }

    pub fn start_with(change: impl FnOnce(BrokerConfig) -> BrokerConfig) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = BrokerConfig {
            initial_rebalance_delay: DurationMs(0),
            ..BrokerConfig::new(BrokerId(0), folder.path().join("broker"), "127.0.0.1:0".parse().expect("an address"))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let mut served = Self {
            runtime,
            broker: None,
            store: None,
            config: change(config),
            address: "127.0.0.1:0".parse().expect("an address"),
            _folder: folder,
        };
        served.open();
        served
    }

    fn open(&mut self) {
        let store = Arc::new(Gated::new(store::FolderStore::open(self.config.folder.join("objects")).expect("a folder store")));
        self.store = Some(Arc::clone(&store));
        let broker = self.runtime.block_on(Broker::start(self.config.clone(), store)).expect("the broker starts");
        if self.config.listen.is_some() {
            self.address = broker.address();
        }
        self.broker = Some(broker);
    }

    /// Stops in order, and starts again on the same folder.
    pub fn restart(&mut self) {
        let broker = self.broker.take().expect("it runs");
        self.runtime.block_on(broker.shutdown());
        self.open();
    }

    /// The folder that it has to itself.
    pub fn folder(&self) -> &std::path::Path {
        self._folder.path()
    }

    /// Comes back when the object store has all that was acknowledged.
    pub fn wait_until_shipped(&self) {
        let begun = std::time::Instant::now();
        while self.broker().actual().object_store.bytes_at_risk.0 > 0 {
            assert!(begun.elapsed() < Duration::from_secs(120), "what is acknowledged leaves within seconds");
            std::thread::yield_now();
        }
    }

    /// Stops, loses all that is on the volume but the store's folder, and starts again.
    pub fn lose_volume(&mut self) {
        self.lose_volume_and_be(|_| {});
    }

    /// The same, as another broker.
    pub fn lose_volume_and_be(&mut self, change: impl FnOnce(&mut BrokerConfig)) {
        let broker = self.broker.take().expect("it runs");
        self.runtime.block_on(broker.shutdown());
        std::fs::remove_dir_all(self.config.folder.join("log")).expect("the log has a folder");
        std::fs::remove_file(self.config.folder.join("catalogue.json")).expect("the catalogue has a file");
        change(&mut self.config);
        self.open();
    }

    pub fn apply(&self, desired: DesiredBroker) {
        self.runtime.block_on(self.broker().apply(desired)).expect("the desired state is applied");
    }

    /// Where it ships to.
    pub fn store(&self) -> &Gated {
        self.store.as_ref().expect("it runs")
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("it runs")
    }

    pub fn peer(&self) -> Peer {
        Peer::connect(self.address)
    }
}

/// A desired state without topics.
pub fn desired(generation: u64) -> DesiredBroker {
    DesiredBroker::new(generation, ObjectRef { namespace: "default".into(), name: "default".into() })
}

/// One connection.
pub struct Peer {
    pub socket: TcpStream,
    next: i32,
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the broker accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        socket.set_nodelay(true).expect("small frames leave at once");
        Self { socket, next: 0 }
    }

    /// Asks in the newest version and waits for the answer.
    pub fn ask<R: Request>(&mut self, request: &R) -> R::Response {
        self.ask_in(*R::versions().end(), request)
    }

    pub fn ask_in<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    /// Sends without waiting: answers come in the order of requests.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) {
        let frame = wire::encode_request(request, version, self.next, None).expect("the request encodes");
        self.next += 1;
        self.socket.write_all(&frame.into_bytes()).expect("the broker reads");
    }

    pub fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let frame = self.receive_frame().expect("the broker answers");
        wire::decode_response::<R::Response>(frame, version).expect("the answer decodes").1
    }

    /// Whether the broker has closed the connection, as far as is known now.
    pub fn is_closed(&mut self) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        let read = self.socket.read(&mut [0]);
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        match read {
            Ok(bytes) => bytes == 0,
            Err(reason) => !matches!(reason.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }

    /// The next frame; `None` where the broker has closed the connection.
    pub fn receive_frame(&mut self) -> Option<bytes::Bytes> {
        let mut length = [0; 4];
        if let Err(reason) = self.socket.read_exact(&mut length) {
            assert!(
                !matches!(reason.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
                "no answer within {PATIENCE:?}"
            );
            return None;
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut frame).ok()?;
        Some(frame.into())
    }

    pub fn create(&mut self, name: &str, partitions: i32) -> TopicId {
        self.create_with(name, partitions, &[])
    }

    pub fn create_with(&mut self, name: &str, partitions: i32, config: &[(&str, &str)]) -> TopicId {
        let configs = config
            .iter()
            .map(|(name, value)| create_topics::CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) })
            .collect();
        let topic = create_topics::CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: -1,
            configs,
            ..Default::default()
        };
        let answer = self.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() });
        assert_eq!(answer.topics[0].error_code, ErrorCode::None, "{:?}", answer.topics[0].error_message);
        answer.topics[0].topic_id
    }

    /// The id of a topic that is there.
    pub fn topic_id(&mut self, name: &str) -> TopicId {
        let topics = vec![metadata::MetadataRequestTopic { name: Some(name.into()), ..Default::default() }];
        let answer = self.ask(&MetadataRequest { topics: Some(topics), ..Default::default() });
        assert_eq!(answer.topics[0].error_code, ErrorCode::None);
        answer.topics[0].topic_id
    }

    pub fn produce(&mut self, topic: TopicId, batch: &Batch) -> produce::PartitionProduceResponse {
        let version = *ProduceRequest::versions_end();
        self.send(version, &batch.request(topic));
        self.produced()
    }

    pub fn produced(&mut self) -> produce::PartitionProduceResponse {
        let mut answer = self.receive::<ProduceRequest>(*ProduceRequest::versions_end());
        answer.responses.remove(0).partition_responses.remove(0)
    }

    pub fn init_producer(&mut self, transactional_id: Option<&str>) -> InitProducerIdResponse {
        let request = InitProducerIdRequest {
            transactional_id: transactional_id.map(Into::into),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let answer = self.ask(&request);
        assert_eq!(answer.error_code, ErrorCode::None);
        answer
    }

    /// Fetches partition 0 from `from` without a session, waiting at most `max_wait_ms`.
    pub fn fetch(&mut self, topic: TopicId, from: i64, change: impl FnOnce(&mut FetchRequest)) -> fetch::PartitionData {
        let mut request = fetch_request(topic, from);
        change(&mut request);
        let mut answer: FetchResponse = self.ask(&request);
        assert_eq!(answer.error_code, ErrorCode::None);
        answer.responses.remove(0).partitions.remove(0)
    }
}

pub fn fetch_request(topic_id: TopicId, from: i64) -> FetchRequest {
    let partition =
        fetch::FetchPartition { partition: PartitionId(0), fetch_offset: Offset(from), partition_max_bytes: 1 << 20, ..Default::default() };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        topics: vec![fetch::FetchTopic { topic_id, partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    }
}

/// `versions().end()` as something to borrow, for brevity above.
pub trait Newest {
    fn versions_end() -> &'static i16;
}

impl Newest for ProduceRequest {
    fn versions_end() -> &'static i16 {
        &13
    }
}

/// A batch to produce to partition 0.
#[derive(Clone)]
pub struct Batch {
    pub bytes: Vec<u8>,
    pub transactional_id: Option<String>,
}

impl Batch {
    /// Values at time 1,000 ms, 1,001 ms, …
    pub fn of(values: &[&str]) -> Self {
        Self::at(1_000, values)
    }

    /// Values at this time and the milliseconds after it.
    pub fn at(first_ms: i64, values: &[&str]) -> Self {
        let mut builder = BatchBuilder::new(Compression::None);
        for (time, value) in (first_ms..).zip(values) {
            builder.push_plain(TimestampMs(time), None, Some(value.as_bytes()));
        }
        Self { bytes: builder.finish(), transactional_id: None }
    }

    pub fn by(mut self, producer: ProducerId, epoch: ProducerEpoch, sequence: i32) -> Self {
        stamp(&mut self.bytes, producer, epoch, Sequence(sequence), false);
        self
    }

    pub fn in_transaction(mut self, id: &str, producer: ProducerId, epoch: ProducerEpoch, sequence: i32) -> Self {
        stamp(&mut self.bytes, producer, epoch, Sequence(sequence), true);
        self.transactional_id = Some(id.into());
        self
    }

    pub fn request(&self, topic_id: TopicId) -> ProduceRequest {
        let partition = produce::PartitionProduceData { index: PartitionId(0), records: Some(self.bytes.clone().into()) };
        ProduceRequest {
            transactional_id: self.transactional_id.as_deref().map(Into::into),
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![produce::TopicProduceData { topic_id, partition_data: vec![partition], ..Default::default() }],
        }
    }
}

/// The values in a partition's answer, whatever was asked for.
pub fn values(data: &fetch::PartitionData) -> Vec<String> {
    let bytes = data.records.clone().into_bytes();
    let mut values = Vec::new();
    for batch in records::split(bytes) {
        let (header, batch) = batch.expect("whole batches");
        if header.attributes.is_control() {
            continue;
        }
        let decoded = records::Records::decode(&batch, 1 << 24).expect("batches decode");
        values.extend(
            decoded.iter().map(|record| String::from_utf8_lossy(record.expect("records decode").value.unwrap_or_default()).into_owned()),
        );
    }
    values
}

pub fn name(text: &str) -> TopicName {
    TopicName::new(text).expect("a topic name")
}

pub const NO_EPOCH: LeaderEpoch = LeaderEpoch(-1);
