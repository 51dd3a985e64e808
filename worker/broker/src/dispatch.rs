//! From a frame to the handler of its API.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use wire::{ApiKey, Decoder, Encoded, HeaderError, Request, RequestHeader};

use crate::{
    api,
    budget::Taken,
    port::{Advertised, Port},
    shared::Shared,
};

/// The largest request other than Produce: one that names 100,000 partitions is half of it.
const PLAIN_REQUEST_BYTES_MAX: usize = 8 << 20;
/// Memory that a request may be decoded into, for each of its bytes, and besides: honest ones take less than 8 times their bytes.
const DECODED_PER_BYTE: usize = 16;
const DECODED_FLOOR_BYTES: usize = 4 << 10;
/// The same for Produce, where nearly all bytes are records and stay where they are.
const PRODUCE_DECODED_FLOOR_BYTES: usize = 64 << 10;
/// Answers up to this size have memory of their own.
const SMALL_ANSWER_BYTES: usize = 16 << 10;

/// An answer, and the memory that is charged for it until it is written; or why the connection must be closed.
pub(crate) type Finished = Result<(Encoded, Option<Taken>), String>;

/// A request whose order is settled; awaiting it gives the rest.
pub(crate) enum Begun {
    /// Answered with a frame.
    Answer(Pin<Box<dyn Future<Output = Finished> + Send>>),
    /// Not answered (`acks=0`); a failure closes the connection.
    Silent(Pin<Box<dyn Future<Output = Result<(), String>> + Send>>),
}

/// What a connection remembers from request to request.
pub(crate) struct Client {
    peer: SocketAddr,
    port: Arc<Port>,
    gates: api::produce::Gates,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr, port: Arc<Port>) -> Self {
        Self { peer, port, gates: api::produce::Gates::default() }
    }
}

/// One request's circumstances, as handlers need them.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Arc<str>,
    pub(crate) peer: SocketAddr,
    port: Arc<Port>,
}

impl Call {
    /// Where this client is told to find the broker: at the listener it came in by.
    pub(crate) fn advertised(&self) -> Arc<Advertised> {
        self.port.advertised()
    }
}

/// Memory that a frame of `api` may take: its bytes, and what they are decoded into.
///
/// # Errors
/// Where that is more than any such request needs.
pub(crate) fn worth(api: Option<i16>, frame_bytes: usize) -> Result<usize, String> {
    if is_produce(api) {
        return Ok(frame_bytes);
    }
    if frame_bytes > PLAIN_REQUEST_BYTES_MAX {
        return Err(format!("a request of {frame_bytes} bytes that is not a Produce; the limit is {PLAIN_REQUEST_BYTES_MAX}"));
    }
    Ok(frame_bytes + decoded_bytes_max(api, frame_bytes))
}

fn is_produce(api: Option<i16>) -> bool {
    api.and_then(ApiKey::from_code) == Some(ApiKey::Produce)
}

fn decoded_bytes_max(api: Option<i16>, frame_bytes: usize) -> usize {
    if is_produce(api) { frame_bytes + PRODUCE_DECODED_FLOOR_BYTES } else { frame_bytes * DECODED_PER_BYTE + DECODED_FLOOR_BYTES }
}

/// Begins the request in `frame`, and tells what its decoded form takes, in bytes.
///
/// # Errors
/// What is wrong with it: the connection must be closed, as Kafka does, since what follows cannot be trusted.
pub(crate) fn begin(shared: &Arc<Shared>, client: &mut Client, frame: Bytes) -> Result<(Begun, usize), String> {
    let api = frame.get(..2).map(|api| i16::from_be_bytes([api[0], api[1]]));
    let (frame_bytes, memory_bytes) = (frame.len(), decoded_bytes_max(api, frame.len()));
    let mut decoder = Decoder::with_memory(frame, memory_bytes);
    let begun = decoded(shared, client, frame_bytes, &mut decoder)?;
    Ok((begun, decoder.memory_taken()))
}

fn decoded(shared: &Arc<Shared>, client: &mut Client, frame_bytes: usize, decoder: &mut Decoder) -> Result<Begun, String> {
    let header = match RequestHeader::decode(decoder) {
        Ok(header) => header,
        Err(HeaderError::UnsupportedVersion { api: ApiKey::ApiVersions, correlation_id, .. }) => {
            let answer = wire::unsupported_api_versions(correlation_id);
            return Ok(Begun::Answer(Box::pin(std::future::ready(Ok((answer, None))))));
        }
        Err(reason) => return Err(reason.to_string()),
    };
    let call = Call {
        shared: Arc::clone(shared),
        version: header.version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.as_deref().unwrap_or_default().into(),
        peer: client.peer,
        port: Arc::clone(&client.port),
    };
    shared.counters.of(header.api).request(frame_bytes);
    match header.api {
        ApiKey::Produce => api::produce::begin(call, &mut client.gates, decoder),
        ApiKey::Fetch => api::fetch::begin(call, decoder),
        ApiKey::ListOffsets => answer(call, decoder, api::list_offsets::answer),
        ApiKey::Metadata => answer(call, decoder, api::metadata::answer),
        ApiKey::OffsetCommit => answer(call, decoder, api::offset_commit::answer),
        ApiKey::OffsetFetch => answer(call, decoder, api::offset_fetch::answer),
        ApiKey::FindCoordinator => answer(call, decoder, api::find_coordinator::answer),
        ApiKey::JoinGroup => answer(call, decoder, api::join_group::answer),
        ApiKey::Heartbeat => answer(call, decoder, api::heartbeat::answer),
        ApiKey::LeaveGroup => answer(call, decoder, api::leave_group::answer),
        ApiKey::SyncGroup => answer(call, decoder, api::sync_group::answer),
        ApiKey::DescribeGroups => answer(call, decoder, api::describe_groups::answer),
        ApiKey::ListGroups => answer(call, decoder, api::list_groups::answer),
        ApiKey::ApiVersions => answer(call, decoder, api::api_versions::answer),
        ApiKey::CreateTopics => answer(call, decoder, api::create_topics::answer),
        ApiKey::DeleteTopics => answer(call, decoder, api::delete_topics::answer),
        ApiKey::DeleteRecords => answer(call, decoder, api::delete_records::answer),
        ApiKey::InitProducerId => answer(call, decoder, api::init_producer_id::answer),
        ApiKey::OffsetForLeaderEpoch => answer(call, decoder, api::offset_for_leader_epoch::answer),
        ApiKey::AddPartitionsToTxn => answer(call, decoder, api::add_partitions_to_txn::answer),
        ApiKey::AddOffsetsToTxn => answer(call, decoder, api::add_offsets_to_txn::answer),
        ApiKey::EndTxn => answer(call, decoder, api::end_txn::answer),
        ApiKey::TxnOffsetCommit => answer(call, decoder, api::txn_offset_commit::answer),
        ApiKey::DescribeConfigs => answer(call, decoder, api::describe_configs::answer),
        ApiKey::AlterConfigs => answer(call, decoder, api::alter_configs::answer),
        ApiKey::IncrementalAlterConfigs => answer(call, decoder, api::alter_configs::answer_incremental),
        ApiKey::DescribeLogDirs => answer(call, decoder, api::describe_log_dirs::answer),
        ApiKey::CreatePartitions => answer(call, decoder, api::create_partitions::answer),
        ApiKey::DeleteGroups => answer(call, decoder, api::delete_groups::answer),
        ApiKey::OffsetDelete => answer(call, decoder, api::offset_delete::answer),
        ApiKey::DescribeCluster => answer(call, decoder, api::describe_cluster::answer),
        ApiKey::DescribeProducers => answer(call, decoder, api::describe_producers::answer),
        ApiKey::DescribeTransactions => answer(call, decoder, api::describe_transactions::answer),
        ApiKey::ListTransactions => answer(call, decoder, api::list_transactions::answer),
        ApiKey::WriteTxnMarkers => Err("WriteTxnMarkers is between brokers, and this cluster has one".into()),
    }
}

/// Decodes the request, begins it by calling `handler`, and encodes what comes of it.
fn answer<R, F, A>(call: Call, decoder: &mut Decoder, handler: F) -> Result<Begun, String>
where
    R: Request,
    R::Response: Send,
    F: FnOnce(Call, R) -> A,
    A: Future<Output = R::Response> + Send + 'static,
{
    let request = decode::<R>(decoder, call.version)?;
    let (version, correlation_id) = (call.version, call.correlation_id);
    let shared = Arc::clone(&call.shared);
    let answering = handler(call, request);
    Ok(Begun::Answer(Box::pin(async move {
        // What is built is charged once it is known how much it is; until then it holds one of a few places.
        let _place = match grows_with_the_cluster(R::API) {
            true => Some(shared.builders.acquire().await.expect("the lane of builders is never closed")),
            false => None,
        };
        let response = answering.await;
        let answer = wire::encode_response(&response, version, correlation_id).map_err(|reason| reason.to_string())?;
        drop(response);
        let charged = charge(&shared, &answer).await;
        Ok((answer, Some(charged)))
    })))
}

/// Whether the answer grows with what the cluster has, rather than with the request. None of these waits for anybody but this broker.
fn grows_with_the_cluster(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::Metadata
            | ApiKey::DescribeConfigs
            | ApiKey::DescribeGroups
            | ApiKey::DescribeLogDirs
            | ApiKey::DescribeProducers
            | ApiKey::DescribeTransactions
            | ApiKey::ListGroups
            | ApiKey::ListTransactions
            | ApiKey::OffsetFetch
    )
}

/// Waits until there is room for an answer among those that are being written.
pub(crate) async fn charge(shared: &Shared, answer: &Encoded) -> Taken {
    let budget = if answer.len() <= SMALL_ANSWER_BYTES { &shared.plain_responses } else { &shared.responses };
    budget.take(answer.len()).await
}

/// The request that follows its header.
pub(crate) fn decode<R: Request>(decoder: &mut Decoder, version: i16) -> Result<R, String> {
    R::decode(decoder, version).map_err(|reason| format!("{:?} version {version}: {reason}", R::API))
}
