//! DescribeCluster (60): the cluster's id and its one broker.

use wire::{DescribeClusterRequest, DescribeClusterResponse, ErrorCode, Str, describe_cluster as d};

use crate::dispatch::Call;

/// `endpoint_type` of brokers; controllers have no endpoint here.
const BROKERS: i8 = 1;

pub(crate) async fn answer(call: Call, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let shared = &call.shared;
    if request.endpoint_type != BROKERS {
        return DescribeClusterResponse { error_code: ErrorCode::UnsupportedEndpointType, ..DescribeClusterResponse::default() };
    }
    let advertised = call.advertised();
    let host = Str::from(advertised.host.as_str());
    DescribeClusterResponse {
        cluster_id: Str::from(shared.topics.cluster_id()),
        controller_id: shared.broker(),
        brokers: vec![d::DescribeClusterBroker {
            broker_id: shared.broker(),
            host,
            port: i32::from(advertised.port),
            rack: None,
            is_fenced: false,
        }],
        ..DescribeClusterResponse::default()
    }
}
