//! A broker that does as scripted, on a socket of its own.

use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use units::{BrokerId, LeaderEpoch, PartitionId, TopicId};
use wire::{
    ApiKey, ApiVersionsResponse, Decoder, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, Message, MetadataRequest,
    MetadataResponse, RequestHeader,
    api_versions::{ApiVersion, FinalizedFeatureKey},
    find_coordinator::Coordinator,
    frame,
    metadata::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
};

/// Id of the only topic, `t`.
pub const TOPIC_ID: TopicId = TopicId([7; 16]);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub api: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
    body: Bytes,
    address: String,
}

impl Call {
    /// The request itself.
    pub fn request<R: Message>(&self) -> R {
        R::decode(&mut Decoder::new(self.body.clone()), self.version).expect("the client writes what it says")
    }

    /// An answer to it.
    pub fn answer<R: Message>(&self, response: &R) -> Reaction {
        let frame = wire::encode_response(response, self.version, self.correlation_id).expect("an answer of that version");
        Reaction::Bytes(frame.into_bytes())
    }
}

/// What the broker does about a request.
#[derive(Debug)]
pub enum Reaction {
    /// Writes these bytes.
    Bytes(Bytes),
    /// Writes these bytes, and whatever comes after them, not before this comes.
    Later(oneshot::Receiver<()>, Bytes),
    /// Writes nothing, and reads on.
    Silence,
    /// Closes the connection.
    Close,
    /// Closes its writing side only, and reads on.
    HalfClose,
}

type Script = dyn FnMut(&Call) -> Option<Reaction> + Send;

/// The broker. It ends when this is dropped.
pub struct Fake {
    address: String,
    calls: Arc<Mutex<Vec<Call>>>,
    connections: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Fake {
    /// Answers as `script` says, and where that says nothing as a broker would that leads all partitions and coordinates everything.
    pub async fn start(script: impl FnMut(&Call) -> Option<Reaction> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let (open, connections) = watch::channel(0);
        let mut tasks = JoinSet::new();
        let (here, seen) = (address.clone(), calls.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.send_modify(|open| *open += 1);
                let (open, served) = (open.clone(), serve(stream, here.clone(), script.clone(), seen.clone()));
                connections.spawn(async move {
                    served.await;
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, calls, connections, _tasks: tasks }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns once so many connections are open.
    pub async fn connections_come_to(&self, count: usize) {
        self.connections.clone().wait_for(|open| *open == count).await.expect("the fake lives");
    }

    /// All requests for `api` so far.
    pub fn calls(&self, api: ApiKey) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.api == api).cloned().collect()
    }
}

async fn serve(stream: TcpStream, address: String, script: Arc<Mutex<Box<Script>>>, calls: Arc<Mutex<Vec<Call>>>) {
    let (mut reading, mut writing) = stream.into_split();
    let (reactions, mut to_write) = mpsc::unbounded_channel();
    let mut writer = JoinSet::new();
    writer.spawn(async move {
        while let Some(reaction) = to_write.recv().await {
            let bytes = match reaction {
                Reaction::Bytes(bytes) => bytes,
                Reaction::Later(when, bytes) => {
                    let _ = when.await;
                    bytes
                }
                _ => return,
            };
            writing.write_all(&bytes).await.unwrap_or(());
        }
    });
    let mut buffer = BytesMut::new();
    loop {
        while let Ok(frame::Status::Whole { frame_bytes }) = frame::status(&buffer, 1 << 30) {
            buffer.advance(4);
            let mut decoder = Decoder::new(buffer.split_to(frame_bytes).freeze());
            let header = RequestHeader::decode(&mut decoder).expect("the client asks for what there is");
            let (api, version, correlation_id) = (header.api, header.version, header.correlation_id);
            let call = Call { api, version, correlation_id, body: decoder.rest(), address: address.clone() };
            calls.lock().unwrap().push(call.clone());
            let reaction = script.lock().unwrap()(&call);
            match reaction.unwrap_or_else(|| usual(&call)) {
                Reaction::Silence => {}
                Reaction::Close => return,
                reaction => drop(reactions.send(reaction)),
            }
        }
        if !matches!(reading.read_buf(&mut buffer).await, Ok(bytes) if bytes > 0) {
            return;
        }
    }
}

/// What any broker would say.
pub fn usual(call: &Call) -> Reaction {
    match call.api {
        ApiKey::ApiVersions => call.answer(&versions(2)),
        ApiKey::Metadata => call.answer(&metadata(call)),
        ApiKey::FindCoordinator => {
            let (host, port) = host_and_port(&call.address);
            let key = call.request::<FindCoordinatorRequest>().coordinator_keys[0].clone();
            let coordinator = Coordinator { key, node_id: BrokerId(1), host: host.into(), port, ..Default::default() };
            call.answer(&FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() })
        }
        other => panic!("the script says nothing about {other}"),
    }
}

/// All that this client knows, with a level of `transaction.version`.
pub fn versions(transaction_version: i16) -> ApiVersionsResponse {
    let version =
        |api: &ApiKey| ApiVersion { api_key: api.code(), min_version: *api.versions().start(), max_version: *api.versions().end() };
    let name = "transaction.version".into();
    let feature = FinalizedFeatureKey { name, max_version_level: transaction_version, min_version_level: transaction_version };
    ApiVersionsResponse { api_keys: ApiKey::ALL.iter().map(version).collect(), finalized_features: vec![feature], ..Default::default() }
}

/// One broker, and the topic `t` with four partitions where it is asked for.
pub fn metadata(call: &Call) -> MetadataResponse {
    let (host, port) = host_and_port(&call.address);
    let broker = MetadataResponseBroker { node_id: BrokerId(1), host: host.into(), port, ..Default::default() };
    let partition = |index| MetadataResponsePartition {
        partition_index: PartitionId(index),
        leader_id: BrokerId(1),
        leader_epoch: LeaderEpoch(3),
        ..Default::default()
    };
    let topic = |asked: wire::metadata::MetadataRequestTopic| {
        let is_known = asked.name.as_deref() == Some("t");
        let error_code = if is_known { ErrorCode::None } else { ErrorCode::UnknownTopicOrPartition };
        let partitions = if is_known { (0..4).map(partition).collect() } else { Vec::new() };
        MetadataResponseTopic { error_code, name: asked.name, topic_id: TOPIC_ID, partitions, ..Default::default() }
    };
    let topics = call.request::<MetadataRequest>().topics.unwrap_or_default();
    MetadataResponse { brokers: vec![broker], topics: topics.into_iter().map(topic).collect(), ..Default::default() }
}

fn host_and_port(address: &str) -> (&str, i32) {
    let (host, port) = address.rsplit_once(':').expect("host and port");
    (host, port.parse().expect("a port"))
}
