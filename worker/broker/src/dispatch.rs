//! From a frame to the handler of its API.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use wire::{ApiKey, Decoder, Encoded, HeaderError, Request, RequestHeader};

use crate::{api, budget::Taken, shared::Shared};

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
    gates: api::produce::Gates,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr) -> Self {
        Self { peer, gates: api::produce::Gates::default() }
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
}

/// Begins the request in `frame`.
///
/// # Errors
/// What is wrong with it: the connection must be closed, as Kafka does, since what follows cannot be trusted.
pub(crate) fn begin(shared: &Arc<Shared>, client: &mut Client, frame: Bytes) -> Result<Begun, String> {
    let mut decoder = Decoder::new(frame);
    let header = match RequestHeader::decode(&mut decoder) {
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
    };
    match header.api {
        ApiKey::Produce => api::produce::begin(call, &mut client.gates, &mut decoder),
        ApiKey::Fetch => api::fetch::begin(call, &mut decoder),
        ApiKey::ListOffsets => answer(call, &mut decoder, api::list_offsets::answer),
        ApiKey::Metadata => answer(call, &mut decoder, api::metadata::answer),
        ApiKey::OffsetCommit => answer(call, &mut decoder, api::offset_commit::answer),
        ApiKey::OffsetFetch => answer(call, &mut decoder, api::offset_fetch::answer),
        ApiKey::FindCoordinator => answer(call, &mut decoder, api::find_coordinator::answer),
        ApiKey::JoinGroup => answer(call, &mut decoder, api::join_group::answer),
        ApiKey::Heartbeat => answer(call, &mut decoder, api::heartbeat::answer),
        ApiKey::LeaveGroup => answer(call, &mut decoder, api::leave_group::answer),
        ApiKey::SyncGroup => answer(call, &mut decoder, api::sync_group::answer),
        ApiKey::DescribeGroups => answer(call, &mut decoder, api::describe_groups::answer),
        ApiKey::ListGroups => answer(call, &mut decoder, api::list_groups::answer),
        ApiKey::ApiVersions => answer(call, &mut decoder, api::api_versions::answer),
        ApiKey::CreateTopics => answer(call, &mut decoder, api::create_topics::answer),
        ApiKey::DeleteTopics => answer(call, &mut decoder, api::delete_topics::answer),
        ApiKey::DeleteRecords => answer(call, &mut decoder, api::delete_records::answer),
        ApiKey::InitProducerId => answer(call, &mut decoder, api::init_producer_id::answer),
        ApiKey::OffsetForLeaderEpoch => answer(call, &mut decoder, api::offset_for_leader_epoch::answer),
        ApiKey::AddPartitionsToTxn => answer(call, &mut decoder, api::add_partitions_to_txn::answer),
        ApiKey::AddOffsetsToTxn => answer(call, &mut decoder, api::add_offsets_to_txn::answer),
        ApiKey::EndTxn => answer(call, &mut decoder, api::end_txn::answer),
        ApiKey::TxnOffsetCommit => answer(call, &mut decoder, api::txn_offset_commit::answer),
        ApiKey::DescribeConfigs => answer(call, &mut decoder, api::describe_configs::answer),
        ApiKey::AlterConfigs => answer(call, &mut decoder, api::alter_configs::answer),
        ApiKey::IncrementalAlterConfigs => answer(call, &mut decoder, api::alter_configs::answer_incremental),
        ApiKey::DescribeLogDirs => answer(call, &mut decoder, api::describe_log_dirs::answer),
        ApiKey::CreatePartitions => answer(call, &mut decoder, api::create_partitions::answer),
        ApiKey::DeleteGroups => answer(call, &mut decoder, api::delete_groups::answer),
        ApiKey::OffsetDelete => answer(call, &mut decoder, api::offset_delete::answer),
        ApiKey::DescribeCluster => answer(call, &mut decoder, api::describe_cluster::answer),
        ApiKey::DescribeProducers => answer(call, &mut decoder, api::describe_producers::answer),
        ApiKey::DescribeTransactions => answer(call, &mut decoder, api::describe_transactions::answer),
        ApiKey::ListTransactions => answer(call, &mut decoder, api::list_transactions::answer),
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
    let answering = handler(call, request);
    Ok(Begun::Answer(Box::pin(async move {
        let response = answering.await;
        wire::encode_response(&response, version, correlation_id).map(|answer| (answer, None)).map_err(|reason| reason.to_string())
    })))
}

/// The request that follows its header.
pub(crate) fn decode<R: Request>(decoder: &mut Decoder, version: i16) -> Result<R, String> {
    R::decode(decoder, version).map_err(|reason| format!("{:?} version {version}: {reason}", R::API))
}
