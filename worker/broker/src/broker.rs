//! One broker, from start to stop.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use control::{ActualBroker, DesiredBroker, StoreHealth};
use coordinators::{groups, transactions};
use log::{Log, LogConfig, RealDisk, Recovered, Ship};
use store::ObjectStore;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BrokerConfig, actual,
    budget::Budget,
    coordinator::{self, MarkerWriter},
    counters::{Counted, Counters},
    desired_file::DesiredFile,
    fetch::{ColdReads, Sessions},
    lane::{self, Lane},
    listener,
    listeners::Listeners,
    open_files,
    port::{Advertised, Port},
    proposals::Proposals,
    random,
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
/// Bytes of small answers of all APIs but Fetch that are held at once.
const PLAIN_RESPONSE_BUDGET_BYTES: usize = 8 << 20;
/// Answers that grow with the cluster and are built at once.
const BUILDERS: usize = 4;
/// TLS handshakes at once.
const HANDSHAKES_MAX: usize = 256;
/// How often a listener that could not be opened is tried again.
const LISTENER_RETRY: Duration = Duration::from_secs(2);
/// Name of the listener of the broker's own configuration.
const FIXED_LISTENER: &str = "internal";
/// Reads of the volume that run at once.
const VOLUME_READS: usize = 8;
/// Reads of the object store that run at once: each waits for an answer most of its time.
const COLD_READS: usize = 32;
/// Searches by time that run at once.
const LOOKUPS: usize = 2;
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

impl StartError {
    /// How the object store answers, where it is what the start needs: starting again is right once it answers. `None`: it is something else.
    #[must_use]
    pub const fn needs_store(&self) -> Option<StoreHealth> {
        match self {
            Self::Log(log::OpenError::StoreNeeded { state, .. }) => Some(actual::store_health(state)),
            _ => None,
        }
    }
}

/// A running broker. Dropping it without [`Broker::shutdown`] is what a crash is: nothing acknowledged is lost.
pub struct Broker {
    shared: Arc<Shared>,
    desired: Arc<DesiredFile>,
    /// Held for the whole of an application, so that an older state never comes after a newer one.
    applying: tokio::sync::Mutex<()>,
    address: Option<SocketAddr>,
    /// What recovery found when the log was opened.
    pub recovered: Recovered,
}

impl Broker {
    /// Recovers the log from `config.folder`, loads topics and coordinators, goes back to the desired state that was applied last, and serves.
    /// Everything acknowledged before is there when it returns.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is served then.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing that has begun; the folder's lock is released when it ends by itself.
    pub async fn start(config: BrokerConfig, store: Arc<dyn ObjectStore>) -> Result<Self, StartError> {
        open_files::raise_limit(config.connections_max);
        let failed = |address| move |source| StartError::Listen { address, source };
        let bound = config.listen.map(|address| listener::bind(address).map_err(failed(address))).transpose()?;
        let address = bound.as_ref().zip(config.listen).map(|(bound, address)| bound.local_addr().map_err(failed(address))).transpose()?;
        let advertised = config.advertised.clone();
        let desired = Arc::new(DesiredFile::in_folder(&config.folder));
        let runtime = tokio::runtime::Handle::current();
        let opening = tokio::task::spawn_blocking(move || open(config, store, &runtime));
        let (shared, recovered) = opening.await.map_err(|reason| StartError::Inside(reason.to_string()))??;
        if let Some((socket, address)) = bound.zip(address) {
            let (host, port) = advertised.unwrap_or_else(|| (address.ip().to_string(), address.port()));
            let port = Port::new(FIXED_LISTENER, Advertised { host, port }, None, shared.stop.child_token());
            shared.listeners.serve_fixed(socket, Arc::new(port), &shared);
        }
        let broker = Self { shared, desired, applying: tokio::sync::Mutex::default(), address, recovered };
        broker.resume().await?;
        tokio::spawn(retry_listeners(Arc::downgrade(&broker.shared), broker.shared.stop.clone()));
        Ok(broker)
    }

    /// Goes back to what was applied last.
    async fn resume(&self) -> Result<(), StartError> {
        let file = Arc::clone(&self.desired);
        let loaded = tokio::task::spawn_blocking(move || file.load()).await.map_err(|reason| StartError::Inside(reason.to_string()))?;
        match loaded {
            Ok(Some(desired)) => self.apply(desired).await,
            Ok(None) => Ok(()),
            // Topics and data do not depend on it, and whoever made it makes it again.
            Err(reason) => {
                tracing::error!(%reason, "the desired state that was applied last is lost; listeners open when it is told anew");
                Ok(())
            }
        }
    }

    /// Where it listens by its own configuration.
    ///
    /// # Panics
    /// Where it listens only on what its desired state asks for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address.expect("it listens by its own configuration")
    }

    /// Kafka's cluster id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        self.shared.topics.cluster_id()
    }

    /// Goes towards `desired`: topics are made, grown, configured, released; listeners opened and closed; clients that waited for that answered.
    /// What cannot be done is in [`Broker::actual`]. The state is on the volume before anything of it is done.
    ///
    /// # Errors
    /// Where the volume does not take the change; applying again is safe.
    ///
    /// # Cancel safety
    /// What was begun is gone through or not; applying again is safe.
    pub async fn apply(&self, desired: DesiredBroker) -> Result<(), StartError> {
        let _applying = self.applying.lock().await;
        if self.shared.config.ships_continuously {
            // A folder on the volume keeps nothing for long: it needs the room.
            self.shared.log.set_object_grace(Duration::from_millis(desired.object_delete_grace.0.unsigned_abs()));
        }
        let (shared, file) = (Arc::clone(&self.shared), Arc::clone(&self.desired));
        let applying = tokio::task::spawn_blocking(move || {
            if !file.keep(&desired, || shared.topics.is_news(desired.generation))? {
                return Ok((Vec::new(), None));
            }
            let gone = shared.topics.apply(&desired)?;
            Ok::<_, TopicsError>((gone, Some(desired)))
        });
        let applied = applying.await.map_err(|reason| StartError::Inside(reason.to_string()))?;
        let (gone, desired) = applied.map_err(|error| StartError::Topics(error.to_string()))?;
        if !gone.is_empty() {
            self.shared.groups.act(move |groups| groups.on_topics_deleted(&gone));
        }
        if let Some(desired) = desired {
            self.shared.proposals.follow(&self.shared.topics, &desired);
            self.shared.listeners.follow(desired.listeners, &self.shared).await;
        }
        Ok(())
    }

    /// What is, now.
    #[must_use]
    pub fn actual(&self) -> ActualBroker {
        actual::of(&self.shared)
    }

    /// Another number whenever something changed that somebody acts on; cheaper than [`Broker::actual`], which says what.
    #[must_use]
    pub fn revision(&self) -> u64 {
        actual::revision(&self.shared)
    }

    /// What was counted since it started.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let free = self.shared.connections.available_permits();
        Counted { connections_open: (self.shared.config.connections_max - free) as u64, ..self.shared.counters.read() }
    }

    /// What the log says of itself.
    #[must_use]
    pub fn log_stats(&self) -> log::Stats {
        self.shared.log.stats()
    }

    /// Stops accepting, answers what was begun, flushes the log and saves its checkpoint.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        // Connections end by themselves once what they began is answered; one whose peer takes no answers is not waited for.
        let _ = tokio::time::timeout(STOP_PATIENCE, self.shared.listeners.ended()).await;
        let log = self.shared.log.clone();
        let tasks = self.shared.tasks.clone();
        // With the last handle the coordinators' tasks end, and with them the last use of the log: its folder is free on return.
        drop(self.shared);
        tasks.close();
        let _ = tokio::time::timeout(STOP_PATIENCE, tasks.wait()).await;
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
    }
}

/// Tries now and then what could not be opened: a port may become free, certificates may be mounted.
async fn retry_listeners(shared: Weak<Shared>, stop: CancellationToken) {
    while tokio::time::timeout(LISTENER_RETRY, stop.cancelled()).await.is_err() {
        let Some(shared) = shared.upgrade() else { return };
        shared.listeners.retry(&shared).await;
    }
}

/// The part of the start that waits for the disk.
fn open(
    config: BrokerConfig,
    store: Arc<dyn ObjectStore>,
    runtime: &tokio::runtime::Handle,
) -> Result<(Arc<Shared>, Recovered), StartError> {
    std::fs::create_dir_all(&config.folder).map_err(|source| StartError::Folder { path: config.folder.display().to_string(), source })?;
    let ship = if config.ships_continuously { Ship::Every(SHIP_INTERVAL) } else { Ship::WhenAsked };
    let probe_store = config.ships_continuously;
    let log_config = LogConfig { ship, probe_store, ..LogConfig::new(config.broker, &config.store_name, config.folder.join("log")) };
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
    let first_session = i32::from_le_bytes(seed[4..8].try_into().expect("four bytes")) & 0x3fff_ffff;
    let incarnation = log.incarnation();
    let open =
        |name, threads, prepare| Lane::open(name, threads, prepare).map_err(|error| StartError::Inside(format!("start threads: {error}")));
    let shared = Shared {
        listeners: Listeners::default(),
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
        plain_responses: Budget::new(PLAIN_RESPONSE_BUDGET_BYTES),
        builders: Semaphore::new(BUILDERS),
        connections: Arc::new(Semaphore::new(config.connections_max)),
        handshakes: Semaphore::new(HANDSHAKES_MAX),
        counters: Counters::default(),
        proposals: Arc::new(Proposals::new(incarnation)),
        volume_reads: open("volume-read", VOLUME_READS, lane::equal)?,
        cold_reads: ColdReads::new(open("cold-read", COLD_READS, lane::behind)?, config.cold_response_budget_bytes),
        lookups: open("lookup", LOOKUPS, lane::behind)?,
        unknown_topics: UnknownTopics::default(),
        tasks,
        stop: CancellationToken::new(),
        config,
    };
    Ok((Arc::new(shared), recovered))
}
