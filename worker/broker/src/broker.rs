//! One broker, from start to stop.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use control::{ActualBroker, DesiredBroker};
use coordinators::{groups, transactions};
use log::{Log, LogConfig, RealDisk, Recovered, Ship};
use store::ObjectStore;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BrokerConfig, actual,
    budget::Budget,
    coordinator::{self, MarkerWriter},
    fetch::Sessions,
    listener, open_files, random,
    shared::Shared,
    topics::{Topics, TopicsError},
    unknown_topics::UnknownTopics,
    waiters::Waiters,
};

/// How often what is acknowledged leaves for an object store.
const SHIP_INTERVAL: Duration = Duration::from_secs(10);
/// How long a stop waits for peers that take no answers.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of small requests that are held at once: a kibibyte for each of 4096 connections, and as much again.
const SMALL_REQUEST_BUDGET_BYTES: usize = 8 << 20;
/// Bytes of small answers that are held at once while the memory for answers is gone.
const SMALL_RESPONSE_BUDGET_BYTES: usize = 4 << 20;
/// What the system may hold of answers for one connection, which is memory of ours too (`socket.send.buffer.bytes`).
const SEND_BUFFER_BYTES: u32 = 256 << 10;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Reads of disk and object store that run at once.
const BLOCKING_READS: usize = 8;
/// Fetch sessions, and partitions in all of them together.
const SESSIONS_MAX: usize = 1000;
const SESSION_PARTITIONS_MAX: usize = 1_000_000;

/// Why a broker does not start, or not change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The volume's folder cannot be made.
    #[error("create {path}: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The catalogue of topics cannot be used.
    #[error("{0}")]
    Topics(String),
    /// A coordinator's state cannot be loaded.
    #[error("{0}")]
    Coordinator(String),
    /// A task of ours failed.
    #[error("a task failed inside: {0}")]
    Inside(String),
}

/// A running broker. Dropping it without [`Broker::shutdown`] is what a crash is: nothing acknowledged is lost.
pub struct Broker {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: JoinHandle<()>,
    /// What recovery found when the log was opened.
    pub recovered: Recovered,
}

impl Broker {
    /// Recovers the log from `config.folder`, loads topics and coordinators, and serves. Everything acknowledged before is there when it returns.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is served then.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing that has begun; the folder's lock is released when it ends by itself.
    pub async fn start(config: BrokerConfig, store: Arc<dyn ObjectStore>) -> Result<Self, StartError> {
        let address = config.listen;
        open_files::raise_limit(config.connections_max);
        let listener = listen(address).map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let runtime = tokio::runtime::Handle::current();
        let opening = tokio::task::spawn_blocking(move || open(config, address, store, &runtime));
        let (shared, recovered) = opening.await.map_err(|reason| StartError::Inside(reason.to_string()))??;
        let listening = tokio::spawn(listener::run(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, listening, recovered })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kafka's cluster id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        self.shared.topics.cluster_id()
    }

    /// Goes towards `desired`: topics are made, grown, configured, released. What cannot be done is in [`Broker::actual`].
    ///
    /// # Errors
    /// Where the volume does not take the change; applying again is safe.
    ///
    /// # Cancel safety
    /// A dropped call goes on by itself.
    pub async fn apply(&self, desired: DesiredBroker) -> Result<(), StartError> {
        let shared = Arc::clone(&self.shared);
        let applied = tokio::task::spawn_blocking(move || shared.topics.apply(&desired)).await;
        let gone = applied.map_err(|reason| StartError::Inside(reason.to_string()))?;
        let gone = gone.map_err(|error: TopicsError| StartError::Topics(error.to_string()))?;
        if !gone.is_empty() {
            self.shared.groups.act(move |groups| groups.on_topics_deleted(&gone));
        }
        Ok(())
    }

    /// What is, now.
    #[must_use]
    pub fn actual(&self) -> ActualBroker {
        actual::of(&self.shared)
    }

    /// Stops accepting, answers what was begun, flushes the log and saves its checkpoint.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        // Connections end by themselves once what they began is answered; one whose peer takes no answers is not waited for.
        let _ = tokio::time::timeout(STOP_PATIENCE, self.listening).await;
        let log = self.shared.log.clone();
        let tasks = self.shared.tasks.clone();
        // With the last handle the coordinators' tasks end, and with them the last use of the log: its folder is free on return.
        drop(self.shared);
        tasks.close();
        let _ = tokio::time::timeout(STOP_PATIENCE, tasks.wait()).await;
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a restart need not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The part of the start that waits for the disk.
fn open(
    config: BrokerConfig,
    address: SocketAddr,
    store: Arc<dyn ObjectStore>,
    runtime: &tokio::runtime::Handle,
) -> Result<(Arc<Shared>, Recovered), StartError> {
    std::fs::create_dir_all(&config.folder).map_err(|source| StartError::Folder { path: config.folder.display().to_string(), source })?;
    let ship = if config.ships_continuously { Ship::Every(SHIP_INTERVAL) } else { Ship::WhenAsked };
    let cluster = config.cluster_id.clone().unwrap_or_else(|| "local".into());
    let log_config = LogConfig { ship, ..LogConfig::new(config.broker, &cluster, config.folder.join("log")) };
    let disk = Arc::new(RealDisk::open(&log_config)?);
    let (log, recovered) = Log::open(log_config, disk, store)?;
    let waiters = Arc::new(Waiters::default());
    let woken = Arc::clone(&waiters);
    log.on_advance(Arc::new(move |partition, _| woken.wake(partition)));
    let topics =
        Topics::open(&config.folder, config.cluster_id.as_deref(), log.clone()).map_err(|error| StartError::Topics(error.to_string()))?;
    let topics = Arc::new(topics);
    let seed = random::bytes();
    let group_config = groups::Config {
        partition_count: coordinator::PARTITIONS,
        initial_rebalance_delay: config.initial_rebalance_delay,
        member_id_seed: [
            u64::from_le_bytes(seed[..8].try_into().expect("eight bytes")),
            u64::from_le_bytes(seed[8..].try_into().expect("eight bytes")),
        ],
        ..groups::Config::default()
    };
    let tasks = TaskTracker::new();
    let failed = |error: coordinator::StartError| StartError::Coordinator(error.to_string());
    let groups = coordinator::start(groups::Groups::new(group_config), log.clone(), &tasks, runtime).map_err(failed)?;
    let writer = MarkerWriter::new(log.clone(), Arc::downgrade(&topics), groups.clone(), runtime.clone());
    let transaction_config = transactions::Config {
        broker: config.broker,
        incarnation: log.incarnation(),
        partition_count: coordinator::PARTITIONS,
        group_partition_count: coordinator::PARTITIONS,
        ..transactions::Config::default()
    };
    let core = transactions::Transactions::new(transaction_config);
    let transactions = coordinator::start_transactions(core, log.clone(), writer, &tasks, runtime).map_err(failed)?;
    let (host, port) = config.advertised.clone().unwrap_or_else(|| (address.ip().to_string(), address.port()));
    let first_session = i32::from_le_bytes(seed[4..8].try_into().expect("four bytes")) & 0x3fff_ffff;
    let shared = Shared {
        host,
        port,
        log,
        topics,
        groups,
        transactions,
        waiters,
        sessions: Mutex::new(Sessions::new(SESSIONS_MAX, SESSION_PARTITIONS_MAX, first_session)),
        requests: Budget::new(config.request_budget_bytes),
        small_requests: Budget::new(SMALL_REQUEST_BUDGET_BYTES),
        responses: Budget::new(config.response_budget_bytes),
        small_responses: Budget::new(SMALL_RESPONSE_BUDGET_BYTES),
        blocking_reads: Semaphore::new(BLOCKING_READS),
        unknown_topics: UnknownTopics::default(),
        tasks,
        stop: CancellationToken::new(),
        config,
    };
    Ok((Arc::new(shared), recovered))
}
