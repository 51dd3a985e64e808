//! DescribeCluster (60): brokers and the cluster's id (KIP-700).

use units::BrokerId;

use crate::{ErrorCode, Str};

message! {
    /// Asks for brokers.
    request DescribeClusterRequest: DescribeCluster -> DescribeClusterResponse {
        /// Whether to say what the client may do with the cluster.
        include_cluster_authorized_operations: bool,
        /// 1: brokers; 2: controllers (KIP-919).
        endpoint_type: i8 [1..; strict] = 1,
        /// Whether to name brokers that are fenced.
        include_fenced_brokers: bool [2..; strict],
    }
}

message! {
    /// Brokers and the cluster's id.
    response DescribeClusterResponse: DescribeCluster {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str>,
        /// 1: brokers; 2: controllers (KIP-919).
        endpoint_type: i8 [1..] = 1,
        /// Id of the cluster.
        cluster_id: Str,
        /// The broker that is asked to create topics; -1 for none.
        controller_id: BrokerId = BrokerId(-1),
        /// The brokers.
        brokers: Vec<DescribeClusterBroker>,
        /// Bits of what the client may do with the cluster; the least number for not asked.
        cluster_authorized_operations: i32 = i32::MIN,
    }

    /// One broker and where it listens.
    struct DescribeClusterBroker {
        /// Id of the broker.
        broker_id: BrokerId,
        /// Name or address it listens on.
        host: Str,
        /// Port it listens on.
        port: i32,
        /// Rack it is in.
        rack: Option<Str>,
        /// Whether it is fenced.
        is_fenced: bool [2..],
    }
}
