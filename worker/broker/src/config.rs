//! What a broker is told when it starts.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use units::{BrokerId, DurationMs};

/// What becomes of CreateTopics, CreatePartitions, IncrementalAlterConfigs and DeleteTopics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientChanges {
    /// They come into force at once, and the broker's volume is their record.
    Applied,
    /// They are shown in [`control::ActualBroker::proposals`] and answered when a desired state brings them into force.
    Proposed,
}

/// How one broker runs. [`BrokerConfig::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Its id, Kafka's `node.id`.
    pub broker: BrokerId,
    /// Folder on its volume: the WAL and the catalogue of topics. One process at a time.
    pub folder: PathBuf,
    /// Where it listens in plain text for as long as it runs. Port 0 takes any free one; [`crate::Broker::address`] tells which. `None`: only
    /// on the listeners of its desired state.
    pub listen: Option<SocketAddr>,
    /// `host:port` that clients of `listen` are told to connect to; `None`: the address it listens on.
    pub advertised: Option<(String, u16)>,
    /// Address on which the listeners of its desired state listen; `None`: all of the machine's.
    pub listen_host: Option<IpAddr>,
    /// Folder with a folder of certificates (see crate `tls`) for each listener that has TLS; `None`: none can have it.
    pub tls_folder: Option<PathBuf>,
    /// What becomes of clients' changes of topics. Default: applied.
    pub client_changes: ClientChanges,
    /// Kafka's cluster id; `None`: made at the first start and kept.
    pub cluster_id: Option<String>,
    /// The cluster in names of objects: what was shipped is found by it, on an empty volume too, so it never changes, and no two clusters
    /// that share a bucket and a prefix have the same. Default `local`.
    pub store_name: String,
    /// Whether the store is an object store of its own, which is shipped to all the time, or a folder on the volume, which is not.
    pub ships_continuously: bool,
    /// The largest request that is read (`socket.request.max.bytes`). Default 100 MiB.
    pub request_bytes_max: usize,
    /// Bytes of requests that are held at once, all connections together; beyond, sockets are not read. Requests up to 16 KiB have
    /// 8 MiB of their own. What is not a Produce counts for what it may be decoded into, too. Default 24 MiB.
    pub request_budget_bytes: usize,
    /// Bytes of answers that are held at once, all connections together; beyond, fetches get less, and then wait.
    /// Answers up to 16 KiB have memory of their own: 4 MiB those of Fetch then, 8 MiB the others always. Default 32 MiB.
    pub response_budget_bytes: usize,
    /// Bytes of answers from the object store that are held at once, all connections together: a lane of their own, so that what drains old
    /// data leaves the memory for answers to those who read new data. Default 16 MiB.
    pub cold_response_budget_bytes: usize,
    /// Connections that are served at once. Default 4096.
    pub connections_max: usize,
    /// A connection that asks nothing for this long is closed (`connections.max.idle.ms`). Default 10 minutes.
    pub connection_idle_max: DurationMs,
    /// Partitions that a topic gets which a client makes without saying how many (`num.partitions`). Default 1.
    pub default_partitions: i32,
    /// How long an empty group waits for more members (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay: DurationMs,
}

impl BrokerConfig {
    /// The defaults, on `folder`, listening on `listen`.
    #[must_use]
    pub fn new(broker: BrokerId, folder: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            broker,
            folder: folder.into(),
            listen: Some(listen),
            advertised: None,
            listen_host: None,
            tls_folder: None,
            client_changes: ClientChanges::Applied,
            cluster_id: None,
            store_name: "local".into(),
            ships_continuously: false,
            request_bytes_max: 100 << 20,
            request_budget_bytes: 24 << 20,
            response_budget_bytes: 32 << 20,
            cold_response_budget_bytes: 16 << 20,
            connections_max: 4096,
            connection_idle_max: DurationMs(600_000),
            default_partitions: 1,
            initial_rebalance_delay: DurationMs(3_000),
        }
    }
}
